"""Problems of the chapter "Plateaus"; see CONTRIBUTING.md for how they are written."""

# %% given
import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.special import digamma

from dlnlib import descent, initialization
from dlnlib.task import Task

# %% plateau-jump
# Let $s = 1$ and $\tau = 1$. Assign to `u0` the start whose plateau is exactly as long as its jump,
# and to `jump` how long each of them takes.
u0 = ...
jump = ...

# %% answer
u0 = 1 / (99**3 + 1)
jump = np.log(99)


# %% check
def passes(level):
    """When the strength passes a level on its way from u0, by a numerical integrator."""
    return solve_ivp(
        lambda t, u: 2 * u * (1 - u),
        (0, 99),
        [u0],
        events=lambda t, u: u[0] - level,
        rtol=1e-9,
        atol=1e-14,
    ).t_events[0][0]


assert abs(passes(0.99) - passes(0.01) - jump) < 1e-4, (
    "From 1 % to 99 % the mode takes another time than `jump`."
)
assert abs(passes(0.01) - jump) < 1e-3, "From `u0`, the time to 1 % is not as long as the jump."

# %% wrong: the layers' time, not the product's
jump = 2 * np.log(99)

# %% wrong: the jump from 1 % to a half
u0 = 1 / (99**2 + 1)

# %% plateau-order
# Write `head_start(weak, strong, u0)`: how strong a mode of strength `weak` must start for it to be
# half learned together with one of strength `strong` that starts at `u0`.


def head_start(weak, strong, u0): ...


# %% answer
def head_start(weak, strong, u0):
    return weak / (1 + (strong / u0 - 1) ** (weak / strong))


# %% check
for pair, starts_at in [((4.0, 1.0), 1e-6), ((2.0, 1.5), 1e-4)]:
    layer = np.diag(np.sqrt([starts_at, head_start(pair[1], pair[0], starts_at)]))
    trained = descent.gradient_descent(Task(np.diag(pair)), [layer, layer], 0.001, 4000)
    strong_at, weak_at = trained.half_times(np.array(pair))
    assert abs(weak_at / strong_at - 1) < 0.005, (
        f"Modes of strengths {pair} come at {strong_at:.2f} and {weak_at:.2f}, not together."
    )


# %% wrong: in proportion to the strengths
def head_start(weak, strong, u0):
    return u0 * strong / weak


# %% wrong: the strengths left out of the logarithms
def head_start(weak, strong, u0):
    return u0 ** (weak / strong)


# %% plateau-bottleneck
# Write `final_loss(s, floor, units)`: the loss at which a network ends whose hidden layer has
# `units` units. The strengths `s` fall, and `floor` is the loss of the best linear map.


def final_loss(s, floor, units): ...


# %% answer
def final_loss(s, floor, units):
    return floor + np.sum(s[units:] ** 2) / 2


# %% check
s_small, floor_small = np.array([3.0, 2.0, 1.2, 0.7]), 0.25
small = Task(np.diag(s_small), np.eye(4), trace_yy=2 * floor_small + np.sum(s_small**2))
for units in (1, 2, 3, 4):
    narrow = initialization.gaussian([4, units, 4], 1e-2, rng=units)
    ends = descent.gradient_descent(small, narrow, 0.1, 1500, record_every=1500).loss[-1]
    assert abs(final_loss(s_small, floor_small, units) - ends) < 1e-6, (
        f"With {units} hidden units and strengths {s_small} a network ends at another loss."
    )


# %% wrong: the modes that are learned
def final_loss(s, floor, units):
    return floor + np.sum(s[:units] ** 2) / 2


# %% wrong: without the half
def final_loss(s, floor, units):
    return floor + np.sum(s[units:] ** 2)


# %% wrong: without the floor
def final_loss(s, floor, units):
    return np.sum(s[units:] ** 2) / 2


# %% plateau-crowding
# Weights are drawn with standard deviation `sigma` and trained in steps of `eta`; modes are
# numbered from 0. Write
#
# - `expected_steps(s, mode, sigma, hidden, eta)`: the mean number of steps to half of `mode`, for
#   `hidden` units;
# - `steps_from(z, s, mode, eta)`: the steps to half of `mode` in one network, whose half sums
#   $z_\alpha(0)$ are the columns of `z`.


def expected_steps(s, mode, sigma, hidden, eta): ...


def steps_from(z, s, mode, eta): ...


# %% answer
def expected_steps(s, mode, sigma, hidden, eta):
    growth = np.log1p(eta * s)
    alone = np.log(s[mode] / sigma**2)
    n = alone / (2 * growth[mode])
    for _ in range(100):
        ahead = np.exp(2 * (growth - growth[mode]) * n)
        fractions = 1 / (1 + s / s[mode] / ahead)
        room = max(hidden - np.delete(fractions, mode).sum(), 0.1)
        n = (n + (alone - digamma(room / 2)) / (2 * growth[mode])) / 2
    return n - 0.75 * np.log(2)


def steps_from(z, s, mode, eta):
    n = np.arange(1, round(60 / (eta * s[mode])))
    learned = []
    for step in n:
        a = z * np.exp(np.log1p(eta * s) * step) / np.sqrt(s)
        learned.append(np.linalg.solve(np.eye(len(s)) + a.T @ a, a.T @ a)[mode, mode])
        if learned[-1] > 0.6:
            break
    return np.interp(0.5, learned, n[: len(learned)]) - 0.75 * np.log(2)


