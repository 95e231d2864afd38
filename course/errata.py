"""Problems of the chapter "Slips in print"; see CONTRIBUTING.md for how they are written."""

# %% given
import itertools

import numpy as np
from scipy.integrate import solve_ivp

# %% errata-limit
# With $\tau = 1$, write what the two times from `u0` to `uf` tend to as $c_0 \to 0$:
#
# - `corrected(s, u0, uf)`;
# - `printed(s, u0, uf)`, where the start is the true one, $\tanh(\theta_0/2) = b/a$, and the end is where
#   $c_0 \sinh\theta_f = u_f$, as printed.


def corrected(s, u0, uf): ...


def printed(s, u0, uf): ...


# %% answer
def corrected(s, u0, uf):
    return np.log(uf * (s - u0) / (u0 * (s - uf))) / (2 * s)


def printed(s, u0, uf):
    return np.log(uf * (s - 2 * u0) / (2 * u0 * (s - uf))) / s


# %% check
def travels(velocity, begin, end):
    """When a flow passes a value, by a numerical integrator."""
    return solve_ivp(
        lambda t, x: velocity(x),
        (0, 99),
        [begin],
        events=lambda t, x: x[0] - end,
        rtol=1e-9,
        atol=1e-12,
    ).t_events[0][0]


tiny = 1e-5
for strength, low, high in [(1.0, 0.01, 0.9), (2.0, 0.05, 1.5), (0.7, 0.001, 0.35)]:
    grows = travels(lambda u, s=strength: 2 * u * (s - u), low, high)
    assert abs(corrected(strength, low, high) - grows) < 1e-5, (
        f"With s = {strength}, two equal layers take another time from {low} to {high}."
    )
    layer = np.sqrt((tiny + np.hypot(tiny, 2 * low)) / 2)
    angles = 2 * np.arctanh(low / layer**2), np.arcsinh(high / tiny)
    turns = travels(lambda angle, s=strength: s - tiny * np.sinh(angle), *angles)
    assert abs(printed(strength, low, high) - turns) < 1e-2, (
        f"With s = {strength} the printed equation takes another time from {low} to {high}."
    )


# %% wrong: for the layers, not their product
def corrected(s, u0, uf):
    return np.log(uf * (s - u0) / (u0 * (s - uf))) / s


# %% wrong: twice the right time
def printed(s, u0, uf):
    return np.log(uf * (s - u0) / (u0 * (s - uf))) / s


# %% errata-test
# Write `never_misled(sigma)`: whether, for inputs with the covariance `sigma`, the printed matrix
# $V \Sigma^{11} V^\top$ is diagonal for exactly those orthogonal $V$ for which the right one,
# $V^\top \Sigma^{11} V$, is.


def never_misled(sigma): ...


# %% answer
def never_misled(sigma):
    if not np.allclose(sigma, np.diag(np.diag(sigma))):
        return False
    gaps = np.abs(np.subtract.outer(np.diag(sigma), np.diag(sigma)))[
        ~np.eye(len(sigma), dtype=bool)
    ]
    return bool(np.allclose(gaps, 0) or gaps.min() > 1e-9)


# %% check
def misleads(sigma):
    """Look for a task that one of the two accepts and the other does not."""
    rng_tasks = np.random.default_rng(0)
    variances, axes = np.linalg.eigh(sigma)
    for order in itertools.permutations(range(len(sigma))):
        within = np.zeros(sigma.shape)  # a rotation among directions of equal variance
        for group in {tuple(np.flatnonzero(np.isclose(variances, v))) for v in variances}:
            random = rng_tasks.standard_normal((len(group), len(group)))
            within[np.ix_(group, group)] = np.linalg.qr(random)[0]
        v = (axes @ within)[:, order]
        left = [m - np.diag(np.diag(m)) for m in (v @ sigma @ v.T, v.T @ sigma @ v)]
        if (np.abs(left[0]).max() < 1e-9) != (np.abs(left[1]).max() < 1e-9):
            return True
    return False


turned = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
for sigma in [
    *(np.diag(v) for v in ([2, 2, 2], [1, 2, 4], [1, 1, 4], [3, 1, 3])),
    turned @ np.diag([1, 2, 4]) @ turned.T,
    turned @ np.diag([1, 1, 1]) @ turned.T,
]:
    assert bool(never_misled(sigma)) != misleads(sigma), (
        f"With variances {np.linalg.eigvalsh(sigma).round(1)}, a search among tasks says otherwise."
    )


# %% wrong: white inputs only
def never_misled(sigma):
    return np.allclose(sigma, sigma[0, 0] * np.eye(len(sigma)))


# %% wrong: all diagonal ones
def never_misled(sigma):
    return np.allclose(sigma, np.diag(np.diag(sigma)))


# %% wrong: all symmetric ones
def never_misled(sigma):
    return np.allclose(sigma, sigma.T)
