"""Sphinx extension of this book: serve third-party scripts from the book itself, so that it works offline.

Told a repository (BOOK_REPOSITORY_URL, and BOOK_REPOSITORY_BRANCH unless it is main), pages get buttons to open them
on Binder and Colab, and to edit them. Every notebook says how to run it elsewhere: the page offers dlnlib as a wheel.

The scripts are the npm packages pinned in package-lock.json next to this file; `make book` fetches them. Where
they are absent (no npm on this machine), the pages fall back to loading them from a content delivery network.
"""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, NbMetadataCollector
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

import dlnlib

PACKAGES = Path(__file__).parent / "node_modules"

PIXELS_PER_INCH = 95  # of figures: two panels of 3.6 inches fill the text column of a desktop page, one that of a phone

# What a page loads, from the package it comes in to its place under the book's _static folder.
SERVED = {
    "requirejs/require.js": "vendor/require.js",
    "@jupyter-widgets/html-manager/dist": "vendor/@jupyter-widgets/html-manager/dist",
    "mathjax/startup.js": "vendor/mathjax/startup.js",
    "mathjax/core.js": "vendor/mathjax/core.js",
    "mathjax/input/tex.js": "vendor/mathjax/input/tex.js",
    "mathjax/input/tex/extensions": "vendor/mathjax/input/tex/extensions",
    "mathjax/output/chtml.js": "vendor/mathjax/output/chtml.js",
    "mathjax/a11y/assistive-mml.js": "vendor/mathjax/a11y/assistive-mml.js",
    "@mathjax/mathjax-newcm-font/chtml.js": "vendor/@mathjax/mathjax-newcm-font/chtml.js",
    "@mathjax/mathjax-newcm-font/chtml": "vendor/@mathjax/mathjax-newcm-font/chtml",
    "reveal.js/dist/reveal.js": "vendor/reveal.js",
    "reveal.js/dist/reveal.css": "vendor/reveal.css",
}

# Long formulas are broken into lines. Screen readers get MathML. The rest of MathJax stays away: speech needs a worker,
# which a page opened from disk may not start; the menu offers speech, makes every formula a stop of the Tab key, and
# weighs more than half of what is loaded here.
MATHJAX = {
    "loader": {"load": ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]},
    "output": {"font": "mathjax-newcm", "displayOverflow": "linebreak", "linebreaks": {"inline": True}},
}
MATHJAX_CDN = "https://cdn.jsdelivr.net/npm/mathjax@{}/startup.js"

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGETS = re.compile(r'(?<=<script type="application/vnd.jupyter.widget-state\+json">).*?(?=</script>)', re.DOTALL)

RUN_ELSEWHERE = """
<aside class="run-elsewhere admonition">
<p class="admonition-title">Run this page yourself</p>
<p>Download <a href="{notebook}" download>the notebook</a> and <a class="wheel" href="{wheel}" download>the library</a>
into one folder, and with Python 3.11 or newer</p>
<pre>pip install jupyterlab <span class="wheel-address">./{name}</span></pre>
</aside>
"""

ROOM = """
## dlnlib.{0}

```{{eval-rst}}
.. automodule:: dlnlib.{0}
   :members:
   :imported-members:
```
"""

NOT_SERVED = shutil.ignore_patterns("*.map", "embed.js", "libembed-amd.js", "*.eot", "*.svg", "*.ttf")


def serve_scripts(app: Sphinx, config: Config) -> None:
    """Copy the packages' files to where the book serves them, and point the pages there."""
    config.html_static_path.append(str(Path(__file__).parent / "static"))
    if (Path(app.outdir).parent / "wheel").is_dir():
        config.html_static_path.append(str(Path(app.outdir).parent / "wheel"))
    config.mathjax3_config = MATHJAX
    if not PACKAGES.is_dir():
        pinned = json.loads((PACKAGES.parent / "package.json").read_text(encoding="utf-8"))["dependencies"]
        config.mathjax_path = MATHJAX_CDN.format(pinned["mathjax"])
        logging.getLogger(__name__).info("npm packages absent: pages will load MathJax and widgets from a CDN")
        return
    static = Path(app.outdir).parent / "web_static"
    for source, target in SERVED.items():
        (static / target).parent.mkdir(parents=True, exist_ok=True)
        if (PACKAGES / source).is_dir():
            shutil.copytree(
                PACKAGES / source,
                static / target,
                ignore=NOT_SERVED,
                dirs_exist_ok=True,
            )
        else:
            shutil.copyfile(PACKAGES / source, static / target)
    config.html_static_path.append(str(static))
    config.mathjax_path = "vendor/mathjax/startup.js"
    config.mathjax3_config = MATHJAX | {"loader": MATHJAX["loader"] | {"paths": {"fonts": "[mathjax]/../@mathjax"}}}
    config.nb_ipywidgets_js = {  # deferred: the text does not wait for them
        "vendor/require.js": {"defer": ""},
        "vendor/@jupyter-widgets/html-manager/dist/embed-amd.js": {
            # Where the widgets find their fonts, seen from a chapter; without it they ask a CDN.
            "data-jupyter-widgets-cdn": "../_static/vendor/",
            "data-jupyter-widgets-cdn-only": "",
            "defer": "",
        },
    }


