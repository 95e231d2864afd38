"""`sweep`: kill it, tear its file, let points fail; every finished point is kept and none is computed twice."""

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
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


@pytest.mark.slow
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


@settings(deadline=None, max_examples=25)
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
from sweep_points import picky
sweep.sweep(picky, points[3:], "r.jsonl")
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
    "no guard, and a point that kills its process": """
def deadly(x):
    if x == 3:
        import os
        os._exit(1)
    return x
try:
    sweep.sweep(deadly, points, "r.jsonl")
except sweep.SweepError as error:
    assert [point for point, _ in error.failures] == [{"x": 3}]
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCRIPTS)
def test_scripts_and_kernels_need_no_guard(tmp_path, kind):
    file, kept = "script.py", {"no guard, a function of a module": 17}.get(kind, 19 if "kills" in kind else 20)
    (tmp_path / file).write_text(f"""
from pathlib import Path
with Path("starts").open("a") as file:
    file.write("x")
from dlnlib import sweep
def square(x):
    return x * x
points = sweep.grid(x=range(20))
{SCRIPTS[kind]}""")
    kernel = "kernel" in kind  # reads what is typed: no process finds it in a file
    begin = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-" if kernel else file],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        input=(tmp_path / file).read_text() if kernel else None,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    assert time.monotonic() - begin < 60 and (tmp_path / "starts").read_text() == "x"  # nobody ran the script again
    assert len(lines(tmp_path / "r.jsonl")) == kept


def test_a_function_that_no_process_finds_ends_the_sweep_in_one_sentence(tmp_path, monkeypatch):
    module = type(sys)("nowhere_to_be_found")
    exec("def square(x):\n    return x * x", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    begin = time.monotonic()
    with pytest.raises(
        ValueError, match=r"function was square of nowhere_to_be_found, which the processes .* could not"
    ):
        sweep(module.square, grid(x=range(100)), tmp_path / "r.jsonl", progress=False)
    assert time.monotonic() - begin < 60 and (tmp_path / "r.jsonl").read_text() == ""


def test_errors_that_cannot_travel_fail_alone_and_are_told(tmp_path):
    with pytest.raises(SweepError, match="6 of 8 points failed") as raised:
        sweep(sweep_points.troubled, grid(x=range(8)), tmp_path / "r.jsonl", progress=False)
    told = {point["x"]: f"{type(error).__name__}: {error}" for point, error in raised.value.failures}
    assert told == {
        0: "RuntimeError: TwoArguments: one and two",
        1: "RuntimeError: HoldsALock: locked",
        2: "RuntimeError: Local: of a function",
        3: "RuntimeError: SystemExit: 3",
        4: "ZeroDivisionError: division by zero",
        5: "RuntimeError: Changed: not what it was",
    }
    assert sorted(line["result"] for line in lines(tmp_path / "r.jsonl")) == [6, 7]


class Synchronous(Executor):
    """Computes each point when it is submitted."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def test_what_is_finished_is_written_before_the_next_is_submitted(tmp_path):
    def interrupted(x):
        if x == 7:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        sweep(interrupted, grid(x=range(1, 100)), tmp_path / "r.jsonl", executor=Synchronous(), progress=False)
    assert [line["result"] for line in lines(tmp_path / "r.jsonl")] == [1, 2, 3, 4, 5, 6]


def test_few_points_are_on_their_way_at_a_time(tmp_path):
    class Watched(ThreadPoolExecutor):
        waiting, most = 0, 0

        def submit(self, *arguments):
            Watched.waiting += 1
            Watched.most = max(Watched.most, Watched.waiting)
            future = super().submit(*arguments)
            future.add_done_callback(lambda _: setattr(Watched, "waiting", Watched.waiting - 1))
            return future

    with Watched(1) as executor:
        results = sweep(
            sweep_points.hasty, grid(x=range(1500)), tmp_path / "r.jsonl", executor=executor, progress=False
        )
    assert results == list(range(1500)) and Watched.most <= 1000


@pytest.mark.slow
def test_many_tensors_come_through_few_files(tmp_path):
    code = """
import resource
from pathlib import Path
import torch
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from dlnlib import sweep
def tensor(x):
    return torch.full((3,), float(x))
assert sweep.sweep(tensor, sweep.grid(x=range(400)), "r.jsonl", progress=False)[-1] == [399.0] * 3
"""
    (tmp_path / "script.py").write_text(code)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=200)


