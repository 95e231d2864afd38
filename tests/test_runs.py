"""What a run reports: half times, sequences, tables, files; and what it does to memory and when it is interrupted."""

import _thread
import dataclasses
import math
import os
import signal
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
import torch

from dlnlib import Task, _recording, descent, exact, initialization, networks, pretraining, rules

TASK = Task(np.diag([2.0, 1.0, 0.5]))
START = initialization.decoupled(TASK, [3, 5, 3], 0.01, rng=0)


def same(a, b):
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, list):
            assert all(
                x.dtype == y.dtype and np.array_equal(x, y, equal_nan=True) for x, y in zip(value, other, strict=True)
            )
        else:
            assert np.array_equal(value, other) if value is not None else other is None


@pytest.mark.parametrize("every", [1, 13])
def test_half_times_are_those_of_the_theory(every):
    run = descent.gradient_descent(TASK, START, 1e-3, steps=14_000, record_every=every)
    np.testing.assert_array_equal(run.time, 1e-3 * run.steps)
    np.testing.assert_allclose(run.half_times(TASK.modes.s), exact.half_time(TASK.modes.s, 0.01), rtol=2e-3)
    np.testing.assert_array_equal(run.half_times(TASK.modes.s[:1]), run.half_times(TASK.modes.s)[:1])
    np.testing.assert_array_equal(run.half_times(2.0), run.half_times([2.0, 2.0, 2.0]))
    assert run.half_times(2.0)[0] < run.half_times(2.0)[1] == run.half_times(2.0)[2] == np.inf  # they stay below 1


def test_half_times_in_a_batch_count_each_rate_and_no_divergence():
    rates = np.array([1e-2, 2e-2, 3.0])
    run = descent.gradient_descent(TASK, START, rates, steps=1500)
    times = run.half_times(TASK.modes.s)
    assert run.time.shape == (3, 1501) and list(run.diverged) == [False, False, True] and times.shape == (3, 3)
    np.testing.assert_allclose(times[:2], [exact.half_time(TASK.modes.s, 0.01)] * 2, rtol=0.03)
    assert not np.isnan(times).any()
    for i in range(2):
        one = descent.gradient_descent(TASK, START, rates[i], steps=1500)
        for k, s in enumerate(TASK.modes.s):
            assert math.isclose(times[i, k], np.interp(s / 2, one.modes[:, k], rates[i] * one.steps), rel_tol=1e-12)
    lost = descent.gradient_descent(TASK, START, 1e60, steps=9)
    assert lost.diverged_at == 1 and np.isinf(lost.half_times(TASK.modes.s)).all()  # it never was at half
    falling = descent.gradient_descent(Task([[1.0]]), [[[4.0]]], 0.1, steps=30)
    assert falling.half_times(4.0)[0] == np.interp(-2.0, -falling.modes[:, 0], falling.time)
    ends = descent.gradient_descent(TASK, START, 0.01, steps=1500, record_every=1500)  # all in the first interval
    expected = [np.interp(s / 2, u, ends.time) for s, u in zip(TASK.modes.s, ends.modes.T, strict=True)]
    np.testing.assert_allclose(ends.half_times(TASK.modes.s), expected, rtol=1e-12)
    early = int(np.mean(times[0, :2]) / 0.01)  # one mode has crossed, two have not
    some = descent.gradient_descent(TASK, START, 0.01, steps=early).half_times(TASK.modes.s)
    assert list(np.isfinite(some)) == [True, False, False] and math.isclose(some[0], times[0, 0], rel_tol=1e-12)
    with pytest.raises(ValueError, match=r"s had shape \(4,\); it must have an entry for each of the first modes"):
        run.half_times([1.0] * 4)


