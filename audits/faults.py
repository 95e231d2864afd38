"""Are the chapters' own checks sharp? Plant a slip, run a chapter, and see whether a cell notices.

`make faults` calls this; name chapters to try these only. Each of the slips in `faults.toml` is planted alone, in a
copy of the book, where the chapter's notebook runs as the tests run it, as many at once as there are cores. A chapter
passes if it catches nine of ten.

A slip is an expression (or a few statements) of one function, and what stands in its place. It is found by its syntax:
layout, comments and the names of local variables do not matter.
"""

from __future__ import annotations

import ast
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("faults.toml")
NEEDED = ("dlnlib", "chapters", "pyproject.toml")
LEAST = 9
SECONDS = 900  # for one run of a chapter
KINDS = {
    "Cell execution caused an exception": "check",
    "Timeout": "hang",
    "Cell outputs differ": "output",
}

Fault = dict[str, str]
Body = list[ast.stmt]


def find_places(faults: Iterable[Fault]) -> None:
    """Plant each once, so that one which fits nowhere is told before anything runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("dlnlib", "chapters"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("data"))
        for fault in faults:
            file = plant(fault, folder)
            shutil.copy(ROOT / file.relative_to(folder), file)


def plant(fault: Fault, folder: Path) -> Path:
    """Write the file with its fault, which must have exactly one place in it; return where it is."""
    if "chapter" in fault:
        file = folder / f"chapters/{fault['chapter']}.ipynb"
        notebook = nbformat.read(file, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        trees = [ast.parse(cell.source) for cell in cells]
        for cell, tree in zip(cells, planted(fault, trees, trees), strict=True):
            cell.source = ast.unparse(tree)
        nbformat.write(notebook, file)
    else:
        module, _, name = fault["function"].partition(":")
        file = folder / "dlnlib" / f"{module.replace('.', '/')}.py"
        tree = ast.parse(file.read_text(encoding="utf-8"))
        scope: ast.AST = tree
        for part in name.split("."):
            scope = next((node for node in ast.walk(scope) if getattr(node, "name", None) == part), tree)
        if scope is tree:
            sys.exit(f"“{fault['slip']}”: there is no {fault['function']} any more")
        planted(fault, [scope], [tree])
        file.write_text(ast.unparse(tree), encoding="utf-8")
    return file


def planted(fault: Fault, scopes: list[ast.AST], trees: list[ast.AST]) -> list[ast.AST]:
    """Put the fault in its place, which is in one of the scopes."""
    old, new = _syntax(fault["old"]), _syntax(fault["new"])
    found = [hit for scope in scopes for hit in _matches(old, scope, _locals(scope))]
    # Where the names agree, too, is the place, if there is one.
    found = [hit for hit in found if all(a == b for a, b in hit[-1].items())] or found
    if len(found) != 1:
        sys.exit(f"“{fault['slip']}”: {fault['old']!r} occurs {len(found)} times, not once")
    ((place, field, index, names),) = found
    for node in ast.walk(ast.Module(new, [])):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    if isinstance(old[0], ast.Expr):
        assert isinstance(new[0], ast.Expr)
        if index is None:
            setattr(place, field, new[0].value)
        else:
            getattr(place, field)[index] = new[0].value
    else:
        assert index is not None
        getattr(place, field)[index : index + len(old)] = new
    return trees


def _syntax(text: str) -> Body:
    """Return the statements of a piece of a function; a lone expression is one."""
    (block,) = ast.parse(f"if True:\n{textwrap.indent(text, ' ')}").body
    assert isinstance(block, ast.If)
    return block.body


def _locals(scope: ast.AST) -> set[str]:
    """Return the names that a function binds."""
    names = {node.arg for node in ast.walk(scope) if isinstance(node, ast.arg)}
    return names | {
        node.id for node in ast.walk(scope) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _matches(old: Body, scope: ast.AST, bound: set[str]) -> Iterator[tuple[ast.AST, str, int | None, dict[str, str]]]:
    """Yield where the pattern stands: a node, its field, the place in a list; and what its names are there."""
    for node in ast.walk(scope):
        for field, value in ast.iter_fields(node):
            entries = value if isinstance(value, list) else [value]
            for i, entry in enumerate(entries):
                if isinstance(old[0], ast.Expr):
                    pairs: list[tuple[ast.AST, ast.AST]] = [(old[0].value, entry)]
                else:
                    pairs = list(zip(old, entries[i : i + len(old)], strict=False))
                names: dict[str, str] = {}
                if len(pairs) == len(old) and all(_same(a, b, bound, names) for a, b in pairs):
                    yield node, field, i if isinstance(value, list) else None, names


def _same(old: object, code: object, bound: set[str], names: dict[str, str]) -> bool:
    """Whether a pattern is this code, up to the names of local variables."""
    if isinstance(old, ast.Name) and isinstance(code, ast.Name):
        taken = code.id in names.values() and names.get(old.id) != code.id
        if taken or (code.id not in bound and old.id != code.id):
            return False
        return names.setdefault(old.id, code.id) == code.id
    if isinstance(old, ast.AST):
        return type(old) is type(code) and all(
            _same(value, getattr(code, field), bound, names) for field, value in ast.iter_fields(old) if field != "ctx"
        )
    if isinstance(old, list) and isinstance(code, list):
        return len(old) == len(code) and all(_same(a, b, bound, names) for a, b in zip(old, code, strict=True))
    return old == code


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
            plant(fault, folder)
        failure = first_failure(folder, chapter)
        if failure is None:
            return "missed", "MISSED"
        kind, cell = failure
        if fault is None:
            sys.exit(f"{chapter} fails without any fault, in {cell}")
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
    find_places(fault for faults in chosen.values() for fault in faults)
    found = {chapter: collections.Counter[str]() for chapter in chosen}
    tries = [(chapter, fault) for chapter, faults in chosen.items() for fault in (None, *faults)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for (chapter, fault), (kind, said) in zip(tries, threads.map(lambda each: outcome(*each), tries), strict=True):
            if fault is not None:
                found[chapter][kind] += 1
                print(f"{chapter}: {fault['slip']}: {said}", flush=True)
    print(f"\n{'chapter':16s} planted  by a check  by the stored output only  missed")
    for chapter, kinds in found.items():
        checks, only = kinds["check"] + kinds["hang"], kinds["output"]
        print(f"{chapter:16s} {kinds.total():7d} {checks:11d} {only:26d} {kinds['missed']:7d}")
    return int(any(kinds.total() - kinds["missed"] < LEAST for kinds in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
