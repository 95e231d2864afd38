"""Networks: gradients against autograd and finite differences; noise against its laws; new ones in a few lines."""

import itertools
import math

import numpy as np
import pytest
import torch
from test_descent import correlated_samples

from dlnlib import Task, descent, initialization, networks, rules


class Gated(networks.SampleNetwork):
    """Each hidden unit sees some of the domains of the inputs only."""

    def outputs(self, weights, x):
        w1, w2 = weights
        return ((x @ w1.mT) * (x[:, : w1.shape[-2]] > 0)) @ w2.mT


class Attention(networks.SampleNetwork):
    """Linear attention on sequences of pairs (x, y) with a query at the end: heads of a value and a matrix."""

    def check(self, weights):
        return [np.asarray(w, dtype=float) for w in weights]

    def outputs(self, weights, x):
        values, keys = weights  # (batch, 1, heads) and (batch, heads, d * d)
        d = math.isqrt(keys.shape[-1])
        pairs, query = x[:, :-d].unflatten(1, (-1, d + 1)), x[:, -d:]
        beta = (pairs[..., :d] * pairs[..., d:]).mean(dim=1)
        z = torch.einsum("pi,pj->pij", beta, query).flatten(1)  # beta x_q^T
        return z @ keys.mT @ values.mT


def sequences(n_sequences, n_examples, d, seed=0):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((n_sequences, n_examples + 1, d)), rng.standard_normal((n_sequences, d, 1))
    pairs = np.concatenate([x, x @ w], axis=2)
    return np.hstack([pairs[:, :-1].reshape(n_sequences, -1), x[:, -1]]), (x @ w)[:, -1]


