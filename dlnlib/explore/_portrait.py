"""The plane of one mode of a two-layer network: its start is dragged, its whole way follows."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from dlnlib import exact
from dlnlib._checks import finite, instance, positive
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, GREEN, ORANGE

__all__ = ["phase_portrait"]

_STARTS = {
    "beside the dashed line": (-1.0, 0.9),
    "on it": (-1.0, 1.0),
    "small, balanced": (0.05, 0.05),
    "small, one layer zero": (0.5, 0.0),
    "beyond the minima": (1.5, 1.3),
}


def phase_portrait(
    s: float = 1.0, start: ArrayLike = (-1.0, 0.9), duration: float = 8.0, predict: bool = False
) -> InteractiveFigure:
    r"""Return the plane of the layer strengths of one mode as a figure in which its start is dragged.

    The mode follows `dlnlib.exact.unbalanced_mode`,

    .. math:: \dot a = b\,(s - ab), \qquad \dot b = a\,(s - ab),

    on a hyperbola of constant a^2 - b^2. The browser evaluates the closed form as the reader moves the start, the
    strength, or a mark in time; earlier starts stay as shadows.

    Parameters
    ----------
    s : float
        Strength at which the figure starts; from 0.25 to 2 in the browser.
    start : array_like of shape (2,)
        Layer strengths a and b at time zero, each from -1.8 to 1.8.
    duration : float
        Length of the axis of time, in units of tau; positive.
    predict : bool
        Hide the way until the reader has marked when the mode will be learned, and asks for the answer.

    Returns
    -------
    InteractiveFigure
        Its `settings` are a0, b0, s, the marked time t, and the earlier starts as `ghosts`.

    Raises
    ------
    ValueError
        If `s` or `duration` is not positive, or `start` is not two numbers in the plane.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.3 and figure 2.

    Examples
    --------
    >>> figure = phase_portrait(start=(0.5, 0.0))
    >>> figure.settings["a0"], figure.settings["b0"]
    (0.5, 0.0)
    """
    s, duration = float(positive("s", s, ndim=0)), float(positive("duration", duration, ndim=0))
    instance("predict", predict, bool)
    start = finite("start", start, ndim=1)
    if start.shape != (2,) or abs(start).max() > 1.8:
        raise ValueError(f"start was {start.tolist()}; it must be two numbers from -1.8 to 1.8")
    a0, b0 = start.tolist()
    t = np.linspace(0, duration, 300)
    a, b = exact.unbalanced_mode(t, s, a0, b0)
    figure, (plane, strength) = plt.subplots(1, 2, figsize=(7.2, 3.4))
    x = np.linspace(-1.8, 1.8, 401)
    level = x[:, None] * x  # ab in the plane
    plane.contour(x, x, level, levels=[s], colors=GREEN, linewidths=3, alpha=0.6)
    plane.contour(x, x, x**2 - x[:, None] ** 2, levels=[a0**2 - b0**2], colors=ORANGE, linewidths=1.2)
    plane.plot(x, -x, color="grey", linestyle="--", linewidth=1)
    plane.plot(a, b, color=BLUE)
    plane.plot(a0, b0, "o", color=BLUE, markersize=8)
    plane.set(xlabel="first layer $a$", ylabel="second layer $b$", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    strength.axhline(s, color=GREEN, linewidth=3, alpha=0.6)
    strength.plot(t, a * b, color=BLUE)
    strength.set(xlabel=r"time $t/\tau$", ylabel="strength $ab$", ylim=(-2.4, 2.4))
    alt = (
        f"Left, the plane of the layer strengths a and b of a mode, with its way from a = {a0:g}, b = {b0:g} along a "
        "hyperbola; right, its strength ab in time."
    )
    starts = [{"name": name, "start": list(point)} for name, point in _STARTS.items()]
    settings = {"a0": a0, "b0": b0, "s": s, "t": 3.0, "ghosts": [], "hidden": predict}
    return InteractiveFigure(
        "portrait", alt, still(figure), data={"starts": starts, "duration": duration}, settings=settings
    )
