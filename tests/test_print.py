"""What is made of the built pages: decks of slides, the printed book."""

import re
import subprocess
import sys

import nbformat
import pytest
from pages import HTML, NOTEBOOKS, PAGES, ROOT, open_page, says
from pypdf import PdfReader

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("built")]


@pytest.fixture(scope="module")
def decks():
    subprocess.run([sys.executable, ROOT / "scripts/slides.py"], check=True)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_slides_show_what_is_tagged_and_nothing_is_cut_off(browser, decks, page):
    tagged = [
        cell for cell in nbformat.read(ROOT / f"{page}.ipynb", 4).cells if "slide" in cell.metadata.get("tags", [])
    ]
    deck = open_page(browser, page.replace("chapters", "slides"), viewport={"width": 1280, "height": 720})
    assert len(tagged) > 8 and deck.evaluate("Reveal.getTotalSlides()") == len(tagged) + 1
    for number in range(1, len(tagged) + 1):
        deck.keyboard.press("ArrowRight")
        deck.wait_for_function(f"Reveal.getState().indexh === {number}")
        content = deck.locator("section.present .content")
        box = content.bounding_box()
        assert box["height"] > 20 and box["y"] + box["height"] <= 720, number
        for figure in content.locator(".live").all():
            slider, before = figure.locator("input[type=range]").first, says(figure)
            slider.press("ArrowRight")
            if says(figure) == before:
                slider.press("ArrowLeft")
            assert says(figure) != before and deck.evaluate("Reveal.getState().indexh") == number
            # Keys that leave the slide do so from a slider, too; after the mouse moved it, arrows do as well.
            slider.press("PageDown")
            deck.wait_for_function(f"Reveal.getState().indexh === {min(number + 1, len(tagged))}")
            deck.evaluate(f"Reveal.slide({number})")
            slider.click()
            deck.keyboard.press("ArrowLeft")
            deck.wait_for_function(f"Reveal.getState().indexh === {number - 1}")
            deck.evaluate(f"Reveal.slide({number})")
    assert deck.troubles == []
    deck.close()


def test_the_printed_book_is_whole_and_its_links_work(browser):
    subprocess.run([sys.executable, ROOT / "scripts/pdf.py"], check=True)
    pdf = PdfReader(ROOT / "_build/how-deep-networks-learn.pdf")
    titles = [re.search("<h1>(.*?)<", (HTML / f"{page}.html").read_text())[1] for page in PAGES]
    outline = [item.title for item in flat(pdf.outline)]
    assert [title for title in titles if title not in outline] == []
    links = [link.get_object() for page in pdf.pages for link in page.get("/Annots", [])]
    addresses = {link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})}
    assert not [address for address in addresses if not address.startswith("http")]
    within = [link["/Dest"] for link in links if "/Dest" in link]
    assert len(within) > 300 and set(within) <= set(pdf.named_destinations)
    for words in ("Show that the time from 1 %", "The start cancels"):  # an exercise; its solution, which a page folds
        assert any(words in " ".join(page.extract_text().split()) for page in pdf.pages)


def flat(outline):
    for item in outline:
        yield from flat(item) if isinstance(item, list) else [item]
