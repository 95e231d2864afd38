"""One mode of a network with any number of unequal layers, by its conserved differences and one integral."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, at_least, at_unit_variance, finite
from dlnlib.exact._clock import Clock

__all__ = ["layered_mode"]

_AT_ONCE = 64  # modes, so that their tables stay in the processor's cache
_LAST = 40.0  # the logit at which a double has arrived


def layered_mode(
    t: ArrayLike, s: ArrayLike, layers0: ArrayLike, tau: ArrayLike = 1.0, *, input_variance: ArrayLike = 1.0
) -> Array:
    r"""Return the D layer strengths of a mode from any start, positive, negative or zero.

    .. math:: \tau \dot a_l = \Big(\prod_{j \neq l} a_j\Big) \Big(s - \lambda \prod_j a_j\Big)

    Take lambda = 1 (otherwise s / lambda and tau / lambda take the place of s and tau). All differences a_i^2 - a_j^2
    are conserved, so one number tells where the mode is: z, the strength of the layer that is smallest in magnitude,
    with the sign that makes its growth positive. The others are a_l = sign(a_l) sqrt(z^2 + k_l), k_l >= 0, and with
    G(z) = prod_l sqrt(z^2 + k_l) over these others

    .. math:: t = \tau \int \frac{dz}{G(z)\,(s - z G(z))},

    one integral, tabulated once for each mode and inverted at all times. The cases:

    - the product starts positive: all layers grow or shrink to the minimum, prod a = s;
    - it starts negative or zero, and one layer alone is smallest: this layer changes sign, then as above;
    - it starts negative, and the smallest magnitude is shared: the start lies on the stable manifold of a saddle, and
      all layers of this magnitude decay to zero;
    - two layers or more are zero: a saddle; nothing moves.

    Parameters
    ----------
    t : array_like
        Times, zero or positive, infinity allowed.
    s : array_like
        Singular value of the input-output correlation; positive.
    layers0 : array_like, shape (..., D)
        Layer strengths at time zero.
    tau, input_variance : array_like
        Time constant and input variance lambda, as in `mode_strength`; positive.

    Returns
    -------
    numpy.ndarray, shape (..., D)
        Layer strengths; the leading axes are those to which t, s, tau, input_variance and those of layers0 broadcast.

    Raises
    ------
    ValueError
        If an argument is outside the range above, or layers are so far from the minimum that no double holds the time
        from there.

    Notes
    -----
    After a plateau of length T, an error of rounding in T is one of about 1e-16 T / tau times the rate of the
    transition in the layers.

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
    >>> layered_mode(t=3.0, s=[1.0, 2.0], layers0=np.full((2, 4), 0.7)).prod(axis=-1).round(4)
    array([0.9999, 2.    ])
    """
    t, layers = at_least("t", t, 0, infinite=True), finite("layers0", layers0)
    if layers.ndim == 0 or layers.shape[-1] == 0:
        raise ValueError(f"layers0 had shape {layers.shape}; its last axis must hold at least one layer")
    s, tau = at_unit_variance(s, tau, input_variance, t=t, layers0=layers[..., 0])
    modes = np.broadcast_shapes(s.shape, tau.shape, layers.shape[:-1])
    shape = np.broadcast_shapes(t.shape, modes)
    if 0 in shape:
        return np.empty((*shape, layers.shape[-1]))
    modes = (1,) * (len(shape) - len(modes)) + modes
    # A row for each mode, in units in which s is one: the axes along which modes differ first, time's alone last
    order = sorted(range(len(shape)), key=lambda axis: modes[axis] == 1)
    depth, end = layers.shape[-1], np.broadcast_to(s, modes).ravel()
    unit, rate = end ** (1 / depth), end ** (2 - 2 / depth) / np.broadcast_to(tau, modes).ravel()
    starts = np.broadcast_to(layers, (*modes, depth)).reshape(-1, depth) / unit[:, None]
    with np.errstate(over="ignore"):
        times = np.broadcast_to(t, shape).transpose(order).reshape(len(starts), -1) * rate[:, None]
    rows = np.array_split(np.arange(len(starts)), len(starts) // _AT_ONCE + 1)
    found = np.concatenate([unit[some, None, None] * _strengths(times[some], starts[some]) for some in rows])
    return np.moveaxis(found.reshape(*(shape[axis] for axis in order), depth), range(len(shape)), order)


def _strengths(t: Array, layers: Array) -> Array:
    """Return the layer strengths, shape (modes, times, D), for t of shape (modes, times) and s = lambda = tau = 1."""
    rows, smallest = np.arange(len(layers)), np.argmin(np.abs(layers), axis=1)
    sizes, sign = np.abs(layers), np.where(layers < 0, -1.0, 1.0)
    sign[rows, smallest] *= sign.prod(axis=1)  # the sign of the product of the others
    z0 = (sign * layers)[rows, smallest]
    k = (sizes - np.abs(z0)[:, None]) * (sizes + np.abs(z0)[:, None])
    z = _smallest_layer(t, z0, np.sort(k, axis=1)[:, 1:])
    strengths = np.sqrt(z[..., None] ** 2 + k[:, None])
    strengths[rows, :, smallest] = z
    return np.asarray(sign[:, None] * strengths)


def _smallest_layer(t: Array, z0: Array, k: Array) -> Array:
    """Return z(t) for dz/dt = G(z) (1 - z G(z)); k, ascending, belong to the other layers."""
    end, shared = _minimum(k), 1 + np.count_nonzero(k == 0, axis=1)
    # From below zero to half of `scale` beyond it, or to half of it before the saddle, where it is as good as zero
    scale = np.where(shared > 1, np.exp(-np.minimum(100, 600 / shared)), np.minimum(end, k.min(1, initial=1) ** 0.5))
    stop = np.where(shared > 1, -scale / 2, scale / 2)
    z, left, start = np.repeat(z0[:, None], t.shape[1], axis=1), t.copy(), z0.copy()
    below = (z0 < 0) | ((z0 == 0) & (shared == 1))
    if below.any():
        z[below], duration = _cross(t[below], z0[below], k[below], scale[below], stop[below])
        left[below], start[below] = t[below] - duration[:, None], np.maximum(stop[below], 0)
    settling = start > 0
    if settling.any():
        settled = _settle(left[settling], start[settling], k[settling], end[settling])
        z[settling] = np.where(left[settling] > 0, settled, z[settling])
    return np.where((left >= 0) & (start == 0)[:, None] & (z0 < 0)[:, None], 0.0, z)


def _minimum(k: Array) -> Array:
    """Return the z with z G(z) = 1. In ln z this is convex, so that Newton's steps from above never overshoot."""
    log_z, before = np.zeros(len(k)), np.full(len(k), np.inf)
    while (log_z < before).any():
        squares = np.exp(2 * log_z)[:, None]
        excess = log_z + np.log(squares + k).sum(axis=1) / 2
        before, log_z = log_z, np.minimum(log_z, log_z - excess / (1 + (squares / (squares + k)).sum(axis=1)))
    return np.asarray(np.exp(log_z))


