"""`mode_strength`, `learning_time` and `half_time` against 30-digit quadrature and 30-digit root finding."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from scipy.integrate import solve_ivp

from dlnlib import exact

DEPTHS = [1, 1.3, 2 - 1e-9, 2, 2 + 1e-9, 3, 7.3, 1000, math.inf]
STARTS = [1e-12, 0.03, 1 - 1e-9, 1 + 1e-9, 1.7, 1e6]
repeatable = settings(derandomize=True, deadline=None, max_examples=20)


def layers(depth):
    return mp.mpf(1) if depth == math.inf else mp.mpf(depth)


def velocity(u, s, depth, tau):
    """tau du/dt = D u^(2 - 2/D) (s - u), the factor D left out at infinite depth."""
    power = 2 if depth == math.inf else 2 - 2 / mp.mpf(depth)
    return layers(depth) * u**power * (s - u) / tau


def time_by_quadrature(u, s, u0, depth, tau=1.0):
    """The integral of du / velocity over pieces of the logit of u / s (or of s / u), whose length is below 3."""
    u, s, u0, tau = mp.mpf(u), mp.mpf(s), mp.mpf(u0), mp.mpf(tau)
    sign = 1 if u0 < s else -1

    def logit(v):
        return mp.log(v / (s - v)) if sign == 1 else mp.log(s / (v - s))

    def integrand(y):
        v = s / (1 + mp.exp(-y)) if sign == 1 else s * (1 + mp.exp(-y))
        return abs(v * (s - v) / (s if sign == 1 else v)) / abs(velocity(v, s, depth, tau))

    start, stop = logit(u0), logit(u)
    pieces = int(abs(stop - start) / 3) + 1
    return mp.quad(integrand, mp.linspace(start, stop, pieces + 1))


def strength_by_root_finding(t, s, u0, depth, tau, guess):
    """Newton's iteration on the quadrature, from a value known to be close."""
    u = mp.mpf(guess)
    for _ in range(8):
        step = (mp.mpf(t) - time_by_quadrature(u, s, u0, depth, tau)) * velocity(u, s, depth, tau)
        u += step
        if abs(step) < mp.mpf(10) ** -14 * u:
            return u
    raise AssertionError("the oracle did not converge")


@pytest.fixture(autouse=True)
def thirty_digits():
    with mp.workdps(30):
        yield


def between(u0, s, fraction):
    return u0 ** (1 - fraction) * s**fraction


@pytest.mark.parametrize("depth", DEPTHS)
def test_learning_time_is_the_integral(depth):
    s = 1.7
    for start in STARTS:
        u0 = start * s
        for u in (between(u0, s, 1e-4), between(u0, s, 0.5), s + (u0 - s) * 1e-3):
            expected = time_by_quadrature(u, s, u0, depth)
            assert abs(exact.learning_time(u, s, u0, depth) / expected - 1) < 2e-12


@pytest.mark.parametrize("depth", DEPTHS)
def test_mode_strength_solves_the_equation_also_at_the_end_of_a_long_plateau(depth):
    """To 2e-12, or twice what rounding the arguments does to u: after a long plateau that can be all of its digits."""
    s, tau = 1.7, 0.3
    for start in (1e-12, 0.03, 1 - 1e-9, 1.7):
        u0 = start * s
        for u in (between(u0, s, 0.3), 0.5 * s if start < 0.4 else s + (u0 - s) * 0.1):
            t = float(time_by_quadrature(u, s, u0, depth, tau))
            expected = strength_by_root_finding(t, s, u0, depth, tau, u)
            speed, speed0 = (abs(velocity(mp.mpf(v), mp.mpf(s), depth, tau)) for v in (u, u0))
            # t, tau and a power of s enter T by their product, u0 and s by their quotient
            rounding = np.finfo(float).eps / 2 * speed * ((4 - 2 / depth) * t + 2 * u0 / speed0) / u
            assert abs(exact.mode_strength(t, s, u0, depth, tau) / expected - 1) < max(2e-12, 2 * rounding)