# %% check
crowd = Task(np.diag(np.linspace(1.05, 1.0, 12)))
networks_60 = [initialization.gaussian([12, 16, 12], 1e-3, rng=seed) for seed in range(60)]
trained = descent.gradient_descent(crowd, initialization.stack(networks_60), 0.05, 500)
measured = trained.half_times(crowd.modes.s)[:, -1] / 0.05
mean, error = measured.mean(), measured.std(ddof=1) / np.sqrt(60)
predicted = expected_steps(crowd.modes.s, 11, 1e-3, 16, 0.05)
assert abs(predicted - mean) < 3 * error + 0.01 * mean, (
    f"Sixty networks take {mean:.0f} steps to half of the last mode; you expect {predicted:.0f}."
)
for (w1, w2), steps in zip(networks_60[:5], measured):
    halves = (w1 @ crowd.modes.vt.T + w2.T @ crowd.modes.u) / 2
    mine = steps_from(halves, crowd.modes.s, 11, 0.05)
    assert abs(mine / steps - 1) < 0.005, (
        f"One network takes {steps:.1f} steps; from its start you find {mine:.1f}."
    )


# %% wrong: as if all of the hidden layer were free
def expected_steps(s, mode, sigma, hidden, eta):
    growth = np.log1p(eta * s[mode])
    return (np.log(s[mode] / sigma**2) - digamma(hidden / 2)) / (2 * growth) - 0.75 * np.log(2)


# %% wrong: as if all stronger modes were learned, and no other
def expected_steps(s, mode, sigma, hidden, eta):
    growth = np.log1p(eta * s[mode])
    return (np.log(s[mode] / sigma**2) - digamma((hidden - mode) / 2)) / (
        2 * growth
    ) - 0.75 * np.log(2)


# %% wrong: each mode by the length of its own start
def steps_from(z, s, mode, eta):
    return np.log(s[mode] / np.sum(z[:, mode] ** 2)) / (
        2 * np.log1p(eta * s[mode])
    ) - 0.75 * np.log(2)


# %% plateau-rules
# For two layers that are aligned with the modes and start equal, write
#
# - `momentum_time(s, u0, beta)`: the time to half of a mode, in units of $\tau = 1/\eta$, if the
#   steps carry momentum;
# - `muon_steps(s, u0, eta)`: the number of steps to half of it under Muon.


def momentum_time(s, u0, beta): ...


def muon_steps(s, u0, eta): ...


# %% answer
def momentum_time(s, u0, beta):
    return (1 - beta) * np.log(s / u0 - 1) / (2 * s)


def muon_steps(s, u0, eta):
    return (np.sqrt(s / 2) - np.sqrt(u0)) / eta


# %% check
strengths = np.array([2.0, 1.0])
for beta in (0.5, 0.8):
    layers = [np.full(2, 1e-3), np.full(2, 1e-3)]
    velocity, half_at = [0, 0], {}
    for step in range(40_000):
        error = strengths - layers[0] * layers[1]
        velocity = [beta * velocity[0] + error * layers[1], beta * velocity[1] + error * layers[0]]
        layers = [layer + 2e-4 * v for layer, v in zip(layers, velocity)]
        for mode in np.flatnonzero(layers[0] * layers[1] > strengths / 2):
            half_at.setdefault(int(mode), 2e-4 * step)
        if len(half_at) == 2:
            break
    for mode, strength in enumerate(strengths):
        mine = momentum_time(strength, 1e-6, beta)
        assert abs(mine / half_at[mode] - 1) < 0.02, (
            f"Momentum {beta}: s = {strength} takes {half_at[mode]:.2f}; you find {mine:.2f}."
        )
pair = [torch.eye(2, dtype=torch.float64) * 1e-3 for _ in range(2)]
half_at = {}
for step in range(2000):
    error = torch.diag(torch.tensor(strengths)) - pair[1] @ pair[0]
    half_at |= {
        mode: step
        for mode in range(2)
        if error[mode, mode] < strengths[mode] / 2 and mode not in half_at
    }
    gradients = [torch.linalg.svd(g) for g in (pair[1].T @ error, error @ pair[0].T)]
    pair = [w + 1e-3 * u @ vt for w, (u, _, vt) in zip(pair, gradients)]
for mode, strength in enumerate(strengths):
    mine = muon_steps(strength, 1e-6, 1e-3)
    assert abs(mine - half_at[mode]) < 2, (
        f"Under Muon, s = {strength} takes {half_at[mode]} steps of 0.001; you find {mine:.0f}."
    )


# %% wrong: momentum forgotten
def momentum_time(s, u0, beta):
    return np.log(s / u0 - 1) / (2 * s)


# %% wrong: longer in place of shorter
def momentum_time(s, u0, beta):
    return np.log(s / u0 - 1) / (2 * s) / (1 - beta)


# %% wrong: the product gains the step, not each layer
def muon_steps(s, u0, eta):
    return (s / 2 - u0) / eta


# %% wrong: all the way
def muon_steps(s, u0, eta):
    return (np.sqrt(s) - np.sqrt(u0)) / eta
