"""Many runs over a grid: with a progress bar, on any executor, and nothing finished is ever computed twice."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import itertools
import json
import os
import pickle
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType, NoneType
from typing import Any

import loky
from loky.process_executor import BrokenProcessPool, TerminatedWorkerError
from tqdm.auto import tqdm

from dlnlib import _checks

__all__ = ["SweepError", "grid", "sweep"]

_UNKNOWN = [{"float": name} for name in ("NaN", "Infinity", "-Infinity")]  # to JSON, and how they are written

Point = Mapping[str, Any]
Finished = Generator[tuple[str, Future[str]], None, None]


class SweepError(RuntimeError):
    """Some points of a sweep failed; the others are finished and kept.

    Attributes
    ----------
    failures : list of (point, exception)
        What failed, and how.

    Examples
    --------
    >>> print(SweepError([({"x": 2}, ValueError("two is too much"))], total=3))
    1 of 3 points failed; the others are kept.
    {"x": 2}: ValueError: two is too much
    """

    def __init__(self, failures: Sequence[tuple[Point, BaseException]], total: int) -> None:
        super().__init__(failures, total)  # all that a copy in another process is made from
        self.failures, self.total = list(failures), total

    def __str__(self) -> str:
        lines = [f"{_key(point)}: {type(error).__name__}: {error}" for point, error in self.failures]
        return f"{len(lines)} of {self.total} points failed; the others are kept.\n" + "\n".join(lines)


def grid(**axes: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values as a point, the last axis varying fastest.

    Examples
    --------
    >>> grid(depth=[2, 4], u0=[0.1, 0.01])
    [{'depth': 2, 'u0': 0.1}, {'depth': 2, 'u0': 0.01}, {'depth': 4, 'u0': 0.1}, {'depth': 4, 'u0': 0.01}]
    """
    values = {name: [value for _, value in _checks.each(name, axis)] for name, axis in axes.items()}
    for name, axis in values.items():
        if not axis:
            raise ValueError(f"{name} was empty; it must hold at least one value")
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*values.values())]


def sweep(
    function: Callable[..., Any],
    points: Iterable[Point],
    file: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    progress: bool = True,
) -> list[Any]:
    """Call ``function(**point)`` at every point that `file` has no result of, and return the results of all.

    Each result is appended to the file, one line of JSON, as soon as it is there. A sweep that was killed, at any
    moment and by any means, is resumed by running it again, and so is one with more points than before: what is in
    the file is not computed again. A last line that was cut short is dropped, with what a crash leaves behind it.

    Parameters
    ----------
    function : callable
        Takes the entries of a point as keyword arguments; returns what JSON can hold (numbers, strings, lists,
        dictionaries; NumPy arrays come back as lists). Its results are known by its name, so that it must be a plain
        function: what it depends on belongs into the points. The name is that of its module and its own; for a
        script, whose module has none, where it lies from `file`; for a notebook, a digest of the function's source.
    points : iterable of mappings
        From names to what JSON can hold; see `grid`.
    file : path
        The results, of this function only. Created if there is none. NaN and infinity, which JSON does not know, are
        written as ``{"float": "NaN"}``, which therefore is no point and no result.
    executor : concurrent.futures.Executor, optional
        Where to run: threads, MPI, or a Dask cluster, as below. One process for each processor unless told (by loky:
        functions of scripts and notebooks are sent as they are, and no script needs a guard); if a point kills its
        process, those cut short run again, one at a time.
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
        function is not a plain one, or one of a module that no process finds. What the file holds is then left as it
        was.
    OSError
        If the file cannot be read or written.

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

    On a Dask cluster, whose workers must be able to import the function and this library (``pip install
    ".[cluster]"`` in a clone of the book installs Dask)::

        from distributed import Client

        with Client(address) as client:
            sweep(function, points, file, executor=client.get_executor())
    """
    named = callable(function) and hasattr(function, "__qualname__") and not function.__qualname__.endswith("<lambda>")
    bound = not isinstance(getattr(function, "__self__", None), NoneType | ModuleType)
    if not named or bound or getattr(function, "__closure__", None):
        raise ValueError(
            f"function was {_checks.shown(function)}; it must be a function with a name, to file results under, and "
            "without anything that the name does not tell: no lambda, no method, none that uses local names of another"
        )
    if executor is not None:
        _checks.instance("executor", executor, Executor)
    points = [_point(name, point) for name, point in _checks.each("points", points)]
    keys, file = [_key(point) for point in points], _checks.path("file", file)
    name = _name(function, file)
    results = _read(file, name)
    missing = {key: point for key, point in zip(keys, points, strict=True) if key not in results}
    failures = []
    with (
        file.open("a", encoding="utf-8") as log,
        tqdm(total=len(set(keys)), initial=len(set(keys)) - len(missing), disable=not progress) as bar,
        contextlib.closing(
            _in_processes(function, missing) if executor is None else _finished(executor, function, missing, 1000)
        ) as finished,
    ):
        for key, future in finished:
            try:
                result = future.result()
            except Exception as error:  # a point's own failure, whatever it is
                failures.append((missing[key], error))
            else:
                log.write(f'{{"function": {json.dumps(name)}, "point": {key}, "result": {result}}}\n')
                log.flush()
                os.fsync(log.fileno())
                results[key] = _loads(result)
            bar.update()
    if failures:
        raise SweepError(failures, len(set(keys)))
    return [results[key] for key in keys]


