"""Problems of the chapter "Attention learns in context"; see CONTRIBUTING.md for how they are written."""

# %% given
import numpy as np
from scipy.integrate import solve_ivp

from dlnlib import exact

# %% attention-context
# Errors are relative to that of no answer, inputs are white and of dimension `d`. Write
#
# - `halved_at(d)`: how long the context must be for the trained layer to halve the error;
# - `hundredth_at(d)`: how long for a hundredth of it.


def halved_at(d): ...


def hundredth_at(d): ...


# %% answer
def halved_at(d):
    return d + 1


def hundredth_at(d):
    return 99 * (d + 1)


# %% check
for dimension in (1, 3, 8):
    for length, wanted in [(halved_at(dimension), 1 / 2), (hundredth_at(dimension), 1 / 100)]:
        assert length == round(length) > 0, "A context has a whole number of examples."
        heights = exact.attention_modes(np.eye(dimension), int(length)).losses
        assert abs(heights[-1] / heights[0] / wanted - 1) < 1e-9, (
            f"With d = {dimension} and {length} examples the error does not end at {wanted} of no answer's."
        )


# %% wrong: what least squares needs
def halved_at(d):
    return d


# %% wrong: a hundred times the noise of one dimension more
def hundredth_at(d):
    return 100 * (d + 1)


# %% wrong: only the dimensions count
def hundredth_at(d):
    return 99 * d


# %% attention-noise
# The answers in the context, but not the one that is asked for, have noise of variance `noise`;
# `covariance` is $\Lambda$ and `n` the number of examples. Write
#
# - `second_moment(covariance, n, noise)`: the matrix $B$;
# - `gamma(covariance, n, noise)`: the matrix $\Gamma$ whose inverse is learned;
# - `plateaus(variances, n, noise)`: the errors with the first 0, 1, ... components learned, relative
#   to that of no answer. The `variances` fall.


def second_moment(covariance, n, noise): ...


def gamma(covariance, n, noise): ...


def plateaus(variances, n, noise): ...


# %% answer
def second_moment(covariance, n, noise):
    felt = np.trace(covariance) + noise
    return covariance @ covariance * (1 + 1 / n) + covariance * felt / n


def gamma(covariance, n, noise):
    felt = np.trace(covariance) + noise
    return (1 + 1 / n) * covariance + felt / n * np.eye(len(covariance))


def plateaus(variances, n, noise):
    felt = np.sum(variances) + noise
    gains = variances / (1 + (1 + felt / variances) / n)
    return 1 - np.append(0, np.cumsum(gains)) / np.sum(variances)


# %% check
def farthest(draws):
    """The largest mean among columns of draws that should average to zero, in standard errors."""
    return np.max(np.abs(draws.mean(axis=0)) / draws.std(axis=0)) * np.sqrt(len(draws))


numbers = np.random.default_rng(1)
for many, of_noise, shape in [
    (5, 0.5, [[1.0, 0.5], [0.5, 0.6]]),
    (3, 2.0, [[0.9, 0.0], [0.0, 0.3]]),
]:
    shape = np.array(shape)
    x = numbers.standard_normal((200_000, many + 1, 2)) @ np.linalg.cholesky(shape).T
    y = (x @ numbers.standard_normal((200_000, 2, 1)))[..., 0]
    told = y[:, :-1] + np.sqrt(of_noise) * numbers.standard_normal((200_000, many))
    correlation = np.einsum("pn,pni->pi", told, x[:, :-1]) / many
    asked, wanted = x[:, -1], y[:, -1]
    off = np.einsum("pi,pj->pij", correlation, correlation) - second_moment(shape, many, of_noise)
    assert farthest(off.reshape(-1, 4)) < 4, (
        f"For {many} examples with noise {of_noise}, sampled contexts have another second moment."
    )
    missed = wanted - np.sum(
        correlation * np.linalg.solve(gamma(shape, many, of_noise), asked.T).T, 1
    )
    gradient = missed[:, None, None] * np.einsum("pi,pj->pij", correlation, asked)
    assert farthest(gradient.reshape(-1, 4)) < 4, (
        f"For {many} examples with noise {of_noise}, the inverse of your matrix is not the best map."
    )
parts = correlation * asked  # of the last contexts, whose components are independent
best = np.array([part @ wanted / (part @ part) for part in parts.T])
for learned, height in enumerate(plateaus(np.diag(shape), many, of_noise)):
    answer = parts[:, :learned] @ best[:learned]
    assert farthest(((wanted - answer) ** 2 - height * np.trace(shape))[:, None]) < 4, (
        f"With {learned} of two components learned, sampled errors have another mean."
    )


