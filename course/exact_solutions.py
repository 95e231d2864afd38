"""Problems of the chapter "Exact solutions"; see CONTRIBUTING.md for how they are written."""

# %% given
import itertools

import numpy as np
from scipy.integrate import solve_ivp

from dlnlib import descent, exact, initialization
from dlnlib.task import Task

# %% exact-steps
# A mode with $s = 1$ starts at the strength $ab =$ `u0` and is learned to 99 %. Write
#
# - `factor_in_time(c, u0)`: by which factor sooner with $a^2 - b^2 = c$ than with equal layers, at
#   the same small learning rate;
# - `factor_in_steps(c, u0)`: by which factor fewer steps it needs when each has the same small
#   fraction of one over the curvature at its end as learning rate.


def factor_in_time(c, u0): ...


def factor_in_steps(c, u0): ...


# %% answer
def factor_in_time(c, u0):
    def waits(c):
        r, p = (
            np.sqrt(c**2 + 4),
            2 * np.array([u0, 0.99]) + np.sqrt(c**2 + 4 * np.array([u0, 0.99]) ** 2),
        )
        odds = (p - (2 - r)) / (2 + r - p)
        return np.log(odds[1] / odds[0]) / r

    return waits(0) / waits(c)


def factor_in_steps(c, u0):
    return factor_in_time(c, u0) * 2 / np.sqrt(c**2 + 4)


# %% check
def steps_to_end(c, starts_at, rate):
    layer = np.sqrt((c + np.hypot(c, 2 * starts_at)) / 2)
    way = descent.gradient_descent(
        Task([[1.0]]), [[[layer]], [[starts_at / layer]]], rate, 20_000, stop_below=0.01**2 / 2
    )
    return float(way.reached_at)


for imbalance, starts_at in [(4.0, 1e-4), (1.0, 1e-2)]:
    steep = np.hypot(imbalance, 2)
    balanced = steps_to_end(0, starts_at, 2e-3)
    same_rate = steps_to_end(imbalance, starts_at, 2e-3)
    own_rate = steps_to_end(imbalance, starts_at, 4e-3 / steep)
    assert abs(factor_in_time(imbalance, starts_at) / (balanced / same_rate) - 1) < 0.01, (
        f"At one rate, c = {imbalance} from u0 = {starts_at} is not sooner by your factor."
    )
    assert abs(factor_in_steps(imbalance, starts_at) / (balanced / own_rate) - 1) < 0.01, (
        f"At its own rate, c = {imbalance} from u0 = {starts_at} does not save your factor."
    )


# %% wrong: only the valley
def factor_in_time(c, u0):
    return np.sqrt(c**2 + 4) / 2


# %% wrong: the steeper valley counted the wrong way
def factor_in_steps(c, u0):
    return factor_in_time(c, u0) * np.sqrt(c**2 + 4) / 2


# %% wrong: the logarithms of small starts and strong imbalance only
def factor_in_steps(c, u0):
    return np.log(99 / u0) / np.log(100)


# %% exact-jump
# - `crosses(a, b, s, eta)`: whether the next step of gradient descent crosses the line $a = -b$;
# - `a, b`: a start that crosses it with $s = 1$ and $\eta = 0.1$, and still learns the task;
# - `shrinks_to(a, b, s, eta)`: by which factor that step multiplies $c = a^2 - b^2$.
def crosses(a, b, s, eta): ...


a, b = ..., ...


def shrinks_to(a, b, s, eta): ...


# %% answer
def crosses(a, b, s, eta):
    return a * b > s + 1 / eta


a, b = 4.0, 3.0


def shrinks_to(a, b, s, eta):
    return 1 - eta**2 * (s - a * b) ** 2


# %% check
def stepped(a, b, s, eta):
    return a + eta * (s - a * b) * b, b + eta * (s - a * b) * a


