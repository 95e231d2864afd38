"""Smaller networks with exactly the same learning trajectories."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, chained, each, finite, instance, positive
from dlnlib.task import Task

__all__ = ["Reduction", "reduce", "reduce_outputs"]


@dataclass(frozen=True, eq=False)
class Reduction:
    """A network made small: what `reduce` returns.

    Attributes
    ----------
    task : Task
        The task in the small network's inputs and outputs.
    weights : list of arrays
        The small network's start; read-only, for `lift` compares with it.
    frames : list of (widths[l], small_widths[l]) arrays
        Orthonormal bases, as columns, of the subspaces in which training takes place, the input's first.
    start : list of arrays
        The full start; read-only views of the arrays that were given, which `lift` needs as they were.

    Examples
    --------
    >>> small = reduce(Task(np.eye(1, 3)), [[[0.5, 0.0, 0.0], [0.5, 0.0, 0.0]], [[0.5, 0.5]]])
    >>> [frame.shape for frame in small.frames], small.task.sigma_yx
    ([(3, 1), (2, 1), (1, 1)], array([[1.]]))
    """

    task: Task
    weights: list[Array]
    frames: list[Array]
    start: list[Array]

    @property
    def widths(self) -> list[int]:
        """The small network's widths.

        Examples
        --------
        >>> reduce(Task(np.eye(1, 3)), [[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, 1.0]]]).widths
        [1, 1, 1]
        """
        return [frame.shape[1] for frame in self.frames]

    def lift(self, weights: Sequence[ArrayLike]) -> list[Array]:
        """Return the full network at the moment when the small one has these weights.

        Outside the frames the full weights are what they were at the start.

        Parameters
        ----------
        weights : sequence of (..., small_widths[l], small_widths[l - 1]) arrays
            The small network's weights, or a batch or history of them.

        Returns
        -------
        list of (..., widths[l], widths[l - 1]) arrays

        Raises
        ------
        ValueError
            If the weights are not of the small network's shapes.

        Examples
        --------
        >>> from dlnlib import initialization
        >>> task = Task(np.eye(2, 5))
        >>> start = initialization.decoupled(task, [5, 9, 2], u0=0.1, rng=0)
        >>> small = reduce(task, start)
        >>> [w.shape for w in small.weights], [w.shape for w in small.lift(small.weights)]
        ([(2, 2), (2, 2)], [(9, 5), (2, 9)])
        """
        small = [finite(name, w) for name, w in each("weights", weights)]
        if [w.shape[-2:] for w in small] != [w.shape for w in self.weights]:
            raise ValueError(
                f"weights had shapes {[w.shape for w in small]}; the small network's have widths {self.widths}"
            )
        layers = zip(self.start, small, self.weights, itertools.pairwise(self.frames), strict=True)
        return [full + after @ (w - w0) @ before.T for full, w, w0, (before, after) in layers]


def reduce(task: Task, weights: Sequence[ArrayLike], *, tolerance: float = 1e-13) -> Reduction:
    """Find the subspaces in which training takes place, and the small network that lives in them.

    Let H_l be the smallest subspaces, one for each layer of neurons, such that

        W_l H_l lies in H_{l+1},   W_l^T H_{l+1} lies in H_l,
        H_1 holds the rows of sigma_yx and is invariant under sigma_xx,
        H_{D+1} holds the columns of sigma_yx and of W_D.

    The error sigma_yx - W sigma_xx maps H_1 to H_{D+1} and is zero on the rest, for the map W is: hence so is every
    gradient, every step of gradient descent keeps the subspaces, and off them no weight ever moves. In orthonormal
    frames B_l of the subspaces the weights B_{l+1}^T W_l B_l are a network of its own, whose trajectory, in discrete
    time and at any learning rate, is that of the full one.

    On white inputs decoupled starts reduce to one neuron for each mode in every layer, orthogonal layers of one width
    to at most three for each output (of falling widths to more), wide random Gaussian layers, in general, not at all.
    Inputs that vary in some directions only, or not equally in all, need more in the first layers.

    Parameters
    ----------
    task : Task
    weights : sequence of (widths[l], widths[l - 1]) arrays
        The start; one network, without a leading axis.
    tolerance : float
        A direction belongs to a subspace already if what is outside is below this, relative to the layer's norm; for
        the moments, which carry the rounding of sums and of whitening, a thousand times this. What is weaker is
        taken for rounding, and never learned: a mode whose weights in some layer are that small beside the others'
        (of a decoupled start of depth D, one whose u0 is smaller by the factor tolerance^D).

    Returns
    -------
    Reduction

    Raises
    ------
    ValueError
        If the weights do not chain from the task's inputs to its outputs, or the tolerance is not positive.

    References
    ----------
    Yaras, Wang, Hu, Zhu, Balzano & Qu (2023) for orthogonal starts; the book's chapter "Infinite depth" has the
    theorem for any start and task, and its proof.

    Examples
    --------
    >>> from dlnlib import datasets, descent, initialization
    >>> task = datasets.mnist().whitened()
    >>> start = initialization.decoupled(task, [784, 300, 200, 10], u0=0.01, rng=0)
    >>> small = reduce(task, start)
    >>> small.widths
    [10, 10, 10, 10]
    >>> run = descent.gradient_descent(small.task, small.weights, 0.5, steps=50)
    >>> full = descent.gradient_descent(task, start, 0.5, steps=50)
    >>> all(np.allclose(a, b, atol=1e-12) for a, b in zip(small.lift(run.weights), full.weights))
    True
    """
    instance("task", task, Task)
    layers = chained(weights, task.n_in, task.n_out)
    tolerance = float(positive("tolerance", tolerance, ndim=0))
    spaces = [_Subspace(width) for width in (task.n_in, *(len(w) for w in layers))]
    noise = [tolerance * float(np.linalg.norm(w)) for w in layers]
    strongest = task.modes.s.max(initial=0.0)
    spaces[0].add(task.sigma_yx.T, 1e3 * tolerance * strongest)
    spaces[-1].add(task.sigma_yx, 1e3 * tolerance * strongest)
    spaces[-1].add(layers[-1], noise[-1])

    # For each space: where its matrices lead, and what length is rounding there
    maps: list[list[tuple[int, Array, float]]] = [[] for _ in spaces]
    if task.sigma_xx is not None:
        maps[0].append((0, task.sigma_xx, 1e3 * tolerance * float(np.linalg.norm(task.sigma_xx))))
    for i, w in reversed([*enumerate(layers)]):
        maps[i].append((i + 1, w, noise[i]))
        maps[i + 1].append((i, w.T, noise[i]))
    pending = [space.basis for space in spaces]  # the directions whose images have not been taken yet
    order = range(len(pending))
    while any(new.shape[1] for new in pending):
        for i in order:  # up, then down, so that what is new is handed through all layers in one sweep
            new, pending[i] = pending[i], pending[i][:, :0]
            for target, matrix, least in maps[i] if new.shape[1] else []:
                pending[target] = np.hstack([pending[target], spaces[target].add(matrix @ new, least)])
        order = order[::-1]

    frames = [space.frame() for space in spaces]
    if all(frame.shape[1] == len(frame) for frame in frames):
        return Reduction(task, _read_only(layers), frames, _read_only(layers))
    small = [after.T @ w @ before for w, (before, after) in zip(layers, itertools.pairwise(frames), strict=True)]
    return Reduction(task._in_frames(frames[0], frames[-1]), _read_only(small), frames, _read_only(layers))


def _read_only(arrays: list[Array]) -> list[Array]:
    """Return the same arrays, not copied, so that nothing writes to them by this way."""
    return [np.broadcast_to(array, array.shape) for array in arrays]


class _Subspace:
    """A growing subspace, as an orthonormal basis."""

    def __init__(self, dimension: int) -> None:
        self.basis = np.zeros((dimension, 0))

    def add(self, vectors: Array, least: float) -> Array:
        """Take in the columns of `vectors`; return the new basis vectors that this needs, if larger than `least`."""
        u, s, _ = np.linalg.svd(self._outside(vectors), full_matrices=False)
        room = len(self.basis) - self.basis.shape[1]
        # A direction found at length s has rounding of eps / s inside: take it out once the length is one.
        new: Array = np.linalg.qr(self._outside(u[:, s > least][:, :room])).Q
        self.basis = np.hstack([self.basis, new])
        return new

    def _outside(self, vectors: Array) -> Array:
        return vectors - self.basis @ (self.basis.T @ vectors)

    def frame(self) -> Array:
        n, found = self.basis.shape
        # Where nothing ever passes, the weights of any one direction never move.
        return self.basis if 0 < found < n else np.eye(n, found or 1)


def reduce_outputs(task: Task, weights: Sequence[ArrayLike]) -> tuple[Task, list[Array]]:
    """Rotate the outputs so that all that training ever touches lies in the first few of them, and drop the rest.

    Targets span n_modes directions of the output space, the columns of U; the readout W_D begins with a component
    in those and, outside them, one of at most as many dimensions as the last hidden layer has units. In the frame
    [U, Q], with Q R the QR decomposition of the outside component, the task is [U^T sigma_yx; 0] and the readout
    [U^T W_D; R]. The frame is orthonormal and contains everything, so that loss, hidden layers and mode strengths
    are those of the full network at every step, in discrete time too; and for nonlinear hidden layers if the targets
    are linear in the inputs, as they are for one-hot inputs (other targets leave the columns of U).

    Parameters
    ----------
    task : Task
        With more outputs than modes plus hidden units, or there is nothing to gain.
    weights : sequence of (..., widths[l], widths[l - 1]) arrays
        A start, or a batch of starts.

    Returns
    -------
    Task
        With n_modes + min(n_out, widths[-2]) outputs; the same for every start.
    list of arrays
        The weights, the last layer in the new frame.

    Raises
    ------
    ValueError
        If the last layer does not end at the task's outputs.

    Examples
    --------
    >>> from dlnlib import datasets, descent, initialization
    >>> task = datasets.hierarchy(levels=2, features=500, rng=0)
    >>> start = initialization.gaussian([4, 3, 500], scale=0.01, rng=0)
    >>> small_task, small_start = reduce_outputs(task, start)
    >>> small_task.sigma_yx.shape, small_start[-1].shape
    ((7, 4), (7, 3))
    >>> full = descent.gradient_descent(task, start, 0.02, steps=50)
    >>> small = descent.gradient_descent(small_task, small_start, 0.02, steps=50)
    >>> np.allclose(full.modes, small.modes, rtol=1e-12, atol=1e-12)
    True
    """
    instance("task", task, Task)
    *hidden, readout = chained(weights, task.n_in, task.n_out, ndims=(2, 3))
    u = task.modes.u
    inside = u.T @ readout
    outside = np.linalg.qr(readout - u @ inside).R
    small_task = task._in_frames(None, np.hstack([u, np.zeros((task.n_out, outside.shape[-2]))]))
    return small_task, [*hidden, np.concatenate([inside, outside], axis=-2)]