X, Y = correlated_samples(5, 3)
AXES = Task(np.random.default_rng(0).standard_normal((3, 5)) * [1, 1, 0, 1, 1], np.diag([2.0, 3.0, 0.0, 1.0, 2.0]), 9.0)
NETWORKS = {
    "linear": (networks.LinearNetwork(Task.from_samples(X, Y)), [5, 6, 4, 3]),
    "linear, wide at its end": (networks.LinearNetwork(Task.from_samples(Y, X)), [3, 6, 4, 5]),
    "linear, one layer": (networks.LinearNetwork(Task.from_samples(X, Y)), [5, 3]),
    "linear, white": (networks.LinearNetwork(Task.from_samples(X, Y).whitened()), [5, 6, 3]),
    "linear, on principal axes": (networks.LinearNetwork(AXES), [5, 6, 4, 3]),
    "linear, on samples": (networks.SampleNetwork(X, Y), [5, 6, 4, 3]),
    "tanh": (networks.TanhNetwork(X, Y), [5, 6, 4, 3]),
    "gated": (Gated(X, Y), [5, 4, 3]),
    "attention": (Attention(*sequences(20, 5, 2)), None),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_the_loss(name):
    """Central differences of the loss that is recorded, for two networks side by side."""
    network, widths = NETWORKS[name]
    rng = np.random.default_rng(0)
    shapes = [(b, a) for a, b in itertools.pairwise(widths)] if widths else [(3, 4), (1, 3)][::-1]
    start = [rng.standard_normal((2, *shape)) / 2 for shape in shapes]
    put = (lambda a: torch.tensor(np.array(a))) if network.needs_torch else np.array
    network = network.to(put)

    def loss(weights):
        return np.asarray(network.loss(*network.at([put(w) for w in weights])[0]()))

    _, downhill = network.at([put(w) for w in start])
    found = {i: np.asarray(c[0] @ c[1] if isinstance(c, tuple) else c).copy() for i, c in downhill(-1.0)}
    assert sorted(found) == list(range(len(start)))
    for layer, w in enumerate(start):
        for index in np.ndindex(w.shape[1:]):
            step = np.zeros_like(w)
            step[(slice(None), *index)] = 1e-4
            ends = [loss([*start[:layer], w + k * step, *start[layer + 1 :]]) for k in (1, -1, 2, -2)]
            slope = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / 12e-4
            np.testing.assert_allclose(found[layer][(slice(None), *index)], slope, rtol=1e-7, atol=1e-9)


def by_autograd(loss_of, weights):
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    return [g.numpy() for g in torch.autograd.grad(loss_of(leaves), leaves)]


def test_gated_and_attention_are_autograds():
    """One step of each against the same network written down once more."""
    gated, x, y = [np.full((4, 5), 0.3) + np.eye(4, 5), np.ones((3, 4)) / 3], torch.tensor(X), torch.tensor(Y)

    def gated_loss(w):
        return 0.5 * ((torch.stack([(x @ w[0][i]) * (x[:, i] > 0) for i in range(4)], 1) @ w[1].T - y) ** 2).sum() / 30

    data, answers = map(torch.tensor, sequences(20, 5, 2))
    heads = [np.array([[0.3, -0.2, 0.1]]), np.random.default_rng(1).standard_normal((3, 4))]

    def attention_loss(w):
        total = 0.0
        for sequence, answer in zip(data, answers, strict=True):
            pairs, query = sequence[:-2].reshape(5, 3), sequence[-2:]
            beta = sum(pair[2] * pair[:2] for pair in pairs) / 5
            total += (sum(w[0][0, h] * beta @ w[1][h].reshape(2, 2) @ query for h in range(3)) - answer) ** 2
        return 0.5 * total.sum() / 20

    for network, start, loss in (
        (Gated(X, Y), gated, gated_loss),
        (Attention(*sequences(20, 5, 2)), heads, attention_loss),
    ):
        run = descent.train(network, start, rules.Descent(0.5), steps=1)
        for after, before, gradient in zip(run.weights, start, by_autograd(loss, start), strict=True):
            np.testing.assert_allclose((before - after) / 0.5, gradient, atol=1e-13)


def test_attention_side_by_side_learns_what_a_linear_network_does():
    """Merged linear attention is a two-layer network in z = beta x_q^T: the same run on the task of these z."""
    data, answers = sequences(300, 20, 2)
    pairs, query = data[:, :-2].reshape(300, 20, 3), data[:, -2:]
    z = np.einsum("pi,pj->pij", np.mean(pairs[..., :2] * pairs[..., 2:], axis=1), query).reshape(300, 4)
    rng = np.random.default_rng(0)
    keys, values = 0.1 * rng.standard_normal((2, 3, 4)), 0.1 * rng.standard_normal((2, 1, 3))
    attention = descent.train(Attention(data, answers), [values, keys], rules.Descent([0.05, 0.1]), steps=200)
    linear = descent.gradient_descent(Task.from_samples(z, answers), [keys, values], [0.05, 0.1], steps=200)
    np.testing.assert_allclose(attention.loss, linear.loss, rtol=1e-10)
    assert (linear.loss[:, -1] < 0.7 * linear.loss[:, 0]).all()


def test_label_noise_balances_two_layers_by_an_exact_law():
    """c' = c (1 - eta^2 r^2) with the noisy residual r; and u fluctuates with variance eta s sigma^2 / (1 - eta s)."""
    s, eta, sigma = 1.0, 0.2, 0.3
    network = networks.LinearNetwork(Task([[s]]), label_noise=sigma, rng=0)
    start = [np.full((4000, 1, 1), 1.3), np.full((4000, 1, 1), 0.7)]
    run = descent.train(network, start, rules.Descent(eta), steps=400, keep_weights=True)
    a, b = (w[..., 0, 0] for w in run.history)
    r = (a[:, 1:] - a[:, :-1]) / (eta * b[:, :-1])
    c = a**2 - b**2
    np.testing.assert_allclose(c[:, 1:], c[:, :-1] * (1 - eta**2 * r**2), rtol=0, atol=1e-12)
    noise = r - (s - a * b)[:, :-1]
    assert abs(noise.mean()) < 5 * sigma / noise.size**0.5 and abs(noise.std() / sigma - 1) < 0.003
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.005
    quiet = networks.LinearNetwork(Task([[s]]), label_noise=0.02, rng=1)
    settled = descent.train(quiet, [np.ones((4000, 1, 1))] * 2, rules.Descent(eta), steps=200).modes[:, 50:, 0]
    assert abs(settled.var() / (eta * s * 0.02**2 / (1 - eta * s)) - 1) < 0.03
    np.testing.assert_allclose(run.loss, 0.5 * (s - a * b) ** 2, atol=1e-14)  # of the task, not of its noise


@pytest.mark.parametrize("white", [True, False])
def test_label_noise_is_that_of_samples_with_new_targets_at_each_step(white):
    """The mean gradient, and its covariance sigma^2 / P in what the inputs are, on moments and on samples alike."""
    x, y = correlated_samples(3, 2, 8)
    x = np.linalg.qr(x).Q * 8**0.5 if white else x
    task = Task.from_samples(x, y)
    many, sigma = 20_000, 0.5
    start = [np.broadcast_to(np.ones((2, 3)), (many, 2, 3))]
    for network in (
        networks.LinearNetwork(task, label_noise=sigma, rng=1),
        networks.SampleNetwork(x, y, label_noise=sigma, rng=1),
    ):
        after = descent.train(network, start, rules.Descent(1.0), steps=1).weights[0]
        wanted = 1 + (y - x @ np.ones((3, 2))).T @ x / 8
        covariance = np.einsum("nij,nkl->ikjl", after - wanted, after - wanted) / many
        exact_covariance = sigma**2 / 8 * np.einsum("ik,jl->ikjl", np.eye(2), x.T @ x / 8)
        size = sigma**2 / 8 * np.linalg.norm(x.T @ x / 8, 2)
        np.testing.assert_allclose(after.mean(axis=0), wanted, atol=5 * (size / many) ** 0.5)
        np.testing.assert_allclose(covariance, exact_covariance, atol=0.05 * size)


@pytest.mark.slow
def test_mini_batches_follow_the_law_of_the_mean_square():
    """White Gaussian inputs, B of them a step: E|e|^2 is multiplied by 1 - 2 eta + eta^2 (1 + (N + 1)/B)."""
    n, size, eta, steps = 6, 3, 0.15, 12
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60_000, n))
    w = rng.standard_normal((n, 1))
    network, errors = networks.SampleNetwork(x, x @ w, batch_size=size, rng=rng), []
    for _ in range(400):
        run = descent.train(network, [np.zeros((1, n))], rules.Descent(eta), steps, record_every=steps)
        errors.append(np.sum((run.weights[0] - w.T) ** 2))
    factor = 1 - 2 * eta + eta**2 * (1 + (n + 1) / size)
    assert abs(np.mean(errors) / (factor**steps * np.sum(w**2)) - 1) < 5 * np.std(errors) / 20 / np.mean(errors) < 0.3


