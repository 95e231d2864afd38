"""`sweep`: kill it, tear its file, let points fail; every finished point is kept and none is computed twice."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import distributed
import hypothesis.strategies as st
import numpy as np
import pytest
import sweep_points
from hypothesis import given, settings

from dlnlib.sweep import SweepError, grid, sweep

HERE = Path(__file__).resolve().parent


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_grid_is_every_combination():
    points = grid(a=[1, 2], b="xyz", c=[None])
    assert len(points) == 6 and points[1] == {"a": 1, "b": "y", "c": None} and points[3]["a"] == 2


def test_processes_by_default(tmp_path):
    results = sweep(sweep_points.square, grid(x=[5, 3, 4]), tmp_path / "r.jsonl", progress=False)
    assert [r["square"] for r in results] == [25, 9, 16]
    assert os.getpid() not in {r["process"] for r in results}


def test_a_sweep_that_is_killed_goes_on_where_it_was(tmp_path):
    file, calls = tmp_path / "r.jsonl", tmp_path / "calls"
    command = [sys.executable, HERE / "sweep_points.py", file, calls]
    kept = 0
    for _ in range(2):
        run = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        deadline = time.monotonic() + 240
        while run.poll() is None and (len(file.read_bytes().splitlines()) if file.exists() else 0) < kept + 8:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.kill()
        try:
            run.communicate(timeout=30)  # the pipe closes when the last of its processes is gone: workers end too
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            raise
        now = file.read_bytes().count(b"\n")
        assert kept + 8 <= now < 60
        kept = now
    finished_before = {line["point"]["x"] for line in lines(file)}
    called_before = Counter(calls.read_text().split())
    subprocess.run(command, check=True)
    again = Counter(calls.read_text().split()) - called_before
    assert sorted(map(int, again)) == sorted(set(range(60)) - finished_before) and set(again.values()) == {1}
    assert sorted(line["result"] for line in lines(file)) == list(range(60))


def test_a_last_line_that_lacks_its_end_only_is_kept(tmp_path, threads):
    file, calls = tmp_path / "r.jsonl", tmp_path / "calls"
    points = grid(x=[1, 2], calls=[str(calls)])
    sweep(sweep_points.slow, points, file, executor=threads, progress=False)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert sweep(sweep_points.slow, points, file, executor=threads, progress=False) == [1, 2]
    assert file.read_bytes() == whole and sorted(calls.read_text().split()) == ["1", "2"]
    for torn in (whole[:-1], whole[:-20]):  # of another function, not to be cut off
        file.write_bytes(torn)
        with pytest.raises(ValueError, match=r"must have a file of its own|must be a result of a sweep of"):
            sweep(sweep_points.picky, grid(x=[1]), file, executor=threads, progress=False)
        assert file.read_bytes() == torn


def test_only_what_its_name_tells_apart_is_a_function(tmp_path, threads):
    def enclosing(factor):
        def times(x):
            return factor * x

        return times

    for function in (lambda x: x, enclosing(2), SweepError([], 0).with_traceback, threads.submit):
        with pytest.raises(ValueError, match=r"function was .* no lambda, no method, none that uses local names"):
            sweep(function, grid(x=[1]), tmp_path / "r.jsonl", executor=threads, progress=False)


@pytest.mark.parametrize("cut", [2, 10, 40, 70])
def test_a_torn_last_line_is_dropped_and_its_point_computed_again(tmp_path, threads, cut):
    file, calls = tmp_path / "r.jsonl", tmp_path / "calls"
    points = grid(x=[1, 2, 3], calls=[str(calls)])
    sweep(sweep_points.slow, points, file, executor=threads, progress=False)
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    assert sweep(sweep_points.slow, points, file, executor=threads, progress=False) == [1, 2, 3]
    assert sorted(file.read_bytes().splitlines()) == sorted(whole.splitlines())
    assert sorted(Counter(calls.read_text().split()).values()) == [1, 1, 2]


VALUES = ["ä", "€", "z"]
RESULTS = "".join(  # as another program may have written them again: characters of several bytes
    json.dumps({"function": "sweep_points.picky", "point": {"x": x}, "result": x}, ensure_ascii=False) + "\n"
    for x in VALUES
).encode()
BLANKS = st.text("\0\n\r\t ", max_size=9).map(str.encode)


def resumed(held):
    """Sweep with a file that holds these bytes; return the results, or why there are none, and what it holds then."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as executor:
        file = Path(folder) / "r.jsonl"
        file.write_bytes(held)
        try:
            return sweep(sweep_points.picky, grid(x=VALUES), file, executor=executor, progress=False), file.read_bytes()
        except ValueError as error:
            return str(error), file.read_bytes()


