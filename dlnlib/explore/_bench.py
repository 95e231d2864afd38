"""The bench: a task and a deep linear network of the reader's choice, trained in the page."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from dlnlib import exact
from dlnlib._checks import between, one_of, positive, positive_int
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, VERMILLION

__all__ = ["bench"]

_MODES = 8


def bench(
    strengths: ArrayLike = (2.5, 1.8, 1.2, 0.7),
    depth: int = 2,
    width: int = 16,
    start: str = "decoupled",
    u0: float = 1e-3,
    rate: float = 0.02,
) -> InteractiveFigure:
    r"""Return a deep linear network as a figure in which it trains, with the theory's forecast drawn in advance.

    The inputs are white and the task is diag(strengths), in the axes of its modes. The browser takes the steps of
    `dlnlib.descent.gradient_descent` and draws `dlnlib.exact.mode_strength` beside them, which is exact for small
    steps from a decoupled start. Every strength is dragged; depth, width, start and rate are moved at any time.

    Parameters
    ----------
    strengths : array_like
        Of the modes at the start, one to eight, each from 0.1 to 3.
    depth : int
        Number of weight matrices; from 1 to 20.
    width : int
        Units in each hidden layer; from 1 to 32.
    start : str
        "decoupled", "small random", "orthogonal" or "Glorot".
    u0 : float
        Size of the network's map at the start; from 1e-4 to 1. Decoupled modes start at u0; orthogonal layers have
        the gain u0^(1/D), Glorot's are multiplied by it, and small random weights have the variance
        (2 u0)^(2/D) / width.
    rate : float
        Learning rate, 1 / tau; from 0.001 to 1.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the arguments (all eight strengths; `kind` is the start), the seed, and the step shown.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), sections 1 to 3.

    Examples
    --------
    >>> bench(strengths=[2.0, 1.0], depth=3).settings["strengths"]
    [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    s = positive("strengths", strengths, ndim=1)
    if not (1 <= len(s) <= _MODES and s.min() >= 0.1 and s.max() <= 3):
        raise ValueError(f"strengths was {s.tolist()}; it must be one to eight numbers from 0.1 to 3")
    depth = int(between("depth", positive_int("depth", depth), 1, 20))
    width = int(between("width", positive_int("width", width), 1, 32))
    one_of("start", start, ("decoupled", "small random", "orthogonal", "Glorot"))
    u0, rate = between("u0", u0, 1e-4, 1), between("rate", rate, 1e-3, 1)
    t = np.linspace(0, 1.15 * exact.learning_time(0.99 * s.min(), s.min(), min(u0, s.min() / 2), depth), 200)
    u = exact.mode_strength(t[:, None], s, u0, depth)
    figure, (losses, modes) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    losses.plot(t, np.sum((s - u) ** 2, axis=1) / 2, color=VERMILLION)
    losses.set(xlabel=r"time $t/\tau$", ylabel="loss")
    modes.plot(t, u, color=BLUE)
    modes.set(xlabel=r"time $t/\tau$", ylabel="mode strength")
    alt = f"Left, the loss in time; right, the strengths of {len(s)} modes, learned one after another; depth {depth}."
    settings = {
        "strengths": [*s.tolist(), *[0.0] * (_MODES - len(s))],
        "depth": depth,
        "width": width,
        "kind": start,
        "u0": u0,
        "rate": rate,
        "seed": 1,
        "step": 0,
    }
    return InteractiveFigure("bench", alt, still(figure), data={}, settings=settings)
