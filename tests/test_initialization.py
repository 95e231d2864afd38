"""Starts: what the exact theory asks of the decoupled one, and the distributions of the random ones."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from scipy import stats

from dlnlib import Task, initialization

repeatable = settings(derandomize=True, deadline=None, max_examples=60)


def random_task(n_in, n_out, seed=0):
    return Task(np.random.default_rng(seed).standard_normal((n_out, n_in)))


def product(weights):
    return functools.reduce(lambda before, w: w @ before, weights)


@repeatable
@given(
    ends=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    hidden=st.lists(st.integers(1, 12), max_size=7),
    seed=st.integers(0, 999),
)
def test_decoupled_layers_are_balanced_and_multiply_to_the_asked_strengths(ends, hidden, seed):
    task, widths = random_task(*ends, seed), [ends[0], *hidden, ends[1]]
    u, _, vt = np.linalg.svd(task.sigma_yx, full_matrices=False)
    n_modes, depth = min(widths), len(widths) - 1
    u0 = np.random.default_rng(seed).uniform(1e-3, 3, n_modes)
    weights = initialization.decoupled(task, widths, u0, rng=seed)
    assert [w.shape for w in weights] == list(zip(widths[1:], widths[:-1], strict=True))
    np.testing.assert_allclose(product(weights), u[:, :n_modes] * u0 @ vt[:n_modes], atol=1e-11)
    for before, after in itertools.pairwise(weights):
        np.testing.assert_allclose(after.T @ after, before @ before.T, atol=1e-12)
    for w in weights:
        strengths = np.linalg.svd(w, compute_uv=False)
        np.testing.assert_allclose(strengths[:n_modes], np.sort(u0 ** (1 / depth))[::-1], rtol=1e-10)
        np.testing.assert_allclose(strengths[n_modes:], 0, atol=1e-12)


def test_decoupled_takes_one_strength_for_all_modes():
    task = random_task(6, 4)
    one = initialization.decoupled(task, [6, 10, 8, 4], 1e-3, rng=0)
    each = initialization.decoupled(task, [6, 10, 8, 4], np.full(4, 1e-3), rng=0)
    for w, w_each in zip(one, each, strict=True):
        np.testing.assert_array_equal(w, w_each)
    np.testing.assert_allclose(task.modes.u.T @ product(one) @ task.modes.vt.T, 1e-3 * np.eye(4), atol=1e-15)


def test_decoupled_hidden_frames_are_random():
    task = random_task(3, 2)
    first, second = (initialization.decoupled(task, [3, 4, 2], 1.0, rng=seed)[0] for seed in (0, 1))
    assert np.abs(first - second).max() > 0.1


@pytest.mark.parametrize("widths", [[4, 4], [3, 7], [7, 3], [5, 9, 2, 6]])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal_layers_are_orthonormal_on_their_narrow_side(widths, gain):
    for w, n, m in zip(initialization.orthogonal(widths, 0, gain), widths[1:], widths[:-1], strict=True):
        assert w.shape == (n, m)
        narrow = w if n <= m else w.T
        np.testing.assert_allclose(narrow @ narrow.T, gain**2 * np.eye(min(n, m)), atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_orthogonal_layers_are_uniform_over_the_whole_group(n):
    draws = np.stack(initialization.orthogonal([n] * 4001, rng=1))
    error = 5 / np.sqrt(len(draws))
    assert abs(np.mean(np.linalg.det(draws))) < error  # rotations and reflections alike
    trace = np.trace(draws, axis1=1, axis2=2)
    assert abs(np.mean(trace)) < error and abs(np.mean(trace**2) - 1) < 2 * error
    np.testing.assert_allclose(np.mean(draws**4, axis=0), 3 / (n * (n + 2)), atol=error / 2)


def test_entries_of_a_random_rotation_in_space_are_uniform():
    square, tall, wide = (
        np.stack(initialization.orthogonal([shape[1], shape[0]] * 1000, rng=2)[::2])
        for shape in [(3, 3), (3, 2), (2, 3)]
    )
    for draws in (square, tall, wide):  # Archimedes: each coordinate of a random unit vector of space
        for entry in draws.reshape(len(draws), -1).T:
            assert stats.kstest(entry, stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("widths", [[300, 500, 100], [40, 40, 40, 40]])
def test_gaussian_and_glorot_entries_are_normal_with_their_scale(widths):
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    scales = [np.sqrt(2 / (n + m)) for n, m in shapes]
    for weights, expected in [
        (initialization.gaussian(widths, 0.03, rng=3), [0.03] * len(shapes)),
        (initialization.glorot(widths, rng=3), scales),
    ]:
        assert [w.shape for w in weights] == shapes
        for w, scale in zip(weights, expected, strict=True):
            assert abs(np.std(w) / scale - 1) < 5 / np.sqrt(2 * w.size)
            assert stats.kstest(w.ravel() / scale, stats.norm.cdf).pvalue > 1e-3
        assert abs(np.corrcoef(weights[0].ravel()[:1000], weights[1].ravel()[:1000])[0, 1]) < 5 / np.sqrt(1000)


@pytest.mark.parametrize(
    "start",
    [
        lambda rng: initialization.decoupled(random_task(3, 2), [3, 4, 2], 0.1, rng),
        lambda rng: initialization.orthogonal([3, 4, 2], rng),
        lambda rng: initialization.gaussian([3, 4, 2], 0.1, rng),
        lambda rng: initialization.glorot([3, 4, 2], rng),
    ],
    ids=["decoupled", "orthogonal", "gaussian", "glorot"],
)
def test_a_seed_is_a_start(start):
    generator = np.random.default_rng(5)
    first, *others = start(5), start(generator), start(generator), start(6)
    equal = [all((a == b).all() for a, b in zip(first, other, strict=True)) for other in others]
    assert equal == [True, False, False]


@repeatable
@given(
    n_in=st.integers(1, 6),
    n_out=st.integers(1, 6),
    rank=st.integers(0, 6),
    extra=st.integers(0, 4),
    imbalance=st.sampled_from([-3.0, -0.2, 0.0, 1e-6, 0.7, 20.0]),
    scale=st.sampled_from([1e-9, 0.1, 5.0]),
    seed=st.integers(0, 999),
)
def test_balanced_has_the_product_and_the_imbalance_asked_for(n_in, n_out, rank, extra, imbalance, scale, seed):
    rank = min(rank, n_in, n_out)
    hidden = min(max(rank, 1) + extra, n_out if imbalance > 0 else n_in if imbalance < 0 else 99)
    rng = np.random.default_rng(seed)
    w0 = scale * rng.standard_normal((n_out, rank)) @ rng.standard_normal((rank, n_in))
    w1, w2 = initialization.balanced(w0, imbalance, seed, hidden)
    assert w1.shape == (hidden, n_in) and w2.shape == (n_out, hidden)
    np.testing.assert_allclose(w2 @ w1, w0, rtol=0, atol=1e-12 * scale)
    unit = abs(imbalance) + scale
    np.testing.assert_allclose(w2.T @ w2 - w1 @ w1.T, imbalance * np.eye(hidden), rtol=0, atol=1e-12 * unit)
    other, _ = initialization.balanced(w0, imbalance, seed + 1, hidden)
    assert hidden == 1 or rank == 0 or not np.allclose(other, w1, rtol=1e-3, atol=0)  # turned another way


def test_balanced_has_as_many_hidden_units_as_the_map_needs_unless_told():
    w1, w2 = initialization.balanced(np.ones((3, 5)), 0.1, 0)
    assert (w1.shape, w2.shape) == ((3, 5), (3, 3))


def test_stack_puts_starts_side_by_side():
    starts = [initialization.glorot([3, 4, 2], rng=seed) for seed in range(5)]
    stacked = initialization.stack(starts)
    assert [w.shape for w in stacked] == [(5, 4, 3), (5, 2, 4)]
    for i, start in enumerate(starts):
        for w, layer in zip(start, stacked, strict=True):
            np.testing.assert_array_equal(layer[i], w)


def test_bad_arguments_are_refused_by_name():
    assert_refused(
        (lambda: initialization.decoupled(random_task(3, 2), [3, 4, 2], 0, 0), r"u0 was 0; .* a mode never moves"),
        (
            lambda: initialization.decoupled(random_task(3, 2), [2, 4, 3], 0.1, 0),
            r"widths went from 2 to 3; they must go from 3 to 2",
        ),
        (lambda: initialization.decoupled(random_task(3, 2), [3, 4, 2], [0.1, -0.2], 0), r"u0 was -0.2"),
        (
            lambda: initialization.decoupled(random_task(3, 2), [3, 4, 2], [0.1, 0.1, 0.1], 0),
            r"u0 had shape \(3,\); .* or one for each of 2 modes",
        ),
        (lambda: initialization.decoupled(random_task(3, 2), [3, 1, 2], [0.1, 0.1], 0), r"each of 1 modes"),
        (
            lambda: initialization.orthogonal([3], 0),
            r"widths was \[3\]; it must name at least the input and the output",
        ),
        (lambda: initialization.balanced(np.eye(2, 3), 0.1, 0, 3), r"hidden was 3; .* must not exceed the 2 outputs"),
        (lambda: initialization.balanced(np.eye(3, 2), -0.1, 0, 3), r"hidden was 3; .* must not exceed the 2 inputs"),
        (lambda: initialization.balanced(np.eye(3), 0.1, 0, 2), r"hidden was 2; it must be at least the rank of w0"),
        (lambda: initialization.balanced(np.eye(3), 0.1, None), r"rng was None"),
        (lambda: initialization.from_torch([[1, 2], [3]]), r"^source\[0\] had shape \(2,\); it must be a matrix"),
        (lambda: initialization.from_torch([np.eye(2), [[np.nan]]]), r"^source\[1\] held NaN"),
        (
            lambda: initialization.from_torch({"0.bias": [1.0]}),
            r"^0.bias of source had shape \(1,\); it must be a matrix",
        ),
        (lambda: initialization.stack([]), r"starts was empty; it must hold at least one list of weights"),
        (
            lambda: initialization.stack([[np.ones((2, 3))], [np.ones((2, 4))]]),
            r"starts held layers of shapes \[\[\(2, 3\)\], \[\(2, 4\)\]\]; all must have the same widths",
        ),
        (lambda: initialization.stack([[np.ones((2, 3))], [np.ones((2, 3))] * 2]), r"all must have the same widths"),
    )
