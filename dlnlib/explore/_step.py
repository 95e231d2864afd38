"""One mode under gradient descent with steps of any size: a map from layer to layer, and where it ends."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from dlnlib._checks import between, positive_int
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, GREEN, VERMILLION

__all__ = ["large_steps"]


def large_steps(depth: int = 2, u0: float = 0.05, kappa: float = 0.3) -> InteractiveFigure:
    r"""Return one mode of a network of equal layers as a map of gradient descent, with a step that the reader moves.

    With s = 1 and the learning rate kappa / D, kappa times that of `dlnlib.stability.best_learning_rate`, each of the
    D layers goes from a to

    .. math:: a + \frac{\kappa}{D}\, a^{D - 1} (1 - a^D) .

    The minimum attracts up to kappa = 2. The figure shows the map with its staircase, the strength u = a^D at each
    step, and where it ends for every kappa: at the minimum, in cycles, in chaos, or nowhere.

    Parameters
    ----------
    depth : int
        Number of layers at which the figure starts; 1 to 20.
    u0 : float
        Strength of the mode at the start, in units of s; from 0.01 to 3.
    kappa : float
        Learning rate over the best one; from 0.05 to 4.5.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the three arguments.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), appendix on the optimal learning rates.

    Examples
    --------
    >>> large_steps(kappa=2.5).settings
    {'kappa': 2.5, 'depth': 2, 'u0': 0.05}
    """
    u0, kappa = between("u0", u0, 0.01, 3), between("kappa", kappa, 0.05, 4.5)
    depth = int(between("depth", positive_int("depth", depth), 1, 20))

    def step(a: np.ndarray) -> np.ndarray:
        return np.asarray(a + kappa / depth * a ** (depth - 1) * (1 - a**depth))

    layers = [np.array(u0 ** (1 / depth))]
    while len(layers) <= 40 and abs(layers[-1]) < 10:
        layers.append(step(layers[-1]))
    figure, (stairs, strength) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    a = np.linspace(-1.7, 1.7, 241)
    stairs.plot(a, a, color="grey", linewidth=1)
    stairs.plot(a, step(a), color=VERMILLION)
    corners = np.repeat(layers, 2)
    stairs.plot(corners[:-1], [0, *corners[2:]], color=BLUE, linewidth=1)
    stairs.set(xlabel="layer $a$", ylabel="$a$ after a step", xlim=(-1.7, 1.7), ylim=(-1.7, 1.7))
    strength.axhline(1, color=GREEN, linewidth=3, alpha=0.6)
    strength.plot(np.power(layers, depth), "o-", color=BLUE, linewidth=1, markerfacecolor="white")
    strength.set(xlabel="step", ylabel="strength $u/s$", xlim=(0, 40), ylim=(-0.6, 2.6))
    alt = (
        f"Left, the map of a layer of a network of depth {depth} onto the next step's, with its staircase at {kappa:g} "
        "times the best step; right, the mode's strength at each step."
    )
    return InteractiveFigure(
        "largeSteps", alt, still(figure), data={}, settings={"kappa": kappa, "depth": depth, "u0": u0}
    )
