"""A task, as a linear network sees it: the triangular root of a data set's second moments, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, counted, each, finite, instance, positive_int, shown, squarable, table

__all__ = ["ROUNDING", "Modes", "Task", "Whitening"]

# What is below this share of the largest is rounding: a hundred times more than was ever seen of it, and on MNIST's
# moments, in every frame of its inputs, less than half of the smallest direction that is there.
ROUNDING = 100 * float(np.finfo(np.float64).eps)
_SHORT = np.float16, np.float32


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


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Task:
    r"""A data set as its triangular root: all that a linear network ever learns from.

    With x and y the P examples as rows, and [x y] / sqrt(P) = Q R, the orthonormal Q drops out of every mean. The
    small matrix that is left,

    .. math:: R = \begin{pmatrix} \text{root} & \text{targets} \\ 0 & \text{rest} \end{pmatrix},

    without the rows of `root` that are rounding, says all. The loss of a linear map w, half the mean squared error,
    is a sum of squares, which rounding cannot make negative:

    .. math:: L(w) = \text{floor} + \tfrac12 \| \text{targets} - \text{root}\, w^T \|^2, \qquad
        \text{floor} = \tfrac12 \| \text{rest} \|^2 .

    So loss, gradient and every training trajectory are exact functions of R, at a cost that does not depend on the
    number of examples. The moments are its squares: sigma_xx = root^T root and sigma_yx = targets^T root. They know
    half as many digits of a weak direction; a task that is made from them takes its root from their eigenvectors.

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

    Attributes
    ----------
    root : (rank, n_in) array or None
        Its rows are the directions in which the inputs vary; None for white inputs, where it is the identity.
    targets : (rank, n_out) array
        The targets along these.
    trace_yy : float
        As above.
    floor : float
        The smallest loss that any linear map attains.
    precision : float
        The share of its inputs' size below which a direction of the root is rounding: 2e-14 for a task made from
        float64 samples, 1e-7 from float32 samples, 1.5e-7 from moments.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite, or sigma_xx is not symmetric and positive semi-definite,
        or the targets are shorter than what the inputs explain of them; or the moments are float32 numbers, and their
        rounding hides which directions there are.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.

    Examples
    --------
    >>> task = Task.from_samples(x=np.eye(2), y=[[3.0, 0.0], [0.0, 1.0]])
    >>> task
    Task(2 inputs of rank 2, 2 outputs, 2 examples, floor 0)
    >>> task.modes.s
    array([1.5, 0.5])
    >>> round(float(task.loss(np.zeros((2, 2)))), 12), task.floor
    (2.5, 0.0)
    """

    root: Array | None
    targets: Array
    _scale: Array  # in whose units the inputs have unit variance, and directions are judged
    floor: float
    trace_yy: float
    n_examples: int
    precision: float
    whitening: Whitening | None

    def __init__(
        self,
        sigma_yx: ArrayLike,
        sigma_xx: ArrayLike | None = None,
        trace_yy: float | None = None,
        n_examples: int = 1,
        whitening: Whitening | None = None,
    ) -> None:
        sigma_yx = squarable("sigma_yx", sigma_yx, ndim=2)
        root, targets, scale, uncertain = None, sigma_yx.T, np.ones(sigma_yx.shape[1]), _rounding(sigma_yx)
        if sigma_xx is not None:
            sigma_xx = finite("sigma_xx", sigma_xx)
            root, targets, scale, uncertain = _root_of_moments(sigma_yx, sigma_xx)
        explained = float(np.sum(targets**2))
        trace_yy = explained if trace_yy is None else float(finite("trace_yy", trace_yy, ndim=0))
        if trace_yy < explained * (1 - max(uncertain, 1e-9)):
            raise ValueError(f"trace_yy was {trace_yy:g}; with these correlations it must be at least {explained:g}")
        if whitening is not None:
            instance("whitening", whitening, Whitening)
        n_examples, floor = positive_int("n_examples", n_examples), max(0.0, 0.5 * (trace_yy - explained))
        self._keep(root, targets, scale, floor, trace_yy, n_examples, ROUNDING**0.5, whitening)
        given = {"sigma_yx": _read_only(sigma_yx), "sigma_xx": None if sigma_xx is None else _read_only(sigma_xx)}
        vars(self).update(given, _made=(Task, (*given.values(), trace_yy, n_examples, whitening)))

    def _keep(self, *fields: Any) -> None:
        fields = tuple(_read_only(field) if isinstance(field, np.ndarray) else field for field in fields)
        vars(self).update(zip(self.__dataclass_fields__, fields, strict=True), _made=(_task, fields))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple(vars(self)["_made"])  # from what it was made, and nothing that was derived since

    @classmethod
    def from_samples(cls, x: ArrayLike, y: ArrayLike, centred: bool = False) -> Task:
        """Make the task of examples.

        Parameters
        ----------
        x : (n_examples, n_in) array
            Inputs: an array, a list, a torch tensor, a table of pandas, a memory-mapped file.
        y : (n_examples, n_out) array
            Targets.
        centred : bool
            Whether to subtract the means over the examples from both. A column that is constant then is no direction
            at all, which cannot be seen once somebody else has subtracted its mean.

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
        return cls._summed([(None, (x, y))], centred)

    @classmethod
    def from_batches(cls, batches: Iterable[Any], centred: bool = False) -> Task:
        """Make the task of examples that come in batches, in memory that does not grow with their number.

        Parameters
        ----------
        batches : iterable of pairs (x, y)
            Arrays as `from_samples` takes them, of one width each: a list, a generator, a torch ``DataLoader``.
            One pair of memory-mapped files will do; they are read a few thousand rows at a time.
        centred : bool
            Whether to subtract the means over all examples.

        Raises
        ------
        ValueError
            If there is no batch, or one does not fit the first.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> task = Task.from_batches((rng.standard_normal((1000, 3)), np.ones((1000, 1))) for _ in range(50))
        >>> task
        Task(3 inputs of rank 3, 1 output, 50,000 examples, floor 0.5)
        """
        return cls._summed(each("batches", batches), centred)

    @classmethod
    def _summed(cls, batches: Iterable[tuple[str | None, Any]], centred: bool) -> Task:
        parts: list[tuple[int, Array]] = []
        n_in, precision, squares, means = 0, 0.0, 0.0, int(bool(centred))
        for x, y, eps in _blocks(batches):
            n_in, precision, squares = x.shape[1], max(precision, eps), squares + float(np.sum(y**2))
            count, rows = len(x), np.hstack([np.ones((len(x), means)), x, y])
            while parts and parts[-1][0] <= count:  # a tree of like parts: rounding and memory grow with its height
                n_before, before = parts.pop()
                count, rows = count + n_before, _triangle(np.vstack([before, rows]))
            parts.append((count, rows))
        n_examples = sum(count for count, _ in parts)
        rows = _triangle(np.vstack([part for _, part in parts])) / np.sqrt(n_examples)
        # The first row of the root of [1 x y] holds the means: without it, the task is centred.
        thin = _thin(rows[means:, means:], n_in, np.linalg.norm(rows[:, means:], axis=0), precision)
        trace_yy = float(np.sum(rows[means:, means + n_in :] ** 2)) if centred else squares / n_examples
        return _task(*thin, trace_yy, n_examples, max(precision, ROUNDING))

    @staticmethod
    def pool(tasks: Iterable[Task]) -> Task:
        """Make the task of all the data of several tasks, each part counting with its examples, in any order.

        Parts can be made anywhere: in other processes, or on a cluster, as in
        ``Task.pool(client.gather(client.map(part, files)))`` with a Dask client and a function `part` that makes the
        task of one file. A pool of centred tasks is centred in each part; `from_batches` centres the whole.

        Parameters
        ----------
        tasks : iterable of Task
            Of the same inputs and outputs, not whitened.

        Raises
        ------
        ValueError
            If there is no task, or one does not fit the first.

        Examples
        --------
        >>> whole = Task.pool([Task.from_samples([[1.0, 0.0]], [[4.0]]), Task.from_samples([[1.0, 2.0]], [[2.0]])])
        >>> whole.sigma_yx, whole.n_examples
        (array([[3., 2.]]), 2)
        """
        parts: list[Task] = []
        for name, task in each("tasks", tasks):
            instance(name, task, Task)
            parts.append(task)
            if (task.n_in, task.n_out) != (parts[0].n_in, parts[0].n_out) or task.whitening is not None:
                raise ValueError(
                    f"{name} was {task}; it must have the inputs and outputs of the first, and not be whitened"
                )
        if not parts:
            raise ValueError("tasks was empty; it must hold at least one task")
        n_examples, precision = sum(task.n_examples for task in parts), max(task.precision for task in parts)
        shares = [task.n_examples / n_examples for task in parts]
        rows = np.vstack([share**0.5 * task._rows for share, task in zip(shares, parts, strict=True)])
        *thin, left = _thin(rows, parts[0].n_in, np.linalg.norm(rows, axis=0), precision)
        floor, trace_yy = np.dot(shares, [(task.floor, task.trace_yy) for task in parts]).tolist()
        return _task(*thin, floor + left, trace_yy, n_examples, precision)

    @property
    def _rows(self) -> Array:
        return np.hstack([np.eye(self.n_in) if self.root is None else self.root, self.targets])

    @property
    def rank(self) -> int:
        """Number of directions in which the inputs vary.

        Examples
        --------
        >>> Task.from_samples(x=[[1.0, 2.0], [2.0, 4.0]], y=[[3.0], [0.0]]).rank
        1
        """
        return len(self.targets)

    @property
    def n_in(self) -> int:
        """Number of inputs.

        Examples
        --------
        >>> Task(np.ones((2, 3))).n_in
        3
        """
        return int((self.targets.T if self.root is None else self.root).shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs.

        Examples
        --------
        >>> Task(np.ones((2, 3))).n_out
        2
        """
        return int(self.targets.shape[1])

    @cached_property
    def sigma_yx(self) -> Array:
        """Input-output correlation, the mean of y x^T, shape (n_out, n_in).

        Examples
        --------
        >>> Task.from_samples(x=[[1.0, 2.0]], y=[[3.0]]).sigma_yx
        array([[3., 6.]])
        """
        return self.targets.T if self.root is None else _read_only(self.targets.T @ self.root)

    @cached_property
    def sigma_xx(self) -> Array | None:
        """Input correlation, the mean of x x^T, shape (n_in, n_in); None for white inputs.

        Examples
        --------
        >>> Task.from_samples(x=[[1.0, 2.0]], y=[[3.0]]).sigma_xx
        array([[1., 2.],
               [2., 4.]])
        """
        return None if self.root is None else _read_only(self.root.T @ self.root)

    @cached_property
    def modes(self) -> Modes:
        """The modes of the task that are more than rounding, strongest first.

        An SVD leaves the sign of each pair (u, v) open; here the largest entry of every u is positive,
        so that the same task has the same modes everywhere.

        Examples
        --------
        >>> Task(np.diag([1.0, -3.0, 0.0])).modes.s
        array([3., 1.])
        """
        u, s, vt = np.linalg.svd(self.sigma_yx, full_matrices=False)
        n_modes = int(np.sum(s > ROUNDING * s[0]))
        u, s, vt = u[:, :n_modes], s[:n_modes], vt[:n_modes]
        # The first of the entries that tie for largest, so that rounding cannot choose between them.
        largest = np.argmax(np.abs(u) >= (1 - 1e-6) * np.abs(u).max(axis=0), axis=0)
        sign = np.where(u[largest, np.arange(n_modes)] < 0, -1.0, 1.0)
        return Modes(_read_only(u * sign), _read_only(s), _read_only(vt * sign[:, None]))

    @cached_property
    def mode_variances(self) -> Array:
        """Variance of the inputs along each mode, lambda = diag(V^T sigma_xx V), shape (n_modes,).

        Where sigma_xx shares the modes' axes (white inputs, one-hot inputs), mode alpha is learned as if
        its inputs were white, with strength s / lambda and time constant tau / lambda. Other inputs share them in part;
        what that costs the theory is the `misalignment` of `dlnlib.exact.forecast`.

        Examples
        --------
        >>> Task(np.diag([3.0, 1.0]), np.diag([0.5, 0.25])).mode_variances
        array([0.5 , 0.25])
        """
        return _read_only(np.sum(self._seen(self.modes.vt) ** 2, axis=1))

    def _seen(self, w: Array) -> Array:
        """What a map does to the directions in which the inputs vary, w root^T."""
        return w if self.root is None else np.asarray(w @ self.root.T)

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
        if w.shape[-2:] != (self.n_out, self.n_in):
            raise ValueError(f"w had shape {w.shape}; a map of this task must have shape {(self.n_out, self.n_in)}")
        loss: Array = self.floor + 0.5 * np.sum((self.targets.T - self._seen(w)) ** 2, axis=(-2, -1))
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
        if self.root is None:
            return self.sigma_yx
        axes, spread, scale = self._principal
        return _read_only(self.targets.T / spread @ axes / scale)

    @property
    def _principal(self) -> tuple[Array, Array, Array]:
        """The root as diag(spread) axes diag(scale), of orthonormal axes: principal components of scaled inputs."""
        scaled = self._rows[:, : self.n_in] / self._scale
        spread = np.linalg.norm(scaled, axis=1)
        return scaled / spread[:, None], spread, self._scale

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
            raise ValueError(f"linear_map had shape {linear_map.shape}; it must have {self.n_in} columns, one an input")
        # Inputs as large as this were added, whatever is left of them.
        sizes = np.linalg.norm(self._rows[:, : self.n_in]) * np.linalg.norm(linear_map, axis=1)
        sizes = np.concatenate([sizes, np.linalg.norm(self.targets, axis=0)])
        rows = np.hstack([self._seen(linear_map).T, self.targets])
        *thin, left = _thin(rows, len(linear_map), sizes, self.precision)
        return _task(*thin, self.floor + left, self.trace_yy, self.n_examples, self.precision)

    def _in_frames(self, inputs: Array | None, outputs: Array) -> Task:
        """Return the task in orthonormal frames, as columns, of inputs (None: as they are) and outputs.

        The frames must hold all modes, and the inputs' one be invariant under sigma_xx: then loss and floor stay.
        """
        root, targets, scale, whitening = self.root, self.targets @ outputs, self._scale, self.whitening
        if inputs is not None and root is None:
            targets, scale, whitening = inputs.T @ targets, np.ones(inputs.shape[1]), None
        elif inputs is not None and root is not None:
            rows, whitening = np.hstack([root @ inputs, targets]), None
            root, targets, scale, _ = _thin(rows, inputs.shape[1], np.linalg.norm(rows, axis=0), self.precision)
        return _task(root, targets, scale, self.floor, self.trace_yy, self.n_examples, self.precision, whitening)

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
        if self.whitening is not None:
            return self
        axes, spread, scale = self._principal
        forward, back = axes.T / spread @ axes / scale, scale[:, None] * (axes.T * spread) @ axes
        whitening = Whitening(_read_only(forward), _read_only(back), self.rank)
        targets = self.targets
        # Along weak inputs rounding of moments has grown, also outside the modes.
        if self.root is not None and self.precision == ROUNDING**0.5:
            targets = targets @ self.modes.u @ self.modes.u.T
        root, targets = (axes, targets) if self.rank < self.n_in else (None, axes.T @ targets)
        same = self.floor, self.trace_yy, self.n_examples, self.precision
        return _task(root, targets, np.ones(self.n_in), *same, whitening)

    def __repr__(self) -> str:
        inputs, outputs = counted(self.n_in, "input"), counted(self.n_out, "output")
        examples = counted(self.n_examples, "example")
        return f"Task({inputs} of rank {self.rank}, {outputs}, {examples}, floor {self.floor:.4g})"

    def _repr_html_(self) -> str:
        sizes = {"inputs": self.n_in, "rank": self.rank, "outputs": self.n_out, "examples": f"{self.n_examples:,}"}
        rows = sizes | {"modes": len(self.modes.s), "floor": f"{self.floor:.4g}"}
        return f"<table>{''.join(f'<tr><th>{head}</th><td>{x}</td></tr>' for head, x in rows.items())}</table>"


def _task(*fields: Any) -> Task:
    """Return the task of these fields, which are the library's own and need no check."""
    task = object.__new__(Task)
    task._keep(*fields, *[None] * (8 - len(fields)))
    return task


def _thin(rows: Array, n_in: int, sizes: Array, precision: float) -> tuple[Array, Array, Array, float]:
    """Return root, targets, scale and floor of [x y] / sqrt(P), or of its root, without what rounding made.

    Column j had the size sizes[j] once, from which something may have been subtracted. It is known up to rounding of
    that size and of the largest, and an input up to `precision` of its own size. A direction counts if it is longer
    than what the columns that it is made of are known to.
    """
    triangle = _triangle(rows)
    a, b, rest = triangle[:n_in, :n_in], triangle[:n_in, n_in:], triangle[n_in:, n_in:]
    scale = np.linalg.norm(a, axis=0)
    noise = np.maximum(ROUNDING * np.maximum(sizes[:n_in], np.linalg.norm(a)), precision * scale)
    there, scale = scale > noise, np.where(scale > noise, scale, 1.0)
    u, spread, axes = np.linalg.svd(a * there / scale, full_matrices=False)
    kept = spread > np.linalg.norm(axes * noise / scale, axis=1)
    targets, missed = u.T[kept] @ b, u.T[~kept] @ b
    targets = np.where(np.linalg.norm(targets, axis=0) > ROUNDING * sizes[n_in:], targets, 0.0)
    root = spread[kept, None] * axes[kept] * there * scale
    return root, targets, scale, float(0.5 * (np.sum(rest**2) + np.sum(missed**2)))


def _root_of_moments(sigma_yx: Array, sigma_xx: Array) -> tuple[Array, Array, Array, float]:
    """Return root, targets and scale of moments, and what share of the explained rounding may have made."""
    n_in = sigma_yx.shape[1]
    if sigma_xx.shape != (n_in, n_in):
        raise ValueError(f"sigma_xx had shape {sigma_xx.shape}; it must be a square matrix of size {n_in}")
    if np.abs(sigma_xx - sigma_xx.T).max() > 1e-8 * np.abs(sigma_xx).max():
        raise ValueError("sigma_xx was not symmetric; a correlation matrix must be")
    variance = np.diag(sigma_xx)
    there = variance > ROUNDING**2 * variance.max()
    sigma_xx, own = sigma_xx * np.outer(there, there), np.sqrt(np.where(there, variance, 1.0))
    # Scaling the inputs to unit variance first makes small directions well-conditioned: on MNIST the smallest
    # eigenvalue is 1e-13 of the largest before and 1e-8 after. But inputs that were turned carry rounding of the
    # largest, and in units of their own some of them are nothing else: negative eigenvalues tell.
    for scale in (own, np.ones(n_in)):
        values, vectors = np.linalg.eigh(sigma_xx / np.outer(scale, scale))
        if values[0] >= -ROUNDING * values[-1]:
            break
    rounding = _rounding(sigma_yx, sigma_xx)
    hidden = np.sum((np.abs(values) > ROUNDING * values[-1]) & (np.abs(values) < rounding * values[-1]))
    if hidden:
        raise ValueError(
            f"sigma_xx was of float32 numbers, whose rounding hides {hidden} of its {n_in} directions; "
            "it must be given in float64, or its samples to Task.from_samples"
        )
    if values[0] < -1e-8 * np.abs(values).max():
        raise ValueError("sigma_xx had an eigenvalue below zero; a correlation matrix must not")
    noise = max(ROUNDING * values[-1], -10 * values[0])
    kept = values > noise
    spread, axes = np.sqrt(values[kept]), vectors[:, kept].T * there
    uncertain = max(rounding * values[-1], noise) / values[kept].min(initial=np.inf)
    root = spread[:, None] * axes * scale
    targets = (axes / scale / spread[:, None]) @ sigma_yx.T
    if scale is not own:
        sizes = np.repeat([np.sqrt(noise) / ROUNDING, 0.0], [n_in, targets.shape[1]])
        root, targets, scale, _ = _thin(np.hstack([root, targets]), n_in, sizes, ROUNDING)
    return root, targets, scale, float(uncertain)


def _rounding(*moments: Array) -> float:
    """How large rounding is in moments: if they are float32 numbers, though not small or whole ones, it was theirs."""
    numbers = np.concatenate([moment.ravel() for moment in moments])
    digits, powers = np.frexp(numbers)
    too_long = [bool(np.any(np.ldexp(digits, n_digits) % 1)) for n_digits in (20, 24)]
    # Whole in some unit, such as means over 512 images: float32 would give the smaller ones digits of smaller units.
    largest = powers[np.abs(numbers).argmax()]
    whole = not np.any(np.ldexp(numbers, 24 - largest) % 1) and np.sum(largest - powers[numbers != 0]) > 12
    return 100 * float(np.finfo(np.float32).eps) if too_long == [True, False] and not whole else ROUNDING


def _blocks(batches: Iterable[tuple[str | None, Any]]) -> Iterator[tuple[Array, Array, float]]:
    """Yield the examples of named pairs (x, y), a few thousand at a time, and how precise the inputs are."""
    width = None
    for of, pair in batches:
        x_name, y_name = (f"{name} of {of}" if of else name for name in "xy")
        try:
            x, y = pair
        except (TypeError, ValueError):
            raise ValueError(f"{of} was {shown(pair)}; it must be a pair (x, y)") from None
        x, y = table(x_name, x), table(y_name, y)
        n_examples = x.shape[0]
        if n_examples != y.shape[0]:
            raise ValueError(f"{x_name} held {n_examples} examples and y {y.shape[0]}; they must hold the same number")
        width, first = (x.shape[1], y.shape[1]), width
        if first not in (None, width):
            raise ValueError(f"{of} had {width} inputs and outputs; it must have {first}, as the first")
        x, y = (getattr(rows, "iloc", rows) for rows in (x, y))  # a table of pandas: by place, not by label
        precision = float(np.finfo(np.float32).eps) if np.asarray(x[:0]).dtype in _SHORT else 0.0
        for start in range(0, n_examples, size := max(2**19 // sum(width), 4 * sum(width))):
            part = slice(start, start + size)
            yield squarable(x_name, x[part]), squarable(y_name, y[part]), precision
    if width is None:
        raise ValueError("batches was empty; it must hold at least one pair (x, y)")


def _triangle(rows: Array) -> Array:
    """R of the QR decomposition."""
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _read_only(array: Array) -> Array:
    array = np.array(array)
    array.setflags(write=False)
    return array
