"""One mode of a network with any number of unequal layers, by its conserved differences and one quadrature."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from dlnlib._checks import Array, finite, positive
from dlnlib.exact._arguments import at_least, over_variance
from dlnlib.exact._leg import Leg

_LONGEST = 1e250  # the factor by which a leg's own variable, exp(-v), can shrink


def layered_mode(t: ArrayLike, s: float, layers0: ArrayLike, tau: float = 1.0, *, input_variance: float = 1.0) -> Array:
    r"""Return the D layer strengths of a mode from any start, positive, negative or zero.

    .. math:: \tau \dot a_l = \Big(\prod_{j \neq l} a_j\Big) \Big(s - \lambda \prod_j a_j\Big)

    All differences a_i^2 - a_j^2 are conserved, so one number tells where the mode is: z, the strength of the layer
    that is smallest in magnitude, here with the sign that makes its growth positive. The others are
    a_l = sign(a_l) sqrt(z^2 + k_l), k_l >= 0, and with G(z) = prod_l sqrt(z^2 + k_l) over these others

    .. math:: t = \tau \int \frac{dz}{G(z)\,(s - \lambda z G(z))},

    one quadrature, which is inverted by Newton's iteration. The cases:

    - the product starts positive: all layers grow or shrink to the minimum, prod a = s / lambda;
    - it starts negative or zero, and one layer alone is smallest: this layer changes sign, then as above;
    - it starts negative, and the smallest magnitude is shared: the start lies on the stable manifold of a saddle, and
      all layers of this magnitude decay to zero;
    - two layers or more are zero: a saddle; nothing moves.

    Parameters
    ----------
    t : array_like
        Times, zero or positive, infinity allowed; any shape.
    s : float
        Singular value of the input-output correlation; positive.
    layers0 : array_like, shape (D,)
        Layer strengths at time zero.
    tau, input_variance : float
        Time constant and input variance lambda, as in `mode_strength`; positive.

    Returns
    -------
    numpy.ndarray, shape t.shape + (D,)
        Layer strengths.

    Raises
    ------
    ValueError
        If an argument is outside the range above, or layers and s are so extreme that a time exceeds the largest
        number, or that the smallest layer ends below the smallest number or 250 decades below its start.

    Notes
    -----
    The time of arrival at a given z is exact to rounding. After a plateau of length T, an error of rounding in T is
    one of about 1e-16 T / tau times the rate of the transition in the layers.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 2, has equal layers; the conserved differences are those of
    Arora, Cohen & Hazan (2018), Du, Hu & Lee (2018).

    Examples
    --------
    >>> layered_mode([0.0, 5.0, float("inf")], s=1.0, layers0=[0.5, -0.1, 0.8]).round(4)
    array([[ 0.5   , -0.1   ,  0.8   ],
           [ 0.991 ,  0.8614,  1.1713],
           [ 0.991 ,  0.8615,  1.1714]])
    """
    t, layers = at_least("t", t, 0), finite("layers0", layers0, ndim=1)
    variance = positive("input_variance", input_variance, ndim=0)
    s, tau = map(float, over_variance(positive("s", s, ndim=0), positive("tau", tau, ndim=0), variance))
    smallest = int(np.argmin(np.abs(layers)))
    others = np.delete(layers, smallest)
    sign = float(np.prod(np.sign(others)))
    z0 = sign * float(layers[smallest])
    # The square roots of k_l: none overflows, and beside a layer of zero they are the others as they are.
    sizes = np.abs(others)
    ratios = (sizes - abs(z0)) / np.where(sizes == 0, 1.0, sizes)
    offsets = sizes * np.sqrt(ratios * (2 - ratios))
    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            z = _smallest_layer(t.ravel() * (s / tau), z0, offsets, s)
    except ArithmeticError as error:
        given = ", ".join(f"{size:g}" for size in (s, np.abs(layers).min(), np.abs(layers).max()))
        raise ValueError(
            f"s / input_variance and the smallest and largest of layers0 were {given} at {layers.size} layers; "
            f"they must be less extreme, for {error}"
        ) from None
    strengths = np.empty((t.size, layers.size))
    strengths[:, smallest] = sign * z
    strengths[:, np.arange(layers.size) != smallest] = np.sign(others) * np.hypot(z[:, None], offsets)
    return strengths.reshape(*t.shape, layers.size)


def _smallest_layer(t: Array, z0: float, offsets: Array, s: float) -> Array:
    """Return z(t) for dz/dt = G(z) (1 - z G(z) / s), leg by leg."""
    if z0 <= 0 and (offsets == 0).any():
        ends = [0.0]
    else:
        ends = [0.0, _minimum(offsets, s)] if z0 < 0 else [_minimum(offsets, s)]
    z, start, left = np.full(t.shape, z0), z0, t
    for end in ends:
        if start == end:
            continue
        leg = _leg(start, end, offsets, s, until=float(np.max(left, where=np.isfinite(left), initial=0.0)))
        v = leg.position(np.maximum(left, 0.0))
        z = np.where(left > 0, start * np.exp(-v) - end * np.expm1(-v), z)
        start, left = end, left - leg.duration
    return z


def _minimum(offsets: Array, s: float) -> float:
    """Return the z > 0 with z G(z) = s."""

    def log_excess(z: float) -> float:
        return float(np.log(z) + np.log(np.hypot(z, offsets)).sum() - np.log(s))

    high = s ** (1 / (offsets.size + 1)) * (1 + 1e-9)
    low = high * math.exp(-log_excess(high)) * (1 - 1e-9)
    if not 0 < low <= high < math.inf:
        raise ArithmeticError("the smallest layer must not end below the smallest number")
    return float(brentq(log_excess, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=10_000))


def _leg(start: float, end: float, offsets: Array, s: float, until: float) -> Leg:
    """Return the leg of z from `start` to `end`, where z = 0 or z G(z) = s, in units of 1 / s."""
    if abs(start) > _LONGEST * end > 0:
        raise ArithmeticError("the smallest layer must not shrink that far")
    at_end = np.hypot(end, offsets)

    def time_per_v(v: Array) -> Array:
        remaining = np.exp(-v)
        z, distance = start * remaining - end * np.expm1(-v), (end - start) * remaining
        gain = np.hypot(z[..., None], offsets).prod(axis=-1)
        if end == 0:
            return np.asarray(distance / (1 - z / s * gain) / gain)
        # 1 - z G(z) / s by way of ln(z G(z) / s), which does not cancel where z approaches its end
        lost = np.minimum(distance[..., None] / at_end * ((z + end)[..., None] / at_end), 1.0)
        log_product = np.log1p(-lost).sum(axis=-1) / 2 + np.log1p(-(1 - start / end) * remaining)
        residual = np.where(log_product > 1, 1 - z / s * gain, -np.expm1(log_product))
        # Neither a large residual, far from the end, nor a small one near it makes these quotients overflow.
        far, near = distance / gain / residual, remaining / residual * (end - start) / gain
        return np.asarray(np.where(log_product > 1, far, near))

    return Leg(time_per_v, until)
