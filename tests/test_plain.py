"""Plain notebooks, which pages offer for download: they say what the page says, any Jupyter shows it, and they run."""

import os
import re
import shutil
import subprocess
import sys
import types
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from IPython.core.inputtransformer2 import TransformerManager
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pages import HTML, NOTEBOOKS, ROOT, links

import plain

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("built")]

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin)
TYPED = dict(zip(map(ord, "\u201c\u201d\u2018\u2019\u2013\u2026"), ['"', '"', "'", "'", "--", "..."], strict=True))
RAW = re.compile(r"\{[\w:-]+\}(`|[^\S\n]|$)|^\(\S+\)=|^%|^:::|^\+\+\+|\[\^|\{\{|^:\w+:", re.MULTILINE)


def raw(text: str) -> list[str]:
    """What of a text only MyST understands; formulas and code are not text."""
    document = BeautifulSoup(MARKDOWN.render(text), "html.parser")
    for hidden in document.select(".math, code:not([class])"):
        hidden.decompose()
    return [code["class"] for code in document.select("code[class]")] + [hit[0] for hit in RAW.finditer(document.text)]


@pytest.mark.parametrize(
    "text",
    [
        "```{admonition} Title\ntext\n```",
        "> ```{exercise-start} ★\n> :label: one\n> ```",
        ":::{note}\ntext\n:::",
        "as {eq}`one` says",
        "{cite:p}`saxe2014exact`",
        "(target)=\n## Title",
        "% a comment",
        "said[^one]",
        "[^one]: more of it",
        "{{ name }}",
        ":class: tip",
    ],
)
def test_what_only_myst_understands_is_found(text):
    assert raw(text)
    assert not raw("Text with ${x}$ and $$\n% \\tag{3}\n$$, `{eq}` and [a link](https://example.org) (aside) = 3.")


