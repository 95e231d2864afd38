"""Gradient descent on moments against autograd and plain PyTorch on the samples behind them."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from torch.utils.flop_counter import FlopCounterMode

from dlnlib import Task, descent, initialization, networks, rules

repeatable = settings(derandomize=True, deadline=None, max_examples=60)


def correlated_samples(n_in, n_out, n_examples=30, seed=0):
    """Inputs of unequal, correlated directions; targets partly linear in them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_examples, n_in)) @ (np.eye(n_in) + 0.4 * rng.standard_normal((n_in, n_in)))
    y = x @ rng.standard_normal((n_in, n_out)) / np.sqrt(n_in) + 0.3 * rng.standard_normal((n_examples, n_out))
    return x, y


def plain_torch(x, y, weights, learning_rate, steps, activation=None):
    """The same training with nn.Linear and torch.optim.SGD: losses, end-to-end maps and weights at every step."""
    layers = [torch.nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64) for w in weights]
    modules = []
    for layer, w in zip(layers, weights, strict=True):
        layer.weight = torch.nn.Parameter(torch.tensor(w))
        modules += [layer] if layer is layers[-1] or activation is None else [layer, activation]
    network = torch.nn.Sequential(*modules)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)
    x, y = torch.tensor(x), torch.tensor(y)
    losses, outputs, history = [], [], []
    for _ in range(steps + 1):
        output = network(x)
        loss = 0.5 * ((output - y) ** 2).sum(dim=1).mean()
        losses.append(loss.item())
        outputs.append(output.detach().numpy())
        history.append([layer.weight.detach().numpy().copy() for layer in layers])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.array(losses), np.array(outputs), history


def autograd_gradients(x, y, weights):
    layers = [torch.tensor(w, requires_grad=True) for w in weights]
    output = torch.tensor(x).mT
    for w in layers:
        output = w @ output
    loss = 0.5 * ((output.mT - torch.tensor(y)) ** 2).sum() / len(x)
    return [gradient.numpy() for gradient in torch.autograd.grad(loss, layers)]


@repeatable
@given(
    ends=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    hidden=st.lists(st.integers(1, 12), max_size=7),
    n_examples=st.sampled_from([3, 30]),
    seed=st.integers(0, 999),
)
def test_one_step_is_autograds_gradient(ends, hidden, n_examples, seed):
    x, y = correlated_samples(*ends, n_examples, seed)
    weights = initialization.glorot([ends[0], *hidden, ends[1]], rng=seed)
    rate = 1e3  # so large that the step is not lost in the rounding of the weights
    run = descent.gradient_descent(Task.from_samples(x, y), weights, rate, steps=1)
    for after, before, gradient in zip(run.weights, weights, autograd_gradients(x, y, weights), strict=True):
        assert np.linalg.norm((before - after) / rate - gradient) <= 1e-12 * np.linalg.norm(gradient) + 1e-18


@pytest.mark.parametrize(("n_in", "n_out", "hidden"), [(6, 3, 10), (3, 6, 10), (6, 4, 2), (4, 6, 2)])
def test_trajectories_are_plain_pytorchs(n_in, n_out, hidden):
    x, y = correlated_samples(n_in, n_out)
    task = Task.from_samples(x, y)
    for depth in (1, 2, 3, 6):
        weights = initialization.orthogonal([n_in, *[hidden] * (depth - 1), n_out], rng=depth)
        rate = 0.04 / depth
        run = descent.gradient_descent(task, weights, rate, steps=200, keep_weights=True)
        losses, outputs, history = plain_torch(x, y, weights, rate, 200)
        assert losses[-1] < 0.5 * losses[0]
        np.testing.assert_allclose(run.loss, losses, rtol=1e-9)
        for layer, recorded in enumerate(run.history):
            np.testing.assert_allclose(recorded, [step[layer] for step in history], rtol=0, atol=1e-9)
        u, _, vt = np.linalg.svd(y.T @ x)
        maps = np.linalg.lstsq(x, np.moveaxis(outputs, 1, 0).reshape(len(x), -1), rcond=None)[0]
        maps = maps.reshape(n_in, 201, n_out).transpose(1, 2, 0)
        modes = np.einsum("oi,toj,ij->ti", u[:, : min(n_in, n_out)], maps, vt[: min(n_in, n_out)])
        np.testing.assert_allclose(run.modes, modes, rtol=0, atol=1e-9)


