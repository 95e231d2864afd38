"""Problems of the chapter "Lazy and rich"; see CONTRIBUTING.md for how they are written."""

# %% given
import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from dlnlib import exact, initialization

# %% lazy-small-start
# Write `imbalance(u0, s)`: the $|\lambda|$, exactly, with which a mode that starts at zero is half
# learned together with a balanced one that starts at `u0`.


def imbalance(u0, s): ...


# %% answer
def imbalance(u0, s):
    def late(lam):
        return exact.unbalanced_time(s / 2, s, 0.0, np.sqrt(lam)) - np.log(s / u0 - 1) / (2 * s)

    return brentq(late, u0 / 10, 100 * u0)


# %% check
def layers_half_learned(a, b, s):
    """When the product of two layers has half its strength, by a numerical integrator."""

    def half(_, x):
        return x[0] * x[1] - s / 2

    half.terminal = True
    return solve_ivp(
        lambda _, x: (s - x[0] * x[1]) * x[::-1],
        (0, 99),
        [a, b],
        events=half,
        rtol=1e-9,
        atol=1e-12,
    ).t_events[0][0]


for start, strength in [(0.1, 1.0), (1e-3, 1.0), (0.1, 2.0)]:
    equal_layers = layers_half_learned(np.sqrt(start), np.sqrt(start), strength)
    from_zero = layers_half_learned(np.sqrt(imbalance(start, strength)), 0.0, strength)
    assert abs(from_zero - equal_layers) < 1e-4, (
        f"With s = {strength}, u0 = {start} and your imbalance do not arrive together."
    )


# %% wrong: to leading order only
def imbalance(u0, s):
    return 4 * u0


# %% wrong: the imbalance is the start
def imbalance(u0, s):
    return u0


# %% lazy-two-flips
# - `ends_at`: the strengths along the three modes in which the exactly aligned network ends; the first,
#   of strength 3, has kept its sign.
# - `later(s)`: by how much later, in units of $\tau$, a mode of strength `s` reverses if $\epsilon$ is
#   ten times smaller.
ends_at = ...


def later(s): ...


# %% answer
ends_at = [3, 0, 0]


def later(s):
    return np.log(10) / s


# %% check
def after(t, angle):
    """Strengths along the modes, from a trained network that was turned by an angle."""
    c, s = np.cos(angle), np.sin(angle)
    turned = np.diag([3.0, 2.0, 1.0]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    layers = initialization.balanced(turned, 0.0, rng=1)
    flow = exact.balanced_flow(t, np.diag([3.0, -2.0, -1.0]), *layers)
    return np.diagonal(flow.map, axis1=-2, axis2=-1)


assert np.allclose(ends_at, after(20.0, 0.0), atol=1e-3), "The aligned network ends elsewhere."
moments = np.linspace(0, 20, 801)
turned_by = [after(moments, angle) for angle in (1e-3, 1e-4)]
for mode, reversed_to in [(1, -1.0), (2, -0.5)]:
    half_way = [np.interp(-reversed_to, -u[:, mode], moments) for u in turned_by]
    assert abs(later(-2 * reversed_to) / np.diff(half_way)[0] - 1) < 0.02, (
        f"From ten times less of a turn, the mode of strength {-2 * reversed_to} is later by another time."
    )

# %% wrong: free, for the determinant has the right sign
ends_at = [3, -2, -1]


# %% wrong: twice as fast, as of a product
def later(s):
    return np.log(10) / (2 * s)


# %% wrong: the same for all modes
def later(s):
    return np.log(10)


# %% lazy-birth
# - `kappa(a, b)`: the conserved number.
# - `reversal_time(s, a, b)`: the time, in units of $\tau$, from the trained network, $u = s$, to half of
#   the flipped target, $u = -s/2$, from the weights `a`, `b` before any training.


def kappa(a, b): ...


def reversal_time(s, a, b): ...


# %% answer
def kappa(a, b):
    return np.linalg.norm(a + b) * np.linalg.norm(a - b)


def reversal_time(s, a, b):
    k = kappa(a, b)
    return quad(lambda u: 1 / (np.hypot(k, 2 * u) * (s + u)), -s / 2, s, points=[0], limit=200)[0]


# %% check
def flows(target, t, a, b, until=None):
    """The weights at the times t, or when their product falls to a value, by an integrator."""

    def velocity(_, x):
        first, second = np.split(x, 2)
        return (target - first @ second) * np.concatenate([second, first])

    def falls(_, x):
        return 1.0 if until is None else np.split(x, 2)[0] @ np.split(x, 2)[1] - until

    falls.terminal = True
    way = solve_ivp(
        velocity,
        (0, t),
        np.concatenate([a, b]),
        events=falls,
        rtol=1e-9,
        atol=1e-12,
        method="DOP853",
    )
    return (*np.split(way.y[:, -1], 2), way.t[-1])


rng_births = np.random.default_rng(2)
for strength, size, units in [(2.0, 1e-2, 50), (1.0, 0.3, 5), (1.5, 1e-3, 50)]:
    born = size * rng_births.standard_normal((2, units))
    *trained, _ = flows(strength, 40 / strength, *born)
    assert np.isclose(kappa(*born), kappa(*trained), rtol=1e-5), "Training changes your `kappa`."
    waited = flows(-strength, 99, *trained, until=-strength / 2)[-1]
    assert abs(reversal_time(strength, *born) / waited - 1) < 0.005, (
        f"With s = {strength}, {units} units and weights of {size} the reversal takes {waited:.2f}."
    )


# %% wrong: conserved for each unit, but not what decides
def kappa(a, b):
    return np.abs(a**2 - b**2).sum()


# %% wrong: the product of the lengths
def kappa(a, b):
    return np.linalg.norm(a) * np.linalg.norm(b)


# %% wrong: only the way from zero
def reversal_time(s, a, b):
    k = kappa(a, b)
    return quad(lambda u: 1 / (np.hypot(k, 2 * u) * (s - u)), 0, s / 2)[0]


# %% wrong: back to the target it has left
def reversal_time(s, a, b):
    k = kappa(a, b)
    return quad(lambda u: 1 / (np.hypot(k, 2 * u) * (s + u)), -s / 2, s / 2, points=[0])[0]