def _name(function: Callable[..., Any], file: Path) -> str:
    """Return what the results of a function are known by."""
    module = function.__module__
    if module == "__main__":
        script = getattr(getattr(function, "__code__", None), "co_filename", "")
        if Path(script).is_file():
            module = Path(os.path.relpath(script, file.parent.resolve())).as_posix()
        else:
            with contextlib.suppress(OSError, TypeError):  # typed at a prompt, which keeps no source
                module = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]
    return f"{module}.{function.__qualname__}"


def _call(function: Callable[..., Any], point: Point) -> str:
    """Where the sweep runs: return the result as JSON, or raise an error that can travel."""
    try:
        return _dumps(function(**point))
    except (Exception, SystemExit) as error:
        try:
            travels = isinstance(error, Exception) and repr(pickle.loads(pickle.dumps(error))) == repr(error)
        except Exception:
            travels = False
        if travels:
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from None


def _finished(executor: Executor, function: Callable[..., Any], points: Mapping[str, Point], most: int) -> Finished:
    """Submit all points, `most` at a time, and yield each as it finishes; if interrupted, cancel those not begun."""
    futures: dict[Future[str], str] = {}
    done: SimpleQueue[Future[str]] = SimpleQueue()
    try:
        for number, (key, point) in enumerate(points.items(), start=1):
            future = executor.submit(_call, function, point)
            futures[future] = key
            future.add_done_callback(done.put)
            while futures and (not done.empty() or len(futures) >= most or number == len(points)):
                future = done.get()
                yield futures.pop(future), future
    finally:
        for future in futures:
            future.cancel()


def _in_processes(function: Callable[..., Any], points: Mapping[str, Point]) -> Finished:
    """Yield each point as it finishes in a process; a point that kills its process fails alone."""
    left, number = dict(points), loky.cpu_count()
    while left:
        cut_short = []
        with _processes(number) as pool, contextlib.suppress(BrokenProcessPool):
            for key, future in _finished(pool, function, left.copy(), 2 * number):
                error = future.exception()
                if not isinstance(error, BrokenProcessPool):
                    del left[key]
                    yield key, future
                elif isinstance(error, TerminatedWorkerError):
                    cut_short.append(key)
                else:
                    raise ValueError(
                        f"function was {function.__qualname__} of {function.__module__}, which the processes that were "
                        "started could not import; define it in a script, a notebook, or a module that they find"
                    ) from error
        for key in cut_short:  # a process died, and its pool with it: who was it?
            with _processes(1) as pool:
                yield from _finished(pool, function, {key: left.pop(key)}, 1)


@contextlib.contextmanager
def _processes(number: int) -> Iterator[Executor]:
    pool = loky.ProcessPoolExecutor(number, timeout=10, initializer=_end_with, initargs=(os.getpid(),))
    try:
        yield pool
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()


def _end_with(parent: int) -> None:
    """End this process when the sweep's is gone: a kill -9 leaves it no time to tell its workers."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read(file: Path, name: str) -> dict[str, Any]:
    """Return the results by key; cut off what a crash left at the end."""
    if not file.exists():
        return {}
    held = file.read_bytes()
    lines = held.rstrip(b"\0 \t\r\n").split(b"\n")  # a machine that crashes leaves NULs where it had not written yet
    beginning = json.dumps({"function": name})[:-1].encode()  # of every line of ours
    results = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = _loads(line)
            owner, key, result = record["function"], _key(_point("point", record["point"])), record["result"]
        except (ValueError, TypeError, KeyError) as error:
            torn = number == len(lines) and isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
            if torn and (line.startswith(beginning) or beginning.startswith(line) or (number > 1 and b"\0" in line)):
                lines.pop()
                break
            raise ValueError(
                f"line {number} of {file} was {line[:60]!r}; it must be a result of a sweep of {name}"
            ) from None
        if owner != name:
            raise ValueError(f"{file} held results of {owner}; a sweep of {name} must have a file of its own")
        results[key] = result
    end, newline = len(b"\n".join(lines)), b"\n" if lines else b""
    if held[end:] != newline:
        os.truncate(file, end)
        with file.open("ab") as log:
            log.write(newline)
    return results


def _point(name: str, point: Point) -> dict[str, Any]:
    """Return a point as a dictionary, with names for keys."""
    if not isinstance(point, Mapping) or not all(isinstance(key, str) for key in point):
        raise ValueError(f"{name} was {_checks.shown(point)}; it must be a mapping from names to values")
    return dict(point)


def _key(point: Point) -> str:
    try:
        return _dumps(point, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"points held {_checks.shown(point)} ({error}); they must be what JSON can hold") from None


def _dumps(value: Any, **options: Any) -> str:
    """Write JSON, numbers of NumPy and torch as lists, and floats that it does not know by their names."""

    def free(entry: dict[str, Any]) -> dict[str, Any]:
        if entry in _UNKNOWN:
            raise ValueError(f"{entry} stands for a float that JSON does not know; points and results must be others")
        return entry

    text = json.dumps(value, default=_plain)
    plain = json.loads(text, parse_constant=lambda name: {"float": name}, object_hook=free)
    return json.dumps(plain, allow_nan=False, **options)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"{value!r} is a {type(value).__name__}; points and results must be what JSON can hold")


def _loads(text: str | bytes) -> Any:
    return json.loads(text, object_hook=lambda entry: float(entry["float"]) if entry in _UNKNOWN else entry)
