"""`Task` against the samples behind it: plain averages, `numpy.linalg.lstsq`, and exact arithmetic in fractions."""

import copy
import dataclasses
import itertools
import math
import multiprocessing
import pickle
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import distributed
import numpy as np
import pytest
import scipy.sparse
import task_parts
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import Task, datasets, descent, exact, initialization, networks, reduction

repeatable = settings(derandomize=True, deadline=None, max_examples=60)


@st.composite
def samples(draw):
    """Correlated inputs on very different scales, of any rank, with noisy targets: (x, y, rank of x)."""
    n_examples, n_in, n_out = draw(st.integers(1, 12)), draw(st.integers(1, 7)), draw(st.integers(1, 5))
    rank = draw(st.integers(1, min(n_examples, n_in)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((n_examples, rank)) @ rng.standard_normal((rank, n_in))
    x *= 10.0 ** draw(st.lists(st.integers(-3, 3), min_size=n_in, max_size=n_in).map(np.array))
    noise = draw(st.sampled_from([0.0, 1.0]))
    y = x @ rng.standard_normal((n_in, n_out)) + noise * rng.standard_normal((n_examples, n_out))
    spread = np.linalg.svd(x / np.sqrt(np.mean(x**2, axis=0)), compute_uv=False)
    assume(spread[rank - 1] > 1e-3 * spread[0])
    return x, y, rank


def half_mean_squared_error(x, y, w):
    return 0.5 * np.mean([np.sum((target - w @ example) ** 2) for example, target in zip(x, y, strict=True)])


def some_map(x, y, seed=0):
    """A map whose outputs are about as large as the targets."""
    w = np.random.default_rng(seed).standard_normal((y.shape[1], x.shape[1])) / np.sqrt(np.mean(x**2, axis=0))
    return w * np.sqrt(np.mean(y**2))


def correlated_task(seed=0, n_examples=50, n_in=4, n_out=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_examples, n_in)) @ rng.standard_normal((n_in, n_in))
    return x, Task.from_samples(x, np.tanh(x @ rng.standard_normal((n_in, n_out))))


@repeatable
@given(samples())
def test_moments_are_means_over_the_examples(drawn):
    x, y, _ = drawn
    task = Task.from_samples(x, y)
    outer = np.mean([np.outer(target, example) for example, target in zip(x, y, strict=True)], axis=0)
    np.testing.assert_allclose(task.sigma_yx, outer, rtol=1e-12, atol=1e-14 * np.abs(outer).max())
    outer = np.mean([np.outer(example, example) for example in x], axis=0)
    np.testing.assert_allclose(task.sigma_xx, outer, rtol=1e-12, atol=1e-14 * np.abs(outer).max())
    assert math.isclose(task.trace_yy, np.mean([target @ target for target in y]), rel_tol=1e-12)
    assert (task.n_examples, task.n_in, task.n_out) == (len(x), x.shape[1], y.shape[1])


@repeatable
@given(samples(), st.integers(0, 99))
def test_loss_is_half_the_mean_squared_error(drawn, seed):
    x, y, _ = drawn
    w = some_map(x, y, seed)
    expected = half_mean_squared_error(x, y, w)
    assert math.isclose(Task.from_samples(x, y).loss(w), expected, rel_tol=1e-9, abs_tol=1e-12 * np.mean(y**2))


def test_loss_takes_a_batch_of_maps_and_other_data():
    _, task = correlated_task()
    maps = np.random.default_rng(1).standard_normal((2, 5, 3, 4))
    assert task.loss(maps).shape == (2, 5)
    np.testing.assert_array_equal(task.loss(maps)[1, 3], task.loss(maps[1, 3]))
    rng = np.random.default_rng(2)
    test_x, test_y = rng.standard_normal((7, 4)), rng.standard_normal((7, 3))
    test_loss = Task.from_samples(test_x, test_y).loss(task.least_squares_map)
    assert math.isclose(test_loss, half_mean_squared_error(test_x, test_y, task.least_squares_map), rel_tol=1e-12)


@repeatable
@given(samples())
def test_floor_and_least_squares_map_are_those_of_lstsq(drawn):
    x, y, _ = drawn
    task = Task.from_samples(x, y)
    scale = np.sqrt(np.mean(x**2, axis=0))  # the shortest solution, in inputs of unit variance
    best = np.linalg.lstsq(x / scale, y, rcond=1e-10)[0].T / scale
    size = task.loss(np.zeros_like(best))
    assert math.isclose(task.floor, half_mean_squared_error(x, y, best), rel_tol=1e-8, abs_tol=1e-10 * size)
    np.testing.assert_allclose(task.least_squares_map @ x.T, best @ x.T, atol=1e-6 * np.abs(y).max())
    np.testing.assert_allclose(task.least_squares_map * scale, best * scale, atol=1e-5 * np.abs(best * scale).max())


def test_white_inputs_need_no_input_moments():
    sigma_yx = np.array([[1.0, 0.2, 0.0], [0.0, -0.5, 0.3]])
    white, told = Task(sigma_yx, None, 4.0), Task(sigma_yx, np.eye(3), 4.0)
    assert math.isclose(white.floor, told.floor)
    np.testing.assert_allclose(white.least_squares_map, told.least_squares_map, atol=1e-15)
    np.testing.assert_allclose(white.mode_variances, told.mode_variances)
    w = np.random.default_rng(0).standard_normal((2, 3))
    assert math.isclose(white.loss(w), told.loss(w), rel_tol=1e-14)


def test_targets_are_linear_in_the_inputs_unless_told():
    rng = np.random.default_rng(0)
    x, teacher = rng.standard_normal((30, 5)) @ rng.standard_normal((5, 5)), rng.standard_normal((3, 5))
    sampled = Task.from_samples(x, x @ teacher.T)
    task = Task(sampled.sigma_yx, sampled.sigma_xx)
    assert math.isclose(task.trace_yy, sampled.trace_yy, rel_tol=1e-12) and task.floor < 1e-12 * task.trace_yy
    np.testing.assert_allclose(task.least_squares_map, teacher, atol=1e-9)
    assert math.isclose(Task([[3.0, 0.0], [0.0, 4.0]]).trace_yy, 25.0)


@repeatable
@given(samples())
def test_modes_are_an_orthonormal_decomposition(drawn):
    x, y, rank = drawn
    task = Task.from_samples(x, y)
    u, s, vt = task.modes
    assert len(s) == min(rank, task.n_out) and (np.diff(s) <= 0).all() and (s > 0).all()
    np.testing.assert_allclose(u * s @ vt, task.sigma_yx, atol=1e-13 * s[0])
    np.testing.assert_allclose(u.T @ u, np.eye(len(s)), atol=1e-13)
    np.testing.assert_allclose(vt @ vt.T, np.eye(len(s)), atol=1e-13)
    along = [np.mean((x @ v) ** 2) for v in vt]
    np.testing.assert_allclose(task.mode_variances, along, rtol=1e-9, atol=1e-13 * np.trace(task.sigma_xx))


@repeatable
@given(n_in=st.integers(1, 4), n_out=st.integers(1, 4), maps=st.sampled_from([(), (0,), (3,), (2, 1)]))
def test_strengths_are_what_the_map_makes_of_each_mode(n_in, n_out, maps):
    rng = np.random.default_rng(n_in)
    modes = Task(rng.standard_normal((n_out, n_in))).modes
    w = rng.standard_normal((*maps, n_out, n_in))
    expected = [
        [float(np.dot(modes.u[:, i], one @ modes.vt[i])) for i in range(len(modes.s))]
        for one in w.reshape(-1, n_out, n_in)
    ]
    np.testing.assert_allclose(modes.strengths(w), np.reshape(expected, (*maps, len(modes.s))), atol=1e-14)


def test_mode_signs_do_not_depend_on_the_svd_routine(monkeypatch):
    _, task = correlated_task()
    svd, expected = np.linalg.svd, task.modes
    largest = np.abs(expected.u).argmax(axis=0)
    assert (expected.u[largest, range(3)] > 0).all()
    for flips in ((1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)):

        def flipped(matrix, flips=flips, **options):
            u, s, vt = svd(matrix, **options)
            return u * flips, s, vt * np.array(flips)[:, None]

        monkeypatch.setattr(np.linalg, "svd", flipped)
        again = Task(task.sigma_yx, task.sigma_xx).modes
        np.testing.assert_array_equal(again.u, expected.u)
        np.testing.assert_array_equal(again.vt, expected.vt)


def test_rounding_does_not_choose_the_sign_among_entries_that_tie_for_largest():
    for seed in range(5):
        hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
        noise = 1e-13 * np.random.default_rng(seed).standard_normal((4, 4))
        u, s, vt = Task(hadamard * [4.0, 3.0, 2.0, 1.0] + noise).modes
        np.testing.assert_allclose(u, hadamard, atol=1e-11)
        np.testing.assert_allclose(vt, np.eye(4), atol=1e-11)
        np.testing.assert_allclose(s, [4, 3, 2, 1], rtol=1e-11)


@repeatable
@given(samples(), st.integers(0, 99))
def test_whitening_keeps_the_rank_the_loss_and_the_floor(drawn, seed):
    x, y, rank = drawn
    task = Task.from_samples(x, y)
    white = task.whitened()
    forward, back, stated_rank = white.whitening
    assert stated_rank == rank and (white.sigma_xx is None) == (rank == task.n_in)
    w = some_map(x, y, seed)
    assert math.isclose(white.loss(w @ back), task.loss(w), rel_tol=1e-9)
    white_w = np.random.default_rng(seed).standard_normal(w.shape) * np.sqrt(np.mean(y**2))
    assert math.isclose(white.loss(white_w), task.loss(white_w @ forward), rel_tol=1e-9)
    assert math.isclose(white.floor, task.floor, rel_tol=1e-9, abs_tol=1e-12 * task.trace_yy)


@repeatable
@given(samples())
def test_white_inputs_have_unit_variance_and_lead_back(drawn):
    x, y, rank = drawn
    white = Task.from_samples(x, y).whitened()
    forward, back, _ = white.whitening
    z = x @ forward.T
    variances = np.linalg.eigvalsh(z.T @ z / len(z))
    np.testing.assert_allclose(variances, np.repeat([0.0, 1.0], [z.shape[1] - rank, rank]), atol=1e-9)
    np.testing.assert_allclose(z @ back.T, x, atol=1e-9 * np.abs(x).max())
    projector = forward @ back
    np.testing.assert_allclose(projector, projector.T, atol=1e-9)
    np.testing.assert_allclose(projector @ z.T, z.T, atol=1e-9 * np.abs(z).max())
    assert math.isclose(np.trace(projector), rank, rel_tol=1e-9)
    if white.sigma_xx is not None:
        np.testing.assert_allclose(white.sigma_xx, projector, atol=1e-9)


def test_a_white_input_is_mostly_about_the_input_of_its_name():
    x, task = correlated_task(n_in=3)
    z = x @ task.whitened().whitening.forward.T
    correlation = z.T @ x / len(x) / np.sqrt(np.mean(x**2, axis=0))
    np.testing.assert_allclose(correlation, correlation.T, atol=1e-12)
    assert (np.linalg.eigvalsh(correlation) > 0).all()


def test_rounding_of_many_examples_adds_no_direction():
    for n_examples, seed in itertools.product([100, 10_000, 100_000], range(20)):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n_examples, 1)) @ rng.standard_normal((1, 2))
        assert Task.from_samples(x, x[:, :1]).whitened().whitening.rank == 1