def test_a_sequence_of_tasks_is_one_run():
    other = Task(np.diag([0.3, 0.2, 0.1]))
    options = {"keep_weights": True, "stop_below": 1e-4}
    first = descent.gradient_descent(TASK, START, 0.1, steps=60, test=other, **options)
    second = descent.gradient_descent(other, first.weights, 0.05, steps=2000, test=TASK, record_every=7, **options)
    both = first.then(second)
    switch = len(first.steps)
    assert both.steps[switch - 1] == both.steps[switch] == 60 and both.steps[-1] == 60 + second.steps[-1]
    np.testing.assert_allclose(both.time, np.append(0.1 * first.steps, 6 + 0.05 * second.steps), rtol=1e-13)
    assert math.isclose(both.loss[switch], both.test_loss[switch - 1], rel_tol=1e-12)
    np.testing.assert_array_equal(both.history[1][switch - 1], both.history[1][switch])
    assert both.reached_at == min(first.reached_at, 60 + second.reached_at) < np.inf and both.weights is second.weights
    side = descent.gradient_descent(TASK, initialization.stack([START] * 2), [0.1, 0.05], steps=20)
    more = descent.gradient_descent(other, side.weights, 0.02, steps=10)
    on = side.then(more)
    assert on.time.shape == (2, 32) and on.loss.shape == (2, 32) and on.modes.shape == (2, 32, 3)
    np.testing.assert_allclose(on.time[:, -1], [2.2, 1.2], rtol=1e-13)
    lost = descent.gradient_descent(other, side.weights, [0.05, 1e60], steps=10)
    joined = side.then(lost)
    assert list(joined.diverged_at) == [np.inf, 20 + lost.diverged_at[1]] and not joined.interrupted
    assert side.then(dataclasses.replace(lost, interrupted=True)).interrupted
    one_rate = descent.gradient_descent(TASK, initialization.stack([START] * 2), 0.1, steps=20)
    np.testing.assert_allclose(one_rate.then(lost).time[:, [20, -1]], [[2, 2.5], [2, 2 + 1e61]], rtol=1e-12)
    few = descent.gradient_descent(Task(np.diag([3.0, 0.0, 0.0])), side.weights, 0.02, steps=10)
    assert few.modes.shape == (2, 11, 1)
    for joined in (side.then(few), few.then(side)):
        assert joined.modes.shape == (2, 32, 3) and np.isnan(joined.modes).sum() == 2 * 11 * 2
    wider = descent.gradient_descent(TASK, initialization.decoupled(TASK, [3, 6, 3], 0.01, rng=0), 0.1, steps=2)
    # A mode that is there in one part only crosses where it is seen to: on its own, it would at the same time.
    later, ends = few.then(side), few.time[-1]
    found, alone = later.half_times([0.0, 0.03]), side.half_times([0.0, 0.03])
    assert np.isfinite(alone[:, 1]).all() and not np.isnan(found).any()
    np.testing.assert_allclose(found[:, 1], ends + alone[:, 1], rtol=1e-12)
    above = few.then(more)  # from above its half: the record before it is no record below
    assert (more.modes[:, 0, 1] > 0.01).all() and np.isinf(above.half_times([0.0, 0.02])[:, 1]).all()
    np.testing.assert_array_equal(side.then(few).half_times([0.0, 0.03])[:, 1], alone[:, 1])
    for before, wrong in (
        *((first, run) for run in (side, descent.gradient_descent(other, first.weights, 0.05, steps=2))),
        (first, descent.gradient_descent(other, first.weights, 0.05, steps=2, test=TASK)),  # without its weights
        (descent.gradient_descent(TASK, START, 0.1, steps=2), wider),
    ):
        with pytest.raises(ValueError, match=r"run was Run\(.*; it must have the networks and records of Run\("):
            before.then(wrong)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_is_read_back_as_it_was_written(tmp_path, batch, dtype):
    rates = [0.1, 30.0] if batch else 0.1
    run = descent.gradient_descent(TASK, START, rates, 20, test=TASK, keep_weights=True, dtype=dtype)
    for one in (run, descent.gradient_descent(TASK, START, 0.1, 3)):
        one.save(tmp_path / "a run")
        same(one, _recording.Run.load(tmp_path / "a run"))
    for content in (b"", b"precious", np.ones(3), (tmp_path / "a run").read_bytes()[:-40]):
        (np.save if isinstance(content, np.ndarray) else type(tmp_path).write_bytes)(tmp_path / "x.npy", content)
        with pytest.raises(ValueError, match=r"x.npy held no run .*; it must be a file that Run.save wrote"):
            descent.Run.load(tmp_path / "x.npy")
    np.savez(tmp_path / "y.npz", steps=[1])
    with pytest.raises(ValueError, match=r"y.npz held no run"):
        descent.Run.load(tmp_path / "y.npz")