@repeatable
@given(
    depth=st.one_of(st.sampled_from(DEPTHS), st.floats(1, 1000)),
    s=st.floats(-9, 9).map(lambda power: 10.0**power),
    start=st.floats(-12, 6).map(lambda power: 10.0**power),
    fraction=st.floats(0.001, 0.999),
)
@example(depth=1.0, s=1e-8, start=1e-12, fraction=0.43)
@example(depth=7.3, s=3.7, start=338113.6, fraction=0.02)
@example(depth=7.3, s=1.0, start=684991.3, fraction=0.98)
def test_any_start_depth_and_scale(depth, s, start, fraction):
    u0 = start * s
    u = between(u0, s, fraction)
    if abs(start - 1) < 1e-9:
        return
    expected = time_by_quadrature(u, s, u0, depth)
    assert abs(exact.learning_time(u, s, u0, depth) / expected - 1) < 5e-12
    t = float(expected)
    rounding = abs((mp.mpf(t) - expected) * velocity(mp.mpf(u), mp.mpf(s), depth, 1) / u)
    if rounding < 1e-12:
        assert abs(exact.mode_strength(t, s, u0, depth) / u - 1) < 1e-11


@repeatable
@given(
    depth=st.one_of(st.sampled_from(DEPTHS), st.floats(1, 1000)),
    start=st.floats(-12, 6).map(lambda power: 10.0**power),
    span=st.floats(0, 3),
)
def test_paths_are_monotone_and_end_at_s(depth, start, span):
    s = 2.5
    t = np.linspace(0, 10**span, 50) / s**2
    u = exact.mode_strength(t, s, start * s, depth)
    assert math.isclose(u[0], start * s, rel_tol=1e-13)
    assert (np.diff(np.sign(s - start * s) * u) >= -1e-14 * s).all()
    assert exact.mode_strength(math.inf, s, start * s, depth) == s


def test_classic_depths_have_their_elementary_forms():
    t, s, u0, tau = np.linspace(0, 9, 20), 1.3, 0.002, 0.7
    growth = np.exp(2 * s * t / tau)
    np.testing.assert_allclose(
        exact.mode_strength(t, s, u0, 1, tau),
        s - (s - u0) * np.exp(-t / tau),
        rtol=1e-13,
    )
    np.testing.assert_allclose(
        exact.mode_strength(t, s, u0, 2, tau),
        s * growth / (growth - 1 + s / u0),
        rtol=1e-13,
    )
    log, poles = (
        math.log(1.2 * (s - u0) / (u0 * (s - 1.2))),
        1 / (s * u0) - 1 / (s * 1.2),
    )
    assert math.isclose(
        exact.learning_time(1.2, s, u0, math.inf, tau),
        tau * (log / s**2 + poles),
        rel_tol=1e-13,
    )


def test_depth_is_continuous_at_two_and_at_infinity():
    t, s, u0 = np.linspace(0, 40, 30), 0.8, 0.05
    classic = exact.mode_strength(t, s, u0, 2)
    for depth in (2 - 1e-9, 2 + 1e-9):
        np.testing.assert_allclose(exact.mode_strength(t, s, u0, depth), classic, rtol=1e-6)
    infinite = exact.mode_strength(t, s, u0, math.inf)
    for depth in (1e4, 1e8):
        difference = np.abs(exact.mode_strength(t / depth, s, u0, depth) / infinite - 1).max()
        assert difference < 300 / depth
    times = [depth * exact.learning_time(0.7, s, u0, depth) for depth in (1e4, 1e6)]
    limit = exact.learning_time(0.7, s, u0, math.inf)
    assert abs(times[0] - limit) < 0.02 * limit and abs(times[1] - limit) < 2e-4 * limit


def test_input_variance_enters_as_in_the_layer_equations():
    s, u0, tau, t = 1.4, 0.05, 0.6, np.linspace(0, 4, 9)
    for depth, variance in itertools.product([1, 2, 3, 6], [0.25, 1.8]):

        def layer(_, a, depth=depth, variance=variance):
            return a ** (depth - 1) * (s - variance * a**depth) / tau

        run = solve_ivp(layer, (0, 4), [u0 ** (1 / depth)], "DOP853", t, rtol=1e-12, atol=1e-14)
        u = exact.mode_strength(t, s, u0, depth, tau, input_variance=variance)
        np.testing.assert_allclose(u, run.y[0] ** depth, rtol=1e-9)
        np.testing.assert_allclose(
            exact.learning_time(u[1:3], s, u0, depth, tau, input_variance=variance),
            t[1:3],
            rtol=1e-9,
        )
        half = exact.half_time(s, u0, depth, tau, input_variance=variance)
        assert math.isclose(
            exact.mode_strength(half, s, u0, depth, tau, input_variance=variance),
            s / variance / 2,
        )


