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

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def book(tmp_path):
    """A book of two pages in a house like ours."""
    for part in ("scripts", "web", "makers"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("node_modules"))
    installed = ROOT / "web/node_modules/.installed"
    if installed.is_file() and installed.read_bytes() == (ROOT / "web/package-lock.json").read_bytes():
        (tmp_path / "web/node_modules").symlink_to(ROOT / "web/node_modules")
    (tmp_path / "dlnlib/data").mkdir(parents=True)
    shutil.copytree(
        ROOT / "dlnlib/explore", tmp_path / "dlnlib/explore", ignore=shutil.ignore_patterns("*.py", "bundle")
    )
    for file in ("_config.yml", "constraints.txt", "front.png", "requirements.txt", "references.bib"):
        shutil.copy(ROOT / file, tmp_path)
    for file in ("pyproject.toml", "LICENSE", "README.md", "dlnlib/__init__.py", "dlnlib/data/README.md"):
        shutil.copy(ROOT / file, tmp_path / file)  # what pyproject.toml reads
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n  - file: chapters/one\n")
    (tmp_path / "intro.md").write_text("# Home\n\n{doc}`chapters/one`\n")
    (tmp_path / "chapters").mkdir()
    write_chapter(tmp_path, "print(1 + 1)")
    return tmp_path


def write_chapter(book: Path, code: str, text: str = "# One", copies: int = 1) -> None:
    cells = [nbformat.v4.new_markdown_cell(text), *(nbformat.v4.new_code_cell(code) for _ in range(copies))]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), book / "chapters/one.ipynb")


def start(book: Path) -> subprocess.Popen:
    command = [sys.executable, "scripts/build_book.py"]
    return subprocess.Popen(command, cwd=book, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def executed_by(book: Path) -> list[str]:
    status, lines = build(book)
    assert status == 0, lines
    return re.findall(r"^Executing (\w+).ipynb$", "\n".join(lines), re.MULTILINE)


def build(book: Path) -> tuple[int, list[str]]:
    with start(book) as process:
        printed, _ = process.communicate(timeout=600)
    return process.returncode, printed.strip().splitlines()


def test_a_good_book_builds_and_a_second_build_executes_nothing(book):
    status, lines = build(book)
    assert status == 0, lines
    page = Path(lines[-1].removeprefix("The book is built. Open "))
    assert page == book / "_build/html/index.html" and page.is_file()
    assert ">2" in (book / "_build/html/chapters/one.html").read_text()
    assert any("Executing one.ipynb" in line for line in lines)

    (book / "intro.md").write_text("# Home, again\n\n{doc}`chapters/one`\n")
    write_chapter(book, "print(1 + 1)", "# Another text")
    status, lines = build(book)
    assert status == 0
    assert not any("Executing" in line for line in lines)
    assert "Home, again" in (book / "_build/html/intro.html").read_text()
    assert "Another text" in (book / "_build/html/chapters/one.html").read_text()


def test_a_changed_module_makes_stale_what_imports_it_and_nothing_else(book):
    (book / "dlnlib/__init__.py").write_text('"""`room`"""\n__version__ = "1"\n__all__ = ["room"]\n')
    for name, code in {"room": "from dlnlib import _wall", "_wall": "height = 2", "other": ""}.items():
        (book / f"dlnlib/{name}.py").write_text(code)
    code = "import sys; sys.path.insert(0, '..')\nfrom dlnlib import room\nprint(room._wall.height)"
    write_chapter(book, code)
    assert executed_by(book) == ["one"]
    (book / "dlnlib/other.py").write_text("1")
    assert executed_by(book) == []
    (book / "dlnlib/_wall.py").write_text("height = 3")
    assert executed_by(book) == ["one"]
    assert ">3" in (book / "_build/html/chapters/one.html").read_text()


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


BAD = {
    "failing cell": ("import math\nmath.sqrt(-1)", "# One", ["one.ipynb", "math.sqrt(-1)", "ValueError"]),
    "warning in a cell": ("import warnings\nwarnings.warn('beware')", "# One", ["stderr was found", "cell 2"]),
    "text that leads nowhere": (  # each is named: none is lost behind another
        "1",
        "# One\n\n{doc}`two`\n\n[there](#nowhere)\n\n![picture](missing.png)\n\n{cite:p}`nobody`",
        ["two", "nowhere", "missing.png", "nobody"],
    ),
}


def test_a_bad_book_fails_and_says_why_last_and_the_next_does_not_suffer(book):
    for fault, (code, text, named) in BAD.items():
        write_chapter(book, code, text)
        status, lines = build(book)
        last = "\n".join(lines[-16:])
        assert status != 0, fault
        assert [name for name in ["one.ipynb", *named] if name not in last] == [], fault
        if fault == "failing cell":
            assert not any("Jupyter-Book" in line for line in lines)  # no page is made of a chapter that failed
    write_chapter(book, "print(2)")
    head = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\nmystnb:\n  execution_mode: force\n---\n"
    text, home = "# Home\n\n{doc}`chapters/one`\n", book / "intro.md"
    home.write_text(f"{head}{text}\n```{{code-cell}} ipython3\nimport math\nmath.sqrt(-1)\n```\n")
    status, lines = build(book)
    last = "\n".join(lines[-16:])
    assert status != 0 and all(name in last for name in ("a cell of", "intro.md", "math.sqrt(-1)", "ValueError"))
    home.write_text(text)
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
            if "Executing one.ipynb" in line:
                break
        process.send_signal(signal.SIGKILL)
    assert (book / "_build/unfinished").exists()

    status, _ = build(book)
    assert status == 0
    assert "done" in (book / "_build/html/chapters/one.html").read_text()
    assert not (book / "_build/unfinished").exists()


def replayed(book: Path) -> str:
    """Compare what the build executed with what the notebook stores, by nbval; return its report."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=--nbval", "-p", "tests.replay", "-rN", "chapters"]
    return subprocess.run(command, cwd=book, capture_output=True, text=True, check=False).stdout


def test_nbval_compares_what_the_build_executed_as_if_it_ran_the_notebook_itself(book):
    (book / "tests").mkdir()
    shutil.copy(ROOT / "tests/replay.py", book / "tests")
    chapter, code = book / "chapters/one.ipynb", "print(1 + 1)\nprint('two')\n[3.5 + 1]"
    write_chapter(book, code, copies=4)
    subprocess.run([sys.executable, "scripts/notebooks.py", "chapters"], cwd=book, check=True)
    assert build(book)[0] == 0
    good = chapter.read_text()
    assert "4 passed" in replayed(book)
    changed = nbformat.read(chapter, 4)  # a digit, a word, a last decimal, a kind: each in a cell of its own
    changes = ("2\\n", "3\\n"), ("two\\n", "too\\n"), ('"[4.5]"', '"[4.5000001]"'), ('"text/plain"', '"text/html"')
    for cell, (old, new) in zip(changed.cells[1:], changes, strict=True):
        outputs = json.dumps(cell.outputs)
        assert outputs.count(old) == 1
        cell.outputs = [nbformat.from_dict(output) for output in json.loads(outputs.replace(old, new))]
    nbformat.write(changed, chapter)
    report = replayed(book)
    assert "4 failed" in report and report.count("Cell outputs differ") == 4
    chapter.write_text(good.replace("1 + 1", "1 + 2"))
    assert "changed since it ran" in replayed(book)
    chapter.write_text(good)
    assert "4 passed" in replayed(book)