def choose_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Tell require.js where this page finds the widgets, and leave out sphinx-thebe.

    Jupyter Book always loads sphinx-thebe, which runs cells on a server; this book needs none.
    """
    # Icons inside the elements that ask for them, not in their stead: the widgets' buttons look for theirs again.
    app.add_js_file(None, body='var FontAwesomeConfig = {autoReplaceSvg: "nest"};', priority=100)
    if PACKAGES.is_dir():
        base = context["pathto"]("_static/vendor/", 1)
        app.add_js_file(None, body=f'var require = {{baseUrl: "{base}"}};', priority=100)
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in str(script.filename) and "THEBE" not in script.attributes.get("body", "")
    ]


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Give a notebook what its cells put out when scripts/notebooks.py ran them.

    Folded cells that put out nothing join the next one, so that all the code of a figure is in one fold. Text that is
    tagged "slide" gets comments around it, for scripts/slides.py: myst-nb keeps the tags of code only.
    """
    file = Path(app.env.doc2path(page))
    if file.suffix != ".ipynb":
        return
    notebook = json.loads(source[0])
    executed_file = Path(app.outdir).parent / "executed" / file.name
    executed = json.loads(executed_file.read_text(encoding="utf-8"))
    app.env.note_dependency(str(executed_file))
    outputs = iter([cell["outputs"] for cell in executed["cells"] if cell["cell_type"] == "code"])
    notebook["metadata"]["widgets"] = executed["metadata"].get("widgets", {})
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = next(outputs)
        elif "slide" in cell["metadata"].get("tags", []):
            cell["source"] = f"<!-- slide -->\n\n{''.join(cell['source'])}\n\n<!-- end of slide -->"
    for cell, following in reversed([*itertools.pairwise(notebook["cells"])]):
        if all("hide-input" in part["metadata"].get("tags", []) for part in (cell, following)) and not cell["outputs"]:
            following["source"] = [*cell["source"], "\n\n\n", *following["source"]]
            notebook["cells"].remove(cell)
    source[0] = json.dumps(notebook)


def list_rooms(app: Sphinx, page: str, source: list[str]) -> None:
    """Document the modules of dlnlib, in the order in which its first lines name them."""
    rooms = [name for name in re.findall(r"`(\w+)`", dlnlib.__doc__ or "") if name in dlnlib.__all__]
    source[0] = source[0].replace("<!-- rooms -->", "\n".join(map(ROOM.format, rooms)))


