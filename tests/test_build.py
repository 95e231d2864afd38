"""What `make book` promises beyond a good build: a bad one fails and says why; an interrupted one leaves no trace."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def book(tmp_path):
    """A book of two pages in a house like ours."""
    for part in ("scripts", "web"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("node_modules"))
    installed = ROOT / "web/node_modules/.installed"
    if installed.is_file() and installed.read_bytes() == (ROOT / "web/package-lock.json").read_bytes():
        (tmp_path / "web/node_modules").symlink_to(ROOT / "web/node_modules")
    (tmp_path / "dlnlib/data").mkdir(parents=True)
    for file in ("_config.yml", "requirements.txt", "references.bib"):
        shutil.copy(ROOT / file, tmp_path)
    for file in ("pyproject.toml", "LICENSE", "README.md", "dlnlib/__init__.py", "dlnlib/data/README.md"):
        shutil.copy(ROOT / file, tmp_path / file)  # what pyproject.toml reads
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n  - file: chapters/one\n")
    (tmp_path / "intro.md").write_text("# Home\n\n{doc}`chapters/one`\n")
    (tmp_path / "chapters").mkdir()
    write_chapter(tmp_path, "print(1 + 1)")
    return tmp_path


def write_chapter(book: Path, code: str, text: str = "# One") -> None:
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), book / "chapters/one.ipynb")


def start(book: Path) -> subprocess.Popen:
    command = [sys.executable, "scripts/build_book.py"]
    return subprocess.Popen(command, cwd=book, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def build(book: Path) -> tuple[int, list[str]]:
    with start(book) as process:
        printed, _ = process.communicate(timeout=600)
    return process.returncode, printed.strip().splitlines()


def test_a_good_book_builds_and_a_second_build_executes_nothing(book):
    status, lines = build(book)
    assert status == 0, lines
    page = Path(lines[-1].removeprefix("The book is built. Open "))
    assert page == book / "_build/html/index.html" and page.is_file()
    assert "2" in (book / "_build/html/chapters/one.html").read_text()
    assert any("Executing notebook" in line for line in lines)

    (book / "intro.md").write_text("# Home, again\n\n{doc}`chapters/one`\n")
    status, lines = build(book)
    assert status == 0
    assert not any("Executing notebook" in line for line in lines)
    assert "Home, again" in (book / "_build/html/intro.html").read_text()

    # Other code under the notebooks makes what they printed stale.
    (book / "dlnlib/new.py").write_text("")
    status, lines = build(book)
    assert status == 0
    assert any("Executing notebook" in line for line in lines)


def test_pages_link_the_repository_if_told_which(book, monkeypatch):
    page = book / "_build/html/chapters/one.html"
    assert build(book)[0] == 0
    assert not re.search("colab|mybinder|github.com/someone", page.read_text())
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://github.com/someone/deep")
    monkeypatch.setenv("BOOK_REPOSITORY_BRANCH", "next")
    assert build(book)[0] == 0
    text = page.read_text()
    assert "https://colab.research.google.com/github/someone/deep/blob/next/chapters/one.ipynb" in text
    assert "https://mybinder.org/v2/gh/someone/deep/next?urlpath=lab/tree/chapters/one.ipynb" in text
    assert "https://github.com/someone/deep/edit/next/chapters/one.ipynb" in text


def test_without_npm_pages_load_the_same_mathjax_from_elsewhere(book, monkeypatch):
    (book / "web/node_modules").unlink(missing_ok=True)
    monkeypatch.setenv("PATH", str(book))
    write_chapter(book, "print(1 + 1)", "# One\n\n$x$")
    status, lines = build(book)
    assert status == 0 and "npm was not found" in lines[0]
    text = (book / "_build/html/chapters/one.html").read_text()
    pinned = json.loads((book / "web/package.json").read_text())["dependencies"]["mathjax"]
    assert f"https://cdn.jsdelivr.net/npm/mathjax@{pinned}/startup.js" in text
    assert '"displayOverflow": "linebreak"' in text and "vendor" not in text


@pytest.mark.parametrize(
    ("code", "text", "named"),
    [
        ("import math\nmath.sqrt(-1)", "# One", ["one.ipynb", "math.sqrt(-1)", "ValueError"]),
        ("import warnings\nwarnings.warn('beware')", "# One", ["one.ipynb", "stderr was found", "cell 2"]),
        ("1", "# One\n\n{doc}`two`", ["one.ipynb", "two"]),
        ("1", "# One\n\n[there](#nowhere)", ["one.ipynb", "nowhere"]),
        ("1", "# One\n\n![picture](missing.png)", ["one.ipynb", "missing.png"]),
        ("1", "# One\n\n{cite:p}`nobody`", ["one.ipynb", "nobody"]),
    ],
    ids=["failing cell", "warning in a cell", "broken link", "broken anchor", "missing picture", "unknown reference"],
)
def test_a_bad_book_fails_and_says_why_last(book, code, text, named):
    write_chapter(book, code, text)
    status, lines = build(book)
    assert status != 0
    last = "\n".join(lines[-16:])
    assert [name for name in named if name not in last] == []

    # And the next build, of a mended book, does not suffer from it.
    write_chapter(book, "print(2)")
    assert build(book)[0] == 0


def test_a_folder_that_cannot_be_written_is_named_in_one_line(book):
    (book / "_build").write_text("in the way")
    status, lines = build(book)
    assert status == 1 and len(lines) == 1
    assert "not built" in lines[0] and str(book / "_build") in lines[0]


def test_a_build_that_was_killed_does_not_break_the_next(book):
    write_chapter(book, "import time\ntime.sleep(3)\nprint('done')")
    with start(book) as process:
        for line in process.stdout:
            if "Executing notebook" in line:
                break
        process.send_signal(signal.SIGKILL)
    assert (book / "_build/unfinished").exists()

    status, _ = build(book)
    assert status == 0
    assert "done" in (book / "_build/html/chapters/one.html").read_text()
    assert not (book / "_build/unfinished").exists()
