"""How signals and gradients pass through wide networks x' = g W phi(x): the theory of their variance."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from dlnlib._checks import Array, Nonlinearity, broadcasting, finite, odd, on_arrays, positive, refuse, shown, unwrap

__all__ = ["critical_gain", "fixed_variance", "gradient_gain", "tanh_slope", "variance_map"]

# Standard normal means of even functions by the trapezoid rule, whose error falls exponentially for smooth ones
_Z = np.linspace(0, 9, 1025)
_WEIGHTS = np.sqrt(2 / np.pi) * np.exp(-(_Z**2) / 2) * _Z[1] * np.where(_Z == 0, 0.5, 1.0)


def tanh_slope(x: ArrayLike) -> Array:
    """Return the slope of tanh, 1 - tanh(x)^2, with its digits where tanh is one but for rounding.

    Parameters
    ----------
    x : array_like

    Raises
    ------
    ValueError
        If `x` is not finite.

    Examples
    --------
    >>> tanh_slope([0.0, 1.0, 20.0])
    array([1.00000000e+00, 4.19974342e-01, 1.69934170e-17])
    """
    decay = np.exp(-2 * np.abs(finite("x", x)))
    return np.asarray(4 * decay / (1 + decay) ** 2)


def variance_map(q: ArrayLike, gain: ArrayLike, phi: Nonlinearity = np.tanh) -> Array | float:
    r"""Return the variance of the next layer of x' = g W phi(x), W orthogonal or Gaussian, for infinite width.

    .. math:: q' = g^2 \int \frac{\mathrm dz}{\sqrt{2\pi}}\, e^{-z^2/2}\, \phi(\sqrt q z)^2

    by the trapezoid rule from z = -9 to 9, to 1e-12 for tanh up to q = 400.

    Parameters
    ----------
    q, gain : array_like
        Variance of this layer's entries, zero or greater, and the factor g, positive.
    phi : callable
        An odd, smooth nonlinearity, applied to arrays.

    Raises
    ------
    ValueError
        If an argument is outside its range, `phi` is not odd, or so steep at this variance that the rule is not exact.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 4; Sompolinsky, Crisanti & Sommers (1988).

    Examples
    --------
    >>> round(variance_map(q=1.0, gain=1.0), 9)
    0.39429449
    """
    return _times_mean_square(odd(phi), q, gain)


def gradient_gain(q: ArrayLike, gain: ArrayLike, *, slope: Nonlinearity = tanh_slope) -> Array | float:
    r"""Return the mean squared singular value of a layer's Jacobian, chi = g^2 E[phi'(sqrt(q) z)^2].

    It is what the layer does to the mean square of a gradient.

    Parameters
    ----------
    q, gain : array_like
        As in `variance_map`.
    slope : callable
        phi', the slope of an odd, smooth nonlinearity, applied to arrays; that of tanh unless told.

    Raises
    ------
    ValueError
        As `variance_map`.

    References
    ----------
    Poole et al. (2016); Pennington, Schoenholz & Ganguli (2017).

    Examples
    --------
    >>> round(gradient_gain(q=0.0, gain=1.0), 12)
    1.0
    """
    return _times_mean_square(on_arrays("slope", slope), q, gain)


def critical_gain(phi: Nonlinearity = np.tanh) -> float:
    """Return 1 / phi'(0), the gain above which an odd, saturating nonlinearity no longer lets all signals die out.

    Saturating means here that phi(x) / x falls as x grows, so that small signals gain most. Then q' / q falls as q
    grows, and `variance_map` has a fixed point beside zero above this gain only, and only one.

    Parameters
    ----------
    phi : callable
        An odd, smooth nonlinearity, applied to arrays.

    Raises
    ------
    ValueError
        If `phi` is not odd, does not rise at 0, or phi(x) / x does not fall.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 4; Sompolinsky, Crisanti & Sommers (1988).

    Examples
    --------
    >>> round(critical_gain(lambda x: np.arctan(2 * x)), 9)
    0.5
    """
    # From so close that phi is straight, to three standard deviations of a signal of variance 400
    x = np.array([1e-6, *np.linspace(0.05, 60, 1200)])
    growth = odd(phi)(x) / x
    if growth[0] <= 0 or (np.diff(growth) > 1e-9 * growth[0]).any():
        raise ValueError(f"phi was {shown(phi)}; it must rise at 0, and phi(x) / x must fall as x grows")
    return float(1 / growth[0])


def fixed_variance(gain: float, phi: Nonlinearity = np.tanh) -> float:
    """Return the stable fixed point of `variance_map`: zero up to the critical gain, positive above it.

    Parameters
    ----------
    gain : float
        The factor g, positive.
    phi : callable
        An odd, smooth nonlinearity, applied to arrays, for which phi(x) / x falls as x grows.

    Raises
    ------
    ValueError
        As `variance_map` and `critical_gain`, and if the variance grows beyond 400, as it does if `phi` does not
        saturate.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 4 and figure 8.

    Examples
    --------
    >>> fixed_variance(0.9), round(fixed_variance(1.5), 6)
    (0.0, 0.793354)
    """
    gain = float(positive("gain", gain, ndim=0))
    if gain <= critical_gain(phi) * (1 + 1e-9):
        return 0.0

    def growth(log_q: float) -> float:
        return math.log(variance_map(math.exp(log_q), gain, phi)) - log_q

    high = 0.0
    while growth(high) > 0:
        high += 1
        if high > 6:
            raise ValueError(f"gain was {gain:g}; with this phi the variance has no fixed point below 400")
    # At the lowest end, of q = 1e-26, phi is straight.
    return math.exp(brentq(growth, -60.0, high, xtol=1e-13))


def _times_mean_square(f: Nonlinearity, q: ArrayLike, gain: ArrayLike) -> Array | float:
    """Return gain^2 E[f(sqrt(q) z)^2] for a standard normal z, f being phi or its slope."""
    q, gain = finite("q", q), positive("gain", gain)
    broadcasting(q=q, gain=gain)
    refuse(q < 0, "q", q, "zero or greater")
    square = f(np.sqrt(q)[..., None] * _Z) ** 2 * _WEIGHTS
    mean, coarse = square.sum(axis=-1), 2 * square[..., ::2].sum(axis=-1)
    # Every second node alone has about the root of the error.
    refuse(np.asarray(np.abs(mean - coarse) > 1e-6 * mean), "q", q, "smaller, or phi less steep, for 1025 nodes")
    return unwrap(gain**2 * mean)
