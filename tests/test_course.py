"""The course: every exercise asks for something that a cell can check, and no student is told the answer."""

import re
import sys

import nbformat
import pytest
from pages import ROOT

sys.path.append(str(ROOT / "scripts"))
import course

PROBLEMS = {path.stem: course.read_problems(path.stem) for path in sorted((ROOT / "course").glob("*.py"))}
LABELS = {label: chapter for chapter, (_, problems) in PROBLEMS.items() for label in problems}
WRONG = [(label, slip) for label, chapter in LABELS.items() for slip in PROBLEMS[chapter][1][label].wrong]


def notebooks(folder):
    return {path.stem: nbformat.read(path, 4) for path in sorted(folder.rglob("*.ipynb"))}


def checked(label, *cells):
    """Run what a student's notebook would have run, and the check; return what the check says of it."""
    given, problems = PROBLEMS[LABELS[label]]
    names = {}
    for source in (given, *cells):
        exec(source, names)
    try:
        exec(problems[label].check, names)
    except AssertionError as error:
        return str(error)
    return None


def test_every_exercise_has_a_problem_in_its_chapter_and_a_wrong_answer():
    exercises = {
        label: name
        for name, chapter in notebooks(ROOT / "chapters").items()
        for label in re.findall(r"\{exercise-start\}.*\n:label: (\S+)", "\n".join(c.source for c in chapter.cells))
    }
    assert len(exercises) >= 46 and exercises == LABELS
    for label, chapter in LABELS.items():
        problem = PROBLEMS[chapter][1][label]
        assert all([problem.text, problem.stub, problem.answer, problem.check, problem.wrong]), label


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_a_check_passes_on_the_right_answer(label):
    assert checked(label, PROBLEMS[LABELS[label]][1][label].answer) is None


@pytest.mark.slow
@pytest.mark.parametrize(("label", "slip"), WRONG)
def test_a_check_says_in_a_sentence_that_an_answer_is_wrong(label, slip):
    problem = PROBLEMS[LABELS[label]][1][label]
    said = checked(label, problem.answer, problem.wrong[slip])
    assert re.fullmatch(r"[A-Z`].{20,200}[.?]", said or "it passes"), said
