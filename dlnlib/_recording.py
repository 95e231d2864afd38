"""What a training run reports, and the recorder that writes it down while the run goes."""

from __future__ import annotations

import html
import itertools
import math
import os
import signal
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnlib._checks import Array, counted, detached, finite, instance, path, positive, positive_int
from dlnlib.networks import Network

DIVERGED = 1e100  # a loss that is not below this is that of a diverged run
BLOCK = 2**16  # numbers seen of the network before they are measured, all at once


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A recorded training run, or a batch of runs side by side (then the axis `...` below is that of the batch).

    Weights and modes are in the precision that the run was computed in.

    Attributes
    ----------
    steps : (n_records,) array of int
        The steps recorded, 0 being the start.
    time : (..., n_records) array
        The sum of the learning rates of the steps taken: with one rate, rate * steps, the time of the gradient flow
        in units of tau = 1. It has a batch axis only where each network has a rate of its own.
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
    interrupted : bool
        Whether the run was ended by Ctrl-C, after the last step that it reports.

    Examples
    --------
    >>> from dlnlib import Task, descent
    >>> run = descent.gradient_descent(Task([[2.0]]), weights=[[[1.0]]], learning_rate=0.5, steps=2)
    >>> run
    Run(2 steps, 3 records, 1 mode, loss 0.5 to 0.0312)
    >>> run.steps, run.time, run.loss, run.modes[:, 0]
    (array([0, 1, 2]), array([0. , 0.5, 1. ]), array([0.5    , 0.125  , 0.03125]), array([1.  , 1.5 , 1.75]))
    """

    steps: NDArray[np.int64]
    time: Array
    loss: Array
    modes: Array
    test_loss: Array | None
    weights: list[Array]
    history: list[Array] | None
    diverged_at: Array
    reached_at: Array
    interrupted: bool = False

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

    def half_times(self, s: ArrayLike) -> Array:
        """When the strength of each mode crosses half of s, in the run's `time`; inf where it does not.

        Between two records the strength is taken to move in a straight line.

        Parameters
        ----------
        s : float or (n,) array
            What the strengths of the first n modes end at, such as ``task.modes.s`` on white inputs.

        Returns
        -------
        (..., n) array

        Raises
        ------
        ValueError
            If s is not made of finite numbers, or is longer than there are modes.

        Examples
        --------
        >>> from dlnlib import Task, descent, exact
        >>> task = Task(np.diag([2.0, 1.0]))
        >>> run = descent.gradient_descent(task, [0.01 * np.eye(2)] * 2, learning_rate=0.01, steps=1000)
        >>> run.half_times(task.modes.s).round(2), exact.half_time(task.modes.s, u0=1e-4).round(2)
        (array([2.5 , 4.62]), array([2.48, 4.61]))
        """
        half = np.atleast_1d(finite("s", s)) / 2
        if half.ndim > 1 or len(half) not in (1, *range(self.modes.shape[-1] + 1)):
            raise ValueError(f"s had shape {half.shape}; it must have an entry for each of the first modes")
        modes = self.modes[..., : len(half)] if np.ndim(s) else self.modes
        time = np.broadcast_to(self.time[..., None], modes.shape)
        above = np.where(np.isfinite(modes), modes >= half, np.nan)
        crossed = np.abs(np.diff(above, axis=-2, prepend=above[..., :1, :])) == 1
        after = np.argmax(crossed, axis=-2, keepdims=True)
        before = np.maximum(after - 1, 0)
        u0, u1, t0, t1 = (
            np.take_along_axis(x, n, axis=-2)[..., 0, :] for x, n in itertools.product((modes, time), (before, after))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            times: Array = np.where(crossed.any(axis=-2), t0 + (t1 - t0) / (u1 - u0) * (half - u0), np.inf)
        return times

    def then(self, run: Run) -> Run:
        """Return this run and the one that went on from its weights, on another task or by another rule, as one.

        Steps and time go on; the step at which one ends and the other begins is recorded twice, as each sees it. Where
        one task has fewer modes than the other, NaN fills their places.

        Raises
        ------
        ValueError
            If the other is no run, or its records are not of the same kind.

        Examples
        --------
        >>> from dlnlib import Task, descent
        >>> first = descent.gradient_descent(Task([[1.0]]), [[[0.0]]], learning_rate=0.5, steps=2)
        >>> second = descent.gradient_descent(Task([[0.25]]), first.weights, learning_rate=0.5, steps=1)
        >>> both = first.then(second)
        >>> both.steps, both.modes.ravel()
        (array([0, 1, 2, 2, 3]), array([0.  , 0.5 , 0.75, 0.75, 0.5 ]))
        """
        instance("run", run, Run)
        axis, most = self.loss.ndim - 1, max(r.modes.shape[-1] for r in (self, run))

        def joined(first: Array | None, second: Array | None) -> Any:
            return None if first is second is None else np.concatenate([first, second], axis=axis)

        try:
            records = {
                "loss": joined(self.loss, run.loss),
                "modes": joined(_filled(self.modes, most), _filled(run.modes, most)),
                "test_loss": joined(self.test_loss, run.test_loss),
                "history": [joined(*pair) for pair in zip(self.history or (), run.history or (), strict=True)] or None,
            }
            alike = [w.shape for w in self.weights] == [w.shape for w in run.weights]
        except ValueError:
            alike = False
        if not alike:
            raise ValueError(f"run was {run}; it must have the networks and records of {self}")
        after = self.time[..., -1:] + run.time
        before = np.broadcast_to(self.time, (*after.shape[:-1], len(self.steps)))
        return replace(
            run,
            steps=np.concatenate([self.steps, self.steps[-1] + run.steps]),
            time=np.concatenate([before, after], axis=-1),
            diverged_at=np.minimum(self.diverged_at, self.steps[-1] + run.diverged_at),
            reached_at=np.minimum(self.reached_at, self.steps[-1] + run.reached_at),
            **records,
        )

    def rows(self) -> list[dict[str, float]]:
        """Return the records as rows of a table, one for each record and network, such as pandas.DataFrame takes.

        Examples
        --------
        >>> from dlnlib import Task, descent
        >>> descent.gradient_descent(Task([[2.0]]), [[[1.0]]], learning_rate=0.5, steps=1).rows()[-1]
        {'step': 1, 'time': 0.5, 'loss': 0.125, 'mode_1': 1.5}
        """
        columns: dict[str, Any] = {} if self.loss.ndim == 1 else {"network": np.arange(len(self.loss))[:, None]}
        columns |= {"step": self.steps, "time": self.time, "loss": self.loss}
        columns |= {} if self.test_loss is None else {"test_loss": self.test_loss}
        columns |= {f"mode_{i}": u for i, u in enumerate(np.moveaxis(self.modes, -1, 0), start=1)}
        table = [np.broadcast_to(column, self.loss.shape).ravel().tolist() for column in columns.values()]
        return [dict(zip(columns, row, strict=True)) for row in zip(*table, strict=True)]

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the run to a file (.npz), to be read by `load`.

        Raises
        ------
        ValueError
            If `file` is no path.

        Examples
        --------
        >>> import tempfile
        >>> from dlnlib import Task, descent
        >>> run = descent.gradient_descent(Task([[2.0]]), [[[1.0]]], learning_rate=0.5, steps=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run.save(f"{folder}/run.npz")
        ...     Run.load(f"{folder}/run.npz")
        Run(2 steps, 3 records, 1 mode, loss 0.5 to 0.0312)
        """
        arrays: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, list):
                arrays |= {f"{name}_{i}": w for i, w in enumerate(value)}
            elif value is not None:
                arrays[name] = value
        with path("file", file).open("wb") as stream:
            np.savez(stream, **arrays)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Run:
        """Return the run that `save` wrote to a file.

        Raises
        ------
        ValueError
            If the file holds something else.

        Examples
        --------
        >>> import tempfile
        >>> from dlnlib import Task, descent
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     descent.gradient_descent(Task([[2.0]]), [[[1.0]]], learning_rate=0.5, steps=2).save(f"{folder}/run.npz")
        ...     Run.load(f"{folder}/run.npz").loss
        array([0.5    , 0.125  , 0.03125])
        """
        file = path("file", file)
        try:
            with file.open("rb") as stream, np.load(stream) as stored:
                arrays = dict(stored)
            weights, history = (
                [arrays.pop(f"{name}_{i}") for i in range(sum(key.startswith(f"{name}_") for key in arrays))]
                for name in ("weights", "history")
            )
            rest = {"test_loss": arrays.pop("test_loss", None), "interrupted": bool(arrays.pop("interrupted"))}
            return cls(**arrays, **rest, weights=weights, history=history or None)
        except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise ValueError(f"{file} held no run ({error}); it must be a file that Run.save wrote") from None

    def __repr__(self) -> str:
        lost = int(self.diverged.sum())
        ends = [np.unique([x.min(), x.max()]) for x in (self.loss[..., 0], self.loss[..., -1])]
        facts = [
            counted(len(self.loss), "network") if self.loss.ndim > 1 else "",
            counted(self.steps[-1], "step"),
            counted(len(self.steps), "record"),
            counted(self.modes.shape[-1], "mode"),
            "loss " + " to ".join(" ... ".join(f"{x:.3g}" for x in end) for end in ends),
            f"{lost} of {self.diverged.size} diverged" if lost else "",
            "interrupted" if self.interrupted else "",
        ]
        return f"Run({', '.join(filter(None, facts))})"

    def _repr_html_(self) -> str:
        rows = self.rows() if self.loss.ndim == 1 else self.rows()[len(self.steps) - 1 :: len(self.steps)]
        shown = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, 6).round().astype(int))]
        columns = list(shown[0])[:8]
        cells = [columns, *([f"{row[name]:.4g}" for name in columns] for row in shown)]
        table = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in cells)
        return f"<table><caption>{html.escape(repr(self))}</caption>{table}</table>"


