"""Make the course that a teacher hands out: `make course` calls this after the book is built and its slides are made.

The table of weeks in `chapters/teaching.md` says which exercises are due when; `course/` has what is handed in for
each, and the cell that checks it. Both editions are made of these and of the plain chapters. A problem set is a
notebook that needs no chapter to have run before, so that checking and grading take seconds.

Cells carry nbgrader's metadata, not Otter's: a check is then a plain cell, which runs wherever the notebook does, where
Otter's want Otter on each student's machine. What is checked is kept apart from the chapters, so that a reader of
the book is not told which name to assign, and no chapter runs again when a check changes.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

import plain

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
COURSE = BUILD / "course"
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
POINTS = 2  # for each star, for the answer that is checked, and as many for the argument that is read

INTRODUCTION = """# Problem set {week}

{title}. Each exercise is followed by what to hand in, in code: replace the dots. The cell below it checks your answer
and says in a sentence what does not hold; you may run it as often as you like. Then comes room for your argument,
which a person reads.

Before you hand this in, restart the kernel and run all cells."""
CHECK = "# Run this cell to check your answer, and leave it as it is."
ARGUMENT = "*Write your argument here, in words and formulas.*"
CONFIGURATION = f"""# nbgrader makes of source/ the problem sets that students have already: they are as in student/.
c = get_config()
c.CourseDirectory.course_id = "how-deep-networks-learn"
c.ClearSolutions.code_stub = {{"python": ""}}
c.ClearSolutions.text_stub = "{ARGUMENT}"
"""
README = """# A course on how deep networks learn

- `student/`, and the same as `student.zip`: give this to students. Chapters to read and run, the problem sets of
  {weeks} weeks, the library, {handout}. No solutions. It needs Python 3.11 or newer, and
  `pip install jupyterlab ./dlnlib-*.whl`.
- `teacher/`: keep this. Chapters with their solutions, and in `source/` the problem sets with answers and points.
- `book/`: the pages to show, without a network. `book/slides/` has a deck for each chapter.
- To mark with nbgrader, in `teacher/`: `nbgrader generate_assignment week01` once; then put what NAME hands in into
  `submitted/NAME/week01/week01.ipynb`. `nbgrader autograde week01` runs the checks, `nbgrader formgrader` shows
  the arguments, and `nbgrader generate_feedback week01` writes what to hand back.
- The term, week by week, and how to mark: `book/chapters/teaching.html`.
"""


@dataclass
class Problem:
    """What is handed in for an exercise: in words, as it stands at first, as it should be, checked, and gone wrong."""

    text: str
    stub: str
    answer: str = ""
    check: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


def read_problems(chapter: str) -> tuple[str, dict[str, Problem]]:
    """Return what the problems of a chapter are given, and the problems by the labels of the exercises."""
    given, problems, problem = "", {}, Problem("", "")
    for section in (ROOT / f"course/{chapter}.py").read_text(encoding="utf-8").split("\n# %% ")[1:]:
        title, _, body = section.partition("\n")
        kind, _, slip = title.partition(": ")
        if kind == "given":
            given = body.strip()
        elif kind == "answer":
            problem.answer = body.strip()
        elif kind == "check":
            problem.check = body.strip()
        elif kind == "wrong":
            problem.wrong[slip] = body.strip()
        else:
            lines = body.splitlines()
            text = [*itertools.takewhile(lambda line: line.startswith("#"), lines)]
            problem = Problem("\n".join(line[2:] for line in text), "\n".join(lines[len(text) :]).strip())
            problems[kind] = problem
    return given, problems


def read_weeks() -> dict[int, tuple[str, list[str]]]:
    """Return for each week of the term its title and the labels of the exercises that are due."""
    page = (ROOT / "chapters/teaching.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)\. (.+?) \|(.*)$", page, re.MULTILINE)
    return {int(week): (title, re.findall(r"<(.+?)>", rest)) for week, title, rest in rows}


def read_stars() -> dict[str, tuple[str, int]]:
    """Return for the label of each exercise its chapter, and how many stars it has."""
    found = {}
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for stars, label in re.findall(r"\{exercise-start\} (★+)\n:label: (\S+)", text):
            found[label] = path.stem, len(stars)
    return found


def problem_set(week: int, chapters: dict[str, NotebookNode], *, teacher: bool) -> NotebookNode:
    """Return the notebook of a week, with answers and solutions or without."""
    title, labels = read_weeks()[week]
    stars = read_stars()
    first = chapters[stars[labels[0]][0]].cells[1]  # which installs the library where it is missing
    cells = [
        markdown(INTRODUCTION.format(week=week, title=title), "introduction", locked=True),
        code(first.source, "installation", locked=True),
    ]
    for chapter in dict.fromkeys(stars[label][0] for label in labels):
        given, problems = read_problems(chapter)
        cells.append(code(given, f"{chapter}-given", locked=True))
        for label in [label for label in labels if stars[label][0] == chapter]:
            problem, points = problems[label], POINTS * stars[label][1]
            exercise = "\n\n".join(part(chapter, chapters[chapter], "exercise", label))
            solution = "\n\n".join(part(chapter, chapters[chapter], "solution", label))
            answer = f"{problem.stub}\n\n\n### BEGIN SOLUTION\n{problem.answer}\n### END SOLUTION"
            hand_in = f"**What to hand in** ({points} points, and {points} for the argument):\n\n{problem.text}"
            cells += [
                markdown(exercise, f"{label}-exercise", locked=True),
                markdown(hand_in, f"{label}-hand-in", locked=True),
                code(answer if teacher else problem.stub, f"{label}-answer", solution=True),
                code(f"{CHECK}\n{problem.check}", f"{label}-check", locked=True, points=points),
                markdown(solution if teacher else ARGUMENT, f"{label}-argument", solution=True, points=points),
            ]
    return nbformat.v4.new_notebook(cells=cells, metadata=chapters["plateaus"].metadata)


def part(name: str, chapter: NotebookNode, kind: str, label: str) -> list[str]:
    """Return the cells of an exercise or of its solution, code as Markdown, links as from another notebook."""
    cells = [cell for cell in chapter.cells if cell.metadata.get(kind) == label]
    texts = [cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```" for cell in cells]
    return [text.replace("](#", f"]({name}.ipynb#") for text in texts]


def markdown(source: str, name: str, **graded: Any) -> NotebookNode:
    """Return a Markdown cell that nbgrader knows."""
    return nbformat.v4.new_markdown_cell(source, id=name, metadata={"nbgrader": nbgrader(name, **graded)})


def code(source: str, name: str, **graded: Any) -> NotebookNode:
    """Return a code cell that nbgrader knows."""
    return nbformat.v4.new_code_cell(source, id=name, metadata={"nbgrader": nbgrader(name, **graded)})


def nbgrader(name: str, *, locked: bool = False, solution: bool = False, points: int | None = None) -> dict[str, Any]:
    """Return nbgrader's metadata: it restores what is locked, and gives points for what passes or is read."""
    graded = {} if points is None else {"points": points}
    roles = {"grade": points is not None, "locked": locked, "solution": solution, "task": False}
    return {"grade_id": name, "schema_version": 3, **roles, **graded}


