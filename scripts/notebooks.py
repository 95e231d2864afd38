"""Run notebooks, as many at once as there are cores. `make book` shows what they put out, tests compare it.

`make notebooks` calls this to run the chapters in place and store them in normal form, which keeps what tests compare,
the text outputs, and drops what only makes differences noisy: pictures, widget states, versions and timings.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from modulefinder import ModuleFinder
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
EXECUTED = ROOT / "_build/executed"  # notebooks with all that they put out, and the stamp of what that depends on


def execute(path: Path) -> NotebookNode:
    """Run a notebook in a fresh kernel, and return it with what its cells put out."""
    print(f"Executing {path.name}", flush=True)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    client.extra_arguments = ["--log-level=ERROR"]  # kernels warn that they talk to us without encryption
    client.execute()
    return notebook


def execute_all(paths: Iterable[Path], keep: Callable[[Path, NotebookNode], None]) -> list[str]:
    """Run notebooks side by side, each on one thread, keep those that succeed, and tell how the others fail."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    def run(path: Path) -> str | None:
        try:
            keep(path, execute(path))
        except CellExecutionError as error:
            return f"a cell of {path} failed.\n{error}"
        return None

    # The longest first, as far as their length in the file tells.
    by_size = sorted(paths, key=lambda path: -path.stat().st_size)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return [failure for failure in threads.map(run, by_size) if failure]


def execute_stale(paths: Iterable[Path]) -> list[str]:
    """Run those of the notebooks whose code, or whose modules, changed since they last ran."""
    stamps = {path: stamp(path) for path in paths}
    EXECUTED.mkdir(exist_ok=True)

    def keep(path: Path, notebook: NotebookNode) -> None:
        notebook.metadata.stamp = stamps[path]
        _write(notebook, EXECUTED / path.name)

    return execute_all([path for path in stamps if not is_fresh(EXECUTED / path.name, stamps[path])], keep)


def is_fresh(executed: Path, current: str) -> bool:
    """Tell whether what was executed has this stamp."""
    return executed.is_file() and nbformat.read(executed, as_version=4).metadata.stamp == current


def stamp(path: Path) -> str:
    """Return a hash of what decides on the outputs of a notebook: its code, what it imports of ours, data, packages."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    finder = ModuleFinder([str(ROOT)])
    with contextlib.suppress(SyntaxError):  # which running it will tell
        code = TransformerManager().transform_cell("\n".join(cells))
        finder.scan_code(compile(code, str(path), "exec"), finder.add_module("__main__"))
    imported = [Path(module.__file__) for module in finder.modules.values() if module.__file__]
    files = [*imported, *(ROOT / "dlnlib/data").iterdir(), *ROOT.glob("*.txt")]
    alive = (ROOT / "dlnlib/explore/bundle/widget.js").is_file()  # without npm, figures are only pictures
    content = [f"{file.relative_to(ROOT)} {file.read_bytes().hex()}" for file in sorted(files)]
    return hashlib.sha256("\n".join([repr(cells), repr(alive), *content]).encode()).hexdigest()


def _write(notebook: NotebookNode, path: Path) -> None:
    partial = path.with_suffix(".part")
    nbformat.write(notebook, partial)
    partial.replace(path)


def normalise(notebook: NotebookNode) -> None:
    """Drop everything but source, tags, captions and text outputs; number the cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel}
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:03d}"
        # Tags, and the captions and alternative texts of figures
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "mystnb") if cell.metadata.get(key)}
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = {kind: value for kind, value in output.data.items() if kind.startswith("text/")}
                output.metadata = {}


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what a cell printed in several pieces: where a kernel cuts its output depends on timing."""
    merged: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and merged and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def main(names: list[str]) -> int:
    """Execute the notebooks named, or all in the folders named; one that fails is left as it was."""

    def keep(path: Path, notebook: NotebookNode) -> None:
        normalise(notebook)
        _write(notebook, path)
        print(path, flush=True)

    folders_opened = [sorted(Path(name).glob("*.ipynb")) if Path(name).is_dir() else [Path(name)] for name in names]
    failures = execute_all(itertools.chain(*folders_opened), keep)
    for failure in failures:
        print(failure)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
