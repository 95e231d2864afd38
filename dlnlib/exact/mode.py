"""One mode of a network whose layers are equal: its strength in time, and the time to reach a strength."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, broadcasting, positive
from dlnlib.exact._arguments import at_least, on_the_way, over_variance, representable, unwrap
from dlnlib.exact._logit import Path, plateau_excess

_MOST = 1e20
_RATE = "the rate D (s / input_variance)^(2 - 2/D) input_variance / tau"
_SADDLE = ", because u = 0 is the saddle: from there gradient flow does not move at depth 2 or more"


def mode_strength(
    t: ArrayLike,
    s: ArrayLike,
    u0: ArrayLike,
    depth: ArrayLike = 2,
    tau: ArrayLike = 1.0,
    *,
    input_variance: ArrayLike = 1.0,
) -> Array | float:
    r"""Return the strength u(t) of a mode, the product of its `depth` equal layer strengths.

    Solves

    .. math:: \tau \frac{du}{dt} = D\, u^{2 - 2/D} (s - \lambda u), \qquad u(0) = u_0,

    at every depth D: the shallow network (D = 1) relaxes exponentially, D = 2 gives the sigmoid
    u = s / (1 - (1 - s/u0) exp(-2st/tau)), and D > 2 a plateau that ends ever more abruptly. At infinite depth the
    unit of time is t D: the limit of ``mode_strength(t / D, ..., depth=D)``.

    Parameters
    ----------
    t : array_like
        Time in units of gradient steps if `tau` is one over the learning rate; zero or positive, infinity allowed.
    s : array_like
        Singular value of the input-output correlation; positive.
    u0 : array_like
        Strength at time zero; positive, below or above the final strength s / lambda: at most 1e20 times as large, and
        at least 1e-30 times (1e-90 at three layers, 1e-100 at two or one).
    depth : array_like
        Number of weight matrices, a real number of at least one, or ``math.inf``.
    tau : array_like
        Time constant, one over the learning rate; positive.
    input_variance : array_like
        Variance lambda of the input along the mode (1 if whitened); u ends at s / lambda. With lambda = s the mode
        is that of a linear autoencoder.

    Returns
    -------
    numpy.ndarray or float
        u(t), with the shape to which all arguments broadcast. The relative error is below 1e-10 for u0 / s between
        1e-12 and 1e6; a long plateau (small u0, great depth) is followed in extended precision, which lasts to about
        u0 / s = 1e-30.

    Raises
    ------
    ValueError
        If an argument is outside the range above, or D s^(2 - 2/D) / tau is not between 1e-307 and 1e308.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), sections 1.3 (D = 2), 2 (any D, its infinite limit) and appendix E (lambda).

    Examples
    --------
    >>> import math
    >>> round(mode_strength(5.0, s=1.0, u0=1e-3), 6)
    0.956613
    >>> [round(mode_strength(2.0 / depth, 1.0, 0.5, depth), 4) for depth in (100, 10_000)]
    [0.7846, 0.7822]
    >>> round(mode_strength(2.0, 1.0, 0.5, math.inf), 4)
    0.7822
    """
    t, depth, tau = at_least("t", t, 0), at_least("depth", depth, 1), positive("tau", tau)
    s, u0, variance = positive("s", s), positive("u0", u0, _SADDLE), positive("input_variance", input_variance)
    broadcasting(t=t, s=s, u0=u0, depth=depth, tau=tau, input_variance=variance)
    end, unit = over_variance(s, tau, variance)
    _resolved(u0, end, depth)
    path = Path(end, u0, depth, unit)
    representable(_RATE, path.rate)
    with np.errstate(over="ignore"):
        target = t * path.rate
        arrived = target >= path.arrival()
    t, target = np.where(arrived, 0.0, t), np.where(arrived, 0.0, target)
    excess, long = plateau_excess(t, s, u0, depth, tau, path)
    u = u0 / path.shrinkage(path.advance(target, excess, long))
    return unwrap(np.where(arrived, end, u))


def learning_time(
    u: ArrayLike,
    s: ArrayLike,
    u0: ArrayLike,
    depth: ArrayLike = 2,
    tau: ArrayLike = 1.0,
    *,
    input_variance: ArrayLike = 1.0,
) -> Array | float:
    r"""Return the time at which a mode has the strength `u`: the inverse of `mode_strength`.

    .. math:: t = \frac{\tau}{D} \int_{u_0}^{u} \frac{dv}{v^{2 - 2/D} (s - \lambda v)}

    For D = 2 and lambda = 1 this is (tau / 2s) ln[ u (s - u0) / (u0 (s - u)) ]. At infinite depth it is the limit of
    ``D * learning_time(u, ..., depth=D)``.

    Parameters
    ----------
    u : array_like
        Strength to be reached, between `u0` and the final strength s / lambda; the latter takes infinitely long.
    s, u0, depth, tau, input_variance : array_like
        As in `mode_strength`.

    Returns
    -------
    numpy.ndarray or float
        The time, in the units of `tau`, with the shape to which all arguments broadcast.

    Raises
    ------
    ValueError
        If `u` is never reached, or another argument is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), sections 1.3 and 2; the paper leaves the integral for 2 < D < infinity open.

    Examples
    --------
    >>> import math
    >>> [round(learning_time(0.9, s=1.0, u0=0.01, depth=depth), 3) for depth in (1, 2, 3)]
    [2.293, 3.396, 4.586]
    >>> round(learning_time(0.9, s=1.0, u0=0.01, depth=math.inf), 3)
    105.681
    """
    depth, tau, variance = at_least("depth", depth, 1), positive("tau", tau), positive("input_variance", input_variance)
    u, s, u0 = positive("u", u), positive("s", s), positive("u0", u0, _SADDLE)
    broadcasting(u=u, s=s, u0=u0, depth=depth, tau=tau, input_variance=variance)
    end, unit = over_variance(s, tau, variance)
    _resolved(u0, end, depth)
    u = on_the_way("u", u, u0, end)
    path = Path(end, u0, depth, unit)
    representable(_RATE, path.rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        delta = np.where(u == u0, 0.0, np.log1p(end / u0 * (np.abs(u - u0) / np.abs(end - u))))
    growth = np.log1p(np.abs(u - u0) / np.minimum(u, u0))
    xi = np.where(path.grows, u / end, end / u)
    gap = np.abs(end - u) / np.maximum(u, end)
    return unwrap(path.elapsed(delta, growth, xi, gap) / path.rate)


def half_time(
    s: ArrayLike,
    u0: ArrayLike,
    depth: ArrayLike = 2,
    tau: ArrayLike = 1.0,
    *,
    input_variance: ArrayLike = 1.0,
) -> Array | float:
    """Return the time at which a mode has half its final strength, ``learning_time(s / (2 lambda), s, u0, ...)``.

    Parameters
    ----------
    s, u0, depth, tau, input_variance : array_like
        As in `mode_strength`, and u0 < s / (2 lambda).

    Returns
    -------
    numpy.ndarray or float
        The time, in the units of `tau`.

    Raises
    ------
    ValueError
        If the mode starts beyond the half, or an argument is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), sections 1.3 and 2.

    Examples
    --------
    >>> round(half_time(s=2.0, u0=1e-3), 4)  # ln(s / u0 - 1) / (2 s)
    1.9001
    """
    s, start, variance = positive("s", s), positive("u0", u0, _SADDLE), positive("input_variance", input_variance)
    broadcasting(s=s, u0=start, input_variance=variance)
    half = over_variance(s, positive("tau", tau), variance)[0] / 2
    beyond = start >= half
    if beyond.any():
        wrong, bound = (np.broadcast_to(array, beyond.shape)[beyond][0] for array in (start, half))
        raise ValueError(f"u0 was {wrong:g}; it must be below {bound:g}, half the final strength s / input_variance")
    return learning_time(half, s, u0, depth, tau, input_variance=input_variance)


def _resolved(u0: Array, end: Array, depth: Array) -> None:
    """Refuse a start from which the plateau lasts longer than extended precision, or that is out of all proportion."""
    with np.errstate(over="ignore", divide="ignore"):
        ratio = u0 / end
        least = np.maximum(1e-100, 1e-30 ** (1 / np.maximum(1 - 2 / depth, 0.0)))
    outside = (ratio < least) | (ratio > _MOST)
    if outside.any():
        wrong, bound = (np.broadcast_to(array, outside.shape)[outside][0] for array in (ratio, least))
        raise ValueError(
            f"u0 was {wrong:g} of the final strength s / input_variance; "
            f"at this depth it must be between {bound:.3g} and {_MOST:g} of it"
        )
