"""Each check of look.js, by which test_book.py measures what a reader sees, sees what it must."""

import pytest
from pages import DESKTOP, ROOT, open_page
from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("built")]

# Faults, the check that must see them, and what it must say.
STYLE = "document.head.insertAdjacentHTML('beforeend', `<style class='fault'>{}</style>`)"
TEXT = "document.querySelector('article p').insertAdjacentHTML('beforeend', `{}`)"
HIDDEN = "{ display: block; width: 40px !important; overflow: hidden !important; white-space: pre !important }"
SCROLLED = "{ width: 40px; overflow: auto !important; white-space: pre !important }"
NUMBER = (
    "<mjx-container><mjx-math><mjx-c>x</mjx-c></mjx-math></mjx-container>"
    '<i class="eqno" style="position: absolute; left: 0">(1)</i>'
)
BROKEN = (
    r'<mjx-container><mjx-math><mjx-linestack><mjx-linebox><mjx-c>t</mjx-c><i data-latex="\\qquad"></i><mjx-c>u</mjx-c>'
    "</mjx-linebox><mjx-linebox><mjx-mo>=</mjx-mo></mjx-linebox></mjx-linestack></mjx-math></mjx-container>"
)
FAULTS = {
    "a displayed formula without a scroll bar": (STYLE.format(f"div.math {HIDDEN}"), "cut()", "cut: "),
    "a displayed formula that must be scrolled": (STYLE.format(f"div.math {SCROLLED}"), "cut()", "cut: "),
    "a displayed formula without its height": (
        STYLE.format("div.math { height: 9px; overflow: hidden }"),
        "cut()",
        "cut in height: ",
    ),
    "a formula in the text": (STYLE.format(f"span.math {HIDDEN}"), "cut()", "cut: "),
    "a figure wider than its box": (STYLE.format("article img { min-width: 1500px }"), "cut()", "cut: "),
    "a page wider than the screen": (STYLE.format("body { width: 3000px }"), "cut()", "the page scrolls sideways"),
    "a table without a scroll bar": (STYLE.format(f"article div:has(> table) {HIDDEN}"), "cut()", "cut: "),
    "a printed line": (STYLE.format(f".cell_output pre {HIDDEN}"), "cut()", "cut: "),
    "a printed line that must be scrolled": (STYLE.format(f".cell_output pre {SCROLLED}"), "cut()", "cut: "),
    "a line of code without a scroll bar": (STYLE.format(f"div.highlight pre {HIDDEN}"), "cut()", "cut: "),
    "a heading": (STYLE.format(f"article h1 {HIDDEN}"), "cut()", "cut: "),
    "a formula on its number": (TEXT.format(NUMBER), "misset()", "meets its number"),
    "a formula broken behind a left-hand side": (TEXT.format(BROKEN), "misset()", "broken behind"),
    "an exponent on the next line": (
        STYLE.format("mjx-msup > mjx-script { position: relative; left: -99px }"),
        "misset()",
        "torn off its base",
    ),
    "code before the first figure": (
        "document.querySelector('article h1').insertAdjacentHTML('afterend', '<div class=cell_input>code</div>')",
        "firstScreen()",
        "code comes before",
    ),
    "a figure on the second screen": (STYLE.format("h1 { height: 900px }"), "firstScreen()", "off the first screen"),
    "a figure without caption": ("document.querySelector('figcaption').remove()", "unexplained()", "no caption"),
    "a file's path for words": (
        "document.querySelector('figure img').alt = '../_images/0123456789abcdef.png'",
        "unexplained()",
        "no alternative text",
    ),
    "a figure that the text does not name": (
        "document.querySelector('figure').id = 'fig-other'",
        "unexplained()",
        "the text does not name it",
    ),
    "code in another colour than names had": (STYLE.format("div.highlight pre { color: grey }"), "dressed(['n'])", "n"),
    "a row of a table": (TEXT.format("\n| --- | --- |"), "raw()", "| --- |"),
    "a formula": (TEXT.format("the start $u_0$"), "raw()", "$u_0$"),
    "a formula as Sphinx hands it on": (TEXT.format(r"\\(u_0\\)"), "raw()", "(u_0"),
    "a role": (TEXT.format("see {doc}"), "raw()", "{doc}"),
    "a role in an alternative text": ("document.querySelector('article img').alt = 'as {eq} says'", "raw()", "{eq}"),
}


# Of all kinds of things on the page the first, and how to bring it back to what it was.
EXCERPT = """() => {
  unfold();
  const article = document.querySelector("article"), parts = [...article.querySelectorAll("section > *")];
  const kinds = ["h1", "p", "div.math", "span.math", "mjx-msup", "table", "figure", "a[href^='#fig-']"];
  kinds.push(".cell_output pre", ".highlight pre");
  const kept = kinds.map(kind => article.querySelector(kind));
  for (const part of parts) if (!kept.some(element => part.contains(element))) part.remove();
  const page = article.innerHTML;
  window.mend = () => {
    article.innerHTML = page;
    document.querySelector("style.fault")?.remove();
  };
}"""


@pytest.fixture(scope="module")
def excerpt(browser):
    opened = open_page(browser, "chapters/errata", viewport=DESKTOP)
    opened.add_script_tag(path=ROOT / "tests/look.js")
    opened.evaluate(EXCERPT)
    yield opened
    opened.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(excerpt: Page, fault):
    plant, check, message = FAULTS[fault]
    assert excerpt.evaluate(check) == []
    excerpt.evaluate(plant)
    said = excerpt.evaluate(check)
    excerpt.evaluate("mend()")
    assert any(message in each for each in said), said