def test_mini_batches_are_drawn_anew_and_records_are_of_all_examples():
    start = initialization.glorot([5, 6, 3], rng=0)
    network = networks.TanhNetwork(X, Y, batch_size=4, rng=3)
    run = descent.train(network, start, rules.Descent(0.05), steps=30, record_every=10, keep_weights=True)
    assert list(run.steps) == [0, 10, 20, 30]
    for record in range(4):
        w1, w2 = (w[record] for w in run.history)
        assert math.isclose(run.loss[record], 0.5 * np.sum((Y - np.tanh(X @ w1.T) @ w2.T) ** 2) / 30, rel_tol=1e-12)
    again = descent.train(network, start, rules.Descent(0.05), steps=30)
    np.testing.assert_array_equal(again.weights[0], run.weights[0])  # a seed begins every run afresh
    one = descent.train(networks.TanhNetwork(X, Y, batch_size=4, rng=4), start, rules.Descent(0.05), steps=30)
    assert np.abs(one.weights[0] - run.weights[0]).max() > 1e-3
    whole = networks.TanhNetwork(X, Y, batch_size=30)
    np.testing.assert_allclose(
        descent.train(whole, start, rules.Descent(0.05), steps=30).loss,
        descent.tanh_descent(X, Y, start, 0.05, steps=30).loss,
        rtol=1e-12,
    )
    rng = np.random.default_rng(0)
    first, second = (
        descent.train(networks.TanhNetwork(X, Y, batch_size=4, rng=rng), start, rules.Descent(0.05), steps=5)
        for _ in range(2)
    )
    assert np.abs(first.weights[0] - second.weights[0]).max() > 1e-3  # a generator goes on


def test_small_linear_networks_on_samples_and_on_moments_are_the_same():
    start = initialization.glorot([5, 6, 4, 3], rng=0)
    samples = descent.train(networks.SampleNetwork(X, Y), start, rules.Descent(0.03), steps=100)
    moments = descent.gradient_descent(Task.from_samples(X, Y), start, 0.03, steps=100)
    np.testing.assert_allclose(samples.loss, moments.loss, rtol=1e-11)


def test_inputs_on_their_principal_axes_are_learned_as_any_others():
    """There the root is a scale for each input; turned axes are the same task, and take the same way."""
    assert networks.LinearNetwork(AXES).root.shape == (5,)
    start, axes = initialization.gaussian([5, 6, 3], scale=0.5, rng=0), initialization.orthogonal([5, 5], rng=1)[0]
    turned = Task(AXES.sigma_yx @ axes.T, axes @ AXES.sigma_xx @ axes.T, AXES.trace_yy)
    plain = descent.gradient_descent(AXES, start, 0.1, 200, test=turned)
    other = descent.gradient_descent(turned, [start[0] @ axes.T, start[1]], 0.1, 200, test=AXES)
    np.testing.assert_allclose(plain.loss, other.loss, rtol=1e-12)
    np.testing.assert_allclose(plain.modes, other.modes, atol=1e-12)
    np.testing.assert_allclose(plain.loss[-1], AXES.loss(plain.weights[1] @ plain.weights[0]), rtol=1e-12)
    np.testing.assert_allclose(plain.test_loss[-1], turned.loss(plain.weights[1] @ plain.weights[0]), rtol=1e-12)


def test_what_is_no_test_task_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"^test "):
        networks.LinearNetwork(AXES, "test")
