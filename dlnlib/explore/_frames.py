"""Figures whose frames are drawn in advance; sliders choose among them in the browser."""

import io
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from dlnlib._checks import each, instance, shown
from dlnlib.explore._figure import InteractiveFigure, still

__all__ = ["explore", "format_value"]


def explore(
    draw: Callable[..., object],
    *,
    alt: str,
    start: Mapping[str, object] | None = None,
    labels: Mapping[str, str] | None = None,
    play: str | None = None,
    **grids: Sequence[Any],
) -> InteractiveFigure:
    """Make an interactive figure from a function that draws it and the values that its parameters may take.

    Every frame is drawn once, now, and kept; sliders choose among the frames in the browser itself, so that the
    figure moves wherever widgets are shown, with or without a kernel.

    Parameters
    ----------
    draw : callable
        Called with one value of each parameter, by name; draws one frame with pyplot on one new figure.
    alt : str
        What the figure shows, for readers who cannot see it.
    start : mapping, optional
        Values at which the sliders start; the middle of each grid unless told.
    labels : mapping, optional
        What to call a parameter beside its slider; its name unless told.
    play : str, optional
        The parameter that is time: it gets buttons that run through its values.
    **grids : sequences
        One to three parameters and the values each may take. Frames are as many as the product of their numbers.

    Returns
    -------
    InteractiveFigure
        Display it as the last value of a cell.

    Raises
    ------
    ValueError
        If there are no parameters or more than three, a grid is empty or holds arrays, a start is not on its grid,
        a start, label or play is for no parameter, or `draw` does not make one figure.

    Examples
    --------
    >>> def draw(depth):
    ...     _, ax = plt.subplots(figsize=(1, 1))
    ...     ax.bar(["depth"], [depth])
    >>> explore(draw, alt="A bar as high as the depth.", depth=[1, 2, 3])
    Interactive figure: A bar as high as the depth.
    """
    if not callable(draw):
        raise ValueError(f"draw was {shown(draw)}; it must be a function that draws one frame")
    start, labels = start or {}, labels or {}
    for name, given, kind in (("alt", alt, str), ("start", start, Mapping), ("labels", labels, Mapping)):
        instance(name, given, kind)
    for name, label in labels.items():
        instance(f"labels[{name!r}]", label, str)
    if not 1 <= len(grids) <= 3:
        raise ValueError(f"explore was given {len(grids)} parameters; it takes one to three")
    for asked in (*start, *labels, play):
        if asked not in (None, *grids):
            raise ValueError(f"start, labels or play named {asked!r}; the parameters are {list(grids)}")
    values = {name: [value for _, value in each(name, grid)] for name, grid in grids.items()}
    chosen: dict[str, int] = {}
    for name, grid in values.items():
        if not grid:
            raise ValueError(f"the grid of {name} was empty; it must hold at least one value")
        if any(getattr(value, "shape", ()) for value in grid):
            raise ValueError(f"the grid of {name} held an array; a slider has single values")
        begin = start.get(name, grid[len(grid) // 2])
        if getattr(begin, "shape", ()) or begin not in grid:
            raise ValueError(f"start[{name!r}] was {begin!r}; it must be one of the values of its grid, {grid}")
        chosen[name] = grid.index(begin)

    frames, start_picture = [], b""
    for indices in np.ndindex(*map(len, values.values())):
        frame = {name: grid[i] for (name, grid), i in zip(values.items(), indices, strict=True)}
        svg, picture = _draw_frame(draw, frame, with_png=indices == tuple(chosen.values()))
        frames.append(svg)
        start_picture = picture or start_picture
    elements, runs = _share(frames)
    parameters = [
        {"name": name, "label": labels.get(name, name), "values": [*map(format_value, grid)], "play": name == play}
        for name, grid in values.items()
    ]
    panels = [float(width) for width in Image.open(io.BytesIO(start_picture)).info["Panels"].split()]
    data = {"alt": alt, "parameters": parameters, "panels": panels, "elements": elements, "frames": runs}
    return InteractiveFigure("frames", alt, start_picture, data=data, settings=chosen)


def format_value(value: object) -> str:
    """Write a parameter's value as a reader would: 0.25, 1e-06, infinite.

    Examples
    --------
    >>> format_value(0.25), format_value(1e-6), format_value(math.inf), format_value("rich")
    ('0.25', '1e-06', '∞', 'rich')
    """
    if isinstance(value, float):
        return "∞" if value == math.inf else f"{value:g}"
    return str(value)


def _draw_frame(draw: Callable[..., object], values: Mapping[str, Any], with_png: bool) -> tuple[str, bytes]:
    others, svg = plt.get_fignums(), io.StringIO()
    try:
        draw(**values)
        made = [*{*plt.get_fignums()} - {*others}]
        if len(made) != 1:
            raise ValueError(f"draw made {len(made)} figures at {values}; it must make one new figure")
        figure = plt.figure(made[0])
        # The same ids in every build; a figure that was laid out by hand stays so (saving would bring a layout back).
        with plt.rc_context({"svg.hashsalt": "dlnlib", "figure.constrained_layout.use": False}):
            figure.savefig(svg, format="svg", metadata={"Date": None})
            picture = still(figure) if with_png else b""
    finally:
        for number in {*plt.get_fignums()} - {*others}:
            plt.close(number)
    # Hundredths of a point are more than a screen shows (factors, as in "scale(0.015625)", keep their digits).
    return re.sub(r"(?<=[\s\"])-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", svg.getvalue()), picture


def _share(frames: Sequence[str]) -> tuple[list[str], list[list[list[int]]]]:
    """Return each different element of all frames once, and each frame as runs of them: [first, how many], ..."""
    numbers: dict[str, int] = {}
    runs = []
    for frame in frames:
        used = [numbers.setdefault(element, len(numbers)) for element in re.split("(?=<)", frame)]
        together = itertools.groupby(enumerate(used), lambda pair: pair[1] - pair[0])
        runs.append([[first[1], 1 + sum(1 for _ in more)] for _, (first, *more) in together])
    return list(numbers), runs
