"""Are the chapters' own checks sharp? Plant a slip in the core, run a chapter, and see whether a cell notices.

`make faults` calls this; name chapters to try these only. Each of the slips in `tests/faults.toml` is planted alone, in
a copy of the book, where the chapter's notebook runs as the tests run it. A chapter passes if it catches nine of ten.
"""

from __future__ import annotations

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/faults.toml"
NEEDED = ("dlnlib", "chapters", "pyproject.toml")
LEAST = 9
SECONDS = 900  # for one run of a chapter
KINDS = {
    "Cell execution caused an exception": "check",
    "Timeout": "hang",
    "Cell outputs differ": "output",
}

Fault = dict[str, str]


def planted(fault: Fault) -> str:
    """Return the text of the file with its fault, which must have exactly one place in it."""
    text = (ROOT / fault["file"]).read_text(encoding="utf-8")
    if (count := text.count(fault["old"])) != 1:
        sys.exit(f"{TABLE.name}, “{fault['slip']}”: {fault['old']!r} occurs {count} times in {fault['file']}, not once")
    return text.replace(fault["old"], fault["new"])


def first_failure(folder: Path, chapter: str, option: str = "--nbval") -> tuple[str, str] | None:
    """Return how the chapter in this folder fails, and the cell; None if it passes."""
    notebook = f"chapters/{chapter}.ipynb"
    try:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-o", "addopts=", option, "--nbval-cell-timeout=300", "-x"),
                *("-p", "no:cacheprovider", "--color=no", notebook),
            ],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hang", "some cell"
    if run.returncode == 0:
        return None
    failed = re.search(rf"^Cell (\d+): ({'|'.join(KINDS)})", run.stdout, re.MULTILINE)
    if failed is None:
        sys.exit(f"{notebook} could not be run:\n{run.stdout}{run.stderr}")
    cells = [cell.id for cell in nbformat.read(folder / notebook, as_version=4).cells if cell.cell_type == "code"]
    raised = re.findall(r"^(?:\x1b\[[\d;]*m)*(\w+(?:Error|Exception|Warning))\b", run.stdout, re.MULTILINE)
    reason = f" ({raised[-1]})" if raised and failed[2] != "Cell outputs differ" else ""
    return KINDS[failed[2]], cells[int(failed[1])] + reason


def outcome(chapter: str, fault: Fault | None) -> tuple[str, str]:
    """Plant a fault, or none, in a copy; return the kind of check that caught it, and a sentence about it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in NEEDED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        if fault is not None:
            (folder / fault["file"]).write_text(planted(fault), encoding="utf-8")
        failure = first_failure(folder, chapter)
        if failure is None:
            return "missed", "MISSED"
        kind, cell = failure
        if kind == "check":
            return kind, f"caught by a check in {cell}"
        if kind == "hang":
            return kind, f"caught: it hangs in {cell}"
        # An output differs; a check in that cell would have come first, but a later cell may have one.
        later = first_failure(folder, chapter, "--nbval-lax")
        if later is None:
            return kind, f"caught only by the stored output of {cell}"
        return "check", f"caught by the stored output of {cell}, then by a check in {later[1]}"


def main(names: list[str]) -> int:
    """Try the faults of these chapters, or of all; return 1 if one of the chapters catches too few."""
    table: dict[str, list[Fault]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    if unknown := [name for name in names if name not in table]:
        sys.exit(f"{TABLE.name} has no chapter {', '.join(unknown)}; it has {', '.join(table)}")
    chosen = {name: table[name] for name in names or table}
    for fault in (fault for faults in chosen.values() for fault in faults):
        planted(fault)  # a row that fits nowhere is told before anything runs
    found = {}
    for chapter, faults in chosen.items():
        kind, said = outcome(chapter, None)
        if kind != "missed":
            sys.exit(f"{chapter} fails without any fault: {said}")
        found[chapter] = collections.Counter[str]()
        for fault in faults:
            kind, said = outcome(chapter, fault)
            found[chapter][kind] += 1
            print(f"{chapter}: {fault['slip']}: {said}", flush=True)
    print(f"\n{'chapter':16s} planted  by a check  by the stored output only  missed")
    for chapter, kinds in found.items():
        checks, only = kinds["check"] + kinds["hang"], kinds["output"]
        print(f"{chapter:16s} {kinds.total():7d} {checks:11d} {only:26d} {kinds['missed']:7d}")
    return int(any(kinds.total() - kinds["missed"] < LEAST for kinds in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