def test_rows_and_short_forms():
    run = descent.gradient_descent(TASK, START, 0.1, 200, test=TASK, record_every=50)
    rows = run.rows()
    assert [row["step"] for row in rows] == [0, 50, 100, 150, 200] and rows[2]["time"] == run.time[2]
    assert rows[3]["mode_2"] == run.modes[3, 1] and rows[1]["test_loss"] == run.test_loss[1]
    assert list(rows[0]) == ["step", "time", "loss", "test_loss", "mode_1", "mode_2", "mode_3"]
    side = descent.gradient_descent(TASK, START, [0.1, 30.0], 200)
    assert len(side.rows()) == 2 * len(side.steps) and side.rows()[-1]["network"] == 1
    assert side.rows()[len(side.steps)]["step"] == 0 and side.rows()[-1]["loss"] == math.inf
    assert repr(run) == "Run(200 steps, 5 records, 3 modes, loss 2.59 to 2.81e-16)"
    assert repr(side).startswith("Run(2 networks, 200 steps, 201 records, 3 modes, loss 2.59 to ")
    assert repr(side).endswith(", 1 of 2 diverged)")
    small = descent.gradient_descent(Task([[2.0]]), [[[1.0]]], 0.5, 1)
    assert repr(small) == "Run(1 step, 2 records, 1 mode, loss 0.5 to 0.125)"
    alone = descent.gradient_descent(TASK, START, [1e60], 1)
    assert repr(alone) == "Run(1 network, 1 step, 2 records, 3 modes, loss 2.59 to inf, 1 of 1 diverged)"
    heads, *lines = [["step", "time", "loss", "mode_1"], ["0", "0", "0.5", "1"], ["1", "0.5", "0.125", "1.5"]]
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in (heads, *lines))
    assert small._repr_html_() == f"<table><caption>{small!r}</caption>{cells}</table>"
    assert "<td>200</td>" in side._repr_html_() and "<td>199</td>" not in side._repr_html_()  # how each network ends
    for one, lines in ((run, 6), (side, 3)):
        assert one._repr_html_().count("<tr>") == lines and len(one._repr_html_()) < 3000
    wide = descent.gradient_descent(Task(np.eye(50)), [np.zeros((50, 50))], 0.1, 500)
    assert len(repr(wide)) < 100 and len(wide._repr_html_()) < 3000


@pytest.mark.slow
def test_a_history_is_never_held_twice():
    weights = initialization.glorot([50, 100, 50], rng=0)
    task, n = Task(np.eye(50)), 2000
    for options in ({}, {"stop_below": 1e-30}):
        for dtype, size in (("float64", 8), ("float32", 4)):
            tracemalloc.start()
            run = descent.gradient_descent(task, weights, 1e-3, n, keep_weights=True, dtype=dtype, **options)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            held = sum(w.nbytes for w in run.history)
            assert held == (n + 1) * 10_000 * size and peak < 1.2 * held + 2e7


def test_more_memory_than_there_is_is_refused_with_the_sum(monkeypatch):
    task, weights = Task(np.eye(784)[:10]), [np.zeros((1000, 784)), np.zeros((10, 1000))]
    with pytest.raises(
        ValueError, match=r"steps was 220000, record_every 1: 220001 records of 6.4 MB are 1,397 GB; th"
    ):
        descent.gradient_descent(task, weights, 0.1, 220_000, keep_weights=True)
    monkeypatch.setattr(_recording, "machine_memory", lambda: 3e5)
    descent.gradient_descent(TASK, START, 0.1, 2000, keep_weights=True, record_every=10)
    with pytest.raises(ValueError, match=r"they must fit into this machine's 0 GB"):
        descent.gradient_descent(TASK, START, 0.1, 2000, keep_weights=True)
    descent.gradient_descent(TASK, START, 0.1, 2000, keep_weights=True, stop_below=1.0)  # may well end before
    monkeypatch.undo()
    monkeypatch.delattr(os, "sysconf")
    assert _recording.machine_memory() == math.inf


