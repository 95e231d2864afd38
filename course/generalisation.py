"""Problems of the chapter "Generalisation"; see CONTRIBUTING.md for how they are written."""

# %% given
import numpy as np

from dlnlib import datasets, exact


def on_first(t, strength, q):
    """Error on the first of two tasks of equal strength and overlap q; of one alone if q is None."""
    inputs = [[1, 0]] if q is None else [[1, 0], [q, np.sqrt(1 - q**2)]]
    u, s, _ = np.linalg.svd(strength * np.array(inputs))
    return exact.excess_error(
        lambda s: exact.mode_strength(t[:, None], s, 1e-3, depth=3),
        s,
        (50 * len(s), 200),
        200**-0.5,
        share=u[0] ** 2,
        part=1 / len(s),
    )


# %% generalisation-threshold
# Assign to `shows_from` the number of examples from which on the mode shows, and to `half_from` the
# number from which on half of it, $O = 1/2$, is to be seen.
shows_from = ...
half_from = ...

# %% answer
shows_from = 50
half_from = 106


# %% check
def seen_of_it(count):
    """The overlap of the mode in the sum over so many examples, not in their mean."""
    return np.prod(exact.noisy_modes([count], (25, 100), count**0.5)[1:])


assert seen_of_it(shows_from - 1.5) == 0 < seen_of_it(shows_from + 0.5), (
    "With one example less it shows already, or with one more it does not yet."
)
assert seen_of_it(half_from - 1) < 0.5 < seen_of_it(half_from + 1), (
    "Half of the mode is not what is to be seen with `half_from` examples."
)

# %% wrong: inputs and outputs exchanged
shows_from = 200

# %% wrong: the second root forgotten
shows_from = 25

# %% wrong: half of the square
half_from = 190

# %% wrong: half of the inputs' vector only
half_from = 77

# %% generalisation-variance
# Let `n` be the number of inputs, `alpha` the number of examples for each, and `sigma` the standard
# deviation of the noise. Compared are the exact mean at the end, and the law for many inputs
# with its first correction.
#
# - Assign to `power` the power of $1/N$ that the correction leaves.
# - Write `left_out(sigma, n, alpha)`: what it leaves, to leading order (the exact mean is larger).
power = ...


def left_out(sigma, n, alpha): ...


# %% answer
power = 2


def left_out(sigma, n, alpha):
    return sigma**2 / (2 * n**2 * (alpha - 1) ** 3)


# %% check
for deviation, per_input in [(1.0, 3), (0.5, 6)]:
    rest = []
    for inputs in (100, 200):
        mean = deviation**2 / 2 * (1 + inputs / (inputs * (per_input - 1) - 1))
        rest.append(mean - exact.stopped_error(1e4, per_input, deviation, n_in=inputs))
    assert abs(np.log2(rest[0] / rest[1]) - power) < 0.05, (
        "With twice as many inputs, what is left falls by another power."
    )
    assert abs(left_out(deviation, 200, per_input) / rest[1] - 1) < 0.02, (
        f"With sigma = {deviation}, alpha = {per_input} and 200 inputs, something else is left."
    )

# %% wrong: what is left without the correction
power = 1


# %% wrong: the correction itself
def left_out(sigma, n, alpha):
    return sigma**2 / (2 * n * (alpha - 1) ** 2)


# %% wrong: without the half
def left_out(sigma, n, alpha):
    return sigma**2 / (n**2 * (alpha - 1) ** 3)


# %% wrong: one power of alpha less
def left_out(sigma, n, alpha):
    return sigma**2 / (2 * n**2 * (alpha - 1) ** 2)


# %% generalisation-shrinkage
# Write
#
# - `best_strength(shown, ratio)`: what the best filter makes of modes that look like the array
#   `shown`, in units of $\nu\sqrt{N_1}$, with the ratio $A = N_3/N_1$. Modes in the bulk it drops.
# - `filtered(data, nu)`: a noisy map of any units and any size, so filtered; the entries of its noise
#   have the standard deviation `nu`.


def best_strength(shown, ratio): ...


def filtered(data, nu): ...


# %% answer
def best_strength(shown, ratio):
    signal = np.maximum((shown**2 - 1 - ratio) ** 2 - 4 * ratio, 0)
    return np.where(shown > 1 + np.sqrt(ratio), np.sqrt(signal) / shown, 0)


def filtered(data, nu):
    outputs, inputs = data.shape
    unit = nu * np.sqrt(inputs)
    u, s, vt = np.linalg.svd(data, full_matrices=False)
    return u * (unit * best_strength(s / unit, outputs / inputs)) @ vt


# %% check
rule_s = np.array([4.0, 2.5, 1.3])
for n_out, n_in in [(100, 400), (300, 400)]:
    look, out, into = exact.noisy_modes(rule_s, (n_out, n_in), n_in**-0.5)
    assert np.allclose(best_strength(look, n_out / n_in), rule_s * out * into, rtol=1e-6), (
        f"With A = {n_out / n_in} the best strength is not that of the mode times its overlap."
    )
    assert np.allclose(best_strength(np.array([0.6, 1.1]), n_out / n_in), 0), (
        f"With A = {n_out / n_in} something of the bulk is left."
    )
    rule = np.zeros((n_out, n_in))
    rule[range(3), range(3)] = 5 * rule_s
    data = rule + 5 * n_in**-0.5 * np.random.default_rng(3).standard_normal(rule.shape)
    left, s_data, right = np.linalg.svd(data, full_matrices=False)
    known = np.maximum(np.sum((left.T @ rule) * right, axis=1), 0) * (np.arange(len(s_data)) < 3)
    least = np.sum((rule - left * known @ right) ** 2)
    mine = np.sum((rule - filtered(data, 5 * n_in**-0.5)) ** 2)
    assert mine < 1.02 * least, (
        f"On data of shape {n_out, n_in}, a filter that knows the teacher errs much less than yours."
    )


