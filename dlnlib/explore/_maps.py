"""Maps that are walked as a staircase: of a signal from layer to layer, of a layer from step to step."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from dlnlib import isometry, meanfield, networks
from dlnlib._checks import Array, between, positive_int
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, GREEN, VERMILLION

__all__ = ["large_steps", "signals"]


def signals(gain: float = 1.0, variance: float = 1.0, layers: int = 30) -> InteractiveFigure:
    r"""Return a deep tanh network as a figure in which gain, input and depth are moved.

    In the network :math:`x' = g\,W \tanh(x)`, W orthogonal, the variance of a signal follows
    `dlnlib.meanfield.variance_map`: a staircase. The browser also draws a network of width 16, passes an input
    through it, and finds the singular values of its Jacobian, the small as precise as the large.

    Parameters
    ----------
    gain : float
        Factor g at which the figure starts; from 0.5 to 2.
    variance : float
        Mean square of the input; from 0.01 to 2.
    layers : int
        Depth; from 1 to 100.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the gain, the variance q of the input, and the number of layers.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 4; Poole et al. (2016).

    Examples
    --------
    >>> signals(gain=1.2).settings
    {'gain': 1.2, 'q': 1.0, 'layers': 30}
    """
    gain, variance = between("gain", gain, 0.5, 2), between("variance", variance, 0.01, 2)
    layers = positive_int("layers", layers, 100)
    path = [variance]
    for _ in range(layers):
        path.append(float(meanfield.variance_map(path[-1], gain)))
    x = np.random.default_rng(4).standard_normal(16)
    x *= np.sqrt(variance / np.mean(x**2))
    sigma = isometry.log_singular_values(networks.jacobian_factors(x, gain, layers, rng=4)) / np.log(10)
    figure, (stairs, spectrum) = plt.subplots(1, 2, figsize=(7.2, 2.9))
    _staircase(stairs, lambda q: meanfield.variance_map(q, gain), path, (0, 2))
    stairs.set(xlabel="variance $q$", ylabel="in the next layer")
    spectrum.plot(sigma, 1 - (np.arange(16) + 0.5) / 16, "o", color=BLUE, markerfacecolor="white")
    spectrum.axvline(0, color="grey", linestyle=":", linewidth=1)
    spectrum.set(xlabel=r"$\log_{10} \sigma$ of the Jacobian", ylabel="fraction below", xlim=(-12, 3), ylim=(0, 1))
    alt = (
        f"Left, the map of a signal's variance from layer to layer at gain {gain:g}, with its staircase; right, the "
        f"singular values of the Jacobian of {layers} layers."
    )
    settings = {"gain": gain, "q": variance, "layers": layers}
    return InteractiveFigure("signals", alt, still(figure), data={}, settings=settings)


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
    depth = positive_int("depth", depth, 20)

    def step(a: Array) -> Array:
        return np.asarray(a + kappa / depth * a ** (depth - 1) * (1 - a**depth))

    layers = [np.array(u0 ** (1 / depth))]
    while len(layers) <= 40 and abs(layers[-1]) < 10:
        layers.append(step(layers[-1]))
    figure, (stairs, strength) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    _staircase(stairs, step, layers, (-1.7, 1.7))
    stairs.set(xlabel="layer $a$", ylabel="$a$ after a step")
    strength.axhline(1, color=GREEN, linewidth=3, alpha=0.6)
    strength.plot(np.power(layers, depth), "o-", color=BLUE, linewidth=1, markerfacecolor="white")
    strength.set(xlabel="step", ylabel="strength $u/s$", xlim=(0, 40), ylim=(-0.6, 2.6))
    alt = (
        f"Left, the map of a layer of a network of depth {depth} onto the next step's, with its staircase at {kappa:g} "
        "times the best step; right, the mode's strength at each step."
    )
    settings = {"kappa": kappa, "depth": depth, "u0": u0}
    return InteractiveFigure("largeSteps", alt, still(figure), data={}, settings=settings)


def _staircase(ax: Axes, step: Callable[[Array], ArrayLike], path: ArrayLike, limits: tuple[float, float]) -> None:
    x, corners = np.linspace(*limits, 241), np.repeat(np.asarray(path), 2)
    ax.plot(x, x, color="grey", linewidth=1)
    ax.plot(x, step(x), color=VERMILLION)
    ax.plot(corners[:-1], [0, *corners[2:]], color=BLUE, linewidth=1)
    ax.set(xlim=limits, ylim=limits)