def test_inputs_that_never_vary_are_left_out():
    x = np.zeros((4, 3))
    task = Task.from_samples(x, np.ones((4, 2)))
    assert task.whitened().whitening.rank == 0 and task.floor == 1.0
    np.testing.assert_array_equal(task.least_squares_map, 0)
    x[:, 1] = [1, -2, 0.5, 3]
    task = Task.from_samples(x, np.ones((4, 2)))
    assert task.whitened().whitening.rank == 1
    np.testing.assert_array_equal(task.least_squares_map[:, [0, 2]], 0)


@repeatable
@given(samples(), st.integers(1, 5), st.integers(0, 99))
def test_with_inputs_is_the_task_on_mapped_samples(drawn, n_z, seed):
    x, y, _ = drawn
    linear_map = np.random.default_rng(seed).standard_normal((n_z, x.shape[1]))
    mapped, expected = Task.from_samples(x, y).with_inputs(linear_map), Task.from_samples(x @ linear_map.T, y)
    np.testing.assert_allclose(mapped.sigma_yx, expected.sigma_yx, atol=1e-11 * np.abs(x).max() * np.abs(y).max())
    np.testing.assert_allclose(mapped.sigma_xx, expected.sigma_xx, atol=1e-11 * np.abs(x).max() ** 2)
    assert (mapped.trace_yy, mapped.n_examples) == (expected.trace_yy, expected.n_examples)
    np.testing.assert_allclose(
        mapped.floor, expected.floor, atol=1e-9 * np.abs(y).max() ** 2
    )  # fewer inputs explain less


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_inputs_that_cancel_are_gone_and_small_ones_stay_in_any_unit(unit):
    x = np.random.default_rng(0).standard_normal((50, 1))
    task = Task.from_samples(np.hstack([x, 0.1 * x]), x)  # 0.1 x - (0.1 x) is what rounding made
    mapped = task.with_inputs(unit * np.array([[0.1, -1.0], [1e-6, 0.0]]))
    np.testing.assert_allclose(mapped.sigma_xx, np.diag([0.0, 1e-12 * unit**2 * task.sigma_xx[0, 0]]), rtol=1e-12)


