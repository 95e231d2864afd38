r"""Notation lists every symbol of the pages, once for each page; the bibliography and what is cited agree.

A symbol is a letter, Latin or Greek, with its accent or its style if it has one (`\hat y`, `\mathbf u`). A letter with
a subscript (`u_f`, `\Sigma_{xx}`) is a symbol of its own only where Notation lists it so; elsewhere the letters of the
subscript are symbols themselves: they count something. Words (`\mathrm`, `\text`) are none, nor is the dot of a time
derivative. What stands between dollars in the text is looked at, not the lettering of figures.
"""

import functools
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = {path.stem: path for path in [*(ROOT / "chapters").glob("*.*"), ROOT / "intro.md"] if path.stem != "notation"}
PAGES = {name: path for name, path in sorted(PAGES.items()) if path.suffix in (".ipynb", ".md")}

GREEK = (
    "alpha|beta|gamma|delta|varepsilon|epsilon|zeta|eta|vartheta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|varphi|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|ell"
)
WORDS = re.compile(r"\\(?:text|textit|mathrm|operatorname\*?|begin|end)(?:\s*\{[^{}]*\}|\s+[A-Za-z])")
SYMBOL = re.compile(
    rf"\\(?P<style>hat|bar|tilde|mathbf|mathbb|mathcal)\s*\{{?\s*(?P<styled>\\(?:{GREEK})(?![a-zA-Z])|[A-Za-z])\s*\}}?"
    rf"|(?P<plain>\\(?:{GREEK})(?![a-zA-Z]))"
    r"|\\(?:[A-Za-z]+|.)"  # any other command: no symbol
    r"|(?P<letter>[A-Za-z])"
)
SUBSCRIPT = re.compile(r"\s*_\s*(?:\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|(\\[A-Za-z]+|.))")


def text_of(path: Path) -> str:
    """A page's text: of a notebook, its Markdown cells."""
    if path.suffix == ".ipynb":
        return "\n\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    return re.sub(r"```\{code-cell\}.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def formulas(text: str) -> list[str]:
    """What stands between dollars."""
    text = re.sub(r"(?<!`)`[^`\n]+`(?!`)", "", text.replace(r"\$", ""))  # code, and roles
    return [block or inline for block, inline in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", text, re.DOTALL)]


def symbols(formula: str, names: set[str]) -> set[str]:
    """The symbols in a formula, with their subscripts where that is one of the names."""
    formula, found, at = WORDS.sub(" ", formula), set(), 0
    while match := SYMBOL.search(formula, at):
        at = match.end()
        letter = match["plain"] or match["letter"] or match["styled"]
        if letter is None:
            continue
        symbol = f"\\{match['style']} {letter}" if match["style"] else letter
        if subscript := SUBSCRIPT.match(formula, at):
            with_it = f"{symbol}_{(subscript[1] or subscript[2]).replace(' ', '')}"
            if with_it in names:
                symbol, at = with_it, subscript.end()
        found.add(symbol)
    return found


def letter_of(symbol: str) -> str:
    return symbol.split("_")[0]


def table() -> dict[str, list[list[str]]]:
    """The symbols of every row of Notation, by section; a symbol is what its first column lists, comma by comma."""
    sections: dict[str, list[list[str]]] = {}
    for section in (ROOT / "chapters/notation.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        rows = re.findall(r"^\| (\$.*?) \|", body, re.MULTILINE)
        named = [[part.strip() for math in formulas(row) for part in math.split(",")] for row in rows]
        sections[title] = [[normal(name) for name in names if name != r"\dots"] for names in named]
    return sections


def normal(name: str) -> str:
    (symbol,) = symbols(name, Everything())
    return symbol


class Everything(set):
    def __contains__(self, _) -> bool:
        return True


TABLE = table()
TITLES = {name: re.search(r"^# (.*)$", text_of(path), re.MULTILINE)[1] for name, path in PAGES.items()}
SHARED = [row for title, rows in TABLE.items() if title not in TITLES.values() for row in rows]


def rows_for(page: str) -> list[list[str]]:
    """What holds on a page: its own rows, and the shared ones, but for the letters that it uses in its own way."""
    own = TABLE.get(TITLES[page], [])
    taken = {letter_of(name) for row in own for name in row}
    return own + [[name for name in row if letter_of(name) not in taken] for row in SHARED]


@functools.cache
def used(page: str) -> set[str]:
    names = {name for row in rows_for(page) for name in row}
    return set().union(*(symbols(formula, names) for formula in formulas(text_of(PAGES[page]))))


def test_symbols_are_found():
    names = {"u_f", r"\Sigma_xx"}  # subscripts without braces
    assert symbols(r"\dot u_f = \hat y_{i\alpha}^\top \mathrm{tr}\, \Sigma_{xx}", names) == {
        *("u_f", r"\hat y", "i", r"\alpha", r"\Sigma_xx")
    }
    assert symbols(r"\tfrac12 \mathbf{u}_\beta W_{l+1} \text{if } \varepsilon \ll e^{-t/\tau}", names) == {
        *(r"\mathbf u", r"\beta", "W", "l", r"\varepsilon", "e", "t", r"\tau")
    }
    assert formulas("$a$ and `$b$`\n$$\nc\n$$ (label)") == ["a", "\nc\n"]


def test_every_section_is_about_a_page_or_about_all():
    assert {"The network", "The task", "Training"} < set(TABLE)
    assert sum(title in TITLES.values() for title in TABLE) == sum(path.suffix == ".ipynb" for path in PAGES.values())


@pytest.mark.parametrize("page", PAGES)
def test_every_symbol_is_listed(page):
    names = {name for row in rows_for(page) for name in row}
    assert sorted(used(page) - names) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_letter_has_one_meaning_on_a_page(page):
    rows = [{letter_of(name) for name in row} for row in rows_for(page)]
    letters = [letter for row in rows for letter in row]
    assert sorted({letter for letter in letters if letters.count(letter) > 1}) == []


def test_nothing_is_listed_in_vain():
    everywhere = set().union(*(used(page) for page in PAGES))
    assert [name for row in SHARED for name in row if name not in everywhere] == []
    for page in PAGES:
        assert [name for row in TABLE.get(TITLES[page], []) for name in row if name not in used(page)] == []


def test_every_row_says_what_a_symbol_means_and_names_what_exists():
    text = (ROOT / "chapters/notation.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1:-1] for row in re.findall(r"^\| \$.*$", text, re.MULTILINE)]
    assert len(rows) > 100 and [row for row in rows if len(row) != 4 or not row[1].strip()] == []
    library = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "dlnlib").rglob("*.py"))
    words = {word for row in rows for code in re.findall(r"`(.+?)`", row[3]) for word in re.findall(r"\w{2,}", code)}
    assert sorted(words - set(re.findall(r"\w+", library))) == []


def test_references_and_citations_agree():
    sources = [*PAGES.values(), ROOT / "chapters/notation.md", *(ROOT / "dlnlib").rglob("*.py")]
    texts = [text_of(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8") for path in sources]
    cited = {
        key.strip()
        for text in texts
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
        for key in keys.split(",")
    }
    entries = re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(entries) == len(set(entries))
    assert sorted(cited - set(entries)) == []
    assert sorted(set(entries) - cited) == []
