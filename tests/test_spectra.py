"""The stored spectra of figures 6 and 7: complete, consistent, and drawn again where that is cheap."""

import functools

import numpy as np
import pytest

import figure_6
from dlnlib import datasets, initialization, networks, sweep

RECORD = datasets.stored("spectra")


LENGTHS = [str(n) for n in figure_6.LENGTHS]


def counts(n, name):
    """Return the edges of a histogram and its counts, with the empty ends that are not stored."""
    edges = figure_6.EDGES[name]
    first, kept = RECORD["figure_6"][n][name]
    return edges, np.pad(kept, (first, len(edges) - 1 - first - len(kept)))


def test_the_file_says_how_it_was_made():
    assert RECORD["command"] == "python makers/figure_6.py"
    assert set(RECORD["versions"]) == {"python", "numpy", "scipy"}
    assert (RECORD["seed"], RECORD["width"]) == (figure_6.SEED, figure_6.WIDTH)
    assert list(RECORD["figure_6"]) == LENGTHS
    draws = {stored["draws"] for stored in RECORD["figure_6"].values()}
    assert len(draws) == 1 and 50 <= min(draws) <= figure_6.DRAWS
    for name, (low, high, bins) in RECORD["edges"].items():
        np.testing.assert_allclose(np.linspace(low, high, bins + 1), figure_6.EDGES[name], atol=1e-9)


@pytest.mark.parametrize("n", LENGTHS)
def test_every_value_of_every_draw_is_counted_once(n):
    stored = RECORD["figure_6"][n]
    total = stored["draws"] * RECORD["width"]
    assert np.sum(stored["plane"]) == total
    below = total - counts(n, "log10_sigma")[1].sum()  # both histograms of logarithms begin at 1e-190
    for missing in (below, total - counts(n, "log10_modulus")[1].sum()):
        assert missing == 0 or (n == "100" and 0 < missing <= 1e-4 * total)
    edges, sigma = counts(n, "sigma")
    beyond = total - sigma.sum()  # this one ends at 16
    assert beyond == 0 or (n == "100" and 0 < beyond < 0.6 * stored["draws"])
    # Two histograms of the same values, with an edge in common.
    edges_log, logs = counts(n, "log10_sigma")
    assert sigma[edges[:-1] < 0.9999].sum() == logs[edges_log[:-1] < -1e-9].sum() + below
    assert stored["mean_and_error"]["origin_bin"][0] == pytest.approx(stored["plane"][15][15] / total, rel=1e-12)


def test_the_first_moment_of_all_single_matrices_is_drawn_again():
    """It is the mean square of the entries: no singular value is needed, and every seed is."""
    draws = RECORD["figure_6"]["1"]["draws"]
    squares = np.empty(draws)
    for draw in range(draws):
        rng = np.random.default_rng([figure_6.SEED, 1, draw])
        (matrix,) = initialization.random_factors(figure_6.WIDTH, 1, rng)
        squares[draw] = np.vdot(matrix, matrix) / figure_6.WIDTH
    again = [squares.mean(), squares.std(ddof=1) / np.sqrt(draws)]
    np.testing.assert_allclose(RECORD["figure_6"]["1"]["mean_and_error"]["moment_1"], again, rtol=1e-9)


def test_one_draw_is_among_those_counted():
    again = figure_6.spectrum(1, 0)
    for name in ("sigma", "log10_sigma", "log10_modulus"):
        assert (again[name] <= counts("1", name)[1]).all()
    plane = np.ravel(RECORD["figure_6"]["1"]["plane"])
    assert all(count <= plane[i] for i, count in again["plane"])


def test_a_jacobian_is_drawn_again():
    """At gain 0.9 the singular values lie within one decade, and the product can simply be multiplied out."""
    runs = {(run["gain"], run["q"]): run for run in RECORD["figure_7"]}
    assert list(runs) == [tuple(point.values()) for point in sweep.grid(gain=figure_6.GAINS, q=figure_6.VARIANCES)]
    assert {run["layers"] for run in RECORD["figure_7"]} == {figure_6.LAYERS}
    rng = np.random.default_rng([figure_6.SEED, 900, 200])
    x = np.sqrt(0.2) * rng.standard_normal(figure_6.WIDTH)
    factors = networks.jacobian_factors(x, 0.9, figure_6.LAYERS, rng)
    values = np.log10(np.linalg.svd(functools.reduce(lambda a, b: b @ a, factors), compute_uv=False))
    np.testing.assert_allclose(runs[0.9, 0.2]["log10_sigma"], [*values[::4], values[-1]], atol=1e-4)
