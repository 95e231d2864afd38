"""Weight decay, against an integrator, polynomial roots, and brute force on the loss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from scipy.integrate import solve_ivp

from dlnlib import exact, initialization

repeatable = settings(derandomize=True, deadline=None, max_examples=25)


@repeatable
@given(s=st.floats(0.1, 5), share=st.floats(0, 1.5), depth=st.integers(2, 8))
def test_decayed_strength_is_the_largest_root(s, share, depth):
    decay = share * exact.decay_threshold(s, depth)
    if abs(share - 1) < 1e-3:
        return
    polynomial = np.zeros(2 * depth - 1)  # -a^(2D - 2) + s a^(D - 2) - decay
    polynomial[0], polynomial[depth] = -1, s
    polynomial[-1] -= decay
    roots = np.roots(polynomial)
    real = roots[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)].real
    largest = np.max(real, initial=0.0) ** depth if share < 1 else 0.0
    np.testing.assert_allclose(exact.decayed_strength(s, decay, depth), largest, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("depth", [2, 2.5, 3, 6, 100])
def test_decay_threshold_is_the_highest_point_of_what_decay_must_equal(depth):
    a = np.linspace(0, 1, 2_000_001)[1:] * 1.7 ** (1 / depth)
    np.testing.assert_allclose(
        exact.decay_threshold(1.7, depth), (a ** (depth - 2) * (1.7 - a**depth)).max(), rtol=1e-9, atol=1e-6
    )


def test_nothing_of_a_mode_is_left_beyond_the_threshold():
    for depth in (2, 3, 4):
        c = exact.decay_threshold(1.0, depth)
        below, above = exact.decayed_strength(1.0, [0.999 * c, 1.001 * c], depth)
        assert above == 0 and abs(below - (depth - 2) / (2 * depth - 2)) < 0.05


def test_balanced_flow_with_decay_against_an_integrator():
    rng = np.random.default_rng(0)
    sigma = rng.standard_normal((3, 4))
    start = initialization.balanced(0.3 * rng.standard_normal((3, 4)), 0.0, rng=1, hidden=5)
    t = np.linspace(0, 4, 9)

    def velocity(_, flat):
        w1, w2 = flat[:20].reshape(5, 4), flat[20:].reshape(3, 5)
        error = sigma - w2 @ w1
        return np.concatenate([(w2.T @ error - 0.7 * w1).ravel(), (error @ w1.T - 0.7 * w2).ravel()]) / 2

    flat = solve_ivp(
        velocity, (0, 4), np.concatenate([w.ravel() for w in start]), "DOP853", t, rtol=1e-11, atol=1e-13
    ).y
    maps = [w[20:].reshape(3, 5) @ w[:20].reshape(5, 4) for w in flat.T]
    flow = exact.balanced_flow(t, sigma, *start, tau=2.0, decay=0.7)
    np.testing.assert_allclose(flow.map, maps, atol=1e-9)
    u, s, vt = np.linalg.svd(sigma, full_matrices=False)
    end = exact.balanced_flow(500.0, sigma, *start, decay=0.7).map
    np.testing.assert_allclose(end, u * np.maximum(s - 0.7, 0) @ vt, atol=1e-12)


def test_balanced_flow_with_decay_needs_layers_of_the_same_size():
    assert_refused((lambda: exact.balanced_flow(1.0, [[1.0]], [[0.5]], [[1.0]], decay=0.1), "decay was 0.1"))
