"""One mode of a network with any number of unequal layers, by its conserved differences and one quadrature."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from dlnlib._checks import Array, finite, positive
from dlnlib.exact._arguments import at_least
from dlnlib.exact._leg import Leg


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
        If an argument is outside the range above.

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
    variance = float(positive("input_variance", input_variance, ndim=0))
    s, tau = float(positive("s", s, ndim=0)) / variance, float(positive("tau", tau, ndim=0)) / variance
    # In units of tau, and of a layer strength 2^unit, none is large: nothing overflows on the way.
    depth, largest = layers.size, max(float(np.abs(layers).max()), s ** (1 / layers.size))
    unit = round(min(math.log2(largest), (math.log2(s) + 1000) / depth))
    with np.errstate(over="ignore", under="ignore"):
        t, s, layers = np.ldexp(t / tau, unit * (2 * depth - 2)), math.ldexp(s, -unit * depth), np.ldexp(layers, -unit)
    smallest = int(np.argmin(np.abs(layers)))
    others = np.delete(layers, smallest)
    sign = float(np.prod(np.sign(others)))
    z0 = sign * float(layers[smallest])
    offsets = (np.abs(others) - abs(z0)) * (np.abs(others) + abs(z0))
    z = _smallest_layer(t.ravel(), z0, offsets, s)
    strengths = np.empty((t.size, layers.size))
    strengths[:, smallest] = sign * z
    strengths[:, np.arange(layers.size) != smallest] = np.sign(others) * np.sqrt(z[:, None] ** 2 + offsets)
    return np.ldexp(strengths.reshape(*t.shape, depth), unit)


def _smallest_layer(t: Array, z0: float, offsets: Array, s: float) -> Array:
    """Return z(t) for dz/dt = G(z) (s - z G(z)), leg by leg."""
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
        return float(np.log(z) + np.log(z * z + offsets).sum() / 2 - np.log(s))

    high = s ** (1 / (offsets.size + 1)) * (1 + 1e-9)
    low = s / float(np.prod(np.sqrt(high**2 + offsets))) * (1 - 1e-9)
    return float(brentq(log_excess, low, high, xtol=1e-300, rtol=8.9e-16))


def _leg(start: float, end: float, offsets: Array, s: float, until: float) -> Leg:
    """Return the leg of z from `start` to `end`, where z = 0 or z G(z) = s."""

    def time_per_v(v: Array) -> Array:
        z, distance = start * np.exp(-v) - end * np.expm1(-v), (end - start) * np.exp(-v)
        squares = z[..., None] ** 2 + offsets
        gain = np.sqrt(squares).prod(axis=-1)
        if end == 0:
            residual = s - z * gain
        else:  # by way of ln(z G(z) / s), which does not cancel where z approaches its end
            with np.errstate(divide="ignore"):  # ln 0 is meant where z = 0
                others = np.log1p(-(distance * (z + end))[..., None] / (end**2 + offsets)).sum(axis=-1) / 2
                residual = -s * np.expm1(others + np.log1p(-distance / end))
        return np.asarray(distance / (gain * residual))

    return Leg(time_per_v, until)
