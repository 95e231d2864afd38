"""Beliefs: what a network that learns a table of facts believes on the way, and the modes behind each belief."""

import itertools
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from dlnlib import exact
from dlnlib._checks import between, finite, positive, refuse, shown
from dlnlib.explore._figure import InteractiveFigure, named, still
from dlnlib.figures import DIVERGING, GREEN, VERMILLION
from dlnlib.task import Task

__all__ = ["beliefs"]


def beliefs(
    facts: ArrayLike,
    properties: Sequence[str],
    things: Sequence[str],
    chosen: tuple[str, str],
    u0: float = 1e-6,
    duration: float = 8.0,
    t: float = 2.5,
) -> InteractiveFigure:
    r"""Return a table of facts, as a two-layer network learns it, as a figure in which time and facts are moved.

    With the modes :math:`s_\alpha, \mathbf u_\alpha, \mathbf v_\alpha` of the table, what the network believes of
    property p of thing i is

    .. math:: \hat y_{pi}(t) = \sum_\alpha u_{p\alpha}\, s_\alpha\, v_{i\alpha}\, f_\alpha(t), \qquad
              f_\alpha = \frac{1}{1 + (s_\alpha / u_0 - 1)\, e^{-2 s_\alpha t / \tau}} .

    The browser finds the modes anew whenever the reader makes a fact true or false.

    Parameters
    ----------
    facts : array_like, shape (properties, things)
        One where a thing has a property, zero where it has not.
    properties, things : sequence of str
        Names of the rows and of the columns.
    chosen : (str, str)
        Property and thing of the belief that is taken apart at the start.
    u0 : float
        Strength of every mode at time zero; positive.
    duration : float
        Length of the axis of time, in units of tau; positive.
    t : float
        Time at which the figure starts; from zero to `duration`.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the facts, the chosen property and thing (their numbers), and the time t.

    Raises
    ------
    ValueError
        If the facts are not zeros and ones with a name for each row and column, the chosen belief is not among
        them, or a number is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2019).

    Examples
    --------
    >>> figure = beliefs([[1, 1], [1, 0]], ["lives", "swims"], ["trout", "worm"], chosen=("swims", "worm"))
    >>> figure.settings["property"], figure.settings["thing"]
    (1, 1)
    """
    table = finite("facts", facts, ndim=2)
    refuse(~np.isin(table, [0, 1]), "facts", table, "zero or one")
    if not table.any():
        raise ValueError("facts were all zero; at least one must be true")
    properties, things = named("properties", properties, len(table)), named("things", things, len(table.T))
    if chosen not in itertools.product(properties, things):
        raise ValueError(f"chosen was {shown(chosen)}; it must be one of the properties and one of the things")
    p, i = properties.index(chosen[0]), things.index(chosen[1])
    u0, duration = float(positive("u0", u0, ndim=0)), float(positive("duration", duration, ndim=0))
    t = between("t", t, 0, duration)

    u, s, vt = Task(table).modes
    there = s > 1e-9 * s[0]
    times = np.linspace(0, duration, 200)
    parts = u[p, there] * exact.mode_strength(times[:, None], s[there], u0) * vt[there, i]
    now = u[:, there] * exact.mode_strength(t, s[there], u0) @ vt[there]
    figure, (whole, curve) = plt.subplots(1, 2, figsize=(7.2, 4.4))
    whole.imshow(now, vmin=-1, vmax=1, cmap=DIVERGING, aspect="auto", interpolation="none")
    whole.set_xticks(range(len(things)), things, rotation=90)
    whole.set_yticks(range(len(properties)), properties)
    curve.plot(times, parts, color="grey", linewidth=1)
    curve.axhline(table[p, i], color=GREEN, linewidth=3, alpha=0.6)
    curve.plot(times, parts.sum(axis=1), color=VERMILLION)
    curve.set(xlabel=r"time $t/\tau$", ylabel="belief", title=f"{chosen[1]} {chosen[0]}")
    alt = (
        f"Left, a table of what the network believes of {len(vt[0])} things at time {t:g}; right, the belief that "
        f"“{chosen[1]} {chosen[0]}” in time, and its modes."
    )
    world = {"facts": table.astype(int).tolist()}
    data = world | {"properties": properties, "things": things, "u0": u0, "duration": duration}
    settings = world | {"property": p, "thing": i, "t": t}
    return InteractiveFigure("beliefs", alt, still(figure), data=data, settings=settings)
