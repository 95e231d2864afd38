"""Problems of the chapter "Large steps"; see CONTRIBUTING.md for how they are written."""

# %% given
import numpy as np
import torch

from dlnlib import exact


# %% large-round
# - Write `slopes(size)`: the slopes of the map $a \to a\,(1 + \eta s - \eta a^2)$ at the two ends of
#   the swing, for the step size $\eta s$ = `size`.
# - Assign to `quickest` the step size at which a deviation from the swing dies in one round.
def slopes(size): ...


quickest = ...


# %% answer
def slopes(size):
    ends = (1 + size + np.array([-1, 1]) * np.sqrt((1 + size) ** 2 - 4)) / 2
    return 1 + size - 3 * ends


quickest = 3 / np.sqrt(2) - 1


# %% check
def moved(a, size, rounds=1):
    """The strength of both layers so many steps later, for s = 1."""
    for _ in range(rounds):
        a = a * (1 + size - size * a**2)
    return a


for size in (1.1, 1.2):
    swing = np.sqrt(exact.two_cycle(1.0, size))
    measured = (moved(swing + 1e-6, size) - moved(swing - 1e-6, size)) / 2e-6
    assert np.allclose(np.sort(np.ravel(slopes(size))), np.sort(measured), rtol=1e-6), (
        f"At the step size {size} a small change of a does not grow so in one step."
    )
assert quickest > 1, "With this step a mode does not swing at all."
near = np.sqrt(exact.two_cycle(1.0, quickest)[0])
assert abs(moved(near + 1e-4, quickest, 2) - near) < 2e-6, (
    "At `quickest`, a deviation of 0.0001 is still there after a round."
)


# %% wrong: the factor of the step
def slopes(size):
    ends = (1 + size + np.array([-1, 1]) * np.sqrt((1 + size) ** 2 - 4)) / 2
    return 1 + size - ends


# %% wrong: the map of the product
def slopes(size):
    u = (1 + size + np.array([-1, 1]) * np.sqrt((1 + size) ** 2 - 4)) / 2
    return (1 + size - u) * (1 + size - 3 * u)


# %% wrong: where the period doubles
quickest = np.sqrt(5) - 1

# %% wrong: the one forgotten
quickest = 1.5 * np.sqrt(2)

# %% large-critical
# Write `best_momentum(size)`, the $\beta$ with which a deviation dies fastest for a given
# $\eta\lambda$ = `size`, and `lost(size)`, the factor by which it then falls in a step.


def best_momentum(size): ...


def lost(size): ...


# %% answer
def best_momentum(size):
    return (1 - np.sqrt(size)) ** 2


def lost(size):
    return 1 - np.sqrt(size)


# %% check
def slowest(beta, size):
    """The factor per step of the slower of two solutions, from the equation in the exercise."""
    return np.max(np.abs(np.roots([1, size - 1 - beta, beta])))


for size in (0.01, 0.2, 0.6):
    beta = best_momentum(size)
    reached = slowest(beta, size)
    assert all(
        slowest(np.clip(beta + off, 0, 1), size) > reached + 1e-5 for off in (-5e-4, 5e-4)
    ), f"With a curvature times step of {size} another momentum is faster."
    assert abs(lost(size) - reached) < 1e-5, (
        f"With a curvature times step of {size} a deviation falls by another factor."
    )


# %% wrong: a root forgotten
def best_momentum(size):
    return 1 - np.sqrt(size)


# %% wrong: from the size itself
def best_momentum(size):
    return (1 - size) ** 2


# %% wrong: the momentum is not the factor
def lost(size):
    return (1 - np.sqrt(size)) ** 2


# %% wrong: that of plain descent
def lost(size):
    return 1 - size


# %% large-nesterov
# Write `limit_nesterov(beta)` and `limit_heavy(beta)`: the largest $\eta\lambda$ at which a minimum is
# stable under each momentum.


def limit_nesterov(beta): ...


def limit_heavy(beta): ...


# %% answer
def limit_nesterov(beta):
    return 2 * (1 + beta) / (1 + 2 * beta)


def limit_heavy(beta):
    return 2 * (1 + beta)


# %% check
def settles(rate, beta, nesterov):
    """Whether torch brings w to the minimum of a parabola of curvature 1."""
    w = torch.ones(1, dtype=torch.float64)
    optimizer = torch.optim.SGD([w], rate, momentum=beta, nesterov=nesterov)
    for _ in range(500):
        w.grad = w.clone()
        optimizer.step()
    return bool(abs(w) < 1)