def test_white_inputs_are_whitened_by_leaving_them_as_they_are():
    x = np.random.default_rng(0).standard_normal((20, 3))
    white, test = Task(np.eye(2, 3) / 3, None, 4.0, 7), Task.from_samples(x, x[:, :2])
    wide, start = Task(np.eye(2, 9)), initialization.orthogonal([9, 3, 2], rng=0)
    narrow = [reduction.reduce(task, start).task for task in (wide, wide.whitened())]  # of other, fewer inputs
    for task in (white, *narrow):
        again = task.whitened()
        for array in again.whitening[:2]:
            np.testing.assert_array_equal(array, np.eye(task.n_in))
        assert again.whitening.rank == task.n_in and again.whitened() is again and again.root is None
        np.testing.assert_array_equal(again.sigma_yx, task.sigma_yx)
        for name in ("floor", "trace_yy", "n_examples", "precision"):
            assert getattr(again, name) == getattr(task, name)
    followed = test.with_inputs(white.whitened().whitening.forward)
    np.testing.assert_allclose(followed.sigma_xx, test.sigma_xx, rtol=1e-12)
    np.testing.assert_allclose(followed.sigma_yx, test.sigma_yx, rtol=1e-12)


def test_test_data_follow_into_the_white_coordinates_of_the_training_data():
    rng = np.random.default_rng(0)
    mixing, teacher = rng.standard_normal((4, 4)), rng.standard_normal((4, 2))
    x, test_x = rng.standard_normal((20, 4)) @ mixing, rng.standard_normal((9, 4)) @ mixing
    white = Task.from_samples(x, x @ teacher + rng.standard_normal((20, 2))).whitened()
    test_y = test_x @ teacher + rng.standard_normal((9, 2))
    test = Task.from_samples(test_x, test_y).with_inputs(white.whitening.forward)
    w = rng.standard_normal((2, 4))
    expected = half_mean_squared_error(test_x, test_y, w @ white.whitening.forward)
    assert math.isclose(test.loss(w), expected, rel_tol=1e-12)
    again = Task(white.sigma_yx).with_inputs(np.diag([2.0, 1.0, 1.0, 0.5]))
    np.testing.assert_allclose(again.sigma_xx, np.diag([4.0, 1.0, 1.0, 0.25]))


def test_a_task_cannot_be_changed():
    x, task = correlated_task()
    white = Task.from_samples(x[:3], np.ones((3, 2))).whitened()
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.sigma_yx = np.zeros((3, 4))
    arrays = [task.sigma_yx, task.sigma_xx, *task.modes, task.mode_variances, task.least_squares_map]
    for array in [*arrays, white.sigma_xx, *white.whitening[:2], Task(np.eye(2)).mode_variances]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_a_task_keeps_its_own_copy_of_what_it_is_given():
    sigma_yx, sigma_xx = np.eye(2), np.eye(2)
    task = Task(sigma_yx, sigma_xx)
    sigma_yx[0, 0] = sigma_xx[0, 0] = 7.0
    assert task.sigma_yx[0, 0] == task.sigma_xx[0, 0] == 1.0


def test_what_is_no_task_is_refused_by_name():
    assert_refused(
        (lambda: Task(np.ones((2, 3)), np.eye(2)), r"sigma_xx had shape \(2, 2\); .* a square matrix of size 3"),
        (lambda: Task(np.eye(2), [[1.0, 2.0], [0.0, 1.0]]), r"sigma_xx was not symmetric; a correlation matrix must"),
        (lambda: Task(np.eye(2), trace_yy=1.5), r"trace_yy was 1.5; with these correlations .* at least 2"),
        (lambda: Task(np.eye(2), np.eye(2), trace_yy=-1), r"trace_yy was -1; .* at least 2"),
        (lambda: Task([[3.0, 2.0]], np.diag([2.0, 4.0]), trace_yy=5.49), r"trace_yy was 5.49; .* at least 5.5"),
        (lambda: Task(1e155 * np.eye(2)), r"sigma_yx held entries up to 1e\+155; their squares must be finite"),
        (lambda: Task.from_samples(1e200 * np.eye(2), np.eye(2)), r"x held entries up to 1e\+200; their squares"),
        (lambda: Task.from_samples(np.eye(2), -1e200 * np.eye(2)), r"y held entries up to 1e\+200; their squares"),
        (lambda: Task.from_samples(np.ones((3, 2)), np.ones((4, 2))), r"x held 3 examples and y 4; .* the same number"),
        (lambda: Task.from_samples(np.ones((0, 2)), np.ones((0, 2))), r"x was empty, of shape \(0, 2\); it must hold"),
        (lambda: Task(np.ones((2, 3))).loss(np.ones((3, 2))), r"w had shape \(3, 2\); .* must have shape \(2, 3\)"),
        (lambda: Task(np.ones((2, 3))).loss(1.0), r"w had shape \(\); a map of this task"),
        (lambda: Task(np.ones((2, 3))).with_inputs(np.eye(2)), r"linear_map had shape \(2, 2\); .* have 3 columns"),
    )


