"""A whole two-layer network from any balanced start: no alignment between the start and the task is needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnlib._checks import Array, finite, positive, two_layers
from dlnlib.exact._arguments import at_least

_NOISE = 256 * np.finfo(np.float64).eps  # rounding of the start and of its eigenbasis, with room for growth


class BalancedFlow(NamedTuple):
    """The state of a balanced two-layer network at a number of times; t's shape leads every array.

    `gram` is Q Q^T for Q = [W_1^T; W_2], inputs first and outputs after them.

    Examples
    --------
    >>> flow = balanced_flow(0.0, sigma_yx=[[1.0]], w1=[[0.5]], w2=[[1.0]])
    >>> flow.gram, flow.inputs, flow.imbalance
    (array([[0.25, 0.5 ],
           [0.5 , 1.  ]]), 1, 0.75)
    """

    gram: Array
    inputs: int
    """Number of inputs: the size of the first block of `gram`."""
    imbalance: float
    """lambda in W_2^T W_2 - W_1 W_1^T = lambda I, the same at all times."""

    @property
    def map(self) -> Array:
        """The network map W_2 W_1, shape (..., n_out, n_in).

        Examples
        --------
        >>> balanced_flow(50.0, sigma_yx=[[3.0, 4.0]], w1=[[0.1, 0.0]], w2=[[0.1]]).map.round(6)
        array([[3., 4.]])
        """
        return self.gram[..., self.inputs :, : self.inputs]

    @property
    def input_gram(self) -> Array:
        """W_1^T W_1, the similarity of the inputs in the hidden layer, shape (..., n_in, n_in).

        Examples
        --------
        >>> balanced_flow(50.0, sigma_yx=[[3.0, 4.0]], w1=[[0.1, 0.0]], w2=[[0.1]]).input_gram.round(6)
        array([[1.8, 2.4],
               [2.4, 3.2]])
        """
        return self.gram[..., : self.inputs, : self.inputs]

    @property
    def output_gram(self) -> Array:
        """W_2 W_2^T, the similarity of the outputs in the hidden layer, shape (..., n_out, n_out).

        Examples
        --------
        >>> balanced_flow(50.0, sigma_yx=[[3.0, 4.0]], w1=[[0.1, 0.0]], w2=[[0.1]]).output_gram.round(6)
        array([[5.]])
        """
        return self.gram[..., self.inputs :, self.inputs :]

    @property
    def ntk(self) -> Array:
        """The neural tangent kernel I (x) W_1^T W_1 + W_2 W_2^T (x) I, shape (..., n_out n_in, n_out n_in).

        It acts on maps stacked row by row, as ``W.ravel()`` does, so entry (o n_in + i, o' n_in + i') couples output
        o at input direction i with output o' at i'.

        Examples
        --------
        >>> balanced_flow(0.0, sigma_yx=np.eye(2), w1=2 * np.eye(2), w2=3 * np.eye(2)).ntk.diagonal()
        array([13., 13., 13., 13.])
        """
        first, second = self.input_gram, self.output_gram
        n_in, n_out = first.shape[-1], second.shape[-1]
        kernel = np.einsum("op,...ij->...oipj", np.eye(n_out), first)
        kernel = kernel + np.einsum("...op,ij->...oipj", second, np.eye(n_in))
        return np.reshape(kernel, (*self.gram.shape[:-2], n_out * n_in, n_out * n_in))


def balanced_flow(
    t: ArrayLike, sigma_yx: ArrayLike, w1: ArrayLike, w2: ArrayLike, tau: float = 1.0, *, tolerance: float = 1e-9
) -> BalancedFlow:
    r"""Return the exact gradient flow of a two-layer network on whitened input, from a lambda-balanced start.

    For Sigma_xx = I and W_2^T W_2 - W_1 W_1^T = lambda I, which the flow conserves, Q = [W_1^T; W_2] obeys

    .. math:: \tau \dot Q = F Q - \tfrac12 Q Q^T Q, \qquad
              F = \begin{pmatrix} -\lambda/2\, I & \Sigma_{yx}^T \\ \Sigma_{yx} & \lambda/2\, I \end{pmatrix},

    and with G(t) = (exp(2Ft/tau) - I) / 2F

    .. math:: Q Q^T(t) = e^{Ft/\tau} Q_0 \left[ I + Q_0^T G(t) Q_0 \right]^{-1} Q_0^T e^{Ft/\tau}.

    In the eigenbasis of F (from the SVD of Sigma_yx) G is a number per row, t / tau where the eigenvalue is zero.
    The bracket is the Gram matrix of the rows of sqrt(G) Q_0 and I together. Its rows are eliminated in the order of
    their size, which is kept in logarithms: what is left to invert is well conditioned at every time, and nothing
    overflows.

    Parameters
    ----------
    t : array_like
        Times, zero or positive and finite (exponentials are told apart by their exponents); any shape.
    sigma_yx : array_like, shape (n_out, n_in)
        Input-output correlation, of any rank.
    w1 : array_like, shape (n_hidden, n_in)
        First weight matrix at time zero.
    w2 : array_like, shape (n_out, n_hidden)
        Second weight matrix at time zero.
    tau : float
        Time constant, one over the learning rate; positive.
    tolerance : float
        Largest distance from balance, ||W_2^T W_2 - W_1 W_1^T - lambda I||, relative to ||W_1||^2 + ||W_2||^2.

    Returns
    -------
    BalancedFlow
        With `map`, `input_gram`, `output_gram`, `ntk`, all of them in one as `gram`, and lambda as `imbalance`.

    Raises
    ------
    ValueError
        If the shapes do not fit, the start is not balanced (the message tells by how much), or an argument is
        outside the range above.

    Notes
    -----
    A direction of growth in which the start has nothing but rounding stays empty, at any time: from its saddle the
    exact flow does not escape, as a simulation in floating point would. What counts as rounding is estimated, so a
    start that is both on the stable manifold of a saddle and ill-conditioned can be taken for one beside it (2 of
    the 600 random ones in the tests' families); the two differ only after some (tau / s) ln(1e13).

    References
    ----------
    Fukumizu (1998); Braun, Domine, Fitzgerald & Saxe (2022); Domine et al. (2025) for lambda != 0.

    Examples
    --------
    >>> flow = balanced_flow([0.0, 2.0, 1e6], sigma_yx=[[1.0, 0.0], [0.0, 3.0]], w1=0.1 * np.eye(2), w2=0.1 * np.eye(2))
    >>> flow.map.diagonal(axis1=-2, axis2=-1).round(4)
    array([[0.01  , 0.01  ],
           [0.3555, 2.9945],
           [1.    , 3.    ]])
    >>> flow.ntk.shape
    (3, 4, 4)
    """
    times, constant = finite("t", at_least("t", t, 0)), positive("tau", tau, ndim=0)
    sigma, first, second = two_layers(sigma_yx, w1, w2)
    n_in, hidden = sigma.shape[1], first.shape[0]
    imbalance = _imbalance(first, second, float(positive("tolerance", tolerance, ndim=0)))
    values, basis = _eigenbasis(sigma, imbalance)
    with np.errstate(over="ignore", invalid="ignore"):
        times = times / constant
        late = ~np.isfinite(2 * np.abs(values).max() * times)
    if late.any():
        raise ValueError(
            f"t / tau was {times[late][0]:g}; its products with twice the rates of growth, "
            f"the largest of which is {np.abs(values).max():g}, must be finite"
        )
    start = basis.T @ np.vstack([first.T, second])
    start[np.abs(start) < _NOISE * np.linalg.norm(start)] = 0
    if hidden > len(start):
        start = np.linalg.qr(start.T)[1].T
    grams = np.array([_gram(values, start, time) for time in times.ravel()]).reshape(*times.shape, *2 * values.shape)
    return BalancedFlow(basis @ grams @ basis.T, n_in, imbalance)


def _imbalance(w1: Array, w2: Array, tolerance: float) -> float:
    """Return lambda; refuse weights that are not balanced."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference = w2.T @ w2 - w1 @ w1.T
        imbalance = float(np.trace(difference)) / len(difference)
        distance = float(np.linalg.norm(difference - imbalance * np.eye(len(difference))))
        allowed = tolerance * float(np.linalg.norm(w1) ** 2 + np.linalg.norm(w2) ** 2)
    if not distance <= allowed:  # so refused if both have overflowed
        raise ValueError(
            f"w1 and w2 had the imbalance ||W2^T W2 - W1 W1^T - lambda I|| = {distance:.3g} "
            f"for lambda = {imbalance:.3g}; it must be at most {allowed:.3g}"
        )
    return imbalance


def _eigenbasis(sigma: Array, imbalance: float) -> tuple[Array, Array]:
    """Return the eigenvalues and the orthonormal eigenvectors (columns) of F."""
    n_out, n_in = sigma.shape
    u, s, vt = np.linalg.svd(sigma)
    s[s < _NOISE * s.max(initial=0.0)] = 0
    # A growing direction leans by at most 45 degrees out of the outputs or, if lambda < 0, out of the inputs.
    lean = np.arctan2(s, abs(imbalance) / 2) / 2
    of_inputs, of_outputs = (np.sin(lean), np.cos(lean)) if imbalance > 0 else (np.cos(lean), np.sin(lean))
    rank = s.size
    lone_inputs = np.vstack([vt[rank:].T, np.zeros((n_out, n_in - rank))])
    lone_outputs = np.vstack([np.zeros((n_in, n_out - rank)), u[:, rank:]])
    growing = np.vstack([vt[:rank].T * of_inputs, u[:, :rank] * of_outputs])
    decaying = np.vstack([-vt[:rank].T * of_outputs, u[:, :rank] * of_inputs])
    radius = np.hypot(s, imbalance / 2)
    lone = np.repeat([-imbalance / 2, imbalance / 2], [n_in - rank, n_out - rank])
    return np.concatenate([radius, -radius, lone]), np.hstack([growing, decaying, lone_inputs, lone_outputs])


def _gram(values: Array, start: Array, time: float) -> Array:
    """Return e^(Ft) C [I + C^T G C]^-1 C^T e^(Ft) for the start C in the eigenbasis of F."""
    if time == 0:
        return start @ start.T
    n, hidden = start.shape
    # Weights exp(rate time + offset), held apart so that rates cancel before they are multiplied by a long time
    rates = np.concatenate([np.maximum(values, 0), np.zeros(hidden)])
    offsets = np.concatenate([_log_gain(values, time) / 2, np.zeros(hidden)])
    rows, pivots = _eliminate(np.vstack([start, np.eye(hidden)]), rates * time + offsets)
    scaled = _exp_product(rows, (rates[:, None] - rates[pivots]) * time + (offsets[:, None] - offsets[pivots]))
    moved = _exp_product(rows[:n], (values[:, None] - rates[pivots]) * time - offsets[pivots])
    # The pivot rows are those of I, so this is I plus a Gram matrix with bounded entries.
    half = np.linalg.solve(np.linalg.cholesky(scaled.T @ scaled), moved.T)
    return np.asarray(half.T @ half)


def _log_gain(values: Array, time: float) -> Array:
    """Return ln[(e^(2 phi t) - 1) / (2 phi)] - 2 max(phi, 0) t for each eigenvalue phi; ln t for phi = 0."""
    exponent = 2 * np.abs(values) * time
    nonzero = np.where(exponent == 0, 1.0, exponent)
    return np.asarray(np.log(time * np.where(exponent == 0, 1.0, -np.expm1(-nonzero) / nonzero)))


def _eliminate(rows: Array, log_weights: Array) -> tuple[Array, NDArray[np.intp]]:
    """Bring as many rows as there are columns to unit vectors, by column operations, always the largest entry first.

    Entries count with the weight of their row, in logarithms, and not at all once they are within rounding of zero:
    `noise` carries the bound along. Returns the rows and the indices of those pivots.
    """
    rows, noise = rows.copy(), np.broadcast_to(_NOISE * np.linalg.norm(rows, axis=1, keepdims=True), rows.shape).copy()
    pivots = np.zeros(rows.shape[1], dtype=np.intp)
    free = np.ones(rows.shape, dtype=bool)
    for _ in range(rows.shape[1]):
        usable = free & (rows != 0)
        size = np.where(usable, np.log(np.abs(np.where(usable, rows, 1.0))) + log_weights[:, None], -np.inf)
        i, j = np.unravel_index(np.argmax(size), size.shape)
        noise[:, j] /= abs(rows[i, j])
        rows[:, j] /= rows[i, j]
        coefficients, doubt = rows[i].copy(), noise[i].copy()
        coefficients[j] = doubt[j] = 0
        change = np.outer(rows[:, j], coefficients)
        passed_on = np.outer(noise[:, j], np.abs(coefficients)) + np.outer(np.abs(rows[:, j]), doubt)
        noise = np.maximum(noise, np.maximum(_NOISE * np.abs(change), passed_on))
        rows -= change
        rows[i], noise[i] = 0, 0
        rows[i, j] = 1
        rows[np.abs(rows) <= noise] = 0
        pivots[j], free[i], free[:, j] = i, False, False
    return rows, pivots


def _exp_product(factor: Array, exponent: Array) -> Array:
    """Return factor exp(exponent), which is finite although the exponential may not be."""
    nonzero = factor != 0
    size = np.log(np.abs(np.where(nonzero, factor, 1.0))) + exponent
    return np.where(nonzero, np.sign(factor) * np.exp(np.where(nonzero, size, 0.0)), 0.0)