def test_white_tasks_train_as_on_white_samples():
    for depth, (n_in, n_out) in itertools.product([1, 2, 4], [(5, 2), (2, 5)]):
        x, y = correlated_samples(n_in, n_out, 12)
        x = np.linalg.qr(x).Q * np.sqrt(len(x))
        task = Task(y.T @ x / len(x), None, np.sum(y**2) / len(x))
        weights = initialization.orthogonal([n_in, *[4] * (depth - 1), n_out], rng=0)
        run = descent.gradient_descent(task, weights, 0.1 / depth, steps=200)
        losses, _, history = plain_torch(x, y, weights, 0.1 / depth, 200)
        assert losses[-1] < 0.6 * losses[0]
        np.testing.assert_allclose(run.loss, losses, rtol=1e-9)
        for w, expected in zip(run.weights, history[-1], strict=True):
            np.testing.assert_allclose(w, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("inputs", ["white", "unequal", "rank-deficient", "whitened"])
def test_a_goal_is_reached_at_the_same_step_in_any_precision(inputs):
    for depth, seed in itertools.product([1, 2], range(2)):
        rng = np.random.default_rng(seed)
        frames = [np.linalg.qr(rng.standard_normal((n, 4))).Q for n in (6, 5)]
        w = frames[1] * [8.0, 6.0, 4.0, 2.0] @ frames[0].T
        values = {"white": np.ones(6), "unequal": np.linspace(1, 2, 6)}.get(
            inputs, np.array([1.0, 0.7, 0.5, 0.5, 0, 0])
        )
        axes = np.linalg.qr(rng.standard_normal((6, 6))).Q
        x = 6**0.5 * np.sqrt(values)[:, None] * axes.T  # six examples with these moments
        task = Task(w) if inputs == "white" else Task.from_samples(x, x @ w.T)
        task = task.whitened() if inputs == "whitened" else task
        start = [0.5 * layer for layer in initialization.orthogonal([6, *[8] * (depth - 1), 5], seed)]
        options = {"learning_rate": 0.04 / depth**2, "steps": 5000, "stop_below": 1e-5}
        double, single = (
            descent.gradient_descent(task, start, dtype=dtype, **options) for dtype in (torch.float64, torch.float32)
        )
        # The weights' own rounding moves the error, and so the loss at the goal, by a thousandth.
        assert abs(double.reached_at - single.reached_at) <= 1 + 1e-3 * double.reached_at < 6
        assert double.loss.min() >= 0 and single.loss.min() >= 0
        common = min(len(single.loss), len(double.loss))
        np.testing.assert_allclose(single.loss[:common], double.loss[:common], rtol=1e-2)


def test_a_goal_of_ten_modes_is_reached_at_step_336():
    task = Task(np.diag(np.arange(10.0, 0, -1)))
    start = initialization.decoupled(task, [10, 10, 10], 1e-3, rng=0)
    for dtype in (torch.float64, torch.float32):
        run = descent.gradient_descent(task, start, 0.02, 1000, stop_below=1e-6, dtype=dtype)
        assert run.reached_at == 336


def test_a_high_floor_hides_nothing_in_single_precision():
    task = Task(np.diag([2.0, 1.0]), trace_yy=5.0 + 2000.0)
    start = initialization.decoupled(task, [2, 2, 2], 0.01, rng=0)
    double, single = (
        descent.gradient_descent(task, start, 0.1, 50, dtype=dtype).loss - 1000
        for dtype in (torch.float64, torch.float32)
    )
    assert 1e-8 < double[-1] < 1e-3
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-11)