def test_arguments_broadcast_like_those_of_a_ufunc():
    t, s, u0 = (
        np.linspace(0.1, 3, 4),
        np.array([[0.5], [1.0], [2.0]]),
        np.array([1e-9, 0.1, 1.0, 3.0]),
    )
    depth, tau = (
        np.array([1.0, 2.0, 5.0, math.inf])[:, None, None],
        np.array([[0.5], [1.0], [1.5]]),
    )
    together = exact.mode_strength(t, s, u0, depth, tau)
    assert together.shape == (4, 3, 4)
    for i, j, k in np.ndindex(together.shape):
        alone = exact.mode_strength(t[k], s[j, 0], u0[k], depth[i, 0, 0], tau[j, 0])
        assert type(alone) is float and math.isclose(alone, together[i, j, k], rel_tol=1e-13)
    assert type(exact.learning_time(0.5, 1, 0.1)) is float
    assert exact.mode_strength([], 1, 0.1).shape == (0,)


def test_ends_of_the_path():
    assert exact.learning_time(0.1, 1, 0.1, 3) == 0 and exact.learning_time(1, 1, 0.1, 3) == math.inf
    assert exact.learning_time(1, 1, 1, 3) == 0 and exact.learning_time(1, 1, 7.0, 3) == math.inf
    np.testing.assert_allclose(
        exact.mode_strength([0, 1, 1e300], 2, 2, [[1], [3], [math.inf]]),
        2.0,
        rtol=1e-15,
    )
    assert exact.mode_strength(1e308, 1e5, 1e-3, 9) == 1e5
    late = 10.0 ** np.arange(20, 309, 24)
    assert (exact.mode_strength(late, 1.0, 1e-12, [[1], [3], [5], [1000], [math.inf]]) == 1).all()
    assert exact.mode_strength([1.0, math.inf], 1, 1e-30, math.inf).tolist() == [1e-30, 1]
    saturated = exact.mode_strength(50, 1.1, 1e-3, 3)
    assert exact.learning_time(saturated, 1.1, 1e-3, 3) > 8


@repeatable
@given(
    depth=st.sampled_from([1, 1.1, 1.7, 2, 2.01, 2.5, 3, 4, 7, 20, 100, 1000, 1e5, math.inf]),
    exponent=st.floats(-30, 20),
    gap=st.floats(0, 10),
    factor=st.sampled_from([1.0, 1e-3, 0.1, 0.7, 1.5, 1e3]),
)
@example(depth=100, exponent=math.log10(5.538656530941954e-18), gap=8.8, factor=1.0)
@example(depth=2, exponent=-39.9, gap=3.0, factor=1.0)
@example(depth=3, exponent=-39.9, gap=7.0, factor=1.5)
def test_every_start_that_is_allowed_arrives(depth, exponent, gap, factor):
    """Newton's iteration converges; and the strength is that of a time within rounding of the one asked for."""
    u0 = 10.0**exponent
    u = (1 - 0.9 * 10.0**-gap) ** (1 if u0 < 1 else -1)
    assume(u0 < 0.05 or u0 > 20)
    t = factor * exact.learning_time(u, 1.0, u0, depth)
    strength = exact.mode_strength(t, 1.0, u0, depth)
    assert min(u0, 1) * (1 - 1e-12) <= strength <= max(u0, 1) * (1 + 1e-12)
    if abs(strength - 1) > 1e-13:
        assert math.isclose(
            exact.learning_time(strength, 1.0, u0, depth), t, rel_tol=1e-9, abs_tol=2e-15 / abs(strength - 1)
        )


def test_the_unit_of_strength_does_not_matter_at_infinite_depth():
    for scale in (1e-100, 1e-30, 1e30, 1e100):
        t = np.array([0.01, 1.0, 10.0]) / scale
        expected = scale * exact.mode_strength(t * scale, 1.0, 0.1, math.inf)
        np.testing.assert_allclose(exact.mode_strength(t, scale, 0.1 * scale, math.inf, scale), expected, rtol=1e-12)
        time = exact.learning_time(0.5 * scale, scale, 0.1 * scale, math.inf, scale)
        assert math.isclose(time, exact.learning_time(0.5, 1.0, 0.1, math.inf) / scale, rel_tol=1e-12)


