"""What helps a reader on a page: meanings of symbols, side notes, solutions, where a search leads, paper."""

import pytest
from pages import DESKTOP, PHONE, open_page
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("built")]

# What is said of the n-th glyph of a page's formula: of a shared symbol, of a bold one, of one with an index, of an
# index of one that is not listed with it; of a letter that the chapter uses for itself.
SAID = [
    ("chapters/plateaus", "#equation-sigmoid", "s", "singular value"),
    ("chapters/plateaus", "#equation-sigmoid", "0", "strength of a mode in the whole network"),
    ("chapters/plateaus", "#equation-crowd", "Z", "half the sum of a mode's vectors"),
    ("chapters/lazy_and_rich", "#equation-lr-solution", "G", "generator of the flow"),
    ("chapters/exact_solutions", "#equation-exact-riccati", "P", "sum and difference of a mode's layers"),
]


@pytest.fixture(scope="module", params=["mouse", "finger"])
def hands(browser, request):
    """A way to open pages, and to point."""
    touches = request.param == "finger"

    def opened(page):
        return open_page(browser, page, viewport=PHONE if touches else DESKTOP, has_touch=touches)

    return opened, lambda element: element.tap() if touches else element.hover()


def test_a_symbol_says_what_it_means(hands):
    opened, point = hands
    for page in dict.fromkeys(page for page, *_ in SAID):
        with opened(page) as shown:
            card = shown.locator("#meaning")
            for _, equation, glyph, meaning in [said for said in SAID if said[0] == page]:
                place = shown.locator(f"{equation} mjx-math [data-latex='{glyph}'] > mjx-c").first
                place.evaluate("glyph => glyph.scrollIntoView({block: 'center'})")
                point(place)
                expect(card).to_contain_text(meaning)
                expect(card.locator("mjx-container").first).to_be_visible()
                assert card.evaluate("card => { const box = card.getBoundingClientRect(); return box.left >= 0 && "
                                     "box.right <= innerWidth && box.top >= 0; }")  # fmt: skip
                shown.keyboard.press("Escape")
                expect(card).to_be_hidden()
            assert shown.troubles == []


def test_a_side_note_stands_beside_the_text_or_opens_below_it(browser):
    with open_page(browser, "chapters/plateaus", viewport=DESKTOP) as opened:
        note, number = opened.locator("span.sidenote").first, opened.locator("label.margin-toggle").first
        for width in (1200, 1280, 1920):
            opened.set_viewport_size({"width": width, "height": 900})
            right = note.locator("xpath=..").evaluate("p => p.getBoundingClientRect().right")
            assert note.bounding_box()["x"] >= right
        for size in ({"width": 1000, "height": 900}, PHONE):
            opened.set_viewport_size(size)
            expect(note).to_be_hidden()
            number.click()
            expect(note).to_be_visible()
            assert note.bounding_box()["y"] > number.bounding_box()["y"]
            opened.keyboard.press("Space")  # its box has the focus
            expect(note).to_be_hidden()


def test_a_solution_follows_its_exercise_and_opens_there(browser):
    with open_page(browser, "chapters/plateaus", viewport=DESKTOP) as opened:
        for solution in opened.locator(".solution").all():
            before = solution.locator("xpath=preceding-sibling::*[1]")
            assert "exercise" in before.get_attribute("class")
            title = solution.locator(".admonition-title").first
            assert title.locator("a").count() == 0
            body = solution.locator("section").first
            expect(body).to_be_hidden()
            title.click(position={"x": 60, "y": 12})
            expect(body).to_be_visible()


def test_a_hit_of_the_search_is_in_view(browser):
    with open_page(browser, "search", viewport=DESKTOP) as opened:
        opened.goto(opened.url + "?q=digamma")
        opened.locator("#search-results a").first.click()
        opened.wait_for_function(
            "[...document.querySelectorAll('article .highlighted')].some(word => word.checkVisibility() && "
            "word.getBoundingClientRect().top > 0 && word.getBoundingClientRect().bottom < innerHeight)"
        )


def test_a_link_opens_what_it_leads_into(browser):
    with open_page(browser, "chapters/plateaus", viewport=DESKTOP) as opened:
        solution = opened.locator(".solution").first
        name = solution.evaluate("solution => solution.querySelector('section p').id = 'inside'")
        expect(solution.locator("p").nth(1)).to_be_hidden()
        opened.evaluate(f"location.hash = '{name}'")
        expect(solution.locator("p").nth(1)).to_be_visible()


def test_paper_is_light_and_has_the_solutions_unless_told_not_to(browser):
    for query, paper in (("", "block"), ("?solutions=no", "none")):
        with open_page(browser, "chapters/plateaus", viewport=DESKTOP, color_scheme="dark") as opened:
            if query:
                opened.goto(opened.url + query)
            opened.evaluate("""() => addEventListener("beforeprint", () => {
              const solution = document.querySelector(".solution");
              window.printed = [document.documentElement.dataset.theme, getComputedStyle(solution).display,
                                solution.classList.contains("toggle-hidden")];
            })""")
            opened.pdf(page_ranges="1")
            opened.wait_for_function("window.printed")
            assert opened.evaluate("printed") == ["light", paper, False]
            assert opened.evaluate("document.documentElement.dataset.theme") == "dark"
