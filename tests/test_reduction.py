"""The reduced network learns exactly as the full one does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlnlib import Task, datasets, descent, initialization, pretraining
from dlnlib.reduction import reduce, reduce_outputs

N_IN, N_OUT = 4, 30


def samples():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, N_IN)) @ rng.standard_normal((N_IN, N_IN)) / 2
    return x, np.tanh(x @ rng.standard_normal((N_IN, N_OUT))) + 0.1 * rng.standard_normal((20, N_OUT))


def starts(hidden):
    return initialization.stack([initialization.glorot([N_IN, *hidden, N_OUT], rng=seed) for seed in range(2)])


@pytest.mark.parametrize("hidden", [(), (3,), (7,), (50,), (6, 5), (9, 8, 7)])
@pytest.mark.parametrize("white", [True, False])
def test_linear_training_is_the_same(hidden, white):
    task = Task.from_samples(*samples())
    task, weights = task.whitened() if white else task, starts(hidden)
    small_task, small_weights = reduce_outputs(task, weights)
    last = hidden[-1] if hidden else N_IN
    assert small_task.n_out == N_IN + min(last, N_OUT) and small_weights[-1].shape == (2, small_task.n_out, last)
    full = descent.gradient_descent(task, weights, 0.01, steps=200, keep_weights=True)
    small = descent.gradient_descent(small_task, small_weights, 0.01, steps=200, keep_weights=True)
    assert (full.loss[:, -1] < 0.7 * full.loss[:, 0]).all()
    np.testing.assert_allclose(small.loss, full.loss, rtol=1e-10)
    np.testing.assert_allclose(small.modes, full.modes, rtol=0, atol=1e-10)
    for layer, expected in zip(small.history[:-1], full.history[:-1], strict=True):
        np.testing.assert_allclose(layer, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("hidden", [(7,), (6, 5)])
@pytest.mark.parametrize("x", [np.eye(N_IN), samples()[0]], ids=["one-hot", "correlated"])
def test_tanh_training_is_the_same_for_targets_linear_in_the_inputs(hidden, x):
    y = x @ np.random.default_rng(1).standard_normal((N_IN, N_OUT))
    task, weights = Task.from_samples(x, y), starts(hidden)
    small_task, small_weights = reduce_outputs(task, weights)
    small_y = x @ small_task.least_squares_map.T
    full = descent.tanh_descent(x, y, weights, 0.01, steps=200, keep_weights=True)
    small = descent.tanh_descent(x, small_y, small_weights, 0.01, steps=200, keep_weights=True)
    assert (full.loss[:, -1] < 0.8 * full.loss[:, 0]).all()
    np.testing.assert_allclose(small.loss, full.loss, rtol=1e-10)
    np.testing.assert_allclose(small.modes, full.modes, rtol=0, atol=1e-10)
    for layer, expected in zip(small.history[:-1], full.history[:-1], strict=True):
        np.testing.assert_allclose(layer, expected, rtol=0, atol=1e-10)


def test_the_reduced_task_keeps_what_is_known_of_the_data():
    task = Task.from_samples(*samples()).whitened()
    small, _ = reduce_outputs(task, starts((3,)))
    assert (small.trace_yy, small.n_examples, small.whitening) == (task.trace_yy, 20, task.whitening)
    np.testing.assert_allclose(small.modes.s[:N_IN], task.modes.s, rtol=1e-12)
    assert abs(small.floor - task.floor) < 1e-12


def test_a_single_start_stays_single():
    task = Task.from_samples(*samples())
    _, (w1, w2) = reduce_outputs(task, initialization.glorot([N_IN, 3, N_OUT], rng=0))
    assert w1.shape == (3, N_IN) and w2.shape == (7, 3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.ones((3, N_IN)), np.ones((N_OUT - 1, 3))], r"weights had shapes \[\(3, 4\), \(29, 3\)\]; .* 30 outputs"),
        ([], r"weights was empty; it must hold at least one layer"),
        (np.ones((N_OUT, N_IN)), r"weights had shapes \[\(4,\)"),
        ([np.ones((3, N_IN)), np.full((N_OUT, 3), np.nan)], r"weights\[1\] held NaN or infinity"),
    ],
    ids=["outputs", "empty", "not a list", "nan"],
)
def test_bad_weights_are_refused_by_name(weights, message):
    with pytest.raises(ValueError, match=message):
        reduce_outputs(Task.from_samples(*samples()), weights)


def start_of(kind, task, hidden, seed):
    widths = [task.n_in, *hidden, task.n_out]
    if kind == "decoupled":
        return initialization.decoupled(task, widths, 0.1, rng=seed)
    if kind == "pretrained" and hidden:
        readout = initialization.orthogonal(widths[-2:], rng=seed)
        return [*pretraining.limit(task, widths[:-1], rng=seed), *readout]
    return initialization.glorot(widths, seed) if kind == "glorot" else initialization.orthogonal(widths, rng=seed)


def random_task(n_in, n_out, rank, variances, seed):
    """A task of this rank (or as many as fit), whose inputs vary as told."""
    rng = np.random.default_rng(seed)
    values = {
        "white": np.ones(n_in),
        "some zero": (np.arange(n_in) % 3 < 2).astype(float),  # whitened inputs that vary in some directions only
        "two values": 1.0 + np.arange(n_in) % 2,
        "many": 0.5 + rng.random(n_in),
    }[variances]
    axes, u, v = (np.linalg.qr(rng.standard_normal((n, n))).Q for n in (n_in, n_out, n_in))
    rank = min(rank, n_in, n_out)
    sigma_yx = u[:, :rank] * np.array([0.4, 0.2, 0.1])[:rank] @ v[:, :rank].T
    if variances == "white":
        return Task(sigma_yx, None, 9.0)
    return Task(sigma_yx @ (axes * (values > 0)) @ axes.T, axes * values @ axes.T, 9.0)


def grown_by_force(task, weights):
    """Projectors on the subspaces of `reduce`'s docstring, every image taken again until no rank grows."""
    moments = np.eye(task.n_in) if task.sigma_xx is None else task.sigma_xx
    spaces = [task.sigma_yx.T, *(w[:, :0] for w in weights[:-1]), np.hstack([task.sigma_yx, weights[-1]])]
    for _ in range(sum(len(space) for space in spaces)):
        up = [w @ space for w, space in zip(weights, spaces, strict=False)]
        down = [w.T @ space for w, space in zip(weights, spaces[1:], strict=True)]
        images = [[moments @ spaces[0], down[0]], *map(list, zip(up[:-1], down[1:], strict=True)), [up[-1]]]
        for i, more in enumerate(images):
            u, s, _ = np.linalg.svd(np.hstack([spaces[i], *more]), full_matrices=False)
            spaces[i] = u[:, s > 1e-9 * max(s[0], 1e-300)]
    return [space @ space.T for space in spaces]


