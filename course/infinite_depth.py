"""Problems of the chapter "Infinite depth"; see CONTRIBUTING.md for how they are written."""

# %% given
import math

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

# %% infinite-tolerance
# Write `tolerance(depth)`: the largest $\epsilon$ for which, at a large depth, depth costs ten steps at
# most.


def tolerance(depth): ...


# %% answer
def tolerance(depth):
    return math.log(10 + 1 / 0.9) / depth


# %% check
def steps_at_best_rate(depth, u0):
    """Steps to 90 % of s = 1 in the limit of small ones, in steps at the best rate."""
    return quad(lambda u: u ** (2 / depth - 2) / (1 - u), u0, 0.9, epsrel=1e-9)[0]


for layers, within in [(100, 0.5), (1000, 0.1), (10**5, 0.02)]:
    product = (1 - tolerance(layers)) ** layers
    assert product > 1e-3, f"From your start, {layers} layers take more than a thousand steps."
    cost = steps_at_best_rate(layers, product) - steps_at_best_rate(2, product)
    assert abs(cost - 10) < within, f"From your start, {layers} layers do not cost ten steps."


# %% wrong: one for each layer
def tolerance(depth):
    return 0.024


# %% wrong: the delay taken for its logarithm
def tolerance(depth):
    return 10 / depth


# %% wrong: without the end of the way
def tolerance(depth):
    return math.log(10) / depth


# %% wrong: to all of the strength
def tolerance(depth):
    return math.log(11) / depth


# %% infinite-good-start
# Assign to `good_start` the value of $u_0 / s$.
good_start = ...

# %% answer
good_start = brentq(lambda u: 1 / u - 1 / 0.9 - math.log(9 * (1 - u) / u), 0.05, 0.8)

# %% check
assert 0 < good_start < 0.9, "A start lies between zero and the goal."
slow_steps = []
for layers in (2, 10**5):
    layer, steps = good_start ** (1 / layers), 0
    while layer**layers < 0.9:
        layer += 0.003 / layers * layer ** (layers - 1) * (1 - layer**layers)
        steps += 1
    slow_steps.append(steps)
assert abs(slow_steps[1] / slow_steps[0] - 2) < 0.01, (
    "From your start, very many layers are not twice as slow as two."
)

# %% wrong: without the end of the way
good_start = brentq(lambda u: 1 / u - math.log(9 * (1 - u) / u), 0.05, 0.5)

# %% wrong: the delay twice the steps of two layers
good_start = brentq(lambda u: 1 / u - 1 / 0.9 - 2 * math.log(9 * (1 - u) / u), 0.05, 0.8)

# %% infinite-plateau-curvature
# - `grows(depth, ratio)`: the factor by which a small deviation of all layers, relative to $a$, has
#   grown when $a$ is `ratio` times $a_0$, both on the plateau;
# - `earlier(depth)`: the share of the whole time that is saved before the jump if $u_0$ is larger by
#   1 %, for small $u_0$ and $D > 2$.


def grows(depth, ratio): ...


def earlier(depth): ...


# %% answer
def grows(depth, ratio):
    return ratio ** (depth - 2)


def earlier(depth):
    return 0.01 * (depth - 2) / depth


# %% check
def waits(start, end, depth, s=1.0):
    """How long a layer takes from start to end; all layers are equal."""
    way = quad(
        lambda log_a: math.exp(log_a * (2 - depth)) / (s - math.exp(depth * log_a)),
        *(math.log(start), math.log(end)),
        epsabs=0,
        epsrel=1e-12,
        limit=500,
    )
    return way[0]


for layers in (2, 3, 5):
    time_there = waits(1e-5, 2e-5, layers)
    beside = brentq(
        lambda a, depth=layers, t=time_there: waits(1.001e-5, a, depth) / t - 1,
        1.01e-5,
        4e-5,
        xtol=1e-16,
        rtol=1e-14,
    )
    assert abs(grows(layers, 2.0) / ((beside / 2e-5 - 1) / 1e-3) - 1) < 0.02, (
        f"With {layers} layers a deviation grows otherwise while the layers double."
    )
for layers in (3, 4, 6):
    ends = 0.5 ** (1 / layers)
    jumps = [waits(u ** (1 / layers), ends, layers) for u in (1e-12, 1.01e-12)]
    assert abs(earlier(layers) / (1 - jumps[1] / jumps[0]) - 1) < 0.02, (
        f"With {layers} layers the jump comes earlier by another share."
    )


# %% wrong: the deviation itself
def grows(depth, ratio):
    return ratio ** (depth - 1)


# %% wrong: the wrong way round
def grows(depth, ratio):
    return ratio ** (2 - depth)


# %% wrong: one percent is one percent
def earlier(depth):
    return 0.01


# %% wrong: of a layer, not of the product
def earlier(depth):
    return 0.01 * (depth - 2)


# %% infinite-start-scale
# Write `shorter(ratio, depth)`: by which factor the plateau of the flow is shorter if $u_0$ is `ratio`
# times larger, both small. `depth` may be `math.inf`.


def shorter(ratio, depth): ...


# %% answer
def shorter(ratio, depth):
    return ratio ** (1 - 2 / depth)


# %% check
for layers in (4, 10, 53, 10**6):
    plateaus = []
    for u0 in (1e-9, 1e-8, 1e-7):
        grid = np.linspace(math.log(u0), math.log(0.5), 200_001)
        speed = layers * np.exp(grid * (1 - 2 / layers)) * (1 - np.exp(grid))  # of ln u
        plateaus.append(np.trapezoid(1 / speed, grid))
    for ratio in (10, 100):
        depth = layers if layers < 1000 else math.inf
        measured = plateaus[0] / plateaus[1 if ratio == 10 else 2]
        assert abs(shorter(ratio, depth) / measured - 1) < 0.02, (
            f"At depth {depth}, a start {ratio} times larger shortens the plateau by another factor."
        )


# %% wrong: as at infinite depth
def shorter(ratio, depth):
    return ratio


# %% wrong: the exponent of the layer
def shorter(ratio, depth):
    return ratio ** (1 - 1 / depth)


# %% wrong: a logarithm, as of two layers
def shorter(ratio, depth):
    return math.log(ratio)
