"""`Task` against the samples behind it: plain averages over examples and `numpy.linalg.lstsq`."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dlnlib import Task

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
    assert math.isclose(white.floor, told.floor) and white.whitened() is white
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
    x, y, _ = drawn
    task = Task.from_samples(x, y)
    u, s, vt = task.modes
    assert len(s) == min(task.n_in, task.n_out) and (np.diff(s) <= 0).all() and (s >= 0).all()
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


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_mode_signs_do_not_depend_on_the_svd_routine(monkeypatch, flips):
    _, task = correlated_task()
    svd = np.linalg.svd

    def flipped(matrix, **options):
        u, s, vt = svd(matrix, **options)
        return u * flips, s, vt * np.array(flips)[:, None]

    expected = task.modes
    monkeypatch.setattr(np.linalg, "svd", flipped)
    again = Task(task.sigma_yx, task.sigma_xx).modes
    np.testing.assert_array_equal(again.u, expected.u)
    np.testing.assert_array_equal(again.vt, expected.vt)
    largest = np.abs(expected.u).argmax(axis=0)
    assert (expected.u[largest, range(3)] > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_rounding_does_not_choose_the_sign_among_entries_that_tie_for_largest(seed):
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


@pytest.mark.parametrize("n_examples", [100, 10_000, 100_000])
@pytest.mark.parametrize("seed", range(20))
def test_rounding_of_many_examples_adds_no_direction(n_examples, seed):
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Task([1.0, 2.0]), r"sigma_yx had shape \(2,\); it must have 2 dimensions"),
        (lambda: Task([[1.0, math.nan]]), r"sigma_yx held NaN or infinity; every entry must be a finite number"),
        (lambda: Task([["a"]]), r"sigma_yx was \[\['a'\]\]; it must be an array of real numbers"),
        (lambda: Task(np.ones((2, 3)), np.eye(2)), r"sigma_xx had shape \(2, 2\); .* a square matrix of size 3"),
        (lambda: Task(np.eye(2), [[1.0, 2.0], [0.0, 1.0]]), r"sigma_xx was not symmetric; a correlation matrix must"),
        (lambda: Task(np.eye(2), [[1.0, math.inf], [0.0, 1.0]]), r"sigma_xx held NaN or infinity"),
        (lambda: Task(np.eye(2), trace_yy=1.5), r"trace_yy was 1.5; with these correlations .* at least 2"),
        (lambda: Task(np.eye(2), np.eye(2), trace_yy=-1), r"trace_yy was -1; .* at least 2"),
        (lambda: Task([[3.0, 2.0]], np.diag([2.0, 4.0]), trace_yy=5.49), r"trace_yy was 5.49; .* at least 5.5"),
        (lambda: Task(1e155 * np.eye(2)), r"sigma_yx held entries up to 1e\+155; their squares must be finite"),
        (lambda: Task.from_samples(1e200 * np.eye(2), np.eye(2)), r"x held entries up to 1e\+200; their squares"),
        (lambda: Task.from_samples(np.eye(2), -1e200 * np.eye(2)), r"y held entries up to 1e\+200; their squares"),
        (lambda: Task([[1.0, 2.0], np.ma.array([1.0, 2.0], mask=[0, 1])]), r"sigma_yx had masked entries"),
        (lambda: Task(np.ma.array(np.eye(2), mask=np.eye(2))), r"sigma_yx had masked entries"),
        (lambda: Task(np.eye(2), trace_yy=[3.0]), r"trace_yy had shape \(1,\); it must be a single number"),
        (lambda: Task(np.eye(2), trace_yy=math.nan), r"trace_yy held NaN or infinity"),
        (lambda: Task(np.eye(2), n_examples=0), r"n_examples was 0; it must be a whole number of at least 1"),
        (lambda: Task(np.eye(2), n_examples=2.5), r"n_examples was 2.5; it must be a whole number"),
        (lambda: Task.from_samples(np.ones((3, 2)), np.ones((4, 2))), r"x held 3 examples and y 4; .* the same number"),
        (lambda: Task.from_samples(np.ones((0, 2)), np.ones((0, 2))), r"x was empty, of shape \(0, 2\); it must hold"),
        (lambda: Task.from_samples(np.ones(3), np.ones((3, 1))), r"x had shape \(3,\); it must have 2 dimensions"),
        (lambda: Task.from_samples(np.ones((3, 1)), [[1], [2], [math.nan]]), r"y held NaN or infinity"),
        (lambda: Task(np.ones((2, 3))).loss(np.ones((3, 2))), r"w had shape \(3, 2\); .* must have shape \(2, 3\)"),
        (lambda: Task(np.ones((2, 3))).loss(1.0), r"w had shape \(\); a map of this task"),
        (
            lambda: Task(np.ones((2, 3))).with_inputs(np.eye(2)),
            r"linear_map had shape \(2, 2\); it must have 3 columns",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_correlation_is_symmetric_relative_to_its_own_size(scale):
    slightly = np.array([[2.0, 1.0], [1.0 + 1e-9, 2.0]])
    assert Task(np.eye(2), scale * slightly, 1e20).sigma_xx is not None
    with pytest.raises(ValueError, match="sigma_xx was not symmetric"):
        Task(np.eye(2), scale * np.array([[2.0, 1.0], [1.0 + 1e-6, 2.0]]), 1e20)


def test_numbers_of_any_kind_are_kept_as_plain_ones():
    task = Task(np.eye(2), None, np.float32(9), np.int64(5))
    assert type(task.trace_yy) is float and type(task.n_examples) is int
