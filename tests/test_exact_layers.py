"""Unequal layers against an integrator of the layer equations, and against 50-digit arithmetic."""

import math

import mpmath as mp
import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from scipy.integrate import solve_ivp

from dlnlib import exact

repeatable = settings(derandomize=True, deadline=None, max_examples=25)
strength = st.floats(-3, 3).map(lambda x: round(x, 3))


def integrate(layers0, s, t, tau=1.0, variance=1.0):
    """The layer equations at rtol 1e-12."""

    def velocity(_, a):
        others = np.cumprod([1, *a[:-1]]) * np.cumprod([1, *a[:0:-1]])[::-1]
        return others * (s - variance * np.prod(a)) / tau

    return solve_ivp(velocity, (0, t[-1]), layers0, "DOP853", t, rtol=1e-12, atol=1e-15).y.T


@repeatable
@given(a0=strength, b0=strength, s=st.floats(0.1, 4), tau=st.floats(0.3, 3), variance=st.floats(0.3, 3))
@example(a0=0.7, b0=0.7 - 1e-14, s=1.0, tau=1.0, variance=1.0)
@example(a0=0.7, b0=-0.7 + 1e-9, s=1.0, tau=1.0, variance=1.0)
@example(a0=0.0, b0=2.0, s=1.0, tau=1.0, variance=1.0)
@example(a0=-2.0, b0=0.3, s=1.0, tau=1.0, variance=1.0)
def test_unbalanced_mode_in_every_quadrant(a0, b0, s, tau, variance):
    t = np.linspace(0, 3 * tau / s, 7)
    a, b = exact.unbalanced_mode(t, s, a0, b0, tau, input_variance=variance)
    if a0 + b0 != 0:  # an integrator leaves the stable manifold; it has a test of its own
        np.testing.assert_allclose(
            np.stack([a, b], -1), integrate([a0, b0], s, t, tau, variance), rtol=1e-9, atol=1e-10
        )
    np.testing.assert_allclose(a * a - b * b, a0 * a0 - b0 * b0, atol=1e-13 * (1 + a0 * a0 + b0 * b0))
    early = (np.abs(a * b * variance / s - 1) > 1e-3) & (a0 + b0 != 0)
    times = exact.unbalanced_time((a * b)[early], s, a0, b0, tau, input_variance=variance)
    np.testing.assert_allclose(times, t[early], rtol=1e-10, atol=1e-11 * tau)


def test_unbalanced_mode_to_all_digits_by_the_hyperbolic_solution():
    """tau dth/dt = 2s - c sinh th, integrated at 50 digits: exact in th, so small c and small b keep all digits."""
    for c in (1e-14, -1e-14, 1e-8, 0.3, -0.3, 50.0, 1e4, -1e4):
        with mp.workdps(50):
            a0 = math.sqrt(max(c, 0) + 1e-4)
            b0 = math.sqrt(max(-c, 0) + 1e-4)
            a, b, s = mp.mpf(a0), mp.mpf(b0), mp.mpf(1.3)
            exact_c = a * a - b * b
            product = (a + b) ** 2
            for t in (0.1, 1.0, 4.0, 30.0):
                theta = mp.log(product / abs(exact_c))  # P = |c| exp(th)
                sign, r = mp.sign(exact_c), mp.sqrt(exact_c**2 + 4 * s * s)
                slope = abs(exact_c)

                def progress(th, slope=slope, r=r, s=s):
                    w = (2 * s * mp.tanh(th / 2) + slope) / r
                    return mp.log((1 + w) / (1 - w)) / r

                w = mp.tanh(r * (mp.mpf(t) + progress(theta)) / 2)
                later = 2 * mp.atanh((w * r - slope) / (2 * s))
                large, small = mp.sqrt(slope) * mp.cosh(later / 2), mp.sqrt(slope) * mp.sinh(later / 2)
                expected = (large, small) if sign > 0 else (small, large)
                ours = exact.unbalanced_mode(t, 1.3, a0, b0)
                assert all(abs(x / y - 1) < 1e-13 for x, y in zip(ours, expected, strict=True))


SCALES = [-75, -30, 0, 30, 75]


def with_many_digits(t, s, a0, b0):
    """The layers at time t, in mpmath's precision, so that nothing that cancels in the closed form matters."""
    p0, n0 = mp.mpf(a0) + mp.mpf(b0), mp.mpf(a0) - mp.mpf(b0)
    c = p0 * n0
    r = mp.sqrt(c**2 + 4 * mp.mpf(s) ** 2)
    top = 2 * mp.mpf(s) + r
    decay = mp.exp(-r * mp.mpf(t))
    ratio = (top + c**2 / top * decay + n0**2 * (1 - decay)) / (p0**2 * (1 - decay) + c**2 / top + top * decay)
    p, n = p0 * mp.sqrt(ratio), n0 / mp.sqrt(ratio)
    return [float((p + n) / 2), float((p - n) / 2)]


