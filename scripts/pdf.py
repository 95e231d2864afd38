"""Print the whole book as one PDF; `make pdf` calls this after the book is built, `make pdf SOLUTIONS=no` for students.

Sphinx writes the book once more, as a single page (nothing is executed again), and headless Chromium prints it: figures
as they stand at the start, solutions open or left out, links between chapters as links within the document.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

import chromium

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
PAGE = BUILD / "singlehtml/intro.html"
SOLUTIONS = os.environ.get("SOLUTIONS", "yes")
PDF = BUILD / f"how-deep-networks-learn{'-without-solutions' * (SOLUTIONS == 'no')}.pdf"
FOOTER = '<div style="width: 100%; text-align: center; font-size: 8px"><span class="pageNumber"></span></div>'


def main() -> int:
    """Write the PDF, and return the exit status."""
    with (BUILD / "single.log").open("w") as log:
        written = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("jupyter-book")), "build", "-W", "-n", "--keep-going"),
                *("--builder", "custom", "--custom-builder", "singlehtml", str(ROOT)),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if written.returncode != 0:
        print(f"The book could not be written as one page; {log.name} says why.")
        return written.returncode
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(600_000)
        page.goto(f"{PAGE.as_uri()}?solutions={SOLUTIONS}", wait_until="load")
        settle(page)
        # Within the document, whatever question mark its address ends with.
        page.evaluate(f"""for (const link of document.querySelectorAll("a[href^='{PAGE.name}#']")) {{
            link.setAttribute("href", link.hash);
        }}
        // Chapters number what cites, and notes, alike; nothing leads there, but the bibliography has such numbers.
        for (const cites of document.querySelectorAll(".bibtex-citation[id], .margin-toggle [id]")) {{
            cites.removeAttribute("id");
        }}""")
        page.pdf(
            path=PDF,
            format="A4",
            scale=0.8,
            margin={side: "18mm" for side in ("top", "bottom", "left", "right")},
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            print_background=True,
            outline=True,
            tagged=True,
        )
        browser.close()
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # of Chromium's PDFs it says that they have too many objects
    document = PdfWriter(clone_from=PDF)
    mend_titles(document.get_outline_root())
    document.write(PDF)
    print(f"The book is printed. Open {PDF}")
    return 0


def settle(page: Page) -> None:
    """Wait until the formulas stand; open the solutions."""
    page.wait_for_function(
        "typeof MathJax !== 'object' || !MathJax.startup || MathJax.startup.promise", timeout=600_000
    )
    page.evaluate("""() => {
        for (const solution of document.querySelectorAll("details:not(.hide), .dropdown")) {
            solution.open = true;
            solution.classList.remove("toggle-hidden");
        }
    }""")


def mend_titles(entry: DictionaryObject) -> None:
    """Say once what Chromium says twice in the outline: the title of a section that begins a page."""
    below = entry.get("/First")
    while below is not None:
        below = below.get_object()
        title = str(below["/Title"])
        half = title[: len(title) // 2]
        if title == half + half:
            below[NameObject("/Title")] = TextStringObject(half)
        mend_titles(below)
        below = below.get("/Next")


if __name__ == "__main__":
    sys.exit(main())