@settings(deadline=None)
@given(cut=st.integers(0, len(RESULTS)), lost=st.integers(0, 80), blanks=BLANKS)
def test_a_results_file_resumes_whatever_its_end(cut, lost, blanks):
    """Cut anywhere, perhaps in a character; its last block not yet on the disk, which reads as NULs; then blanks."""
    begin = RESULTS.rfind(b"\n", 0, max(cut - 1, 0)) + 1  # of the last line
    lost = min(lost, cut - begin) if begin else 0
    results, after = resumed(RESULTS[:begin] + bytes(lost) + RESULTS[begin + lost : cut] + blanks)
    assert results == VALUES and after.startswith(RESULTS[:begin]) and after.endswith(b"}\n")
    assert sorted(json.loads(line)["result"] for line in after.splitlines()) == sorted(VALUES)


@settings(deadline=None)
@given(garbage=st.sampled_from([b"\n", b"\0", b"\0\0\0\n", b"1,2\n", b"\xc3\n", RESULTS[:20] + b"\n"]), blanks=BLANKS)
def test_what_no_crash_leaves_is_not_cut_off(garbage, blanks):
    """What a crash leaves, but not at the end; and lines of others, though they are at the end."""
    theirs = RESULTS.replace(b"picky", b"square")
    others = [b"loss,step", b"[1]", b"\xc3", theirs, theirs[:-9], b'{"function": "sweep_points.picky", "point": [1]}']
    binary = [b"\x93NUMPY\1\0v\0{'descr': '<f8'}", b"\0\0\x08\3\0\0\1"]
    middle = [garbage + RESULTS, RESULTS[:-30] + garbage + RESULTS]
    for held in [*middle, *binary, *others, *(RESULTS + other for other in others)]:
        why, after = resumed(held + blanks)
        assert "must be a result of a sweep of" in why or "must have a file of its own" in why
        assert after == held + blanks


