"""Signals in a deep tanh network: the map of their variance, and the singular values that it leaves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from dlnlib import isometry, meanfield, networks
from dlnlib._checks import between, positive_int
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, VERMILLION

__all__ = ["signals"]


def signals(gain: float = 1.0, variance: float = 1.0, layers: int = 30) -> InteractiveFigure:
    r"""Return a deep tanh network as a figure in which gain, input and depth are moved.

    In the network :math:`x' = g\,W \tanh(x)`, W orthogonal, the variance of a signal follows
    `dlnlib.meanfield.variance_map`: a staircase. The browser also draws a network of width 24, passes an input
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
    layers = int(between("layers", positive_int("layers", layers), 1, 100))
    path = [variance]
    for _ in range(layers):
        path.append(float(meanfield.variance_map(path[-1], gain)))
    x = np.random.default_rng(4).standard_normal(24)
    x *= np.sqrt(variance / np.mean(x**2))
    sigma = isometry.log_singular_values(networks.jacobian_factors(x, gain, layers, rng=4)) / np.log(10)
    figure, (stairs, spectrum) = plt.subplots(1, 2, figsize=(7.2, 2.9))
    q = np.linspace(0, 2, 81)
    stairs.plot(q, q, color="grey", linewidth=1)
    stairs.plot(q, meanfield.variance_map(q, gain), color=VERMILLION)
    corners = np.repeat(path, 2)
    stairs.plot(corners[:-1], [0, *corners[2:]], color=BLUE, linewidth=1)
    stairs.set(xlabel="variance $q$", ylabel="in the next layer", xlim=(0, 2), ylim=(0, 2))
    spectrum.plot(sigma, 1 - (np.arange(24) + 0.5) / 24, "o", color=BLUE, markerfacecolor="white")
    spectrum.axvline(0, color="grey", linestyle=":", linewidth=1)
    spectrum.set(xlabel=r"$\log_{10} \sigma$ of the Jacobian", ylabel="fraction below", xlim=(-12, 3), ylim=(0, 1))
    alt = (
        f"Left, the map of a signal's variance from layer to layer at gain {gain:g}, with its staircase; right, the "
        f"singular values of the Jacobian of {layers} layers."
    )
    settings = {"gain": gain, "q": variance, "layers": layers}
    return InteractiveFigure("signals", alt, still(figure), data={}, settings=settings)