def test_gradients_keep_their_digits_near_the_minimum():
    for scale, seed in itertools.product([1e-6, 1.0, 1e6], range(5)):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((30, 5)) * scale
        teacher = rng.standard_normal((3, 5))
        change = 1e-7 * rng.standard_normal((3, 5))
        task = Task.from_samples(x, x @ teacher.T)
        run = descent.gradient_descent(task, [teacher + change], rate := 1e3 / scale**2, steps=1)
        gradient = (run.weights[0] - teacher - change) / -rate
        exact = (teacher + change - teacher) @ x.T @ x / 30
        np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-7 * np.abs(exact).max())
        np.testing.assert_allclose(run.loss[0], 0.5 * np.sum((change @ x.T) ** 2) / 30, rtol=1e-6)


def test_tanh_training_is_plain_pytorchs():
    for depth, (n_in, n_out) in itertools.product([1, 2, 5], [(5, 2), (2, 5)]):
        x, y = correlated_samples(n_in, n_out)
        weights = initialization.orthogonal([n_in, *[7] * (depth - 1), n_out], rng=1)
        run = descent.tanh_descent(x, y, weights, 0.05, steps=200, keep_weights=True)
        losses, outputs, history = plain_torch(x, y, weights, 0.05, 200, torch.nn.Tanh())
        assert losses[-1] < 0.5 * losses[0]
        np.testing.assert_allclose(run.loss, losses, rtol=1e-9)
        for layer, recorded in enumerate(run.history):
            np.testing.assert_allclose(recorded, [step[layer] for step in history], rtol=0, atol=1e-9)
        u, _, vt = np.linalg.svd(y.T @ x, full_matrices=False)
        modes = np.mean(np.einsum("tno,om->tnm", outputs, u) * (x @ vt.T), axis=1) / np.mean((x @ vt.T) ** 2, axis=0)
        np.testing.assert_allclose(run.modes, modes, rtol=0, atol=1e-9)


def test_tanh_networks_of_small_weights_are_linear():
    x = np.eye(4)
    y = np.random.default_rng(0).standard_normal((4, 3))

    def difference(depth, scale):
        weights = initialization.gaussian([4, *[6] * (depth - 1), 3], scale, rng=2)
        tanh = descent.tanh_descent(x, y, weights, 0.2, steps=20)
        linear = descent.gradient_descent(Task.from_samples(x, y), weights, 0.2, steps=20)
        return np.abs(tanh.modes - linear.modes).max() / np.abs(linear.modes).max()

    for depth in (2, 3):
        large, small = difference(depth, 1e-2), difference(depth, 1e-3)
        assert 1e-6 < large < 1e-2 and 50 < large / small < 200  # the first correction is quadratic in the weights


def run_linear(weights, rates, **options):
    x, y = correlated_samples(5, 3)
    return descent.gradient_descent(Task.from_samples(x, y), weights, rates, 60, keep_weights=True, **options)


def run_tanh(weights, rates, **options):
    x, y = correlated_samples(5, 3)
    return descent.tanh_descent(x, y, weights, rates, 60, keep_weights=True, **options)


def assert_run_is_member(single, batch, member, rtol=1e-11):
    np.testing.assert_array_equal(single.steps, batch.steps)
    np.testing.assert_allclose(single.loss, batch.loss[member], rtol=rtol)
    np.testing.assert_allclose(single.modes, batch.modes[member], rtol=0, atol=rtol)
    for a, b in zip([*single.weights, *single.history], [*batch.weights, *batch.history], strict=True):
        np.testing.assert_allclose(a, b[member], rtol=0, atol=rtol)
    assert single.diverged_at == batch.diverged_at[member] and single.reached_at == batch.reached_at[member]


