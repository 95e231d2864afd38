"""Each public function of the core against something that shares no code with it, over degenerate and extreme cases.

Properties drawn by hypothesis: repeated and vanishing singular values, width one, rank-deficient inputs, depth 1 to
1000 and infinite, scales from tiny to huge, each where the function admits it. Oracles are SciPy's integrators,
mpmath, autograd, dense linear algebra, plain loops, and Monte Carlo where only a law is known. The last test holds
that no function is left out.
"""

import importlib
import inspect
import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import scipy.integrate
import scipy.stats
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_bad_input import NO_ROW, public_callables, unbound

from dlnlib import (
    descent,
    exact,
    initialization,
    isometry,
    meanfield,
    networks,
    pretraining,
    reduction,
    rules,
    stability,
)
from dlnlib.task import Modes, Task

CORE = {"descent", "exact", "initialization", "isometry", "meanfield", "networks", "pretraining", "reduction", "rules"}
CORE |= {"stability", "task"}
COVERED = {  # by a property in another file
    Task: "test_task.test_moments_are_means_over_the_examples",
    Task.from_samples: "test_task.test_moments_are_means_over_the_examples",
    Task.from_batches: "test_task.test_batches_make_the_task_of_the_whole",
    Task.pool: "test_task.test_tasks_of_parts_make_the_task_of_the_whole_in_any_order",
    Modes.strengths: "test_task.test_strengths_are_what_the_map_makes_of_each_mode",
    Task.loss: "test_task.test_loss_is_half_the_mean_squared_error",
    Task.with_inputs: "test_task.test_with_inputs_is_the_task_on_mapped_samples",
    Task.whitened: "test_task.test_white_inputs_have_unit_variance_and_lead_back",
    networks.LinearAttention: "test_attention.test_gradients_are_autograds_on_the_sequences",
    exact.attention_modes: "test_attention.test_modes_are_what_heads_on_principal_components_see",
    descent.gradient_descent: "test_descent.test_one_step_is_autograds_gradient",
    exact.best_stopping_time: "test_exact_generalisation.test_no_time_is_better_than_the_best",
    exact.decay_threshold: "test_exact_decay.test_decayed_strength_is_the_largest_root",
    exact.decayed_strength: "test_exact_decay.test_decayed_strength_is_the_largest_root",
    exact.edge_sharpness: "test_exact_steps.test_edge_sharpness_to_second_order_at_40_digits",
    exact.escape_rate: "test_exact_steps.test_the_border_is_mapped_to_itself_by_tripling_an_angle",
    exact.excess_error: "test_exact_generalisation.test_a_filter_that_scales_needs_no_random_matrices",
    exact.forecast: "test_exact_prediction.test_aligned_tasks_are_forecast_exactly",
    exact.kernel_distance: "test_exact_kernel.test_the_distance_is_that_of_directions",
    exact.ntk: "test_exact_kernel.test_the_kernel_is_the_gram_matrix_of_the_gradients",
    exact.noisy_modes: "test_exact_generalisation.test_a_noisy_mode_solves_the_secular_equation",
    exact.plateau_growth: "test_exact_steps.test_plateau_growth_is_what_torch_does_far_below_s",
    exact.ridge_error: "test_exact_generalisation.test_ridge_on_white_inputs_is_its_filter_under_the_law",
    exact.stepped_mode: "test_exact_steps.test_stepped_mode_is_gradient_descent",
    exact.stopped_error: "test_exact_generalisation.test_stopped_error_is_the_integral_over_the_law",
    exact.two_cycle: "test_exact_steps.test_two_cycle_returns_after_two_steps",
    exact.unbalanced_mode: "test_exact_layers.test_unbalanced_mode_in_every_quadrant",
    initialization.decoupled: "test_initialization."
    "test_decoupled_layers_are_balanced_and_multiply_to_the_asked_strengths",
    pretraining.consistency: "test_pretraining.test_consistency_and_alignment_against_a_completed_basis",
    pretraining.alignment: "test_pretraining.test_consistency_and_alignment_against_a_completed_basis",
    stability.curvature: "test_stability.test_curvature_is_the_hessian_of_one_mode",
}
RECORDS = {
    "Run",
    "AttentionModes",
    "BalancedFlow",
    "CriticalFamily",
    "Forecast",
    "Pretraining",
    "Consistency",
    "Reduction",
    "Modes",
    "Whitening",
}

SCALE = st.sampled_from([1e-60, 1e-20, 1e-5, 1.0, 1.0, 1e5, 1e20, 1e60])
MILD = st.sampled_from([1e-6, 1.0, 1e6])
SEED = st.integers(0, 2**32 - 1)
SIZE = st.integers(1, 4)
DEPTH = st.one_of(st.sampled_from([1.0, 2.0, 3.0, 1000.0, math.inf]), st.floats(1, 50))


def covers(*functions):
    """Say which functions a test is about."""

    def mark(test):
        COVERED.update((unbound(function), f"test_oracles.{test.__name__}") for function in functions)
        return test

    return mark


def frame(rng, n, k):
    return np.linalg.qr(rng.standard_normal((n, k))).Q


