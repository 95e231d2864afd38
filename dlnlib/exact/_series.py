"""The two power series behind the time of a mode, economised so that an array costs 2 x 21 steps of Horner's rule."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from scipy.special import digamma

from dlnlib._checks import Array

_TERMS = 50  # the argument is at most 1/2: the first term left out is below 2^-50 / 50
_DEGREE = 20  # the nearest singularity leaves Chebyshev coefficients that fall as 5.8^-k


def _economizer() -> Array:
    """Return the matrix from coefficients in z^n, 0 <= z <= 1/2, to those in (4z - 1)^k, k <= _DEGREE."""
    rows = np.zeros((_TERMS, _DEGREE + 1))
    for n in range(_TERMS):
        row = chebyshev.cheb2poly(chebyshev.poly2cheb(polynomial.polypow([0.25, 0.25], n))[: _DEGREE + 1])
        rows[n, : row.size] = row
    return rows.T


_ECONOMIZE = _economizer()


class Series:
    """L_(1+q) and R_(1+q) on [0, 1] for an array of q, with L_c(z) = sum_n z^(n+c) / (n+c) = R_c(z) - ln(1 - z).

    L is expanded about 0, and R about 1, where R_(1+q)(1 - y) = R_(1+q)(1) - sum_(k >= 1) (-q)_k y^k / (k k!).
    """

    def __init__(self, q: Array) -> None:
        self.q = q
        self.at_one = -digamma(1 + q) - np.euler_gamma
        distinct, self.which = np.unique(q, return_inverse=True)
        n = np.arange(_TERMS)[:, None]
        self.about_zero = _ECONOMIZE @ (1 / (n + 1 + distinct))
        self.about_one = _ECONOMIZE @ (np.cumprod((n - distinct) / (n + 1), axis=0) / (n + 1))

    def low(self, z: Array) -> Array:
        """Return L(z) for z <= 1/2."""
        return np.asarray(z ** (1 + self.q) * self._horner(self.about_zero, z))

    def high(self, y: Array) -> Array:
        """Return R(1 - y) for y <= 1/2."""
        return np.asarray(self.at_one - y * self._horner(self.about_one, y))

    def _horner(self, coefficients: Array, z: Array) -> Array:
        w = 4 * z - 1
        # Mostly all modes have one depth; a number is added faster than an array.
        one = coefficients.shape[1] == 1
        value = np.zeros(np.broadcast_shapes(w.shape, self.which.shape))
        for row in coefficients[::-1]:
            value *= w
            value += row[0] if one else row[self.which]
        return value