@pytest.mark.parametrize("train", [run_linear, run_tanh])
def test_batches_are_single_runs_side_by_side(train):
    starts = [initialization.glorot([5, 6, 4, 3], rng=seed) for seed in range(3)]
    rates = np.array([0.01, 0.03, 0.06])
    together, one_rate, one_start = (
        train(initialization.stack(starts), rates),
        train(initialization.stack(starts), 0.03),
        train(starts[0], rates),
    )
    mixed = train([starts[0][0], np.stack([start[1] for start in starts]), starts[0][2]], 0.03)
    for i in range(3):
        assert_run_is_member(train(starts[i], rates[i]), together, i)
        assert_run_is_member(train(starts[i], 0.03), one_rate, i)
        assert_run_is_member(train(starts[0], rates[i]), one_start, i)
        assert_run_is_member(train([starts[0][0], starts[i][1], starts[0][2]], 0.03), mixed, i)
    assert np.ptp(together.loss[:, -1]) > 0.01
    assert together.modes.shape == (3, 61, 3) and together.history[0].shape == (3, 61, 6, 5)
    assert train(starts[0], [0.03]).loss.shape == (1, 61) and train(starts[0], 0.03).loss.shape == (61,)


def test_the_start_is_not_changed():
    weights = initialization.glorot([5, 6, 3], rng=0)
    copies = [w.copy() for w in weights]
    for train in (run_linear, run_tanh):
        train(weights, 0.03)
        for w, copy in zip(weights, copies, strict=True):
            np.testing.assert_array_equal(w, copy)


def test_records_are_those_of_the_kept_weights():
    x, y = correlated_samples(5, 3)
    test_x, test_y = correlated_samples(5, 3, seed=1)
    task, test = Task.from_samples(x, y), Task.from_samples(test_x, test_y)
    weights = initialization.stack([initialization.glorot([5, 6, 3], rng=seed) for seed in range(2)])
    run = descent.gradient_descent(task, weights, 0.03, steps=40, test=test, keep_weights=True)
    u, _, vt = np.linalg.svd(task.sigma_yx, full_matrices=False)
    for batch, step in np.ndindex(2, 41):
        w = run.history[1][batch, step] @ run.history[0][batch, step]
        assert math.isclose(run.loss[batch, step], 0.5 * np.sum((y - x @ w.T) ** 2) / len(x), rel_tol=1e-12)
        assert math.isclose(run.test_loss[batch, step], 0.5 * np.sum((test_y - test_x @ w.T) ** 2) / 30, rel_tol=1e-12)
        np.testing.assert_allclose(run.modes[batch, step], np.diag(u.T @ w @ vt.T), atol=1e-13)
    for layer, start, end in zip(run.history, weights, run.weights, strict=True):
        np.testing.assert_array_equal(layer[:, 0], start)
        np.testing.assert_array_equal(layer[:, -1], end)
    assert not run.diverged.any()