@pytest.mark.parametrize("kind", ["decoupled", "orthogonal", "glorot"])
@pytest.mark.parametrize("variances", [None, [1.0, 1.0, 2.0, 2.0, 0.0, 0.0]])
@pytest.mark.parametrize("hidden", [[], [8], [7, 9]])
def test_the_subspaces_hold_what_training_touches_and_no_more(kind, variances, hidden):
    rng = np.random.default_rng(5)
    sigma_yx = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 6)) * ([1, 1, 1, 1, 0, 0] if variances else 1)
    task = Task(sigma_yx, variances and np.diag(variances), 40.0, 7)
    start = start_of(kind, task, hidden, seed=3)
    small = reduce(task, start)
    for frame, projector in zip(small.frames, grown_by_force(task, start), strict=True):
        np.testing.assert_allclose(frame.T @ frame, np.eye(frame.shape[1]), atol=1e-12)
        np.testing.assert_allclose(frame @ frame.T, projector, atol=1e-9)
    assert (
        small.widths
        == [frame.shape[1] for frame in small.frames]
        == [w.shape[1] for w in small.weights] + [small.task.n_out]
    )
    assert (small.task.trace_yy, small.task.n_examples) == (40.0, 7)
    first, last = small.frames[0], small.frames[-1]
    np.testing.assert_allclose(small.task.sigma_yx, last.T @ sigma_yx @ first, atol=1e-12)
    if variances:
        np.testing.assert_allclose(small.task.sigma_xx, first.T @ np.diag(variances) @ first, atol=1e-12)
    else:
        assert small.task.sigma_xx is None
    for w, full, before, after in zip(small.weights, start, small.frames, small.frames[1:], strict=False):
        np.testing.assert_allclose(w, after.T @ full @ before, atol=1e-12)
    moved = [w + rng.standard_normal(w.shape) for w in small.weights]
    lifted = small.lift(moved)
    for big, w, full, before, after in zip(lifted, moved, start, small.frames, small.frames[1:], strict=False):
        np.testing.assert_allclose(after.T @ big @ before, w, atol=1e-12)
        inside = after @ (after.T @ (big - full) @ before) @ before.T
        np.testing.assert_allclose(big - full, inside, atol=1e-12)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_the_tolerance_is_relative_to_the_layer(unit):
    task = Task(unit * np.diag([1.0, 1e-12, 0.0]))
    start = [unit * np.diag([1.0, 0.0, 0.0]), unit * np.diag([1.0, 0.0, 0.0])]
    assert reduce(task, start).widths == [1, 1, 1]
    assert reduce(task, start, tolerance=1e-16).widths == [2, 1, 2]  # moments: a thousand times this
    assert reduce(task, start, tolerance=1e-10).widths == [1, 1, 1]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    ends=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    hidden=st.lists(st.integers(1, 20), max_size=4),
    rank=st.integers(1, 3),
    kind=st.sampled_from(["decoupled", "orthogonal", "pretrained", "glorot"]),
    variances=st.sampled_from(["white", "some zero", "two values", "many"]),
    seed=st.integers(0, 99),
)
def test_the_reduced_network_lifts_back_to_the_full_one_at_every_step(ends, hidden, rank, kind, variances, seed):
    task = random_task(*ends, rank, variances, seed)
    start = start_of(kind, task, hidden, seed)
    small = reduce(task, start)
    assert all(few <= many for few, many in zip(small.widths, [ends[0], *hidden, ends[1]], strict=True))
    for frame in small.frames:
        np.testing.assert_allclose(frame.T @ frame, np.eye(frame.shape[1]), rtol=0, atol=1e-13)
    full_run = descent.gradient_descent(task, start, 0.05, steps=40, keep_weights=True)
    small_run = descent.gradient_descent(small.task, small.weights, 0.05, steps=40, keep_weights=True)
    np.testing.assert_allclose(small_run.loss, full_run.loss, rtol=1e-12)
    learned = int(np.sum(task.modes.s > 1e-9))  # the vectors of the others are arbitrary
    np.testing.assert_allclose(small_run.modes[:, :learned], full_run.modes[:, :learned], rtol=0, atol=1e-12)
    for w, full_w in zip(small.lift(small_run.history), full_run.history, strict=True):
        np.testing.assert_allclose(w, full_w, rtol=0, atol=1e-12)


