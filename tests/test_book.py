"""The built pages: whole, offline, alive, laid out well. `make test` builds them first; a browser opens them from disk.

What look.js says is tried in test_look.py.
"""

import functools
import gzip
import io
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from pages import DESKTOP, HTML, NOTEBOOKS, PAGES, PHONE, ROOT, TOC, links, open_page, says
from PIL import Image
from playwright.sync_api import Page, TimeoutError, expect
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("built")]

SCREENS = [(page, size) for page in PAGES for size in ("phone", "desktop")]
HEAVIEST, LONGEST = 2e6, 1.2e6  # bytes of all that a page loads, compressed; and of its HTML
WIDTHS = {"phone": (360, 390, 768), "desktop": (1000, 1200, 1280, 1920)}
CODE = 0.2  # of a chapter's height, at most, is code outside folds

# What axe-core finds in what the theme and other extensions write: the rule, and a mark of the element.
FAULTS_OF_OTHERS = [
    ("label-content-name-mismatch", 'class="btn search-button-field'),  # shows its keyboard shortcut too
    ("label-content-name-mismatch", "theme-switch-button"),  # shows the name of the mode
    ("label-content-name-mismatch", 'aria-label="Toggle hidden content"'),  # shows "Show code cell source"
    ("aria-deprecated-role", 'role="doc-biblioentry"'),  # docutils' bibliographies
    ("aria-required-children", 'class="citation-list"'),
]


@pytest.fixture(scope="module", params=SCREENS, ids=" ".join)
def opened(browser, request):
    """A page on a screen: on a phone by day, on a desktop by night."""
    page, size = request.param
    viewport, scheme = {"phone": (PHONE, "light"), "desktop": (DESKTOP, "dark")}[size]
    opened = open_page(browser, page, viewport=viewport, has_touch=size == "phone", color_scheme=scheme)
    opened.add_script_tag(path=ROOT / "tests/look.js")
    yield opened
    opened.close()


def test_the_contents_name_every_chapter():
    on_disk = {f"chapters/{path.stem}" for path in (ROOT / "chapters").glob("*.*") if path.suffix in (".ipynb", ".md")}
    assert on_disk == set(PAGES) - {TOC["root"], "CHANGELOG"}


@pytest.mark.parametrize("page", PAGES)
def test_no_cell_failed(page):
    text = (HTML / f"{page}.html").read_text()
    assert "Traceback" not in text and "output stderr" not in text and "ERROR" not in text


@pytest.mark.parametrize("page", PAGES)
def test_sections_named_elsewhere_exist(page):
    """As "Turn the knobs" in Teaching, behind a link to the chapter."""
    path = HTML / f"{page}.html"
    for link in article(path).select("a.internal[href$='.html']"):
        if named := re.match(r", “(.*?)”", str(link.next_sibling or "")):
            titles = article((path.parent / link["href"]).resolve()).select("h2, h3")
            assert named[1] in {title.get_text().rstrip("#") for title in titles}


@functools.cache
def article(path: Path) -> Tag:
    return BeautifulSoup(path.read_text(), "html.parser").select_one("article")


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_notebook_has_a_figure_that_moves(page):
    assert 'class="live"' in (HTML / f"{page}.html").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_book_lead_somewhere(page):
    path = HTML / f"{page}.html"
    for target in links(path).targets:
        link = urlsplit(target)
        if link.scheme or link.netloc:
            continue
        file = (path.parent / unquote(link.path)).resolve() if link.path else path
        assert file.is_file(), target
        if link.fragment and file.suffix == ".html":
            assert unquote(link.fragment) in links(file).ids, target


def test_formulas_are_typeset(opened: Page):
    formulas = opened.locator("span.math, div.math").count()
    assert opened.locator("mjx-container").count() == formulas or formulas == 0
    assert opened.locator("mjx-merror").count() == 0


def test_a_page_fits_its_screen(opened: Page):
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]


def test_the_first_figure_is_on_the_first_screen_before_any_code(opened: Page, request):
    if opened.viewport_size == DESKTOP and request.node.callspec.params["opened"][0] in (TOC["root"], *NOTEBOOKS):
        assert opened.evaluate("firstScreen()") == []


def test_figures_have_number_caption_and_words_and_the_text_speaks_of_them(opened: Page):
    assert opened.evaluate("unexplained()") == []


def test_a_chapter_shows_no_more_code_than_its_reader_needs(opened: Page):
    assert opened.evaluate("shareOfCode()") <= CODE


