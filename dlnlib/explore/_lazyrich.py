"""From lazy to rich: two modes from a balanced start, with an imbalance and a scale that the reader moves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from dlnlib import exact, initialization
from dlnlib._checks import between, finite
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, GREEN, ORANGE, PURPLE, VERMILLION, label_end

__all__ = ["lazy_to_rich"]


def lazy_to_rich(sigma_yx: ArrayLike, direction: ArrayLike, lam: float = 0.0, scale: float = 1e-3) -> InteractiveFigure:
    r"""Return the modes of a two-layer network in time, and how far its kernel moves, from any balanced start.

    The browser evaluates `dlnlib.exact.balanced_flow` as the reader moves the imbalance

    .. math:: W_2^T W_2 - W_1 W_1^T = \lambda I

    and the size of the map at the start. The axis of time is logarithmic and stays.

    Parameters
    ----------
    sigma_yx : array_like, shape (n_out, n_in)
        Input-output correlation of white inputs: one to four outputs, at least as many inputs, and
        no mode of strength zero.
    direction : array_like, shape (n_out, n_in)
        What the map at the start is a multiple of; of rank n_out.
    lam : float
        Imbalance at which the figure starts; from -30 to 30.
    scale : float
        Factor of `direction` at which the figure starts; from 1e-6 to 1.

    Returns
    -------
    InteractiveFigure
        Its `settings` are lambda, scale, and the marked time t.

    Raises
    ------
    ValueError
        If the matrices differ in shape or are not as above, or a number is outside its range.

    References
    ----------
    Domine et al. (2025); Braun, Domine, Fitzgerald & Saxe (2022).

    Examples
    --------
    >>> lazy_to_rich([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]], lam=3.0).settings
    {'lambda': 3.0, 'scale': 0.001, 't': 1.0}
    """
    sigma, toward = finite("sigma_yx", sigma_yx, ndim=2), finite("direction", direction, ndim=2)
    lam, scale = between("lam", lam, -30, 30), between("scale", scale, 1e-6, 1)
    n_out, n_in = sigma.shape
    if toward.shape != sigma.shape:
        raise ValueError(f"direction had shape {toward.shape}; it must be that of sigma_yx, {sigma.shape}")
    if not n_out <= min(n_in, 4) or min(np.linalg.matrix_rank(sigma), np.linalg.matrix_rank(toward)) < n_out:
        raise ValueError(
            f"sigma_yx and direction had shape {sigma.shape}; they must have one to four outputs and a rank of as many"
        )
    u, s, vt = np.linalg.svd(sigma)
    left, values, right = np.linalg.svd(toward, full_matrices=False)
    origin = {"left": (u.T @ left).tolist(), "values": values.tolist(), "right": (right @ vt.T).tolist()}

    t = np.geomspace(0.003, 1000, 181)
    w1, w2 = initialization.balanced(scale * toward, lam, rng=0)
    flow = exact.balanced_flow(t, sigma, w1, w2)
    figure, (modes, kernel) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    for i, color in zip(range(n_out), (BLUE, ORANGE, GREEN, PURPLE), strict=False):
        modes.semilogx(t, u[:, i] @ flow.map @ vt[i], color=color)
        label_end(modes, 1000, s[i], str(i + 1), color)
    kernel.semilogx(t, exact.kernel_distance(flow.ntk, exact.ntk([w1, w2])), color=VERMILLION)
    modes.set(xlabel=r"time $t/\tau$", ylabel="mode strength")
    kernel.set(xlabel=r"time $t/\tau$", ylabel=r"kernel moved, $1 - \cos$", ylim=(-0.04, 1))
    alt = f"Left, the strength of {n_out} modes in time; right, how far the kernel has moved; at the imbalance {lam:g}."
    return InteractiveFigure(
        "lazyToRich",
        alt,
        still(figure),
        data={"s": s.tolist(), "start": origin},
        settings={"lambda": lam, "scale": scale, "t": 1.0},
    )
