"""A real JupyterLab, driven by a browser, without a network.

Live figures move, and Python knows where to; plain notebooks need no extension; `make lab` shows chapters rendered.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from pages import HTML
from playwright.sync_api import TimeoutError
from test_live import FIGURES, MODULES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a server without extensions, whose folder holds each live figure, and a plain notebook."""
    folder = tmp_path_factory.mktemp("lab")
    cells = ["import matplotlib.pyplot as plt\nfrom dlnlib import explore\nfrom test_live import FIGURES"]
    cells += ["frames = explore.explore(lambda x: plt.plot([0, x]), alt='A line.', x=[1, 2, 3])\nframes"]
    cells += ["figures = {kind: make() for kind, (make, *_) in FIGURES.items()}"]
    cells += [f"figures[{kind!r}]" for kind in FIGURES]
    cells += ["print('settings:', [frames.settings, *(figure.settings for figure in figures.values())])"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel)
    nbformat.write(notebook, folder / "figures.ipynb")
    shutil.copy(HTML / "_sources/chapters/errata.ipynb", folder)
    with served(folder, disabled=["jupyterlab-myst"]) as address:
        yield address


@contextlib.contextmanager
def served(folder, disabled=()):
    """The address of a JupyterLab that shows this folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    options += ["--IdentityProvider.token=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    (folder / ".config/labconfig").mkdir(parents=True)
    without = {"disabledExtensions": {extension: True for extension in disabled}}
    (folder / ".config/labconfig/page_config.json").write_text(json.dumps(without))
    settings = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "JUPYTER_CONFIG_DIR": str(folder / ".config")}
    address = f"http://127.0.0.1:{port}/lab/tree"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=settings, stdout=log, stderr=log)
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(address).close()
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                pytest.fail((folder / "log").read_text())
            yield address
        finally:
            server.terminate()
            server.wait(30)


def test_each_live_figure_moves_in_jupyterlab_and_python_knows_where_to(browser, lab):
    if not (MODULES / "bundle/widget.js").exists():
        pytest.fail("the figures' scripts are not bundled; run `scripts/javascript.py` first")
    page = open_notebook(browser, f"{lab}/figures.ipynb")
    run_all(page)
    for number in range(1 + len(FIGURES)):
        figure = page.locator(".live.awake").nth(number)
        figure.locator(".live-body").wait_for()
        before = figure.evaluate("figure => figure.live.shown.says")
        slider = figure.locator("input[type=range]").first
        slider.press("ArrowRight")
        if figure.evaluate("figure => figure.live.shown.says") == before:
            slider.press("ArrowLeft")
        assert figure.evaluate("figure => figure.live.shown.says") != before
    moved = page.evaluate("[...document.querySelectorAll('.live.awake')].map(figure => figure.live.settings)")
    last = page.locator(".jp-CodeCell").last
    last.locator(".jp-OutputArea-output").wait_for()
    last.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    page.locator(".jp-InputPrompt", has_text=f"[{4 + len(FIGURES) + 1}]").wait_for()
    said = last.locator(".jp-OutputArea-output").text_content()
    assert [dict(settings) for settings in eval(said.removeprefix("settings:"))] == moved
    page.close()


def open_notebook(browser, address):
    """Open a notebook, and wait for its kernel."""
    page = browser.new_page(viewport={"width": 1280, "height": 6000})
    page.route(lambda url: urlsplit(url).hostname not in ("127.0.0.1", None), lambda route: route.abort())
    page.goto(address)
    page.set_default_timeout(120_000)
    page.get_by_text("| Idle").first.wait_for()
    return page


def run_all(page):
    """Run all cells; a menu that JupyterLab shows before it is ready does nothing, so ask until a cell runs.

    That there are more prompts than before says nothing: cells are drawn one after the other.
    """
    running = page.locator(".jp-CodeCell .jp-InputPrompt", has_text=re.compile(r"\[(\*|\d+)\]")).first
    for _ in range(10):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        with contextlib.suppress(TimeoutError):
            running.wait_for(timeout=6_000)
            return
    pytest.fail("JupyterLab ran no cell")


@pytest.mark.usefixtures("built")
def test_a_plain_notebook_shows_all_it_has_and_its_live_figure_moves(browser, lab):
    page = open_notebook(browser, f"{lab}/errata.ipynb")
    page.locator(".jp-Notebook img").first.wait_for()  # what the build put out is there before anything runs
    run_all(page)
    figure = page.locator(".live.awake").first
    figure.locator(".live-body").wait_for()
    before = figure.evaluate("figure => figure.live.shown.says")
    figure.locator("input[type=range]").first.press("ArrowRight")
    assert figure.evaluate("figure => figure.live.shown.says") != before
    assert unread(page, HTML / "_sources/chapters/errata.ipynb") == []
    assert page.locator("mjx-container").count() > 50 and page.locator("mjx-merror").count() == 0
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator("a[href='#slip-12']").click()
    section = page.locator("h3", has_text="A power of ten")
    page.wait_for_function("heading => heading.getBoundingClientRect().y < 300", arg=section.element_handle())
    page.close()


def unread(page, notebook):
    """What JupyterLab leaves of directives, roles, targets and formulas in a notebook's texts, all of them shown."""
    texts = sum(cell.cell_type == "markdown" for cell in nbformat.read(notebook, 4).cells)
    shown = "[...document.querySelectorAll('.jp-MarkdownCell .jp-MarkdownOutput, .jp-MarkdownCell .myst')]"
    page.wait_for_function(f"{shown}.filter(text => text.textContent.trim()).length === {texts}")
    for _ in range(30):  # formulas are set after their text
        texts = page.evaluate(f"""{shown}.map(text => {{
            const copy = text.cloneNode(true);
            for (const read of copy.querySelectorAll("mjx-container, .katex, code")) read.remove();
            return copy.textContent;
        }})""")
        left = [text for text in texts if re.search(r"\{[\w:-]+\}|\$|^\(\S+\)=|^[>%]|\\\w", text, re.MULTILINE)]
        if not left:
            break
        time.sleep(0.5)
    return left


def test_make_lab_shows_the_boxes_and_formulas_of_a_chapter(browser, tmp_path):
    """By jupyterlab-myst; captions of figures are no text, so that it cannot number what refers to them."""
    shutil.copy(ROOT / "chapters/errata.ipynb", tmp_path)
    with served(tmp_path) as address:
        page = open_notebook(browser, f"{address}/errata.ipynb")
        assert unread(page, ROOT / "chapters/errata.ipynb") == []
        assert page.locator("aside.myst-admonition, .myst aside").count() > 0
        page.close()