@pytest.mark.parametrize("train", [run_linear, run_tanh])
def test_records_every_so_many_steps(train):
    weights = initialization.glorot([5, 6, 3], rng=0)
    every, seventh = train(weights, 0.03), train(weights, 0.03, record_every=7)
    assert list(every.steps) == list(range(61)) and list(seventh.steps) == [*range(0, 60, 7), 60]
    np.testing.assert_array_equal(seventh.loss, every.loss[seventh.steps])
    # Up to rounding: they are measured several at once, and in what order their sums are taken is the processor's.
    np.testing.assert_allclose(seventh.modes, every.modes[seventh.steps], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(seventh.history[0], every.history[0][seventh.steps])
    np.testing.assert_array_equal(seventh.weights[1], every.weights[1])


@pytest.mark.parametrize("train", [run_linear, run_tanh])
def test_stops_once_all_runs_have_been_below_the_threshold(train):
    weights, rates = initialization.orthogonal([5, 6, 3], rng=0), [0.005, 0.01, 0.03]
    full = train(weights, rates)
    threshold = 0.5 * (full.loss[0, 0] + full.loss[0, -1])
    first_below = np.argmax(full.loss < threshold, axis=1)
    assert 1 < first_below[2] < first_below[1] < first_below[0] < 55
    run = train(weights, rates, stop_below=threshold, record_every=10)
    np.testing.assert_array_equal(run.reached_at, first_below)
    assert list(run.steps) == sorted({*range(0, first_below[0], 10), first_below[0]})
    np.testing.assert_allclose(run.loss, full.loss[:, run.steps], rtol=1e-13)
    slow = train(weights, [1e-6, 0.03], stop_below=threshold)
    assert slow.reached_at[0] == math.inf and slow.reached_at[1] == first_below[2] and slow.steps[-1] == 60
    assert np.isinf(full.reached_at).all()


def test_a_race_ends_with_its_winner():
    task = Task.from_samples(*correlated_samples(5, 3))
    weights, rates = initialization.orthogonal([5, 6, 3], rng=0), [0.005, 0.03, 0.01, 1e3]
    full = descent.gradient_descent(task, weights, rates, 60)
    threshold = 0.5 * (full.loss[0, 0] + full.loss[0, -1])
    race = descent.gradient_descent(task, weights, rates, 60, stop_below=threshold, race=True, record_every=60)
    won_at = np.argmax(full.loss[1] < threshold)
    np.testing.assert_array_equal(race.reached_at, [np.inf, won_at, np.inf, np.inf])
    assert race.steps[-1] == won_at and list(race.diverged) == [False, False, False, True]
    np.testing.assert_array_equal(race.loss[1, -1], full.loss[1, won_at])
    lost = descent.gradient_descent(task, weights, [1e3, 2e3], 60, stop_below=threshold, race=True)
    assert lost.diverged.all() and lost.steps[-1] < 60
    with pytest.raises(ValueError, match="race was True and stop_below was None; a race needs the loss"):
        descent.gradient_descent(task, weights, rates, 60, race=True)


def test_training_may_take_place_in_the_given_arrays():
    task = Task.from_samples(*correlated_samples(5, 3))
    start = initialization.orthogonal([5, 6, 3], rng=0)
    kept = [w.copy() for w in start]
    apart = descent.gradient_descent(task, start, 0.03, 20)
    for w, original in zip(start, kept, strict=True):
        np.testing.assert_array_equal(w, original)
    single = descent.gradient_descent(task, start, 0.03, 20, dtype=torch.float32, overwrite_weights=True)
    batch = descent.gradient_descent(task, start, [0.03, 0.01], 20, overwrite_weights=True)
    for w, original in zip(start, kept, strict=True):
        np.testing.assert_array_equal(w, original)
    here = descent.gradient_descent(task, start, 0.03, 20, overwrite_weights=True)
    for w, given_w, expected in zip(here.weights, start, apart.weights, strict=True):
        assert np.shares_memory(w, given_w)
        np.testing.assert_array_equal(w, expected)
    assert not any(np.shares_memory(w, g) for run in (single, batch) for w, g in zip(run.weights, start, strict=True))


def test_layers_that_share_memory_or_run_backwards_are_copied():
    task = Task.from_samples(*correlated_samples(4, 4))
    block = np.random.default_rng(0).standard_normal((2, 4, 4)) / 2
    for layers in (
        [block[0], block[0]],
        [block[0], block[0].T],
        [block[0, ::-1], block[1]],
        [block[0], block[1, :, ::-1]],
    ):
        given = [w.copy() for w in layers]
        apart = descent.gradient_descent(task, given, 0.03, 20)
        kept = block.copy()
        here = descent.gradient_descent(task, layers, 0.03, 20, overwrite_weights=True)
        for w, expected in zip(here.weights, apart.weights, strict=True):
            np.testing.assert_array_equal(w, expected)
        block[:] = kept  # a layer that shares nothing was trained in place
    x, y = correlated_samples(4, 4)
    back = descent.tanh_descent(x[::-1], y[::-1], given, [0.2, 0.1][::-1], 5)
    np.testing.assert_allclose(back.loss, descent.tanh_descent(x, y, given, [0.1, 0.2], 5).loss, rtol=1e-12)


def test_what_torch_cannot_compute_with_is_refused():
    def trained(**option):
        return lambda: descent.gradient_descent(Task([[1.0]]), [[[0.5]]], 0.1, 2, **option)

    assert_refused(
        (trained(dtype=torch.float8_e5m2), r"dtype was torch.float8_e5m2; it must be a dtype of real numbers in torch"),
        (trained(dtype=torch.complex64), r"dtype was torch.complex64"),
        (trained(dtype="float65"), r"dtype was 'float65'"),
        (trained(dtype="nn"), r"dtype was 'nn'"),
        (trained(dtype=float), r"dtype was <class 'float'>"),
        (trained(device="meta"), r"device was 'meta'; it must be one that torch has here"),
        (trained(device="nowhere"), r"device was 'nowhere'"),
        (trained(device=1.5), r"device was 1.5"),
        (trained(device=None), r"device was None"),
    )


def test_having_been_below_the_threshold_once_is_enough():
    start = [np.array([[[0.9]], [[0.0]]])]  # one leaves the solution, 1, in ever larger swings; the other approaches it
    run = descent.gradient_descent(Task([[1.0]]), start, [2.1, 0.1], steps=60, stop_below=0.01)
    assert list(run.reached_at) == [0, 19] and run.steps[-1] == 19 and run.loss[0, -1] > 0.01


def test_divergence_is_marked_at_its_step_and_never_nan():
    s, rate = np.array([3.0, 1.0]), 40.0
    task = Task(np.diag(s))
    run = descent.gradient_descent(task, [np.zeros((2, 2))], rate, steps=60, test=task)
    losses = 0.5 * np.sum(s**2) * (1 - rate) ** (2.0 * np.arange(61))  # each error is multiplied by 1 - rate
    first = int(np.argmax(losses >= 1e100))
    assert 5 < first < 50 and run.diverged and run.diverged_at == first and run.steps[-1] == first
    np.testing.assert_allclose(run.loss[:-1], losses[:first], rtol=1e-12)
    for record in (run.loss, run.modes, run.test_loss):
        assert np.isfinite(record[:-1]).all() and (record[-1] == np.inf).all()
    coarse = descent.gradient_descent(task, [np.zeros((2, 2))], rate, steps=60, record_every=25)
    assert coarse.diverged_at == first and list(coarse.steps) == [0, 25, first]


@settings(repeatable, max_examples=20)
@given(depth=st.integers(1, 8), power=st.floats(-0.5, 5), linear=st.booleans(), every=st.sampled_from([1, 7]))
def test_a_batch_goes_on_when_one_run_diverges(depth, power, linear, every):
    x, y = np.eye(2) * math.sqrt(2), np.array([[3.0, 0.0], [0.0, 1.0]])
    task = Task.from_samples(x, y)
    weights = initialization.orthogonal([2, *[4] * (depth - 1), 2], rng=0)

    def train(rates):
        if linear:
            return descent.gradient_descent(task, weights, rates, 80, record_every=every, test=task)
        return descent.tanh_descent(x, y, weights, rates, 80, record_every=every)

    batch, alone = train([10**power, 0.05]), train(0.05)
    np.testing.assert_allclose(batch.loss[1], alone.loss, rtol=1e-10)
    np.testing.assert_allclose(batch.modes[1], alone.modes, rtol=0, atol=1e-10)
    assert not batch.diverged[1] and alone.loss[-1] < 0.6 * alone.loss[0]
    lost = batch.steps >= batch.diverged_at[0]
    assert batch.diverged[0] == lost.any()
    for record in (batch.loss, batch.modes, *([batch.test_loss] if linear else [])):
        assert np.isfinite(record[0, ~lost]).all() and (record[0, lost] == np.inf).all()


@pytest.mark.parametrize("train", [run_linear, run_tanh])
def test_a_wild_rate_diverges(train):
    run = train(initialization.glorot([5, 6, 4, 3], rng=0), [1e4, 0.03], stop_below=1e-9)
    assert list(run.diverged) == [True, False] and run.diverged_at[0] < 60 and np.isinf(run.reached_at).all()


@pytest.mark.parametrize("train", [run_linear, run_tanh])
def test_single_precision_is_close_and_is_single(train):
    weights = initialization.orthogonal([5, 6, 3], rng=0)
    double, single = train(weights, 0.03), train(weights, 0.03, dtype=torch.float32)
    np.testing.assert_allclose(single.loss, double.loss, rtol=2e-5)
    np.testing.assert_allclose(single.modes, double.modes, rtol=0, atol=2e-5)
    for run, own in ((single, np.float32), (double, np.float64)):
        assert {array.dtype for array in (run.modes, *run.weights, *run.history)} == {np.dtype(own)}
    by_name = train(weights, 0.03, dtype="float32")
    np.testing.assert_array_equal(by_name.weights[0], single.weights[0])
    lost = train(weights, 1e4, dtype=torch.float32)
    assert lost.diverged and not np.isnan(lost.loss).any() and not np.isnan(lost.modes).any()


class OnTorch(networks.LinearNetwork):
    needs_torch = True


class OnNumpy(networks.LinearNetwork):
    takes_torch = False


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numpy_and_torch_run_the_same_text(dtype):
    for n_in, n_out in ((6, 3), (3, 6)):
        x, y = correlated_samples(n_in, n_out)
        task, rates = Task.from_samples(x, y), [0.01, 0.03]
        start = initialization.glorot([n_in, 20, 21, n_out], rng=0)
        options = {"steps": 50, "keep_weights": True, "dtype": dtype}
        ours, theirs = (
            descent.train(kind(task, task.with_inputs(np.eye(n_in))), start, rules.Descent(rates), **options)
            for kind in (OnNumpy, OnTorch)
        )
        rtol = 1e-11 if dtype == "float64" else 2e-4
        pairs = zip(*([run.loss, run.test_loss, run.modes, *run.history] for run in (ours, theirs)), strict=True)
        for a, b in pairs:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-2 * rtol)


