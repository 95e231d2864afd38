"""The test error of few examples against random matrices, quadrature, and what is known exactly at finite size."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import exact

ALPHA = st.sampled_from([0.05, 0.3, 0.9, 0.99, 1.0, 1.01, 1.5, 5.0, 100.0])
LEVEL = st.floats(0.05, 5)
SIZE = st.integers(1, 40)
repeatable = settings(derandomize=True, deadline=None, max_examples=20)


def by_quadrature(f, alpha):
    """The mean of f over the law of Marchenko and Pastur, in its textbook form, and the share of zeros."""
    c = 1 / mpmath.mpf(alpha)
    low, high = (1 - mpmath.sqrt(c)) ** 2, (1 + mpmath.sqrt(c)) ** 2
    density = lambda x: mpmath.sqrt((high - x) * (x - low)) / (2 * mpmath.pi * c * x)  # noqa: E731
    middle = low + (high - low) * mpmath.mpf("0.01")
    return mpmath.quad(lambda x: f(x) * density(x), [low, middle, high]), max(0, 1 - 1 / c)


@repeatable
@given(alpha=ALPHA, t=st.sampled_from([0.0, 0.1, 1.0, 7.0, 300.0]), noise=LEVEL, signal=LEVEL, start=LEVEL)
def test_stopped_error_is_the_integral_over_the_law(alpha, t, noise, signal, start):
    assume(alpha != 1.0 or t < 50)  # there mpmath is slow to see the edge at zero

    def missed(x):
        decay = mpmath.exp(-x * t)
        return (signal**2 + start**2) * decay**2 + noise**2 / (alpha * x) * (1 - decay) ** 2

    seen, unseen = by_quadrature(missed, alpha)
    wanted = (noise**2 + seen + unseen * (signal**2 + start**2)) / 2
    np.testing.assert_allclose(exact.stopped_error(t, alpha, noise, signal, start), float(wanted), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.99, 0.999, 1.0, 1.001, 1.003, 1.01])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_as_many_examples_as_inputs_or_nearly_so_are_no_harder(alpha, noise):
    """Against fifty times as many steps as suffice elsewhere; there the density nearly has a pole at zero."""
    angle, t = np.pi * (np.arange(100_000) + 0.5) / 100_000, np.array([0.0, 30.0, 1e3, 1e6])
    lam = (1 - alpha**-0.5) ** 2 + 4 * alpha**-0.5 * np.cos(angle / 2) ** 2
    density = 2 / len(angle) * np.sin(angle) ** 2 / lam
    wanted = [(np.exp(-lam * x) ** 2 + (noise * np.expm1(-lam * x)) ** 2 / (alpha * lam)) @ density for x in t]
    wanted = (noise**2 + np.array(wanted) + max(0, 1 - alpha)) / 2
    np.testing.assert_allclose(exact.stopped_error(t, alpha, noise), wanted, rtol=3e-12, atol=5e-16)
    for level in (1e-3, 1e4):  # late, and very soon
        best = exact.best_stopping_time(alpha, level)
        late, soon = -np.expm1(-lam * best) * level**2 / alpha, -lam * np.exp(-lam * best)
        weight = density * np.exp((lam.min() - lam) * best)
        assert abs(weight @ (late + soon)) < 1e-9 * (weight @ (late - soon))


@pytest.mark.parametrize("alpha", [2.0, 0.5])
def test_the_correction_is_that_of_the_inverse_wishart_matrix(alpha):
    """E tr S^-1 is known at every size; what the correction leaves goes as 1 / N^2."""
    left = []
    for n in (100, 200):
        p = round(alpha * n)
        wanted = min(n, p) / (abs(p - n) - 1)  # mean of what noise adds, per unit of its variance
        left.append(2 * exact.stopped_error(1e4, alpha, 1.0, 0.0, n_in=n) - 1 - wanted)
        limit = 2 * exact.stopped_error(1e4, alpha, 1.0, 0.0) - 1 - wanted
        assert abs(left[-1]) < 0.05 * abs(limit)
    np.testing.assert_allclose(left[0] / left[1], 4, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("p", [15, 30, 60])
def test_stopped_error_is_the_mean_over_random_examples(p):
    n, rng, t = 30, np.random.default_rng(p), np.array([0.3, 1.0, 4.0])
    x = rng.standard_normal((4000, p, n))
    lam, vectors = np.linalg.eigh(np.swapaxes(x, 1, 2) @ x / p)
    noise = np.squeeze(np.swapaxes(vectors, 1, 2) @ np.swapaxes(x, 1, 2) @ rng.standard_normal((4000, p, 1)), -1) / p
    gap = rng.standard_normal((4000, n)) / math.sqrt(n)  # teacher less start, of length one
    decay = np.exp(-t[:, None, None] * np.maximum(lam, 0))
    learned = np.where(lam > 1e-9, (1 - decay) / np.where(lam > 1e-9, lam, 1), 0)
    errors = 0.5 + np.sum((gap * decay - 1.0 * noise * learned) ** 2, axis=-1) / 2
    wanted = exact.stopped_error(t, p / n, 1.0, 0.6, 0.8, n_in=n)
    scatter = errors.std(axis=1) / math.sqrt(4000)
    assert (np.abs(errors.mean(axis=1) - wanted) < 3 * scatter).all() and (scatter < 0.005 * wanted).all()


@repeatable
@given(alpha=ALPHA, noise=LEVEL, signal=LEVEL, start=st.floats(0, 3))
def test_no_time_is_better_than_the_best(alpha, noise, signal, start):
    best = exact.best_stopping_time(alpha, noise, signal, start)
    error = exact.stopped_error(best * np.array([0.999, 1.0, 1.001]), alpha, noise, signal, start)
    everywhere = exact.stopped_error(np.geomspace(1e-3, 1e3, 200) * best, alpha, noise, signal, start)
    assert error[1] <= min(error[0], error[2]) * (1 + 1e-14) and error[1] <= everywhere.min() * (1 + 1e-12)


@repeatable
@given(alpha=ALPHA, gamma=st.floats(1e-3, 10), noise=LEVEL)
def test_ridge_on_white_inputs_is_its_filter_under_the_law(alpha, gamma, noise):
    n = 100
    seen, unseen = by_quadrature(lambda x: (gamma**2 + noise**2 * x / alpha) / (x + gamma) ** 2, alpha)
    found = exact.ridge_error(gamma, np.ones(n), np.full(n, 1 / n), noise, round(alpha * n))
    np.testing.assert_allclose(found, float(noise**2 + seen + unseen) / 2, rtol=1e-9)


def test_the_best_ridge_is_better_than_its_neighbours_and_than_stopping():
    n, p, noise, power = 400, 600, 0.7, np.full(400, 1 / 400)
    best = noise**2 * n / p
    errors = [exact.ridge_error(best * factor, np.ones(n), power, noise, p) for factor in (0.9, 1.0, 1.1)]
    stopped = exact.stopped_error(exact.best_stopping_time(p / n, noise), p / n, noise)
    assert errors[1] < min(errors[0], errors[2]) and errors[1] < stopped < 1.02 * errors[1]


def test_ridge_at_zero_is_least_squares_or_the_shortest_map():
    n = 50
    white, power = np.ones(n), np.full(n, 1 / n)
    np.testing.assert_allclose(2 * exact.ridge_error(0.0, white, power, 1.0, 250), 1 + 0.25)
    np.testing.assert_allclose(2 * exact.ridge_error(0.0, white, power, 1.0, 10), 1 + 0.25 + 0.8)
    assert exact.ridge_error(0.0, white, power, 1.0, 50) == math.inf
    np.testing.assert_allclose(2 * exact.ridge_error(1e9, white, power, 1.0, 50), 2)  # nothing but the zero map is left
    padded = exact.ridge_error(0.1, np.append(white, 0), np.append(power, 7.0), 1.0, 70)
    assert padded == exact.ridge_error(0.1, white, power, 1.0, 70)  # inputs that are always zero


@pytest.mark.slow
def test_ridge_error_is_the_mean_over_random_examples_of_any_colour():
    rng, n, p, gamma = np.random.default_rng(0), 200, 150, 0.02
    lam, power = np.arange(1.0, n + 1) ** -1.0, np.arange(1.0, n + 1) ** -0.5
    w, errors = np.sqrt(power), []
    for _ in range(300):
        x = rng.standard_normal((p, n)) * np.sqrt(lam)
        y = x @ w + 0.5 * rng.standard_normal(p)
        found = np.linalg.solve(x.T @ x / p + gamma * np.eye(n), x.T @ y / p)
        errors.append(0.125 + np.sum(lam * (w - found) ** 2) / 2)
    wanted, scatter = exact.ridge_error(gamma, lam, power, 0.5, p), np.std(errors) / math.sqrt(300)
    assert abs(np.mean(errors) - wanted) < 3 * scatter + 2e-3 * wanted and scatter < 0.01 * wanted


@repeatable
@given(s=st.floats(0.05, 30), n_out=SIZE, n_in=SIZE, noise=st.floats(0.01, 10))
def test_a_noisy_mode_solves_the_secular_equation(s, n_out, n_in, noise):
    """A visible mode's strength is where s^2 a(x) b(x) = 1, with traces of the noise's resolvents by quadrature."""
    unit, ratio = noise * math.sqrt(n_in), n_out / n_in
    (strength,), (output,), (into,) = exact.noisy_modes([s * unit], (n_out, n_in), noise)
    np.testing.assert_allclose(strength / unit, wanted_strength(s, ratio), rtol=1e-12)
    assert (output == into == 0) == (s <= ratio**0.25)
    if s > 1.05 * ratio**0.25:
        x2 = (strength / unit) ** 2
        squares = lambda f: sum(np.multiply(by_quadrature(f, 1 / ratio), (1, f(0))))  # noqa: E731  # of n_out values
        trace = float(squares(lambda x: 1 / (x2 - x)))
        a, b = math.sqrt(x2) * trace, math.sqrt(x2) * (ratio * trace + (1 - ratio) / x2)
        np.testing.assert_allclose(s**2 * a * b, 1, rtol=1e-8)
        slope = -float(squares(lambda x: 1 / (x2 - x) ** 2))  # of the trace, by x^2
        da = trace + 2 * x2 * slope  # of a, by x
        db = ratio * da - (1 - ratio) / x2
        for overlap, own in ((output, a), (into, b)):
            np.testing.assert_allclose(overlap**2, -2 * own / (s**2 * (a * db + b * da)), rtol=1e-7)


def wanted_strength(s, ratio):
    s = max(s, ratio**0.25)
    return math.sqrt((1 + s * s) * (ratio + s * s)) / s


@repeatable
@given(
    s=st.lists(st.floats(0.1, 6), min_size=1, max_size=3, unique_by=lambda s: round(s, 1)),
    shape=st.tuples(st.integers(4, 60), st.integers(4, 60)),
    scale=st.floats(0, 2),
    spread=st.floats(1, 3),
    share=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    part=st.floats(0.1, 1),
)
def test_a_filter_that_scales_needs_no_random_matrices(s, shape, scale, spread, share, part):
    """For u = scale s, the mean error is known at every size, from the moments of the noise alone."""
    noise, s, share = shape[1] ** -0.5, np.array(s), share[: len(s)]
    ratio = shape[0] / shape[1]
    assume(np.min(np.abs(s - ratio**0.25)) > 0.02)  # at the threshold the sums of poles converge slowly
    found = exact.excess_error(lambda x: scale * x, s, shape, noise, spread=spread, share=share, part=part)
    wanted = ((1 - scale) ** 2 * (share @ s**2) + scale**2 * part * spread * shape[0]) / 2
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


@repeatable
@given(n_out=st.integers(2, 60), n_in=st.integers(2, 60))
def test_noise_alone_adds_its_fourth_moment_with_the_term_of_finite_size(n_out, n_in):
    """E tr (G G^T)^2 = n_out n_in (n_out + n_in + 1), of which the law knows all but the last term."""
    found = exact.excess_error(np.square, [1e-9], (n_out, n_in), n_in**-0.5)
    np.testing.assert_allclose(found, n_out * (n_out + n_in + 1) / n_in / 2, rtol=1e-5 / (n_out + n_in))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(60, 150), (150, 60)])
def test_excess_error_is_the_mean_over_noisy_data(shape):
    s, noise, rng = np.array([3.0, 1.8, 0.4]), 150**-0.5, np.random.default_rng(1)
    w, errors = np.zeros(shape), []
    w[range(3), range(3)] = s
    learned = lambda x: np.stack([0.6 * x, x**2 / (1 + x)])  # noqa: E731
    for _ in range(400):
        u, values, vt = np.linalg.svd(w + noise * rng.standard_normal(shape), full_matrices=False)
        maps = (u * learned(values)[:, None]) @ vt
        errors.append(np.sum((maps - w) ** 2, axis=(1, 2)) / 2)
    mean, scatter = np.mean(errors, axis=0), np.std(errors, axis=0) / 20
    wanted = exact.excess_error(learned, s, shape, noise)
    assert (np.abs(mean - wanted) < 3 * scatter + 1e-3 * wanted).all() and (scatter < 2e-3 * wanted).all()


@pytest.mark.slow
def test_excess_error_on_some_outputs_of_whitened_random_examples():
    """Half of the outputs, which have all of one mode and a third of the other; inputs whitened on P = 3 N examples."""
    n, p, rng = 120, 360, np.random.default_rng(2)
    w, errors = np.zeros((60, n)), []
    w[[0, 40], [0, 1]], w[1, 1] = [1.0, 0.6 * math.sqrt(2 / 3)], 0.6 * math.sqrt(1 / 3)
    learned = lambda x: np.where(x > 0.5, 0.8 * x, 0.1 * x)  # noqa: E731  # the edge of the bulk is at 0.34
    for _ in range(200):
        x = rng.standard_normal((p, n))
        _, spread, right = np.linalg.svd(x / math.sqrt(p), full_matrices=False)
        noisy = (w @ (right.T * spread) + 0.2 * math.sqrt(10 / p) * rng.standard_normal((60, n))) @ right
        u, values, vt = np.linalg.svd(noisy, full_matrices=False)
        maps = (u * learned(values)) @ vt @ (right.T / spread) @ right
        errors.append(np.sum((maps - w)[:30] ** 2) / 2)
    entry = 0.2 * math.sqrt(10 / p)
    wanted = exact.excess_error(
        learned, [1.0, 0.6], (60, n), entry, spread=p / (p - n - 1), share=[1.0, 1 / 3], part=0.5
    )
    scatter = np.std(errors) / math.sqrt(200)
    assert abs(np.mean(errors) - wanted) < 3 * scatter + 0.01 * wanted and scatter < 0.01 * wanted


def test_a_mode_that_is_learned_as_it_should_be_leaves_what_is_turned():
    s, shape, noise = np.array([2.0, 0.9]), (50, 100), 0.1
    strength, output, into = exact.noisy_modes(s, shape, noise)
    table = dict(zip(strength, s * output * into, strict=True))
    found = exact.excess_error(lambda x: np.array([table.get(value, 0.0) for value in x]), s, shape, noise)
    np.testing.assert_allclose(found, np.sum(s**2 * (1 - (output * into) ** 2)) / 2)
    both = exact.excess_error(lambda x: 0.5 * x, s, shape, noise, share=0.5, part=0.5)
    np.testing.assert_allclose(both, exact.excess_error(lambda x: 0.5 * x, s, shape, noise) / 2, rtol=1e-12)


def test_spread_weighs_what_the_noise_puts_into_directions_of_the_inputs():
    s, shape, noise = np.array([3.0, 2.0]), (40, 60), 60**-0.5
    strength, _, into = exact.noisy_modes(s, shape, noise)
    above = lambda x: np.where(x > 1.9, x, 0.0)  # noqa: E731  # the edge of the bulk is at 1.82
    one, three = (exact.excess_error(above, s, shape, noise, spread=spread) for spread in (1, 3))
    np.testing.assert_allclose(three - one, np.sum(strength**2 * (1 - into**2)), rtol=1e-12)
    nothing = [exact.excess_error(lambda x: 0.5 * x, [1e-9], shape, noise, spread=spread) for spread in (1, 3)]
    np.testing.assert_allclose(nothing, [5, 15], rtol=1e-6)  # 0.5^2 n_out / 2, and three times that


def test_filters_side_by_side_are_each_by_itself():
    s, shape, noise = np.array([3.0, 2.0, 0.3]), (40, 60), 60**-0.5
    filters = [lambda x: 0.6 * x, lambda x: x**2 / (1 + x), np.sqrt]
    together = exact.excess_error(lambda x: np.stack([u(x) for u in filters]), s, shape, noise)
    np.testing.assert_allclose(together, [exact.excess_error(u, s, shape, noise) for u in filters], rtol=1e-12)


def test_wrong_shapes_are_refused():
    assert_refused(
        (lambda: exact.noisy_modes([1.0], (3, 0), 0.1), "^shape was 0; it must be a whole number of at least 1$"),
        (lambda: exact.noisy_modes([1.0], 3, 0.1), r"^shape was 3; it must be a pair \(n_out, n_in\)$"),
        (lambda: exact.ridge_error(0.1, [1.0, 2.0], [1.0], 0.1, 5), "^power held 1 numbers and variances 2"),
        (
            lambda: exact.excess_error(lambda s: 1.0, [1.0], (3, 4), 0.1),
            r"^learned gave shape \(\) for 2000 strengths; ",
        ),
        (lambda: exact.excess_error(np.sqrt, [1.0], (3, 4), 0.1, share=[[1.0], [1.0]]), r"^share had shape \(2, 1\); "),
    )
