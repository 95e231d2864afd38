"""The book's figure style, and the plots that recur. Theory is drawn as lines, simulation as marks, everywhere."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, is_color_like
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike

from dlnlib._checks import each, finite, instance, positive_int, shown

__all__ = [
    "BLACK", "BLUE", "DIVERGING", "GREEN", "ORANGE", "PALETTE", "PURPLE", "SKY", "VERMILLION", "in_order",
    "label_end", "theory_and_simulation", "to_png", "use_style",
]  # fmt: skip

# Okabe & Ito (2008): told apart by readers with any colour vision.
BLACK, BLUE, GREEN, ORANGE = "#000000", "#0072B2", "#009E73", "#E69F00"
PURPLE, SKY, VERMILLION = "#CC79A7", "#56B4E9", "#D55E00"
DIVERGING = LinearSegmentedColormap.from_list("diverging", [BLUE, "white", VERMILLION])  # for numbers with a sign
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)


def use_style() -> None:
    """Set matplotlib's defaults to the book's: a white card that reads in light and dark pages, few lines, no boxes.

    In a notebook figures are then shown by `to_png`, as large as they say and with nothing cut off.

    Examples
    --------
    >>> use_style()
    >>> plt.rcParams["axes.spines.top"]
    False
    """
    plt.style.use(Path(__file__).parent / "data/book.mplstyle")
    plt.rcParams["axes.prop_cycle"] = cycler(color=PALETTE)
    if shell := get_ipython():
        plt.switch_backend(plt.get_backend())  # now, or the notebook would still set its own way of showing figures
        shell.display_formatter.formatters["image/png"].for_type(Figure, to_png)


def to_png(figure: Figure) -> bytes:
    r"""Return a figure as a PNG whose text fields tell a page how to show it.

    `Panels` are the widths in inches of its columns, between which a narrow page may cut it; what overlaps, and a
    colour bar with what it explains, stay together. `Lettering` are the smallest and the largest font size in points.

    Examples
    --------
    >>> use_style()
    >>> figure, _ = plt.subplots(1, 2, figsize=(7.2, 2.7))
    >>> to_png(figure)[:4]
    b'\x89PNG'
    """
    instance("figure", figure, Figure)
    figure.draw_without_rendering()  # lays it out
    whole = Bbox.union([figure.bbox_inches, figure.get_tightbbox()])
    panels: list[list[float]] = []
    to_inches = figure.dpi_scale_trans.inverted()
    spans = {ax: to_inches.transform_bbox(ax.get_tightbbox() or ax.bbox).intervalx for ax in figure.axes}
    for ax, (left, right) in sorted(spans.items(), key=lambda span: span[1][0]):
        if panels and (left < panels[-1][1] or ax.get_label() == "<colorbar>"):
            panels[-1][1] = max(right, panels[-1][1])
        else:
            panels.append([left, right])
    cuts = [whole.x0, *((a[1] + b[0]) / 2 for a, b in itertools.pairwise(panels)), whole.x1]
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    fields = {
        "Panels": " ".join(f"{width:.4f}" for width in np.diff(cuts)),
        "Lettering": f"{min(sizes, default=10):g} {max(sizes, default=10):g}",
    }
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=figure.dpi, bbox_inches=whole, metadata=fields)
    return png.getvalue()


def in_order(n: int) -> list[ColorType]:
    """Return `n` colours for things with an order, such as the modes of a task: from dark to light, but not too light.

    Examples
    --------
    >>> len(in_order(10))
    10
    """
    return [tuple(colour) for colour in plt.get_cmap("cividis")(np.linspace(0.0, 0.7, positive_int("n", n)))]


def theory_and_simulation(
    ax: Axes,
    x_theory: ArrayLike,
    theory: ArrayLike,
    x_simulation: ArrayLike,
    simulation: ArrayLike,
    *,
    labels: Sequence[str] = (),
    colors: Sequence[ColorType] | None = None,
    marks: int = 25,
) -> None:
    """Draw curves of theory as lines and of simulation as marks in the same colours, each labelled at its end.

    Parameters
    ----------
    ax : Axes
    x_theory, theory : (n,) and (n, n_curves) arrays
    x_simulation, simulation : (m,) and (m, n_curves) arrays
    labels : sequence of str
        Written to the right of the ends of the curves, the first ones if there are fewer.
    colors : sequence of colours, optional
        One for each curve; the palette unless told.
    marks : int
        How many of the m simulated points to mark, evenly spread.

    Raises
    ------
    ValueError
        If theory and simulation are not the same number of curves, or colours or labels do not fit that number.

    Examples
    --------
    >>> _, ax = plt.subplots()
    >>> t = np.linspace(0, 1, 50)
    >>> theory_and_simulation(ax, t, t[:, None] ** [1, 2], t, t[:, None] ** [1, 2], labels=["linear", "square"])
    >>> len(ax.lines)
    4
    """
    instance("ax", ax, Axes)
    x_theory, theory = finite("x_theory", x_theory, ndim=1), finite("theory", theory, ndim=2)
    x_simulation, simulation = finite("x_simulation", x_simulation, ndim=1), finite("simulation", simulation, ndim=2)
    for name, x, curves in (("theory", x_theory, theory), ("simulation", x_simulation, simulation)):
        if len(x) != len(curves):
            raise ValueError(f"x_{name} held {len(x)} points and {name} {len(curves)}; they must be as many")
    n = theory.shape[1]
    if simulation.shape[1] != n:
        raise ValueError(f"theory held {n} curves and simulation {simulation.shape[1]}; they must pair up")
    colors = [PALETTE[i % len(PALETTE)] for i in range(n)] if colors is None else colors
    colors = [_color(name, color) for name, color in each("colors", colors)]
    labels = [label for _, label in each("labels", labels)]
    if len(labels) > n or len(colors) != n:
        given = f"{len(colors)} colours and {len(labels)} labels"
        raise ValueError(f"{given} had {n} curves; there must be a colour for each, and no more labels")
    marked = np.unique(np.linspace(0, len(x_simulation) - 1, positive_int("marks", marks)).astype(int))
    for i, color in enumerate(colors):
        ax.plot(x_theory, theory[:, i], color=color)
        ax.plot(x_simulation[marked], simulation[marked, i], "o", color=color, markerfacecolor="white")
    for label, color, end in zip(labels, colors, theory[-1], strict=False):
        label_end(ax, x_theory[-1], end, label, color)


def label_end(ax: Axes, x: float, y: float, text: str, color: ColorType) -> None:
    """Write `text` just right of the end (x, y) of a curve, in the curve's colour: a label where a legend would be.

    Examples
    --------
    >>> _, ax = plt.subplots()
    >>> label_end(ax, 1.0, 0.5, "s = 2", BLUE)
    >>> ax.texts[0].get_text()
    's = 2'
    """
    instance("ax", ax, Axes)
    x, y = float(finite("x", x, ndim=0)), float(finite("y", y, ndim=0))
    color = _color("color", color)
    ax.annotate(
        text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", color=color, annotation_clip=False
    )


def _color(name: str, color: ColorType) -> ColorType:
    if not is_color_like(color):
        raise ValueError(f"{name} was {shown(color)}; it must be a colour that matplotlib knows")
    return color