for pair in np.random.default_rng(0).uniform(-2, 6, (400, 2)):
    for strength, rate in [(1.0, 0.1), (2.0, 0.3)]:
        after = stepped(*pair, strength, rate)
        assert bool(crosses(*pair, strength, rate)) == (sum(pair) * sum(after) < 0), (
            f"One step of {rate} from {pair.round(2)} with s = {strength} tells otherwise."
        )
        conserved = [x**2 - y**2 for x, y in (pair, after)]
        assert np.isclose(shrinks_to(*pair, strength, rate) * conserved[0], conserved[1]), (
            f"One step of {rate} from {pair.round(2)} with s = {strength} makes something else of c."
        )
layers = [(float(a), float(b))]
for _ in range(2000):
    layers.append(stepped(*layers[-1], 1.0, 0.1))
    assert abs(sum(layers[-1])) < 1e3, "From your start the layers grow without bound."
assert any(sum(x) * sum(y) < 0 for x, y in itertools.pairwise(layers)), (
    "From your start no step crosses the line."
)
assert abs(np.prod(layers[-1]) - 1) < 1e-6, "From your start the task is not learned."


# %% wrong: without the strength
def crosses(a, b, s, eta):
    return a * b > 1 / eta


# %% wrong: twice too far
def crosses(a, b, s, eta):
    return a * b > s + 2 / eta


# %% wrong: a start that does not cross
a, b = 3.0, 3.0

# %% wrong: a start that diverges
a, b = 8.0, 7.0


# %% wrong: only one of the two factors
def shrinks_to(a, b, s, eta):
    return 1 + eta * (s - a * b)


# %% exact-denoise
# For a component of variance `variance` and noise of variance `nu`, in a network of two equal
# layers, write
#
# - `end(variance, nu)`: the strength that it ends with;
# - `half_learned(variance, nu, u0)`: when it is half learned, in units of $\tau$.


def end(variance, nu): ...


def half_learned(variance, nu, u0): ...


# %% answer
def end(variance, nu):
    return variance / (variance + nu)


def half_learned(variance, nu, u0):
    return np.log(end(variance, nu) / u0 - 1) / (2 * variance)


# %% check
rng = np.random.default_rng(1)
clean = rng.standard_normal((20_000, 2)) * [1.5, 1.0]
clean /= np.sqrt(np.mean(clean**2, axis=0)) / [1.5, 1.0]
for nu in (0.1, 0.8):
    noise = rng.standard_normal(clean.shape)
    noise -= clean @ np.linalg.lstsq(clean, noise, rcond=None)[0]  # uncorrelated in the sample, too
    noise *= np.sqrt(nu / np.mean(noise**2, axis=0))
    seen = Task.from_samples(clean + noise, clean)
    trained = descent.gradient_descent(seen, [0.03 * np.eye(2)] * 2, 0.005, 2500, keep_weights=True)
    strengths = np.einsum("tij,tji->ti", trained.history[1], trained.history[0])
    for i, variance in enumerate((2.25, 1.0)):
        assert abs(end(variance, nu) - strengths[-1, i]) < 0.01, (
            f"Trained with noise {nu}, a component of variance {variance} ends otherwise."
        )
        at = np.interp(strengths[-1, i] / 2, strengths[:, i], trained.time)
        assert abs(half_learned(variance, nu, 9e-4) / at - 1) < 0.01, (
            f"Trained with noise {nu}, a component of variance {variance} is half learned at {at:.2f}."
        )


# %% wrong: noise is forgotten
def end(variance, nu):
    return 1.0


# %% wrong: standard deviations for variances
def end(variance, nu):
    return np.sqrt(variance) / (np.sqrt(variance) + np.sqrt(nu))


# %% wrong: the noise speeds all of it up
def half_learned(variance, nu, u0):
    return np.log(end(variance, nu) / u0 - 1) / (2 * (variance + nu))


# %% wrong: half of strength one
def half_learned(variance, nu, u0):
    return np.log(1 / u0 - 1) / (2 * variance)


