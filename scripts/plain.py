"""Make a plain notebook from each chapter: one that Jupyter, Colab, VS Code and Binder show as it is, without MyST.

The build calls this when the pages stand, and what a page offers for download is then the plain notebook. Numbers of
equations, figures, exercises and theorems, and what is cited, are Sphinx's own: from the environment that it keeps.

Links lead within the notebook where they can, else to the pages: at `html: baseurl` of _config.yml, or, while that is
empty, from where the notebook lies among the built pages.
"""

from __future__ import annotations

import functools
import pickle
import posixpath
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

import notebooks

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
WIDGET, WIDGET_STATE = (f"application/vnd.jupyter.widget-{part}+json" for part in ("view", "state"))
BIBLIOGRAPHY = "chapters/bibliography"
PLAIN = BUILD / "html/_sources/chapters"

INSTALL = """\
# Installs the book's library where it is missing; otherwise does nothing.
import sys

try:
    import dlnlib
except ImportError:
    %pip install --quiet {wheel}
if "google.colab" in sys.modules:  # which shows live figures when asked to
    from google.colab import output

    output.enable_custom_widget_manager()"""
HOME = "*[This chapter in the book]({page}). The next cell installs its library where it is missing.*"
FOLDED = "<details><summary>{title}</summary>\n\n{body}\n\n</details>"

GATE = re.compile(r"^(`{3,})\{(exercise|solution)-(start|end)\}(.*)\n((?::.*\n)*)\1$", re.MULTILINE)
BOX = re.compile(r"^(`{3,})\{(admonition|prf:\w+)\}(.*)\n((?::.*\n)*)((?:.*\n)*?)\1$", re.MULTILINE)
OPTION = re.compile(r"^:(\w+): *(.*)$", re.MULTILINE)
EQUATION = re.compile(r"^\$\$\n([^$]*)\n\$\$ \((\S+)\)$", re.MULTILINE)
MATH = re.compile(r"(\$\$?)(.+?)\1", re.DOTALL)
TARGET = re.compile(r"^\((\S+)\)=$", re.MULTILINE)
NOTE = re.compile(r"\[\^([\w-]+)\]:?")
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
LINK = re.compile(r"\]\(([^():\s]+)\)")  # not to another site
TITLED = re.compile(r"(.*?)\s*<(\S+)>", re.DOTALL)


