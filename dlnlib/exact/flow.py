"""A whole two-layer network from any balanced start: no alignment between the start and the task is needed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import block_diag
from scipy.special import exprel

from dlnlib._checks import Array, at_least, positive, refuse, two_layers
from dlnlib.exact.kernel import ntk
from dlnlib.task import Task

__all__ = ["BalancedFlow", "balanced_flow"]

_NOISE = 256 * np.finfo(np.float64).eps  # rounding of the start and of its eigenbasis, with room for growth


class BalancedFlow(NamedTuple):
    """The state of a balanced two-layer network at a number of times; t's shape leads every array.

    Its weights are those of gradient flow up to one rotation of the hidden layer, which no map, similarity or kernel
    depends on; hidden units that stay empty are left out.

    Attributes
    ----------
    w1 : array
        First weight matrix, shape (..., n_hidden, n_in).
    w2 : array
        Second weight matrix, shape (..., n_out, n_hidden).
    imbalance : float
        lambda in W_2^T W_2 - W_1 W_1^T = lambda I, the same at all times.

    Examples
    --------
    >>> flow = balanced_flow([0.0, 50.0], [[1.0]], w1=[[0.5]], w2=[[1.0]])
    >>> flow.map.ravel().round(6), round(flow.imbalance, 6)
    (array([0.5, 1. ]), 0.75)
    >>> balanced_flow(50.0, [[2.0]], flow.w1[-1], flow.w2[-1]).map.round(6)  # from there, another task
    array([[2.]])
    """

    w1: Array
    w2: Array
    imbalance: float

    @property
    def weights(self) -> list[Array]:
        """Both weight matrices, from which `balanced_flow` goes on (if t was one time).

        Examples
        --------
        >>> flow = balanced_flow(3.0, [[1.0]], w1=[[0.5]], w2=[[1.0]])
        >>> later = balanced_flow(2.0, [[1.0]], *flow.weights)
        >>> np.allclose(later.map, balanced_flow(5.0, [[1.0]], w1=[[0.5]], w2=[[1.0]]).map)
        True
        """
        return [self.w1, self.w2]

    @property
    def map(self) -> Array:
        """The network map W_2 W_1, shape (..., n_out, n_in).

        Examples
        --------
        >>> balanced_flow(50.0, [[3.0, 4.0]], w1=[[0.1, 0.0]], w2=[[0.1]]).map.round(6)
        array([[3., 4.]])
        """
        return np.asarray(self.w2 @ self.w1)

    @property
    def input_gram(self) -> Array:
        """W_1^T W_1, the similarity of the inputs in the hidden layer, shape (..., n_in, n_in).

        Examples
        --------
        >>> balanced_flow(50.0, [[3.0, 4.0]], w1=[[0.1, 0.0]], w2=[[0.1]]).input_gram.round(6)
        array([[1.8, 2.4],
               [2.4, 3.2]])
        """
        return np.asarray(self.w1.mT @ self.w1)

    @property
    def output_gram(self) -> Array:
        """W_2 W_2^T, the similarity of the outputs in the hidden layer, shape (..., n_out, n_out).

        Examples
        --------
        >>> balanced_flow(50.0, [[3.0, 4.0]], w1=[[0.1, 0.0]], w2=[[0.1]]).output_gram.round(6)
        array([[5.]])
        """
        return np.asarray(self.w2 @ self.w2.mT)

    @property
    def gram(self) -> Array:
        """Q Q^T for Q = [W_1^T; W_2]: all of these in one, inputs first and outputs after them.

        Examples
        --------
        >>> balanced_flow(0.0, [[1.0]], w1=[[0.5]], w2=[[1.0]]).gram
        array([[0.25, 0.5 ],
               [0.5 , 1.  ]])
        """
        q = np.concatenate([self.w1.mT, self.w2], axis=-2)
        return np.asarray(q @ q.mT)

    @property
    def ntk(self) -> Array:
        """The neural tangent kernel I (x) W_1^T W_1 + W_2 W_2^T (x) I, shape (..., n_out n_in, n_out n_in): see `ntk`.

        Examples
        --------
        >>> balanced_flow(0.0, np.eye(2), w1=2 * np.eye(2), w2=3 * np.eye(2)).ntk.diagonal()
        array([13., 13., 13., 13.])
        """
        return ntk(self.weights)


def balanced_flow(
    t: ArrayLike,
    task_or_sigma_yx: Task | ArrayLike,
    w1: ArrayLike,
    w2: ArrayLike,
    tau: float = 1.0,
    *,
    decay: float = 0.0,
    tolerance: float = 1e-9,
) -> BalancedFlow:
    r"""Return the exact gradient flow of a two-layer network on white inputs, from a lambda-balanced start.

    For Sigma_xx = I and W_2^T W_2 - W_1 W_1^T = lambda I, which the flow conserves, Q = [W_1^T; W_2] obeys

    .. math:: \tau \dot Q = F Q - \tfrac12 Q Q^T Q, \qquad
              F = \begin{pmatrix} -\lambda/2\, I & \Sigma_{yx}^T \\ \Sigma_{yx} & \lambda/2\, I \end{pmatrix},

    and with G(t) = (exp(2Ft/tau) - I) / 2F

    .. math:: Q Q^T(t) = e^{Ft/\tau} Q_0 \left[ I + Q_0^T G(t) Q_0 \right]^{-1} Q_0^T e^{Ft/\tau}.

    In the eigenbasis of F (from the SVD of Sigma_yx) G is a number for each row, t / tau where the eigenvalue is zero.
    The bracket is R^T R for the triangular factor R of [sqrt(G) Q_0; I], and exp(Ft/tau) Q_0 R^-1 is Q(t), up to a
    rotation of the hidden layer. Rows go in the order of their size, which is kept in logarithms, so that nothing
    overflows at any time; no matrix is larger than the weights.

    Parameters
    ----------
    t : array_like
        Times, zero or positive and finite; any shape.
    task_or_sigma_yx : Task, or array_like of shape (n_out, n_in)
        What is learned. Its inputs must be white; if whitening found directions in which they do not vary, `w1` must
        not reach into these. A matrix is the input-output correlation, of any rank, of white inputs.
    w1 : array_like, shape (n_hidden, n_in)
        First weight matrix at time zero.
    w2 : array_like, shape (n_out, n_hidden)
        Second weight matrix at time zero.
    tau : float
        Time constant, one over the learning rate; positive.
    decay : float
        Weight decay gamma, zero or positive: F - gamma I takes the place of F. It needs lambda = 0, which it keeps;
        any other imbalance would fall as exp(-2 gamma t / tau).
    tolerance : float
        Largest distance from balance, ||W_2^T W_2 - W_1 W_1^T - lambda I||, relative to ||W_1||^2 + ||W_2||^2; and
        of the inputs from white ones.

    Returns
    -------
    BalancedFlow
        With `weights`, `map`, `input_gram`, `output_gram`, `gram`, `ntk`, and lambda as `imbalance`.

    Raises
    ------
    ValueError
        If the shapes do not fit, the start is not balanced or the inputs are not white (the message tells by how
        much), or an argument is outside the range above.

    Notes
    -----
    A direction of growth in which the start has nothing but rounding stays empty, at any time: from its saddle the
    exact flow does not escape, as a simulation in floating point would. What counts as rounding is estimated, so a
    start that is both on the stable manifold of a saddle and ill-conditioned can be taken for one beside it; the two
    differ only after some (tau / s) ln(1e13).

    References
    ----------
    Fukumizu (1998); Braun, Domine, Fitzgerald & Saxe (2022); Domine et al. (2025) for lambda != 0.

    Examples
    --------
    >>> flow = balanced_flow([0.0, 2.0, 1e6], [[1.0, 0.0], [0.0, 3.0]], w1=0.1 * np.eye(2), w2=0.1 * np.eye(2))
    >>> flow.map.diagonal(axis1=-2, axis2=-1).round(4)
    array([[0.01  , 0.01  ],
           [0.3555, 2.9945],
           [1.    , 3.    ]])
    >>> flow.ntk.shape
    (3, 4, 4)
    """
    t, tau = at_least("t", t, 0), float(positive("tau", tau, ndim=0))
    tolerance = float(positive("tolerance", tolerance, ndim=0))
    decay = float(at_least("decay", decay, 0, ndim=0))
    task = task_or_sigma_yx
    sigma, first, second = two_layers("task_or_sigma_yx", task.sigma_yx if isinstance(task, Task) else task, w1, w2)
    if isinstance(task, Task):
        _check_white(task, first, tolerance)
    imbalance, n_in = _imbalance(first, second, tolerance), sigma.shape[1]
    first, second = _used(first, second)
    uneven = abs(imbalance) > tolerance * (np.linalg.norm(first) ** 2 + np.linalg.norm(second) ** 2)
    refuse(np.asarray(uneven and decay > 0), "decay", np.asarray(decay), "zero where the layers' imbalance is not")
    values, basis = _eigenbasis(sigma, imbalance, first, second)
    start = basis.T @ np.vstack([first.T, second])
    start[np.abs(start) < _NOISE * np.linalg.norm(start)] = 0
    q = basis @ np.reshape([_state(values - decay, start, time / tau) for time in t.flat], (*t.shape, *start.shape))
    return BalancedFlow(q[..., :n_in, :].mT, q[..., n_in:, :], imbalance)


def _used(w1: Array, w2: Array) -> tuple[Array, Array]:
    """Return the weights without the directions of the hidden layer that one of them, and so both, leaves empty."""
    for by_outputs in (True, False):
        q = np.linalg.qr(w2.T if by_outputs else w1).Q
        left = np.linalg.norm(w1 - q @ (q.T @ w1)) + np.linalg.norm(w2 - w2 @ q @ q.T)
        if left < _NOISE * (np.linalg.norm(w1) + np.linalg.norm(w2)):
            w1, w2 = q.T @ w1, w2 @ q
    return w1, w2


def _state(f: Array, start: Array, t: float) -> Array:
    """Return exp(F t) C R^-1, where R^T R = I + C^T G C, for the start C in the eigenbasis of F."""
    if t == 0:
        return start
    with np.errstate(divide="ignore"):
        gain = t * exprel(-2 * np.abs(f) * t)  # G = gain exp(2 max(f, 0) t)
        rows = np.vstack([start, np.eye(start.shape[1])])
        size = np.concatenate([np.maximum(f, 0) * t + np.log(gain) / 2, np.zeros(start.shape[1])])
        order = np.argsort(-size - np.log(np.linalg.norm(rows, axis=1)), kind="stable")
        # A rotation of the hidden layer: each row needs no more columns than there are rows above it.
        rows[order] = np.linalg.qr(rows[order].T).R.T
        rows[np.abs(rows) < _NOISE * np.linalg.norm(rows, axis=1, keepdims=True)] = 0
        exponents = np.log(np.abs(rows)) + size[:, None]
    rows = np.sign(rows) * np.exp(exponents - exponents.max(axis=0))
    upper = np.linalg.solve(np.linalg.qr(rows[order]).R.T, rows[: len(f)].T).T
    return np.asarray((np.exp(np.minimum(f, 0) * t) / np.sqrt(gain))[:, None] * upper)


def _eigenbasis(sigma: Array, imbalance: float, w1: Array, w2: Array) -> tuple[Array, Array]:
    """Return eigenvalues of F and orthonormal eigenvectors (columns) that hold all of the flow from these weights."""
    u, s, vt = np.linalg.svd(sigma, full_matrices=False)
    s[s < _NOISE * s.max(initial=0.0)] = 0
    # A growing direction leans by at most 45 degrees out of the outputs or, if lambda < 0, out of the inputs.
    lean = np.arctan2(s, abs(imbalance) / 2) / 2
    of_inputs, of_outputs = (np.sin(lean), np.cos(lean)) if imbalance > 0 else (np.cos(lean), np.sin(lean))
    # What the weights have beside the modes keeps its direction: no more of them than there are hidden units
    lone_inputs, lone_outputs = (
        np.linalg.qr(np.hstack([modes, columns])).Q[:, s.size :] for modes, columns in ((vt.T, w1.T), (u, w2))
    )
    pairs = np.block([[vt.T * of_inputs, -vt.T * of_outputs], [u * of_outputs, u * of_inputs]])
    radius = np.hypot(s, imbalance / 2)
    lone = np.repeat([-imbalance / 2, imbalance / 2], [lone_inputs.shape[1], lone_outputs.shape[1]])
    return np.concatenate([radius, -radius, lone]), np.hstack([pairs, block_diag(lone_inputs, lone_outputs)])


def _imbalance(w1: Array, w2: Array, tolerance: float) -> float:
    """Return lambda; refuse weights that are not balanced."""
    difference = w2.T @ w2 - w1 @ w1.T
    imbalance = float(np.trace(difference)) / len(difference)
    distance = float(np.linalg.norm(difference - imbalance * np.eye(len(difference))))
    allowed = tolerance * float(np.linalg.norm(w1) ** 2 + np.linalg.norm(w2) ** 2)
    what = f"imbalance ||W2^T W2 - W1 W1^T - lambda I|| of w1 and w2, with lambda = {imbalance:.3g},"
    refuse(np.asarray(distance > allowed), what, np.asarray(distance), f"at most {allowed:.3g}")
    return imbalance


def _check_white(task: Task, w1: Array, tolerance: float) -> None:
    """Refuse inputs that are not white, and weights in directions in which they do not vary."""
    if task.root is None:
        return
    if task.whitening is None:
        distance = np.asarray(np.linalg.norm(task.root @ task.root.T - np.eye(task.rank)))
        what = "task_or_sigma_yx had inputs that are not white: their distance ||Sigma_xx - I||, where they vary,"
        refuse(distance > tolerance, what, distance, f"at most {tolerance:g}, as for task.whitened()")
    outside = np.asarray(np.linalg.norm(w1 - w1 @ task.root.T @ task.root) / (np.linalg.norm(w1) or 1.0))
    what = "w1 reached into inputs that do not vary: this share of it"
    refuse(outside > tolerance, what, outside, f"at most {tolerance:g}, as for w1 @ task.sigma_xx")
