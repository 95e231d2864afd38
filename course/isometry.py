"""Problems of the chapter "Isometry"; see CONTRIBUTING.md for how they are written."""

# %% given
import math

import numpy as np
from scipy.special import erf

from dlnlib import isometry

# %% isometry-participation
# - `surviving(sigma)`: from an array of singular values, a draw in each row, the pair of
#   $N_{\text{eff}}$, numerator and denominator averaged over the draws, and its standard error;
# - `at_finite_width(size, n)`: the ratio of the exact averages for products of `n` Gaussian matrices.
#
# Then compute it for the products of width 20.


def surviving(sigma): ...


def at_finite_width(size, n): ...


# %% answer
def surviving(sigma):
    top, bottom = np.sum(sigma**2, axis=1) ** 2, np.sum(sigma**4, axis=1)
    ratio = top.mean() / bottom.mean()
    scatter = (top / top.mean() - bottom / bottom.mean()).std(ddof=1)
    return ratio, ratio * scatter / math.sqrt(len(sigma))


def at_finite_width(size, n):
    m, p = 1.0, 1.0
    for _ in range(n):
        m, p = (1 + 1 / size) * m + p, p + 2 / size**2 * m
    return size * p / m


# %% check
rng_products = np.random.default_rng(4)


def drawn(size, n, draws):
    """Singular values of products of Gaussian matrices, a product in each row."""
    products = np.eye(size)
    for _ in range(n):
        products = rng_products.normal(0, size**-0.5, (draws, size, size)) @ products
    return np.linalg.svd(products, compute_uv=False)


assert np.allclose(surviving(np.tile([2.0, 1.0, 0.0], (5, 1))), (25 / 17, 0)), (
    "Five equal draws have no error, and their ratio can be found by hand."
)
for size, n in [(4, 1), (4, 3), (8, 2)]:
    batches = drawn(size, n, 40_000).reshape(200, 200, size)
    found = np.array([surviving(batch) for batch in batches])
    assert abs(found[:, 1].mean() / found[:, 0].std() - 1) < 0.2, (
        f"Two hundred ratios of width {size} and n = {n} scatter otherwise than your errors say."
    )
    of_all = batches.reshape(-1, size) ** 2
    tops, bottoms = of_all.sum(axis=1) ** 2, (of_all**2).sum(axis=1)
    assert abs(found[:, 0].mean() * bottoms.mean() / tops.mean() - 1) < 0.02, (
        f"Numerator and denominator, averaged apart, have another ratio at width {size} and n = {n}."
    )
    error = (tops / tops.mean() - bottoms / bottoms.mean()).std() / math.sqrt(len(tops))
    assert abs(at_finite_width(size, n) * bottoms.mean() / tops.mean() - 1) < 4 * error, (
        f"Forty thousand products of width {size} and n = {n} have another ratio of averages."
    )


# %% wrong: the average of ratios
def surviving(sigma):
    ratios = np.sum(sigma**2, axis=1) ** 2 / np.sum(sigma**4, axis=1)
    return ratios.mean(), ratios.std(ddof=1) / math.sqrt(len(sigma))


# %% wrong: the deviations added, as if they were independent
def surviving(sigma):
    top, bottom = np.sum(sigma**2, axis=1) ** 2, np.sum(sigma**4, axis=1)
    parts = [x.std(ddof=1) / x.mean() / math.sqrt(len(x)) for x in (top, bottom)]
    return top.mean() / bottom.mean(), top.mean() / bottom.mean() * math.hypot(*parts)


# %% wrong: at infinite width
def at_finite_width(size, n):
    return size / (n + 1)


# %% isometry-median
# Write `eigenvalues_below(x)` and `singular_values_below(x)`: after how many Gaussian layers more than
# half of them are smaller than $x < 1$, at infinite width.


def eigenvalues_below(x): ...


def singular_values_below(x): ...


# %% answer
def eigenvalues_below(x):
    return math.floor(2 * math.log2(1 / x)) + 1


def singular_values_below(x):
    return next(n for n in range(1, 999) if isometry.fuss_catalan_cdf(x**2, n) > 0.5)


