"""The critical points of a two-layer network: which there are, how high they lie and how many ways lead down."""

from collections.abc import Iterable
from itertools import accumulate, combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, each, positive_int, shown, squarable, two_layers

__all__ = ["CriticalFamily", "critical_families", "critical_point", "hessian"]

_MOST_FAMILIES = 1_000_000
_GIVEN = "sigma_yx_or_singular_values"


class CriticalFamily(NamedTuple):
    """A family of critical points: the modes whose strength is s, the others having none.

    Attributes
    ----------
    kept : tuple of int
        The modes whose strength is s, by number.
    excess_loss : float
        Loss above that of the best linear map, half the sum of the dropped s^2.
    hessian_index : int
        Number of negative eigenvalues of the Hessian; 0 for global minima alone (several families if s are equal).

    Examples
    --------
    >>> saddle, minimum = critical_families([3.0], hidden=1)
    >>> saddle.kept, saddle.excess_loss, saddle.hessian_index, minimum.kept
    ((), 4.5, 1, (0,))
    """

    kept: tuple[int, ...]
    excess_loss: float
    hessian_index: int


def critical_families(sigma_yx_or_singular_values: ArrayLike, hidden: int) -> list[CriticalFamily]:
    r"""Return every family of critical points of a two-layer network on whitened input.

    At a critical point of L = ||Sigma_yx - W_2 W_1||^2 / 2 (up to a constant) the map W_2 W_1 is the sum of
    s_a u_a v_a^T over a set K of at most min(hidden, rank) modes, and any such set will do. Second-order variations
    along the fluctuations of one mode at a time leave 2 x 2 blocks:

    - a kept mode a, whose hidden unit also takes on a dropped mode b, has the curvatures s_a +- s_b;
    - a hidden unit that no mode uses has the curvatures +- s_b along each dropped mode b.

    So, with k modes in K,

    .. math:: \mathrm{index} = \#\{(a, b): a \in K,\ b \notin K,\ s_b > s_a\}
              + (\mathrm{hidden} - k)\ \#\{b \notin K: s_b > 0\},

    which is zero only if K holds min(hidden, rank) modes and no dropped one is stronger: every other family is made
    of strict saddles.

    Parameters
    ----------
    sigma_yx_or_singular_values : array_like, shape (n_out, n_in) or (n_modes,)
        Input-output correlation, or its singular values. Values that rounding cannot tell from zero are no modes.
    hidden : int
        Number of hidden units.

    Returns
    -------
    list of CriticalFamily
        By number of modes kept, and from strong modes to weak. Modes count from 0 in the order of descending
        singular value, or that of the given values. Equal values: sets of them stand for the continuum between them.

    Raises
    ------
    ValueError
        If an argument is outside the range above, or there are more than a million families.

    Notes
    -----
    The index is that at `critical_point`, where the unused hidden units have zero weights.

    References
    ----------
    Baldi & Hornik (1989); Saxe, McClelland & Ganguli (2014), section 1.2.

    Examples
    --------
    >>> for family in critical_families([3.0, 2.0, 1.0], hidden=2):
    ...     print(*family)
    () 7.0 6
    (0,) 2.5 2
    (1,) 5.0 3
    (2,) 6.5 4
    (0, 1) 0.5 0
    (0, 2) 2.0 1
    (1, 2) 4.5 2
    """
    hidden, (_, s) = positive_int("hidden", hidden), _singular_values(sigma_yx_or_singular_values)
    modes = [int(mode) for mode in np.flatnonzero(s > _threshold(s))]
    sizes = range(min(hidden, len(modes)) + 1)
    if any(count > _MOST_FAMILIES for count in accumulate(comb(len(modes), size) for size in sizes)):
        raise ValueError(
            f"{_GIVEN} had {len(modes)} modes for {hidden} hidden units; families must be at most {_MOST_FAMILIES:,}"
        )
    return [_family(s[modes], modes, kept, hidden) for size in sizes for kept in combinations(range(len(modes)), size)]


