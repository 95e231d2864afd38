"""One mode of a two-layer network whose layers are unequal, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnlib._checks import Array, broadcasting, finite, positive
from dlnlib.exact._arguments import at_least, on_the_way, over_variance, unwrap

_SMALLEST, _LARGEST = 1e-304, 1e150  # in units of sqrt(s / lambda)


def unbalanced_mode(
    t: ArrayLike, s: ArrayLike, a0: ArrayLike, b0: ArrayLike, tau: ArrayLike = 1.0, *, input_variance: ArrayLike = 1.0
) -> tuple[Array | float, Array | float]:
    r"""Return the layer strengths a(t), b(t) of a mode of a two-layer network, whatever their start.

    .. math:: \tau \dot a = b\,(s - \lambda ab), \qquad \tau \dot b = a\,(s - \lambda ab)

    Take lambda = 1 (otherwise s / lambda and tau / lambda take the place of s and tau). With p = a + b and n = a - b,
    c = a^2 - b^2 = pn is conserved, and P = p^2 obeys a Riccati equation with constant coefficients,
    tau dP/dt = -(P - P1)(P + c^2/P1) / 2 with P1 = 2s + r and r = sqrt(c^2 + 4 s^2). Hence, with E = exp(-rt/tau),

    .. math:: \frac{p^2}{p_0^2} = \frac{n_0^2}{n^2}
              = \frac{P_1 + (c^2/P_1) E + n_0^2 (1 - E)}{p_0^2 (1 - E) + c^2/P_1 + P_1 E}.

    Every term is positive, so the form holds for either sign of c, through c = 0 (the balanced sigmoid), for every
    quadrant of (a, b), and on the stable manifold a + b = 0, from where the mode falls into the saddle at the origin.
    In the hyperbolic parametrisation a = sqrt(c) cosh(th/2), b = sqrt(c) sinh(th/2) it reads P = c exp(th).

    Parameters
    ----------
    t : array_like
        Time, zero or positive, infinity allowed.
    s : array_like
        Singular value of the input-output correlation; positive.
    a0, b0 : array_like
        Layer strengths at time zero; zero, or from 1e-304 to 1e150 times sqrt(s / lambda) in magnitude.
    tau, input_variance : array_like
        Time constant and input variance lambda, as in `mode_strength`; positive.

    Returns
    -------
    a, b : numpy.ndarray or float
        Layer strengths, with the shape to which all arguments broadcast.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.3 and appendix A, whose print has slips: there holds
    ab = (c/2) sinh th and tau dth/dt = 2s - c sinh th.

    Examples
    --------
    >>> a, b = unbalanced_mode(3.0, s=1.0, a0=0.3, b0=-0.1)
    >>> round(a * b, 4), round(a**2 - b**2, 12)
    (0.8095, 0.08)
    >>> unbalanced_mode(float("inf"), s=1.0, a0=0.5, b0=-0.5)
    (0.0, 0.0)
    """
    t, s, a0, b0 = at_least("t", t, 0), positive("s", s), finite("a0", a0), finite("b0", b0)
    tau, variance = positive("tau", tau), positive("input_variance", input_variance)
    broadcasting(t=t, s=s, a0=a0, b0=b0, tau=tau, input_variance=variance)
    s, tau = over_variance(s, tau, variance)
    unit, s, a0, b0 = _scaled(s, a0, b0)
    p0, n0 = a0 + b0, a0 - b0
    k = np.abs(p0) * np.abs(n0)  # |c|
    r = np.hypot(k, 2 * s)
    top, root = 2 * s + r, np.sqrt(2 * s + r)
    (time, power), (constant, tau_power) = np.frexp(t), np.frexp(tau)
    with np.errstate(over="ignore"):
        exponent = np.ldexp(r * (time / constant), power - tau_power + 2 * unit)
    decay, rise = np.exp(-exponent), -np.expm1(-exponent)
    numerator = np.hypot(np.hypot(root, n0 * np.sqrt(rise)), k / root * np.sqrt(decay))
    denominator = np.hypot(np.hypot(p0 * np.sqrt(rise), k / root), root * np.exp(-exponent / 2))
    p = np.where(p0 == 0, 0.0, p0 * numerator / np.where(p0 == 0, 1.0, denominator))
    n = n0 * denominator / numerator
    # The smaller of a and b is half the difference of |p| and |n|, and also a sum of its own.
    a_leads = np.abs(a0) >= np.abs(b0)
    small0 = np.where(a_leads, b0, a0)
    lift = 2 * s * (1 + 2 * s / (r + k)) + k * (1 + k / top) * decay
    weight = np.where(p0 == 0, 1.0, numerator * denominator)
    driven, carried = 2 * s * np.abs(n0) * rise / weight, small0 * (lift / weight)
    aligned, difference = np.sign(p0) * driven + carried, np.where(a_leads, p - n, p + n) / 2
    # Of the two forms, the one whose terms are smaller loses less to rounding.
    small = np.where(driven + np.abs(carried) < np.abs(p), aligned, difference)
    a = np.where(a_leads, (p + n) / 2, small)
    b = np.where(a_leads, small, (p - n) / 2)
    return unwrap(np.ldexp(a, unit)), unwrap(np.ldexp(b, unit))


def unbalanced_time(
    u: ArrayLike, s: ArrayLike, a0: ArrayLike, b0: ArrayLike, tau: ArrayLike = 1.0, *, input_variance: ArrayLike = 1.0
) -> Array | float:
    r"""Return the time at which the product ab of `unbalanced_mode` equals `u`.

    With P = (a + b)^2 = 2u + sqrt(c^2 + 4 u^2) and the symbols of `unbalanced_mode`,

    .. math:: t = \frac{\tau}{r} \ln \frac{(P_1 - P_0)(P + c^2/P_1)}{(P_1 - P)(P_0 + c^2/P_1)}.

    Parameters
    ----------
    u : array_like
        Product to be reached, from a0 b0 (now) to s / lambda (infinitely late); if a0 + b0 = 0, only up to 0.
    s, a0, b0, tau, input_variance : array_like
        As in `unbalanced_mode`.

    Returns
    -------
    numpy.ndarray or float
        The time, with the shape to which all arguments broadcast.

    Raises
    ------
    ValueError
        If the product never takes the value `u`, or another argument is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), appendix A, corrected.

    Examples
    --------
    >>> a, b = unbalanced_mode(3.0, s=1.0, a0=0.3, b0=-0.1)
    >>> round(unbalanced_time(a * b, s=1.0, a0=0.3, b0=-0.1), 12)
    3.0
    """
    u, s, a0, b0 = finite("u", u), positive("s", s), finite("a0", a0), finite("b0", b0)
    tau, variance = positive("tau", tau), positive("input_variance", input_variance)
    broadcasting(u=u, s=s, a0=a0, b0=b0, tau=tau, input_variance=variance)
    s, tau = over_variance(s, tau, variance)
    stable = a0 + b0 == 0
    with np.errstate(over="ignore"):
        u = on_the_way("u", u, a0 * b0, np.where(stable, 0.0, s))
        unit, s, a0, b0 = _scaled(s, a0, b0)
        u = np.ldexp(u, -2 * unit)
    u0 = a0 * b0
    c = (a0 - b0) * (a0 + b0)
    r, top, start = np.hypot(c, 2 * s), 2 * s + np.hypot(c, 2 * s), (a0 + b0) ** 2
    now = np.hypot(c, 2 * u) + 2 * np.abs(u)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        now = np.where(u >= 0, now, c * (c / now))
        # |P - P0| and |P1 - P|, by way of the differences of u, without cancellation
        covered = 2 * np.abs(u - u0) * ((now + start) / (np.hypot(c, 2 * u) + np.hypot(c, 2 * u0)))
        left = 2 * np.abs(s - u) * ((now + top) / (np.hypot(c, 2 * u) + r))
        ratio, root = 2 * r * (covered / left), np.hypot(a0 + b0, c / np.sqrt(top))
        ahead = ratio / root / root  # where it overflows, its logarithm does not
        rising = np.where(np.isfinite(ahead), np.log1p(ahead), np.log(ratio) - 2 * np.log(root))
        falling = np.log1p(s / (s - u0) * ((u - u0) / np.abs(u)))
        progress = np.where(u == u0, 0.0, np.where(stable, falling, rising))
        return unwrap(np.ldexp(tau * (progress / r), -2 * unit))


def _scaled(s: Array, a0: Array, b0: Array) -> tuple[NDArray[np.int_], Array, Array, Array]:
    """Return an exponent, and s, a0 and b0 in units of two to this power in which s is about one."""
    unit = np.frexp(s)[1] // 2
    for name, layer in (("a0", a0), ("b0", b0)):
        size = np.abs(layer) / np.sqrt(s)
        outside = (size > _LARGEST) | ((size < _SMALLEST) & (layer != 0))
        if outside.any():
            wrong = np.broadcast_to(layer, outside.shape)[outside][0]
            raise ValueError(
                f"{name} was {wrong:g}; in units of sqrt(s / input_variance) "
                f"it must be zero or between {_SMALLEST:g} and {_LARGEST:g} in magnitude"
            )
    return unit, np.ldexp(s, -2 * unit), np.ldexp(a0, -unit), np.ldexp(b0, -unit)
