"""The built pages: whole, offline, alive. `make test` builds them first; a browser opens them from disk."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
NOTEBOOKS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
PHONE, DESKTOP = {"width": 390, "height": 800}, {"width": 1280, "height": 900}

# What axe-core finds in what the theme and other extensions write: the rule, and a mark of the element.
FAULTS_OF_OTHERS = [
    ("label-content-name-mismatch", 'class="btn search-button-field'),  # shows its keyboard shortcut too
    ("label-content-name-mismatch", "theme-switch-button"),  # shows the name of the mode
    ("label-content-name-mismatch", 'aria-label="Toggle hidden content"'),  # shows "Show code cell source"
    ("aria-deprecated-role", 'role="doc-biblioentry"'),  # docutils' bibliographies
    ("aria-required-children", 'class="citation-list"'),
]


class Links(HTMLParser):
    """What a page names (ids) and what it points to (links, pictures, scripts, styles)."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids |= {named[key] for key in ("id", "name") if named.get(key)}
        loads = "href" if tag in ("a", "link") else "src"
        if tag in ("a", "link", "img", "script", "source", "iframe") and named.get(loads):
            self.targets.add(named[loads])


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if not (HTML / "index.html").is_file() or (ROOT / "_build/unfinished").exists():
        pytest.fail("there is no finished build of the book to test; run `make book` first")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        # A system's own browser if there is one, else the one that Playwright installs.
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=PAGES)
def opened(browser, request):
    """A page opened from disk on a phone, without a network, and everything that went wrong there."""
    page = browser.new_page(viewport=PHONE)
    page.context.set_offline(True)
    page.troubles = []
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or page.troubles.append(r.url))
    page.on("requestfailed", lambda r: page.troubles.append(f"{r.url}: {r.failure}"))
    page.on("console", lambda m: m.type == "error" and page.troubles.append(m.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.goto((HTML / f"{request.param}.html").as_uri(), wait_until="load")
    page.wait_for_function("typeof MathJax !== 'object' || !MathJax.startup || MathJax.startup.promise")
    yield page
    page.close()


def test_the_contents_name_every_chapter():
    on_disk = {f"chapters/{path.stem}" for path in (ROOT / "chapters").glob("*.*") if path.suffix in (".ipynb", ".md")}
    assert on_disk == set(PAGES) - {TOC["root"]}


@pytest.mark.parametrize("page", PAGES)
def test_no_cell_failed(page):
    text = (HTML / f"{page}.html").read_text()
    assert "Traceback" not in text and "output stderr" not in text and "ERROR" not in text


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_notebook_has_a_figure_that_moves(page):
    assert "application/vnd.jupyter.widget-view+json" in (HTML / f"{page}.html").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_book_lead_somewhere(page):
    path = HTML / f"{page}.html"
    for target in Links(path).targets:
        link = urlsplit(target)
        if link.scheme or link.netloc:
            continue
        file = (path.parent / unquote(link.path)).resolve() if link.path else path
        assert file.is_file(), target
        if link.fragment and file.suffix == ".html":
            assert unquote(link.fragment) in Links(file).ids, target


def test_a_page_opens_offline_without_errors(opened: Page):
    if opened.locator(".explore").count():
        opened.locator(".explore img").first.wait_for(state="attached")
    assert opened.troubles == []


def test_formulas_are_typeset(opened: Page):
    formulas = opened.locator("span.math, div.math").count()
    assert opened.locator("mjx-container").count() == formulas or formulas == 0
    assert opened.locator("mjx-merror").count() == 0


def test_a_page_fits_a_phone(opened: Page):
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible(opened: Page, scheme):
    """WCAG 2.1 AA by axe-core; faults that are not ours are told by name."""
    opened.emulate_media(color_scheme=scheme)
    if opened.locator(".explore").count():
        opened.locator(".noUi-handle[aria-label]").first.wait_for(state="attached")
    opened.add_script_tag(path=ROOT / "web/node_modules/axe-core/axe.min.js")
    found = opened.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
    faults = {
        (violation["id"], node["html"])
        for violation in found["violations"]
        for node in violation["nodes"]
        if not any(violation["id"] == rule and mark in node["html"] for rule, mark in FAULTS_OF_OTHERS)
    }
    assert not faults


def test_search_finds_a_word(browser):
    page = browser.new_page()
    page.context.set_offline(True)
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: m.type == "error" and troubles.append(m.text))
    page.goto((HTML / "search.html").as_uri() + "?q=plateau")
    page.locator("#search-results a", has_text="Plateaus").wait_for()
    assert troubles == []
    page.close()


def test_every_slider_moves_its_figure(opened: Page):
    for figure in opened.locator(".explore").all():
        figure.locator("img").first.wait_for(state="attached")
        handles = figure.locator(".noUi-handle")
        assert handles.count() >= 1
        for handle in handles.all():
            before = shown(figure)
            # One way moves it wherever it stands.
            handle.press("ArrowRight")
            if shown(figure) == before:
                handle.press("ArrowLeft")
            assert shown(figure) != before


def shown(figure) -> str:
    """The picture that the reader sees: the one that is not hidden."""
    visible = [image for image in figure.locator("img").all() if image.is_visible()]
    assert len(visible) == 1
    return visible[0].get_attribute("alt")


def test_readme_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec("\n".join(line.removeprefix("  ") for line in example.splitlines()), names)
    assert abs(names["run"].modes - names["theory"]).max() < 0.05 * names["theory"].max()
