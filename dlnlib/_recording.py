"""What a training run reports, and the recorder that writes it down while the run goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dlnlib._checks import Array, positive, positive_int

DIVERGED = 1e100  # a loss that is not below this is that of a diverged run


@dataclass(frozen=True, eq=False)
class Run:
    """A recorded training run, or a batch of runs side by side (then every array has a leading batch axis).

    Attributes
    ----------
    steps : (n_records,) array of int
        The steps recorded, 0 being the start.
    loss : (..., n_records) array
        Half the mean squared error; inf from the step at which a run diverged.
    modes : (..., n_records, n_modes) array
        Strengths of the task's modes in the end-to-end map, diag(U^T W V).
    test_loss : (..., n_records) array or None
        Loss on the test task, if there was one.
    weights : list of (..., widths[l], widths[l - 1]) arrays
        The weights after the last step.
    history : list of (..., n_records, widths[l], widths[l - 1]) arrays, or None
        The weights at every record, if they were kept.
    diverged_at : (...) array
        First step at which the loss was no longer a number below 1e100, or inf: from there on the run's records are
        inf and its weights meaningless.
    reached_at : (...) array
        First step at which the loss was below `stop_below`, or inf.

    Examples
    --------
    >>> from dlnlib import Task, descent
    >>> run = descent.gradient_descent(Task([[2.0]]), weights=[[[1.0]]], learning_rate=0.5, steps=2)
    >>> run.steps, run.loss, run.modes[:, 0]
    (array([0, 1, 2]), array([0.5    , 0.125  , 0.03125]), array([1.  , 1.5 , 1.75]))
    """

    steps: NDArray[np.int64]
    loss: Array
    modes: Array
    test_loss: Array | None
    weights: list[Array]
    history: list[Array] | None
    diverged_at: Array
    reached_at: Array

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Whether the run diverged.

        Examples
        --------
        >>> from dlnlib import Task, descent
        >>> descent.gradient_descent(Task([[2.0]]), [[[1.0]]], learning_rate=[0.5, 2.5], steps=1000).diverged
        array([False,  True])
        """
        return np.isfinite(self.diverged_at)


class Recorder:
    """Keeps what a `Run` reports while it goes, and says when to stop."""

    def __init__(
        self,
        steps: int,
        record_every: int,
        stop_below: float | None,
        kept: list[torch.Tensor] | None,
        race: bool = False,
    ) -> None:
        if race and stop_below is None:
            raise ValueError("race was True and stop_below was None; a race needs the loss at which it is won")
        self.last_step = positive_int("steps", steps)
        self.record_every = positive_int("record_every", record_every)
        self.stop_below = -math.inf if stop_below is None else float(positive("stop_below", stop_below, ndim=0))
        self.kept = kept
        self.race = race
        self.steps: list[int] = []
        self.loss: list[Array] = []
        self.modes: list[Array] = []
        self.test_loss: list[Array] = []
        self.history: list[list[Array]] = []
        self.diverged_at: Array | None = None
        self.reached_at: Array | None = None

    def see(
        self,
        step: int,
        loss: torch.Tensor,
        measure: Callable[[], tuple[Array, Array | None]],
    ) -> bool:
        """Take note of one step; return whether it was the last."""
        losses = to_numpy(loss)
        if self.diverged_at is None or self.reached_at is None:
            self.diverged_at, self.reached_at = (
                np.full(losses.shape, np.inf),
                np.full(losses.shape, np.inf),
            )
        lost = ~(losses < DIVERGED)
        self.diverged_at[lost] = np.minimum(self.diverged_at[lost], step)
        diverged = np.isfinite(self.diverged_at)
        reached = (losses < self.stop_below) & ~diverged
        self.reached_at[reached] = np.minimum(self.reached_at[reached], step)
        arrived = np.isfinite(self.reached_at)
        stop = step == self.last_step or bool(np.all(diverged | arrived) or (self.race and np.any(arrived)))
        if step % self.record_every == 0 or stop:
            self.steps.append(step)
            self.loss.append(np.where(diverged, np.inf, losses))
            modes, test_loss = measure()
            self.modes.append(np.where(diverged[:, None], np.inf, modes))
            if test_loss is not None:
                self.test_loss.append(np.where(diverged, np.inf, test_loss))
            if self.kept is not None:
                self.history.append([to_numpy(w) for w in self.kept])
        return stop

    def run(self, layers: list[torch.Tensor], batch_shape: tuple[int, ...]) -> Run:
        """Collect the records into a `Run`, without the batch axis if there was none."""

        def unbatched(array: Array) -> Array:
            return array.reshape(batch_shape + array.shape[1:])

        assert self.diverged_at is not None and self.reached_at is not None
        return Run(
            steps=np.array(self.steps),
            loss=unbatched(np.stack(self.loss, axis=1)),
            modes=unbatched(np.stack(self.modes, axis=1)),
            test_loss=unbatched(np.stack(self.test_loss, axis=1)) if self.test_loss else None,
            weights=[unbatched(w.detach().cpu().double().numpy()) for w in layers],
            history=[unbatched(np.stack(layer, axis=1)) for layer in zip(*self.history, strict=True)]
            if self.history
            else None,
            diverged_at=unbatched(self.diverged_at),
            reached_at=unbatched(self.reached_at),
        )


def to_numpy(w: torch.Tensor) -> Array:
    """Copy a tensor to a float64 array."""
    return np.array(w.detach().cpu().double().numpy())


def measurable(maps: torch.Tensor, loss: torch.Tensor) -> Array:
    """Copy a batch of maps to an array, zero for runs that diverged: the recorder writes inf over what is measured."""
    array = to_numpy(maps)
    array[~(to_numpy(loss) < DIVERGED)] = 0.0
    return array