def script_of(folder, name, code, file, results):
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(f"""
from concurrent.futures import ThreadPoolExecutor
from dlnlib import sweep
{code}
with ThreadPoolExecutor(1) as threads:
    print(sweep.sweep(train, sweep.grid(x=[1, 2]), {str(file)!r}, executor=threads, progress=False))
""")
    run = subprocess.run(
        [sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=100, check=results is not None
    )
    assert run.stdout.strip() == str(results or "")
    return run.stderr


@pytest.mark.slow
def test_functions_of_two_scripts_are_not_one(tmp_path):
    file, up, down = tmp_path / "r.jsonl", "def train(x): return x", "def train(x): return -x"
    script_of(tmp_path, "a.py", up, file, [1, 2])
    for folder, name in ((tmp_path, "b.py"), (tmp_path / "other", "a.py")):
        error = script_of(folder, name, down, file, None)
        assert "held results of a.py.train; a sweep of" in error and "must have a file of its own" in error
    script_of(tmp_path, "a.py", up, file, [1, 2])
    (tmp_path / "moved").mkdir()
    for name in ("a.py", "r.jsonl"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    script_of(tmp_path / "moved", "a.py", down, "r.jsonl", [1, 2])  # script and results moved together: read, not run
    cell = "import linecache\nsource = {0!r}\nlinecache.cache['<cell>'] = (len(source), None, [source], '<cell>')\n"
    cell += "exec(compile(source, '<cell>', 'exec'))"
    script_of(tmp_path, "kernel.py", cell.format(up), "k.jsonl", [1, 2])
    script_of(tmp_path, "later.py", cell.format(up), "k.jsonl", [1, 2])
    assert "must have a file of its own" in script_of(tmp_path, "kernel.py", cell.format(down), "k.jsonl", None)


def test_what_is_no_number_is_json_all_the_same(tmp_path, threads):
    def odd(x):
        return {"x": x, "all": [math.nan, {"deep": -math.inf}], "array": np.array([1.0, np.inf])}

    def refuse(name):
        raise AssertionError(name)

    points = grid(x=[1.0, math.inf, -math.inf])
    for _ in range(2):
        results = sweep(odd, points, tmp_path / "r.jsonl", executor=threads, progress=False)
        assert [result["x"] for result in results] == [1.0, math.inf, -math.inf]
        assert results[0]["array"] == [1.0, math.inf] and results[0]["all"][1] == {"deep": -math.inf}
        assert math.isnan(results[0]["all"][0])
    held = (tmp_path / "r.jsonl").read_text().splitlines()
    assert len(held) == 3
    for line in held:
        json.loads(line, parse_constant=refuse)
    old = [{"function": "sweep_points.hasty", "point": {"x": x}, "result": x} for x in (math.inf, 1.0)]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))  # as earlier ones wrote it
    points = grid(x=[math.inf, 1.0, 3.0])
    results = sweep(sweep_points.hasty, points, tmp_path / "old.jsonl", executor=threads, progress=False)
    assert results == [math.inf, 1.0, 3.0] and len(lines(tmp_path / "old.jsonl")) == 3


def test_what_is_written_is_read_back_or_refused_before(tmp_path, threads):
    held = [{"float": value} for value in (3, "abc", None, "nan", "1e5", {"float": 2}, -math.inf)]
    held += [-math.inf, {"float": "NaN", "x": 1}, {"NaN": "Infinity"}, "nan"]
    for function, points in 2 * [(sweep_points.hasty, grid(x=held)), (sweep_points.named_float, grid(float=held))]:
        file = tmp_path / next(iter(points[0]))
        assert sweep(function, points, file, executor=threads, progress=False) == held
    whole = (tmp_path / "x").read_bytes()
    for taken in ({"float": "NaN"}, [{"float": "Infinity"}], {"a": {"float": "-Infinity"}}):
        with pytest.raises(ValueError, match=r"points held .* stands for a float that JSON does not know; .* must"):
            sweep(sweep_points.hasty, [{"x": taken}], tmp_path / "x", executor=threads, progress=False)
        points = grid(x=[json.dumps(taken)])
        with pytest.raises(SweepError, match=r"1 of 1 points failed(?s:.*) stands for a float that JSON does not know"):
            sweep(json_of, points, tmp_path / "of", executor=threads, progress=False)
    assert (tmp_path / "x").read_bytes() == whole and (tmp_path / "of").read_bytes() == b""


def json_of(x):
    return json.loads(x)


def test_a_sweeps_own_error_travels():
    error = SweepError([({"x": 2}, ValueError("two is too much"))], total=3)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and repr(again.failures) == repr(error.failures) == repr(list(again.failures))


def test_a_failing_point_is_named_and_takes_no_other_down(tmp_path, threads):
    file = tmp_path / "r.jsonl"
    with pytest.raises(SweepError, match=r'1 of 4 points failed.*\n{"x": 2}: ZeroDivisionError: two is not') as raised:
        sweep(sweep_points.picky, grid(x=[1, 2, 3, 4]), file, executor=threads, progress=False)
    ((point, error),) = raised.value.failures
    assert point == {"x": 2} and isinstance(error, ZeroDivisionError)
    assert sorted(line["result"] for line in lines(file)) == [1, 3, 4]
    assert sweep(sweep_points.picky, grid(x=[4, 1]), file, executor=threads, progress=False) == [4, 1]


@pytest.mark.slow
def test_a_point_that_kills_its_process_fails_alone(tmp_path):
    file = tmp_path / "r.jsonl"
    with pytest.raises(SweepError, match=r'1 of 5 points failed.*\n{"x": 2}: TerminatedWorkerError') as raised:
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


@pytest.mark.slow
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


def test_bad_arguments_are_refused(tmp_path, threads):
    file = tmp_path / "r.jsonl"
    file.write_text('{"function": "sweep_points.picky", "point": [1], "result": 1}\n')
    with pytest.raises(ValueError, match=r"line 1 of .* must be a result of a sweep of"):
        sweep(sweep_points.picky, [{"x": 1}], file, executor=threads, progress=False)
    file.unlink()
    with pytest.raises(ValueError, match=r"is a set; points and results must be what JSON can hold"):
        sweep(sweep_points.picky, [{"x": {1}}], file, executor=threads)
    sweep(sweep_points.picky, grid(x=[1]), file, executor=threads, progress=False)
    with pytest.raises(ValueError, match=r"held results of sweep_points.picky; a sweep of sweep_points.square must"):
        sweep(sweep_points.square, grid(x=[1]), file, executor=threads)
    file.write_text("loss,step\n1,2\n")
    with pytest.raises(ValueError, match=r"line 1 of .* was b'loss,step'; it must be a result of a sweep of"):
        sweep(sweep_points.picky, grid(x=[1]), file, executor=threads)
    assert file.read_text() == "loss,step\n1,2\n"