def without_solutions(chapter: NotebookNode) -> NotebookNode:
    """Return a chapter for students: its exercises end where solutions would begin."""
    student = chapter.copy()
    student.cells = [cell for cell in chapter.cells if "solution" not in cell.metadata]
    return student


def standing_alone(name: str, wheel: str) -> NotebookNode:
    """Return a plain chapter that links to the notebooks beside it, and to pages only if they are published."""
    site = plain.site() if "//" in plain.site() else "page:"
    chapter = plain.plain(name, site, wheel)
    for cell in chapter.cells:
        if cell.cell_type == "markdown" and site == "page:":
            text = re.sub(rf"\*\[[^\]]*\]\(page:chapters/{name}\.html\)\. ", "*", cell.source)
            text = re.sub(rf"\]\(page:chapters/({'|'.join(CHAPTERS)})\.html", r"](\1.ipynb", text)
            cell.source = re.sub(r"\[([^\]]*)\]\(page:[^)]*\)", r"\1", text)
    return chapter


def write_editions(folder: Path) -> None:
    """Write what students get, and what only teachers get."""
    (wheel,) = (BUILD / "wheel").glob("*.whl")
    chapters = {name: standing_alone(name, f"./{wheel.name}") for name in CHAPTERS}
    student, teacher = folder / "student", folder / "teacher"
    for edition in (student, teacher):
        edition.mkdir(parents=True)
        shutil.copy(wheel, edition)
    for name, chapter in chapters.items():
        nbformat.write(without_solutions(chapter), student / f"{name}.ipynb")
        nbformat.write(chapter, teacher / f"{name}.ipynb")
    for week in read_weeks():
        name = f"week{week:02d}"
        (teacher / "source" / name).mkdir(parents=True)
        nbformat.write(problem_set(week, chapters, teacher=False), student / f"{name}.ipynb")
        nbformat.write(problem_set(week, chapters, teacher=True), teacher / "source" / name / f"{name}.ipynb")
    (teacher / "nbgrader_config.py").write_text(CONFIGURATION, encoding="utf-8")


def main() -> int:
    """Write the course, and say where it is."""
    shutil.rmtree(COURSE, ignore_errors=True)
    write_editions(COURSE)
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts/pdf.py"], env=os.environ | {"SOLUTIONS": "no"}, check=False
    )
    if printed.returncode == 0:
        shutil.copy(BUILD / "how-deep-networks-learn-without-solutions.pdf", COURSE / "student/handout.pdf")
        handout = "the book in print"
    else:
        handout = "and no book in print, for that needs Chromium"
    readme = README.format(weeks=len(read_weeks()), handout=handout)
    (COURSE / "README.md").write_text(readme, encoding="utf-8")
    shutil.copytree(BUILD / "html", COURSE / "book")
    shutil.make_archive(str(COURSE / "student"), "zip", COURSE, "student")
    print(f"The course is made. Open {COURSE / 'README.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