def test_a_correlation_is_symmetric_relative_to_its_own_size():
    for scale in (1e-12, 1.0, 1e12):
        slightly = np.array([[2.0, 1.0], [1.0 + 1e-9, 2.0]])
        assert Task(np.eye(2), scale * slightly, 1e20).sigma_xx is not None
        with pytest.raises(ValueError, match="sigma_xx was not symmetric"):
            Task(np.eye(2), scale * np.array([[2.0, 1.0], [1.0 + 1e-6, 2.0]]), 1e20)


def test_numbers_of_any_kind_are_kept_as_plain_ones():
    task = Task(np.eye(2), None, np.float32(9), np.int64(5))
    assert type(task.trace_yy) is float and type(task.n_examples) is int


# Any data: a task that never lies


def fractions(array):
    return [[Fraction(entry) for entry in row] for row in np.asarray(array, dtype=object)]


def judged(x, y):
    """Rank and floor of these very numbers, in exact arithmetic: elimination of the normal equations."""
    n_in, n = len(x[0]), len(x)
    rows = [xs + ys for xs, ys in zip(fractions(x), fractions(y), strict=True)]
    columns = list(zip(*rows, strict=True))
    gram = [[sum(a * b for a, b in zip(left, right, strict=True)) for right in columns] for left in columns]
    rank = 0
    for i in range(n_in):
        if gram[i][i]:  # the Schur complement of a Gram matrix: zero on the diagonal is zero in the whole row
            rank += 1
            for j in range(i + 1, len(gram)):
                factor = gram[j][i] / gram[i][i]
                gram[j] = [a - factor * b for a, b in zip(gram[j], gram[i], strict=True)]
    return rank, float(sum(gram[j][j] for j in range(n_in, len(gram))) / (2 * n))


def random_frame(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n))).Q


def agrees_with_itself(task, rank, floor, rtol=1e-9):
    """Rank and floor are these, also of the whitened task and at the best map; nothing is refused."""
    white = task.whitened()
    assert task.rank == white.whitening.rank == white.rank == rank
    for value in (task.floor, white.floor, task.loss(task.least_squares_map), white.loss(white.least_squares_map)):
        np.testing.assert_allclose(value, floor, rtol=rtol, atol=1e-13 * task.trace_yy)
    assert (task.mode_variances >= 0).all() and (white.mode_variances >= 0).all()


def test_moments_with_weak_and_missing_directions_in_any_frame():
    for e, scale in itertools.product([1e-3, 1e-6, 1e-10, 1e-12, 1e-15, 0.0], [1e-20, 1.0, 1e20]):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            frame, strength = random_frame(rng, 4), rng.standard_normal((2, 4))
            values = np.array([1.0, 0.5, e, 0.0])
            sigma_yx = strength * np.sqrt(values) @ frame.T  # what y = strength z is, on white z
            rank = int(np.sum(values > 1e-13))
            explained = np.sum(strength[:, :rank] ** 2)
            task = Task(sigma_yx * scale**0.5, scale * frame * values @ frame.T, 3 * np.sum(strength**2))
            floor = 0.5 * (3 * np.sum(strength**2) - explained)
            agrees_with_itself(task, rank, floor, rtol=1e-12 + 1e-14 / max(e, 1e-13) + 3 * values[rank] ** 0.5)


def test_nearly_collinear_columns_keep_what_is_in_them():
    for e, scale in itertools.product([1e-3, 1e-7, 1e-10, 0.0], [1e-100, 1e-8, 1.0, 1e8, 1e100]):
        for seed in range(5):
            a, b, c, noise = np.random.default_rng(seed).standard_normal((4, 60))
            x, y = scale * np.column_stack([a, a + e * b, c]), (b + 0.1 * noise)[:, None]
            rank, floor = judged(x, y)
            assert rank == (3 if e else 2)
            agrees_with_itself(Task.from_samples(x, y), rank, floor, rtol=1e-9 + 1e-13 / (e or 1))


def test_powers_are_a_basis():
    for degree, frame in itertools.product([3, 7, 10], ["powers", "their principal components", "any"]):
        x = np.linspace(0, 1, 200)[:, None] ** np.arange(degree + 1)
        if frame != "powers":
            rng = np.random.default_rng(degree)
            x = x @ (np.linalg.svd(x)[2].T if frame[0] == "t" else random_frame(rng, degree + 1))
        y = np.column_stack([np.sin(9 * np.linspace(0, 1, 200)), np.linspace(0, 1, 200) ** 1.5])
        best, _, rank, _ = np.linalg.lstsq(x, y)
        assert rank == degree + 1
        agrees_with_itself(Task.from_samples(x, y), rank, 0.5 * np.mean(np.sum((y - x @ best) ** 2, axis=1)), rtol=1e-6)
        Task(y.T @ x / 200, x.T @ x / 200, np.sum(y**2) / 200).whitened()  # of moments alone: whatever rank, no refusal