for beta in (0.3, 0.9):
    for nesterov, limit in [(True, limit_nesterov(beta)), (False, limit_heavy(beta))]:
        name = "Nesterov's momentum" if nesterov else "The heavy ball"
        assert settles(0.97 * limit, beta, nesterov), (
            f"{name} of {beta} is not stable up to this limit."
        )
        assert not settles(1.03 * limit, beta, nesterov), (
            f"{name} of {beta} is still stable above this limit."
        )


# %% wrong: as for the heavy ball
def limit_nesterov(beta):
    return 2 * (1 + beta)


# %% wrong: the larger step alone
def limit_nesterov(beta):
    return 2 / (1 + beta)


# %% wrong: that of plain descent
def limit_heavy(beta):
    return 2


# %% wrong: momentum as a larger step
def limit_heavy(beta):
    return 2 * (1 - beta)


# %% large-survivors
# Write `decays(s, survivors)`: between which two weight decays exactly so many modes of a network of
# three layers survive that start equal, and stronger than all strengths. The strengths `s` fall. (For
# MNIST they are `datasets.mnist().whitened().modes.s`.)
def decays(s, survivors): ...


# %% answer
def decays(s, survivors):
    return tuple(
        3 / 4 * s[[survivors, survivors - 1]] * (s[[survivors, survivors - 1]] / 4) ** (1 / 3)
    )


# %% check
like_mnist = np.array([0.31, 0.28, 0.24, 0.22, 0.18, 0.15])


def survive(decay):
    """How many modes are there after 4,000 steps of three equal layers from a strength of a half."""
    layer = np.full(6, 0.5 ** (1 / 3))
    for _ in range(4000):
        layer = layer + (like_mnist - layer**3) * layer**2 - decay * layer
    return int(np.sum(layer**3 > 0.01))


for left in (2, 5):
    low, high = decays(like_mnist, left)
    assert low < high, "The lower of the two weight decays comes first."
    found = [survive(decay) for decay in (0.99 * low, 1.01 * low, 0.99 * high, 1.01 * high)]
    assert found == [left + 1, left, left, left - 1], (
        f"Just outside, inside, inside and outside of your interval for {left}, there survive {found}."
    )


# %% wrong: two layers
def decays(s, survivors):
    return s[survivors], s[survivors - 1]


# %% wrong: one mode too many
def decays(s, survivors):
    return tuple(3 / 4 * (np.append(s, 0)[[survivors + 1, survivors]] ** 4 / 4) ** (1 / 3))


# %% wrong: the last strength, not the decay
def decays(s, survivors):
    return s[survivors] / 4, s[survivors - 1] / 4


# %% large-feigenbaum
# Let $s = 1$. Assign to `most_stable` the list of the steps $\eta s$ at which the cycles of periods
# 2, 4, 8, 16 and 32 pass through the top, to eight decimals, and to `last_ratio` the last of the ratios
# of successive gaps, the earlier gap over the later one, to three decimals.
most_stable = ...
last_ratio = ...

# %% answer
most_stable = [1.121320343560, 1.262989654536, 1.293843313498, 1.300474702160, 1.301896029336]
last_ratio = 4.6656

# %% check


def misses(size, steps):
    """By how much the strength u misses the top from which it began, so many steps later."""
    begin = u = (1 + size) / (3 * size)
    for _ in range(steps):
        u = u * (1 + size - size * u) ** 2
    return u - begin


assert len(most_stable) == 5, "The steps of five cycles are asked for."
for place, size in enumerate(most_stable):
    period = 2 ** (place + 1)
    assert misses(size - 1e-8, period) * misses(size + 1e-8, period) < 0, (
        f"The step for the period {period} is not one at which the top returns, to eight decimals."
    )
    assert abs(misses(size, period // 2)) > 1e-3, (
        f"With the step for the period {period} the top returns already after half of it."
    )
gaps = np.diff(most_stable)
assert np.all((gaps[:-1] > 4 * gaps[1:]) & (gaps[:-1] < 5 * gaps[1:])), (
    "A gap is far from what Feigenbaum expects: one of the steps belongs to another cascade."
)
assert abs(last_ratio * gaps[-1] / gaps[-2] - 1) < 3e-4, "Your last two gaps have another ratio."

# %% wrong: where periods double
most_stable = [1.0, 1.236067977, 1.288, 1.2985, 1.3009]

# %% wrong: one too early
most_stable = [0.5, *most_stable[:4]]

# %% wrong: turned round
last_ratio = 1 / 4.6656

# %% wrong: the limit
last_ratio = 4.669