class InNumpy(rules.Rule):
    """A rule that knows NumPy's arrays only."""

    def begin(self, layers, put):
        def move(downhill, step):
            for layer, change in downhill(0.1):
                np.add(layers[layer], change[0] @ change[1] if isinstance(change, tuple) else change, out=layers[layer])

        return move, np.array(0.1)


def test_large_layers_are_computed_by_torch_if_network_and_rule_take_its_arrays():
    kinds = []

    class Seen(networks.LinearNetwork):
        def at(self, weights):
            kinds.append(type(weights[0]))
            return super().at(weights)

    class SeenOnNumpy(Seen):
        takes_torch = False

    task = Task.from_samples(*correlated_samples(5, 3))
    large, small = (initialization.glorot([5, n, n, 3], rng=0) for n in (150, 50))
    cases = [(Seen, large, rules.Descent(0.1)), (Seen, small, rules.Descent(0.1)), (Seen, large, InNumpy())]
    cases += [(Seen, small, rules.Descent(np.full(9, 0.1))), (SeenOnNumpy, large, rules.Descent(0.1))]
    runs = [descent.train(network(task), start, rule, steps=1) for network, start, rule in cases]
    assert kinds[::2] == [torch.Tensor, np.ndarray, np.ndarray, torch.Tensor, np.ndarray]
    for run in (runs[2], runs[4]):
        np.testing.assert_allclose(run.modes, runs[0].modes, rtol=1e-12)


