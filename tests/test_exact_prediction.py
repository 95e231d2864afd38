"""`forecast` against integrated networks: where the modes share the inputs' axes, where they do not, and one layer."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from dlnlib import Task, datasets, exact, initialization

repeatable = settings(derandomize=True, deadline=None, max_examples=30)


def turned(rng, n, angle):
    generator = rng.standard_normal((n, n))
    return expm(angle * (generator - generator.T) / 2)


def random_task(rng, angle):
    """A task whose modes lie along axes of the inputs, turned away from them by some angle."""
    n_in, n_out = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    k = min(n_in, n_out)
    u, v = (np.linalg.qr(rng.standard_normal((n, n))).Q for n in (n_out, n_in))
    s, variances = np.sort(rng.uniform(0.3, 2, k))[::-1], rng.uniform(0.3, 2, n_in)
    axes = turned(rng, n_in, angle) @ v
    explained = np.sum((u[:, :k] * s @ v[:, :k].T @ axes / np.sqrt(variances)) ** 2)
    return Task(u[:, :k] * s @ v[:, :k].T, axes * variances @ axes.T, explained + rng.uniform(0, 1))


def integrate(task, start, t, tau=1.0):
    """The maps of gradient flow, from the weights' own equations."""
    shapes = [w.shape for w in start]
    ends = np.cumsum([w.size for w in start])
    seen = np.eye(task.n_in) if task.sigma_xx is None else task.sigma_xx

    def layers(flat):
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]

    def chain(matrices, n):
        product = np.eye(n)
        for w in matrices:
            product = w @ product
        return product

    def velocity(_, flat):
        ws = layers(flat)
        error = task.sigma_yx - chain(ws, task.n_in) @ seen
        moved = [chain(ws[i + 1 :], w.shape[0]).T @ error @ chain(ws[:i], task.n_in).T for i, w in enumerate(ws)]
        return np.concatenate([m.ravel() for m in moved]) / tau

    flat = np.concatenate([w.ravel() for w in start])
    run = solve_ivp(velocity, (0, t[-1]), flat, "DOP853", t, rtol=1e-9, atol=1e-11)
    return np.array([chain(layers(y), task.n_in) for y in run.y.T])