@repeatable
@given(
    a0=st.floats(0.1, 3),
    ratio=st.one_of(
        st.floats(-3, 3), st.sampled_from([sign + step for sign in (-1, 1) for step in (1e-3, -1e-9, 1e-14)])
    ),
    scale=st.sampled_from(SCALES),
    strength=st.sampled_from([-140, -30, 0, 30, 140]),
    time=st.sampled_from([0.01, 1, 10, 300]),
)
def test_unbalanced_layers_at_every_scale_and_beside_the_stable_manifold(a0, ratio, scale, strength, time):
    a0, b0, s = a0 * 10.0**scale, a0 * ratio * 10.0**scale, 10.0**strength
    assume(a0 + b0 != 0 and 1e-75 < max(abs(a0), abs(b0)) / math.sqrt(s) < 1e75)
    with mp.workdps(700):
        p0 = mp.mpf(a0) + mp.mpf(b0)
        c = p0 * (mp.mpf(a0) - mp.mpf(b0))
        r = mp.sqrt(c**2 + 4 * mp.mpf(s) ** 2)
        top, t = 2 * s + r, float(time / r)
        expected = with_many_digits(t, s, a0, b0)
        u = a0 * b0 + (s - a0 * b0) / 3
        until = 2 * mp.mpf(u) + mp.sqrt(c**2 + 4 * mp.mpf(u) ** 2)
        when = mp.log((top - p0**2) * (until + c**2 / top) / ((top - until) * (p0**2 + c**2 / top))) / r
    np.testing.assert_allclose(exact.unbalanced_mode(t, s, a0, b0), expected, rtol=1e-12)
    np.testing.assert_allclose(exact.unbalanced_time(u, s, a0, b0), float(when), rtol=1e-12)


def test_unbalanced_mode_is_the_sigmoid_when_balanced():
    t = np.linspace(0, 8, 20)
    a, b = exact.unbalanced_mode(t, 1.5, [[0.01], [-0.01]], [[0.01], [-0.01]])
    np.testing.assert_allclose(a, b, rtol=1e-14)
    np.testing.assert_allclose(a * b, np.stack(2 * [exact.mode_strength(t, 1.5, 1e-4)]), rtol=1e-12)
    near, _ = exact.unbalanced_mode(t, 1.5, 0.01 + 1e-14, 0.01)
    np.testing.assert_allclose(near, a[0], rtol=1e-11)


def test_the_stable_manifold_ends_in_the_saddle():
    t = np.array([0.0, 0.5, 3.0, 20.0])
    a, b = exact.unbalanced_mode(t, 2.0, 0.9, -0.9)
    u0 = 0.81  # v = -ab obeys dv/dt = -2 v (s + v)
    v = 2 * u0 / (np.exp(4 * t) * (2 + u0) - u0)
    np.testing.assert_allclose(-a * b, v, rtol=1e-12)
    np.testing.assert_array_equal(a, -b)
    np.testing.assert_allclose(exact.unbalanced_time((a * b)[:3], 2.0, 0.9, -0.9), t[:3], rtol=1e-12)
    assert exact.unbalanced_time(0.0, 2.0, 0.9, -0.9) == math.inf
    assert exact.unbalanced_mode(math.inf, 2.0, 0.9, -0.9) == (0, 0)
    assert exact.unbalanced_mode([1.0, math.inf], 2.0, 0, 0)[0].tolist() == [0, 0]


def test_no_overflow_at_late_times():
    a0, b0, t = np.meshgrid([3.0, -3.0, 1e-75, 1e5, 1e75], [2.0, -2.0, 0.0, 1e-7], [1e9, 1e300, math.inf])
    a, b = exact.unbalanced_mode(t, 1.7, a0, b0)
    np.testing.assert_allclose(a * b, 1.7, rtol=1e-13)
    np.testing.assert_array_equal(np.sign(a), np.sign(a0 + b0))
    assert np.isinf(exact.unbalanced_time(1.7, 1.7, a0, b0)).all()


