"""Problems of the chapter "Pretraining"; see CONTRIBUTING.md for how they are written."""

# %% given
import numpy as np

from dlnlib import datasets, descent, exact, initialization
from dlnlib.task import Task

# %% pretraining-readout
# - `time_to_90(s, depth)`: the time to 90 % of a mode of strength `s`, in units of $\tau$, from layers of
#   the strengths $(1, \dots, 1, 0)$;
# - `of_weak_modes`: what it tends to for weak modes, at any depth.


def time_to_90(s, depth): ...


of_weak_modes = ...


# %% answer
def time_to_90(s, depth):
    t = np.linspace(0, 5, 50_001)
    u = exact.layered_mode(t, s, [1.0] * (depth - 1) + [0.0]).prod(axis=1)
    return np.interp(0.9 * s, u, t)


of_weak_modes = np.log(10)

# %% check
for strength, layers in [(1e-4, 2), (1e-4, 20), (0.3, 2), (0.3, 10), (0.3, 100), (1.0, 5)]:
    below, readout, steps = 1.0, 0.0, 0
    while below ** (layers - 1) * readout < 0.9 * strength:
        force = 2e-4 * (strength - below ** (layers - 1) * readout)
        below, readout = (
            below + force * below ** (layers - 2) * readout,
            readout + force * below ** (layers - 1),
        )
        steps += 1
    assert abs(time_to_90(strength, layers) / (2e-4 * steps) - 1) < 0.002, (
        f"Gradient descent at depth {layers} takes another time to 90 % of s = {strength}."
    )
    assert strength > 0.01 or abs(of_weak_modes / (2e-4 * steps) - 1) < 0.002, (
        f"For weak modes the time tends to another value, as s = {strength} shows."
    )


# %% wrong: as if depth never counted
def time_to_90(s, depth):
    return np.log(10)


# %% wrong: as if it always counted
def time_to_90(s, depth):
    return np.log(10) / (1 + (depth - 1) * s**2)


# %% wrong: to a half
of_weak_modes = np.log(2)

# %% wrong: as of two layers that grow together
of_weak_modes = np.log(10) / 2

# %% pretraining-bottleneck
# For a task with the moments `task.sigma_yx` and `task.sigma_xx`, and modes numbered from 0, write
#
# - `kept(task, mode, k)`: the share of a mode's input direction that the first $k$ principal components
#   hold;
# - `angle(task, mode, k)`: the angle, in degrees, at which the mode starts after pretraining through $k$
#   units.
#
# Then try them on `datasets.mnist()`.


def kept(task, mode, k): ...


def angle(task, mode, k): ...


# %% answer
def kept(task, mode, k):
    components = np.linalg.eigh(task.sigma_xx)[1][:, ::-1][:, :k]
    v = np.linalg.svd(task.sigma_yx, full_matrices=False)[2][mode]
    return np.sum((v @ components) ** 2)


def angle(task, mode, k):
    return np.degrees(np.arccos(np.sqrt(kept(task, mode, k))))


# %% check
rng_inputs = np.random.default_rng(3)
inputs = rng_inputs.standard_normal((300, 8)) @ rng_inputs.standard_normal((8, 8))
task = Task.from_samples(inputs, inputs @ rng_inputs.standard_normal((8, 3)))
for mode, k in [(0, 1), (1, 3), (2, 5), (2, 7)]:
    v = task.modes.vt[mode]
    # The best approximation of v in the span of what k rounds of power iteration hold on to.
    held = rng_inputs.standard_normal((task.n_in, k))
    for _ in range(300):
        held = np.linalg.qr(task.sigma_xx @ held)[0]
    rest = v - held @ np.linalg.lstsq(held, v)[0]
    assert abs(kept(task, mode, k) - (1 - rest @ rest)) < 1e-3, (
        f"Of mode {mode}, another share lies in the first {k} components of {task.n_in} inputs."
    )
    near = v - rest
    degrees = np.degrees(np.arccos(near @ v / np.linalg.norm(near)))
    assert abs(angle(task, mode, k) - degrees) < 0.5, (
        f"Mode {mode} and its part in the first {k} components of {task.n_in} inputs have another angle."
    )


# %% wrong: the weakest components
def kept(task, mode, k):
    components = np.linalg.eigh(task.sigma_xx)[1][:, :k]
    v = np.linalg.svd(task.sigma_yx, full_matrices=False)[2][mode]
    return np.sum((v @ components) ** 2)


