"""What ties the book to Jupyter Book 1, counted, and what mystmd makes of the sources; `make beyond` tries again.

The page "Beyond Jupyter Book 1" shows both. A trial builds the content of a site from a copy of the sources, in a
folder that goes afterwards. What mystmd said is counted by kind in beyond.json.
"""

from __future__ import annotations

import ast
import datetime
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_suffix(".json")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

# What mystmd, as it was tried, makes of what the sources use.
SAME = "the same"
INSTEAD = {
    "{admonition}": SAME,
    "{bibliography}": "the same, one for the whole project",
    "{code-cell}": "the same, but for the caption of a figure",
    "{exercise-start}": SAME,
    "{exercise-end}": SAME,
    "{solution-start}": "within one cell of a notebook only",
    "{solution-end}": "within one cell of a notebook only",
    "{grid}": "the same, with fewer options",
    "{grid-item-card}": "the same, with fewer options",
    "{prf:proof}": SAME,
    "{prf:proposition}": SAME,
    "{prf:theorem}": SAME,
    "{cite:p}": SAME,
    "{cite:t}": SAME,
    "{doc}": "a Markdown link to the file",
    "{eq}": SAME,
    "{numref}": "the same, once the figure is known",
    "{prf:ref}": SAME,
    "{ref}": SAME,
    "captions in the metadata of a cell": "a label and a caption in the first lines of the cell",
    "hide-input": SAME,
    "remove-cell": SAME,
    "remove-input": SAME,
    "slide": "ours, read by a script",
    "sphinx.ext.autodoc": "none",
    "sphinx.ext.githubpages": "a workflow that it writes",
    "sphinxext.opengraph": "in its theme",
    "numpydoc": "none",
    "sphinx_exercise": "built in",
    "sphinx_proof": "built in",
}

# What mystmd says, and what it is about.
SAYS = {
    "Gated node is not closed": "a solution that spans cells",
    "Undefined control sequence": "a command of TeX that MathJax knows, and KaTeX does not",
    "Cross reference target was not found": "a figure whose name and caption stand in the metadata of its cell",
    "Cross reference text is empty": "the same figures again",
    "Usage of the {doc} role is not recommended": "a link to another page",
    "Legacy syntax used for link target": "the same links, from one chapter to another",
    "to an implicit heading reference": "the same links, taken for headings",
    "Duplicate identifier in project": "cells that have the same number in several notebooks",
    "unexpected option": "options of figures and cards",
    "value is not a string": "tags, written as a list",
    "extra keys ignored": "the head of a page with code cells",
    '"display_name" key is required': "the head of a page with code cells",
}


def texts() -> list[str]:
    """Return the text of each page: of a notebook, its Markdown cells."""
    found = []
    for path in [ROOT / "intro.md", *sorted((ROOT / "chapters").glob("*.[im]*"))]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = "\n\n".join("".join(c["source"]) for c in cells(text) if c["cell_type"] == "markdown")
        found.append(text)
    return found


def cells(notebook: str) -> list[dict[str, Any]]:
    """Return the cells of a notebook."""
    return json.loads(notebook)["cells"]


def directives(text: str) -> Counter[str]:
    """Count the directives of a text."""
    return Counter(re.findall(r"^ *(?:`{3,}|:{3,})(\{[\w:.-]+\})", text, re.MULTILINE))


def roles(text: str) -> Counter[str]:
    """Count the roles of a text; what stands between more backticks shows one, and uses none."""
    return Counter(re.findall(r"(?<!`)(\{[\w:.-]+\})`[^`]", text))


def metadata() -> Counter[str]:
    """Count what the cells of the notebooks carry: tags, and captions of figures."""
    found: Counter[str] = Counter()
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for cell in cells(path.read_text(encoding="utf-8")):
            found.update(cell["metadata"].get("tags", []))
            found["captions in the metadata of a cell"] += "figure" in cell["metadata"].get("mystnb", {})
    return found


def ties() -> dict[str, int]:
    """Count everything that the sources owe to Jupyter Book 1 and its extensions, most frequent first in each kind."""
    kinds = [sum(map(count, texts()), Counter()) for count in (directives, roles)]
    kinds += [metadata(), Counter(CONFIG["sphinx"]["extra_extensions"])]
    return {tie: number for kind in kinds for tie, number in kind.most_common()}


def settings() -> tuple[int, int]:
    """Count the settings of Jupyter Book, and those handed on to Sphinx and its extensions."""
    ours = {key: value for key, value in CONFIG.items() if key != "sphinx"}
    return sum(len(value) if isinstance(value, dict) else 1 for value in ours.values()), len(CONFIG["sphinx"]["config"])


def hooks() -> dict[str, str]:
    """Return what web/book.py does while Sphinx builds, in its own words, by name."""
    tree = ast.parse((ROOT / "web/book.py").read_text(encoding="utf-8"))
    said = {thing.name: ast.get_docstring(thing) for thing in tree.body if hasattr(thing, "name")}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    registered = [call.args[-1] for call in calls if call.func.attr in ("connect", "add_post_transform")]
    return {thing.id: (said[thing.id] or "").split("\n")[0] for thing in registered}


def kinds(said: str) -> Counter[str]:
    """Count what mystmd said by kind, as `SAYS` names them; what it does not know is a kind of its own."""
    found: Counter[str] = Counter()
    for mark, line in re.findall(r"^(⛔️|⚠️) +(.*)", said, re.MULTILINE):
        kind = next((kind for kind in SAYS if kind in line), line)
        found[f"{'error' if mark == '⛔️' else 'warning'}: {kind}"] += 1
    return found


def trial() -> dict[str, Any]:
    """Let mystmd build the content of a site from a copy of the sources; return what came of it."""
    contents: list[dict[str, Any]] = [{"file": f"{CONTENTS['root']}.md"}]
    for part in CONTENTS["parts"]:
        files = [next(ROOT.glob(f"{chapter['file']}.[im]*")) for chapter in part["chapters"]]
        children = [{"file": str(file.relative_to(ROOT))} for file in files]
        contents.append({"title": part["caption"], "children": children})
    project = {"title": CONFIG["title"], "bibliography": CONFIG["bibtex_bibfiles"], "toc": contents}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "chapters", folder / "chapters")
        for file in ROOT.glob("*.[bm][id]*"):
            shutil.copy(file, folder)
        (folder / "myst.yml").write_text(yaml.safe_dump({"version": 1, "project": project, "site": {}}))
        command = [str(Path(sys.executable).with_name("myst")), "build", "--site"]
        # It fetches its theme last. Where that fails, all is said and written, and its status is that of a failure.
        said = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
        pages = [json.loads(page.read_text()) for page in (folder / "_build/site/content").glob("*.json")]
    nodes: Counter[str] = Counter()

    def count(node: dict[str, Any]) -> None:
        nodes[node["type"]] += 1
        for child in node.get("children", []):
            count(child)

    for page in pages:
        count(page["mdast"])
    return {
        "date": datetime.date.today().isoformat(),
        "mystmd": version("mystmd"),
        "node": subprocess.check_output(["node", "--version"], text=True).strip(),
        "pages": [len(pages), 1 + sum(len(part["chapters"]) for part in CONTENTS["parts"])],
        "formulas": nodes["math"] + nodes["inlineMath"],
        "citations": nodes["cite"],
        "exercises": nodes["exercise"],
        "says": dict(kinds(said.decode()).most_common()),
    }


if __name__ == "__main__":
    RESULTS.write_text(json.dumps(trial(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))