def test_nothing_is_raw(opened: Page):
    assert opened.evaluate("raw()") == []


def test_an_equation_that_has_the_focus_lists_its_symbols(opened: Page, request):
    if opened.viewport_size == DESKTOP and request.node.callspec.params["opened"][0] in NOTEBOOKS:
        opened.keyboard.press("Tab")  # as who uses the keyboard does
        equations = opened.locator("article div.math:visible")
        for equation in [equations.first, equations.last]:
            equation.focus()
            expect(opened.locator("#meaning p").first).to_be_visible()
            rows = opened.locator("#meaning p").all_text_contents()
            assert len(rows) == len(set(rows)) and all(": " in row for row in rows)
            equation.blur()
            expect(opened.locator("#meaning")).to_be_hidden()


def ground(opened: Page) -> int:
    """How bright the ground of a page is."""
    return opened.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])")


def test_a_page_has_the_colours_asked_for(opened: Page):
    """As it opens, and when night falls or day breaks meanwhile."""
    assert (ground(opened) < 60) == (opened.viewport_size == DESKTOP)
    for scheme in ("light", "dark") if opened.viewport_size == DESKTOP else ("dark", "light"):
        opened.emulate_media(color_scheme=scheme)
        opened.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        assert (ground(opened) < 60) == (scheme == "dark")
        pictures_stand_on_the_ground(opened)


def test_code_keeps_its_colours(browser):
    """The tokens that Pygments tells in a page's code, and the page leaves out (see book.py), look as code does."""
    with open_page(browser, "chapters/plateaus", viewport=DESKTOP) as opened:
        opened.add_script_tag(path=ROOT / "tests/look.js")
        cells = opened.locator("article .cell_input pre")
        told = highlight("\n".join(cells.all_text_contents()), PythonLexer(), HtmlFormatter())
        kept = set(cells.locator("span").evaluate_all("spans => spans.map(span => span.className)"))
        left_out = set(re.findall(r'<span class="(\w+)"', told)) - kept
        assert {"n", "p"} <= left_out and {"k", "o", "s2"} <= kept
        for scheme in ("dark", "light"):
            opened.emulate_media(color_scheme=scheme)
            opened.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
            assert opened.evaluate("dressed", sorted(left_out)) == []


def pictures_stand_on_the_ground(opened: Page) -> None:
    """The corner of one has the colour of what surrounds it, and all are shown alike."""
    pictures = opened.locator("article img:visible")
    if pictures.count():
        shown = Image.open(io.BytesIO(pictures.first.screenshot()))
        assert all(abs(part - ground(opened)) <= 4 for part in shown.getpixel((2, shown.height - 3))[:3])
        look = "(image) => { const { filter, padding } = getComputedStyle(image); return filter + padding; }"
        assert len(set(pictures.evaluate_all(f"all => all.map({look})"))) == 1


def test_a_page_is_accessible(opened: Page):
    """WCAG 2.1 AA by axe-core; faults that are not ours are told by name."""
    opened.add_script_tag(path=ROOT / "web/node_modules/axe-core/axe.min.js")
    found = opened.evaluate("""axe.run({
        preload: false, resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    })""")  # listing all that passes would take as long again
    faults = {
        (violation["id"], node["html"])
        for violation in found["violations"]
        for node in violation["nodes"]
        if not any(violation["id"] == rule and mark in node["html"] for rule, mark in FAULTS_OF_OTHERS)
    }
    assert not faults


def test_lettering_is_of_one_size(opened: Page):
    """Within 15 % of the style's ten points, as shown: on a phone, too, where panels are stacked and not shrunk."""
    for image in opened.locator("article figure > img").all():
        with Image.open(HTML / unquote(urlsplit(image.evaluate("image => image.src")).path)) as picture:
            lettering = picture.info["Lettering"]
        shown = image.evaluate("image => image.clientWidth / parseFloat(image.style.width)")
        sizes = [shown * float(size) for size in lettering.split()]
        assert 8.5 <= min(sizes) <= max(sizes) <= 11.5, (picture.filename, sizes, image.get_attribute("alt"))


def test_a_page_is_light(opened: Page):
    files = {Path(unquote(urlsplit(url).path)) for url in opened.loaded if url.startswith("file:")}
    assert sum(len(gzip.compress(file.read_bytes(), 6)) for file in files) <= HEAVIEST
    assert Path(unquote(urlsplit(opened.url).path)).stat().st_size <= LONGEST