def critical_point(sigma_yx_or_singular_values: ArrayLike, kept: Iterable[int], hidden: int) -> tuple[Array, Array]:
    r"""Return balanced weights (w1, w2) at the critical point that keeps the modes `kept`.

    Hidden unit h carries the h-th kept mode: column h of W_2 is sqrt(s) u, row h of W_1 is sqrt(s) v^T. Unused hidden
    units have zero weights. For given singular values u and v are the unit vectors.

    Parameters
    ----------
    sigma_yx_or_singular_values : array_like, shape (n_out, n_in) or (n_modes,)
        As in `critical_families`.
    kept : iterable of int
        Modes, at most `hidden` of them, no two the same.
    hidden : int
        Number of hidden units.

    Returns
    -------
    w1 : numpy.ndarray, shape (hidden, n_in)
    w2 : numpy.ndarray, shape (n_out, hidden)

    Raises
    ------
    ValueError
        If there are more modes than hidden units, or a mode does not exist.

    References
    ----------
    Baldi & Hornik (1989); Saxe, McClelland & Ganguli (2014), section 1.2.

    Examples
    --------
    >>> w1, w2 = critical_point([4.0, 1.0], kept=[1], hidden=2)
    >>> w2 @ w1
    array([[0., 0.],
           [0., 1.]])
    """
    hidden, (given, s) = positive_int("hidden", hidden), _singular_values(sigma_yx_or_singular_values)
    modes = [mode for _, mode in each("kept", kept)]
    u, vt = np.eye(s.size), np.eye(s.size)
    if given.ndim == 2:
        u, _, vt = np.linalg.svd(given)
    whole = all(isinstance(mode, (int, np.integer)) and not isinstance(mode, bool) for mode in modes)
    if not whole or len({*modes}) != len(modes) or not {*modes} <= {*range(s.size)} or len(modes) > hidden:
        raise ValueError(f"kept was {modes}; it must name at most {hidden} different modes out of 0 ... {s.size - 1}")
    w1, w2 = np.zeros((hidden, len(vt))), np.zeros((len(u), hidden))
    w1[: len(modes)] = np.sqrt(s[modes])[:, None] * vt[modes]
    w2[:, : len(modes)] = u[:, modes] * np.sqrt(s[modes])
    return w1, w2


def hessian(sigma_yx: ArrayLike, w1: ArrayLike, w2: ArrayLike) -> Array:
    r"""Return the Hessian of L = ||Sigma_yx - W_2 W_1||^2 / 2 in all weights, ``[w1.ravel(), w2.ravel()]``.

    Its blocks are W_2^T W_2 (x) I, I (x) W_1 W_1^T and, with the residual R = Sigma_yx - W_2 W_1,
    d^2 L / dW_1[h, i] dW_2[o, k] = W_2[o, h] W_1[k, i] - R[o, i] [h = k].

    Parameters
    ----------
    sigma_yx : array_like, shape (n_out, n_in)
        Input-output correlation.
    w1 : array_like, shape (n_hidden, n_in)
        First weight matrix, at any point, critical or not.
    w2 : array_like, shape (n_out, n_hidden)
        Second weight matrix.

    Returns
    -------
    numpy.ndarray, shape (n, n) with n = n_hidden (n_in + n_out)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Baldi & Hornik (1989) for the critical points at which `critical_families` counts its negative eigenvalues.

    Examples
    --------
    >>> w1, w2 = critical_point([2.0, 1.0], kept=[1], hidden=1)
    >>> np.linalg.eigvalsh(hessian(np.diag([2.0, 1.0]), w1, w2)).round(6)
    array([-1.,  0.,  2.,  3.])
    """
    sigma, first, second = two_layers("sigma_yx", sigma_yx, squarable("w1", w1), squarable("w2", w2))
    (n_out, n_in), hidden = sigma.shape, first.shape[0]
    residual, of_first, of_second = sigma - second @ first, first @ first.T, second.T @ second
    mixed = np.einsum("oh,ki->hiok", second, first) - np.einsum("oi,hk->hiok", residual, np.eye(hidden))
    mixed = mixed.reshape(hidden * n_in, n_out * hidden)
    return np.block([[np.kron(of_second, np.eye(n_in)), mixed], [mixed.T, np.kron(np.eye(n_out), of_first)]])


def _singular_values(given: ArrayLike) -> tuple[Array, Array]:
    """Return a matrix or singular values as an array, and its singular values, or those that are given."""
    values = squarable(_GIVEN, given)
    if values.ndim not in (1, 2) or not values.size or (values.ndim == 1 and values.min() < 0):
        raise ValueError(
            f"{_GIVEN} was {shown(given)}; it must be a matrix or singular values, zero or positive, and not empty"
        )
    return values, np.asarray(np.linalg.svdvals(values)) if values.ndim == 2 else values


def _threshold(s: Array) -> float:
    """Return the size up to which a singular value may be due to rounding, that of making the matrix included."""
    return float(10 * s.size * np.finfo(np.float64).eps * s.max(initial=0.0))


def _family(s: Array, modes: list[int], kept: tuple[int, ...], hidden: int) -> CriticalFamily:
    inside, dropped = s[list(kept)], np.delete(s, kept)
    index = int((dropped > inside[:, None] + _threshold(s)).sum()) + (hidden - len(kept)) * dropped.size
    return CriticalFamily(tuple(modes[i] for i in kept), float(dropped @ dropped) / 2, index)
