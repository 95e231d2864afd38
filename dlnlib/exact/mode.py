"""One mode of a network whose layers are equal: its strength in time, and the time to reach a strength.

In x = u/s and T = D s^(2 - 2/D) t / tau every mode of one depth has the same curve, dx/dT = x^(2 - 2/D) (1 - x), and
enters it where it starts. One, two and infinitely many layers have explicit formulas; other depths a table of time
against the logit l = ln(xi / (1 - xi)), xi = min(x, 1/x), in which

    dT/dl = xi^p,    p = 2/D - 1 for a mode that grows, p = 2 - 2/D for one that shrinks.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import wrightomega

from dlnlib._checks import Array, at_least, broadcasting, finite, on_the_way, positive, refuse, unwrap
from dlnlib.exact._clock import Clock, integral

__all__ = ["half_time", "learning_time", "mode_strength"]

_LONGEST = 1e40  # of a path from u0 to s, as a factor
_FIRST, _LAST = -95, 40  # logits: before the longest path, and where a double has arrived
_FLAT = 0.1  # a power of xi that is nearly none


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

    at every depth D. For lambda = 1 (otherwise s / lambda and tau / lambda take the place of s and tau), one layer
    relaxes, u = s - (s - u0) exp(-t/tau); two give the sigmoid u = s / (1 + (s/u0 - 1) exp(-2st/tau)); more of them a
    plateau that ends ever more abruptly; and infinitely many, where the unit of time is t D (the limit of
    ``mode_strength(t / D, ..., depth=D)``),

    .. math:: u = \frac{s}{1 + \omega(z + \ln z - s^2 t / \tau)}, \qquad z = s / u_0 - 1 > 0,

    with Wright's function, omega + ln omega = its argument.

    Parameters
    ----------
    t : array_like
        Time in units of gradient steps if `tau` is one over the learning rate; zero or positive, infinity allowed.
    s : array_like
        Singular value of the input-output correlation; positive, at depth 1 any number.
    u0 : array_like
        Strength at time zero; positive, below or above the final strength s / lambda, by a factor of up to 1e40; at
        depth 1 any number.
    depth : array_like
        Number of weight matrices, a real number of at least one, or ``math.inf``.
    tau : array_like
        Time constant, one over the learning rate; positive.
    input_variance : array_like
        Variance lambda of the input along the mode (1 if whitened); u ends at s / lambda. With lambda = s the mode
        is that of a linear autoencoder. Where it is zero s must be, too, and u stays at u0. This holds if the mode is
        an axis of the inputs' correlation; `forecast` says how far those of a task are from it.

    Returns
    -------
    numpy.ndarray or float
        u(t), with the shape to which all arguments broadcast. For u0 / s between 1e-12 and 1e6 the relative error is
        below 1e-12 or, after a long plateau, what a rounding of the arguments does to the result.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), sections 1.3 (D = 2), 2 (any D, its infinite limit) and appendix E (lambda);
    Corless & Jeffrey (2002) for Wright's omega.

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
    t = at_least("t", t, 0, infinite=True)
    end, u0, depth, tau = _checked(s, u0, depth, tau, input_variance, t=t)
    return unwrap(_by_kind(_strength, t, end, u0, depth, tau))


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
    u = finite("u", u)
    end, u0, depth, tau = _checked(s, u0, depth, tau, input_variance, u=u)
    return unwrap(_by_kind(_time, on_the_way("u", u, u0, end), end, u0, depth, tau))


def half_time(
    s: ArrayLike, u0: ArrayLike, depth: ArrayLike = 2, tau: ArrayLike = 1.0, *, input_variance: ArrayLike = 1.0
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
    end, start, depth, tau = _checked(s, u0, depth, tau, input_variance)
    half = end / 2
    beyond = np.asarray(np.abs(start) >= np.abs(half)) & (start * half >= 0)
    refuse(beyond, "u0", start, "below half the final strength s / input_variance")
    return unwrap(_by_kind(_time, half, end, start, depth, tau))


def _checked(
    s: ArrayLike, u0: ArrayLike, depth: ArrayLike, tau: ArrayLike, input_variance: ArrayLike, **others: Array
) -> tuple[Array, Array, Array, Array]:
    """Return final strength, start, depth, and time constant at unit variance; refuse what no formula holds for."""
    s, u0, tau = finite("s", s), finite("u0", u0), positive("tau", tau)
    depth, variance = at_least("depth", depth, 1, infinite=True), at_least("input_variance", input_variance, 0)
    broadcasting(s=s, u0=u0, depth=depth, tau=tau, input_variance=variance, **others)
    deep, still = depth > 1, variance == 0
    refuse(still & (s != 0), "s", s, "zero where input_variance is: inputs that do not vary correlate with nothing")
    refuse(deep & ~still & (s <= 0), "s", s, "greater than zero at depth 2 or more")
    refuse(deep & (u0 <= 0), "u0", u0, "greater than zero, because u = 0 is the saddle: from there nothing moves")
    variance = np.where(still, 1.0, variance)
    end = np.where(still, u0, s / variance)  # a direction without variance keeps its start
    ratio = np.where(deep, u0, 1.0) / np.where(deep, end, 1.0)
    beyond = (ratio < 1 / _LONGEST) | (ratio > _LONGEST)
    refuse(beyond, "u0 / (s / input_variance)", ratio, f"between {1 / _LONGEST:g} and {_LONGEST:g}")
    return end, u0, depth, tau / variance


def _by_kind(formula: Callable[..., Array], at: Array, end: Array, u0: Array, depth: Array, tau: Array) -> Array:
    """Apply `formula` to the modes of one depth at a time, and apart to those that grow and those that shrink."""
    kind = np.where(u0 > end, -depth, depth)
    kinds = np.unique(kind)
    at = np.broadcast_to(at, np.broadcast_shapes(at.shape, end.shape, u0.shape, tau.shape, kind.shape))
    if kinds.size == 1:
        return formula(abs(kinds[0]), kinds[0] < 0, at, end, u0, tau)
    at, end, u0, tau, kind = np.broadcast_arrays(at, end, u0, tau, kind)
    result = np.empty(at.shape)
    for value in kinds:
        here = kind == value
        result[here] = formula(abs(value), value < 0, at[here], end[here], u0[here], tau[here])
    return result


def _strength(depth: float, shrinks: bool, t: Array, end: Array, u0: Array, tau: Array) -> Array:
    with np.errstate(divide="ignore", over="ignore"):  # infinite times, and starts at the end
        if depth == 1:
            return np.asarray(u0 * np.exp(-t / tau) - end * np.expm1(-t / tau))
        if depth == 2:
            decay = np.asarray(-2 * end / tau * t)
            if shrinks:
                return np.asarray(end / (end / u0 * np.exp(decay) - np.expm1(decay)))
            np.exp(decay, out=decay)  # in place, as what follows: fresh memory costs more than arithmetic
            decay *= end / u0 - 1
            decay += 1
            return np.divide(end, decay, out=decay)
        if depth == math.inf and not shrinks:
            z = end / u0 - 1  # z + ln z falls by T, and Wright's omega is the inverse of this sum
            return np.asarray(end / (1 + wrightomega(z + np.log(z) - end**2 / tau * t)))
        p = _power(depth, shrinks)
        away = np.exp(-_curve(p).position(_passage(p, u0, end) + _rate(depth, end, tau) * t))
        return np.asarray(end * (1 + away) if shrinks else end / (1 + away))


def _time(depth: float, shrinks: bool, u: Array, end: Array, u0: Array, tau: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        if depth == 1:
            time = np.log1p((u - u0) / (end - u))
        elif depth == 2 or (depth == math.inf and not shrinks):
            time = np.log1p(end * (u - u0) / (u0 * (end - u)))
            if depth == math.inf:
                time = time + end * (u - u0) / (u0 * u)
        else:
            p = _power(depth, shrinks)
            # The advance of the logit; a short one by itself, for the difference of two passages would lose its digits
            advance = np.log1p((u - u0) / (end - u) * (1 if shrinks else end / u0))
            short = integral(_pace(p), _logit(u0, end) + 0 * advance, np.minimum(advance, 1))
            time = np.where(advance < 1, short, _passage(p, u, end) - _passage(p, u0, end))
        return np.where(u == u0, 0.0, np.where(u == end, np.inf, time / _rate(depth, end, tau)))


def _rate(depth: float, end: Array, tau: Array) -> Array:
    """Return T / t, or at infinite depth, where all is D times as fast, T / (D t)."""
    return (1.0 if depth == math.inf else depth) * np.abs(end) ** (2 - 2 / depth) / tau


def _power(depth: float, shrinks: bool) -> float:
    return 2 - 2 / depth if shrinks else 2 / depth - 1


def _pace(p: float) -> Callable[[Array], Array]:
    return lambda logit: np.exp(-p * np.log1p(np.exp(-logit)))


def _logit(u: Array, end: Array) -> Array:
    return np.minimum(np.log(np.minimum(u, end) / np.abs(end - u)), _LAST)


def _passage(p: float, u: Array, end: Array) -> Array:
    """Return the T at which the curve of all modes passes through u.

    A plateau, p < 0, is taken by itself: xi^p is the sum of xi^p (1 - xi), whose integral is xi^p / p, and xi^(p + 1),
    which is small where the plateau is long. And a power of xi keeps digits that the logit has lost.
    """
    if p > -_FLAT:
        return _curve(p).time(_logit(u, end))
    r, rest = end / u, _curve(p + 1)
    return (2**-p - r / r ** (p + 1)) / -p + rest.time(_logit(u, end)) - rest.time(np.zeros(()))


@lru_cache(maxsize=64)
def _curve(p: float) -> Clock:
    """Return T against the logit: one curve for all modes of a depth."""
    # Zero where the logit is; or in the infinite past, which is not far where the motion comes from infinite speed.
    zero, late = (0, math.exp(p * _FIRST) / p) if p > _FLAT else (-_FIRST, 0.0)
    return Clock(_pace(p), np.array([_FIRST]), np.array([_LAST]), zero, late)