@repeatable
@given(s=st.floats(-3, 3), u0=st.floats(-3, 3), tau=st.floats(0.1, 3), variance=st.floats(0.2, 3))
@example(s=1.3, u0=0.0, tau=1.0, variance=1.0)
@example(s=-1.3, u0=0.0, tau=1.0, variance=0.5)
@example(s=0.0, u0=0.7, tau=1.0, variance=1.0)
def test_one_layer_starts_anywhere_and_goes_either_way(s, u0, tau, variance):
    t, end = np.array([0.0, 0.3, 2.0]), s / variance
    u = exact.mode_strength(t, s, u0, 1, tau, input_variance=variance)
    np.testing.assert_allclose(u, end - (end - u0) * np.exp(-variance * t / tau), rtol=1e-12, atol=1e-13)
    assume(abs(end - u0) > 1e-3)
    when = exact.learning_time(u0 + 0.75 * (end - u0), s, u0, 1, tau, input_variance=variance)
    assert math.isclose(when, tau / variance * math.log(4), rel_tol=1e-10)


def test_a_direction_without_variance_keeps_its_start():
    for depth in (1, 2, 3, 20, math.inf):
        t = np.array([[0.0], [1.0], [math.inf]])
        u = exact.mode_strength(t, [0.0, 1.0], 0.3, depth, input_variance=[0.0, 0.5])
        np.testing.assert_array_equal(u[:, 0], 0.3)
        np.testing.assert_allclose(
            u[:, 1], exact.mode_strength(t[:, 0], 1.0, 0.3, depth, input_variance=0.5), rtol=1e-14
        )
        assert exact.learning_time(0.3, 0.0, 0.3, depth, input_variance=0.0) == 0
        with pytest.raises(ValueError, match="must lie on the way"):
            exact.learning_time(0.4, 0.0, 0.3, depth, input_variance=0.0)


def test_what_no_formula_covers_is_refused():
    strength, to, half = exact.mode_strength, exact.learning_time, exact.half_time
    assert_refused(
        (lambda: strength(1, 1, 0), r"u0 was 0; it must be greater than zero, because u = 0 is the saddle"),
        (lambda: strength(1, 1, -0.1), r"u0 was -0.1; .* saddle"),
        (lambda: to(0.5, 1, 0), r"u0 was 0; .* saddle"),
        (lambda: half(1, 0), r"u0 was 0; .* saddle"),
        (lambda: strength(1, 0, 0.1), r"s was 0; it must be greater than zero"),
        (lambda: strength(1, 1, 0.1, 0.5), r"depth was 0.5; it must be a number of at least 1"),
        (lambda: strength(1, 1, 0.1, input_variance=-1), r"input_variance was -1"),
        (lambda: strength([0, -2], 1, 0.1), r"t was -2; it must be a number of at least 0, or infinity"),
        (lambda: to([0.2, 3], 1, 0.1), r"u was 3; it must lie on the way from 0.1 .* to 1 \(the end\)"),
        (lambda: to(0.05, 1, 0.1), r"u was 0.05; it must lie on the way"),
        (lambda: half(1, 0.5), r"u0 was 0.5; it must be below half the final strength s / input_variance"),
        (lambda: strength(1, 1, 1e-41, 3), r"u0 / \(s / input_variance\) was 1e-41; it must be between 1e-40"),
        (lambda: to(10, 1, 2.1e40, input_variance=0.5), r"was 1.05e\+40; it must be between 1e-40"),
        (lambda: strength(1, 1, 0.1, input_variance=0), r"s was 1; it must be zero where input_variance is"),
        (lambda: strength(1, -1, 0.1, [1, 2]), r"s was -1; it must be greater than zero at depth 2 or more"),
        (lambda: strength(1, 1, 0.0, [1, 2]), r"u0 was 0; it must be greater than zero, because .* saddle"),
        (lambda: half([100.0, 1.0], [10.0, 2.0]), r"u0 was 2; it must be below half"),
    )


@pytest.mark.parametrize("name", ["s", "u0", "input_variance"])
def test_a_number_that_is_none_is_refused_by_its_name(name):
    for function in (exact.mode_strength, exact.learning_time):
        arguments = {"s": 2.0, "u0": 0.1, "input_variance": 1.0, name: np.nan}
        with pytest.raises(ValueError, match=rf"^{name} "):
            function(1.0, **arguments)