def test_a_mode_that_starts_far_weaker_than_another_is_learned_too():
    task = Task(np.diag([3.0, 1.0, 0.0, 0.0])[:2])
    start = initialization.decoupled(task, [4, 30, 2], [1e-2, 1e-24], rng=0)
    small = reduce(task, start)
    assert small.widths == [2, 2, 2]
    full_run = descent.gradient_descent(task, start, 0.1, steps=400)
    small_run = descent.gradient_descent(small.task, small.weights, 0.1, steps=400)
    assert full_run.modes[250, 1] < 0.1 and full_run.modes[-1, 1] > 0.999
    np.testing.assert_allclose(small_run.modes, full_run.modes, rtol=0, atol=1e-9)
    weaker = initialization.decoupled(task, [4, 30, 2], [1e-2, 1e-30], rng=0)
    assert reduce(task, weaker).widths == [2, 1, 2]  # below the tolerance, as its docstring says
    assert reduce(task, weaker, tolerance=1e-15).widths == [2, 2, 2]


def test_frames_of_weak_directions_are_orthonormal():
    """What rounding leaves inside of a weak direction grows when the direction is scaled to length one."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((n, n))).Q for n in (20, 60))
    task = Task(rng.standard_normal((5, 60)) / 60)
    start = [u * np.logspace(0, -12, 20) @ v[:, :20].T, rng.standard_normal((5, 20)) / 20]
    small = reduce(task, start)
    assert small.widths == [25, 20, 5]
    for frame in small.frames:
        np.testing.assert_allclose(frame.T @ frame, np.eye(frame.shape[1]), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("depth", "rate"), [(4, 2.0), pytest.param(9, 1.0, marks=pytest.mark.slow)])
def test_a_network_of_width_1000_on_mnist_is_followed_exactly(depth, rate):
    """Figure 4 of the paper: the full network at two of its depths, to the end of the race."""
    task = datasets.mnist().whitened()
    start = initialization.decoupled(task, [784, *[1000] * (depth - 1), 10], 1e-3, rng=0)
    small = reduce(task, start)
    assert small.widths == [10] * (depth + 1)
    race = {"learning_rate": rate, "steps": 300, "stop_below": 1.3e4 / 50_000}
    small_run = descent.gradient_descent(small.task, small.weights, **race)
    full_run = descent.gradient_descent(task, start, **race)
    assert small_run.reached_at == full_run.reached_at < 300
    np.testing.assert_allclose(small_run.loss, full_run.loss, rtol=1e-9)
    np.testing.assert_allclose(small_run.modes, full_run.modes, rtol=0, atol=1e-9)
    for full_w, w in zip(full_run.weights, small.lift(small_run.weights), strict=True):
        np.testing.assert_allclose(w, full_w, rtol=0, atol=1e-9)


def test_wide_orthogonal_layers_reduce_to_three_neurons_for_each_output():
    task = Task(np.random.default_rng(0).standard_normal((2, 40)))
    small = reduce(task, initialization.orthogonal([40, 60, 60, 60, 2], rng=0))
    assert max(small.widths) == 6 and small.widths[-1] == 2
    decoupled = reduce(task, initialization.decoupled(task, [40, 60, 60, 2], 0.1, rng=0))
    assert decoupled.widths == [2, 2, 2, 2]


@pytest.mark.parametrize("e", [1e-3, 1e-9])
def test_nothing_of_a_task_is_lost_in_the_small_one(e):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((60, 5))
        x[:, 1] = x[:, 0] + e * x[:, 1]  # nearly collinear: moments would not know it
        w = rng.standard_normal((2, 5))
        noise = np.linalg.qr(np.hstack([x, rng.standard_normal((60, 2))])).Q[:, 5:]
        wide = Task.from_samples(x, x @ w.T + noise)
        for task in (wide, wide.whitened(), Task.from_samples(x[:3], x[:3] @ w.T), Task(w, None, 99.0)):
            start = initialization.decoupled(task, [5, 40, 30, 2], 0.1, seed)
            small = reduce(task, start)
            assert small.task.floor == task.floor and small.task.trace_yy == task.trace_yy
            loss = small.task.loss(small.weights[2] @ small.weights[1] @ small.weights[0])
            np.testing.assert_allclose(loss, task.loss(start[2] @ start[1] @ start[0]), rtol=1e-12)
            few, _ = reduce_outputs(task, start)
            assert few.floor == task.floor and few.rank == task.rank and few.whitening is task.whitening


def test_the_rounding_of_whitening_costs_no_neurons():
    """MNIST's moments, whitened, are a projector to 1e-11: 73 of its 784 directions do not vary."""
    task = datasets.mnist().whitened()
    small = reduce(task, initialization.orthogonal([784, 100, 10], rng=0))
    assert small.widths == [30 + 2 * 73, 20 + 73, 10]