def degenerate(rng, n, m):
    """A matrix with singular values from a short list: some are equal, some are zero."""
    k = min(n, m)
    return frame(rng, n, k) * rng.choice([0.0, 1.0, 1.0, 2.0, 3.0], k) @ frame(rng, m, k).T


# exact: one mode


def integrated_time(x0, x, s, depth, tau, variance):
    """Time of tau du/dt = D u^(2 - 2/D) (s - lambda u); in x = u / end that is dt = x^(2/D - 1) d(logit x) / rate."""
    end, m = s / variance, 1 - 2 / depth
    logit = [math.log(z) - math.log1p(-z) if z < 1 else -math.log1p(-1 / z) for z in (x0, x)]
    edges = np.linspace(*logit, 2 + int(abs(logit[1] - logit[0])))
    of = scipy.special.expit if x0 < 1 else lambda y: -1 / np.expm1(-y)
    whole = sum(
        scipy.integrate.quad(lambda y: of(y) ** -m, a, b, epsabs=0, epsrel=1e-13)[0]
        for a, b in itertools.pairwise(edges)
    )
    return whole * tau / variance / (1.0 if math.isinf(depth) else depth) / end ** (1 + m)


@covers(exact.learning_time, exact.mode_strength)
@settings(deadline=None, max_examples=150)
@given(
    depth=DEPTH,
    start=st.floats(-12, 6),
    logit=st.floats(-20, 20),
    s=SCALE,
    tau=SCALE,
    variance=SCALE,
)
def test_a_mode_takes_the_time_that_quadrature_says(depth, start, logit, s, tau, variance):
    x0 = 10.0**start
    assume(abs(x0 - 1) > 1e-3)
    x = 1 / (1 + math.exp(-logit)) if x0 < 1 else 1 - 1 / math.expm1(-abs(logit) - 1e-3) - 1
    assume(x0 < x < 1 or x0 > x > 1)
    end = s / variance
    assume(1e-100 < end < 1e100)
    wanted = integrated_time(x0, x, s, depth, tau, variance)
    assume(1e-290 < wanted < 1e290)
    time = exact.learning_time(x * end, s, x0 * end, depth, tau, input_variance=variance)
    # Near the end the time depends on 1 - x, which a double knows to eps / |1 - x|.
    np.testing.assert_allclose(time, wanted, rtol=1e-9 + 1e-15 / abs(1 - x) + 1e-15 / abs(x / x0 - 1))
    layers = 1.0 if math.isinf(depth) else depth
    speed = layers * wanted * end * variance / tau * (x * end) ** (1 - 2 / depth) * abs(1 - x)  # d ln u / d ln t
    u = exact.mode_strength(wanted, s, x0 * end, depth, tau, input_variance=variance)
    np.testing.assert_allclose(u / end, x, rtol=1e-9 + 1e-12 * speed)


@covers(exact.half_time)
@settings(deadline=None, max_examples=40)
@given(depth=DEPTH, start=st.floats(-12, -0.31), s=SCALE, tau=SCALE, variance=SCALE)
def test_half_of_a_mode_takes_the_time_that_quadrature_says(depth, start, s, tau, variance):
    assume(1e-100 < s / variance < 1e100)
    wanted = integrated_time(10.0**start, 0.5, s, depth, tau, variance)
    assume(1e-290 < wanted < 1e290)
    half = exact.half_time(s, 10.0**start * s / variance, depth, tau, input_variance=variance)
    np.testing.assert_allclose(half, wanted, rtol=1e-9 + 1e-15 / abs(0.5 - 10.0**start))


