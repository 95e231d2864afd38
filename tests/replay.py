"""Let nbval compare what the build executed, so that no notebook runs twice: `pytest -p tests.replay` loads this.

nbval itself is unchanged. It asks its kernel for what each cell puts out; this one answers from the notebook that
scripts/notebooks.py kept, message by message, after making sure that it is of the same code, and not stale.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbval.plugin import IPyNbFile

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))
import notebooks  # noqa: E402


class ExecutedKernel:
    """What nbval asks of a kernel, by a notebook that has run already."""

    def __init__(self, source: Path) -> None:
        executed = notebooks.EXECUTED / source.name
        if not notebooks.is_fresh(executed, notebooks.stamp(source)):
            raise RuntimeError(f"{source} changed since it ran, or a module that it imports; run `make book` first")
        cells = nbformat.read(executed, as_version=4).cells
        self.cells = iter([cell for cell in cells if cell.cell_type == "code"])
        self.ids = itertools.count()

    def execute_cell_input(self, source: str, allow_stdin: bool | None = None) -> int:
        cell, number = next(self.cells), next(self.ids)
        assert cell.source == source
        self.messages = iter(
            [*map(message, cell.outputs), {"msg_type": "status", "content": {"execution_state": "idle"}}]
        )
        self.parent = {"parent_header": {"msg_id": number}}
        return number

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        return next(self.messages) | self.parent

    def await_reply(self, msg_id: int, timeout: float | None = None) -> None: ...

    def await_idle(self, parent_id: int, timeout: float) -> None: ...

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None: ...


def message(output: nbformat.NotebookNode) -> dict[str, Any]:
    """Return what the kernel sent when a cell put this out."""
    return {"msg_type": output.output_type, "content": {key: output[key] for key in output if key != "output_type"}}


def setup(self: IPyNbFile) -> None:
    """Take the place of `IPyNbFile.setup`, which starts a kernel."""
    self.kernel = ExecutedKernel(self.path)
    self.setup_sanitize_files()


IPyNbFile.setup = setup
