"""Weight decay: what of a mode survives it, at two layers and more."""

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, at_least, broadcasting, positive, unwrap

__all__ = ["decay_threshold", "decayed_strength"]


def decay_threshold(s: ArrayLike, depth: ArrayLike) -> Array | float:
    r"""Return the weight decay above which a mode of D equal layers has no minimum but zero.

    .. math:: \gamma_c = \frac{s D}{2D - 2} \left[ \frac{s (D - 2)}{2D - 2} \right]^{1 - 2/D}

    the largest gamma for which a^(D-2) (s - a^D) = gamma has a solution: s at two layers, where the minimum slides
    into zero; from three layers on, it vanishes at u = s (D - 2) / (2D - 2), and zero is a minimum at any gamma > 0.

    Parameters
    ----------
    s : array_like
        Singular value; positive.
    depth : array_like
        Number of weight matrices, a finite real number of at least two.

    Returns
    -------
    numpy.ndarray or float

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Ziyin, Li & Meng (2022); Ziyin & Ueda (2022) for the order of the transition.

    Examples
    --------
    >>> decay_threshold(2.0, [2, 3]).round(6)
    array([2.      , 1.190551])
    """
    s, depth = _mode(s, depth)
    return unwrap(s * depth / (2 * depth - 2) * (s * (depth - 2) / (2 * depth - 2)) ** (1 - 2 / depth))


def decayed_strength(s: ArrayLike, decay: ArrayLike, depth: ArrayLike = 2) -> Array | float:
    r"""Return the strength of a mode of D equal layers at its minimum under weight decay gamma, the largest u with

    .. math:: a^{D-2} (s - a^D) = \gamma, \qquad u = a^D,

    and zero beyond `decay_threshold`. For D = 2 this is the soft threshold (s - gamma)_+. The root is found by Newton's
    steps from above, which never overshoot: there the left side falls and is concave.

    Parameters
    ----------
    s : array_like
        Singular value; positive.
    decay : array_like
        Weight decay gamma; zero or positive.
    depth : array_like
        Number of weight matrices, a finite real number of at least two.

    Returns
    -------
    numpy.ndarray or float
        The strength. Near the threshold of three layers or more a double root, known to about 1e-8.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Ziyin, Li & Meng (2022).

    Examples
    --------
    >>> decayed_strength(2.0, [0.5, 1.19, 1.2, 2.1], depth=[[2], [3]]).round(4)
    array([[1.5   , 0.81  , 0.8   , 0.    ],
           [1.5698, 0.523 , 0.    , 0.    ]])
    """
    s, depth = _mode(s, depth)
    decay = at_least("decay", decay, 0)
    broadcasting(s=s, depth=depth, decay=decay)
    alive = decay <= decay_threshold(s, depth)
    a = np.where(alive, s ** (1 / depth), 1.0)
    for _ in range(60):  # at a double root each halves what is left
        slope = (depth - 2) * s * a ** (depth - 3) - (2 * depth - 2) * a ** (2 * depth - 3)
        step = (a ** (depth - 2) * (s - a**depth) - decay) / np.where(slope < 0, slope, -np.inf)
        a = a - np.where(alive, np.maximum(step, 0), 0)
    return unwrap(np.where(alive, a**depth, 0.0))


def _mode(s: ArrayLike, depth: ArrayLike) -> tuple[Array, Array]:
    s, depth = positive("s", s), at_least("depth", depth, 2)
    broadcasting(s=s, depth=depth)
    return s, depth