@covers(exact.unbalanced_time)
@settings(deadline=None, max_examples=150)
@given(
    a0=st.sampled_from([0.0, 0.3, -0.3, 2.0]) | st.floats(-3, 3),
    b0=st.sampled_from([0.0, 0.3, -0.3, 2.0]) | st.floats(-3, 3),
    s=st.floats(0.1, 3),
    fraction=st.floats(0.001, 0.999),
    scale=st.sampled_from([1e-70, 1e-30, 1e-5, 1.0, 1e5, 1e30, 1e70]),
    tau=SCALE,
)
def test_unequal_layers_take_the_time_that_quadrature_says(a0, b0, s, fraction, scale, tau):
    assume(1e-300 < tau * scale**2 < 1e300)
    assume(a0**2 + b0**2 > 1e-8 and all(a == 0 or abs(a) > 1e-6 for a in (a0, b0)))
    u0, end = a0 * b0, (0.0 if a0 + b0 == 0 else s)
    assume(abs(a0 + b0) > 1e-6 or a0 + b0 == 0)
    assume(abs(u0 - end) > 1e-3)
    u, c = u0 + fraction * (end - u0), (a0 - b0) * (a0 + b0)
    bends = [v for v in (-abs(c), -abs(c) / 30, 0.0, abs(c) / 30, abs(c)) if min(u0, u) < v < max(u0, u)]
    edges = [u0, *sorted(bends, reverse=u < u0), u]
    wanted = sum(
        scipy.integrate.quad(lambda v: 1 / (math.hypot(c, 2 * v) * (s - v)), a, b, epsabs=0, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(edges)
    )
    time = exact.unbalanced_time(u * scale**2, s * scale**2, a0 * scale, b0 * scale, tau * scale**2)
    np.testing.assert_allclose(time, wanted * tau, rtol=1e-8)


@covers(exact.layered_mode)
@settings(deadline=None, max_examples=60)
@given(
    layers=st.lists(st.sampled_from([-1.2, -0.5, 0.0, 0.5, 0.5, 1.2]) | st.floats(-1.5, 1.5), min_size=1, max_size=6),
    s=st.floats(0.3, 3),
    t=st.floats(0.01, 8),
    copies=st.sampled_from([1, 1, 1, 5, 30]),
    power=st.integers(-30, 30),
    tau=SCALE,
    variance=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_many_unequal_layers_follow_their_equations(layers, s, t, copies, power, tau, variance):
    # More layers, of the same range in their product
    layers = [math.copysign(abs(a) ** (1 / copies) * (1 + i / 100), a) for i in range(copies) for a in layers]
    a0 = np.array(layers)
    assume(abs(power) * len(layers) < 400)
    assume(len({abs(a) for a in layers}) == len(layers) or np.prod(np.sign(a0)) != -1)  # not on a stable manifold
    assume(np.all((np.abs(a0) == 0) | (np.abs(a0) > 1e-3)))

    def flow(_, a):
        others = np.cumprod([1, *a[:-1]]) * np.cumprod([1, *a[:0:-1]])[::-1]
        return others * (s - variance * np.prod(a))

    grown = scipy.integrate.solve_ivp(flow, (0, t), a0, method="LSODA", rtol=1e-10, atol=1e-12)
    assume(grown.success)
    # Layers scaled by k, with s scaled by k^D: the same trajectory, faster by k^(2 D - 2).
    k, depth = 2.0**power, len(layers)
    a = exact.layered_mode(t * tau * k ** (2 - 2 * depth), s * k**depth, k * a0, tau, input_variance=variance)
    np.testing.assert_allclose(a / k, grown.y[:, -1], rtol=1e-5, atol=1e-7)


# exact: whole networks


@covers(exact.balanced_flow)
@settings(deadline=None, max_examples=80)
@given(
    n_out=SIZE,
    n_in=SIZE,
    imbalance=st.sampled_from([0.0, 0.4, -0.4, 30.0, -300.0]),
    size=st.sampled_from([1e-3, 0.3, 1.0]),
    t=st.floats(0, 6),
    scale=st.sampled_from([1e-25, 1.0, 1e25]),
    seed=SEED,
)
def test_a_balanced_network_follows_its_equations(n_out, n_in, imbalance, size, t, scale, seed):
    rng, t = np.random.default_rng(seed), t / (1 + abs(imbalance))
    hidden = int(rng.integers(1, min(n_out, n_in) + 1))
    sigma, turn = degenerate(rng, n_out, n_in), frame(rng, hidden, hidden)
    light = size * rng.choice([0.0, 0.5, 0.5, 1.0], hidden)
    a, b = (light, np.hypot(light, imbalance**0.5)) if imbalance >= 0 else (np.hypot(light, (-imbalance) ** 0.5), light)
    w1, w2 = turn * a @ frame(rng, n_in, hidden).T, frame(rng, n_out, hidden) * b @ turn.T

    def flow(_, flat):
        first, second = flat[: w1.size].reshape(w1.shape), flat[w1.size :].reshape(w2.shape)
        error = sigma - second @ first
        return np.concatenate([(second.T @ error).ravel(), (error @ first.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    end = scipy.integrate.solve_ivp(flow, (0, max(t, 1e-15)), start, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    first, second = end[: w1.size].reshape(w1.shape), end[w1.size :].reshape(w2.shape)
    found = exact.balanced_flow(t / scale**2, sigma * scale**2, scale * w1, scale * w2)
    np.testing.assert_allclose(found.map / scale**2, second @ first, atol=1e-7)
    np.testing.assert_allclose(found.input_gram / scale**2, first.T @ first, atol=1e-7)
    np.testing.assert_allclose(found.output_gram / scale**2, second @ second.T, atol=1e-7)


def dense_hessian(sigma, w1, w2):
    sigma, shapes = torch.tensor(sigma), (w1.shape, w2.shape)

    def loss(flat):
        first, second = flat[: w1.size].reshape(shapes[0]), flat[w1.size :].reshape(shapes[1])
        return torch.sum((sigma - second @ first) ** 2) / 2

    flat = torch.tensor(np.concatenate([w1.ravel(), w2.ravel()]))
    return torch.autograd.functional.hessian(loss, flat).numpy(), torch.autograd.functional.jacobian(loss, flat).numpy()


@covers(exact.hessian)
@settings(deadline=None, max_examples=60)
@given(n_out=SIZE, n_in=SIZE, hidden=SIZE, scale=st.sampled_from([1e-60, 1e-5, 1.0, 1e5, 1e60]), seed=SEED)
def test_the_hessian_is_that_of_autograd(n_out, n_in, hidden, scale, seed):
    rng = np.random.default_rng(seed)
    sigma, w1, w2 = degenerate(rng, n_out, n_in), degenerate(rng, hidden, n_in), degenerate(rng, n_out, hidden)
    wanted, _ = dense_hessian(sigma, w1, w2)
    found = exact.hessian(sigma * scale**2, w1 * scale, w2 * scale)
    np.testing.assert_allclose(found / scale**2, wanted, atol=1e-11)


@covers(exact.critical_families, exact.critical_point)
@settings(deadline=None, max_examples=40)
@given(n_out=SIZE, n_in=SIZE, hidden=SIZE, scale=st.sampled_from([1e-50, 1.0, 1e50]), seed=SEED)
def test_critical_families_are_those_of_autograd(n_out, n_in, hidden, scale, seed):
    rng = np.random.default_rng(seed)
    sigma = degenerate(rng, n_out, n_in)
    s = np.linalg.svd(sigma).S
    families = exact.critical_families(sigma * scale**2, hidden)
    rank = int(np.sum(s > 1e-9))
    assert len(families) == sum(math.comb(rank, k) for k in range(min(rank, hidden) + 1))
    assert len({family.kept for family in families}) == len(families)
    for family in families:
        w1, w2 = (w / scale for w in exact.critical_point(sigma * scale**2, family.kept, hidden))
        matrix, gradient = dense_hessian(sigma, w1, w2)
        np.testing.assert_allclose(gradient, 0, atol=1e-12)
        np.testing.assert_allclose(np.sort(np.linalg.svd(w2 @ w1).S)[::-1][: len(family.kept)], s[list(family.kept)])
        excess = np.sum((sigma - w2 @ w1) ** 2) / 2
        np.testing.assert_allclose(family.excess_loss / scale**4, excess, atol=1e-12)
        assert family.hessian_index == np.sum(np.linalg.eigvalsh(matrix) < -1e-9)


# descent, reduction, stability, pretraining


@covers(descent.tanh_descent)
@settings(deadline=None, max_examples=40)
@given(widths=st.lists(SIZE, min_size=2, max_size=5), n_examples=SIZE, size=MILD, seed=SEED)
def test_a_tanh_network_is_trained_as_by_hand(widths, n_examples, size, seed):
    rng = np.random.default_rng(seed)
    x, y = degenerate(rng, n_examples, widths[0]), size * degenerate(rng, n_examples, widths[-1])
    start = [degenerate(rng, n, m) for m, n in itertools.pairwise(widths)]
    rate = 0.05 / max(1, size)  # with more, units saturate at once, and rounding decides what is left of their slopes
    run = descent.tanh_descent(x, y, start, rate, steps=3)
    layers = [w.copy() for w in start]
    for _ in range(3):
        states = [x]
        for w in layers[:-1]:
            states.append(np.tanh(states[-1] @ w.T))
        back = (states[-1] @ layers[-1].T - y) / n_examples
        for i in range(len(layers) - 1, -1, -1):
            gradient = back.T @ states[i]
            back = (back @ layers[i]) * (1 - states[i] ** 2)
            layers[i] -= rate * gradient
    for found, wanted in zip(run.weights, layers, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@covers(descent.train, networks.LinearNetwork, networks.SampleNetwork, networks.TanhNetwork)
@covers(rules.Descent, rules.torch_rule)
@settings(deadline=None, max_examples=30)
@given(
    widths=st.lists(SIZE, min_size=2, max_size=5),
    n_examples=SIZE,
    momentum=st.sampled_from([None, 0.0, 0.7]),
    kind=st.sampled_from(["moments", "samples", "tanh"]),
    seed=SEED,
)
def test_any_network_is_trained_by_any_rule_as_by_hand(widths, n_examples, momentum, kind, seed):
    rng = np.random.default_rng(seed)
    x, y = degenerate(rng, n_examples, widths[0]), degenerate(rng, n_examples, widths[-1])
    start = [degenerate(rng, n, m) / 2 for m, n in itertools.pairwise(widths)]
    network = {
        "moments": lambda: networks.LinearNetwork(Task.from_samples(x, y)),
        "samples": lambda: networks.SampleNetwork(x, y),
        "tanh": lambda: networks.TanhNetwork(x, y),
    }[kind]()
    ball = rules.torch_rule(lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=momentum))
    run = descent.train(network, start, rules.Descent(0.05) if momentum is None else ball, steps=5)
    act, slope = (np.tanh, lambda z: 1 - z**2) if kind == "tanh" else (lambda z: z, lambda z: 1.0)
    layers, velocity = [w.copy() for w in start], [0.0 * w for w in start]
    for step in range(6):
        states = [x]
        for w in layers[:-1]:
            states.append(act(states[-1] @ w.T))
        missed = states[-1] @ layers[-1].T - y
        assert math.isclose(run.loss[step], 0.5 * np.sum(missed**2) / n_examples, rel_tol=1e-9, abs_tol=1e-12)
        if step == 5:
            break
        back = missed / n_examples
        for i in range(len(layers) - 1, -1, -1):
            gradient = back.T @ states[i]
            back = (back @ layers[i]) * slope(states[i])
            velocity[i] = (momentum or 0.0) * velocity[i] + gradient
            layers[i] = layers[i] - 0.05 * velocity[i]
    for found, wanted in zip(run.weights, layers, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def by_hand(sigma_yx, sigma_xx, layers, rate, steps):
    """Gradient descent as a plain loop."""
    layers = [w.copy() for w in layers]
    for _ in range(steps):
        products = [np.eye(layers[0].shape[1])]
        for w in layers:
            products.append(w @ products[-1])
        back, gradients = sigma_yx - products[-1] @ sigma_xx, []
        for i in range(len(layers) - 1, -1, -1):
            gradients.insert(0, back @ products[i].T)
            back = layers[i].T @ back
        layers = [w + rate * g for w, g in zip(layers, gradients, strict=True)]
    return layers


@covers(reduction.reduce, reduction.Reduction.lift)
@settings(deadline=None, max_examples=80)
@given(
    ends=st.tuples(st.integers(1, 6), st.integers(1, 3)),
    hidden=st.lists(st.integers(1, 9), max_size=4),
    white=st.booleans(),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
    seed=SEED,
)
def test_a_reduced_network_is_trained_as_the_whole(ends, hidden, white, scale, seed):
    rng = np.random.default_rng(seed)
    widths = [ends[0], *hidden, ends[1]]
    frame_in = frame(rng, widths[0], widths[0])
    sigma_xx = None if white else frame_in * rng.choice([0.0, 0.5, 1.0, 1.0], widths[0]) @ frame_in.T
    seen = np.eye(widths[0]) if white else sigma_xx
    sigma_yx = scale * degenerate(rng, widths[-1], widths[0]) @ seen
    trace = None if white else 1e9 * scale**2
    task = Task(sigma_yx, sigma_xx, trace)
    size = scale ** (1 / (len(widths) - 1))
    start = [size * degenerate(rng, n, m) / 3 for m, n in itertools.pairwise(widths)]
    small = reduction.reduce(task, start)
    rate = 0.1 / size ** (2 * len(widths) - 4)
    moments = np.eye(small.widths[0]) if small.task.sigma_xx is None else small.task.sigma_xx
    lifted = small.lift(by_hand(small.task.sigma_yx, moments, small.weights, rate, 20))
    whole = by_hand(sigma_yx, seen, start, rate, 20)
    for a, b, w0 in zip(lifted, whole, start, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9 * size)
        assert a.shape == w0.shape


@covers(reduction.reduce_outputs)
@settings(deadline=None, max_examples=60)
@given(n_in=SIZE, n_out=st.integers(1, 12), hidden=SIZE, scale=st.sampled_from([1e-4, 1.0, 1e4]), seed=SEED)
def test_a_network_with_few_outputs_is_trained_as_the_whole(n_in, n_out, hidden, scale, seed):
    rng = np.random.default_rng(seed)
    task = Task(scale * degenerate(rng, n_out, n_in))
    start = [scale**0.5 * degenerate(rng, hidden, n_in) / 3, scale**0.5 * degenerate(rng, n_out, hidden) / 3]
    small_task, small = reduction.reduce_outputs(task, start)
    a = by_hand(small_task.sigma_yx, np.eye(n_in), small, 0.1 / scale, 20)
    b = by_hand(task.sigma_yx, np.eye(n_in), start, 0.1 / scale, 20)
    np.testing.assert_allclose(a[0], b[0], atol=1e-10 * scale**0.5)
    np.testing.assert_allclose(a[1].T @ a[1], b[1].T @ b[1], atol=1e-10 * scale)
    _, _, vt = np.linalg.svd(task.sigma_yx)
    found, wanted = (np.linalg.norm(of.sigma_yx @ vt.T, axis=0) for of in (small_task, task))
    np.testing.assert_allclose(found, wanted, atol=1e-12 * scale)


@covers(stability.largest_stable_rate, stability.best_learning_rate)
@settings(deadline=None, max_examples=60)
@given(depth=st.sampled_from([1, 2, 3, 7, 40]), s=st.floats(0.2, 3), power=st.integers(-6, 6))
def test_the_minimum_holds_up_to_the_largest_stable_rate_and_no_further(depth, s, power):
    s = s * 10.0**power if depth < 40 else s
    a = torch.full((depth,), s ** (1 / depth), dtype=torch.float64)
    matrix = torch.autograd.functional.hessian(lambda layers: (s - torch.prod(layers)) ** 2 / 2, a).numpy()
    largest = float(np.linalg.eigvalsh(matrix)[-1])
    np.testing.assert_allclose(stability.largest_stable_rate(s, depth), 2 / largest, rtol=1e-9)
    np.testing.assert_allclose(stability.best_learning_rate(s, depth), 1 / largest, rtol=1e-9)


@covers(stability.steps_to_learn)
@settings(deadline=None, max_examples=40)
@given(depth=DEPTH, start=st.floats(-12, -0.1), logit=st.floats(-5, 20), s=SCALE, fraction=st.floats(0.01, 0.9))
def test_steps_are_times_in_units_of_the_best_rate(depth, start, logit, s, fraction):
    x0, x = 10.0**start, 1 / (1 + math.exp(-logit))
    assume(x0 * 1.001 < x)
    # With tau = D s^(2 - 2/D) / fraction, s drops out of the number of steps.
    layers = 1.0 if math.isinf(depth) else depth
    wanted = integrated_time(x0, x, 1.0, depth, layers / fraction, 1.0)
    np.testing.assert_allclose(
        stability.steps_to_learn(x * s, s, x0 * s, depth, fraction), wanted, rtol=1e-9 + 1e-14 / (1 - x)
    )


@covers(pretraining.limit, pretraining.greedy)
@settings(deadline=None, max_examples=20)
@given(
    n_in=st.integers(2, 5),
    widths=st.lists(SIZE, min_size=1, max_size=3),
    scale=st.sampled_from([1e-8, 1.0, 1e8]),
    seed=SEED,
)
def test_pretraining_keeps_the_principal_components(n_in, widths, scale, seed):
    rng = np.random.default_rng(seed)
    basis = frame(rng, n_in, n_in)
    variances = np.array([4.0, 2.0, 1.0, 0.5, 0.0])[:n_in]
    task = Task(np.eye(1, n_in) * scale, scale * basis * variances @ basis.T, 1e9 * scale)
    kept = min([*widths, int(np.sum(variances > 0))])
    projector = basis[:, :kept] @ basis[:, :kept].T
    layers = pretraining.limit(task, [n_in, *widths], rng=0)
    np.testing.assert_allclose(dense(layers).T @ dense(layers), projector, atol=1e-9)
    found = pretraining.greedy(task, [n_in, *widths], rng=0, left=1e-9, scale=1e-4).weights
    root = basis * np.sqrt(variances) @ basis.T  # what it makes of the data: nothing is learned where they do not vary
    gram = root @ dense(found).T @ dense(found) @ root
    np.testing.assert_allclose(gram, root @ projector @ root, atol=2e-2)


def dense(layers):
    return np.linalg.multi_dot([*reversed(layers)]) if len(layers) > 1 else layers[0]


# initialization


@covers(initialization.balanced)
@settings(deadline=None, max_examples=60)
@given(n_out=SIZE, n_in=SIZE, imbalance=st.sampled_from([0.0, 0.3, -0.3, 1e3, -1e-6]), scale=SCALE, seed=SEED)
def test_balanced_starts_have_their_product_and_their_imbalance(n_out, n_in, imbalance, scale, seed):
    rng = np.random.default_rng(seed)
    w0 = degenerate(rng, n_out, n_in)
    hidden = min(n_out, n_in)
    w1, w2 = (w / scale**0.5 for w in initialization.balanced(w0 * scale, imbalance * scale, seed, hidden))
    size = np.abs(w0).max() + abs(imbalance)
    np.testing.assert_allclose(w2 @ w1, w0, atol=1e-12 * size)
    np.testing.assert_allclose(w2.T @ w2 - w1 @ w1.T, imbalance * np.eye(hidden), atol=1e-12 * size)


@covers(initialization.orthogonal, initialization.gaussian, initialization.glorot)
@settings(deadline=None, max_examples=30)
@given(widths=st.lists(st.integers(1, 7), min_size=2, max_size=4), scale=SCALE, seed=SEED)
def test_random_starts_have_their_law(widths, scale, seed):
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    for w, shape in zip(initialization.orthogonal(widths, seed, gain=scale), shapes, strict=True):
        assert w.shape == shape
        np.testing.assert_allclose(np.linalg.svd(w).S, scale, rtol=1e-13)
    wide = [40, *(20 * n for n in widths)]  # so that there is something to count
    for layers, variances in (
        (initialization.gaussian(wide, scale, seed), [scale**2] * len(wide)),
        (initialization.glorot(wide, seed), [2 / (n + m) for n, m in zip(wide[1:], wide[:-1], strict=True)]),
    ):
        for w, variance in zip(layers, variances, strict=False):
            # Two-sided at one in 10^12 for each matrix: of all that this will ever draw, none outside.
            low, high = scipy.stats.chi2.interval(1 - 1e-12, w.size)
            assert low < np.sum((w / math.sqrt(variance)) ** 2) < high
            assert abs(w.mean()) < 7.2 * math.sqrt(variance / w.size)


@covers(initialization.from_torch)
@settings(deadline=None, max_examples=20)
@given(widths=st.lists(SIZE, min_size=2, max_size=5), kind=st.integers(0, 4), seed=SEED)
def test_weights_from_torch_are_those_of_its_network(widths, kind, seed):
    torch.manual_seed(seed % 2**31)
    linear = [torch.nn.Linear(m, n, bias=False, dtype=torch.float64) for m, n in itertools.pairwise(widths)]
    network = torch.nn.Sequential(linear[0], torch.nn.Identity(), torch.nn.Sequential(*linear[1:]))
    if kind == 4:
        network.bfloat16()
    sources = network, network.state_dict(), network.parameters(), list(network.parameters()), network
    weights = initialization.from_torch(sources[kind])
    network.double()
    x = torch.randn(widths[0], dtype=torch.float64)
    np.testing.assert_allclose(dense(weights) @ x.numpy(), network(x).detach().numpy(), atol=1e-13)
    for w, layer in zip(weights, linear, strict=True):
        before = layer.weight.detach().numpy().copy()
        w += 1  # a copy
        np.testing.assert_array_equal(layer.weight.detach().numpy(), before)


@covers(initialization.stack)
@settings(deadline=None, max_examples=20)
@given(widths=st.lists(SIZE, min_size=2, max_size=4), n=SIZE, seed=SEED)
def test_a_stack_holds_its_starts(widths, n, seed):
    starts = [initialization.gaussian(widths, 1.0, seed + i) for i in range(n)]
    for i, layer in enumerate(initialization.stack(starts)):
        assert layer.tolist() == [start[i].tolist() for start in starts]


# isometry


@covers(isometry.log_singular_values, isometry.log_eigenvalues)
@settings(deadline=None, max_examples=30)
@given(width=SIZE, n=st.sampled_from([1, 2, 5, 40]), scale=SCALE, seed=SEED)
def test_spectra_of_products_are_those_of_200_digits(width, n, scale, seed):
    factors = [scale * f for f in np.random.default_rng(seed).standard_normal((n, width, width))]
    with mpmath.workdps(200):
        product = mpmath.eye(width)
        for f in factors:
            product = mpmath.matrix(f.tolist()) * product
        gram = mpmath.eigsy(product.T * product, eigvals_only=True)
        singular = sorted((float(mpmath.log(x) / 2) for x in gram), reverse=True)
        values = mpmath.eig(product, left=False, right=False) if width > 1 else product
        size = sorted((float(mpmath.log(abs(z))) for z in values), reverse=True)
    np.testing.assert_allclose(isometry.log_singular_values(factors), singular, atol=1e-9)
    np.testing.assert_allclose(isometry.log_eigenvalues(factors).real, size, atol=1e-5)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


@covers(isometry.fuss_catalan_moment, isometry.fuss_catalan_density, isometry.fuss_catalan_cdf)
@settings(deadline=None, max_examples=30)
@given(n=st.sampled_from([1, 2, 3, 10, 30]), k=st.integers(1, 6), fraction=st.floats(0.001, 0.999))
def test_fuss_catalan_laws_belong_together(n, k, fraction):
    # The moments are the coefficients of the power series F = 1 + z F^(n + 1).
    series = [Fraction(1)]
    for _ in range(k):
        power = [Fraction(1)]
        for _ in range(n + 1):
            product = [Fraction(0)] * k
            for i, j in itertools.product(range(len(power)), range(len(series))):
                if i + j < k:
                    product[i + j] += power[i] * series[j]
            power = product
        series = [Fraction(1), *power][: k + 1]
    found = isometry.fuss_catalan_moment(k, n)
    assert found == series[k] and isinstance(found, int)

    top = (n + 1) ** (n + 1) / n**n
    x, edge = fraction * top, ((n + 1) ** (n + 1) / n**n) ** (1 / (n + 1))

    # In w, where x^(1 / (n + 1)) = edge (1 - w^2), the density is smooth down to 0 and up to the edge.
    def integral(first, f):
        w = first + (1 - first) * (NODES + 1) / 2
        y = edge * (1 - w**2)
        weighted = y**n * (n + 1) * isometry.fuss_catalan_density(y ** (n + 1), n)
        return (1 - first) / 2 * WEIGHTS @ (weighted * f(y) * 2 * edge * w)

    below = integral(math.sqrt(1 - fraction ** (1 / (n + 1))), np.ones_like)
    np.testing.assert_allclose(isometry.fuss_catalan_cdf(x, n), below, atol=1e-8)
    moment = integral(0.0, lambda y: (y ** (n + 1) / top) ** k)
    np.testing.assert_allclose(moment, float(series[k] / Fraction(top) ** k), rtol=1e-6)


@covers(isometry.eigenvalue_cdf, isometry.eigenvalues_in_square)
@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 100), side=st.floats(0.01, 2.2), seed=SEED)
def test_eigenvalues_of_products_are_powers_of_uniform_ones_in_the_disc(n, side, seed):
    # A product of n independent matrices has, at infinite size, eigenvalues like the n-th power of a single one's.
    rng, draws = np.random.default_rng(seed), 20_000
    radius = np.sqrt(rng.random(draws)) ** n
    angle = 2 * math.pi * rng.random(draws)
    # Kolmogorov's bound and Hoeffding's, each for a failure in 10^12.
    bound = math.sqrt(math.log(2e12) / (2 * draws))
    assert scipy.stats.ks_1samp(radius, lambda r: isometry.eigenvalue_cdf(r, n)).statistic < bound
    assert isometry.eigenvalue_cdf([-0.5, 0.0, 1.0, 3.0], n).tolist() == [0.0, 0.0, 1.0, 1.0]
    inside = np.maximum(np.abs(radius * np.cos(angle)), np.abs(radius * np.sin(angle))) < side / 2
    assert abs(inside.mean() - isometry.eigenvalues_in_square(side, n)) < bound


@covers(isometry.lyapunov_exponents)
@settings(deadline=None, max_examples=10)
@given(width=st.integers(1, 60))
def test_lyapunov_exponents_are_mean_logarithms_of_chi(width):
    # The i-th diagonal entry of R in the QR decomposition of a Gaussian matrix is chi-distributed.
    found = isometry.lyapunov_exponents(width)
    for k in {width, (width + 1) // 2, 1}:
        with mpmath.workdps(20):
            # y = ln(chi) has the density exp(k y - exp(2 y) / 2) up to a factor.
            factor = 2 ** (k / mpmath.mpf(2) - 1) * mpmath.gamma(k / mpmath.mpf(2))
            edges = [-60 / k - 3, -3, 0, *(math.log(k) / 2 + step for step in (0, 1, 3))]
            mean = mpmath.quad(lambda y, k=k: y * mpmath.exp(k * y - mpmath.exp(2 * y) / 2), sorted(edges)) / factor
        np.testing.assert_allclose(found[width - k], float(mean) - math.log(width) / 2, atol=1e-8)


@covers(initialization.random_factors)
@settings(deadline=None, max_examples=20)
@given(width=st.sampled_from([1, 2, 30]), n=SIZE, seed=SEED)
def test_factors_are_orthogonal_or_have_variance_one_over_width(width, n, seed):
    for q in initialization.random_factors(width, n, seed, "orthogonal"):
        np.testing.assert_allclose(q @ q.T, np.eye(width), atol=1e-13)
    drawn = np.array(list(initialization.random_factors(width, n, seed)))
    assert drawn.shape == (n, width, width)
    low, high = scipy.stats.chi2.interval(1 - 1e-12, drawn.size)
    assert low < width * np.sum(drawn**2) < high


# meanfield


def gaussian_mean(f):
    """The mean of f(z) for a standard normal z, by the integrator."""
    pieces = np.arange(-40.0, 41.0, 2.0)
    return sum(
        scipy.integrate.quad(lambda z: math.exp(-z * z / 2) * f(z), a, b, epsabs=1e-14, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(pieces)
    ) / math.sqrt(2 * math.pi)


PHI = st.sampled_from(  # with their slopes
    [(np.tanh, lambda x: 1 / np.cosh(x) ** 2), (lambda x: np.arctan(2 * x), lambda x: 2 / (1 + 4 * x * x))]
)


@covers(meanfield.variance_map, meanfield.gradient_gain)
@settings(deadline=None, max_examples=30)
@given(q=st.sampled_from([0.0, 1e-8, 30.0]) | st.floats(1e-6, 20), gain=MILD, phi=PHI)
def test_variances_and_slopes_are_gaussian_means(q, gain, phi):
    function, slope = phi
    root = math.sqrt(q)
    wanted = gain**2 * gaussian_mean(lambda z: float(function(root * z)) ** 2)
    np.testing.assert_allclose(meanfield.variance_map(q, gain, function), wanted, rtol=1e-10)
    wanted = gain**2 * gaussian_mean(lambda z: float(slope(root * z)) ** 2)
    np.testing.assert_allclose(meanfield.gradient_gain(q, gain, slope=slope), wanted, rtol=1e-10)


@covers(meanfield.critical_gain, meanfield.fixed_variance)
@settings(deadline=None, max_examples=20)
@given(above=st.floats(-0.9, 1.5), phi=PHI)
def test_the_fixed_point_is_where_signals_go(above, phi):
    function, slope = phi
    critical = meanfield.critical_gain(function)
    np.testing.assert_allclose(critical, 1 / slope(0.0), rtol=1e-9)
    gain = critical * (1 + above)
    fixed = meanfield.fixed_variance(gain, function)
    assert (fixed > 0) == (gain > critical * (1 + 1e-9))
    if above > 0.02:
        root = math.sqrt(fixed)
        np.testing.assert_allclose(gain**2 * gaussian_mean(lambda z: float(function(root * z)) ** 2), fixed, rtol=1e-7)
        below = gain**2 * gaussian_mean(lambda z: float(function(0.9 * root * z)) ** 2)
        assert below > 0.81 * fixed  # from there it grows


@covers(networks.propagate, networks.jacobian_factors, meanfield.tanh_slope)
@settings(deadline=None, max_examples=30)
@given(width=SIZE, depth=st.integers(1, 4), gain=st.floats(0.2, 2), seed=SEED)
def test_states_and_their_jacobian_are_those_of_autograd(width, depth, gain, seed):
    x = np.random.default_rng(seed).standard_normal(width)
    weights = [torch.tensor(w) for w in initialization.random_factors(width, depth, seed, "orthogonal")]

    def network(state):
        for w in weights:
            state = gain * w @ torch.tanh(state)
        return state

    states = networks.propagate(x, gain, depth, seed)
    np.testing.assert_allclose(states[-1], network(torch.tensor(x)).numpy(), atol=1e-13)
    jacobian = torch.autograd.functional.jacobian(network, torch.tensor(x)).numpy()
    factors = list(networks.jacobian_factors(x, gain, depth, seed, slope=meanfield.tanh_slope))
    np.testing.assert_allclose(dense(factors), jacobian, atol=1e-12)


# nothing is left out


def core():
    for function in public_callables():
        if function.__module__.split(".")[1] in CORE and function.__name__ not in RECORDS and function not in NO_ROW:
            yield unbound(function)


def test_every_function_of_the_core_has_an_oracle():
    covered = {unbound(key): test for key, test in COVERED.items()}
    for function in sorted({*core()}, key=lambda function: function.__qualname__):
        module, name = covered[function].split(".")
        test = getattr(importlib.import_module(module), name)
        assert test.is_hypothesis_test and function.__name__ in used(test.hypothesis.inner_test.__code__), function


def used(code):
    """The names that a function's body uses: not those in its decorators or comments."""
    inner = [constant for constant in code.co_consts if inspect.iscode(constant)]
    return {*code.co_names}.union(*map(used, inner))