def test_half_precision_runs_on_torch():
    start = initialization.orthogonal([5, 6, 3], rng=0)
    for dtype in ("float16", "bfloat16"):
        run = run_linear(start, 0.03, dtype=dtype)
        np.testing.assert_allclose(run.loss, run_linear(start, 0.03).loss, rtol=0.1)
        assert run.history[0].dtype == (np.float16 if dtype == "float16" else np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_every_tensor_is_made_where_it_was_asked_for(noise):
    """On torch's device without numbers: it computes with its own tensors only, so that a stray one is an error."""

    def put(array):
        return torch.from_numpy(np.array(array)).to("meta")

    x, y = correlated_samples(5, 3)
    task = Task.from_samples(x, y)
    deep = [
        *(OnTorch(task, test, label_noise=noise) for task in (task, task.whitened()) for test in (None, task)),
        networks.TanhNetwork(x, y, label_noise=noise),
        networks.TanhNetwork(x, y, label_noise=noise, batch_size=4),
    ]
    momentum = rules.torch_rule(lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9))
    for network in deep:
        for rule in (rules.Descent([0.1, 0.2]), rules.Descent(lambda n: 0.1), momentum):
            layers = [put(np.stack([w, w])) for w in initialization.glorot([5, 6, 3], rng=0)]
            there = network.to(put)
            seen, downhill = there.at(layers)
            records = [there.loss(*seen()), *there.records(*seen())]
            assert {x.device.type for x in (*seen(), *records) if x is not None} == {"meta"}
            move, _ = rule.begin(layers, put)
            move(downhill, 0)


