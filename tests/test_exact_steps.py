"""Steps of any size, against PyTorch's own optimisers, against iterated maps and 50-digit arithmetic."""

from itertools import islice

import mpmath as mp
import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlnlib import exact

repeatable = settings(derandomize=True, deadline=None, max_examples=25)
LAYER = st.floats(-1.1, 1.1).filter(lambda a: a == 0 or abs(a) > 1e-50)  # torch divides their product by each


def by_torch(optimizer, s, layers0, steps):
    """Layer strengths by autograd on half the squared error of one mode, and an optimiser of torch."""
    a = torch.tensor(layers0, dtype=torch.float64, requires_grad=True)
    rule, found = optimizer([a]), [a.detach().numpy().copy()]
    for _ in range(steps):
        rule.zero_grad()
        (0.5 * (s - a.prod()) ** 2).backward()
        rule.step()
        found.append(a.detach().numpy().copy())
    return np.array(found)


@repeatable
@example([0.0, 0.5], 0.0)
@example([0.3, 1.1, -0.7, 0.0], 0.2)
@given(layers0=st.lists(LAYER, min_size=1, max_size=5), decay=st.just(0.0) | st.floats(0, 0.5))
def test_stepped_mode_is_gradient_descent(layers0, decay):
    found = np.array(list(islice(exact.stepped_mode(1.3, layers0, 0.2, decay), 40)))
    sgd = by_torch(lambda p: torch.optim.SGD(p, lr=0.2, weight_decay=decay), 1.3, layers0, 39)
    np.testing.assert_allclose(found, sgd, rtol=1e-12, atol=1e-14)


def test_stepped_mode_broadcasts_and_escapes_in_silence():
    s, rate, layers0 = np.array([[0.5], [1.0]]), np.array([0.1, 0.2, 0.9]), np.array([0.4, 3.0])
    together = list(islice(exact.stepped_mode(s, layers0, rate), 60))
    assert {a.shape for a in together} == {(2, 3, 2)} and (together[0] == layers0).all()
    assert {a.shape for a in islice(exact.stepped_mode(1.0, layers0, 0.1, decay=[0.0, 0.1]), 3)} == {(2, 2)}
    for i, j in np.ndindex(2, 3):
        alone = list(islice(exact.stepped_mode(s[i, 0], layers0, rate[j]), 60))
        np.testing.assert_array_equal(together[-1][i, j], alone[-1])
    assert not np.isfinite(together[-1][1, 2]).any()


@repeatable
@given(s=st.floats(0.01, 3), rate=st.floats(0.01, 1), momentum=st.floats(0, 0.99), nesterov=st.booleans())
def test_plateau_growth_is_what_torch_does_far_below_s(s, rate, momentum, nesterov):
    def rule(p):
        return torch.optim.SGD(p, lr=rate, momentum=momentum, nesterov=nesterov and momentum > 0)

    a = by_torch(rule, s, [1e-30, 1e-30], 15)
    growth = exact.plateau_growth(np.arange(16), s, rate, momentum, nesterov=nesterov)
    np.testing.assert_allclose(growth, a[:, 0] / 1e-30, rtol=1e-10)


def test_plateau_growth_has_no_end():
    assert exact.plateau_growth([10_000, np.inf], 1.0, 0.5, 0.9).tolist() == [np.inf, np.inf]


@repeatable
@given(x=st.floats(1.0, 2.5), s=st.floats(0.1, 5))
def test_two_cycle_returns_after_two_steps(x, s):
    low, high = exact.two_cycle(s, x / s)
    assert low <= s * (1 + 1e-7) and high >= s * (1 - 1e-7)
    for start, after in ((low, high), (high, low)):
        steps = list(islice(exact.stepped_mode(s, np.sqrt([start, start]), x / s), 3))
        np.testing.assert_allclose([u.prod() for u in steps], [start, after, start], rtol=1e-7)


def test_two_cycle_attracts_up_to_its_period_doubling():
    x = np.array([1.02, np.sqrt(5) - 1.02, np.sqrt(5) - 0.98])
    last = [a.prod(axis=-1) for a in islice(exact.stepped_mode(1.0, [0.6, 0.6], x), 4000, 4002)]
    off = np.abs(np.sort(last, axis=0) - exact.two_cycle(1.0, x)).max(axis=0)
    assert (off < 1e-6).tolist() == [True, True, False]


def test_escape_rate_is_where_runs_begin_to_escape():
    rng = np.random.default_rng(0)
    s, starts = rng.uniform(0.1, 3, 500), rng.uniform(-4, 4, (500, 2))
    rate = exact.escape_rate(s, *starts.T)
    assert (rate <= 2 / s * (1 + 1e-12)).all()
    below, above = (next(islice(exact.stepped_mode(s, starts, rate * factor), 3000, None)) for factor in (0.999, 1.001))
    assert np.isfinite(below).all() and not np.isfinite(above[rate * s < 1.99]).any()


@repeatable
@given(s=st.floats(1e-3, 1e3), ulps=st.integers(-3, 3))
def test_escape_rate_beside_the_start_where_its_root_is_zero(s, ulps):
    """There m = 4 s, which rounding must not put below: the rate is 2 / s."""
    a = np.sqrt(2 * s)
    np.testing.assert_allclose(exact.escape_rate(s, a, a + ulps * np.spacing(a)), 2 / s, rtol=1e-14)


@repeatable
@given(s=st.floats(0.1, 3), h=st.floats(0.01, 1.9))
def test_the_border_is_mapped_to_itself_by_tripling_an_angle(s, h):
    rate, angle = h / s, np.linspace(0.1, 6, 50)
    p, n = np.sqrt(4 * (2 + rate * s) / rate) * np.cos(angle), np.sqrt(4 * (2 - rate * s) / rate) * np.sin(angle)
    a, b = (p + n) / 2, (p - n) / 2
    np.testing.assert_allclose(exact.escape_rate(s, a, b), rate, rtol=1e-12)
    _, after = islice(exact.stepped_mode(s, np.stack([a, b], -1), rate), 2)
    np.testing.assert_allclose(after.sum(-1) / np.sqrt(4 * (2 + rate * s) / rate), -np.cos(3 * angle), atol=1e-12)


@settings(repeatable, max_examples=3)
@given(h=st.floats(0.1, 0.8))
def test_edge_sharpness_to_second_order_at_40_digits(h):
    errors = []
    for mu in (0.04, 0.02):
        with mp.workdps(40):
            u, c = mp.mpf(h) - mp.mpf(10) ** -15, mp.sqrt((2 + mp.mpf(mu)) ** 2 - 4 * mp.mpf(h) ** 2)  # rate 1, s = h
            grown = False
            while not grown or abs(h - u) > mp.mpf(10) ** -20:
                missing = h - u
                u, c = u + missing * mp.sqrt(c * c + 4 * u * u) + missing**2 * u, c * (1 - missing**2)
                grown = grown or abs(missing) > mu / 100
            end = float(mp.sqrt(c * c + 4 * h * h))
        errors.append(abs(exact.edge_sharpness(2 + mu, h, 1.0) - end) / mu**3)
    assert errors[1] < 12 and errors[1] < 1.3 * errors[0]  # of third order


def test_edge_sharpness_has_the_units_of_one_over_the_rate_and_stays_at_the_edge():
    np.testing.assert_allclose(exact.edge_sharpness(4.2, 0.6, 0.5), 2 * exact.edge_sharpness(2.1, 0.3, 1.0), rtol=1e-14)
    rate = np.concatenate([np.arange(1, 500) / 10, np.geomspace(1e-3, 1e3, 501)])
    np.testing.assert_allclose(exact.edge_sharpness(2 / rate, 0.3 / rate, rate), 2 / rate, rtol=1e-15)
