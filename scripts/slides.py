"""Make a deck of slides from each chapter; `make slides` calls this on the built book.

A deck shows the cells that are tagged "slide" as the page renders them: text, or what a cell puts out. It is played
by reveal.js, lies beside the pages and shares their scripts, so that it needs no network either, and sliders move.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Comment, PageElement, Tag

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"
SCRIPTS = ("_static/vendor/", "_static/book.js", "_static/formulas.js", "_static/live.js", "MathJax")

DECK = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} (slides)</title>
<link rel="stylesheet" href="../_static/vendor/reveal.css">
<link rel="stylesheet" href="../_static/pygments.css">
<link rel="stylesheet" href="../_static/book.css">
<link rel="stylesheet" href="../_static/live.css">
<link rel="stylesheet" href="../_static/slides.css">
<script src="../_static/vendor/reveal.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
{scripts}
<script src="../_static/slides.js"></script>
</body>
</html>
"""
SLIDE = '<section><h2>{title}</h2><div class="content">{content}</div></section>'
FIRST = """<section><h1>{title}</h1>{question}
<p><a href="../chapters/{name}">The chapter</a>, with everything that is left out here</p></section>"""


def main() -> int:
    """Write the decks, and say where they are."""
    if not (HTML / "_static/vendor/reveal.js").is_file():
        print("Slides need reveal.js, which npm fetches when the book is built; npm was not found then.")
        return 1
    decks = HTML / "slides"
    decks.mkdir(exist_ok=True)
    for page in sorted((HTML / "chapters").glob("*.html")):
        deck = make_deck(BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser"), page.name)
        if deck is not None:
            (decks / page.name).write_text(deck, encoding="utf-8")
            print(decks / page.name)
    return 0


def make_deck(page: BeautifulSoup, name: str) -> str | None:
    """Return the deck of a page, or None if nothing of it is tagged."""
    article = page.select_one("article")
    for link in article.select("a[href]"):
        href = str(link["href"])
        if not urlsplit(href).scheme and not href.startswith("../"):
            link["href"] = f"../chapters/{name if href.startswith('#') else ''}{href}"
    for mark in article.select("a.headerlink"):
        mark.decompose()
    slides = [
        SLIDE.format(title=where.find_parent("section").find(["h1", "h2", "h3"]).decode_contents(), content=content)
        for where, content in tagged(article)
    ]
    if not slides:
        return None
    title = article.select_one("h1").decode_contents()
    first = FIRST.format(title=title, question=article.select_one("h1 + p") or "", name=name)
    scripts = [s for s in page.find_all("script") if any(mark in str(s)[:300] for mark in SCRIPTS)]
    return DECK.format(
        title=title, slides="\n".join([first, *slides]), scripts="\n".join(str(script) for script in scripts)
    )


def tagged(article: Tag) -> Iterator[tuple[PageElement, str]]:
    """Yield what is tagged, in order: where it stands, and what to show of it."""
    for node in article.descendants:
        if isinstance(node, Comment) and node.strip() == "slide":
            shown = []
            for sibling in node.next_siblings:
                if isinstance(sibling, Comment) and sibling.strip() == "end of slide":
                    break
                shown.append(str(sibling))
            yield node, "".join(shown)
        elif isinstance(node, Tag) and "tag_slide" in node.get("class", []):
            yield node, "".join(str(output) for output in node.select(":scope > .cell_output"))


if __name__ == "__main__":
    sys.exit(main())
