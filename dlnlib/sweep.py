"""Many runs over a grid: with a progress bar, on any executor, and nothing finished is ever computed twice."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm


class SweepError(RuntimeError):
    """Some points of a sweep failed; the others are finished and kept.

    Attributes
    ----------
    failures : list of (point, exception)
        What failed, and how.
    """

    def __init__(self, failures: Sequence[tuple[Mapping[str, Any], BaseException]], total: int) -> None:
        lines = [f"{_key(point)}: {type(error).__name__}: {error}" for point, error in failures]
        super().__init__(f"{len(failures)} of {total} points failed; the others are kept.\n" + "\n".join(lines))
        self.failures = list(failures)


def grid(**axes: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values as a point, the last axis varying fastest.

    Examples
    --------
    >>> grid(depth=[2, 4], u0=[0.1, 0.01])
    [{'depth': 2, 'u0': 0.1}, {'depth': 2, 'u0': 0.01}, {'depth': 4, 'u0': 0.1}, {'depth': 4, 'u0': 0.01}]
    """
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def sweep(
    function: Callable[..., Any],
    points: Iterable[Mapping[str, Any]],
    file: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    progress: bool = True,
) -> list[Any]:
    """Call ``function(**point)`` at every point that `file` has no result of, and return the results of all.

    Each result is appended to the file, one line of JSON, as soon as it is there. A sweep that was killed, at any
    moment and by any means, is resumed by running it again: what is in the file is not computed again, and a last
    line that was cut short is dropped. So is a sweep with more points than before.

    Parameters
    ----------
    function : callable
        Takes the entries of a point as keyword arguments; returns what JSON can hold (numbers, strings, lists,
        dictionaries; NumPy arrays come back as lists). Processes must be able to import it.
    points : iterable of mappings
        From names to what JSON can hold; see `grid`.
    file : path
        The results, of this function only. Created if there is none.
    executor : concurrent.futures.Executor, optional
        Where to run: threads, MPI, or a Dask cluster's ``Client(...).get_executor()``. One process for each processor
        unless told, with the function imported afresh in each.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    list
        The results, in the order of `points`, as they are read back from JSON.

    Raises
    ------
    SweepError
        After all other points are finished, if some failed: it names them, with their errors. They are not in the
        file, so that the next run tries them again.
    ValueError
        If the file holds anything but results of this function, if a point is not what JSON can hold, or if the
        function is one that processes cannot import and no executor was given.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> def square(x):
    ...     return x * x
    >>> with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
    ...     sweep(square, grid(x=[3, 4]), f"{folder}/squares.jsonl", executor=threads, progress=False)
    ...     sweep(square, grid(x=[3, 4, 5]), f"{folder}/squares.jsonl", executor=threads, progress=False)
    [9, 16]
    [9, 16, 25]
    """
    if executor is None and ("<" in function.__qualname__ or not _importable(function.__module__)):
        raise ValueError(
            f"function was {function.__qualname__}, which other processes cannot import; "
            "define it in a module, or give an executor of threads"
        )
    points = [dict(point) for point in points]
    keys = [_key(point) for point in points]
    name = f"{function.__module__}.{function.__qualname__}"
    results = _read(Path(file), name)
    missing = {key: point for key, point in zip(keys, points, strict=True) if key not in results}
    failures = []
    with (
        Path(file).open("a", encoding="utf-8") as log,
        tqdm(total=len(set(keys)), initial=len(set(keys)) - len(missing), disable=not progress) as bar,
        _submitted(executor, function, missing) as futures,
    ):
        for future in as_completed(futures):
            key = futures[future]
            try:
                line = json.dumps({"function": name, "point": missing[key], "result": future.result()}, default=_plain)
            except (Exception, CancelledError) as error:  # a point's own failure, whatever it is
                failures.append((missing[key], error))
            else:
                log.write(line + "\n")
                log.flush()
                os.fsync(log.fileno())
                results[key] = json.loads(line)["result"]
            bar.update()
    if failures:
        raise SweepError(failures, len(set(keys)))
    return [results[key] for key in keys]


@contextlib.contextmanager
def _submitted(
    executor: Executor | None, function: Callable[..., Any], points: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[Future[Any], str]]:
    """Submit all points; if the sweep is interrupted, cancel those not begun."""
    # Spawned, not forked: a forked process inherits torch's threads in whatever state they are.
    own = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) if points and executor is None else None
    futures: dict[Future[Any], str] = {}
    try:
        for key, point in points.items():
            futures[(own or executor).submit(function, **point)] = key  # type: ignore[union-attr]
        yield futures
    finally:
        for future in futures:
            future.cancel()
        if own is not None:
            own.shutdown()


def _read(file: Path, name: str) -> dict[str, Any]:
    """Return the results by key; cut off a line that was not finished."""
    if not file.exists():
        return {}
    whole, _, torn = file.read_bytes().rpartition(b"\n")
    if torn:
        os.truncate(file, len(whole) + 1 if whole else 0)
    results = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            record = json.loads(line)
            owner, key, result = record["function"], _key(record["point"]), record["result"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"line {number} of {file} was {line[:60]!r}; it must be a result of a sweep") from None
        if owner != name:
            raise ValueError(f"{file} held results of {owner}; a sweep of {name} must have a file of its own")
        results[key] = result
    return results


def _key(point: Mapping[str, Any]) -> str:
    return json.dumps(point, sort_keys=True, default=_plain)


def _importable(module: str) -> bool:
    # What is typed into a notebook or at a prompt lives in a __main__ that no file holds.
    return module != "__main__" or hasattr(sys.modules["__main__"], "__file__")


def _plain(value: Any) -> Any:
    """Turn what NumPy returns into what JSON can hold."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"{value!r} is a {type(value).__name__}; points and results must be what JSON can hold")
