"""Sphinx extension of this book: serve third-party scripts from the book itself, so that it works offline.

Every notebook says how to run it elsewhere: the page offers dlnlib as a wheel. If _config.yml names the address of the
book, links that are shared show a picture, and search engines find a map; if it names the repository, pages get buttons
to open them on Binder and Colab.

The scripts are the npm packages pinned in package-lock.json next to this file; `make book` fetches them. Where
they are absent (no npm on this machine), pages load MathJax from a content delivery network, and figures do not move.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pybtex.plugin
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, NbMetadataCollector
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

import dlnlib

PACKAGES = Path(__file__).parent / "node_modules"
LIVE = Path(__file__).parent.parent / "dlnlib/explore"

PIXELS_PER_INCH = 95  # of figures: two panels of 3.6 inches fill the text column of a desktop page, one that of a phone

# What a page loads, from the package it comes in to its place under the book's _static folder.
SERVED = {
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
SHARED_SYMBOLS = ("The network", "The task", "Training")  # sections of Notation
OTHER_LETTERS = ("chapters/notation", "chapters/library")  # pages that use a letter for this here and for that there

MATHJAX_CDN = "https://cdn.jsdelivr.net/npm/mathjax@{}/startup.js"

WIDGET = "application/vnd.jupyter.widget-view+json"

# Names, punctuation and spaces in code: most of the elements of a page, in the colour that code has without them.
PLAIN_TOKEN = re.compile(r'<span class="(?:n|nn|nx|p|pm|w)">([^<]*)</span>')

RUN_ELSEWHERE = """
<aside class="run-elsewhere admonition">
<p class="admonition-title">Run this page yourself</p>
<p>Download <a href="{notebook}" download>the notebook</a> and <a class="wheel" href="{wheel}" download>the library</a>
into one folder, and with Python 3.11 or newer</p>
<pre>pip install jupyterlab <span class="wheel-address">./{name}</span></pre>
</aside>
"""

PREVIEW = (840, 441)  # pixels of the picture beside a shared link, in the shape that most sites show: 1.91 to 1
SITEMAP = """<?xml version="1.0" encoding="utf-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
{}</urlset>
"""

ROOM = """
## dlnlib.{0}

```{{eval-rst}}
.. automodule:: dlnlib.{0}
   :members:
   :imported-members:
```
"""


def serve_scripts(app: Sphinx, config: Config) -> None:
    """Copy the packages' files to where the book serves them, and point the pages there."""
    config.html_static_path += [str(Path(__file__).parent / "static"), str(LIVE / "live.css")]
    if (Path(app.outdir).parent / "wheel").is_dir():
        config.html_static_path.append(str(Path(app.outdir).parent / "wheel"))
    config.mathjax3_config = MATHJAX
    config.nb_ipywidgets_js = {}
    if not PACKAGES.is_dir():
        pinned = json.loads((PACKAGES.parent / "package.json").read_text(encoding="utf-8"))["dependencies"]
        config.mathjax_path = MATHJAX_CDN.format(pinned["mathjax"])
        logging.getLogger(__name__).info("npm packages absent: MathJax comes from a CDN, figures do not move")
        return
    static = Path(app.outdir).parent / "web_static"
    for source, target in SERVED.items():
        (static / target).parent.mkdir(parents=True, exist_ok=True)
        if (PACKAGES / source).is_dir():
            shutil.copytree(PACKAGES / source, static / target, dirs_exist_ok=True)
        else:
            shutil.copyfile(PACKAGES / source, static / target)
    shutil.copyfile(LIVE / "bundle/page.js", static / "live.js")
    config.html_static_path.append(str(static))
    config.mathjax_path = "vendor/mathjax/startup.js"
    config.mathjax3_config = MATHJAX | {"loader": MATHJAX["loader"] | {"paths": {"fonts": "[mathjax]/../@mathjax"}}}


def choose_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load what moves figures on pages that have some, and leave out sphinx-thebe.

    Jupyter Book always loads sphinx-thebe, which runs cells on a server; this book needs none.
    """
    if PACKAGES.is_dir() and 'class="live"' in context.get("body", ""):
        app.add_js_file("live.js", defer="")
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


def spare_elements(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out what colours code in the colour that it has: a third of a chapter, in half of its elements."""
    context["body"] = PLAIN_TOKEN.sub(r"\1", context.get("body", ""))


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


def explain_symbols(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page what its symbols mean (see symbols.js): a chapter's own meanings come last, and win."""
    table = Path(app.srcdir) / "chapters/notation.md"
    if doctree is not None and doctree.next_node(is_math) and table.exists() and page not in OTHER_LETTERS:
        title, glossary = doctree.next_node(nodes.title).astext(), []
        for section in table.read_text(encoding="utf-8").split("\n## ")[1:]:
            heading, _, rows = section.partition("\n")
            if heading in (*SHARED_SYMBOLS, title):
                glossary += re.findall(r"^\| (\$.+?) \| (.+?) \|", rows, re.MULTILINE)
        app.add_js_file(None, body=f"window.GLOSSARY = {json.dumps(glossary)};", priority=100)


def is_math(node: nodes.Node) -> bool:
    """Tell a formula."""
    return isinstance(node, nodes.math | nodes.math_block)


def show_live_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Put an interactive figure's picture, and beside it its data, where a widget would need a kernel.

    The picture stays until the figure's script has run, on paper, and where no scripts run.
    """
    scripts = NbMetadataCollector.get_js_files(app.env, app.env.docname)
    stored = json.loads(scripts.pop("ipywidgets_state", (None, {"body": '{"state": {}}'}))[1]["body"])["state"]
    for output in doctree.findall(nodes.container):
        forms = {form.get("mime_type"): form for form in output.children if isinstance(form, nodes.Element)}
        if WIDGET in forms and "image/png" in forms:
            view, pictures = forms[WIDGET], forms["image/png"].children
            model = stored[re.findall(r"[0-9a-f]{32}", view.astext())[0]]["state"]
            pictures[0]["alt"] = model["alt"]
            stills = [picture.deepcopy() for picture in pictures]
            for still in stills:
                still["classes"].append("still")
            state = {name: model[name] for name in ("kind", "data", "settings")}
            data = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
            opened = nodes.raw("", '<div class="live">', format="html")
            closed = nodes.raw("", f'<script type="application/json">{data}</script></div>', format="html")
            view.children = []
            view.extend([opened, *stills, closed])


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
                cut = picture.crop((round(left * scale), 0, round(at * scale), picture.height)).convert("RGB")
                cut.save(part, pnginfo=lettering)
                panel["uri"] = f"{image['uri'].removesuffix('.png')}_{i}.png"
                panel["alt"] = image.get("alt", "") if i == 0 else ""  # it speaks of all
            panels.append(panel)
        if panels:
            image.replace_self(panels)


def complete_single_page(app: Sphinx) -> None:
    """Let the book be written as a single page, for scripts/pdf.py: with all that extensions know for many pages.

    Some extensions name that builder and Sphinx then forgets what the others registered for HTML.
    """
    handlers = app.registry.translation_handlers
    handlers["singlehtml"] = handlers["html"] | handlers.get("singlehtml", {})


def look_up_once(app: Sphinx) -> None:
    """Keep pages and plug-ins that references are looked up in: a third of the time went into loading them each time.

    Sphinx loads the page of a figure for each reference that has its number; pybtex its style for each citation.
    """
    domain = app.env.get_domain("std")
    resolve, get_doctree = domain._resolve_numref_xref, functools.cache(app.env.get_doctree)

    def resolve_in_kept(env: BuildEnvironment, *about: Any) -> Any:
        with patch.object(env, "get_doctree", get_doctree):  # here alone: what is written is changed on its way
            return resolve(env, *about)

    domain._resolve_numref_xref = resolve_in_kept
    pybtex.plugin._load_entry_point = functools.cache(pybtex.plugin._load_entry_point)


def spare_icons(app: Sphinx, exception: Exception | None) -> None:
    """Leave the theme's 1.5 MB of icons as pictures out: its style sheet has them as letters of a font, too."""
    script = Path(app.outdir) / "_static/scripts/fontawesome.js"
    if exception is None and script.is_file():
        script.write_text("// Icons are letters of a font: see book.py.\n", encoding="utf-8")


def know_addresses(app: Sphinx, config: Config) -> None:
    """Tell extensions where the book stands, and pages where Binder and Colab find their notebooks.

    Both open the notebooks that pages offer for download: they lie among the pages, on the branch gh-pages.
    """
    if config.html_baseurl:
        config.html_baseurl = config.ogp_site_url = config.html_baseurl.rstrip("/") + "/"
    config.ogp_site_name = config.html_title
    if url := config.html_theme_options["repository_url"]:
        config.html_theme_options |= {
            "use_repository_button": True,
            "repository_branch": "gh-pages",
            "path_to_docs": "_sources",
            "launch_buttons": {
                "notebook_interface": "jupyterlab",
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com" * ("github.com" in url),  # it knows no other hosts
            },
        }


def launch_notebooks_alone(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Hide from the theme that text with code cells has a kernel: it is no notebook to be opened elsewhere."""
    if context.get("page_source_suffix") == ".md":
        app.env.metadata[page].pop("kernelspec", None)


def complete_site(app: Sphinx, exception: Exception | None) -> None:
    """Put beside the pages what they need once published: a picture for shared links, a map, what Binder installs.

    The map is not left to sphinx-sitemap, which would name the pages that this run wrote, and no others.
    """
    if exception is not None or app.builder.name != "html":
        return
    out, house = Path(app.outdir), Path(app.srcdir)
    front, preview = Image.open(house / "front.png"), Image.new("RGB", PREVIEW, "white")
    preview.paste(front, tuple((whole - part) // 2 for whole, part in zip(PREVIEW, front.size, strict=True)), front)
    preview.save(out / "_static/preview.png", optimize=True)
    if app.config.html_baseurl:
        pages = [f"{app.config.html_baseurl}{app.builder.get_target_uri(page)}" for page in sorted(app.env.found_docs)]
        urls = "".join(f"<url><loc>{page}</loc></url>\n" for page in pages)
        (out / "sitemap.xml").write_text(SITEMAP.format(urls), encoding="utf-8")
    if app.config.html_theme_options["repository_url"]:
        (out / "runtime.txt").write_text("python-3.11\n", encoding="utf-8")
        shutil.copy(house / "constraints.txt", out)
        (wheel,) = (out / "_static").glob("*.whl")
        needs = f"--constraint constraints.txt\n./_static/{wheel.name}\n"
        (out / "requirements.txt").write_text(needs, encoding="utf-8")


def skip_field(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave the fields of named tuples out of the library's reference: their class tells what they are."""
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", serve_scripts, priority=900)
    app.connect("config-inited", know_addresses, priority=900)
    app.connect("builder-inited", complete_single_page)
    app.connect("builder-inited", look_up_once)
    app.connect("source-read", fill_in)
    app.connect("source-read", list_rooms)
    app.connect("html-page-context", choose_scripts, priority=900)
    app.connect("html-page-context", launch_notebooks_alone, priority=100)
    app.connect("html-page-context", spare_elements)
    app.connect("html-page-context", offer_notebook)
    app.connect("html-page-context", explain_symbols)
    app.connect("doctree-read", cut_into_panels, priority=400)  # before Sphinx looks for the pictures
    app.connect("doctree-read", show_live_figures)
    app.add_post_transform(FoldsBelow)
    app.connect("autodoc-skip-member", skip_field)
    app.connect("build-finished", spare_icons)
    app.connect("build-finished", complete_site)
    app.add_css_file("book.css")
    app.add_css_file("live.css")
    app.add_js_file("book.js")
    app.add_js_file("formulas.js", loading_method="defer")
    app.add_js_file("symbols.js", loading_method="defer")
    app.add_js_file("reading.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