# %% wrong: noise of the size of one example
def second_moment(covariance, n, noise):
    clean = covariance @ covariance * (1 + 1 / n) + covariance * np.trace(covariance) / n
    return clean + noise * covariance


# %% wrong: noise that is white
def second_moment(covariance, n, noise):
    clean = covariance @ covariance * (1 + 1 / n) + covariance * np.trace(covariance) / n
    return clean + noise / n * np.eye(len(covariance))


# %% wrong: the preconditioner without noise
def gamma(covariance, n, noise):
    return (1 + 1 / n) * covariance + np.trace(covariance) / n * np.eye(len(covariance))


# %% wrong: the inverse of what is asked for
def gamma(covariance, n, noise):
    felt = np.trace(covariance) + noise
    return np.linalg.inv((1 + 1 / n) * covariance + felt / n * np.eye(len(covariance)))


# %% wrong: noise as a floor
def plateaus(variances, n, noise):
    gains = variances / (1 + (1 + np.sum(variances) / variances) / n)
    return 1 - np.append(0, np.cumsum(gains)) / np.sum(variances) + noise / n


# %% wrong: plateaus without noise
def plateaus(variances, n, noise):
    gains = variances / (1 + (1 + np.sum(variances) / variances) / n)
    return 1 - np.append(0, np.cumsum(gains)) / np.sum(variances)


# %% wrong: in absolute units
def plateaus(variances, n, noise):
    felt = np.sum(variances) + noise
    gains = variances / (1 + (1 + felt / variances) / n)
    return np.sum(variances) - np.append(0, np.cumsum(gains))


# %% attention-order
# As in the chapter, components of variances 0.4, 0.3, 0.2 and 0.1, and a context of 31 examples.
#
# - Assign to `first` the number of the component that is learned first, from 1 (of the largest
#   variance) to 4.
# - Write `early(v, a0, s, variance)`: your estimate of when a component is half learned, in units of
#   $\tau$, whose head begins with a large value `v` and with key and query `a0`. Its mode has the
#   strength `s`, and what it sees has the variance `variance`.
first = ...


def early(v, a0, s, variance): ...


# %% answer
first = 4


def early(v, a0, s, variance):
    return np.log(np.sqrt(s / variance / 2 / v) / a0) / (v * s)


# %% check
strengths, seen_by, _ = exact.attention_modes(np.diag([0.4, 0.3, 0.2, 0.1]), 31)
until = np.linspace(0, 6000, 60_001)[:, None]


def half_at(begin, modes=slice(None)):
    """When each component is half learned, from the strengths of its value, key and query."""
    s, of_input = strengths[modes], seen_by[modes]
    u = exact.layered_mode(until, s, begin, input_variance=of_input).prod(axis=-1)
    return until[np.argmax(u > s / of_input / 2, axis=0), 0]


begin = np.full((4, 3), 0.02)
begin[3, 0] = 3.0
assert first == 1 + np.argmin(half_at(begin)), "Another component is learned first."
for v, a0, mode in [(3.0, 0.02, 3), (30.0, 0.001, 3), (4.0, 0.02, 2)]:
    by_layers = half_at(np.array([[v, a0, a0]]), [mode])[0]
    estimate = early(v, a0, strengths[mode], seen_by[mode])
    assert abs(estimate / by_layers - 1) < 0.1, (
        f"Component {mode + 1} with v = {v} and a0 = {a0} takes {by_layers:.0f}, not {estimate:.0f}."
    )

# %% wrong: the largest variance, as always
first = 1

# %% wrong: numbered from zero
first = 3


# %% wrong: the value forgotten
def early(v, a0, s, variance):
    return np.log(np.sqrt(s / variance / 2 / v) / a0) / s


# %% wrong: the rate of the product
def early(v, a0, s, variance):
    return np.log(np.sqrt(s / variance / 2 / v) / a0) / (2 * v * s)


# %% wrong: from the strength of a layer to that of the product
def early(v, a0, s, variance):
    return np.log(s / variance / 2 / v / a0) / (v * s)


# %% wrong: the plateau of three equal layers
def early(v, a0, s, variance):
    return 1 / (a0 * s)


# %% attention-rank
# With one key and one query to a head there are long plateaus with 0, 1, 2 and 3 components learned.
#
# - Assign to `long_plateaus` the list of those that remain with heads of rank two.
# - Write `next_rate(s, variance, next_s)`: the rate, in units of $1/\tau$, at which key and query of
#   a component of strength `next_s` grow, after the other component of the head, of strength `s`,
#   is learned. What that one sees has the variance `variance`.
long_plateaus = ...


