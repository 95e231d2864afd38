"""The built pages, and how tests open them: from disk, without a network."""

import functools
from html.parser import HTMLParser
from pathlib import Path

import yaml
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
NOTEBOOKS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
PHONE, DESKTOP = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


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


links = functools.cache(Links)


def open_page(browser, page: str, **options) -> Page:
    """Open a page from disk without a network; keep what it loads, and everything that goes wrong."""
    opened = browser.new_page(**options)
    opened.context.set_offline(True)
    opened.troubles, opened.loaded = [], []
    opened.on("request", lambda request: note(request.url))
    opened.on("requestfailed", lambda request: opened.troubles.append(f"{request.url}: {request.failure}"))
    opened.on("console", lambda message: message.type == "error" and opened.troubles.append(message.text))
    opened.on("pageerror", lambda error: opened.troubles.append(str(error)))

    def note(url: str) -> None:
        kept = opened.loaded if url.startswith(("file:", "data:", "blob:")) else opened.troubles
        kept.append(url)

    opened.goto((HTML / f"{page}.html").as_uri(), wait_until="load")
    opened.wait_for_function("typeof MathJax !== 'object' || !MathJax.startup || MathJax.startup.promise")
    opened.wait_for_function("!document.querySelector('.live:not(.awake)')")
    return opened


def says(figure) -> str:
    """What a live figure says that it shows."""
    return figure.evaluate("figure => figure.live.shown.says")