@repeatable
@given(
    layers0=st.lists(st.floats(-1.5, 1.5).map(lambda x: round(x, 2)), min_size=1, max_size=6),
    s=st.floats(0.3, 3),
    variance=st.sampled_from([1.0, 0.4]),
)
@example(layers0=[0.0, 0.3, 0.8], s=1.0, variance=1.0)
@example(layers0=[-0.1, 0.1000001, 0.8], s=1.0, variance=1.0)
@example(layers0=[0.4, -0.4, 0.4, -0.4], s=1.0, variance=1.0)
@example(layers0=[2.0, 2.0, 3.0], s=1.0, variance=1.0)
def test_layered_mode_from_any_start(layers0, s, variance):
    t = np.linspace(0, 4, 6)
    layers = exact.layered_mode(t, s, layers0, 0.8, input_variance=variance)
    assert layers.shape == (6, len(layers0))
    magnitudes = np.sort(np.abs(layers0))
    to_saddle = np.prod(layers0) <= 0 and len(layers0) > 1 and magnitudes[0] == magnitudes[1]
    if not to_saddle:  # an integrator leaves the stable manifold
        np.testing.assert_allclose(layers, integrate(layers0, s, t, 0.8, variance), rtol=1e-9, atol=1e-9)
    squares = layers**2 - layers[:, :1] ** 2
    np.testing.assert_allclose(squares, np.broadcast_to(squares[0], squares.shape), atol=1e-12)
    end = exact.layered_mode(math.inf, s, layers0, input_variance=variance)
    assert math.isclose(np.prod(end), 0 if to_saddle else s / variance, rel_tol=1e-13)


def test_layered_mode_agrees_with_the_closed_forms():
    for depth in (1, 2, 3, 7, 60):
        for u0 in (1e-6, 0.2, 3.0):
            t = np.linspace(0, 3, 8) * exact.learning_time(0.5 if u0 < 0.5 else (0.6 if u0 < 1 else 1.2), 1, u0, depth)
            product = exact.layered_mode(t, 1, np.full(depth, u0 ** (1 / depth))).prod(axis=-1)
            np.testing.assert_allclose(product, exact.mode_strength(t, 1, u0, depth), rtol=1e-9 if u0 < 1e-3 else 1e-12)
    s = np.linspace(0.5, 2, 150)  # more modes than are computed at once
    many = exact.layered_mode(1.3, s, np.full((150, 3), 0.3)).prod(axis=-1)
    np.testing.assert_allclose(many, exact.mode_strength(1.3, s, 0.027, 3), rtol=1e-12)
    t = np.linspace(0, 6, 8)
    pair = exact.layered_mode(t, 0.9, [-0.5, 0.2])
    np.testing.assert_allclose(pair, np.stack(exact.unbalanced_mode(t, 0.9, -0.5, 0.2), -1), rtol=1e-11)


def test_layered_mode_of_starts_and_paces_side_by_side():
    t, tau, starts = np.array([0.5, 2.0, 9.0]), np.array([1.0, 2.0]), np.array([[0.5, 0.2, -0.3], [0.1, 0.4, 0.6]])
    together = exact.layered_mode(t, 0.9, starts[:, None, None], tau[:, None])
    alone = [[exact.layered_mode(t / pace, 0.9, start) for pace in tau] for start in starts]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_layered_mode_of_very_many_layers():
    for depth in (300, 1000):
        layers0, t = np.linspace(0.9, 1.1, depth), np.linspace(0, 5, 50) / depth
        layers = exact.layered_mode(t, 1.0, layers0)
        np.testing.assert_allclose(layers[-1], integrate(layers0, 1.0, t[[0, -1]])[-1], rtol=1e-9)


def test_layered_mode_of_many_layers_that_are_not_near_one():
    t = np.array([0.0, 0.1, 0.3, 0.45, 1.0])
    for layers0 in (
        0.5 + np.random.default_rng(0).random(100),  # the slowest layers near one, the product near 1e-5
        np.array([0.99] * 600 + [1.42]),
        np.array([-0.01] + [0.99] * 200),
    ):
        expected = integrate(layers0, 1.0, t)
        np.testing.assert_allclose(exact.layered_mode(t, 1.0, layers0), expected, rtol=1e-8, atol=1e-10)


def test_layered_mode_at_every_scale():
    """Strengths in another unit are the same strengths: a -> c a, s -> c^D s, tau -> c^(2 D - 2) tau."""
    for layers0 in ([0.5, -0.2], [0.1, 0.2, 0.3], [-0.4, 0.5, 0.5, 0.7], [3.0, 2.0, 1.0]):
        for unit in (1e-45, 1e-20, 1e20, 1e45):
            depth, t = len(layers0), np.array([0.0, 0.5, 3.0, math.inf])
            expected = unit * exact.layered_mode(t, 1.3, layers0)
            scaled = exact.layered_mode(t, 1.3 * unit**depth, unit * np.array(layers0), unit ** (2 * depth - 2))
            np.testing.assert_allclose(scaled, expected, rtol=1e-11)


def test_layered_mode_where_times_or_strengths_are_almost_too_small_for_a_double():
    """At t = 1, from layers too small to move each other but in their linear growth."""
    for layers0, expected in (
        ([-1e-64, 1e-20], [1e-20 * math.sinh(1), 1e-20 * math.cosh(1)]),
        ([-1e-70] + [0.02] * 8, [0.02**8] + [0.02] * 8),
        ([-1e-80, 1e-3, 1e-3, 1e-3], [1e-9, 1e-3, 1e-3, 1e-3]),
    ):
        np.testing.assert_allclose(exact.layered_mode(1.0, 1.0, layers0), expected, rtol=1e-12)


