"""Do the problem sets work with nbgrader? `make grading` asks nbgrader itself, in a copy of the teacher's edition.

Three people hand in each week: one with right answers; one with a wrong one for each exercise, who also deleted the
checks; one with the dots left as they are. The first must get all the points that a machine gives, the others none.
What nbgrader releases must be the student edition, cell by cell. Name weeks to try these only; each takes a minute.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))
import course  # noqa: E402

SCORES = """
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    for handed_in in book.assignment_submissions("{week}"):
        print(handed_in.student.id, handed_in.score, handed_in.max_score)
"""


def hand_in(folder: Path, week: str, who: str) -> None:
    """Fill in a problem set."""
    problems = {label: problem for name in course.CHAPTERS for label, problem in course.read_problems(name)[1].items()}
    notebook = nbformat.read(course.COURSE / f"student/{week}.ipynb", as_version=4)
    for cell in notebook.cells:
        label, _, kind = cell.id.rpartition("-")
        if kind == "answer" and who != "dots":
            cell.source = problems[label].answer
        if kind == "answer" and who == "wrong":
            cell.source += "\n\n\n" + next(iter(problems[label].wrong.values()))
        if kind == "check" and who == "wrong":
            cell.source = "pass"
    there = folder / "submitted" / who / week
    there.mkdir(parents=True)
    nbformat.write(notebook, there / f"{week}.ipynb")


def main(weeks: list[str]) -> int:
    """Grade the weeks, print the scores, and return how many weeks went wrong."""
    bad = 0
    with tempfile.TemporaryDirectory() as copy:
        folder = Path(copy, "teacher")
        shutil.copytree(course.COURSE / "teacher", folder)
        # nbgrader calls alembic by its name.
        run = {"cwd": folder, "env": os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}}
        for week in weeks:
            for who in ("right", "wrong", "dots"):
                hand_in(folder, week, who)
            for step in ("generate_assignment", "autograde", "generate_feedback"):
                command = [sys.executable, "-m", "nbgrader", step, week, "--log-level=ERROR"]
                done = subprocess.run(command, capture_output=True, text=True, check=False, **run)
                if done.returncode != 0:
                    sys.exit(done.stderr)
            released, student = (
                [cell.source.strip() for cell in nbformat.read(place / f"{week}.ipynb", as_version=4).cells]
                for place in (folder / "release" / week, course.COURSE / "student")
            )
            printed = subprocess.check_output([sys.executable, "-c", SCORES.format(week=week)], text=True, **run)
            scores = {who: (float(score), float(most)) for who, score, most in map(str.split, printed.splitlines())}
            good = released == student and [scores[who][0] for who in ("wrong", "dots")] == [0, 0]
            good &= scores["right"][0] == scores["right"][1] / 2
            bad += not good
            print(f"{week}: {scores} {'as it should be' if good else 'WRONG'}", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [f"week{week:02d}" for week in course.read_weeks()]))
