"""Live figures in a real JupyterLab, driven by a browser, without a network: they move, and Python knows where to."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from test_live import FIGURES, MODULES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a server whose folder holds a notebook with each live figure."""
    folder = tmp_path_factory.mktemp("lab")
    cells = ["import matplotlib.pyplot as plt\nfrom dlnlib import explore\nfrom test_live import FIGURES"]
    cells += ["frames = explore.explore(lambda x: plt.plot([0, x]), alt='A line.', x=[1, 2, 3])\nframes"]
    cells += ["figures = {kind: make() for kind, (make, *_) in FIGURES.items()}"]
    cells += [f"figures[{kind!r}]" for kind in FIGURES]
    cells += ["print('settings:', [frames.settings, *(figure.settings for figure in figures.values())])"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel)
    nbformat.write(notebook, folder / "figures.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    options += ["--IdentityProvider.token=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    settings = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "JUPYTER_CONFIG_DIR": str(folder / ".config")}
    address = f"http://127.0.0.1:{port}/lab/tree/figures.ipynb"
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
    page, asked = browser.new_page(viewport={"width": 1280, "height": 6000}), []
    page.on("request", lambda request: asked.append(request.url))
    page.route(lambda url: urlsplit(url).hostname not in ("127.0.0.1", None), lambda route: route.abort())
    page.goto(lab)
    page.set_default_timeout(120_000)
    page.get_by_text("| Idle").first.wait_for()  # the kernel
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
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
