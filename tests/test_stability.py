"""Curvature against autograd's Hessian; learning rates against gradient descent; steps against quadrature."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import Task, descent, exact, initialization, stability


@settings(derandomize=True, deadline=None, max_examples=60)
@given(depth=st.integers(1, 12), s=st.floats(0.1, 5), fraction=st.floats(1e-3, 3))
def test_curvature_is_the_hessian_of_one_mode(depth, s, fraction):
    u = fraction * s
    layers = torch.full((depth,), u ** (1 / depth), dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(lambda a: 0.5 * (s - torch.prod(a)) ** 2, layers).numpy()
    along, across = stability.curvature(u, s, depth)
    scale = np.abs(hessian).max()
    np.testing.assert_allclose(hessian.sum(axis=1), along, rtol=1e-12, atol=1e-13 * depth * scale)
    if depth == 1:
        assert math.isnan(across)
    else:
        eigenvalues = np.linalg.eigvalsh(hessian)
        expected = np.sort([along, *[across] * (depth - 1)])
        np.testing.assert_allclose(eigenvalues, expected, rtol=1e-11, atol=1e-12 * depth * scale)


def test_curvature_of_very_many_layers_keeps_its_digits():
    """At u = s / 2 the terms in D cancel; in exact arithmetic 50 digits tell."""
    for depth in (1e3, 1e10, 1e17):
        with mp.workdps(50):
            d, u, s = mp.mpf(depth), mp.mpf(0.5), mp.mpf(1)
            expected = d * u ** (2 - 2 / d) - (d - 1) * u ** (1 - 2 / d) * (s - u)
        np.testing.assert_allclose(stability.curvature(0.5, 1.0, depth)[0], float(expected), rtol=1e-14)


def test_steps_do_not_depend_on_the_unit():
    for depth in (1, 2, 50, math.inf):
        expected = stability.steps_to_learn(0.5, 1.0, 0.1, depth)
        for s in (1e-100, 1e100):
            assert math.isclose(stability.steps_to_learn(0.5 * s, s, 0.1 * s, depth), expected, rel_tol=1e-12)


def test_the_strongest_mode_sets_the_largest_curvature_of_a_whole_network():
    """A dense Hessian over all weights, at the minimum of a network of three layers."""
    task = Task(np.diag([2.0, 1.0]))
    start = initialization.decoupled(task, [2, 3, 2, 2], u0=task.modes.s, rng=0)
    shapes = [w.shape for w in start]

    def loss(flat):
        layers, first = [], 0
        for shape in shapes:
            layers.append(flat[first : first + math.prod(shape)].reshape(shape))
            first += math.prod(shape)
        return 0.5 * torch.sum((torch.tensor(task.sigma_yx) - layers[2] @ layers[1] @ layers[0]) ** 2)

    flat = torch.tensor(np.concatenate([w.ravel() for w in start]))
    largest = np.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat).numpy())[-1]
    np.testing.assert_allclose(largest, 1 / stability.best_learning_rate(2.0, 3), rtol=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 10, 100])
def test_no_curvature_on_the_way_exceeds_that_at_the_minimum(depth):
    s = 1.7
    on_the_way = np.geomspace(1e-6, 1, 500) * s
    along, across = stability.curvature(on_the_way, s, depth)
    np.testing.assert_allclose(along[-1], 1 / stability.best_learning_rate(s, depth), rtol=1e-13)
    assert along.max() == along[-1] and across.max() < along[-1]


@pytest.mark.parametrize("depth", [1, 2, 5, 40])
def test_gradient_descent_converges_below_the_largest_stable_rate_and_not_above(depth):
    s = 0.6
    limit = stability.largest_stable_rate(s, depth)
    start = [np.array([[(0.999 * s) ** (1 / depth)]])] * depth
    run = descent.gradient_descent(Task([[s]]), start, [0.97 * limit, 1.03 * limit], steps=400)
    assert run.loss[0, -1] < 1e-6 * run.loss[0, 0]
    assert run.loss[1, -1] > 10 * run.loss[1, 0]


@pytest.mark.parametrize("depth", [1, 3, 30])
def test_the_best_rate_lands_in_one_step(depth):
    """Newton's step: what is left of a small error is of its square."""
    s = 0.6
    for error in (1e-3, 1e-4):
        start = [np.array([[(s - error) ** (1 / depth)]])] * depth
        run = descent.gradient_descent(Task([[s]]), start, stability.best_learning_rate(s, depth), steps=1)
        assert abs(run.modes[1, 0] - s) < 2 * depth * error**2 / s