def test_a_figure_that_moves_replaces_its_picture(opened: Page):
    for figure in opened.locator(".live").all():
        assert figure.locator(".live-body").is_visible() and not figure.locator("img.still:visible").all()


def test_every_slider_moves_its_figure_and_says_where_it_stands(opened: Page):
    touches = opened.viewport_size == PHONE
    for figure in opened.locator(".live").all():
        for slider in figure.locator("input[type=range]").all():
            box = slider.bounding_box()
            assert box["height"] >= 44 and box["width"] >= 100
            # One way moves it wherever it stands.
            before = says(figure)
            slider.press("ArrowRight")
            if says(figure) == before:
                slider.press("ArrowLeft")
            assert says(figure) != before
            assert slider.get_attribute("aria-valuetext") == slider.locator("xpath=../output").text_content() != ""
            # And the mouse, or a finger, to the end that is farther away.
            before, middle = says(figure), "input => 2 * input.value < Number(input.min) + Number(input.max)"
            there = {"x": box["width"] - 6 if slider.evaluate(middle) else 6, "y": box["height"] / 2}
            (slider.tap if touches else slider.click)(position=there)
            assert says(figure) != before


def test_time_can_be_played(opened: Page):
    stopped = []  # each figure with players, what it said first, and when paused
    for figure in opened.locator(".live:has(.live-player)").all():
        if (answer := figure.get_by_role("button", name="show the answer")).count():
            answer.click()  # before it, time is the reader's to guess
        figure.get_by_role("button", name="Back to the start").click()
        first = says(figure)
        figure.get_by_role("button", name="Play").click()
        opened.wait_for_function(
            "([figure, first]) => figure.live.shown.says !== first", arg=[figure.element_handle(), first]
        )
        button = figure.locator(".live-player button").first
        button.evaluate("button => button.ariaLabel === 'Pause' && button.click()")  # unless the end came first
        stopped.append((figure, first, says(figure)))
    if stopped:
        opened.wait_for_timeout(1000)
    for figure, first, paused in stopped:
        assert says(figure) == paused != first
        figure.get_by_role("button", name="Back to the start").click()
        assert says(figure) == first


def test_nothing_is_cut_at_any_width(opened: Page, request):
    opened.evaluate("unfold()")
    for width in WIDTHS[request.node.callspec.params["opened"][1]]:
        opened.set_viewport_size({"width": width, "height": 900})
        opened.evaluate("rest()")
        assert found(opened, "[...cut(), ...misset()]") == [], width


def found(opened: Page, checks: str) -> list[str]:
    """What is wrong once the lines have come to rest; MathJax sets them anew for each width."""
    try:
        opened.wait_for_function(f"{checks}.length === 0", polling=300, timeout=20_000)
        return []
    except TimeoutError:
        return opened.evaluate(checks)


def test_nothing_went_wrong_on_a_page(opened: Page):
    assert opened.troubles == []


@pytest.mark.parametrize("page", NOTEBOOKS)
@pytest.mark.parametrize("how", ["before scripts", "without scripts"])
def test_figures_are_pictures_with_words_before_and_without_scripts(browser, page, how):
    opened = browser.new_page(viewport=PHONE, java_script_enabled=how == "before scripts")
    opened.route("**/live.js*", lambda route: None)  # never answered
    opened.goto((HTML / f"{page}.html").as_uri(), wait_until="commit")
    opened.locator("article p").first.wait_for()
    opened.locator("footer").first.wait_for(state="attached")
    figures = opened.locator(".live:not(.awake)").all()
    assert figures
    for figure in figures:
        panels = figure.locator("img.still").all()
        assert len(panels[0].get_attribute("alt")) > 20  # the first has the words for all
        for panel in panels:
            assert panel.is_visible()
            opened.wait_for_function("panel => panel.naturalWidth > 0", arg=panel.element_handle())
    opened.close()


def test_search_finds_a_word(browser):
    opened = open_page(browser, "search")
    opened.goto((HTML / "search.html").as_uri() + "?q=plateau")
    opened.locator("#search-results").get_by_role("link", name="Plateaus", exact=True).wait_for()
    assert opened.troubles == []
    opened.close()


def test_readme_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec("\n".join(line.removeprefix("  ") for line in example.splitlines()), names)
    assert abs(names["run"].modes - names["theory"]).max() < 0.05 * names["theory"].max()