@pytest.mark.parametrize("turned", ["as they are", "scores", "any frame"])
def test_rounding_is_no_direction_however_inputs_are_turned(turned):
    for scale, seed in itertools.product([1e-100, 1.0, 1e8], range(10)):
        rng = np.random.default_rng(seed)
        n, n_in, rank = rng.integers(20, 300), rng.integers(4, 9), rng.integers(1, 4)
        x = scale * rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n_in))
        y = x[:, :2] / scale + rng.standard_normal((n, 2))
        best, _, found, _ = np.linalg.lstsq(x, y)
        assert found == rank
        floor = 0.5 * np.mean(np.sum((y - x @ best) ** 2, axis=1))
        if turned != "as they are":
            x = x @ (np.linalg.svd(x)[2].T if turned == "scores" else random_frame(rng, n_in))
        agrees_with_itself(Task(y.T @ x / n, x.T @ x / n, np.sum(y**2) / n, n), rank, floor)
        agrees_with_itself(Task.from_samples(x, y), rank, floor)
        if turned != "scores" and 1e-30 < scale < 1e30:
            agrees_with_itself(Task.from_samples(x.astype(np.float32), y), rank, floor, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("turn", ["principal components", "any frame"])
def test_mnist_has_rank_711_and_its_floor_however_it_is_turned(turn):
    raw = datasets.mnist()
    frame = np.linalg.eigh(raw.sigma_xx)[1] if turn[0] == "p" else random_frame(np.random.default_rng(0), 784)
    moments = frame.T @ raw.sigma_xx @ frame
    for task in (raw.with_inputs(frame.T), Task(raw.sigma_yx @ frame, moments, 1.0, 50_000)):
        white = task.whitened()
        assert task.rank == white.whitening.rank == 711 and len(white.modes.s) == 10
        assert round(50_000 * white.floor, 2) == round(50_000 * float(task.loss(task.least_squares_map)), 2) == 9855.52


@repeatable
@given(samples(), st.integers(0, 99), st.sampled_from([1e-2, 1e-5, 1e-8]))
def test_losses_are_never_negative_and_keep_their_digits_near_the_best(drawn, seed, step):
    x, _, _ = drawn
    teacher = np.random.default_rng(seed).standard_normal((2, x.shape[1])) / np.sqrt(np.mean(x**2, axis=0))
    task = Task.from_samples(x, x @ teacher.T)
    change = step * some_map(x, x @ teacher.T, seed)
    for at, tasks_map in ((task, teacher), (task, task.least_squares_map)):
        assert at.loss(tasks_map) >= 0
    missed = x @ change.T
    expected = 0.5 * np.mean(np.sum(missed**2, axis=1))
    assert math.isclose(task.loss(teacher + change), expected, rel_tol=1e-13 / step + 1e-9)
    white = task.whitened()
    assert white.loss(white.sigma_yx) >= 0 and task.floor >= 0


def test_floors_of_small_integers_are_exact():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, n_in, n_out = rng.integers(1, 9), rng.integers(1, 6), rng.integers(1, 4)
        x, y = rng.integers(-2, 3, (n, n_in)).astype(float), rng.integers(-3, 4, (n, n_out)).astype(float)
        rank, floor = judged(x, y)
        agrees_with_itself(Task.from_samples(x, y), rank, floor)
        assert len(Task.from_samples(x, y).modes.s) == judged(y.T @ x, np.zeros((n_out, 1)))[0]
        if rank:
            agrees_with_itself(Task(y.T @ x / n, x.T @ x / n, np.sum(y**2) / n, n), rank, floor)


# Precision


def test_moments_in_float32_are_known_as_such():
    raw = datasets.mnist()
    single = raw.sigma_yx.astype(np.float32), raw.sigma_xx.astype(np.float32)
    for given_moments in (single, [m.astype(float) for m in single], [torch.tensor(m) for m in single]):
        with pytest.raises(
            ValueError, match=r"sigma_xx was of float32 numbers, .* hides \d+ of its 784 directions; it"
        ):
            Task(*given_moments, 1.0, 50_000)
    for seed in range(20):  # of low rank: rounding to float32 has made directions, or taken none
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 4))
        y = rng.standard_normal((50, 1))
        with pytest.raises(ValueError, match="float32"):
            Task(*(np.float32(m) for m in (y.T @ x / 50, x.T @ x / 50)), np.float32(np.sum(y**2) / 50))
        x = rng.standard_normal((50, 4))  # of full rank: good to float32's digits, and targets may be linear in x
        teacher = rng.standard_normal((4, 1))
        for target in (y, x @ teacher):
            moments = [np.float32(m / 50) for m in (target.T @ x, x.T @ x, np.sum(target**2))]
            for task in (Task(*moments), Task(moments[0], None, np.float32(np.sum(moments[0] ** 2)))):
                assert task.whitened().rank == 4 and task.floor >= 0
            floor = judged(x, target)[1]
            np.testing.assert_allclose(Task(*moments).floor, floor, atol=1e-5 * moments[2])


def test_small_integers_are_not_taken_for_float32():
    powers = np.arange(1, 8)[:, None] ** np.arange(5)  # a Gram matrix with eigenvalues a millionth of the largest
    gram, y = powers.T @ powers, np.eye(1, 7)
    agrees_with_itself(Task(y @ powers, gram, 1.0), 5, judged(powers, y.T)[1] * 7, rtol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1 / 512, 2.0**-40])