def test_layered_mode_keeps_the_difference_of_almost_equal_layers():
    """Where the smaller passes zero the other is the root of their conserved difference, and nothing else."""
    first, second = -0.5, 0.5 + 1e-11
    t = np.array([5.0, 12.0, 12.6, 13.0, 25.0])
    with mp.workdps(60):
        expected = [with_many_digits(time, 1.0, first, second) for time in t]
    np.testing.assert_allclose(exact.layered_mode(t, 1.0, [first, second]), expected, rtol=1e-11)


def test_layered_mode_that_starts_at_zero_beside_tiny_layers():
    layers = exact.layered_mode([0.0, 1.0, math.inf], 1, [0, 1e-9, 1e-9])  # warnings are errors
    np.testing.assert_allclose(layers[1], [1e-18, 1e-9, 1e-9], rtol=1e-12)
    np.testing.assert_allclose(layers[2], 1, rtol=1e-13)


@repeatable
@given(
    shape=st.sampled_from([((5, 1, 1), (3, 1), (3, 2)), ((5,), (), ()), ((), (4,), (4,)), ((2, 3), (2, 1), (2, 1))]),
    depth=st.integers(1, 5),
    seed=st.integers(0, 10**6),
)
def test_layered_mode_broadcasts_as_a_loop_does(shape, depth, seed):
    rng = np.random.default_rng(seed)
    t, s, lead = (rng.uniform(0.3, 3, size) for size in shape)
    layers0, tau = rng.choice([-0.3, 0.1, 0.6, 1.2], (*shape[2], depth)) + rng.normal(0, 0.01, depth), 0.1 + lead
    together = exact.layered_mode(t, s, layers0, tau, input_variance=0.7)
    leading = np.broadcast_shapes(*shape)
    assert together.shape == (*leading, depth)
    wide = [np.broadcast_to(array, leading) for array in (t, s, tau)]
    starts = np.broadcast_to(layers0, (*leading, depth))
    for i in np.ndindex(*leading):
        alone = exact.layered_mode(wide[0][i], wide[1][i], starts[i], wide[2][i], input_variance=0.7)
        np.testing.assert_allclose(together[i], alone, rtol=1e-12, atol=1e-14)


def test_layered_mode_on_saddles_and_stable_manifolds():
    t = np.array([0.0, 1.0, 30.0])
    np.testing.assert_array_equal(exact.layered_mode(t, 1, [0.0, 0.7, 0.0]), np.tile([0, 0.7, 0], (3, 1)))
    falling = exact.layered_mode(t, 1.0, [0.6, -0.6])
    np.testing.assert_allclose(falling[:, 0], exact.unbalanced_mode(t, 1.0, 0.6, -0.6)[0], rtol=1e-12)
    cubic = exact.layered_mode(t, 1.0, [0.6, -0.6, 0.6])  # z = -|a|: dz/dt = z^2 (1 - z^3), slower than exponential
    run = solve_ivp(lambda _, z: z**2 * (1 - z**3), (0, 30), [-0.6], "DOP853", t, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(cubic, np.abs(run.y.T) * [1, -1, 1], rtol=1e-9)
    assert exact.layered_mode(2.0, 1.0, [1.0, 1.0]).tolist() == [1, 1]
    assert exact.layered_mode(np.zeros((2, 0)), 1.0, [1.0, 0.2]).shape == (2, 0, 2)
    assert exact.layered_mode(1.0, [], [1.0, 0.2]).shape == (0, 2)
    assert exact.layered_mode([1.0, 2.0], 1.0, np.ones((3, 0, 1, 4))).shape == (3, 0, 2, 4)


def test_what_is_never_reached_or_fits_nothing_is_refused():
    assert_refused(
        (lambda: exact.layered_mode(1, 1, [1e-8] * 60), r"layers0 were so far from the minimum that no double"),
        (lambda: exact.unbalanced_time(2, 1, 0.1, 0.1), r"u was 2; it must lie on the way from 0.01"),
        (lambda: exact.unbalanced_time(0.5, 1, 0.1, -0.1), r"u was 0.5; it must lie on the way from -0.01 .* to 0"),
        (lambda: exact.layered_mode(1, 1, []), r"layers0 had shape \(0,\); its last axis must hold at least one"),
        (lambda: exact.layered_mode(1, 1, 0.5), r"layers0 had shape \(\)"),
        (lambda: exact.layered_mode(np.ones(3), np.ones(2), [1, 1]), r"s had shape \(2,\) and t had shape \(3,\)"),
    )