@repeatable
@given(
    depth=st.sampled_from([1, 2, 3]), tau=st.sampled_from([1.0, 0.4]), each=st.booleans(), seed=st.integers(0, 10**6)
)
def test_aligned_tasks_are_forecast_exactly(depth, tau, each, seed):
    rng = np.random.default_rng(seed)
    task = random_task(rng, angle=0.0)
    s, variances = task.modes.s, task.mode_variances
    u0 = rng.uniform(0.001, 0.05, s.size) if each else 0.02
    t = np.linspace(0, 1.5 * np.max(exact.half_time(s, u0, depth, tau, input_variance=variances)), 12)
    expected = exact.forecast(task, u0, depth, t, tau)
    assert expected.misalignment < 1e-12 and expected.modes.shape == (12, s.size)
    start = initialization.decoupled(task, [task.n_in, *[max(task.n_in, task.n_out)] * (depth - 1), task.n_out], u0, 0)
    maps = integrate(task, start, t, tau)
    np.testing.assert_allclose(expected.loss, task.loss(maps), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(expected.modes, task.modes.strengths(maps), rtol=1e-6, atol=1e-8)
    halves = np.diag(exact.forecast(task, u0, depth, expected.half_times, tau).modes)
    np.testing.assert_allclose(halves, s / variances / 2, rtol=1e-9)


@pytest.mark.slow
def test_the_misalignment_is_the_error_to_expect():
    """What the docstring says of 60 random tasks: the largest error of the loss is about the misalignment."""
    rng, ratios = np.random.default_rng(0), []
    while len(ratios) < 60:
        task, depth, u0 = (
            random_task(rng, 10 ** rng.uniform(-1, 0)),
            int(rng.integers(2, 5)),
            10 ** rng.uniform(-4, -1.5),
        )
        variances = task.mode_variances
        if task.modes.s.size and np.all(u0 < 0.4 * task.modes.s / variances):
            t = np.linspace(0, 3, 200) * np.max(exact.half_time(task.modes.s, u0, depth, input_variance=variances))
            try:
                expected = exact.forecast(task, u0, depth, t)
            except ValueError as refused:
                assert "misalignment of task" in str(refused)
                continue
            learnable = task.trace_yy / 2 - task.floor
            start = initialization.decoupled(
                task, [task.n_in, *[max(task.n_in, task.n_out)] * (depth - 1), task.n_out], u0, 0
            )
            error = np.abs(expected.loss - task.loss(integrate(task, start, t))).max() / learnable
            if expected.misalignment > 1e-5:  # the integrator's own error is far below
                ratios.append(error / expected.misalignment)
    inside = np.mean([0.9 < ratio < 1.2 for ratio in ratios])
    assert inside >= 0.9 and min(ratios) > 0.9 and max(ratios) < 2.65 and abs(np.median(ratios) - 1) < 0.01, ratios


def test_a_task_that_the_theory_is_not_about_is_refused():
    task = Task([[1.0, 0.1]], np.diag([1.0, 0.01]))  # half of the target is along an input of a hundredth the variance
    with pytest.raises(
        ValueError,
        match=r"^misalignment of task, whose .* share the modes' axes too little, was 0\.49\d*; it must be at most",
    ):
        exact.forecast(task, 1e-4, 2, 1.0)
    assert exact.forecast(task.whitened(), 1e-4, 2, 1.0).misalignment < 1e-12
    raw = exact.forecast(datasets.mnist(), 1e-3, 2, [0.0, math.inf])
    assert math.isclose(raw.misalignment, 0.1988, abs_tol=1e-4)  # as said in the docstring
    learnable = datasets.mnist().trace_yy / 2 - datasets.mnist().floor
    assert math.isclose(raw.loss[1] - datasets.mnist().floor, raw.misalignment * learnable, rel_tol=1e-9)


@repeatable
@given(rank=st.integers(1, 5), start=st.sampled_from([0.0, 0.01, -0.3]), seed=st.integers(0, 10**6))
def test_one_layer_is_exact_whatever_the_inputs(rank, start, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, rank)) @ rng.standard_normal((rank, 5)) * 10.0 ** rng.uniform(-1, 1, 5)
    task = Task.from_samples(x, x @ rng.standard_normal((5, 3)) + rng.standard_normal((40, 3)))
    tau, (u, _, vt) = 0.7, task.modes
    fastest = np.linalg.eigvalsh(task.sigma_xx)[-1]
    t = np.array([0.0, 0.1, 1.0, 10.0]) / fastest
    expected = exact.forecast(task, start, 1, t, tau)
    w0 = start * u @ vt
    # dW/dt = (Sigma_yx - W Sigma_xx) / tau, as one matrix exponential
    big = np.block([[-task.sigma_xx, np.zeros((5, 3))], [task.sigma_yx, np.zeros((3, 3))]])
    maps = np.array([(np.hstack([w0, np.eye(3)]) @ expm(big * at / tau))[:, :5] for at in t])
    np.testing.assert_allclose(expected.loss, task.loss(maps), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(expected.modes, task.modes.strengths(maps), rtol=1e-6, atol=1e-8)
    final = exact.forecast(task, start, 1, math.inf).modes
    halves = np.diag(exact.forecast(task, start, 1, expected.half_times, tau).modes)
    np.testing.assert_allclose(halves, final / 2, rtol=1e-6)


def test_one_layer_begins_below_half_of_each_mode_and_crosses_it_when_it_does():
    task = Task(np.diag([4.0, 1.0]))  # white: each mode is s + (u0 - s) exp(-t)
    for u0 in ([0.01, 0.02], [1.999999, 0.499999], [-1e9, 0.0]):
        expected = exact.forecast(task, u0, 1, 1.0)
        np.testing.assert_allclose(expected.half_times, np.log(2 * (1 - np.divide(u0, [4.0, 1.0]))), rtol=1e-9)
        np.testing.assert_allclose(expected.modes, [4, 1] + (np.array(u0) - [4, 1]) / math.e, rtol=1e-12)
    assert_refused(
        (
            lambda: exact.forecast(task, 0.5, 1, 1.0),
            r"^u0 was 0\.5; it must be below half of every mode's final strength$",
        ),
        (lambda: exact.forecast(task, [2.5, 0.1], 1, 1.0), r"^u0 was 2\.5; it must be below half"),
        (lambda: exact.forecast(task, math.nan, 1, 1.0), "^u0 held NaN"),
    )


def test_a_start_is_one_number_or_one_for_each_mode():
    task = Task(np.diag([4.0, 1.0]))
    for depth in (1, 2, 3):
        for same in (0.1, [0.1], [0.1, 0.1]):
            np.testing.assert_allclose(exact.forecast(task, same, depth, 0.0).modes, [0.1, 0.1], rtol=1e-14)
        for bad in ([0.1] * 3, [[0.1], [0.2]], [[0.1, 0.2]]):  # a start for each time is none
            assert_refused(
                (lambda bad=bad, depth=depth: exact.forecast(task, bad, depth, 1.0), "^u0 had .* each of 2 modes$"),
            )


def test_a_task_without_modes_is_forecast_to_stay():
    for sigma_xx, depth in itertools.product((np.eye(3), np.zeros((3, 3))), (1, 2, 3)):
        nothing = exact.forecast(Task(np.zeros((2, 3)), sigma_xx, 4.0), 1e-3, depth, [0.0, 1.0])
        assert nothing.misalignment == 0 and nothing.modes.shape == (2, 0) and (nothing.loss == 2).all()
        assert nothing.half_times.shape == (0,)


def test_modes_that_are_not_there_are_not_forecast():
    """Centred targets of ten classes have nine modes; five examples of ten classes at most five."""
    centred = datasets.mnist(centred=True).whitened()
    expected = exact.forecast(centred, 1e-3, 2, [0.0, 50.0])
    assert expected.half_times.shape == (9,) and (expected.half_times < 20).all()
    np.testing.assert_allclose(exact.half_time(centred.modes.s, 1e-3), expected.half_times)
    assert math.isclose(expected.loss[1], centred.floor, rel_tol=1e-5)
    few = Task.from_samples(np.random.default_rng(0).standard_normal((5, 30)), np.eye(10)[[0, 1, 2, 2, 3]]).whitened()
    assert exact.forecast(few, 1e-3, 3, 1.0).modes.shape == (4,)
