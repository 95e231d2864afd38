"""Linear attention in context: moments against sequences, gradients against autograd, plateaus against runs."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import Task, datasets, descent, exact, networks, rules

repeatable = settings(derandomize=True, deadline=None, max_examples=30)
COVARIANCE = np.array([[1.0, 0.4, 0.0], [0.4, 0.7, -0.3], [0.0, -0.3, 0.5]])


def sequences(n_sequences, n_examples, covariance, seed=0):
    """Contexts x, y, queries and their answers."""
    rng = np.random.default_rng(seed)
    d = len(covariance)
    x = rng.standard_normal((n_sequences, n_examples + 1, d)) @ np.linalg.cholesky(covariance).T
    y = np.einsum("pni,pi->pn", x, rng.standard_normal((n_sequences, d)))
    return x[:, :-1], y[:, :-1], x[:, -1], y[:, -1]


def features(x, y, query):
    return np.einsum("pn,pni,pj->pij", y / y.shape[1], x, query).reshape(len(y), -1)


def second_moment(covariance, n_examples):
    """E[S S] of the sample covariance S, pairing by pairing (Isserlis), with no algebra of matrices."""
    d, total = len(covariance), np.zeros_like(covariance)
    for i, j, k, m, n in itertools.product(range(d), range(d), range(d), *2 * (range(n_examples),)):
        four = covariance[i, k] * covariance[k, j]  # E[x_i x_k x_k x_j] of examples m and n
        if m == n:
            four += covariance[i, k] * covariance[k, j] + covariance[i, j] * covariance[k, k]
        total[i, j] += four / n_examples**2
    return total


@pytest.mark.parametrize("n_examples", [1, 2, 7])
def test_in_context_has_the_moments_of_sampled_sequences(n_examples):
    task = datasets.in_context(COVARIANCE, n_examples)
    *seen, y = sequences(100_000, n_examples, COVARIANCE, seed=n_examples + 20)
    z = features(*seen)
    for products, moment in [
        (z * y[:, None], task.sigma_yx[0]),
        (z[:, :, None] * z[:, None], task.sigma_xx),
        (y**2, task.trace_yy),
    ]:
        error = products.std(axis=0) / len(y) ** 0.5
        deviation = np.abs(products.mean(axis=0) - moment) / error  # many of the 91 are nearly the same number
        assert deviation.max() < 4
    expected = np.kron(second_moment(COVARIANCE, n_examples), COVARIANCE)
    np.testing.assert_allclose(task.sigma_xx, expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(task.sigma_yx.reshape(3, 3), COVARIANCE @ COVARIANCE, rtol=1e-12, atol=1e-15)
    assert task.trace_yy == pytest.approx(np.trace(COVARIANCE)) and (task.n_in, task.n_out) == (9, 1)


def by_tokens(values, keys, queries, x, y, query):
    """Heads of a transformer without softmax: each token's value, weighted by its key times the query."""
    total = 0.0
    for h in range(values.shape[-1]):
        for n in range(x.shape[1]):
            score = (x[:, n] @ keys[h]) * (query @ queries[h])
            total = total + values[0, h] * y[:, n] * score / x.shape[1]
    return total


