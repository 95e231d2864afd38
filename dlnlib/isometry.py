"""What a product of many layers does to the vectors that pass through it: spectra of random products, and their laws.

Factors are square matrices, the one that acts first coming first; they may come from a generator, one at a time.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.linalg import qr
from scipy.special import digamma

from dlnlib._checks import Array, each, finite, positive, positive_int, unwrap

__all__ = [
    "eigenvalue_cdf", "eigenvalues_in_square", "fuss_catalan_cdf", "fuss_catalan_density", "fuss_catalan_moment",
    "log_eigenvalues", "log_singular_values", "lyapunov_exponents",
]  # fmt: skip

_EXPONENT = 700.0  # of which the exponential is a number


def log_singular_values(factors: Iterable[ArrayLike]) -> Array:
    r"""Return the logarithms of the singular values of a product, largest first, the small as precise as the large.

    Formed as a matrix, a product of 100 Gaussian factors of width 1000 loses all but the first 16 of its 177 decades
    to rounding. Here it is kept as :math:`Q\,\mathrm{diag}(e^d)\,U`, by a QR decomposition for each factor: the
    range is all in the vector d, and U has entries of the order of one. Three more passes of QR from either side
    leave a matrix that couples neighbours only; its singular values are found in overlapping windows.

    Parameters
    ----------
    factors : iterable of (N, N) arrays
        Invertible.

    Returns
    -------
    (N,) array
        Precise to about the rounding error times the sum of the factors' condition numbers.

    Raises
    ------
    ValueError
        If there are no factors, their shapes differ, or one is singular: not by rounding only, but with a zero pivot.

    Examples
    --------
    >>> log_singular_values([np.diag([1.0, 1e-200])] * 3) / np.log(10)
    array([   0., -600.])
    """
    _, d, u, _ = _graded(factors)
    for _ in range(3 if np.ptp(d) > 8 else 0):
        # Q diag(e^d) L Q' has the singular values of (diag(e^d) L diag(e^-d)) diag(e^d): graded again, and closer.
        (r,) = qr(u.T, mode="r")
        (r,) = qr(_scaled(r.T, -d, -d), mode="r")
        before, d = d, d + np.log(np.abs(np.diag(r)))
        u = _scaled(r, d, before)
    order = np.argsort(-d)
    d, u = d[order], u[np.ix_(order, order)]
    result, first = np.empty_like(d), 0
    while first < len(d):
        top = d[first]
        end, low, high = np.searchsorted(-d, [4 - top, -top - 8, 12 - top], side="right")
        s = np.linalg.svdvals(u[low:high, low:high] * np.exp(d[low:high, None] - top))
        result[first:end] = top + np.log(s[first - low : end - low])
        first = end
    return result


def log_eigenvalues(factors: Iterable[ArrayLike]) -> NDArray[np.complex128]:
    """Return the logarithms of the eigenvalues of a product, the largest first: ``log |z| + i arg z``.

    The product is similar to a matrix whose rows shrink from top to bottom, made from the form that
    `log_singular_values` uses; the eigenvalues of such a matrix keep their relative precision. What is lost: the
    condition of an eigenvalue has no bound, so that single ones may be less precise than all singular values are;
    and what lies 300 decades below the largest singular value is returned as minus infinity.

    Parameters
    ----------
    factors : iterable of (N, N) arrays
        Invertible.

    Returns
    -------
    (N,) complex array
        The imaginary parts, from -pi to pi, are 0 or pi for real eigenvalues.

    Raises
    ------
    ValueError
        If there are no factors, their shapes differ, or one is singular: not by rounding only, but with a zero pivot.

    Examples
    --------
    >>> quarter_turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> logs = log_eigenvalues([2 * quarter_turn] * 3)
    >>> (logs.real / np.log(2)).round(6), np.sort(logs.imag / np.pi).round(6)
    (array([3., 3.]), array([-0.5,  0.5]))
    """
    q, d, u, pivots = _graded(factors)
    d, scale = d - d.max(), d.max()
    t = np.exp(d)[:, None] * (u[:, np.argsort(pivots)] @ q)
    for _ in range(3 if np.ptp(d) > 8 else 0):
        q, r = np.linalg.qr(t)
        t = r @ q
    half = np.exp(np.maximum(d, -690.0) / 2)
    with np.errstate(divide="ignore"):
        z = np.log(np.linalg.eigvals(t / half[:, None] * half).astype(complex)) + scale
    return np.asarray(z[np.argsort(-z.real, kind="stable")])


def fuss_catalan_density(x: ArrayLike, n: int) -> Array | float:
    r"""Return the density of the squared singular values x of n factors with independent entries of variance 1/N.

    .. math::
        x = \frac{\sin^{n+1}((n+1)\varphi)}{\sin\varphi\, \sin^n(n\varphi)}, \qquad
        \rho = \frac{\sin^2\varphi\, \sin^{n-1}(n\varphi)}{\pi \sin^n((n+1)\varphi)}, \qquad
        0 < \varphi < \frac{\pi}{n+1}

    The law of Fuss and Catalan, for N to infinity: from 0, where it is infinite, to :math:`(n+1)^{n+1}/n^n`. At n = 1
    it is that of Marchenko and Pastur.

    Parameters
    ----------
    x : array_like
        Squared singular values; the density is zero where there are none.
    n : int
        Number of factors.

    Returns
    -------
    numpy.ndarray or float

    Raises
    ------
    ValueError
        If `x` is not finite, or `n` not a whole number of at least one.

    References
    ----------
    Penson & Zyczkowski (2011); in this form, Haagerup & Moller (2013).

    Examples
    --------
    >>> math.isclose(fuss_catalan_density(1.0, n=1), math.sqrt(3) / (2 * math.pi))
    True
    """
    x, theta, phi = _angles(x, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = 2 * np.log(np.sin(phi)) + (n - 1) * np.log(np.sin(n * phi)) - n * np.log(np.sin(theta))
    inside = np.exp(np.where(theta > 0, log, np.inf)) / np.pi
    return unwrap(np.where((x < 0) | (theta >= np.pi), 0.0, inside))


def fuss_catalan_cdf(x: ArrayLike, n: int) -> Array | float:
    r"""Return the fraction of the squared singular values that lie below x: the integral of `fuss_catalan_density`.

    .. math::
        F = \frac1\pi \left( \theta + \frac{n \sin\varphi\, \sin\theta}{\sin n\varphi} \right), \qquad
        \theta = \pi - (n + 1) \varphi

    Parameters
    ----------
    x : array_like
        Squared singular values.
    n : int
        Number of factors.

    Returns
    -------
    numpy.ndarray or float
        From 0 to 1.

    Raises
    ------
    ValueError
        If `x` is not finite, or `n` not a whole number of at least one.

    Examples
    --------
    >>> math.isclose(fuss_catalan_cdf(1.0, n=1), 1 / 3 + math.sqrt(3) / (2 * math.pi))
    True
    """
    _, theta, phi = _angles(x, n)
    with np.errstate(invalid="ignore"):
        cdf = (theta + n * np.sin(phi) * np.sin(theta) / np.sin(n * phi)) / np.pi
    return unwrap(np.where(theta >= np.pi, 1.0, cdf))


def fuss_catalan_moment(k: int, n: int) -> int:
    r"""Return the mean of :math:`x^k` under `fuss_catalan_density`, :math:`\binom{(n+1)k}{k} / (nk + 1)`.

    Parameters
    ----------
    k, n : int
        The power, and the number of factors; at least one.

    Returns
    -------
    int
        Exact.

    Raises
    ------
    ValueError
        If an argument is not a whole number of at least one.

    References
    ----------
    Penson & Zyczkowski (2011).

    Examples
    --------
    >>> [fuss_catalan_moment(k, n=1) for k in (1, 2, 3, 4)]  # the Catalan numbers
    [1, 2, 5, 14]
    """
    k, n = positive_int("k", k), positive_int("n", n)
    return math.comb((n + 1) * k, k) // (n * k + 1)


def eigenvalue_cdf(r: ArrayLike, n: int) -> Array | float:
    """Return the fraction of eigenvalues with ``|z| < r`` for n Gaussian factors, N to infinity: r^(2/n) up to r = 1.

    All angles are equally likely.

    Parameters
    ----------
    r : array_like
        Radius; below zero as at zero.
    n : int
        Number of factors.

    Returns
    -------
    numpy.ndarray or float
        From 0 to 1.

    Raises
    ------
    ValueError
        If `r` is not finite, or `n` not a whole number of at least one.

    References
    ----------
    Burda, Janik & Waclaw (2010); Gotze & Tikhomirov (2010).

    Examples
    --------
    >>> eigenvalue_cdf([0.25, 1.0, 2.0], n=4)
    array([0.5, 1. , 1. ])
    """
    r, n = finite("r", r), positive_int("n", n)
    return unwrap(np.clip(r, 0, 1) ** (2 / n))


def eigenvalues_in_square(side: float, n: int) -> float:
    """Return the fraction of the same eigenvalues in a square of this side, centred at the origin.

    Parameters
    ----------
    side : float
        Positive.
    n : int
        Number of factors.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If `side` is not positive, or `n` not a whole number of at least one.

    Examples
    --------
    >>> [round(100 * eigenvalues_in_square(0.1, n), 1) for n in (1, 5, 100)]
    [0.3, 31.6, 94.4]
    """
    half, n = float(positive("side", side, ndim=0)) / 2, positive_int("n", n)
    # In an eighth of the turn the square's edge is at radius half / cos(angle), up to where it leaves the unit disc.
    leaves = min(math.acos(min(half, 1.0)), math.pi / 4)
    within = quad(lambda angle: (half / math.cos(angle)) ** (2 / n), 0, leaves, epsabs=0)[0]
    return float((within + (math.pi / 4 - leaves)) * 4 / math.pi)


def lyapunov_exponents(width: int) -> Array:
    r"""Return the limits of log(singular value) / n for n to infinity, for Gaussian factors of variance 1 / width.

    .. math:: \lambda_i = \tfrac12 \left[ \psi((N - i + 1)/2) + \ln(2/N) \right], \qquad i = 1, \dots, N

    Their sum is, for any n, the exact mean of ``log |det| / n``.

    Parameters
    ----------
    width : int
        Size N of the factors.

    Returns
    -------
    (width,) array
        The largest first.

    Raises
    ------
    ValueError
        If `width` is not a whole number of at least one.

    References
    ----------
    Newman (1986).

    Examples
    --------
    >>> lyapunov_exponents(2).round(3)
    array([-0.289, -0.982])
    """
    n = positive_int("width", width)
    return np.asarray((digamma(np.arange(n, 0, -1) / 2) + math.log(2 / n)) / 2)


def _graded(factors: Iterable[ArrayLike]) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    """Return q, d, u, pivots of the product q diag(e^d) u P^T: q orthogonal, u triangular with diagonal +-1."""
    shape: tuple[int, ...] | None = None
    for name, factor in each("factors", factors):
        a = finite(name, factor, ndim=2)
        if a.shape[0] != a.shape[1] or a.shape != (shape or a.shape):
            raise ValueError(f"{name} had shape {a.shape}; all factors must be square matrices of one size")
        if shape is None:
            shape = a.shape
            q, r, pivots = qr(a, pivoting=True)  # sorts the rows of u, as far as one factor can
            d, u = np.zeros(len(a)), np.eye(len(a))
        else:
            q, r = np.linalg.qr(a @ q)
        diagonal = np.abs(np.diag(r))
        if (diagonal == 0).any():
            raise ValueError(f"{name} was singular; logarithms need factors that can be inverted")
        before, d = d, d + np.log(diagonal)
        u = _scaled(r, d, before) @ u
    if shape is None:
        raise ValueError("factors was empty; it must hold at least one matrix")
    return q, d, u, pivots


def _scaled(a: Array, rows: Array, columns: Array) -> Array:
    """Return diag(e^-rows) a diag(e^columns)."""
    # Below the diagonal, where the exponent may be anything, a is zero.
    return a * np.exp(np.clip(columns - rows[:, None], -_EXPONENT, _EXPONENT))


def _angles(x: ArrayLike, n: int) -> tuple[Array, Array, Array]:
    """Return x, theta = pi - (n + 1) phi and phi; theta is 0 below the support and pi above it."""
    x, n = finite("x", x), positive_int("n", n)
    with np.errstate(divide="ignore"):
        target = np.log(np.maximum(x, 0))
    low, high = np.full(x.shape, -700.0), np.full(x.shape, 40.0)  # of log(theta / (pi - theta)); 40 is pi
    for _ in range(70):
        middle = (low + high) / 2
        theta, phi = np.pi / (1 + np.exp(-middle)), np.pi / (1 + np.exp(middle)) / (n + 1)
        sine = np.sin(np.minimum(theta, (n + 1) * phi))
        below = (n + 1) * np.log(sine) - np.log(np.sin(phi)) - n * np.log(np.sin(n * phi)) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return x, np.where(x > 0, theta, 0.0), phi