def test_a_random_gaussian_network_is_returned_as_it_is():
    task = Task(np.random.default_rng(0).standard_normal((3, 6)))
    start = initialization.gaussian([6, 8, 8, 3], 0.3, rng=0)
    same = reduce(task, start)
    assert same.task is task and same.widths == [6, 8, 8, 3]
    for w, given_w in zip(same.weights, start, strict=True):
        np.testing.assert_array_equal(w, given_w)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda task, start: reduce(task, start[::-1]),
            r"weights had shapes .* must chain from 40 inputs to 2 outputs",
        ),
        (lambda task, start: reduce(task, initialization.stack([start])), r"weights had shapes \[\(1, 9, 40\)"),
        (lambda task, start: reduce(task, start, tolerance=0), r"tolerance was 0; it must be greater than zero"),
        (lambda task, start: reduce(task, start).lift(start), r"weights had shapes .*; the small network's have"),
    ],
    ids=["order", "batch", "tolerance", "lift"],
)
def test_bad_arguments_of_reduce_are_refused_by_name(call, message):
    task = Task(np.random.default_rng(0).standard_normal((2, 40)))
    with pytest.raises(ValueError, match=message):
        call(task, initialization.orthogonal([40, 9, 2], rng=0))


@pytest.mark.parametrize("n_in", [5, 2])
def test_what_lift_compares_with_is_kept_from_training(n_in):
    task = Task(np.eye(2, n_in))
    small = reduce(task, initialization.gaussian([n_in, 2, 2], scale=0.5, rng=0))
    assert (small.task is not task) == (n_in == 5)
    for weights in (small.weights, small.start):
        assert not any(w.flags.writeable for w in weights)
    run = descent.gradient_descent(small.task, small.weights, 0.1, 30, overwrite_weights=True)
    lifted = small.lift(run.weights)
    full = descent.gradient_descent(task, small.start, 0.1, 30)
    for w, expected in zip(lifted, full.weights, strict=True):
        np.testing.assert_allclose(w, expected, atol=1e-13)


def test_each_layer_has_its_own_measure_of_what_is_rounding():
    # The second layer hands 1e-6 of one direction down, far below the rounding of the first layer, not of its own.
    start = [np.diag([1e8, 0.0]), np.diag([1.0, 1e-6]), np.eye(2)]
    assert reduce(Task(np.eye(2)), start).widths == [2, 2, 2, 2]


def test_where_nothing_passes_one_direction_stands_still():
    start = [np.zeros((3, 2)), np.ones((4, 3)), np.zeros((1, 4))]
    small = reduce(Task([[0.0, 0.0]]), start)
    assert small.widths == [1, 1, 1, 1]
    run = descent.gradient_descent(small.task, small.weights, 0.1, steps=5)
    for lifted, full in zip(small.lift(run.weights), start, strict=True):
        np.testing.assert_array_equal(lifted, full)
