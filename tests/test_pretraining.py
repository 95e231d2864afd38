"""Pretraining against plain torch on samples, against the modes' closed form, and against principal components."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import Task, datasets, exact, initialization, pretraining


def correlated(n_in, rng, variances=None):
    axes = initialization.orthogonal([n_in, n_in], rng)[0]
    variances = np.asarray(2.0 ** -np.arange(n_in) if variances is None else variances)
    return Task(rng.standard_normal((3, n_in)), axes * variances @ axes.T, 1e6), variances, axes


def test_greedy_is_a_plain_autoencoder_on_the_samples_layer_by_layer():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 6)) @ rng.standard_normal((6, 6)) / 3
    task, widths, scale, fraction = Task.from_samples(x, x[:, :1]), [6, 7, 3], 0.05, 0.4
    found = pretraining.greedy(task, widths, rng=5, left=0.05, scale=scale, fraction=fraction)
    starts, seen = np.random.default_rng(5), torch.tensor(x)
    for n_in, n_out, encoder, decoder, steps in zip(
        widths[:-1], widths[1:], found.weights, found.decoders, found.steps, strict=True
    ):
        network = torch.nn.Sequential(
            torch.nn.Linear(n_in, n_out, bias=False), torch.nn.Linear(n_out, n_in, bias=False)
        ).double()
        for layer, w in zip(network, initialization.gaussian([n_in, n_out, n_in], scale, starts), strict=True):
            layer.weight.data = torch.tensor(w)
        variances = torch.linalg.eigvalsh(seen.T @ seen / len(seen)).flip(0)
        optimizer = torch.optim.SGD(network.parameters(), lr=fraction / float(variances[0]))
        goal = 0.5 * float(variances[n_out:].sum()) + 0.05 * 0.5 * float(variances.sum())
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            losses.append(0.5 * ((network(seen) - seen) ** 2).sum(dim=1).mean())
            losses[-1].backward()
            optimizer.step()
        last = 0.5 * ((network(seen) - seen) ** 2).sum(dim=1).mean()
        assert last < goal <= min(losses)  # stopped as soon as it was good enough
        np.testing.assert_allclose(encoder, network[0].weight.detach(), rtol=0, atol=1e-10)
        np.testing.assert_allclose(decoder, network[1].weight.detach(), rtol=0, atol=1e-10)
        seen = seen @ torch.tensor(encoder).T


@pytest.mark.parametrize("variance", [0.2, 1.0, 30.0])
@pytest.mark.parametrize("left", [0.3, 0.01])
def test_one_component_takes_the_time_of_its_exact_mode(variance, left):
    scale, fraction = 1e-4, 0.01
    found = pretraining.greedy(
        Task([[1.0]], [[variance]], 1e3), [1, 40], rng=3, left=left, scale=scale, fraction=fraction
    )
    a, b = initialization.gaussian([1, 40, 1], scale, np.random.default_rng(3))
    u0 = float(np.sum((a + b.T) ** 2)) / 4  # what is left when the difference of the two layers has died
    expected = exact.learning_time(1 - math.sqrt(left), variance, u0, tau=variance / fraction, input_variance=variance)
    assert abs(found.steps[0] / expected - 1) < 0.012


def test_components_are_learned_in_the_order_of_their_variance():
    task, _, axes = correlated(5, np.random.default_rng(1))
    shares = []
    for left in (0.45, 0.2, 0.05, 0.003):
        w = pretraining.greedy(task, [5, 8], rng=0, left=left, scale=1e-3).weights[0]
        shares.append(np.sum((w @ axes) ** 2, axis=0))
    learned = np.array(shares) > 0.5
    assert (np.diff(learned.astype(int), axis=1) <= 0).all() and (np.diff(learned.sum(axis=1)) > 0).all()


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_greedy_ends_at_the_limit(widths, seed):
    task, _, axes = correlated(4, np.random.default_rng(seed), [8.0, 4.0, 2.0, 1.0])
    found = pretraining.greedy(task, [4, *widths], rng=seed, left=1e-9, scale=1e-4)
    kept = min(4, *widths)
    for stack in (found.weights, pretraining.limit(task, [4, *widths], rng=seed)):
        w = stack[0]
        for layer in stack[1:]:
            w = layer @ w
        np.testing.assert_allclose(w.T @ w, axes[:, :kept] @ axes[:, :kept].T, rtol=0, atol=2e-3)
        for layer in stack:
            s = np.linalg.svd(layer).S
            assert (np.minimum(abs(s), abs(s - 1)) < 2e-3).all()
    for encoder, decoder in zip(found.weights, found.decoders, strict=True):
        np.testing.assert_allclose(decoder, encoder.T, rtol=0, atol=2e-3)


def test_the_limit_is_exact_and_its_rotation_is_arbitrary():
    task, _, axes = correlated(9, np.random.default_rng(2))
    first, second = (pretraining.limit(task, [9, 30, 20, 4], rng=seed) for seed in (0, 1))
    for w1, w2, w3 in (first, second):
        np.testing.assert_allclose(w1.T @ w1, np.eye(9), rtol=0, atol=1e-12)
        np.testing.assert_allclose((w2 @ w1).T @ w2 @ w1, np.eye(9), rtol=0, atol=1e-12)
        w = w3 @ w2 @ w1
        np.testing.assert_allclose(w @ w.T, np.eye(4), rtol=0, atol=1e-12)
        np.testing.assert_allclose(w.T @ w, axes[:, :4] @ axes[:, :4].T, rtol=0, atol=1e-10)
    assert np.linalg.norm(first[0] - second[0]) > 1


def test_the_limit_has_no_part_in_directions_without_variance():
    w1, w2 = pretraining.limit(datasets.mnist().whitened(), [784, 900, 800], rng=0)
    projector = datasets.mnist().whitened().sigma_xx
    np.testing.assert_allclose((w2 @ w1).T @ w2 @ w1, projector, rtol=0, atol=1e-6)
    assert round(np.linalg.norm(w1) ** 2) == 711


def test_among_components_of_equal_variance_all_have_the_same_chance():
    variances = [2.0, 1.0, 1.0, 1.0, 1.0, 0.5]
    task = Task(np.ones((1, 6)), np.diag(variances), 100.0)
    grams = [w.T @ w for seed in range(400) for w in pretraining.limit(task, [6, 3], rng=seed)]
    np.testing.assert_allclose(np.mean(grams, axis=0), np.diag([1, 0.5, 0.5, 0.5, 0.5, 0]), rtol=0, atol=0.06)
    assert np.std(grams, axis=0)[1, 1] > 0.1
    white = Task(np.ones((1, 6)), trace_yy=10.0)
    grams = [w.T @ w for seed in range(400) for w in pretraining.limit(white, [6, 2], rng=seed)]
    np.testing.assert_allclose(np.mean(grams, axis=0), np.eye(6) / 3, rtol=0, atol=0.06)


def test_the_limit_does_not_depend_on_which_eigenvectors_and_signs_a_machine_returns(monkeypatch):
    axes = initialization.orthogonal([7, 7], 3)[0]
    task = Task(np.ones((2, 7)), axes * [5.0, 3.0, 3.0, 3.0, 2.0, 1.0, 0.0] @ axes.T, 100.0)
    layers = [pretraining.limit(task, [7, n, 3], rng=4) for n in (9, 4, 2)]
    eigh, qr, turn = np.linalg.eigh, np.linalg.qr, initialization.orthogonal([3, 3], 5)[0]

    def other(matrix):
        values, vectors = eigh(matrix)
        vectors = vectors * np.array([1, -1, -1, 1, 1, 1, -1])
        vectors[:, 3:6] = vectors[:, 3:6] @ turn  # the three of variance 3
        return values, vectors

    def opposite(matrix):
        q, r = qr(matrix)
        return -q, -r

    monkeypatch.setattr(np.linalg, "eigh", other)
    monkeypatch.setattr(np.linalg, "qr", opposite)
    for n, stack in zip((9, 4, 2), layers, strict=True):
        for here, there in zip(stack, pretraining.limit(task, [7, n, 3], rng=4), strict=True):
            np.testing.assert_allclose(here, there, rtol=0, atol=1e-10)


def completed(vt, rng):
    """An orthogonal matrix whose first columns are the rows of vt."""
    q, r = np.linalg.qr(np.hstack([vt.T, rng.standard_normal((vt.shape[1], vt.shape[1] - len(vt)))]))
    return q * np.sign(np.diag(r))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(n_in=st.integers(1, 9), n_out=st.integers(1, 5), seed=st.integers(0, 999))
def test_consistency_and_alignment_against_a_completed_basis(n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n_in, n_in))
    task = Task(rng.standard_normal((n_out, n_in)), root @ root.T, 1e9)
    v = completed(task.modes.vt, rng)
    full, n_modes = v.T @ task.sigma_xx @ v, len(task.modes.s)
    columns = full[:, :n_modes] ** 2
    found = pretraining.consistency(task, draws=3, rng=0)
    np.testing.assert_allclose(found.matrix, full[:n_modes, :n_modes], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.value, np.trace(columns[:n_modes]) / columns.sum(), rtol=1e-9)
    np.testing.assert_allclose(found.modes, np.diag(columns) / columns.sum(axis=0), rtol=1e-8)
    assert 0 < found.value <= 1 + 1e-12 and (found.null > 0).all() and (found.null <= 1 + 1e-12).all()
    shares = pretraining.alignment(task)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-10)
    variances = np.sort(np.linalg.eigvalsh(task.sigma_xx))[::-1]
    np.testing.assert_allclose(shares @ variances, np.diag(full)[:n_modes], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(shares @ variances**2, columns.sum(axis=0), rtol=1e-8, atol=1e-9)


def test_tasks_that_share_the_axes_of_their_inputs_are_consistent():
    tree = datasets.hierarchy(levels=3, features=50, rng=0)
    found = pretraining.consistency(tree, draws=20, rng=0)  # one-hot inputs: every direction is a component
    np.testing.assert_allclose([found.value, *found.modes, *found.null], 1, rtol=1e-12)
    axes = initialization.orthogonal([6, 6], 0)[0]
    aligned = Task(np.diag([5.0, 4.0, 3.0]) @ axes[:, [3, 0, 5]].T, axes * np.arange(6.0, 0, -1) @ axes.T, 1e3)
    found = pretraining.consistency(aligned, draws=20, rng=0)
    np.testing.assert_allclose([found.value, *found.modes], 1, rtol=1e-12)
    assert found.null.max() < 0.99
    expected = np.zeros((3, 6))
    expected[[0, 1, 2], [3, 0, 5]] = 1
    np.testing.assert_allclose(pretraining.alignment(aligned), expected, rtol=0, atol=1e-12)


def test_the_null_is_the_value_of_tasks_with_random_axes():
    task, _, _ = correlated(7, np.random.default_rng(4))
    null = pretraining.consistency(task, draws=1500, rng=0).null
    rng, values = np.random.default_rng(1), []
    for _ in range(1500):
        turned = Task(np.diag([3.0, 2.0, 1.0]) @ initialization.orthogonal([7, 3], rng)[0], task.sigma_xx, 1e6)
        values.append(pretraining.consistency(turned, draws=1, rng=0).value)
    for q in (0.05, 0.5, 0.95):
        assert abs(np.mean(null < np.quantile(values, q)) - q) < 0.035


@pytest.mark.parametrize("remnant", [0.0, 1e-13])
def test_modes_that_are_only_rounding_do_not_count(remnant):
    rng = np.random.default_rng(7)
    moments = correlated(6, rng)[0].sigma_xx
    rows, u = rng.standard_normal((2, 6)), initialization.orthogonal([3, 3], 0)[0]
    two = Task(rows, moments, 1e6)
    three = Task(u @ np.vstack([rows, remnant * rng.standard_normal(6)]), moments, 1e6)  # a third mode, of no strength
    found, expected = (pretraining.consistency(task, draws=5, rng=0) for task in (three, two))
    np.testing.assert_allclose([found.value, *found.modes], [expected.value, *expected.modes], rtol=1e-9)
    np.testing.assert_allclose(found.null, expected.null, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.matrix), np.abs(expected.matrix), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(pretraining.alignment(three), pretraining.alignment(two), rtol=0, atol=1e-9)
    assert found.modes.shape == (2,) and found.matrix.shape == (2, 2)


def test_centring_empties_one_mode_of_the_images():
    task = datasets.mnist(centred=True)
    assert len(task.modes.s) == 9 and task.modes.s[8] > 1e-10 * task.modes.s[0]
    found = pretraining.consistency(task, draws=1, rng=0)
    assert found.modes.shape == (9,) and found.modes.min() > 0.6
    assert pretraining.alignment(task).shape == (9, 784)


def test_the_unit_of_the_inputs_does_not_matter():
    task, _, _ = correlated(5, np.random.default_rng(5))
    scaled = Task(task.sigma_yx * 20, task.sigma_xx * 400, task.trace_yy)
    one, other = (pretraining.consistency(t, draws=5, rng=0) for t in (task, scaled))
    np.testing.assert_allclose([other.value, *other.modes, *other.null], [one.value, *one.modes, *one.null], rtol=1e-10)
    options = {"rng": 0, "left": 0.1, "scale": 1e-3}
    assert pretraining.greedy(task, [5, 3], **options).steps == pretraining.greedy(scaled, [5, 3], **options).steps


def test_single_precision_is_an_option():
    task, _, _ = correlated(5, np.random.default_rng(6))
    options = {"rng": 0, "left": 0.1}
    single = pretraining.greedy(task, [5, 3], dtype=torch.float32, **options).weights[0]
    double = pretraining.greedy(task, [5, 3], **options).weights[0]
    assert 0 < np.abs(single - double).max() < 1e-4


TASK = Task(np.ones((2, 3)), np.diag([3.0, 2.0, 1.0]), 100.0)
DEAD = Task(np.zeros((2, 3)), np.zeros((3, 3)), 1.0)
IDLE = Task(np.zeros((2, 3)), np.eye(3), 1.0)


def test_bad_arguments_are_refused_by_name():
    assert_refused(
        (lambda: pretraining.greedy(TASK, [4, 2], rng=0), r"widths was \[4, 2\]; it must begin with this task's 3 inp"),
        (lambda: pretraining.greedy(TASK, [3], rng=0), r"widths was \[3\]; it must name at least"),
        (lambda: pretraining.greedy(TASK, [3, 2], rng=None), r"rng was None"),
        (lambda: pretraining.greedy(TASK, [3, 2], rng=0, left=1.0), r"left was 1; it must be less than one"),
        (lambda: pretraining.greedy(TASK, [3, 2], rng=0, fraction=2), r"fraction was 2; it must be less than one"),
        (lambda: pretraining.greedy(TASK, [3, 2], rng=0, max_steps=0), r"max_steps was 0"),
        (lambda: pretraining.greedy(TASK, [3, 2], rng=0, scale=50.0), r"scale was 50; .* layer 1 diverged"),
        (lambda: pretraining.greedy(TASK, [3, 2], rng=0, max_steps=5), r"max_steps was 5; layer 1 needs more for"),
        (lambda: pretraining.greedy(DEAD, [3, 2], rng=0), r"sigma_xx was zero"),
        (lambda: pretraining.limit(TASK, [2, 3], rng=0), r"widths was \[2, 3\]"),
        (lambda: pretraining.limit(DEAD, [3, 2], rng=0), r"sigma_xx was zero"),
        (lambda: pretraining.limit(TASK, [3, 2], rng=-1), r"rng was -1"),
        (lambda: pretraining.consistency(DEAD, rng=0), r"sigma_xx was zero"),
        (lambda: pretraining.consistency(IDLE, rng=0), r"sigma_yx was zero"),
        (lambda: pretraining.alignment(DEAD), r"sigma_xx was zero"),
        (lambda: pretraining.alignment(IDLE), r"sigma_yx was zero"),
    )


def test_of_two_components_of_equal_variance_either_is_kept():
    task = Task(np.eye(3), np.diag([2.0, 1.0, 1.0]), 9.0)
    layers = [pretraining.limit(task, [3, 2], rng=seed)[0] for seed in range(200)]
    kept = np.array([w.T @ w for w in layers])
    np.testing.assert_allclose(kept[:, 0, 0], 1)
    # The squared cosine of a uniform angle: mean 1/2, deviation 0.35 for one draw.
    assert abs(kept[:, 1, 1].mean() - 0.5) < 5 * 0.3536 / 200**0.5 and kept[:, 1, 1].std() > 0.25


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e14])
def test_modes_count_by_their_relative_strength_and_one_without_variance_is_consistent(scale):
    task = Task(scale * np.diag([2.0, 1.0, 1e-12]), np.diag([1.0, 0.0, 1.0]), 1e40)
    found = pretraining.consistency(task, draws=3, rng=0)
    assert found.modes.tolist() == [1.0, 1.0] and found.matrix.tolist() == [[1.0, 0.0], [0.0, 0.0]]