# %% wrong: the teacher's strength
def best_strength(shown, ratio):
    square = np.maximum(shown**2 - 1 - ratio, 0)
    root = np.sqrt(np.maximum(square**2 - 4 * ratio, 0))
    return np.where(shown > 1 + np.sqrt(ratio), np.sqrt((square + root) / 2), 0)


# %% wrong: not divided by what is seen
def best_strength(shown, ratio):
    return np.sqrt(np.maximum((shown**2 - 1 - ratio) ** 2 - 4 * ratio, 0)) * (shown > 1)


# %% wrong: weak modes not dropped
def best_strength(shown, ratio):
    return np.sqrt(np.abs((shown**2 - 1 - ratio) ** 2 - 4 * ratio)) / shown


# %% wrong: noise alone dropped
def filtered(data, nu):
    u, s, vt = np.linalg.svd(data, full_matrices=False)
    return u * (s * (s > nu * (np.sqrt(data.shape[0]) + np.sqrt(data.shape[1])))) @ vt


# %% wrong: units of the outputs
def filtered(data, nu):
    unit = nu * np.sqrt(len(data))
    u, s, vt = np.linalg.svd(data, full_matrices=False)
    return u * (unit * best_strength(s / unit, len(data) / len(data.T))) @ vt


# %% generalisation-fashion
# From the moments of Fashion-MNIST's training images, assign to `best_gamma` the best $\gamma$ for
# 1,000 images and to `best_error` the test error that is expected there. For MNIST, assign to
# `mnist_off` what is measured there with the first 1,000 images, relative to what is expected: the
# least test error (on the 10,000 test images) over the least expected one, minus one.
best_gamma = ...
best_error = ...
mnist_off = ...

# %% answer
best_gamma = 0.049
best_error = 0.2094
mnist_off = 0.016

# %% check
draw = np.random.default_rng(4)


def ridge_maps(inputs, targets, gammas):
    """The maps of ridge regression on these examples, one for each gamma."""
    moments = inputs.T @ inputs / len(inputs), inputs.T @ targets / len(inputs)
    return [np.linalg.solve(moments[0] + g * np.eye(784), moments[1]).T for g in gammas]


def gaussian_errors(task, gammas):
    """Test errors after 1,000 Gaussian inputs and linear targets that have the moments of a task."""
    root = np.linalg.cholesky(task.sigma_xx + 1e-9 * np.eye(784))
    inputs = draw.standard_normal((1000, 784)) @ root.T
    targets = inputs @ task.least_squares_map.T
    targets += np.sqrt(task.floor / 5) * draw.standard_normal((1000, 10))
    return np.array([task.loss(w) for w in ridge_maps(inputs, targets, gammas)])


clothes, digits = datasets.fashion_mnist(), datasets.mnist()
less, here, more = gaussian_errors(clothes, np.array([0.6, 1, 1.6]) * best_gamma)
assert here < less and here < more, (
    "Another gamma does better on Gaussian numbers of these moments."
)
assert abs(best_error / here - 1) < 0.015, (
    "Gaussian numbers of these moments have another test error at your gamma."
)
tried = np.geomspace(0.04, 0.12, 4)
images, labels = datasets.mnist_images(1000)
real = ridge_maps(images.reshape(1000, -1) / 255, np.eye(10)[labels], tried)
real = np.min(datasets.mnist("test").loss(np.array(real)))
by_law = np.mean([gaussian_errors(digits, tried).min() for _ in range(2)])
assert abs(real / by_law - 1 - mnist_off) < 0.01, (
    "On MNIST, real images are not off by `mnist_off` from Gaussian numbers of the same moments."
)

# %% wrong: without the half of the loss
best_error = 0.4189

# %% wrong: a penalty without the half
best_gamma = 0.024

# %% wrong: the gamma of white inputs
best_gamma = 0.5

# %% wrong: turned round
mnist_off = -0.016

# %% wrong: in percent
mnist_off = 1.6

# %% generalisation-break-even
# The task is the chapter's: 50 outputs for each of two tasks, 200 inputs, noise of $200^{-1/2}$ in
# every entry, three layers from $u_0 = 10^{-3}$. `on_first` is given. Assign to `even_1` the overlap
# $q$ at which a second task of equal strength neither helps nor harms for $s_1 = 1$, and to `even_2`
# that for $s_1 = 2$.
even_1 = ...
even_2 = ...

# %% answer
even_1 = 0.497
even_2 = 0.808

# %% check
moments_in_time = np.linspace(1.5, 9, 150)
for name, strength, crossing in [("even_1", 1.0, even_1), ("even_2", 2.0, even_2)]:
    alone = on_first(moments_in_time, strength, None).min()
    with_less = on_first(moments_in_time, strength, crossing - 0.01).min()
    with_more = on_first(moments_in_time, strength, crossing + 0.01).min()
    assert with_less > alone > with_more, (
        f"With an overlap of `{name}` the second task does help, or it does harm."
    )

# %% wrong: exchanged
even_1, even_2 = 0.808, 0.497

# %% wrong: the square
even_1 = 0.247

# %% wrong: with two layers
even_2 = 0.706
