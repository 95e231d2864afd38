"""Smaller networks with exactly the same learning trajectories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, finite
from dlnlib.task import Task


def reduce_outputs(task: Task, weights: Sequence[ArrayLike]) -> tuple[Task, list[Array]]:
    """Rotate the outputs so that all that training ever touches lies in the first few of them, and drop the rest.

    Targets span n_modes directions of the output space, the columns of U; the readout W_D begins with a component
    in those and, outside them, one of at most as many dimensions as the last hidden layer has units. In the frame
    [U, Q], with Q R the QR decomposition of the outside component, the task is [U^T sigma_yx; 0] and the readout
    [U^T W_D; R]. The frame is orthonormal and contains everything, so that loss, hidden layers and mode strengths
    are those of the full network at every step, in discrete time too and for nonlinear hidden layers.

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
    layers = [finite(f"weights[{i}]", w) for i, w in enumerate(weights)]
    if not layers or layers[-1].shape[-2:-1] != (task.n_out,):
        raise ValueError(
            f"weights had shapes {[w.shape for w in layers]}; the last must have this task's {task.n_out} outputs"
        )
    *hidden, readout = layers
    u = task.modes.u
    inside = u.T @ readout
    outside = np.linalg.qr(readout - u @ inside).R
    sigma_yx = np.vstack([u.T @ task.sigma_yx, np.zeros((outside.shape[-2], task.n_in))])
    small_task = Task(sigma_yx, task.sigma_xx, task.trace_yy, task.n_examples, task.whitening)
    return small_task, [*hidden, np.concatenate([inside, outside], axis=-2)]
