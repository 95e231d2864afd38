"""The course: every exercise asks for something that a cell can check, and no student is told the answer."""

import ast
import functools
import re
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from pages import ROOT

import course

PROBLEMS = {path.stem: course.read_problems(path.stem) for path in sorted((ROOT / "course").glob("*.py"))}
LABELS = {label: chapter for chapter, (_, problems) in PROBLEMS.items() for label in problems}
WRONG = [(label, slip) for label, chapter in LABELS.items() for slip in PROBLEMS[chapter][1][label].wrong]


def notebooks(folder):
    return {path.stem: nbformat.read(path, 4) for path in sorted(folder.rglob("*.ipynb"))}


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


def test_twelve_weeks_ask_for_every_exercise_once_and_say_what_they_are_worth():
    weeks, stars = course.read_weeks(), course.read_stars()
    assert list(weeks) == list(range(1, 13))
    assert sorted(label for _, labels in weeks.values() for label in labels) == sorted(LABELS)
    page = (ROOT / "chapters/teaching.md").read_text()
    for week, (title, labels) in weeks.items():
        (row,) = re.findall(rf"^\| {week}\. {title} \|.*$", page, re.MULTILINE)
        said = int(re.search(r" \((\d+) points\) \|$", row)[1])
        assert said == sum(2 * course.POINTS * stars[label][1] for label in labels), week


def test_problems_need_nothing_but_the_library_and_what_it_brings():
    allowed = sys.stdlib_module_names | {"dlnlib", "numpy", "scipy", "torch"}
    for given, problems in PROBLEMS.values():
        for source in (given, *(part for p in problems.values() for part in (p.stub, p.answer, p.check))):
            for node in ast.walk(ast.parse(source)):
                names = [node.module] if isinstance(node, ast.ImportFrom) else []
                names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
                assert {name.partition(".")[0] for name in names} <= allowed


# The checks


@functools.cache
def given(chapter):
    """What the problems of a chapter are given, run once."""
    names = {}
    exec(PROBLEMS[chapter][0], names)
    return names


def checked(label, *cells):
    """Run what a student's notebook would have run, and the check; return what the check says of it."""
    names = dict(given(LABELS[label]))
    for source in cells:
        exec(source, names)
    try:
        exec(PROBLEMS[LABELS[label]][1][label].check, names)
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_a_check_passes_on_the_right_answer_and_not_on_dots(label):
    problem = PROBLEMS[LABELS[label]][1][label]
    assert checked(label, problem.answer) is None
    with pytest.raises((AssertionError, TypeError, ValueError)):  # an ellipsis is no number, nor a matrix
        assert checked(label, problem.stub) is None


@pytest.mark.slow
@pytest.mark.parametrize(("label", "slip"), WRONG)
def test_a_check_says_in_a_sentence_that_an_answer_is_wrong(label, slip):
    problem = PROBLEMS[LABELS[label]][1][label]
    said = checked(label, problem.answer, problem.wrong[slip])
    assert re.fullmatch(r"[A-Z`].{20,200}[.?]", said or "it passes"), said


# The editions


