"""Build the book: `make book` calls this in the project's environment.

What Jupyter Book leaves to its caller: notebooks run side by side, and only if their code, or a module that they
import, changed; an interrupted or failed build must not be taken for a finished one; two builds must not write at
once; and a failure ends with its reason.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import javascript
import notebooks
import plain

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
HTML = BUILD / "html"
LOG = BUILD / "build.log"
WHEEL = BUILD / "wheel"
UNFINISHED = BUILD / "unfinished"  # exists from the start of a build until it succeeds


def main() -> int:
    """Build, and return the exit status."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        javascript.prepare()
        discard_stale()
        UNFINISHED.touch()
        make_wheel()
        if failures := notebooks.execute_stale(sorted((ROOT / "chapters").glob("*.ipynb"))):
            print("\nThe build failed: " + "\n".join(failures))
            return 1
        status = run_jupyter_book(lock.fileno())
        if status == 0:
            plain.main()
            UNFINISHED.unlink()
            print(f"\nThe book is built. Open {HTML / 'index.html'}")
        else:
            print("\n" + explain(LOG.read_text()))
        return status


def discard_stale() -> None:
    """Remove what an earlier build left if it did not finish or was made by other code."""
    core = [path for path in (ROOT / "dlnlib").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    core += ROOT.glob("*.txt")
    house = [*ROOT.glob("_*.yml"), *(ROOT / "web").glob("*.*"), *(ROOT / "web/static").iterdir()]
    house += [*(ROOT / "makers").glob("*.py"), *(ROOT / "benchmarks").glob("*.json")]
    core_changed = _stamp_differs(BUILD / "core.sha256", core)
    house_changed = _stamp_differs(BUILD / "house.sha256", house)
    if core_changed:
        shutil.rmtree(WHEEL, ignore_errors=True)
    if core_changed or house_changed or UNFINISHED.exists():
        for folder in (HTML, BUILD / ".doctrees", BUILD / "web_static"):
            shutil.rmtree(folder, ignore_errors=True)


def _stamp_differs(stamp: Path, files: list[Path]) -> bool:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    differs = not stamp.is_file() or stamp.read_text() != digest.hexdigest()
    if differs:
        # Marked unfinished first: should this be killed before the removal below, the next build still removes.
        UNFINISHED.touch()
        stamp.write_text(digest.hexdigest())
    return differs


def make_wheel() -> None:
    """Pack dlnlib, for readers who run a downloaded notebook elsewhere; the pages offer it."""
    if any(WHEEL.glob("*.whl")):
        return
    with tempfile.TemporaryDirectory() as copy:  # setuptools leaves traces where it works
        for file in ("pyproject.toml", "LICENSE"):
            shutil.copy(ROOT / file, copy)
        shutil.copytree(ROOT / "dlnlib", Path(copy) / "dlnlib", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--no-build-isolation", "--wheel-dir", str(WHEEL), copy),
            ],
            env=os.environ | {"SOURCE_DATE_EPOCH": "1577836800"},  # the same file from the same code
            check=True,
        )


def run_jupyter_book(lock: int) -> int:
    """Run Jupyter Book with every warning an error; show and keep what it prints.

    It holds the lock too: should this process be killed and it live on, the next build waits for it.
    """
    jupyter_book = str(Path(sys.executable).with_name("jupyter-book"))
    command = [jupyter_book, "build", "-W", "-n", "--keep-going", str(ROOT)]
    with (
        LOG.open("w") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[lock],
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            log.write(line)
    return process.returncode


def explain(log: str) -> str:
    """Say in a few lines why a build failed: a cell of a text page, the warnings, or where all is said."""
    log = re.sub(r"\x1b\[[0-9;]*m", "", log)
    cell = re.search(r"CellExecutionError: .*?\n(-+\n.*?)\n\n\nThe above", log, re.DOTALL)
    page = re.search(r"ExecutionError: (\S+\.md)", log)
    if cell and page:
        return f"The build failed: a cell of {page[1]} failed.\n" + re.sub(r"\n\n+", "\n", cell[1])
    warnings = list(dict.fromkeys(line for line in log.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL):", line)))
    if warnings:
        return "The build failed: warnings are errors here.\n" + "\n".join(warnings)
    return f"The build failed; its last lines are above, all of them in {LOG}."


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # a full disk, a read-only folder
        sys.exit(f"The book was not built: {error}")