@repeatable
@given(d=st.integers(1, 3), heads=st.integers(1, 4), n_sequences=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_gradients_are_autograds_on_the_sequences(d, heads, n_sequences, seed):
    *seen, y = sequences(n_sequences, 5, COVARIANCE[:d, :d], seed)
    network = networks.LinearAttention(Task.from_samples(features(*seen), y[:, None]))
    rng = np.random.default_rng(seed)
    start = [rng.standard_normal((2, *shape)) for shape in [(1, heads), (heads, d), (heads, d)]]
    run = descent.train(network, start, rules.Descent([0.5, 0.25]), steps=1)
    for member, rate in enumerate([0.5, 0.25]):
        leaves = [torch.tensor(w[member], requires_grad=True) for w in start]
        answers = by_tokens(*leaves, *map(torch.tensor, seen))
        loss = 0.5 * ((answers - torch.tensor(y)) ** 2).mean()
        np.testing.assert_allclose(run.loss[member, 0], loss.item(), rtol=1e-11)
        for before, after, gradient in zip(start, run.weights, torch.autograd.grad(loss, leaves), strict=True):
            np.testing.assert_allclose((before - after)[member] / rate, gradient, rtol=1e-8, atol=1e-9)


def test_attention_runs_on_torch_and_records_components_and_another_context():
    """Any optimiser; the strengths along the inputs' axes, not in the order of the inputs; a test task."""
    covariance = np.diag([0.5, 2.0])
    task, longer = datasets.in_context(covariance, 5), datasets.in_context(covariance, 50)
    start = [np.full((1, 2), 0.2), 0.2 * np.eye(2), 0.2 * np.eye(2)]
    sgd = rules.torch_rule(lambda layers: torch.optim.SGD(layers, lr=0.05))
    run = descent.train(networks.LinearAttention(task, longer), start, sgd, 500, keep_weights=True)
    same = descent.train(networks.LinearAttention(task, longer), start, rules.Descent(0.05), 500)
    np.testing.assert_allclose(run.loss, same.loss, rtol=1e-10)
    values, keys, queries = run.history
    maps = (keys.mT * values) @ queries
    np.testing.assert_allclose(run.modes, np.einsum("tii->ti", maps)[:, ::-1], atol=1e-14)
    np.testing.assert_allclose(run.loss, task.loss(maps.reshape(-1, 1, 4)), rtol=1e-10)
    np.testing.assert_allclose(run.test_loss, longer.loss(maps.reshape(-1, 1, 4)), rtol=1e-10)


@pytest.mark.parametrize("unit", [1.0, 5.0])
def test_aligned_heads_are_three_layer_modes_that_visit_the_plateaus(unit):
    """Turned inputs: heads on the principal components follow `layered_mode`, and stop at each height in turn."""
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    variances = unit * np.array([0.6, 0.4, 0.25])
    covariance, n_examples = (turn * variances) @ turn.T, 12
    s, seen, losses = exact.attention_modes(covariance, n_examples)
    layers0 = np.array([[0.05, 0.04, 0.06], [0.05, 0.07, 0.05], [0.04, 0.05, 0.05]]) * unit ** (-1 / 3)
    values, keys, queries = layers0.T
    start = [values[None], keys[:, None] * turn.T, queries[:, None] * turn.T]
    network = networks.LinearAttention(datasets.in_context(covariance, n_examples))
    run = descent.train(network, start, rules.Descent(0.02 / unit ** (5 / 3)), 40_000, record_every=20)
    theory = exact.layered_mode(run.time[:, None], s, layers0, input_variance=seen).prod(axis=-1)
    np.testing.assert_allclose(run.modes * unit, theory * unit, atol=0.02)
    by_modes = losses[-1] + np.sum(seen * (theory - s / seen) ** 2, axis=1) / 2
    np.testing.assert_allclose(run.loss / unit, by_modes / unit, atol=0.005)
    assert losses[0] == pytest.approx(variances.sum() / 2) and run.loss[-1] == pytest.approx(losses[-1], rel=1e-6)
    half = run.half_times(s / seen)
    assert (np.diff(half) > 0).all()
    between = np.interp((half[:-1] + half[1:]) / 2, run.time, run.loss)
    np.testing.assert_allclose(between / unit, losses[1:3] / unit, atol=0.005)


@repeatable
@given(
    variances=st.lists(st.floats(0.1, 10), min_size=1, max_size=3),
    n_examples=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_modes_are_what_heads_on_principal_components_see(variances, n_examples, seed):
    """Of u e^T beta e^T x_q: its correlation with the answer, its variance, and what it leaves of the error."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(variances),) * 2))[0]
    variances = np.sort(variances)[::-1]
    covariance = (turn * variances) @ turn.T
    covariance = (covariance + covariance.T) / 2
    s, seen, losses = exact.attention_modes(covariance, n_examples)
    of_beta = np.einsum("ik,ij,jk->k", turn, second_moment(covariance, n_examples), turn)
    np.testing.assert_allclose(s, variances**2, rtol=1e-10)
    np.testing.assert_allclose(seen, of_beta * variances, rtol=1e-10)
    task, maps = datasets.in_context(covariance, n_examples), []
    for m in range(len(variances) + 1):
        maps.append((turn[:, :m] * (s / seen)[:m]) @ turn[:, :m].T)
    np.testing.assert_allclose(losses, task.loss(np.reshape(maps, (len(maps), 1, -1))), rtol=1e-9)
    assert losses[-1] == pytest.approx(task.floor, rel=1e-9)


def test_weights_that_are_no_heads_are_refused():
    network = networks.LinearAttention(datasets.in_context(np.eye(2), 5))
    good = [np.ones((1, 3)), np.ones((3, 2)), np.ones((3, 2))]
    network.check(good)
    for bad in [
        *(good[:2], good[::-1], []),
        *([np.ones((2, 3)), *good[1:]], [*good[:2], np.ones((4, 2))], [*good[:2], np.ones((3, 3))]),
        *([np.ones((1, 0)), np.ones((0, 2)), np.ones((0, 2))], [np.ones((1, 1, 1, 3)), *good[1:]]),
    ]:
        assert_refused((lambda bad=bad: network.check(bad), r"weights had .*; they must be values \(1, heads\)"))
    assert_refused((lambda: network.check([np.full((1, 3), np.nan), *good[1:]]), r"weights\[0\] held NaN"))
