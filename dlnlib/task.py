"""A task, as a linear network sees it: the second moments of a data set, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, finite, instance, positive_int


class Modes(NamedTuple):
    """Singular value decomposition of the input-output correlation, sigma_yx = u @ diag(s) @ vt.

    Attributes
    ----------
    u : (n_out, n_modes) array
        Output singular vectors, as columns.
    s : (n_modes,) array
        Singular values, largest first: the strengths of the modes.
    vt : (n_modes, n_in) array
        Input singular vectors, as rows.

    Examples
    --------
    >>> u, s, vt = Task([[0.0, 3.0], [2.0, 0.0]]).modes
    >>> u @ np.diag(s) @ vt
    array([[0., 3.],
           [2., 0.]])
    """

    u: Array
    s: Array
    vt: Array

    def strengths(self, w: ArrayLike) -> Array:
        """Return the strengths of the modes in the map w, or in many maps: diag(u^T w v), shape (..., n_modes).

        Parameters
        ----------
        w : (..., n_out, n_in) array
            A map, or a batch or history of maps.

        Raises
        ------
        ValueError
            If w does not map these modes' inputs to their outputs.

        Examples
        --------
        >>> task = Task(np.diag([3.0, 1.0]))
        >>> task.modes.strengths([task.sigma_yx, [[0.5, 7.0], [7.0, 0.2]]])
        array([[3. , 1. ],
               [0.5, 0.2]])
        """
        w = finite("w", w)
        n_out, n_in = len(self.u), self.vt.shape[-1]
        if w.shape[-2:] != (n_out, n_in):
            raise ValueError(f"w had shape {w.shape}; a map of these modes must have shape {(n_out, n_in)}")
        strengths: Array = np.sum((self.u.T @ w) * self.vt, axis=-1)
        return strengths


class Whitening(NamedTuple):
    """The change of inputs z = forward @ x that makes them white, and the way back.

    Attributes
    ----------
    forward : (n_in, n_in) array
        The whitening map; a map w of white inputs is the map ``w @ forward`` of the original ones.
    back : (n_in, n_in) array
        The way back, ``back @ forward @ x = x`` for every x of the data; a map w of the original inputs is the map
        ``w @ back`` of white ones.
    rank : int
        Number of directions in which the data vary, and in which z has unit variance.

    Examples
    --------
    >>> forward, back, rank = Task(np.eye(2), np.diag([4.0, 25.0])).whitened().whitening
    >>> forward.diagonal(), back.diagonal(), rank
    (array([0.5, 0.2]), array([2., 5.]), 2)
    """

    forward: Array
    back: Array
    rank: int


@dataclass(frozen=True, eq=False)
class Task:
    """The moments of a data set: all that a linear network ever learns from.

    The loss of a linear map w on the task, half the mean squared error, is

        L(w) = 1/2 [ trace_yy - 2 tr(w sigma_yx^T) + tr(w sigma_xx w^T) ],

    so loss, gradient and every training trajectory are exact functions of these moments, at a cost
    that does not depend on the number of examples.

    Parameters
    ----------
    sigma_yx : (n_out, n_in) array
        Input-output correlation, the mean of y x^T over the examples.
    sigma_xx : (n_in, n_in) array or None
        Input correlation, the mean of x x^T; None stands for white inputs, sigma_xx = I.
    trace_yy : float, optional
        Mean squared length of the targets, tr E[y y^T]: twice the loss of the zero map. Unless told, the targets
        are an exact linear function of the inputs, so that the floor of the loss is zero.
    n_examples : int
        Number of examples averaged; sums over examples (the paper's convention) are n_examples times these means.
    whitening : Whitening or None
        How the inputs were made from the data set's own, if they were whitened.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite, or sigma_xx is not symmetric and positive semi-definite,
        or the targets are shorter than what the inputs explain of them.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.

    Examples
    --------
    >>> task = Task.from_samples(x=np.eye(2), y=[[3.0, 0.0], [0.0, 1.0]])
    >>> task.modes.s
    array([1.5, 0.5])
    >>> float(task.loss(np.zeros((2, 2)))), float(task.floor)
    (2.5, 0.0)
    """

    sigma_yx: Array
    sigma_xx: Array | None = None
    trace_yy: float = None  # type: ignore[assignment]  # filled in below
    n_examples: int = 1
    whitening: Whitening | None = None

    def __post_init__(self) -> None:
        sigma_yx = _read_only(finite("sigma_yx", self.sigma_yx, ndim=2))
        object.__setattr__(self, "sigma_yx", sigma_yx)
        if self.sigma_xx is not None:
            sigma_xx = _read_only(finite("sigma_xx", self.sigma_xx))
            if sigma_xx.shape != (self.n_in, self.n_in):
                raise ValueError(
                    f"sigma_xx had shape {sigma_xx.shape}; "
                    f"sigma_yx {sigma_yx.shape} needs a square matrix of size {self.n_in}"
                )
            if not np.allclose(sigma_xx, sigma_xx.T, rtol=0, atol=1e-8 * np.abs(sigma_xx).max()):
                raise ValueError("sigma_xx was not symmetric; a correlation matrix must be")
            try:
                np.linalg.cholesky(sigma_xx + 1e-8 * (np.abs(sigma_xx).max() or 1.0) * np.eye(self.n_in))
            except np.linalg.LinAlgError:
                raise ValueError("sigma_xx had an eigenvalue below zero; a correlation matrix must not") from None
            object.__setattr__(self, "sigma_xx", sigma_xx)
        if not np.isfinite(self._explained):
            raise ValueError(f"sigma_yx held entries up to {np.abs(sigma_yx).max():g}; their squares must be finite")
        trace_yy = self._explained if self.trace_yy is None else float(finite("trace_yy", self.trace_yy, ndim=0))
        if trace_yy < self._explained * (1 - 1e-9):
            raise ValueError(
                f"trace_yy was {trace_yy:g}; with these correlations it must be at least {self._explained:g}"
            )
        object.__setattr__(self, "trace_yy", trace_yy)
        if self.whitening is not None:
            instance("whitening", self.whitening, Whitening)
        object.__setattr__(self, "n_examples", positive_int("n_examples", self.n_examples))

    @classmethod
    def from_samples(cls, x: ArrayLike, y: ArrayLike) -> Task:
        """Average the moments of examples: x of shape (n_examples, n_in), y of shape (n_examples, n_out).

        Raises
        ------
        ValueError
            If the two do not hold the same number of examples, or hold nothing.

        Examples
        --------
        >>> task = Task.from_samples(x=[[1.0, 0.0], [1.0, 2.0]], y=[[4.0], [2.0]])
        >>> task.sigma_yx, task.trace_yy, task.n_examples
        (array([[3., 2.]]), 10.0, 2)
        """
        x, y = finite("x", x, ndim=2), finite("y", y, ndim=2)
        if len(x) != len(y):
            raise ValueError(f"x held {len(x)} examples and y {len(y)}; they must hold the same number")
        with np.errstate(over="ignore", invalid="ignore"):
            moments = y.T @ x / len(x), x.T @ x / len(x), np.sum(y**2) / len(x)
        for name, samples, moment in (("x", x, moments[1]), ("y", y, moments[2])):
            if not np.isfinite(moment).all():
                raise ValueError(f"{name} held entries up to {np.abs(samples).max():g}; their squares must be finite")
        return cls(*moments[:2], float(moments[2]), len(x))

    @property
    def n_in(self) -> int:
        """Number of inputs.

        Examples
        --------
        >>> Task(np.ones((2, 3))).n_in
        3
        """
        return int(self.sigma_yx.shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs.

        Examples
        --------
        >>> Task(np.ones((2, 3))).n_out
        2
        """
        return int(self.sigma_yx.shape[0])

    @cached_property
    def modes(self) -> Modes:
        """The modes of the task, strongest first.

        An SVD leaves the sign of each pair (u, v) open; here the largest entry of every u is positive,
        so that the same task has the same modes everywhere.

        Examples
        --------
        >>> Task(np.diag([1.0, -3.0])).modes.s
        array([3., 1.])
        """
        u, s, vt = np.linalg.svd(self.sigma_yx, full_matrices=False)
        # The first of the entries that tie for largest, so that rounding cannot choose between them.
        largest = np.argmax(np.abs(u) >= (1 - 1e-6) * np.abs(u).max(axis=0), axis=0)
        sign = np.where(u[largest, np.arange(len(s))] < 0, -1.0, 1.0)
        return Modes(_read_only(u * sign), _read_only(s), _read_only(vt * sign[:, None]))

    @cached_property
    def mode_variances(self) -> Array:
        """Variance of the inputs along each mode, lambda = diag(V^T sigma_xx V), shape (n_modes,).

        Where sigma_xx shares the modes' axes (white inputs, one-hot inputs), mode alpha is learned as if
        its inputs were white, with strength s / lambda and time constant tau / lambda.

        Examples
        --------
        >>> Task(np.diag([3.0, 1.0]), np.diag([0.5, 0.25])).mode_variances
        array([0.5 , 0.25])
        """
        if self.sigma_xx is None:
            return _read_only(np.ones_like(self.modes.s))
        return _read_only(np.sum(self.modes.vt @ self.sigma_xx * self.modes.vt, axis=1))

    def loss(self, w: ArrayLike) -> Array:
        """Half the mean squared error of the linear map w, shape (..., n_out, n_in), one loss for each leading index.

        Raises
        ------
        ValueError
            If w does not map this task's inputs to its outputs.

        Examples
        --------
        >>> task = Task(np.diag([3.0, 1.0]))
        >>> task.loss([np.zeros((2, 2)), np.diag([3.0, 0.0]), np.diag([3.0, 1.0])])
        array([5. , 0.5, 0. ])
        """
        w = finite("w", w)
        if w.shape[-2:] != self.sigma_yx.shape:
            raise ValueError(f"w had shape {w.shape}; a map of this task must have shape {self.sigma_yx.shape}")
        w_sigma = w if self.sigma_xx is None else w @ self.sigma_xx
        loss: Array = 0.5 * (self.trace_yy + np.sum(w * (w_sigma - 2 * self.sigma_yx), axis=(-2, -1)))
        return loss

    @cached_property
    def least_squares_map(self) -> Array:
        """The map of smallest loss, shape (n_out, n_in).

        Where several maps share the smallest loss, the shortest of them for inputs scaled to unit variance: it does
        not depend on units, and is zero for inputs that are always zero.

        Examples
        --------
        >>> Task([[3.0, 0.0]], np.diag([0.5, 0.0])).least_squares_map.round(12)
        array([[6., 0.]])
        """
        if self.sigma_xx is None:
            return self.sigma_yx
        forward = self._whitening.forward
        return _read_only(self.sigma_yx @ forward.T @ forward)

    @cached_property
    def floor(self) -> float:
        """The smallest loss that any linear map attains.

        Examples
        --------
        >>> Task([[3.0, 0.0]], trace_yy=10.0).floor  # half of 10 - 3^2
        0.5
        """
        return max(0.0, 0.5 * (self.trace_yy - self._explained))  # rounding can dip below zero

    @cached_property
    def _explained(self) -> float:
        """Mean squared length of what a linear map can predict of the targets."""
        correlation = self.sigma_yx if self.sigma_xx is None else self.sigma_yx @ self._whitening.forward.T
        with np.errstate(over="ignore"):
            return float(np.sum(correlation**2))

    def with_inputs(self, linear_map: ArrayLike) -> Task:
        """Return the task on the inputs z = linear_map @ x, for linear_map of shape (n_z, n_in).

        The way to put test data into the whitened coordinates of the training data:
        ``test.with_inputs(train.whitened().whitening.forward)``.

        Raises
        ------
        ValueError
            If the map does not take this task's inputs.

        Examples
        --------
        >>> task = Task([[3.0, 1.0]]).with_inputs([[2.0, 0.0], [0.0, 1.0]])
        >>> task.sigma_yx, task.sigma_xx.diagonal()
        (array([[6., 1.]]), array([4., 1.]))
        """
        linear_map = finite("linear_map", linear_map, ndim=2)
        if linear_map.shape[1] != self.n_in:
            raise ValueError(
                f"linear_map had shape {linear_map.shape}; it must have {self.n_in} columns, one for each input"
            )
        sigma_xx = linear_map @ linear_map.T if self.sigma_xx is None else linear_map @ self.sigma_xx @ linear_map.T
        return Task(
            self.sigma_yx @ linear_map.T,
            0.5 * (sigma_xx + sigma_xx.T),
            self.trace_yy,
            self.n_examples,
        )

    def whitened(self) -> Task:
        """Return the task on whitened inputs, which keep their number and, as nearly as possible, their meaning.

        Each input is first scaled to unit variance, then the directions in which they vary are scaled to
        unit variance by a symmetric map, so that white input i is still mostly about input i. Inputs of full
        rank end with sigma_xx = I, kept as None. Otherwise sigma_xx is the projector onto the directions in
        which the data vary at all; along the others no network ever moves.

        References
        ----------
        Kessy, Lewin & Strimmer (2018), "Optimal whitening and decorrelation": ZCA-cor.

        Examples
        --------
        >>> x = np.array([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]])  # the third input never varies
        >>> white = Task.from_samples(x, y=[[1.0], [2.0]]).whitened()
        >>> white.whitening.rank
        2
        >>> np.round(np.linalg.eigvalsh(white.sigma_xx), 12)
        array([0., 1., 1.])
        """
        if self.sigma_xx is None or self.whitening is not None:
            return self
        whitening = self._whitening
        projector = None if whitening.rank == self.n_in else whitening.forward @ self.sigma_xx @ whitening.forward.T
        return Task(
            self.sigma_yx @ whitening.forward.T,
            projector,
            self.trace_yy,
            self.n_examples,
            whitening,
        )

    @cached_property
    def _whitening(self) -> Whitening:
        assert self.sigma_xx is not None
        # Scaling the inputs to unit variance first makes small directions well-conditioned: on MNIST the smallest
        # eigenvalue is 1e-13 of the largest before and 1e-8 after, so that none is lost to rounding.
        variance = np.diag(self.sigma_xx)
        scale = np.sqrt(np.where(variance > 0, variance, 1.0))
        values, vectors = np.linalg.eigh(self.sigma_xx / np.outer(scale, scale))
        # Rounding of the sums over examples leaves redundant directions up to a few times n_in eps, not zero.
        kept = values > 10 * self.n_in * np.finfo(float).eps * values[-1]
        root, q = np.sqrt(values[kept]), vectors[:, kept]
        forward, back = (q / root) @ q.T / scale, scale[:, None] * (q * root) @ q.T
        return Whitening(_read_only(forward), _read_only(back), int(kept.sum()))


def _read_only(array: Array) -> Array:
    array = np.array(array)
    array.setflags(write=False)
    return array