def test_sums_of_whole_numbers_in_any_binary_unit_are_not_taken_for_float32(unit):
    """Such as the means over 512 images of pixels from 0 to 255: exact in float64, with up to 24 digits."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (512, 5))
    x = np.column_stack([base, base[:, 0]])
    x[0, 5] += 1  # but for one of the images, the last is the first
    y = np.eye(3, dtype=int)[rng.integers(0, 3, 512)]
    numbers = np.concatenate([(y.T @ x).ravel(), (x.T @ x).ravel()])
    assert 2**20 < numbers.max() < 2**24 and any(numbers % 2)
    task = Task(unit * (y.T @ x), unit * (x.T @ x), 512 * unit, 512)
    rank, floor = judged(x, y)
    assert rank == 6
    agrees_with_itself(task, rank, 512 * unit * floor, rtol=1e-6)


def test_precision_is_that_of_what_was_given():
    x, y = np.random.default_rng(0).standard_normal((2, 9, 3))
    double, single = Task.from_samples(x, y), Task.from_samples(np.float32(x), y)
    assert double.precision < 1e-13 < 1e-7 < single.precision < Task(double.sigma_yx, double.sigma_xx).precision < 1e-6
    for task in (double, single):
        assert task.precision == task.with_inputs(np.eye(3)).precision == task.whitened().precision
    assert Task.pool([double, single]).precision == single.precision


def test_float32_samples_are_known_as_such_however_they_come():
    x = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    x[:, 3] = x[:, 0] + x[:, 1]  # up to float32's rounding
    y = x[:, :1]
    for kind in (x, list(x), [list(row) for row in x], tuple(map(tuple, x)), list(torch.tensor(x)), Frame(x)):
        assert Task.from_samples(kind, y).rank == 3
        biased = datasets.with_constant(kind)
        assert biased.dtype == np.float32 and (biased[:, 4] == 1).all() and Task.from_samples(biased, y).rank == 4
    rounding = np.column_stack([x, 1e7 * (x[:, 3] - x[:, 0] - x[:, 1])])
    assert len(Task.from_samples(x, rounding).modes.s) == len(networks.SampleNetwork(x, rounding).variances) == 3
    for whole in (x.astype(np.float64), x.astype(np.uint8), x > 0, [[Fraction(1, 2)], [True]]):
        assert datasets.with_constant(whole).dtype == np.float64


# Modes that are there


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_centred_images_have_nine_modes_and_theory_and_starts_agree(name):
    task = getattr(datasets, name)(centred=True)
    white = task.whitened()
    assert len(task.modes.s) == len(white.modes.s) == len(white.mode_variances) == 9
    assert np.isfinite(exact.half_time(white.modes.s, 1e-3)).all()
    start = initialization.decoupled(white, [784, 12, 10], 1e-3, rng=0)
    run = descent.gradient_descent(white, start, 0.1, 2)
    assert run.modes.shape == (3, 9)
    np.testing.assert_allclose(run.modes[0], 1e-3, rtol=1e-9)


def test_five_examples_of_ten_classes_have_as_many_modes_as_they_can():
    for centred in (False, True):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            labels = rng.integers(0, 10, 5)
            task = Task.from_samples(rng.standard_normal((5, 30)), np.eye(10)[labels], centred)
            expected = len(set(labels)) - centred
            for of in (task, task.whitened()):
                assert len(of.modes.s) == expected and (exact.half_time(of.modes.s, 1e-6 * of.modes.s) > 0).all()
                assert of.rank == 5 - centred and of.floor < 1e-28


def test_weak_inputs_do_not_make_modes_of_rounding():
    for e in (1e-2, 1e-4, 1e-6):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            a, b, c = rng.standard_normal((3, 200)) - rng.standard_normal((3, 1))
            x, y = (
                np.column_stack([a, a + e * b, c, b * c]),
                np.eye(3)[np.argmax(rng.standard_normal((3, 200)) + c, axis=0)],
            )
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
            for task in (Task.from_samples(x, y), Task(y.T @ x / 200, x.T @ x / 200, np.sum(y**2) / 200)):
                assert len(task.modes.s) == len(task.whitened().modes.s) == 2


def test_targets_that_do_not_depend_on_the_inputs_have_no_mode():
    rng = np.random.default_rng(0)
    x, constant = rng.standard_normal((50, 3)), np.full((50, 2), 0.1)
    unrelated = np.linalg.qr(np.hstack([x, rng.standard_normal((50, 2))])).Q[:, 3:]
    for task in (Task.from_samples(x, constant, centred=True), Task.from_samples(x, unrelated), Task(np.zeros((2, 3)))):
        assert task.modes.u.shape == (2, 0) and task.modes.s.shape == (0,) and task.modes.vt.shape == (0, 3)
        assert task.mode_variances.shape == (0,) and not task.least_squares_map.any()
        run = descent.gradient_descent(task, initialization.decoupled(task, [3, 4, 2], 0.1, 0), 0.1, 3)
        assert run.modes.shape == (4, 0) and np.isfinite(run.loss).all()
    assert descent.tanh_descent(x, 0 * constant, [np.ones((2, 3))], 0.1, 1).modes.shape == (2, 0)


# Samples of any kind


class Frame:
    """What pandas' tables have in common with arrays; brackets go by labels, floats, as pandas 2's may."""

    def __init__(self, array):
        self.array, self.shape, self.iloc = array, array.shape, array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, labels):
        index = np.arange(len(self.array)) - 10.0
        return Frame(self.array[(index >= (labels.start or 0)) & (index <= labels.stop)])

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


def test_samples_may_be_of_any_kind(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(-8, 9, (40, 3)) / 8, rng.integers(-8, 9, (40, 2)) / 8  # exact in every precision
    expected = Task.from_samples(x, y)
    np.save(tmp_path / "x.npy", x)
    tensor = torch.tensor(x)
    for kind in (
        x.tolist(),
        [list(map(Fraction, row)) for row in x],
        x.astype(np.float16),
        tensor,
        tensor.clone().requires_grad_(),
        torch.nn.Parameter(tensor),
        tensor.bfloat16(),
        tensor.half(),
        Frame(x),
        Frame(x.astype(object)),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        np.asfortranarray(x)[::1],
    ):
        task = Task.from_samples(kind, torch.tensor(y, requires_grad=True))
        np.testing.assert_allclose(task.sigma_xx, expected.sigma_xx, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(task.sigma_yx, expected.sigma_yx, rtol=1e-13, atol=1e-15)
        assert math.isclose(task.floor, expected.floor, rel_tol=1e-13)
    x, y = rng.integers(-8, 9, (110_000, 3)) / 8, rng.integers(-8, 9, (110_000, 2)) / 8  # in two parts
    same_task(Task.from_samples(Frame(x), Frame(y)), Task.from_samples(x, y))
    images, labels = rng.integers(0, 256, (5000, 784)), rng.integers(0, 10, 5000)
    same_task(datasets.from_images(Frame(images), Frame(labels)), datasets.from_images(images, labels))


@repeatable
@given(samples(), st.floats(-9, 9), st.integers(0, 99))
def test_centring_is_what_the_best_bias_does(drawn, power, seed):
    x, y, _ = drawn
    assume(len(x) > 1)
    size = np.sqrt(np.mean(x**2, axis=0))
    x = x + size * 10**power * np.random.default_rng(seed).standard_normal(x.shape[1])
    task = Task.from_samples(x, y, centred=True)
    w = some_map(x - x.mean(axis=0), y, seed) / (1 + 10**power)
    bias = np.mean(y - x @ w.T, axis=0)
    expected = half_mean_squared_error(x, y - bias, w)
    assert math.isclose(task.loss(w), expected, rel_tol=1e-8, abs_tol=1e-12 * np.mean(y**2))
    residual = y - np.mean(y, axis=0)
    assert math.isclose(
        task.trace_yy, np.mean(np.sum(residual**2, axis=1)), rel_tol=1e-9, abs_tol=1e-13 * np.mean(y**2)
    )


def test_a_constant_column_that_is_centred_here_is_no_direction():
    for size in (1e-9, 1.0, 14.62, 1e6):
        for seed in range(5):
            rng = np.random.default_rng(seed)
            a, b = rng.standard_normal((2, 300)) + 3
            x, y = np.column_stack([a, np.full(300, size), a + size, b]), rng.standard_normal((300, 1))
            task = Task.from_samples(x, y, centred=True)
            rank, floor = judged(np.column_stack([a, b, np.ones(300)]), y)
            assert rank == 3
            agrees_with_itself(task, 2, floor, rtol=1e-7)
            assert not task.least_squares_map[:, 1].any() and np.abs(task.least_squares_map).max() < 10


@repeatable
@given(samples(), st.integers(1, 5), st.booleans())
def test_batches_make_the_task_of_the_whole(drawn, size, centred):
    x, y, _ = drawn
    whole = Task.from_samples(x, y, centred)
    starts = range(0, len(x), size)
    same_task(Task.from_batches(((x[i : i + size], y[i : i + size]) for i in starts), centred), whole)


def same_task(found, wanted, rtol=1e-12):
    assert (found.n_examples, found.rank, found.n_in, found.n_out) == (
        wanted.n_examples,
        wanted.rank,
        wanted.n_in,
        wanted.n_out,
    )
    size = np.sqrt(np.abs(np.diag(wanted.sigma_xx)))
    np.testing.assert_allclose(found.sigma_xx, wanted.sigma_xx, rtol=0, atol=rtol * np.outer(size, size).max())
    np.testing.assert_allclose(
        found.sigma_yx, wanted.sigma_yx, rtol=0, atol=rtol * size.max() * np.sqrt(wanted.trace_yy)
    )
    assert math.isclose(found.trace_yy, wanted.trace_yy, rel_tol=rtol)
    assert math.isclose(found.floor, wanted.floor, rel_tol=rtol, abs_tol=rtol * wanted.trace_yy)


def test_batches_may_come_from_a_loader_or_one_file(tmp_path):
    x, y = np.random.default_rng(0).standard_normal((2, 1000, 3))
    whole = Task.from_samples(x, y)
    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    same_task(Task.from_batches(torch.utils.data.DataLoader(data, batch_size=7, shuffle=True)), whole)
    for name, array in (("x", x), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    same_task(Task.from_batches([[np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy"]]), whole)


def test_memory_does_not_grow_with_the_number_of_examples():
    peaks = []
    for n_batches in (10, 300):
        rng = np.random.default_rng(0)
        tracemalloc.start()
        task = Task.from_batches(
            (rng.standard_normal((2000, 20)), rng.standard_normal((2000, 2))) for _ in range(n_batches)
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert task.n_examples == 2000 * n_batches
    assert peaks[1] < 1.2 * peaks[0]


def test_a_large_file_is_read_in_parts(tmp_path):
    shape = (3_000_000, 4)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, shape)
    x[::7], x[1::7, 0], x[2::7, 1] = 1, 3, 5
    tracemalloc.start()
    task = Task.from_batches([(x, x[:, :1])])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.9 * 8 * x.size and task.n_examples == len(x)
    expected = x.astype(float).T @ x / len(x)
    np.testing.assert_allclose(task.sigma_xx, expected, rtol=1e-12)


# Tasks of parts


@repeatable
@given(samples(), st.integers(1, 4), st.integers(0, 99))
def test_tasks_of_parts_make_the_task_of_the_whole_in_any_order(drawn, n_parts, seed):
    x, y, _ = drawn
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(1, len(x), n_parts)) if len(x) > 1 else []
    parts = [
        Task.from_samples(*pair) for pair in zip(np.split(x, cuts), np.split(y, cuts), strict=True) if len(pair[0])
    ]
    whole = Task.from_samples(x, y)
    same_task(Task.pool(parts), whole)
    same_task(Task.pool(parts[i] for i in rng.permutation(len(parts))), whole)
    same_task(Task.pool([Task.pool(parts[:1]), *parts[1:]]), whole)


def test_moments_pool_as_sums_do():
    parts = [datasets.mnist(split) for split in ("train", "validation", "test")]
    pooled = Task.pool(parts)
    n = np.array([50_000, 10_000, 10_000]) / 70_000
    np.testing.assert_allclose(
        pooled.sigma_xx, sum(map(np.multiply, n, [t.sigma_xx for t in parts])), rtol=0, atol=1e-14
    )
    np.testing.assert_allclose(
        pooled.sigma_yx, sum(map(np.multiply, n, [t.sigma_yx for t in parts])), rtol=0, atol=1e-14
    )
    direct = Task(pooled.sigma_yx, sum(map(np.multiply, n, [t.sigma_xx for t in parts])), 1.0, 70_000)
    assert pooled.rank == direct.rank == 713 and pooled.n_examples == 70_000
    np.testing.assert_allclose(pooled.floor, direct.floor, rtol=1e-6)
    white = Task.pool([Task(np.eye(2, 3), None, 5.0, 3), Task(np.eye(2, 3), np.diag([2.0, 2.0, 0.0]), 7.0)])
    np.testing.assert_allclose(white.sigma_xx, np.diag([1.25, 1.25, 0.75]), atol=1e-15)
    assert (white.n_examples, white.trace_yy) == (4, 5.5)


@pytest.mark.slow
def test_parts_may_be_made_on_a_cluster(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    whole = Task.from_samples(*(np.vstack(arrays) for arrays in zip(*map(task_parts.samples, range(6)), strict=True)))
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        same_task(Task.pool(client.gather(client.map(task_parts.part, range(6)))), whole)


@pytest.mark.slow
def test_parts_may_be_made_in_other_processes():
    whole = Task.from_samples(*(np.vstack(arrays) for arrays in zip(*map(task_parts.samples, range(6)), strict=True)))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        same_task(Task.pool(processes.map(task_parts.part, range(6))), whole)


# Manners


def every_kind_of_task():
    x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    sampled = Task.from_samples(x, y)
    deficient = Task.from_samples(x[:3], y[:3])
    told = Task(sampled.sigma_yx, sampled.sigma_xx, sampled.trace_yy + 1, 30)
    return [sampled, deficient, told, Task(np.eye(2, 3)), sampled.whitened(), deficient.whitened(), told.whitened()]


def test_copies_are_the_same_and_read_only_too():
    duplicates = [copy.copy, copy.deepcopy, lambda task: pickle.loads(pickle.dumps(task))]
    for task, duplicate in itertools.product(every_kind_of_task(), duplicates):
        again = duplicate(duplicate(task))
        for name in ("root", "targets", "sigma_yx", "sigma_xx", "modes", "mode_variances", "least_squares_map"):
            for found, wanted in zip(
                *(v if name == "modes" else [v] for v in (getattr(again, name), getattr(task, name))),
                strict=True,
            ):
                np.testing.assert_array_equal(found, wanted)
                assert found is None or not found.flags.writeable
        for name in ("floor", "trace_yy", "n_examples", "precision", "n_in", "n_out", "rank"):
            assert getattr(again, name) == getattr(task, name)
        assert (again.whitening is None) == (task.whitening is None)
        if task.whitening is not None:
            np.testing.assert_array_equal(again.whitening.forward, task.whitening.forward)
        with pytest.raises(dataclasses.FrozenInstanceError):
            again.floor = 0.0


def test_a_pickle_holds_data_and_no_caches():
    for task in [*every_kind_of_task(), datasets.mnist("test")]:
        before = len(pickle.dumps(task))
        _ = task.modes, task.mode_variances, task.least_squares_map, task.sigma_xx, task.sigma_yx, task.whitened()
        assert len(pickle.dumps(task)) == before
    assert before < 1.05 * 8 * 784 * 794


def test_a_task_is_written_on_a_line_and_as_a_small_table():
    for task in every_kind_of_task():
        assert "\n" not in repr(task) and len(repr(task)) < 120
    task = Task(np.diag([3.0, 1.0]), np.diag([2.0, 4.0]), 10.0, 5000)
    assert repr(task) == "Task(2 inputs of rank 2, 2 outputs, 5,000 examples, floor 2.625)"
    one = Task.from_samples([[1.0]], [[1.0]])
    assert repr(one) == "Task(1 input of rank 1, 1 output, 1 example, floor 0)"
    html = task._repr_html_()
    sizes = {"inputs": 2, "rank": 2, "outputs": 2, "examples": "5,000", "modes": 2, "floor": 2.625}
    rows = "".join(f"<tr><th>{head}</th><td>{value}</td></tr>" for head, value in sizes.items())
    assert html == f"<table>{rows}</table>"
    assert "<table>" in Task(np.zeros((1, 1)))._repr_html_()


def test_bad_data_are_refused_by_name():
    one = ([[1.0]], [[1.0]])
    assert_refused(
        (lambda: Task.from_samples(np.ones((3, 2)), np.ones(3)), r"y had shape \(3,\); .* y\[:, None\] for one"),
        (lambda: Task.from_samples(np.ones(3), np.ones((3, 1))), r"x had shape \(3,\); .* x\[:, None\] for one"),
        (lambda: Task.from_batches([]), r"batches was empty; it must hold at least one pair \(x, y\)"),
        (lambda: Task.from_batches([np.ones((3, 3))]), r"batches\[0\] was array.*; it must be a pair \(x, y\)"),
        (lambda: Task.from_batches([one, ([[1.0]], [1.0])]), r"y of batches\[1\] had shape \(1,\)"),
        (
            lambda: Task.from_batches([one, ([[1.0, 2.0]], [[1.0]])]),
            r"batches\[1\] had \(2, 1\) inputs and outputs; it must have \(1, 1\), as the first",
        ),
        (lambda: Task.from_batches([([[1.0]], [[math.nan]])]), r"y of batches\[0\] held NaN or infinity"),
        (lambda: Task.pool([]), r"tasks was empty; it must hold at least one task"),
        (lambda: Task.pool([Task(np.eye(2)), Task(np.eye(3))]), r"tasks\[1\] was Task\(3 inputs.*must have the inputs"),
        (lambda: Task.pool([every_kind_of_task()[4]]), r"tasks\[0\] was Task\(.*; it must .* not be whitened"),
        (
            lambda: Task.from_samples(torch.ones((2, 2), dtype=torch.complex64), np.eye(2)),
            r"x was .*; it must be an array",
        ),
        (lambda: Task.from_samples(scipy.sparse.eye_array(2).tocsr(), np.eye(2)), r"x was .*; it must be an array"),
    )