def downloaded(page: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(HTML / f"_sources/{page}.ipynb", 4)
    nbformat.validate(notebook)
    return notebook


def text_of(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_plain_notebook_is_plain_and_runs_the_code_of_the_chapter(page):
    notebook, source = downloaded(page), nbformat.read(ROOT / f"{page}.ipynb", 4)
    assert [hit for cell in notebook.cells if cell.cell_type == "markdown" for hit in raw(cell.source)] == []
    assert "\\goodbreak" not in text_of(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0] is notebook.cells[1] and "import dlnlib" in code[0].source
    assert [cell.source for cell in code[1:]] == [c.source for c in source.cells if c.cell_type == "code"]
    for cell, stored in zip(code[1:], (c for c in source.cells if c.cell_type == "code"), strict=True):
        assert [printed(output) for output in cell.outputs] == [printed(output) for output in stored.outputs]


def printed(output) -> str:
    return output.get("text") or output.data["text/plain"]


def read_page(page: str) -> BeautifulSoup:
    """The text of a page: without code and what it puts out, but with what is to be seen on figures."""
    document = BeautifulSoup((HTML / f"{page}.html").read_text(), "html.parser").select_one("article > section")
    for cell in document.select(".cell"):
        for figure in cell.select("figure"):
            cell.insert_before(figure.figcaption, " ", figure.img["alt"], " ")
        cell.decompose()
    for formula in document.select(".math"):
        number = formula.select_one(".eqno")
        number = number.extract().contents[0] if number else ""
        marks = r"^\\[(\[]|\\[)\]]$|\\(begin|end)\{split\}|\\goodbreak "  # of Sphinx, and for MathJax 4
        formula.string = number + re.sub(marks, "", formula.text.strip())
    for cited in document.select(".bibtex-citation"):
        for text in cited.find_all(string=True):
            text.replace_with(text.replace("[", "(").replace("]", ")"))
    notes = [note.extract() for note in document.select(".sidenote")]
    for sign in document.select(".headerlink"):
        sign.decompose()
    return finish(document, notes)


def read_notebook(notebook: nbformat.NotebookNode) -> BeautifulSoup:
    """The text of a plain notebook, without what it says of itself."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    texts[0] = texts[0].rpartition("\n\n")[0]
    document = BeautifulSoup(MARKDOWN.render("\n\n".join(texts)), "html.parser")
    for formula in document.select(".math"):
        number = re.search(r"\\tag\{(\d+)\}", formula.text)
        formula.string = (f"({number[1]})" if number else "") + re.sub(r"\\tag\{\d+\}", "", formula.text)
    for summary in document.find_all("summary", string="The figure in words"):
        summary.decompose()
    return finish(document, [p.extract() for p in document.select("p:has(> sup:first-child)") if p.text[0].isdigit()])


def finish(document, notes) -> BeautifulSoup:
    """Put footnotes last, in the order of their numbers, and white space around those."""
    document.extend(sorted(notes, key=lambda note: int(note.sup.text)))
    for number in document.select("sup"):
        number.insert_before(" ")
        number.insert_after(" ")
    return document


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_plain_notebook_says_what_the_page_says(page):
    """Word by word: numbers, titles, citations, captions, footnotes, and what is to be seen on figures."""
    assert words(read_notebook(downloaded(page))) == words(read_page(page))


def words(document) -> list[str]:
    return document.get_text().translate(TYPED).split()


def aims(document, folder: Path) -> list[tuple[str, str]]:
    """Where the links of a text lead: the file, and the place in it."""
    found = []
    for link in document.select("a[href]"):
        file, _, place = link["href"].replace(plain.site(), "../../").partition("#")  # if the book has an address
        here = file if ":" in file else str((folder / file).resolve()) if file else "here"
        found.append((here, place))
    return found


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_links_of_a_plain_notebook_lead_where_those_of_the_page_do(page):
    notebook, document = read_notebook(downloaded(page)), read_page(page)
    ids = {place["id"] for place in notebook.select("[id]")}
    bibliography = BeautifulSoup((HTML / "chapters/bibliography.html").read_text(), "html.parser")
    there, here = aims(document, HTML / "chapters"), aims(notebook, HTML / "_sources/chapters")
    for (file, place), (page_file, page_place) in zip(here, there, strict=True):
        if file != page_file:  # what is cited: at its publisher
            assert file in [link["href"] for link in bibliography.find(id=page_place).select("a[href]")]
        else:
            assert place == page_place
            assert not place or place in (ids if file == "here" else links(Path(file)).ids)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_no_formula_of_a_box_is_broken_into_lines(page):
    """Jupyter would take the mark of quotation at the beginning of a line for a part of the formula."""
    lines = [line for cell in downloaded(page).cells for line in cell.source.splitlines() if line.startswith(">")]
    assert [line for line in lines if line.count("$$") % 2 or line.count("$") % 2] == []


def test_published_links_and_the_library_are_at_the_address_of_the_site(monkeypatch):
    monkeypatch.setattr(plain.environment().config, "html_baseurl", "https://example.org/book")
    notebook = plain.plain("errata", plain.site(), plain.library())
    targets = {
        link["href"] for link in BeautifulSoup(MARKDOWN.render(text_of(notebook)), "html.parser").select("[href]")
    }
    ours = [target.removeprefix("https://example.org/book/") for target in targets if "example.org" in target]
    assert len(ours) > 5 and all((HTML / target.partition("#")[0]).is_file() for target in ours)
    assert all(target.startswith(("https://", "#")) for target in targets)
    wheel = re.search(r"%pip install --quiet https://example.org/book/(\S+)", notebook.cells[1].source)[1]
    assert (HTML / wheel).is_file()


def with_what_it_needs(name: str, found: set[str]) -> set[str]:
    """Add a package, and what it requires, to those found."""
    if (name := canonicalize_name(name)) not in found:
        found.add(name)
        for requirement in map(Requirement, metadata.requires(name) or []):
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                with_what_it_needs(requirement.name, found)
    return found


@pytest.fixture
def fresh(tmp_path):
    """A Python that has Jupyter's kernel, and all that the library needs, but not the library."""
    home, found = tmp_path / "fresh", set()
    venv.create(home, symlinks=True)
    for name in ("pip", "nbclient", "ipykernel", "dlnlib"):
        with_what_it_needs(name, found)
    packages = next(home.glob("lib/python*/site-packages"))
    for name in found - {"dlnlib"}:
        package = metadata.distribution(name)
        for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(package.locate_file(top))
    return home


@pytest.mark.parametrize("page", NOTEBOOKS if "CI" in os.environ else ["chapters/errata", "chapters/exact_solutions"])
def test_a_notebook_runs_as_downloaded(page, fresh, tmp_path):
    """With nothing of the project but what its page offers: the notebook, and the library as a wheel."""
    offered = [target for target in links(HTML / f"{page}.html").targets if target.endswith((".ipynb", ".whl"))]
    notebook, wheel = sorted({(HTML / "chapters" / target).resolve() for target in offered})
    shutil.copy(wheel, tmp_path)
    notebook = nbformat.read(notebook, 4)
    notebook.cells[1].source = notebook.cells[1].source.replace(plain.library(), f"./{wheel.name}")  # not from the net
    data = "from dlnlib import datasets\n[datasets.stored(name) for name in datasets.STORED], datasets.mnist();"
    notebook.cells += map(nbformat.v4.new_code_cell, [data, "print(datasets.__file__)"])
    nbformat.write(notebook, tmp_path / "here.ipynb")
    run = [fresh / "bin/python", "-c", "from nbclient.cli import main; main()", "--inplace", "here.ipynb"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PIP_NO_INDEX": "1"}
    subprocess.run(run, cwd=tmp_path, env=alone, check=True)
    said = nbformat.read(tmp_path / "here.ipynb", 4).cells[-1].outputs[0].text
    assert said.startswith(str(fresh))


def test_colab_is_asked_for_live_figures_and_nothing_else_is(monkeypatch):
    code = TransformerManager().transform_cell(plain.INSTALL.format(wheel="no.whl"))
    exec(code, {})  # the library is here, and this is not Colab
    asked = []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: asked.append("widgets"))
    monkeypatch.setitem(sys.modules, "google", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(output=output))
    exec(code, {})
    assert asked == ["widgets"]
