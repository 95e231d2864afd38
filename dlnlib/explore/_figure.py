"""The widget that all live figures are: its data and settings in Python, its drawing and sums in JavaScript."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import traitlets
from matplotlib.figure import Figure

from dlnlib._checks import each, instance
from dlnlib.figures import to_png

# scripts/javascript.py makes it of the modules beside this file and of D3; a wheel brings it.
_BUNDLE = Path(__file__).parent / "bundle/widget.js"


class InteractiveFigure(anywidget.AnyWidget):
    """A figure that the reader moves; functions of `dlnlib.explore` make it. Display it as the last value of a cell.

    Where the reader has moved it can be read and set: `figure.settings`.

    Examples
    --------
    >>> from dlnlib.explore import explore
    >>> figure = explore(lambda x: plt.subplots(figsize=(1, 1)), alt="An empty frame.", x=[0, 1])
    >>> figure.settings
    {'x': 1}
    """

    _esm = _BUNDLE if _BUNDLE.exists() else "export default {}"
    _css = Path(__file__).parent / "live.css"
    kind = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)

    def __init__(self, kind: str, alt: str, still: bytes, *, data: Mapping[str, Any], settings: Mapping[str, Any]):
        super().__init__(kind=kind, alt=alt, data=dict(data), settings=dict(settings))
        self._still = still

    def __repr__(self) -> str:
        """Return what a reader without pictures gets."""
        return f"Interactive figure: {self.alt}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Add the start as a picture: for readers that show no widgets, and pages whose scripts have not run."""
        picture = {"text/plain": repr(self), "image/png": base64.b64encode(self._still).decode()}
        if not _BUNDLE.exists():  # made without npm: a picture is all there is
            return picture, {}
        widget, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return widget | picture, metadata


def still(figure: Figure) -> bytes:
    """Return a figure as a picture, and close it."""
    picture = to_png(figure)
    plt.close(figure)
    return picture


def named(name: str, given: Iterable[str], n: int) -> list[str]:
    """Return `given` as a list; refuse anything but `n` texts."""
    texts = [(item, text) for item, text in each(name, given)]
    for item, text in texts:
        instance(item, text, str)
    if len(texts) != n:
        raise ValueError(f"{name} had {len(texts)} entries; there must be {n}")
    return [text for _, text in texts]