@pytest.fixture(scope="module")
def editions(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    course.write_editions(folder)
    return folder


def strings(part):
    """Every text in a notebook, wherever it is kept."""
    if isinstance(part, dict):
        part = [*part, *part.values()]
    return [part] if isinstance(part, str) else [s for p in part for s in strings(p)] if isinstance(part, list) else []


def secrets():
    """Lines of code and pieces of sentences that only solutions have."""
    lines, pieces, open_lines, open_text = set(), set(), set(), ""
    for chapter in notebooks(ROOT / "chapters").values():
        hidden = False
        for cell in chapter.cells:
            for i, part in enumerate(re.split(r"^`{4,}\{solution-(?:start|end)\}", cell.source, flags=re.MULTILINE)):
                hidden ^= i > 0
                if not hidden:
                    open_lines.update(line.strip() for line in part.splitlines())
                    open_text += " ".join(part.split()) + " "
                elif cell.cell_type == "code":
                    lines.update(line.strip() for line in part.splitlines())
                else:  # between formulas, links and stops
                    pieces.update(
                        piece.strip() for piece in re.split(r"[$*{}`()\[\]]|[.:;?!,]\s", " ".join(part.split()))
                    )
    for _, problems in PROBLEMS.values():
        for problem in problems.values():
            open_lines.update(problem.stub.splitlines())
            for answer in (problem.answer, *problem.wrong.values()):
                lines.update(line.strip() for line in answer.splitlines())
    # What is too short to give anything away, and what the chapters show outside of their solutions.
    lines = {line for line in lines - open_lines if len(line) > 15 and not line.startswith(("from ", "import "))}
    return lines, {piece for piece in pieces if len(piece.split()) > 5 and piece not in open_text}


def given_away(folder):
    lines, pieces = secrets()
    found = []
    for name, notebook in notebooks(folder).items():
        for text in strings(notebook):
            found += [(name, line) for line in map(str.strip, text.splitlines()) if line in lines]
            words = " ".join(text.split())
            found += [(name, piece) for piece in pieces if piece in words]
    return found


@pytest.mark.slow
def test_the_student_edition_has_no_solution(editions):
    lines, pieces = secrets()
    assert len(lines) > 500 and len(pieces) > 150
    assert len(notebooks(editions / "student")) == 23
    assert given_away(editions / "student") == []


SENTENCE = "The start cancels from the difference of two times"
LEAKS = {
    "a cell": lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell(f"By (1), {SENTENCE}: so")),
    "a line": lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell("1\nequal = 1 / (99**3 + 1)")),
    "an answer": lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell("u0 = 1 / (99**3 + 1)")),
    "metadata": lambda notebook: notebook.cells[0].metadata.update(kept={"here": [SENTENCE]}),
    "an output": lambda notebook: notebook.cells[1].outputs.append(
        nbformat.v4.new_output("stream", text=f"so.\n{SENTENCE}")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_a_solution_that_was_left_in_is_found(editions, tmp_path, leak):
    notebook = nbformat.read(editions / "student/week01.ipynb", 4)
    LEAKS[leak](notebook)
    nbformat.write(notebook, tmp_path / "week01.ipynb")
    assert len(given_away(tmp_path)) == 1


@pytest.mark.slow
def test_the_teachers_edition_has_all_solutions(editions):
    lines, _ = secrets()
    there = {
        line.strip()
        for notebook in notebooks(editions / "teacher").values()
        for text in strings(notebook)
        for line in text.splitlines()
    }
    wrong = {line for label, slip in WRONG for line in PROBLEMS[LABELS[label]][1][label].wrong[slip].splitlines()}
    assert lines - {line.strip() for line in wrong} - there == set()


@pytest.mark.slow
@pytest.mark.parametrize("week", range(1, 13))
def test_a_problem_set_with_its_answers_runs_through(editions, week):
    names = {}
    for cell in nbformat.read(editions / f"teacher/source/week{week:02d}/week{week:02d}.ipynb", 4).cells:
        if cell.cell_type == "code" and cell.id != "installation":
            exec(cell.source, names)


@pytest.mark.slow
def test_a_problem_set_runs_in_jupyter_up_to_the_first_dots(editions):
    notebook = nbformat.read(editions / "student/week05.ipynb", 4)
    NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(editions)}}).execute()
    failed = [c.id for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", []))]
    assert failed == [cell.id for cell in notebook.cells if cell.id.endswith("-check")]


@pytest.mark.slow
def test_problem_sets_are_as_nbgrader_wants_them(editions):
    """Its schema, version 3; `make grading` tries them with nbgrader itself."""
    stars = course.read_stars()
    for week, (_, labels) in course.read_weeks().items():
        student = nbformat.read(editions / f"student/week{week:02d}.ipynb", 4)
        teacher = nbformat.read(editions / f"teacher/source/week{week:02d}/week{week:02d}.ipynb", 4)
        nbformat.validate(student)
        roles = {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader for cell in student.cells}
        assert roles == {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader for cell in teacher.cells}
        assert len(roles) == len(student.cells)
        for name, role in roles.items():
            assert re.fullmatch(r"[a-zA-Z0-9_-]+", name) and role.schema_version == 3 and role.task is False
            assert role.locked is not role.solution and role.grade is ("points" in role)
        points = {name: role.points for name, role in roles.items() if role.grade}
        assert points == {
            f"{label}-{part}": course.POINTS * stars[label][1] for label in labels for part in ("check", "argument")
        }


@pytest.mark.slow
@pytest.mark.parametrize("edition", ["student", "teacher"])
def test_links_lead_to_what_lies_beside(editions, edition):
    texts = {
        f"{path.name}": "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
        for path in (editions / edition).glob("*.ipynb")
    }
    for name, text in texts.items():
        targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not t.startswith(("http", "mailto:"))]
        for file, _, anchor in (target.partition("#") for target in targets):
            assert f'id="{anchor}"' in texts[file or name] if anchor else file in texts, (name, file, anchor)