# %% exact-weak-layers
# Write `equal(a0)` and `one_strong(a0)`: the time to half strength from $(a_0, a_0, a_0)$ and from
# $(a_0, a_0, 1)$ to leading order, in units of $\tau$.


def equal(a0): ...


def one_strong(a0): ...


# %% answer
def equal(a0):
    return 1 / a0


def one_strong(a0):
    return np.log(1 / a0)


# %% check
def to_half(layers):
    """The time to half strength, by a numerical integrator."""

    def half(_, x):
        return x.prod() - 0.5

    half.terminal = True
    way = solve_ivp(
        lambda _, x: (1 - x.prod()) * x.prod() / x,
        (0, 1e5),
        layers,
        events=half,
        rtol=1e-8,
        atol=1e-12,
    )
    return way.t_events[0][0]


for name, claimed, rest in [("equal", equal, 1), ("one_strong", one_strong, 0)]:
    times = [to_half(np.array([a, a, a if rest else 1.0])) for a in (1e-2, 1e-3)]
    grows = (times[1] - times[0]) / (claimed(1e-3) - claimed(1e-2))
    assert abs(grows - 1) < 0.01, f"The time to half strength does not grow as `{name}` says."


# %% wrong: as of two layers
def equal(a0):
    return np.log(1 / a0)


# %% wrong: the power of the product
def equal(a0):
    return a0**-3


# %% wrong: half, as in the formula of the product
def one_strong(a0):
    return np.log(1 / a0) / 2


# %% exact-never
# - `loss_at_end(s, w1, w2)`: the loss at which the flow ends from such a start, where $\Sigma_{yx}$ is
#   diagonal with falling, positive `s`;
# - `later(s)`: by how much later gradient descent arrives if the step is halved, in units of $\tau$,
#   for small steps.


def loss_at_end(s, w1, w2): ...


def later(s): ...


# %% answer
def loss_at_end(s, w1, w2):
    return 0.0 if np.linalg.det(w2 @ w1) > 0 else s[-1] ** 2 / 2


def later(s):
    return np.log(2) / s[-1]


# %% check
for seed in range(12):
    falling = np.array([3.0, 2.0, 1.0][: 2 + seed % 2]) / (1 + seed % 3)
    orthogonal = initialization.orthogonal([len(falling)] * 3, rng=seed, gain=0.1)
    flows_to = exact.balanced_flow(60 / falling[-1], np.diag(falling), *orthogonal).map
    assert np.isclose(loss_at_end(falling, *orthogonal), Task(np.diag(falling)).loss(flows_to)), (
        f"From one of these starts, with s = {falling}, the flow ends at another loss."
    )
three = Task(np.diag([2.0, 1.0, 0.5]))
mirrored = initialization.orthogonal([3, 3, 3], rng=2, gain=0.1)
arrivals = []
for rate in (0.0125, 0.00625):
    way = descent.gradient_descent(
        three, mirrored, rate, round(40 / rate), record_every=10**5, stop_below=0.5**2 / 4
    )
    arrivals.append(rate * float(way.reached_at))
assert abs(later(np.array([2.0, 1.0, 0.5])) / np.diff(arrivals)[0] - 1) < 0.1, (
    "With s = (2, 1, 0.5), half the step makes a network later by another time than you say."
)


# %% wrong: the sign forgotten
def loss_at_end(s, w1, w2):
    return 0.0


# %% wrong: the strongest is missing
def loss_at_end(s, w1, w2):
    return 0.0 if np.linalg.det(w2 @ w1) > 0 else s[0] ** 2 / 2


# %% wrong: the sign of the first layer alone
def loss_at_end(s, w1, w2):
    return 0.0 if np.linalg.det(w1) > 0 else s[-1] ** 2 / 2


# %% wrong: both layers grow, twice as fast
def later(s):
    return np.log(2) / (2 * s[-1])


# %% wrong: without the strength
def later(s):
    return np.log(2)