def _settle(t: Array, z0: Array, k: Array, end: Array) -> Array:
    """Return z(t) on the way to the minimum, `end`, from above or below; by the logit of xi = (z / end)^(+-D)."""
    depth, way = k.shape[1] + 1, np.where(z0 <= end, 1.0, -1.0)
    log_xi0 = -depth * np.abs(np.log(z0 / end))
    with np.errstate(divide="ignore"):
        logit0 = np.minimum(log_xi0 - np.log(-np.expm1(log_xi0)), _LAST - 1)
    shares = k / (end[:, None] ** 2 + k)
    unit = np.where(way > 0, 2, 1)  # logits to a panel: from above the motion is as fast as xi^-2

    def pace(y: Array) -> Array:
        logit = y * unit[:, None, None]
        log_xi = -_softplus(-logit)
        log_square = (2 * way / depth)[:, None, None] * log_xi  # of z / end
        square, rise = np.exp(log_square), np.expm1(log_square)
        # The square of z G(z), and what it lacks from one: a product and, kept by itself, its difference
        product, lack = square, rise
        for share in shares.T[..., None, None]:
            factor = share + (1 - share) * square
            product, lack = product * factor, lack * factor + (1 - share) * rise
        gone = np.sqrt(product)
        speed = (depth / unit / end**2)[:, None, None] * gone * np.abs(lack) / (1 + gone)
        return np.asarray(square * np.exp(log_xi - logit) / speed)

    logit = _clock(pace, logit0 / unit, _LAST / unit).position(t) * unit[:, None]
    return np.asarray(end[:, None] * np.exp((-way / depth)[:, None] * _softplus(-logit)))


def _cross(t: Array, z0: Array, k: Array, scale: Array, stop: Array) -> tuple[Array, Array]:
    """Return z(t) from z0 <= 0 to `stop`, and how long it takes; by y with z = scale sinh(y / D)."""
    depth, size = k.shape[1] + 1, scale[:, None, None]

    def pace(y: Array) -> Array:
        z = size * np.sinh(y / depth)
        gain = np.prod([np.sqrt(z**2 + other) for other in k.T[..., None, None]], axis=0)
        return np.asarray(size * np.cosh(y / depth) / depth / (gain * (1 - z * gain)))

    clock = _clock(pace, depth * np.arcsinh(z0 / scale), depth * np.arcsinh(stop / scale))
    return scale[:, None] * np.sinh(clock.position(t) / depth), clock.duration


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _clock(pace: Callable[[Array], Array], start: Array, stop: Array) -> Clock:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        clock = Clock(pace, start, stop)
    if not np.isfinite(clock.duration).all():
        raise ValueError("layers0 were so far from the minimum that no double holds the time from there")
    return clock