def offer_notebook(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Say below a notebook how to run it elsewhere."""
    notebook = context.get("sourcename", "")
    for wheel in (Path(app.outdir).parent / "wheel").glob("*.whl"):
        if notebook.endswith(".ipynb"):
            at = {
                kind: context["pathto"](file, 1)
                for kind, file in (("notebook", f"_sources/{notebook}"), ("wheel", f"_static/{wheel.name}"))
            }
            context["body"] += RUN_ELSEWHERE.format(name=wheel.name, **at)


def show_before_scripts(app: Sphinx, doctree: nodes.document) -> None:
    """Put the picture of an interactive figure before it, for as long as no script shows more (see book.css)."""
    scripts = NbMetadataCollector.get_js_files(app.env, app.env.docname)
    for output in doctree.findall(nodes.container):
        forms = {form.get("mime_type"): form for form in output.children if isinstance(form, nodes.Element)}
        if WIDGET in forms and "image/png" in forms:
            view, (picture,) = forms[WIDGET], forms["image/png"].children
            state = json.loads(scripts["ipywidgets_state"][1]["body"])["state"]
            picture["alt"] = starting_alt(state, re.findall(r"[0-9a-f]{32}", view.astext())[0])
            picture["classes"].append("until-alive")
            view.insert(0, picture.deepcopy())


class FoldsBelow(SphinxPostTransform):
    """Put folded code below what it puts out: first the figure, then, for who asks, how it is made."""

    default_priority = 200  # after myst-nb has folded

    def run(self, **kwargs: Any) -> None:
        """Exchange the two in each cell that has both."""
        for fold in list(self.document.findall(HideCodeCellNode)):
            if "above-input" in fold["classes"] and len(fold.parent) == 2:
                fold.parent.children.reverse()


def cut_into_panels(app: Sphinx, doctree: nodes.document) -> None:
    """Cut figures between their panels (see `dlnlib.figures.to_png`): a narrow page stacks them, and shrinks none."""
    for image in list(doctree.findall(nodes.image)):
        file = Path(app.srcdir, image["uri"].lstrip("/"))
        if image["uri"].startswith("data:") or file.suffix != ".png" or not file.is_file():
            continue
        picture = Image.open(file)
        widths = [float(width) for width in picture.text.get("Panels", "").split()]
        lettering, at, panels = PngInfo(), 0.0, []
        lettering.add_text("Lettering", picture.text.get("Lettering", ""))
        for i, width in enumerate(widths):
            left, at = at, at + width
            panel = image.deepcopy()
            panel["width"] = f"{round(width * PIXELS_PER_INCH)}px"
            if len(widths) > 1:
                scale = picture.width / sum(widths)
                part = file.with_name(f"{file.stem}_{i}.png")
                picture.crop((round(left * scale), 0, round(at * scale), picture.height)).save(part, pnginfo=lettering)
                panel["uri"] = f"{image['uri'].removesuffix('.png')}_{i}.png"
                panel["alt"] = image.get("alt", "") if i == 0 else ""  # it speaks of all
            panels.append(panel)
        if panels:
            image.replace_self(panels)


def starting_alt(models: dict[str, Any], name: str) -> str:
    """Find what a figure shows at its start: its stack of frames comes last, and knows which of them is chosen."""
    model = models[name]["state"]
    while parts := model.get("children"):
        model = models[parts[model.get("selected_index", -1)].removeprefix("IPY_MODEL_")]["state"]
    return html.unescape(re.findall('alt="(.*?)"', model["value"])[0])


def complete_single_page(app: Sphinx) -> None:
    """Let the book be written as a single page, for scripts/pdf.py: with all that extensions know for many pages.

    Some extensions name that builder and Sphinx then forgets what the others registered for HTML.
    """
    handlers = app.registry.translation_handlers
    handlers["singlehtml"] = handlers["html"] | handlers.get("singlehtml", {})


def number_widgets(app: Sphinx, exception: Exception | None) -> None:
    """Name the widgets of each page by number, not by chance: the same book gives the same pages."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            if stored := WIDGETS.search(text):
                numbers = widget_numbers(text, json.loads(stored[0])["state"])
                text = text.replace(stored[0], in_order(json.loads(stored[0]), numbers))
                text = re.sub(r"[0-9a-f]{32}", lambda name, to=numbers: to.get(name[0], name[0]), text)
                page.write_text(text, encoding="utf-8")


def widget_numbers(text: str, models: dict[str, Any]) -> dict[str, str]:
    """Number the models as a reader of the page meets them; links, which none refers to, by what they join."""
    numbers: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in models and name not in numbers:
            numbers[name] = f"{len(numbers):032x}"
            for part in re.findall(r"IPY_MODEL_([0-9a-f]{32})", json.dumps(models[name])):
                visit(part)

    def joined(name: str) -> str:
        return re.sub(r"[0-9a-f]{32}", lambda part: numbers.get(part[0], ""), json.dumps(models[name]))

    for name in re.findall(r'"model_id": "([0-9a-f]{32})"', text):
        visit(name)
    for name in sorted(models.keys() - numbers.keys(), key=joined):
        visit(name)
    return numbers


def in_order(state: dict[str, Any], numbers: dict[str, str]) -> str:
    """Write the state of the widgets in the order of their numbers, for a script element."""
    ordered = {name: state["state"][name] for name in sorted(state["state"], key=numbers.__getitem__)}
    return json.dumps(state | {"state": ordered}).replace("</", "<\\/")


def link_repository(app: Sphinx, config: Config) -> None:
    """Add launch and edit buttons if the build is told the repository."""
    url = os.environ.get("BOOK_REPOSITORY_URL")
    if url:
        config.html_theme_options |= {
            "repository_url": url.rstrip("/").removesuffix(".git"),
            "repository_branch": os.environ.get("BOOK_REPOSITORY_BRANCH", "main"),
            "use_repository_button": True,
            "use_edit_page_button": True,
            "launch_buttons": {
                "notebook_interface": "jupyterlab",
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com",
            },
        }


def skip_field(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave the fields of named tuples out of the library's reference: their class tells what they are."""
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", serve_scripts, priority=900)
    app.connect("config-inited", link_repository, priority=900)
    app.connect("builder-inited", complete_single_page)
    app.connect("source-read", fill_in)
    app.connect("source-read", list_rooms)
    app.connect("html-page-context", choose_scripts, priority=900)
    app.connect("html-page-context", offer_notebook)
    app.connect("doctree-read", cut_into_panels, priority=400)  # before Sphinx looks for the pictures
    app.connect("doctree-read", show_before_scripts)
    app.add_post_transform(FoldsBelow)
    app.connect("autodoc-skip-member", skip_field)
    app.connect("build-finished", number_widgets)
    app.add_css_file("book.css")
    app.add_js_file("book.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