SCRIPTS = {
    "no guard": """
sweep.sweep(square, points, "r.jsonl")
""",
    "no guard, a function of a module": """
from textwrap import dedent
sweep.sweep(dedent, sweep.grid(text=map(str, range(100))), "r.jsonl")
""",
    "a function below the guard": """
if __name__ == "__main__":
    def cube(x):
        return x**3
    sweep.sweep(cube, points, "r.jsonl")
""",
    "a kernel that sets a file": """
__file__ = "notebook.ipynb"
sweep.sweep(square, points, "r.jsonl")
""",
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_processes_that_cannot_import_the_function_end_the_sweep_at_once(tmp_path, kind):
    (tmp_path / "script.py").write_text(f"""
from pathlib import Path
with Path("starts").open("a") as file:
    file.write("x")
from dlnlib import sweep
def square(x):
    return x * x
points = sweep.grid(x=range(100))
{SCRIPTS[kind]}""")
    kernel = "kernel" in kind  # reads what is typed: no process finds it in a file
    run = subprocess.run(
        [sys.executable, "-" if kernel else "script.py"],
        cwd=tmp_path,
        input=(tmp_path / "script.py").read_text() if kernel else None,
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    error = run.stderr.splitlines()[-1]
    assert error.startswith("ValueError: function was") and 'sweep under `if __name__ == "__main__":`' in error
    assert len((tmp_path / "starts").read_text()) <= os.cpu_count() + 2  # the pool's, and one more: not one a point
    if kind.startswith("no guard"):
        assert run.stderr.count("Traceback") == 1
    assert (tmp_path / "r.jsonl").read_text() == ""


def test_a_failing_point_is_named_and_takes_no_other_down(tmp_path, threads):
    file = tmp_path / "r.jsonl"
    with pytest.raises(SweepError, match=r'1 of 4 points failed.*\n{"x": 2}: ZeroDivisionError: two is not') as raised:
        sweep(sweep_points.picky, grid(x=[1, 2, 3, 4]), file, executor=threads, progress=False)
    ((point, error),) = raised.value.failures
    assert point == {"x": 2} and isinstance(error, ZeroDivisionError)
    assert sorted(line["result"] for line in lines(file)) == [1, 3, 4]
    assert sweep(sweep_points.picky, grid(x=[4, 1]), file, executor=threads, progress=False) == [4, 1]


def test_a_point_that_kills_its_process_fails_alone(tmp_path):
    file = tmp_path / "r.jsonl"
    with pytest.raises(SweepError, match=r'1 of 5 points failed.*\n{"x": 2}: BrokenProcessPool') as raised:
        sweep(sweep_points.deadly, grid(x=range(5)), file, progress=False)
    assert [point for point, _ in raised.value.failures] == [{"x": 2}]
    assert sorted(line["result"] for line in lines(file)) == [0, 1, 3, 4]


def test_a_result_that_json_cannot_hold_is_a_failure_of_its_point(tmp_path, threads):
    def rotated(x):
        return x * 1j

    with pytest.raises(SweepError, match="is a complex; points and results must be"):
        sweep(rotated, grid(x=[1]), tmp_path / "r.jsonl", executor=threads, progress=False)
    assert (tmp_path / "r.jsonl").read_text() == ""


def test_numpy_goes_in_and_comes_out_as_numbers(tmp_path, threads):
    def squares(x, depth):
        return {"x": x**2, "all": np.arange(3) * x, "nothing": np.inf * depth}

    points = grid(x=np.array([0.1, 0.2]), depth=[float("inf")])
    first = sweep(squares, points, tmp_path / "r.jsonl", executor=threads, progress=False)
    again = sweep(squares, points, tmp_path / "r.jsonl", executor=threads, progress=False)
    assert first == again == [{"x": x**2, "all": [0.0, x, 2 * x], "nothing": float("inf")} for x in (0.1, 0.2)]


def test_points_are_told_apart_by_value_not_by_order(tmp_path, threads):
    file, calls = tmp_path / "r.jsonl", tmp_path / "calls"
    points = [{"x": 1, "calls": str(calls)}, {"calls": str(calls), "x": 1}]
    assert sweep(sweep_points.slow, points, file, executor=threads, progress=False) == [1, 1]
    assert calls.read_text() == "1\n"


def test_a_dask_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        executor = client.get_executor()
        with pytest.raises(SweepError, match="1 of 5 points failed"):
            sweep(sweep_points.picky, grid(x=range(5)), tmp_path / "p.jsonl", executor=executor, progress=False)
        results = sweep(sweep_points.square, grid(x=range(5)), tmp_path / "s.jsonl", executor=executor, progress=False)
    assert [r["square"] for r in results] == [0, 1, 4, 9, 16]
    assert os.getpid() not in {r["process"] for r in results}
    assert sorted(line["result"] for line in lines(tmp_path / "p.jsonl")) == [0, 1, 3, 4]


def test_the_bar_counts_what_was_there_before(tmp_path, threads, capsys):
    sweep(sweep_points.picky, grid(x=[1, 3]), tmp_path / "r.jsonl", executor=threads)
    capsys.readouterr()
    sweep(sweep_points.picky, grid(x=[1, 3, 5, 7]), tmp_path / "r.jsonl", executor=threads)
    assert "2/4" in capsys.readouterr().err


def test_points_that_contain_themselves_or_are_too_deep(tmp_path, threads):
    circle, deep = [], 1
    circle.append(circle)
    for _ in range(5000):
        deep = [deep]
    for value in (circle, deep):
        with pytest.raises(ValueError, match=r"points held .* they must be what JSON can hold"):
            sweep(sweep_points.picky, [{"x": value}], tmp_path / "r.jsonl", executor=threads, progress=False)
    (tmp_path / "r.jsonl").write_text('{"function": "sweep_points.picky", "point": [1], "result": 1}\n')
    with pytest.raises(ValueError, match=r"line 1 of .* must be a result of a sweep of"):
        sweep(sweep_points.picky, [{"x": 1}], tmp_path / "r.jsonl", executor=threads, progress=False)


def test_bad_arguments_are_refused(tmp_path, threads):
    file = tmp_path / "r.jsonl"

    def local(x):
        return x

    with pytest.raises(ValueError, match=r"function was .*local, which other processes cannot import"):
        sweep(local, grid(x=[1]), file)
    with pytest.raises(ValueError, match=r"is a set; points and results must be what JSON can hold"):
        sweep(sweep_points.picky, [{"x": {1}}], file, executor=threads)
    sweep(sweep_points.picky, grid(x=[1]), file, executor=threads, progress=False)
    with pytest.raises(ValueError, match=r"held results of sweep_points.picky; a sweep of sweep_points.square must"):
        sweep(sweep_points.square, grid(x=[1]), file, executor=threads)
    file.write_text("loss,step\n1,2\n")
    with pytest.raises(ValueError, match=r"line 1 of .* was b'loss,step'; it must be a result of a sweep of"):
        sweep(sweep_points.picky, grid(x=[1]), file, executor=threads)
    assert file.read_text() == "loss,step\n1,2\n"