@pytest.fixture(autouse=True)
def listening():
    """Even where the tests themselves run in the background, where a shell makes Ctrl-C mean nothing."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Alarm(rules.Descent):
    """Presses Ctrl-C in the middle of a step."""

    def __init__(self, at):
        super().__init__(0.01)
        self.at = at

    def begin(self, layers, put):
        move, rate = super().begin(layers, put)

        def alarmed(downhill, step):
            def interrupted(rate):
                for layer, change in downhill(rate):
                    if step in self.at and layer == 1:
                        signal.raise_signal(signal.SIGINT)
                    yield layer, change

            move(interrupted, step)

        return alarmed, rate


@pytest.mark.parametrize("every", [1, 10])
def test_ctrl_c_gives_the_run_so_far(every, tmp_path):
    network = networks.LinearNetwork(TASK)
    whole = descent.train(network, START, rules.Descent(0.01), steps=2000, keep_weights=True)
    with pytest.warns(RuntimeWarning, match="interrupted at step 124: this is the run so far"):
        run = descent.train(network, START, Alarm([123]), 2000, record_every=every, keep_weights=True)
    assert run.interrupted and not whole.interrupted and repr(run).endswith("interrupted)")
    run.save(tmp_path / "run")
    assert descent.Run.load(tmp_path / "run").interrupted
    assert list(run.steps) == sorted({*range(0, 124, every), 124})
    np.testing.assert_array_equal(run.loss, whole.loss[run.steps])
    for w, history, expected in zip(run.weights, run.history, whole.history, strict=True):
        np.testing.assert_array_equal(w, expected[124])  # whole steps only
        np.testing.assert_array_equal(history, expected[run.steps])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rest = descent.train(network, run.weights, rules.Descent(0.01), steps=2000 - 124, keep_weights=True)
    np.testing.assert_allclose(run.then(rest).loss[-1], whole.loss[-1], rtol=1e-12)


def test_a_second_ctrl_c_ends_everything_and_so_does_one_elsewhere():
    class Twice(Alarm):
        def begin(self, layers, put):
            move, rate = super().begin(layers, put)
            return lambda downhill, step: [move(downhill, step), move(downhill, step)], rate

    with pytest.raises(KeyboardInterrupt):
        descent.train(networks.LinearNetwork(TASK), START, Twice([5]), 2000)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    heard = []
    try:
        run = descent.train(networks.LinearNetwork(TASK), START, Alarm([5]), 20)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1] and not run.interrupted and run.steps[-1] == 20  # a handler of the user's own is left alone
    runs = []
    thread = threading.Thread(target=lambda: runs.append(descent.gradient_descent(TASK, START, 0.01, 20)))
    thread.start()
    thread.join()
    assert runs[0].steps[-1] == 20
    with pytest.raises(ValueError, match="learning_rate was -1"):  # nor does an error leave anything behind
        descent.gradient_descent(TASK, START, lambda n: -1.0, 20)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_pretraining_is_ended_by_ctrl_c(monkeypatch):
    def interrupted(*arguments, **options):
        _thread.interrupt_main()
        return descent.gradient_descent(*arguments, **options)

    monkeypatch.setattr(pretraining, "gradient_descent", interrupted)
    with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning, match="interrupted"):
        pretraining.greedy(Task(np.eye(3)), [3, 2], rng=0)


@pytest.mark.slow
def test_ctrl_c_in_a_script(tmp_path):
    script = """
import signal
import numpy as np
from dlnlib import Task, descent
signal.signal(signal.SIGINT, signal.default_int_handler)
print("ready", flush=True)
run = descent.gradient_descent(Task(np.eye(3)), [np.eye(3) / 9] * 2, 1e-9, 10**7)
print(run.interrupted, len(run.loss) == run.steps[-1] + 1)
"""
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "ready\n"
    threading.Event().wait(0.5)
    run.send_signal(signal.SIGINT)
    out, error = run.communicate(timeout=60)
    assert out == "True True\n" and "RuntimeWarning: interrupted at step" in error


def test_a_bar_shows_how_far_it_is(capsys):
    descent.gradient_descent(TASK, START, 0.01, 300, progress=True)
    assert "300/300" in capsys.readouterr().err
    descent.tanh_descent(np.eye(3), np.eye(3), START, 0.01, 7, progress=True)
    assert "7/7" in capsys.readouterr().err
    descent.gradient_descent(TASK, START, 0.01, 300)
    assert capsys.readouterr().err == ""


def test_records_of_a_diverging_run_end_at_its_step_whatever_the_block():
    """Many steps are measured together: the records are those of one at a time."""
    for every, keep in ((1, True), (7, True), (400, False)):
        block = descent.gradient_descent(TASK, START, [5.0, 7.0], 400, record_every=every, keep_weights=keep)
        single = descent.gradient_descent(
            TASK, START, [5.0, 7.0], 400, record_every=every, keep_weights=keep, stop_below=1e-300
        )
        for name in ("steps", "loss", "modes", "diverged_at", "reached_at"):
            np.testing.assert_array_equal(getattr(block, name), getattr(single, name))
        assert block.diverged.all() and block.steps[-1] == block.diverged_at.max() < 400
        if keep:
            assert [len(w[0]) for w in block.history] == [len(block.steps)] * 2
            before = slice(0, np.argmax(block.steps >= block.diverged_at.min()))
            np.testing.assert_array_equal(block.history[0][:, before], single.history[0][:, before])


def test_torch_parameters_need_no_gradient_afterwards():
    run = descent.train(
        networks.TanhNetwork(np.eye(3), np.eye(3)),
        START,
        rules.torch_rule(lambda p: torch.optim.Adam(p, lr=0.01)),
        20,
        keep_weights=True,
    )
    assert all(isinstance(w, np.ndarray) for w in (*run.weights, *run.history, run.loss, run.modes))
