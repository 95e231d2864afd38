"""Figures that the reader can move, in Jupyter and in the built HTML, where no kernel answers."""

from __future__ import annotations

import base64
import html
import io
import itertools
import math
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt

from dlnlib._checks import each, instance, shown

__all__ = ["InteractiveFigure", "explore", "format_value"]

_FRAME = 400  # milliseconds that a frame stays while playing


class InteractiveFigure(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Sliders above a figure, joined in the browser. Made by `explore`.

    Examples
    --------
    >>> figure = explore(lambda x: plt.subplots(figsize=(1, 1)), alt="An empty frame.", x=[0, 1])
    >>> [type(part).__name__ for part in figure.children]
    ['SelectionSlider', 'Stack']
    """

    def __init__(self, alt: str, png: bytes, children: Sequence[ipywidgets.Widget]) -> None:
        super().__init__(list(children))
        self.add_class("explore")
        self._alt, self._png = alt, png

    def __repr__(self) -> str:
        """Return what a reader without pictures gets."""
        return f"Interactive figure: {self._alt}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Add the starting frame as a static picture, for readers that show no widgets."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"image/png": base64.b64encode(self._png).decode()}


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

    Every frame is drawn once, now, and kept in a stack of pictures; sliders choose among them in the browser
    itself, so that the figure moves wherever widgets are shown, with or without a kernel.

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
    start, labels = {} if start is None else start, {} if labels is None else labels
    for name, given, kind in (("alt", alt, str), ("start", start, Mapping), ("labels", labels, Mapping)):
        instance(name, given, kind)
    for name, label in labels.items():
        instance(f"labels[{name!r}]", label, str)
    if play is not None:
        instance("play", play, str)
    if not 1 <= len(grids) <= 3:
        raise ValueError(f"explore was given {len(grids)} parameters; it takes one to three")
    for name in [*start, *labels, *([play] if play is not None else [])]:
        if name not in grids:
            raise ValueError(f"start, labels or play named {name!r}; the parameters are {list(grids)}")
    values = {name: [value for _, value in each(name, grid)] for name, grid in grids.items()}
    chosen = {}
    for name, grid in values.items():
        if not grid:
            raise ValueError(f"the grid of {name} was empty; it must hold at least one value")
        if any(getattr(value, "shape", ()) for value in grid):
            raise ValueError(f"the grid of {name} held an array; a slider has single values")
        begin = start.get(name, grid[len(grid) // 2])
        if getattr(begin, "shape", ()) or begin not in grid:
            raise ValueError(f"start[{name!r}] was {begin!r}; it must be one of the values of its grid, {grid}")
        chosen[name] = grid.index(begin)

    sliders = {
        name: ipywidgets.SelectionSlider(
            options=[(format_value(value), i) for i, value in enumerate(grid)],
            index=chosen[name],
            description=labels.get(name, name),
            layout=ipywidgets.Layout(width="95%", max_width="30em"),
            style={"description_width": "6em"},
        )
        for name, grid in values.items()
    }
    level: list[ipywidgets.Widget] = []
    static = b""
    for indices in itertools.product(*(range(len(grid)) for grid in values.values())):
        settings = {name: grid[i] for (name, grid), i in zip(values.items(), indices, strict=True)}
        svg, png = _draw_frame(draw, settings, with_png=indices == tuple(chosen.values()))
        static = png or static
        described = ", ".join(f"{name} = {format_value(value)}" for name, value in settings.items())
        # Percent-encoded rather than base64, so that a compressed page shrinks what its frames have in common.
        source = html.escape("data:image/svg+xml," + urllib.parse.quote(svg, safe=" <>/=:;,.'()\n"))
        level.append(ipywidgets.HTML(f'<img src="{source}" alt="{html.escape(alt)} ({html.escape(described)})">'))
    # Fold the frames into stacks of stacks, the last parameter innermost; all stacks of a level follow one slider.
    for name in reversed(list(values)):
        n = len(values[name])
        level = [ipywidgets.Stack(level[i : i + n], selected_index=chosen[name]) for i in range(0, len(level), n)]
        for stack in level:
            ipywidgets.jslink((sliders[name], "index"), (stack, "selected_index"))
    controls: list[ipywidgets.Widget] = list(sliders.values())
    if play is not None:
        last = len(values[play]) - 1
        player = ipywidgets.Play(value=chosen[play], max=last, interval=_FRAME, show_repeat=False)
        ipywidgets.jslink((player, "value"), (sliders[play], "index"))
        controls.insert(1 + list(values).index(play), player)
    return InteractiveFigure(alt, static, [*controls, *level])


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


def _draw_frame(draw: Callable[..., object], settings: Mapping[str, Any], with_png: bool) -> tuple[str, bytes]:
    others, svg, png = plt.get_fignums(), io.StringIO(), io.BytesIO()
    try:
        draw(**settings)
        made = [number for number in plt.get_fignums() if number not in others]
        if len(made) != 1:
            raise ValueError(f"draw made {len(made)} figures at {settings}; it must make one new figure")
        figure = plt.figure(made[0])
        # The same ids in every build; a figure that was laid out by hand stays so (saving would bring a layout back).
        with plt.rc_context({"svg.hashsalt": "dlnlib", "figure.constrained_layout.use": False}):
            figure.savefig(svg, format="svg", metadata={"Date": None})
            if with_png:
                figure.savefig(png, format="png")
    finally:
        for number in plt.get_fignums():
            if number not in others:
                plt.close(number)
    return svg.getvalue(), png.getvalue()