# %% check
def shares_below(x, n):
    """The shares of eigenvalues and of singular values below x, in products of width 60."""
    if n == 0:
        return np.zeros(2)
    rng_layers, shares = np.random.default_rng(5), []
    for _ in range(12):
        product = np.linalg.multi_dot([np.eye(60), *rng_layers.normal(0, 60**-0.5, (n, 60, 60))])
        moduli = np.abs(np.linalg.eigvals(product)), np.linalg.svd(product, compute_uv=False)
        shares.append([np.mean(values < x) for values in moduli])
    return np.mean(shares, axis=0)


for x in (0.75, 0.3, 0.1):
    for i, claimed in enumerate((eigenvalues_below(x), singular_values_below(x))):
        # An eigenvalue of sixty, or a half of one, may be on the other side.
        assert shares_below(x, claimed)[i] > 0.49 and shares_below(x, claimed - 1)[i] < 0.51, (
            f"In products of width 60, half of them are below {x} after another number of layers."
        )


# %% wrong: the product of the halves
def eigenvalues_below(x):
    return math.floor(math.log2(1 / x)) + 1


# %% wrong: the law of one direction
def eigenvalues_below(x):
    return math.floor(4 * math.log2(1 / x)) + 1


# %% wrong: the law of the squares, not squared
def singular_values_below(x):
    return next(n for n in range(1, 999) if isometry.fuss_catalan_cdf(x, n) > 0.5)


# %% wrong: as for the eigenvalues
def singular_values_below(x):
    return math.floor(2 * math.log2(1 / x)) + 1


# %% wrong: as for the singular values
def eigenvalues_below(x):
    return next(n for n in range(1, 999) if isometry.fuss_catalan_cdf(x**2, n) > 0.5)


# %% isometry-residual
# Write `alpha(share)`: the $\alpha$ that keeps this share of the directions at infinite depth and width.


def alpha(share): ...


# %% answer
def alpha(share):
    return math.sqrt((1 / share - 1) / 2)


# %% check
for share in (0.5, 0.25):
    kept, rng_residual = [], np.random.default_rng(6)
    for _ in range(10):
        residual_product = np.eye(60)
        for noise in rng_residual.normal(0, 60**-0.5, (100, 60, 60)):
            residual_product = residual_product + alpha(share) / 10 * noise @ residual_product
        squares = np.linalg.svd(residual_product, compute_uv=False) ** 2
        kept.append(squares.mean() ** 2 / (squares**2).mean())
    assert abs(np.mean(kept) / share - 1) < 0.08, (
        f"With your value for {share}, a hundred layers of width 60 keep another share."
    )


# %% wrong: without the two
def alpha(share):
    return math.sqrt(1 / share - 1)


# %% wrong: without the root
def alpha(share):
    return (1 / share - 1) / 2


# %% isometry-erf
# Assign to `critical` the critical gain, and to `gain_at_one` the gain at which $q_\infty = 1$.
critical = ...
gain_at_one = ...

# %% answer
critical = math.sqrt(math.pi) / 2
gain_at_one = math.sqrt(math.pi / (2 * math.asin(2 / 3)))

# %% check
nodes, weights = np.polynomial.hermite_e.hermegauss(120)
weights /= weights.sum()


def next_variance(q, gain):
    """The variance after a layer, as an average over a Gaussian."""
    return gain**2 * np.sum(weights * erf(math.sqrt(q) * nodes) ** 2)


assert abs(next_variance(1e-8, critical) / 1e-8 - 1) < 1e-6, (
    "At your critical gain, a small variance does not stay what it is."
)
assert abs(next_variance(1.0, gain_at_one) - 1) < 1e-6, "At your gain, a variance of one changes."

# %% wrong: as for tanh
critical = 1.0

# %% wrong: the slope itself
critical = 2 / math.sqrt(math.pi)

# %% wrong: the square of the gain
gain_at_one = math.pi / (2 * math.asin(2 / 3))

# %% wrong: without the factor two
gain_at_one = math.sqrt(math.pi / math.asin(2 / 3))