def next_rate(s, variance, next_s): ...


# %% answer
long_plateaus = [0, 2]


def next_rate(s, variance, next_s):
    return (s / variance) ** (1 / 3) * next_s


# %% check
for spread in ([0.4, 0.3, 0.2, 0.1], [0.5, 0.4, 0.25, 0.15]):
    mode_s, mode_input, _ = exact.attention_modes(np.diag(spread), 31)

    def by_heads(_, layers, s=mode_s, of_input=mode_input):
        """Two values, and for each component the strength of its key, which is that of its query."""
        value, key = np.repeat(layers[:2], 2), layers[2:]
        pull = key * (s - of_input * value * key**2)
        return np.concatenate([(pull * key).reshape(2, 2).sum(axis=1), pull * value])

    at = np.linspace(0, 12_000, 12_001)
    two_heads = solve_ivp(
        by_heads, (0, at[-1]), np.full(6, 0.01), "LSODA", at, rtol=1e-9, atol=1e-12
    ).y
    product = np.repeat(two_heads[:2], 2, axis=0) * two_heads[2:] ** 2
    arrives = at[np.argmax(product > mode_s[:, None] / mode_input[:, None] / 2, axis=1)]
    waits = arrives / np.append(0.01, arrives[:-1])
    assert list(long_plateaus) == [m for m in range(4) if waits[m] > 1.35], (
        f"With variances {spread} the components come at {arrives}: that makes other plateaus."
    )
    for done in (0, 2):
        between = (product[done] > 0.999 * mode_s[done] / mode_input[done]) & (
            product[done + 1] < 0.003 * mode_s[done + 1] / mode_input[done + 1]
        )
        if np.sum(between) < 20:
            continue
        measured = np.polyfit(at[between], np.log(two_heads[done + 3][between]), 1)[0]
        mine = next_rate(mode_s[done], mode_input[done], mode_s[done + 1])
        assert abs(mine / measured - 1) < 0.02, (
            f"Component {done + 2} of variances {spread} grows at the rate {measured:.4f}, not {mine:.4f}."
        )

# %% wrong: as with heads of rank one
long_plateaus = [0, 1, 2, 3]

# %% wrong: the first one forgotten
long_plateaus = [2]


# %% wrong: three layers taken for two
def next_rate(s, variance, next_s):
    return (s / variance) ** (1 / 2) * next_s


# %% wrong: without the value
def next_rate(s, variance, next_s):
    return next_s


# %% wrong: the rate of key times query
def next_rate(s, variance, next_s):
    return 2 * (s / variance) ** (1 / 3) * next_s


# %% attention-centred
# For white inputs of dimension `d` and `n` examples, write
#
# - `least_error(d, n)`: the least error with the centred correlation $\beta_c$, relative to that of
#   no answer;
# - `factor(n)`: the factor between $\beta_c$ and a $\beta$ of $n - 1$ examples.


def least_error(d, n): ...


def factor(n): ...


# %% answer
def least_error(d, n):
    return (1 + d) / (n + d)


def factor(n):
    return (n - 1) / n


# %% check
normal = np.random.default_rng(2)
for size, examples in [(2, 3), (4, 6)]:
    shifted = normal.standard_normal((100, 1000, examples, size))
    shifted -= shifted.mean(axis=2, keepdims=True)
    scatter = np.swapaxes(shifted, -1, -2) @ shifted / examples  # beta_c is this times w
    mean = np.einsum("kpii->kp", scatter).mean(axis=1) / size
    square = np.einsum("kpij,kpij->kp", scatter, scatter).mean(axis=1) / size
    for found, mine, what in [
        (mean, factor(examples), "the size of the centred correlation"),
        (1 - mean**2 / square, least_error(size, examples), "the least error"),
    ]:
        uncertain = found.std(ddof=1) / 10
        assert abs(found.mean() - mine) < 3 * uncertain + 0.002, (
            f"With d = {size}, n = {examples} sampling finds {what} {found.mean():.3f}, not {mine:.3f}."
        )


# %% wrong: as if nothing were centred
def least_error(d, n):
    return (1 + d) / (n + 1 + d)


# %% wrong: one example too few
def least_error(d, n):
    return (1 + d) / (n - 1 + d)


# %% wrong: the inverse, that of an unbiased variance
def factor(n):
    return n / (n - 1)


# %% wrong: no factor
def factor(n):
    return 1