class Text:
    """What turns the MyST of one chapter into Markdown.

    Parameters
    ----------
    page : str
        The chapter as Sphinx calls it, "chapters/plateaus".
    site : str
        What the addresses of pages begin with.
    """

    def __init__(self, page: str, site: str) -> None:
        self.page, self.site = page, site
        self.env = environment()
        self.labels = self.env.domaindata["std"]["anonlabels"]
        self.cited = {citation.key: citation for citation in self.env.domaindata["cite"]["citations"]}
        self.notes: list[str] = []

    def plain(self, text: str) -> str:
        """Return what any reader of Markdown shows as the page does; what is unknown here stays, for the tests."""
        text = text.replace("\\goodbreak ", "")  # which MathJax knows from version 4 on, KaTeX not at all
        text = EQUATION.sub(lambda m: self.equation(*m.groups()), text)
        text = TARGET.sub(lambda m: anchor(self.labels[m[1]][1]), text)
        text = NOTE.sub(lambda m: self.note(m[1]), text)
        text = LINK.sub(lambda m: f"]({self.address(m[1])})", text)
        text = ROLE.sub(lambda m: ROLES[m[1]](self, m[2]) if m[1] in ROLES else m[0], text)
        return BOX.sub(self.box, text)

    def box(self, directive: re.Match[str]) -> str:
        """Return a box, or what opens into one."""
        name, title, body = directive[2], directive[3].strip(), directive[5].strip()
        options = dict(OPTION.findall(directive[4]))
        if options.get("class") == "dropdown":
            return FOLDED.format(title=title, body=body)
        if name == "admonition":
            return quote(f"**{title}**\n\n{body}")
        if name == "prf:proof":
            return quote(f"*Proof.* {body}")
        called = self.number(self.page, name.removeprefix("prf:"), options["label"])
        return quote(f"{anchor(options['label'])}**{called} ({title})**\n\n{body}")

    def equation(self, formula: str, label: str) -> str:
        """Return a formula with its number."""
        name = f"equation-{label}"
        return f"{anchor(name)}\n\n$$\n{formula}\n\\tag{{{self.count(self.page, 'displaymath', name)}}}\n$$"

    def count(self, page: str, kind: str, label: str) -> str:
        """Return a number that Sphinx gave."""
        return ".".join(map(str, self.env.toc_fignumbers[page][kind][label]))

    def number(self, page: str, kind: str, label: str) -> str:
        """Return what the page calls a figure, an exercise, a theorem."""
        name = "Fig.\N{NO-BREAK SPACE}" if kind == "figure" else f"{kind.capitalize()} "
        return name + self.count(page, kind, label)

    def exercise(self, label: str, stars: str) -> str:
        """Return the heading of an exercise."""
        return f"### {self.number(self.page, 'exercise', label)} ({stars})"

    def caption(self, caption: str, name: str, alt: str | None) -> str:
        """Return what stands below a figure: its caption, and folded what it shows in words."""
        number = self.number(self.page, "figure", name)
        in_words = "\n\n" + FOLDED.format(title="The figure in words", body=alt) if alt else ""
        return f"{anchor(name)}**{number}** {self.plain(caption)}{in_words}"

    def note(self, name: str) -> str:
        """Return the number of a footnote: they are counted as they come."""
        if name not in self.notes:
            self.notes.append(name)
        return f"<sup>{self.notes.index(name) + 1}</sup>"

    def to(self, page: str, anchor: str = "") -> str:
        """Return the address of a place in the book."""
        if page == self.page and anchor:
            return f"#{anchor}"
        return f"{self.site}{page}.html" + f"#{anchor}" * bool(anchor)

    def address(self, target: str) -> str:
        """Return where a link leads: to a page that is named by its file, or to a target."""
        if target in self.labels:
            return self.to(*self.labels[target])
        return self.to(self.neighbour(target))

    def neighbour(self, file: str) -> str:
        """Return a page that is named as it is seen from this one."""
        return posixpath.splitext(posixpath.normpath(posixpath.join(posixpath.dirname(self.page), file)))[0]

    def eq(self, label: str) -> str:
        """Return a reference to an equation."""
        page, name = self.env.domaindata["math"]["objects"][label][0], f"equation-{label}"
        return f"[({self.count(page, 'displaymath', name)})]({self.to(page, name)})"

    def ref(self, text: str) -> str:
        """Return a reference to a section."""
        title, label = match.groups() if (match := TITLED.fullmatch(text)) else ("", text)
        page, place, section = self.env.domaindata["std"]["labels"][label]
        return f"[{title or section}]({self.to(page, place)})"

    def numref(self, label: str) -> str:
        """Return a reference to a figure."""
        page, place = self.labels[label]
        return f"[{self.number(page, 'figure', label)}]({self.to(page, place)})"

    def theorem(self, label: str) -> str:
        """Return a reference to a theorem or its like."""
        theorem = self.env.proof_list[label]
        return f"[{self.number(theorem['docname'], theorem['realtype'], label)}]({self.to(theorem['docname'], label)})"

    def doc(self, text: str) -> str:
        """Return a reference to a page."""
        title, file = match.groups() if (match := TITLED.fullmatch(text)) else ("", text)
        page = self.neighbour(file)
        return f"[{title or self.env.titles[page].astext()}]({self.to(page)})"

    def cite(self, keys: str, in_text: bool) -> str:
        """Return references to what is cited, in the text or in parentheses, as the pages do: by authors and year."""
        cited = []
        for entry, citation in ((self.cited[key].entry, self.cited[key]) for key in keys.split(",")):
            authors = entry.persons["author"]
            names = [" ".join(map(str, author.rich_prelast_names + author.rich_last_names)) for author in authors]
            where = f"https://doi.org/{entry.fields['doi']}" if "doi" in entry.fields else entry.fields.get("url")
            cited.append((names, entry.fields["year"], where or self.to(BIBLIOGRAPHY, citation.citation_id)))
        links = []
        for names, year, where in sorted(cited):
            who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
            links.append(f"[{who} ({year})]({where})" if in_text else f"[{who}, {year}]({where})")
        return ", ".join(links) if in_text else f"({', '.join(links)})"


ROLES = {
    "eq": Text.eq,
    "ref": Text.ref,
    "numref": Text.numref,
    "prf:ref": Text.theorem,
    "doc": Text.doc,
    "cite:t": lambda text, keys: text.cite(keys, in_text=True),
    "cite:p": lambda text, keys: text.cite(keys, in_text=False),
}


def anchor(name: str) -> str:
    """Return a place to link to."""
    return f'<a id="{name}"></a>'


