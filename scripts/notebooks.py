"""Re-execute notebooks in place and store them in normal form: `make notebooks` calls this on the chapters.

Normal form keeps what tests compare, the text outputs, and drops what only makes differences noisy: pictures,
widget states, versions and timings. Cell ids count from the top.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Drop everything but source, tags and text outputs."""
    notebook.metadata = {
        "kernelspec": {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
    }
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:03d}"
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            cell.outputs = _merge_streams(cell.outputs)
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = {kind: value for kind, value in output.data.items() if kind.startswith("text/")}
                output.metadata = {}


def _merge_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join what a cell printed in several pieces: where a kernel cuts its output depends on timing."""
    merged: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and merged and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def main(paths: list[str]) -> int:
    """Execute the notebooks named, or all in the folders named; one that fails is left as it was."""
    status = 0
    folders_opened = [sorted(Path(p).glob("*.ipynb")) if Path(p).is_dir() else [Path(p)] for p in paths]
    for path in itertools.chain(*folders_opened):
        notebook = nbformat.read(path, as_version=4)
        try:
            NotebookClient(
                notebook,
                timeout=300,
                resources={"metadata": {"path": str(path.parent)}},
            ).execute()
        except CellExecutionError as error:
            print(f"{path}: {error}")
            status = 1
            continue
        normalise(notebook)
        partial = path.with_suffix(".part")
        nbformat.write(notebook, partial)
        partial.replace(path)
        print(path)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