def test_a_step_costs_a_few_passes_over_the_weights_for_each_unit_of_the_narrow_end():
    for ends, depth in itertools.product([(200, 5), (5, 200)], [2, 4, 8]):
        weights = initialization.gaussian([ends[0], *[50] * (depth - 1), ends[1]], 0.01, rng=0)
        with FlopCounterMode(display=False) as counter:
            descent.train(OnTorch(Task(np.ones(ends[::-1]))), weights, rules.Descent(1e-3), steps=10)
        assert 0 < counter.get_total_flops() < 11 * 6 * 5 * sum(w.size for w in weights)


TASK = Task(np.ones((2, 3)))
START = [np.ones((4, 3)), np.ones((2, 4))]
X, Y = np.ones((5, 3)), np.ones((5, 2))


@pytest.mark.parametrize(("switch", "plain"), [(2, True), ("all", True), (0, False), (None, False), ("", False)])
def test_switches_are_whatever_is_true_or_false_in_python(switch, plain):
    def run(**options):
        return descent.gradient_descent(Task([[2.0]]), [[[1.0]], [[1.0]]], [0.1, 0.2], 50, stop_below=0.1, **options)

    for name in ("keep_weights", "race"):
        found, wanted = run(**{name: switch}), run(**{name: plain})
        assert repr(found) == repr(wanted) and len(found.history or ()) == len(wanted.history or ())


def test_what_cannot_be_trained_is_refused_by_name():
    def linear(weights=START, rate=0.1, **options):
        return lambda: descent.gradient_descent(TASK, weights, rate, 9, **options)

    assert_refused(
        (linear([]), r"weights was empty; it must hold at least one layer"),
        (
            linear(START[::-1]),
            r"weights had shapes \[\(2, 4\), \(4, 3\)\]; they must chain from 3 inputs to 2 outputs",
        ),
        (lambda: descent.tanh_descent(X, Y, START[:1], 0.1, 9), r"must chain from 3 inputs to 2 outputs"),
        (linear([START[0], [[1.0, math.nan]] * 2]), r"weights\[1\] held NaN or infinity"),
        (linear(rate=[0.1, -1]), r"learning_rate was -1; it must be greater than zero"),
        (
            linear(initialization.stack([START] * 2), [0.1] * 3),
            r"learning_rate had shape \(3,\) and the weights leading axes \[\(2,\), \(2,\)\]; .* share one batch axis",
        ),
        (linear(rate=[[0.1]]), r"learning_rate had shape \(1, 1\)"),
        (linear(rate=[]), r"learning_rate had shape \(0,\) and .*; they must be single or share one batch axis"),
        (linear([w[None][:0] for w in START]), r"the weights leading axes \[\(0,\), \(0,\)\]; they must be single or"),
        (lambda: descent.tanh_descent(X, Y, START, [], 9), r"learning_rate had shape \(0,\)"),
        (
            linear(rate=np.linspace(0.1, 0.01, 9)),
            r"learning_rate had 9 entries, as many as there are steps; .* a schedule a function of the step",
        ),
        (linear(rate=lambda n: 1 - n), r"learning_rate was -1 at step 2; it must"),
        (linear(rate=lambda n: "fast"), r"learning_rate was 'fast'"),
        (
            linear(test=Task(np.ones((2, 4)))),
            r"test had 4 inputs and 2 outputs; it must have this task's 3 and 2",
        ),
        (lambda: descent.tanh_descent(X, Y[:4], START, 0.1, 9), r"x held 5 examples and y 4"),
    )