@pytest.mark.parametrize("depth", [1, 2, 3, 17, 100])
@pytest.mark.parametrize("u0", [1e-4, 0.3, 2.5])
def test_steps_to_learn_against_quadrature(depth, u0):
    s, fraction = 1.3, 0.2
    u = 0.95 * s if u0 < s else 1.05 * s
    rate = fraction / (depth * s ** (2 - 2 / depth))
    with mp.workdps(30):
        speed = lambda v: 1 / (depth * v ** (2 - mp.mpf(2) / depth) * (s - v))  # noqa: E731
        expected = float(mp.quad(speed, [u0, (u0 * u) ** 0.5, u])) / rate
    assert math.isclose(stability.steps_to_learn(u, s, u0, depth, fraction), expected, rel_tol=1e-9)


def test_a_short_way_keeps_its_digits():
    """In other units its two ends would be rounded, by more of what lies between them."""
    for s in np.linspace(0.1, 9.7, 50):
        u0, u = 0.3 * s, 0.3 * s * (1 + 1e-6)
        with mp.workdps(40):
            end, start, there = map(mp.mpf, (s, u0, u))
            expected = float(mp.log(there * (end - start) / (start * (end - there))))
        assert math.isclose(stability.steps_to_learn(u, s, u0), expected, rel_tol=1e-14)


@pytest.mark.parametrize("u0", [1e-3, 0.1, 1.0])
def test_the_delay_of_infinite_depth_is_finite(u0):
    u, s, fraction = 1.8, 2.0, 0.3
    shallow = math.log(u * (s - u0) / (u0 * (s - u))) / fraction
    assert math.isclose(stability.steps_to_learn(u, s, u0, 2, fraction), shallow, rel_tol=1e-12)
    infinite = stability.steps_to_learn(u, s, u0, math.inf, fraction)
    assert math.isclose(infinite, shallow + (s / u0 - s / u) / fraction, rel_tol=1e-12)
    deep = [stability.steps_to_learn(u, s, u0, depth, fraction) for depth in (10**3, 10**4, 10**5)]
    gaps = (infinite - np.array(deep)) / infinite
    np.testing.assert_allclose(gaps[:-1] / gaps[1:], 10, rtol=0.02)


def test_steps_to_learn_counts_the_steps_of_gradient_descent():
    s, u0, fraction = 1.3, 0.05, 0.01
    for depth in (2, 6, 25):
        start = [np.array([[u0 ** (1 / depth)]])] * depth
        rate = fraction * stability.best_learning_rate(s, depth)
        below = 0.5 * (s - 0.9 * s) ** 2
        run = descent.gradient_descent(Task([[s]]), start, rate, 10**4, record_every=10**4, stop_below=below)
        assert math.isclose(run.reached_at, stability.steps_to_learn(0.9 * s, s, u0, depth, fraction), rel_tol=0.01)


def test_arguments_broadcast():
    along, across = stability.curvature([[0.1], [0.2]], 1.0, [2, 3, 4])
    assert along.shape == across.shape == (2, 3)
    assert stability.best_learning_rate([1.0, 2.0], 3).shape == (2,)
    assert exact.learning_time(0.5, 1.0, 0.1, 3, tau=3.0) == stability.steps_to_learn(0.5, 1.0, 0.1, 3)


def test_bad_arguments_are_refused_by_name():
    assert_refused(
        (lambda: stability.curvature(1, 1, math.inf), r"depth held NaN or infinity; every entry must be a finite"),
        (lambda: stability.best_learning_rate(1, 0.5), r"depth was 0.5; it must be a number of at least 1"),
        (lambda: stability.steps_to_learn(0.5, 1, 0.1, 2, fraction=0), r"fraction was 0; it must be greater"),
        (lambda: stability.steps_to_learn(2, 1, 0.1, 2), r"u was 2; it must lie on the way"),
        *(
            (
                lambda name=name: stability.steps_to_learn(
                    **{"u": 0.5, "s": 1, "u0": 0.1, name: np.full(2, 0.6)}, fraction=np.full(3, 0.1)
                ),
                rf"^{name} had shape \(2,\) and fraction had shape \(3,\); they must broadcast to one shape",
            )
            for name in ("u", "s", "u0")
        ),
        (
            lambda: stability.steps_to_learn(0.5, 1, 0.1, depth=[2, 3], fraction=[0.1, 0.1, 0.1]),
            r"^depth had shape \(2,\) and fraction had shape \(3,\); they must broadcast to one shape",
        ),
    )
