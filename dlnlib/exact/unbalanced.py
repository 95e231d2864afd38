"""One mode of a two-layer network whose layers are unequal, in closed form."""

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, at_least, at_unit_variance, finite, on_the_way, unwrap

__all__ = ["unbalanced_mode", "unbalanced_time"]


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
        Layer strengths at time zero.
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
    t, a0, b0 = at_least("t", t, 0, infinite=True), finite("a0", a0), finite("b0", b0)
    s, tau = at_unit_variance(s, tau, input_variance, t=t, a0=a0, b0=b0)
    p0, n0 = a0 + b0, a0 - b0
    c = p0 * n0
    r = np.hypot(c, 2 * s)
    top, bottom = 2 * s + r, c / (2 * s + r) * c  # P1, and c^2 / P1 = r - 2s
    with np.errstate(over="ignore"):
        fall, rise = np.exp(-r / tau * t), -np.expm1(-r / tau * t)
    above, below = top + bottom * fall + n0**2 * rise, p0**2 * rise + bottom + top * fall
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.sqrt(above / below)
        p, n = np.where(p0 == 0, 0.0, p0 * growth), n0 / growth
        # Half of p - n or p + n, written so that it keeps its digits where it is a small difference of the two
        lead, follow = np.where(c > 0, n0, -n0), np.where(c > 0, b0, a0)
        kept = 2 * s * (1 + 2 * s / (r + np.abs(c))) + (bottom + np.abs(c)) * fall  # P1 + (r - 2s) E - |c| (1 - E)
        small = (follow * kept + 2 * s * lead * rise) / np.sqrt(above * below)
    close = (np.abs(p) < 2 * np.abs(n)) & (np.abs(n) < 2 * np.abs(p))
    a = np.where(close & (c <= 0), small, (p + n) / 2)
    b = np.where(close & (c > 0), small, (p - n) / 2)
    return unwrap(a), unwrap(b)


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
    u, a0, b0 = finite("u", u), finite("a0", a0), finite("b0", b0)
    s, tau = at_unit_variance(s, tau, input_variance, u=u, a0=a0, b0=b0)
    u0, c = a0 * b0, (a0 - b0) * (a0 + b0)
    stable = a0 + b0 == 0
    u = on_the_way("u", u, u0, np.where(stable, 0.0, s))
    r, now, before = (np.hypot(c, 2 * strength) for strength in (s, u, u0))
    start, top = (a0 + b0) ** 2, 2 * s + r
    with np.errstate(divide="ignore", invalid="ignore"):
        here = np.where(u < 0, c * (c / (now - 2 * u)), now + 2 * u)  # P at u
        covered, left = np.abs(u - u0) * (here + start) / (now + before), np.abs(s - u) * (here + top) / (now + r)
        rising = np.log1p(2 * r * covered / (left * (start + c / top * c))) / r
        falling = np.log1p(s * (u - u0) / ((s - u0) * np.abs(u))) / (2 * s)
        return unwrap(np.where(u == u0, 0.0, tau * np.where(stable, falling, rising)))