def quote(text: str) -> str:
    """Return a quotation; its formulas each on one line, where Jupyter sees no marks of quotation in them."""
    text = MATH.sub(lambda m: m[0].replace("\n", " "), text)
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


@functools.cache
def environment() -> Any:
    """Return what Sphinx knows of the book that is built."""
    return pickle.loads((BUILD / ".doctrees/environment.pickle").read_bytes())


def site() -> str:
    """Return what addresses of pages begin with in notebooks that lie among the pages."""
    base = environment().config.html_baseurl
    return f"{base.rstrip('/')}/" if base else "../../"


def library() -> str:
    """Return where pip finds the library: on the site, or beside the notebook while that has no address."""
    wheel = next((BUILD / "wheel").glob("*.whl")).name
    return f"{site()}_static/{wheel}" if environment().config.html_baseurl else f"./{wheel}"


def plain(name: str, site: str, wheel: str) -> NotebookNode:
    """Make the plain notebook of a chapter, with what the build executed.

    Every cell lies within or outside an exercise and its solution; metadata tell their label.

    Parameters
    ----------
    name : str
        The chapter, "plateaus".
    site : str
        What the addresses of pages begin with, as seen from where the notebook will lie.
    wheel : str
        Where pip finds the library.

    Returns
    -------
    NotebookNode
    """
    source = nbformat.read(ROOT / f"chapters/{name}.ipynb", as_version=4)
    executed = nbformat.read(BUILD / f"executed/{name}.ipynb", as_version=4)
    outputs = iter([notebooks.merge_streams(cell.outputs) for cell in executed.cells if cell.cell_type == "code"])
    widgets = executed.metadata.get("widgets", {}).get(WIDGET_STATE, {"state": {}})["state"]
    text = Text(f"chapters/{name}", site)
    cells: list[NotebookNode] = []
    inside: dict[str, str] = {}  # {"exercise": label}, {"solution": label} or {}
    for cell in source.cells:
        if cell.cell_type == "code":
            shown = cell.metadata.get("mystnb", {})
            alt = shown.get("image", {}).get("alt")
            put_out = next(outputs)
            for output in put_out:  # of a live figure, the picture: a widget needs a kernel
                if view := output.get("data", {}).pop(WIDGET, None):
                    alt = widgets[view["model_id"]]["state"]["alt"]
            cells.append(code(cell, put_out, inside))
            if "figure" in shown:
                cells.append(markdown(cell.id + "-caption", text.caption(**shown["figure"], alt=alt), inside))
            continue
        start = 0
        for number, gate in enumerate([*GATE.finditer(cell.source), None]):
            if part := cell.source[start : gate.start() if gate else None].strip():
                cells.append(markdown(f"{cell.id}-{number}", text.plain(part), inside))
            if gate is None:
                break
            start, (_, kind, side, title, options) = gate.end(), gate.groups()
            if side == "end":
                inside = {}
                continue
            inside = {kind: dict(OPTION.findall(options))["label"] if kind == "exercise" else title.strip()}
            heading = text.exercise(inside[kind], title.strip()) if kind == "exercise" else "#### Solution"
            cells.append(markdown(f"{cell.id}-{number}-{kind}", heading, inside))
            if kind == "solution":
                cells[-1].metadata["jp-MarkdownHeadingCollapsed"] = True  # JupyterLab hides what follows
    home = HOME.format(page=text.to(text.page))
    cells[0].source += f"\n\n{home}"
    cells.insert(1, new_code_cell(INSTALL.format(wheel=wheel), id="install"))
    return nbformat.v4.new_notebook(cells=cells, metadata=source.metadata)


def markdown(name: str, text: str, inside: dict[str, str]) -> NotebookNode:
    """Return a cell of text."""
    return new_markdown_cell(text, id=name, metadata=dict(inside))


def code(cell: NotebookNode, outputs: list[NotebookNode], inside: dict[str, str]) -> NotebookNode:
    """Return a cell of code with what it put out, folded where the page folds it."""
    tags = cell.metadata.get("tags", [])
    metadata = {"tags": tags} | ({"jupyter": {"source_hidden": True}} if "hide-input" in tags else {}) | inside
    return new_code_cell(cell.source, id=cell.id, metadata=metadata, outputs=outputs)


def main() -> None:
    """Put the plain notebooks where the pages offer them."""
    for chapter in sorted((ROOT / "chapters").glob("*.ipynb")):
        nbformat.write(plain(chapter.stem, site(), library()), PLAIN / chapter.name)


if __name__ == "__main__":
    main()