# %% wrong: amplitudes for shares
def kept(task, mode, k):
    components = np.linalg.eigh(task.sigma_xx)[1][:, ::-1][:, :k]
    v = np.linalg.svd(task.sigma_yx, full_matrices=False)[2][mode]
    return np.sum(np.abs(v @ components))


# %% wrong: the share taken for the cosine
def angle(task, mode, k):
    return np.degrees(np.arccos(kept(task, mode, k)))


# %% pretraining-anywhere
# Write `best_rate(units, n_in, depth)`: the best rate of the first step from `depth` orthogonal layers,
# the hidden ones of `units` units, on `n_in` white inputs and a weak task.


def best_rate(units, n_in, depth): ...


# %% answer
def best_rate(units, n_in, depth):
    q = n_in / units
    return (1 - (1 - q) ** (1 / depth)) / q


# %% check
for units, depth in [(60, 4), (160, 4), (60, 7), (40, 5)]:
    weak_task = Task(0.01 * initialization.orthogonal([20, 2], rng=0)[0])
    tried, losses = np.linspace(0.02, 1.3, 129), 0
    for seed in range(6):
        drawn = initialization.orthogonal([20, *[units] * (depth - 1), 2], rng=seed)
        losses = losses + descent.gradient_descent(weak_task, drawn, tried, steps=1).loss[:, 1]
    mine = np.interp(best_rate(units, 20, depth), tried, losses / 6)
    assert mine < losses.min() / 6 + 0.003, (
        f"At width {units} and {depth} layers, another rate ends lower after one step."
    )


# %% wrong: one over the depth
def best_rate(units, n_in, depth):
    return 1 / depth


# %% wrong: the inputs that are lost, for those that are seen
def best_rate(units, n_in, depth):
    q = 1 - n_in / units
    return (1 - (1 - q) ** (1 / depth)) / q if q else 1 / depth


# %% wrong: a layer too few
def best_rate(units, n_in, depth):
    q = n_in / units
    return (1 - (1 - q) ** (1 / (depth - 1))) / q


# %% pretraining-repair
# - `repaired(w)`: the matrix with its spread gone and its size kept: its polar factor, times the root
#   mean square of its singular values.
# - `size(n_in, n_out)`: the size of a layer of Glorot's start, expected over the draws, as a formula.


def repaired(w): ...


def size(n_in, n_out): ...


# %% answer
def repaired(w):
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return np.sqrt(np.mean(s**2)) * u @ vt


def size(n_in, n_out):
    return np.sqrt(2 * max(n_in, n_out) / (n_in + n_out))


# %% check
for n_in, n_out in [(60, 60), (200, 40), (30, 90)]:
    layers = [initialization.glorot([n_in, n_out], rng=seed)[0] for seed in range(40)]
    squares = np.mean([np.sum(w**2) for w in layers]) / min(n_in, n_out)
    assert abs(size(n_in, n_out) / np.sqrt(squares) - 1) < 0.02, (
        f"Forty layers of {n_in} inputs and {n_out} outputs have another size."
    )
    w = layers[0]
    even = repaired(w)
    assert even.shape == w.shape, "A repaired matrix has the shape that it had."
    gram = even @ even.T if n_out <= n_in else even.T @ even
    assert np.allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-8), (
        "The singular values of the repaired matrix are still spread out."
    )
    assert np.isclose(np.sum(even**2), np.sum(w**2)), "The repair changes the size."
    product = w @ even.T if n_out <= n_in else even.T @ w
    assert np.allclose(product, product.T) and np.linalg.eigvalsh(product)[0] > 0, (
        "The repair also turns the matrix: the polar factor would leave a positive matrix between them."
    )


# %% wrong: the mean of the singular values
def repaired(w):
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return np.mean(s) * u @ vt


# %% wrong: all of size one
def repaired(w):
    u, _, vt = np.linalg.svd(w, full_matrices=False)
    return u @ vt


# %% wrong: some orthogonal matrix
def repaired(w):
    q = initialization.orthogonal(w.shape[::-1], rng=0)[0]
    return q * np.linalg.norm(w) / np.linalg.norm(q)


# %% wrong: as the variance of the inputs
def size(n_in, n_out):
    return np.sqrt(2 * n_in / (n_in + n_out))


# %% wrong: all of the right size
def size(n_in, n_out):
    return 1.0