def _filled(modes: Array, number: int) -> Array:
    fill = [(0, 0)] * (modes.ndim - 1) + [(0, number - modes.shape[-1])]
    return np.pad(modes, fill, constant_values=np.nan)


class Log:
    """Arrays of one shape, one after the other, in one array that grows: a long history is never held twice."""

    def __init__(self) -> None:
        self.n, self.array = 0, np.empty(0)

    def append(self, rows: Array) -> None:
        end = self.n + len(rows)
        if not self.n:
            self.array = np.empty((end, *rows.shape[1:]), rows.dtype)
        elif end > len(self.array):
            self.array.resize((max(end, len(self.array) * 9 // 8), *rows.shape[1:]), refcheck=False)
        self.array[self.n : end] = rows
        self.n = end

    def collected(self, batch_shape: tuple[int, ...]) -> Array:
        self.array.resize((self.n, *self.array.shape[1:]), refcheck=False)
        return self.array.swapaxes(0, 1).reshape((*batch_shape, self.n, *self.array.shape[2:]))


class Recorder:
    """Keeps what a `Run` reports while it goes, and says when to stop; while it is open, Ctrl-C is a reason to stop.

    What is seen of the network is measured a block of steps at a time, so that a record costs a small network little;
    one by one where the run may end at any of them.
    """

    def __init__(
        self,
        network: Network,
        layers: list[Any],
        share: Callable[[Array], Any],
        steps: int,
        record_every: int,
        stop_below: float | None,
        race: bool,
        keep_weights: bool,
        progress: bool,
    ) -> None:
        if race and stop_below is None:
            raise ValueError("race was True and stop_below was None; a race needs the loss at which it is won")
        self.last_step, self.record_every = positive_int("steps", steps), positive_int("record_every", record_every)
        self.stop_below = -math.inf if stop_below is None else float(positive("stop_below", stop_below, ndim=0))
        self.network, self.layers, self.share = network, layers, share
        self.race, self.progress, self.interrupted = bool(race), progress, False
        self.block: list[int] = []  # steps
        self.buffers: list[Any] = []  # what was seen at each
        self.steps: list[int] = []
        kept = layers if keep_weights else []
        self.loss, self.modes, self.test_loss, *self.history = (Log() for _ in range(3 + len(kept)))
        self.diverged_at, self.reached_at = np.full((2, len(layers[0])), np.inf)
        records = -(-self.last_step // self.record_every) + 1
        numbers = 2 + min(network.n_in, network.n_out) + sum(math.prod(w.shape[1:]) for w in kept)
        size = numbers * len(layers[0]) * detached(layers[0][:, :0]).itemsize
        if records * size > machine_memory() and stop_below is None:
            raise ValueError(
                f"steps was {steps}, record_every {record_every}: {records} records of {size / 1e6:.2g} MB are"
                f" {records * size / 1e9:,.0f} GB; they must fit into this machine's {machine_memory() / 1e9:.0f} GB"
            )

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        self.listens = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.listens:
            signal.signal(signal.SIGINT, self._interrupt)
        self.bar: Any = None
        if self.progress:
            from tqdm.auto import tqdm

            self.bar = tqdm(total=self.last_step)
        return self

    def _interrupt(self, *_: object) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends everything at once

    def __exit__(self, *_: object) -> None:
        if self.listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.bar is not None:
            self.bar.close()

    def see(self, step: int, seen: Callable[[], tuple[Any, ...]]) -> bool:
        """Take note of one step; return whether it was the last."""
        last = self.interrupted or step == self.last_step
        if last or step % self.record_every == 0:
            for log, w in zip(self.history, self.layers, strict=False):
                log.append(detached(w)[None])
        elif self.network.sampled:
            return False
        arrays = seen()
        if not self.buffers:
            fit = BLOCK // sum(math.prod(x.shape) for x in arrays)
            size = 1 if self.stop_below > 0 else min(max(1, fit), 1024, self.last_step + 1)
            self.buffers = [self.share(np.zeros((size, *x.shape))) for x in arrays]
        for buffer, x in zip(self.buffers, arrays, strict=True):
            buffer[len(self.block)] = x
        self.block.append(step)
        return self._measure(last) if last or len(self.block) == len(self.buffers[0]) else False

    def _measure(self, last: bool) -> bool:
        """Measure what was seen; return whether the run ends, at the last step that is recorded."""
        steps, seen = np.array(self.block), [buffer[: len(self.block)] for buffer in self.buffers]
        self.block = []
        losses = self.network.floor + detached(self.network.loss(*seen)).astype(np.float64)

        def first(mask: Any) -> Array:
            return np.where(mask.any(axis=0), steps[mask.argmax(axis=0)], np.inf)

        self.diverged_at = np.minimum(self.diverged_at, first(~(losses < DIVERGED)))
        lost: Any = self.diverged_at <= steps[:, None]
        self.reached_at = np.minimum(self.reached_at, first((losses < self.stop_below) & ~lost))
        arrived = self.reached_at <= steps[:, None]
        over: Any = (lost | arrived).all(axis=1) | (self.race & arrived.any(axis=1))
        over[-1] |= last
        end = int(np.argmax(over)) if over.any() else len(steps) - 1
        rows = np.flatnonzero(((steps % self.record_every == 0) | over)[: end + 1])
        if len(rows):
            self.steps += steps[rows].tolist()
            if len(rows) < len(steps):
                seen = [x[rows] for x in seen]
            modes, test_loss = self.network.records(*seen)
            for log, found in ((self.loss, losses[rows]), (self.modes, modes), (self.test_loss, test_loss)):
                if found is not None:
                    log.append(detached(found))
                    log.array[log.n - len(rows) : log.n][lost[rows]] = np.inf
        if over[end]:  # before the end of the block only if every network diverged, with weights that mean nothing
            for log, w in zip(self.history, self.layers, strict=False):
                log.n = min(log.n, len(self.steps))
                if log.n < len(self.steps):
                    log.append(detached(w)[None])
        if self.bar is not None:
            self.bar.update(int(steps[end]) - self.bar.n)
        return bool(over[end])

    def run(self, batch_shape: tuple[int, ...], rate: Array | Callable[[int], float]) -> Run:
        """Collect the records into a `Run`, without the batch axis if there was none."""
        if self.interrupted:
            warnings.warn(f"interrupted at step {self.steps[-1]}: this is the run so far", RuntimeWarning, stacklevel=4)
        steps, last = np.array(self.steps), self.steps[-1]
        return Run(
            steps=steps,
            time=np.cumsum([0.0, *map(rate, range(last))])[steps] if callable(rate) else rate[..., None] * steps,
            loss=np.ascontiguousarray(self.loss.collected(batch_shape)),
            modes=np.ascontiguousarray(self.modes.collected(batch_shape)),
            test_loss=np.ascontiguousarray(self.test_loss.collected(batch_shape)) if self.test_loss.n else None,
            weights=[detached(w).reshape(batch_shape + w.shape[1:]) for w in self.layers],
            history=[log.collected(batch_shape) for log in self.history] or None,
            diverged_at=self.diverged_at.reshape(batch_shape),
            reached_at=self.reached_at.reshape(batch_shape),
            interrupted=self.interrupted,
        )


def machine_memory() -> float:
    """Return the bytes of memory of this machine, inf where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf
