"""Spectra against 500-digit arithmetic and LAPACK's Jacobi SVD; laws against their textbook forms, and against draws.

Mean field against mpmath's quadrature and against networks.
"""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused
from scipy.linalg import lapack
from scipy.special import erf
from scipy.stats import kstest

from dlnlib import initialization, isometry, meanfield, networks


def product_in_many_digits(factors):
    product = mp.eye(len(factors[0]))
    for factor in factors:
        product = mp.matrix(factor.tolist()) * product
    return product


def sorted_logs(values):
    return np.array(sorted((float(mp.log(abs(value))) for value in values), reverse=True))


def gaussian(width, n, seed=0):
    return list(initialization.random_factors(width, n, seed))


# --- the spectra of a product -------------------------------------------------------------------------------------


def test_all_digits_of_a_product_survive():
    """Up to 600 natural units between the largest and the smallest."""
    for width, n in ((2, 3), (3, 1), (6, 5), (8, 30), (12, 60), (4, 400)):
        factors = gaussian(width, n, seed=width + n)
        with mp.workdps(400):
            product = product_in_many_digits(factors)
            singular = sorted_logs(mp.svd_r(product, compute_uv=False))
            eigen = sorted_logs(mp.eig(product, left=False, right=False))
        np.testing.assert_allclose(isometry.log_singular_values(factors), singular, rtol=1e-14, atol=1e-11)
        np.testing.assert_allclose(isometry.log_eigenvalues(factors).real, eigen, rtol=1e-14, atol=1e-10)


def test_singular_values_against_the_jacobi_method():
    """LAPACK's dgejsv is exact for small singular values of graded matrices; windows and passes of QR must agree."""
    for width, n in ((60, 1), (60, 3), (150, 12), (100, 60)):
        factors = gaussian(width, n, seed=3)
        _, d, u, _ = isometry._graded(factors)
        jacobi = lapack.dgejsv((np.exp(d)[:, None] * u).T.copy(), joba=2, jobu=3, jobv=3, jobr=0)[0]
        logs = isometry.log_singular_values(factors)
        assert (np.diff(logs) <= 0).all()
        np.testing.assert_allclose(logs, np.sort(np.log(jacobi))[::-1], atol=1e-11)


def test_a_product_in_floating_point_loses_what_is_kept_here():
    factors = gaussian(20, 40)
    plain = np.linalg.svd(np.linalg.multi_dot(factors[::-1]), compute_uv=False)
    logs = isometry.log_singular_values(factors)
    kept = logs > logs[0] - 15
    np.testing.assert_allclose(np.log(plain[kept]), logs[kept], atol=1e-6)
    assert np.log(plain[-1]) - logs[-1] > 20


def test_the_order_of_the_factors_and_the_determinant():
    first, second = np.array([[1.0, 2.0], [0.5, 3.0]]), np.array([[0.2, -1.0], [4.0, 1.0]])
    for factors, product in (([first, second], second @ first), ([second, first], first @ second)):
        s = np.exp(isometry.log_singular_values(factors))
        np.testing.assert_allclose(s, np.linalg.svd(product, compute_uv=False), rtol=1e-13)
    z = np.exp(isometry.log_eigenvalues([first, second]))
    np.testing.assert_allclose(np.sort_complex(z), np.sort_complex(np.linalg.eigvals(second @ first)), rtol=1e-12)
    factors = gaussian(30, 50)
    determinant = sum(np.linalg.slogdet(f)[1] for f in factors)
    np.testing.assert_allclose(isometry.log_singular_values(factors).sum(), determinant, rtol=1e-12)
    logs = isometry.log_eigenvalues(factors)
    np.testing.assert_allclose(logs.real.sum(), determinant, rtol=1e-12)
    sign = np.prod([np.linalg.slogdet(f)[0] for f in factors])
    np.testing.assert_allclose(np.exp(1j * logs.imag.sum()), sign, atol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(width=st.integers(1, 8), n=st.integers(1, 30), seed=st.integers(0, 1000), scale=st.floats(1e-30, 1e30))
def test_turning_scaling_and_inverting(width, n, seed, scale):
    factors = gaussian(width, n, seed)
    logs = isometry.log_singular_values(factors)
    turn, other = initialization.random_factors(width, 2, seed + 1, "orthogonal")
    np.testing.assert_allclose(isometry.log_singular_values([turn, *factors, other]), logs, atol=1e-8)
    scaled = [factors[0] * scale, *factors[1:]]
    np.testing.assert_allclose(isometry.log_singular_values(scaled), logs + math.log(scale), atol=1e-8)
    np.testing.assert_allclose(isometry.log_singular_values([f.T for f in factors[::-1]]), logs, atol=1e-8)
    similar = isometry.log_eigenvalues([turn, *factors, turn.T]).real
    np.testing.assert_allclose(similar, isometry.log_eigenvalues(factors).real, atol=1e-5)


def test_orthogonal_factors_are_an_isometry_and_uniform():
    logs = isometry.log_singular_values(initialization.random_factors(40, 100, 0, "orthogonal"))
    assert np.abs(logs).max() < 1e-12
    draws = np.array([next(initialization.random_factors(3, 1, seed, "orthogonal")) for seed in range(4000)])
    # Haar: every entry is uniform in three dimensions, and the trace has variance one.
    assert kstest(draws[:, 0, 2], "uniform", (-1, 2)).pvalue > 1e-3
    assert abs(np.trace(draws, axis1=1, axis2=2).var() - 1) < 0.08


def test_eigenvalues_too_small_for_a_double():
    factors = [np.diag([1.0, 1e-100])] * 4
    assert isometry.log_eigenvalues(factors).real.tolist() == [0, -math.inf]
    np.testing.assert_allclose(isometry.log_singular_values(factors), [0, -400 * math.log(10)])


# --- exact laws ---------------------------------------------------------------------------------------------------


def test_one_factor_is_marchenko_and_pastur():
    x = np.array([1e-200, 1e-6, 0.3, 1.0, 2.5, 3.999999])
    np.testing.assert_allclose(isometry.fuss_catalan_density(x, 1), np.sqrt(4 / x - 1) / (2 * np.pi), rtol=1e-9)
    cdf = 0.5 + (np.sqrt(x * (4 - x)) + 2 * np.arcsin(x / 2 - 1)) / (2 * np.pi)
    np.testing.assert_allclose(isometry.fuss_catalan_cdf(x, 1), cdf, atol=1e-12)


def test_two_factors_in_closed_form():
    """Penson & Zyczkowski (2011), s = 2."""
    x = np.array([1e-8, 0.1, 1.0, 4.0, 6.7])
    root = (27 + 3 * np.sqrt(81 - 12 * x)) ** (1 / 3)
    density = 2 ** (1 / 3) * np.sqrt(3) / (12 * np.pi) * (2 ** (1 / 3) * root**2 - 6 * np.cbrt(x))
    density /= np.cbrt(x) ** 2 * root
    np.testing.assert_allclose(isometry.fuss_catalan_density(x, 2), density, rtol=1e-8)


def test_density_cdf_and_moments_agree():
    v, weights = (
        (array + shift) / 2 for array, shift in zip(np.polynomial.legendre.leggauss(200), (1, 0), strict=True)
    )
    for n in (1, 2, 5, 20, 100):
        edge = (n + 1) ** (n + 1) / n**n
        x = np.geomspace(1e-6, 0.999, 12) * edge
        h = 1e-6 * x
        slope = (isometry.fuss_catalan_cdf(x + h, n) - isometry.fuss_catalan_cdf(x - h, n)) / (2 * h)
        np.testing.assert_allclose(isometry.fuss_catalan_density(x, n), slope, rtol=2e-4)
        # The mean of x^k is the integral of k x^(k - 1) (1 - F), smooth in v where x = edge (1 - (1 - v)^2)^(n + 1).
        y, dx = 1 - (1 - v) ** 2, edge * (n + 1) * (1 - (1 - v) ** 2) ** n * 2 * (1 - v)
        above = 1 - isometry.fuss_catalan_cdf(edge * y ** (n + 1), n)
        for k in (1, 2, 3):
            moment = weights @ (k * (edge * y ** (n + 1)) ** (k - 1) * above * dx)
            assert math.isclose(moment, isometry.fuss_catalan_moment(k, n), rel_tol=1e-7)
        assert isometry.fuss_catalan_cdf([-1, 0, edge, 2 * edge], n).tolist() == [0, 0, 1, 1]
        assert isometry.fuss_catalan_density([-1, 0, 1.001 * edge], n).tolist() == [0, math.inf, 0]


def test_the_density_solves_the_equation_of_its_transform():
    """G(z), the transform of the law, solves w = 1 + w^(n+1) / z for w = z G; the density is its imaginary part."""
    for n in (1, 2, 5, 20, 100):
        for x in (1e-3, 0.5, 2.0, 0.9 * (n + 1)):
            with mp.workdps(30):
                theta = mp.findroot(
                    lambda f, x=x, n=n: mp.sin((n + 1) * f) ** (n + 1) / (mp.sin(f) * mp.sin(n * f) ** n) - x,
                    (1e-4 * mp.pi / (n + 1), (1 - mp.mpf(10) ** -6) * mp.pi / (n + 1)),
                    solver="anderson" if n == 1 else "illinois",
                    verify=False,
                    maxsteps=500,
                )
                w = mp.sin((n + 1) * theta) / mp.sin(n * theta) * mp.expj(-theta)
                assert abs(1 + w ** (n + 1) / x - w) < 1e-10
                density = float(-mp.im(w) / x / mp.pi)
            assert math.isclose(isometry.fuss_catalan_density(x, n), density, rel_tol=1e-8)


@pytest.mark.parametrize("n", [1, 5])
def test_draws_follow_the_laws(n):
    """Moments of the singular values within three standard errors, with the exact correction for a finite width."""
    width, draws = 50, 400
    rng = np.random.default_rng(n)
    logs = np.array([isometry.log_singular_values(initialization.random_factors(width, n, rng)) for _ in range(draws)])
    second = np.array([1.0, 1.0])  # of E tr(M^2) / N and E (tr M)^2 / N^2, Gaussian integrals
    for _ in range(n):
        second = np.array([[1 + 1 / width, 1.0], [2 / width**2, 1.0]]) @ second
    determinant = n * isometry.lyapunov_exponents(width).mean()
    expected = {"first": 1.0, "second": second[0], "log": determinant}
    measured = {
        "first": np.exp(2 * logs).mean(axis=1),
        "second": np.exp(4 * logs).mean(axis=1),
        "log": logs.mean(axis=1),
    }
    for name, values in measured.items():
        assert abs(values.mean() - expected[name]) < 3 * values.std() / math.sqrt(draws), name
    assert abs(second[0] - isometry.fuss_catalan_moment(2, n)) < 40 * n**2 / width / 10
    below = (np.exp(2 * logs) < 1).mean()
    assert abs(below - isometry.fuss_catalan_cdf(1.0, n)) < 1 / width


def test_eigenvalues_follow_the_radial_law():
    """Real matrices of any width have half an eigenvalue more in a disc, and eigenvalues repel: few vary in number."""
    width, draws = 100, 20
    for n in (1, 5, 40):
        rng = np.random.default_rng(n)
        moduli = np.exp(
            [isometry.log_eigenvalues(initialization.random_factors(width, n, rng)).real for _ in range(draws)]
        )
        for r in (1e-4, 0.1, 0.5, 0.8):
            excess = (moduli < r).sum() / draws - width * isometry.eigenvalue_cdf(r, n)
            spread = math.sqrt(2 * math.sqrt(width / (math.pi * n)) * r ** (1 / n))
            assert abs(excess - 0.5) < 0.5 + 4 * spread / math.sqrt(draws)


def test_the_square_by_drawing_points():
    rng = np.random.default_rng(0)
    for side, n in ((0.1, 1), (0.1, 5), (0.1, 100), (1.0, 3), (1.6, 2), (1.9, 2)):
        z = rng.random(10**6) ** (n / 2) * np.exp(2j * np.pi * rng.random(10**6))
        inside = (np.maximum(np.abs(z.real), np.abs(z.imag)) < side / 2).mean()
        exact = isometry.eigenvalues_in_square(side, n)
        assert abs(inside - exact) < 3.5e-3 * math.sqrt(exact * (1 - exact)) + 1e-9
    for side, n in ((1e-9, 1), (0.1, 1), (0.1, 100), (1.4, 3), (1.5, 2), (1.99, 1), (1.99, 40)):
        with mp.workdps(30):
            exponent, half = mp.mpf(2) / n, mp.mpf(side) / 2
            edge = [0, mp.acos(half), mp.pi / 4] if half > mp.sqrt(0.5) else [0, mp.pi / 4]
            whole = mp.quad(lambda angle, e=exponent, r=half: min(r / mp.cos(angle), 1) ** e, edge)
            expected = float(whole * 4 / mp.pi)
        assert math.isclose(isometry.eigenvalues_in_square(side, n), expected, rel_tol=1e-13)
    assert math.isclose(isometry.eigenvalues_in_square(2.0, 3), 1) and isometry.eigenvalues_in_square(5.0, 3) == 1


def test_long_products_have_the_lyapunov_exponents():
    half = float(mp.euler) / 2
    np.testing.assert_allclose(isometry.lyapunov_exponents(1), [-half - math.log(2) / 2], rtol=1e-12)
    np.testing.assert_allclose(isometry.lyapunov_exponents(2), [-half, -half - math.log(2)], rtol=1e-12)
    width, n = 8, 2000
    logs = isometry.log_singular_values(initialization.random_factors(width, n, 0)) / n
    deviation = np.sqrt([float(mp.polygamma(1, (width - i) / 2)) / 4 / n for i in range(width)])
    assert (np.abs(logs - isometry.lyapunov_exponents(width)) < 4 * deviation + 4 / n).all()
    # One wide layer lengthens a fixed vector by the first exponent, on average: E ln of a chi variable.
    lengths = np.log(np.linalg.norm(np.random.default_rng(1).standard_normal((20000, width)), axis=1) / width**0.5)
    assert abs(lengths.mean() - isometry.lyapunov_exponents(width)[0]) < 3 * lengths.std() / math.sqrt(20000)


# --- mean field ---------------------------------------------------------------------------------------------------


def test_quadrature_against_mpmath():
    for q in (1e-8, 0.01, 0.2, 1.0, 4.0, 50.0, 300.0):
        with mp.workdps(25):
            points = [0, 0.2, 1, 3, 12] if q < 10 else [0, 0.02, 0.1, 0.3, 1, 3, 12]
            mean = lambda f, q=q, at=points: 2 * mp.quad(lambda z: mp.npdf(z) * f(mp.sqrt(q) * z) ** 2, at)  # noqa: E731
            variance, gradient = float(mean(mp.tanh)), float(mean(lambda x: mp.sech(x) ** 2))
        assert math.isclose(meanfield.variance_map(q, 1.3), 1.69 * variance, rel_tol=1e-12)
        assert math.isclose(meanfield.gradient_gain(q, 1.3), 1.69 * gradient, rel_tol=1e-12)


def test_the_error_function_in_closed_form():
    """Williams (1998): the mean of erf(sqrt(q) z)^2, and of its slope squared."""
    for q in (0.1, 1.0, 30.0):
        variance = 8 / math.pi * math.asin(2 * q / (1 + 2 * q))
        assert math.isclose(meanfield.variance_map(q, 2.0, erf), variance, rel_tol=1e-12)
        chi = meanfield.gradient_gain(q, 2.0, slope=lambda x: 2 / math.sqrt(math.pi) * np.exp(-(x**2)))
        assert math.isclose(chi, 16 / math.pi / math.sqrt(1 + 4 * q), rel_tol=1e-12)
    assert math.isclose(meanfield.critical_gain(erf), math.sqrt(math.pi) / 2, rel_tol=1e-10)


def test_logarithms_of_the_largest_and_smallest_factors():
    for exponents in ((100, 100), (-100, -100), (100, -100)):
        rng = np.random.default_rng(0)
        factors = [rng.uniform(-1, 1, (12, 12)) for _ in exponents]
        scaled = [10.0**e * f for e, f in zip(exponents, factors, strict=True)]
        for logarithms in (isometry.log_singular_values, isometry.log_eigenvalues):
            expected = logarithms(factors) + sum(exponents) * math.log(10)
            np.testing.assert_allclose(np.exp(logarithms(scaled) - expected), 1, rtol=1e-10)


def test_variances_do_not_depend_on_the_unit_of_phi():
    for unit in (1e-100, 40.0, 1e100):
        mean = meanfield.variance_map(1.0, 1.0, lambda x, unit=unit: unit * np.tanh(x))
        assert math.isclose(mean, unit**2 * meanfield.variance_map(1.0, 1.0), rel_tol=1e-12)


def test_a_nonlinearity_too_steep_for_the_rule_is_refused():
    for phi in (np.sign, lambda x: np.tanh(3000 * x)):
        with pytest.raises(ValueError, match=r"q was 1; it must be smaller, or phi less steep"):
            meanfield.variance_map(1.0, 1.0, phi)


def test_the_fixed_point_is_one_and_is_stable():
    for gain, phi in itertools.product(
        [1.0001, 1.05, 1.5, 3.0, 10.0], [np.tanh, np.arctan, lambda x: x / np.sqrt(1 + x**2)]
    ):
        q = meanfield.fixed_variance(gain, phi)
        assert q > 0 and math.isclose(meanfield.variance_map(q, gain, phi), q, rel_tol=1e-9)
        for factor in (0.9, 1.1):
            after = meanfield.variance_map(factor * q, gain, phi) / q
            assert abs(after - 1) < 0.1 and (after - 1) * (factor - 1) > 0


def test_gains_are_refused_where_large_signals_outlive_small_ones():
    """Steepest away from 0: at gain 5, half of its 1 / phi'(0), a strong signal settles at a variance above 20."""

    def phi(x):
        return 0.1 * np.tanh(x) + np.tanh(x) ** 3

    q = 30.0
    for _ in range(50):
        q = meanfield.variance_map(q, 5.0, phi)
    assert 20 < q < 25
    for call in (lambda: meanfield.critical_gain(phi), lambda: meanfield.fixed_variance(5.0, phi)):
        with pytest.raises(ValueError, match=r"phi\(x\) / x must fall as x grows"):
            call()
    straight = meanfield.critical_gain(lambda x: np.clip(x, -1, 1))  # level at first, which is allowed
    assert math.isclose(straight, 1, rel_tol=1e-12)


def test_below_the_critical_gain_everything_dies_out():
    assert meanfield.fixed_variance(0.7) == meanfield.fixed_variance(1.0) == 0
    assert (
        meanfield.fixed_variance(0.49, lambda x: np.tanh(2 * x))
        == 0
        < meanfield.fixed_variance(0.51, lambda x: np.tanh(2 * x))
    )
    just_above = meanfield.fixed_variance(1.001)  # q' = g^2 (q - 2 q^2 + ...)
    assert math.isclose(just_above, (1 - 1.001**-2) / 2, rel_tol=0.01)


def test_networks_follow_the_mean_field():
    gains = np.array([0.8, 1.2, 1.5, 2.0])
    x = np.sqrt(2.0) * np.random.default_rng(0).standard_normal((600, 1)) * np.ones(4)
    states = networks.propagate(x, gains, depth=25, rng=1)
    measured, q = np.mean(states**2, axis=1), np.full(4, np.mean(x**2))
    for layer in range(1, 4):
        q = meanfield.variance_map(q, gains)
        np.testing.assert_allclose(measured[layer], q, rtol=0.1)
    fixed = [meanfield.fixed_variance(g) for g in gains[1:]]
    np.testing.assert_allclose(measured[-5:, 1:].mean(axis=0), fixed, rtol=0.06)
    assert measured[-1, 0] < 1e-3


def test_jacobian_factors_are_the_derivative_of_propagate():
    x, options = np.random.default_rng(0).standard_normal(7), {"gain": 1.3, "depth": 5}  # odd, so that signs count
    for phi, slope in ((np.tanh, lambda x: np.cosh(x) ** -2), (np.arctan, lambda x: 1 / (1 + x**2))):
        factors = networks.jacobian_factors(x, rng=5, phi=phi, slope=slope, **options)
        product = np.linalg.multi_dot(list(factors)[::-1])
        h = 1e-5
        states = [
            [networks.propagate(x + sign * h * e, rng=5, phi=phi, **options)[-1] for sign in (1, -1)] for e in np.eye(7)
        ]
        numeric = np.array([(plus - minus) / (2 * h) for plus, minus in states]).T
        np.testing.assert_allclose(product, numeric, atol=1e-8)


def test_the_mean_square_of_the_jacobian_grows_as_predicted():
    gain, width, depth = 1.5, 400, 8
    q = meanfield.fixed_variance(gain)
    x = np.random.default_rng(2).standard_normal(width)
    x *= math.sqrt(q * width) / np.linalg.norm(x)
    logs = isometry.log_singular_values(networks.jacobian_factors(x, gain, depth, rng=3))
    chi = meanfield.gradient_gain(q, gain)
    assert math.isclose(np.exp(2 * logs).mean(), chi**depth, rel_tol=0.15)


def test_the_slope_of_tanh_keeps_its_digits_where_tanh_is_one():
    x = np.linspace(-350, 350, 701)
    with mp.workdps(400):
        np.testing.assert_allclose(meanfield.tanh_slope(x), [float(mp.sech(value) ** 2) for value in x], rtol=1e-14)
    assert meanfield.tanh_slope([-1e300, 0, 1e300]).tolist() == [0, 1, 0]
    x = 10 * np.random.default_rng(0).standard_normal(30)
    logs = isometry.log_singular_values(networks.jacobian_factors(x, 1.5, 3, rng=0))
    slopes = [1.5 / np.cosh(state) ** 2 for state in networks.propagate(x, 1.5, 3, rng=0)[:-1]]
    assert math.isclose(logs.sum(), np.log(slopes).sum(), rel_tol=1e-12)  # orthogonal weights have no other volume


def test_what_no_law_or_rule_covers_is_refused_by_name():
    assert_refused(
        (lambda: initialization.random_factors(3, 2, 0, "uniform"), r"kind was 'uniform'; .* one of \('gaussian', 'or"),
        (lambda: isometry.log_singular_values([]), r"factors was empty; it must hold at least one matrix"),
        (lambda: isometry.log_eigenvalues([np.ones((2, 3))]), r"factors\[0\] had shape \(2, 3\); all factors must"),
        (lambda: isometry.log_eigenvalues([np.eye(2), np.eye(3)]), r"factors\[1\] had shape \(3, 3\); all factors"),
        (lambda: isometry.log_eigenvalues([np.zeros((0, 0))]), r"factors\[0\] was empty, of shape \(0, 0\)"),
        (lambda: isometry.log_singular_values([np.eye(2), np.zeros((2, 2))]), r"factors\[1\] was singular; loga"),
        (lambda: isometry.log_singular_values([[[math.nan]]]), r"factors\[0\] held NaN or infinity"),
        (lambda: meanfield.variance_map(-1, 1), r"q was -1; it must be zero or greater"),
        (lambda: meanfield.variance_map(1e9, 1), r"q was 1e\+09; it must be smaller, or phi less steep"),
        (lambda: meanfield.variance_map(1, 1, np.cos), r"phi was .*; it must be odd"),
        (lambda: meanfield.critical_gain(lambda x: x**3), r"phi was .*; it must rise at 0, and phi\(x\) / x must fall"),
        (lambda: meanfield.critical_gain(lambda x: -x), r"phi was .*; it must rise at 0"),
        (lambda: networks.jacobian_factors([1.0], 1.0, 2, 0, np.arctan), r"slope was .*; it must be the slope of phi"),
        (lambda: meanfield.fixed_variance(2.0, lambda x: x), r"gain was 2; with this phi the variance has no fixed"),
        (lambda: networks.propagate(np.ones((3, 2)), [1, 2, 3], 2, 0), r"x and gain had shapes \(3, 2\) and \(3,\)"),
        (lambda: networks.jacobian_factors(np.ones((3, 2)), 1.0, 2, 0), r"x had shape \(3, 2\); it must have 1 dim"),
    )
