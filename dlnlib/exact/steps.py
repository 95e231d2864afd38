"""One mode under steps of any size: plateaus, swings, what becomes of unequal layers, and where a start escapes."""

from collections.abc import Iterator
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, at_least, broadcasting, finite, positive, refuse, unwrap

__all__ = ["edge_sharpness", "escape_rate", "plateau_growth", "stepped_mode", "two_cycle"]


def stepped_mode(s: ArrayLike, layers0: ArrayLike, rate: ArrayLike, decay: ArrayLike = 0.0) -> Iterator[Array]:
    r"""Yield the D layer strengths of a mode after 0, 1, 2, ... steps of gradient descent, for ever.

    .. math:: a_l \leftarrow a_l + \eta \Big[ (s - u) \prod_{j \neq l} a_j - \gamma a_l \Big], \qquad u = \prod_j a_j

    Without weight decay gamma, a step multiplies a_i^2 - a_j^2 by 1 - eta^2 (s - u)^2 u^2 / (a_i a_j)^2.

    Parameters
    ----------
    s : array_like
        Singular value of the input-output correlation, on white inputs; positive.
    layers0 : array_like, shape (..., D)
        Layer strengths at the start. Its leading axes, s, rate and decay broadcast.
    rate : array_like
        Step size eta; positive.
    decay : array_like
        Weight decay gamma; zero or positive.

    Returns
    -------
    iterator of numpy.ndarray, shape (..., D)
        A mode that escapes ends as infinity or NaN, without a warning.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Du, Hu & Lee (2018), Ghosh et al. (2025) for the differences.

    Examples
    --------
    >>> from itertools import islice
    >>> [round(float(a.prod()), 4) for a in islice(stepped_mode(1.0, [0.5, 0.5], rate=0.5), 4)]
    [0.25, 0.4727, 0.7548, 0.9512]
    """
    s, layers, rate = positive("s", s), finite("layers0", layers0), positive("rate", rate)
    decay = at_least("decay", decay, 0)
    if layers.ndim == 0 or layers.shape[-1] == 0:
        raise ValueError(f"layers0 had shape {layers.shape}; its last axis must hold at least one layer")
    shape = broadcasting(s=s, rate=rate, decay=decay, layers0=layers[..., 0])

    def steps(a: list[Array]) -> Iterator[Array]:
        while True:
            yield np.stack(a, axis=-1)
            with np.errstate(over="ignore", invalid="ignore"):
                before = [1.0, *accumulate(a[:-1], np.multiply)]
                after = [1.0, *accumulate(a[:0:-1], np.multiply)][::-1]
                missing = s - before[-1] * a[-1]
                a = [x + rate * (missing * (b * c) - decay * x) for x, b, c in zip(a, before, after, strict=True)]

    return steps([np.broadcast_to(a, shape) for a in np.moveaxis(layers, -1, 0)])


def plateau_growth(
    n: ArrayLike, s: ArrayLike, rate: ArrayLike, momentum: ArrayLike = 0.0, *, nesterov: bool = False
) -> Array | float:
    r"""Return the factor by which a layer of a two-layer mode has grown after n steps on the plateau, from rest.

    Far below s, equal layers obey a linear recurrence. With momentum beta (v <- beta v + gradient, v = 0 at the start)

    .. math:: \frac{a_n}{a_0} = \frac{(z - \beta)\, z^n - (z_2 - \beta)\, z_2^n}{z - z_2},

    where z > z_2 are the roots of z^2 - (1 + beta + eta s) z + beta = 0; Nesterov's momentum has
    z^2 - (1 + eta s)(1 + beta) z + (1 + eta s) beta = 0. Without momentum this is (1 + eta s)^n. For small steps
    ln z = eta s / (1 - beta).

    Parameters
    ----------
    n : array_like
        Numbers of steps, zero or positive.
    s, rate : array_like
        Singular value and step size; positive.
    momentum : array_like
        The share beta of the velocity that a step keeps; zero or positive.
    nesterov : bool
        Whether the gradient is taken ahead, as by ``torch.optim.SGD(nesterov=True)``.

    Returns
    -------
    numpy.ndarray or float
        The factor, with the shape to which the arguments broadcast; the mode's strength grows by its square.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Polyak (1964); Sutskever, Martens, Dahl & Hinton (2013) for the form of Nesterov's momentum.

    Examples
    --------
    >>> plateau_growth([0, 1, 2], s=1.0, rate=0.5), plateau_growth([0, 1, 2], s=1.0, rate=0.5, momentum=0.5)
    (array([1.  , 1.5 , 2.25]), array([1. , 1.5, 2.5]))
    """
    n, s, rate = at_least("n", n, 0, infinite=True), positive("s", s), positive("rate", rate)
    beta = at_least("momentum", momentum, 0)
    broadcasting(n=n, s=s, rate=rate, momentum=beta)
    total, product = 1 + beta + rate * s, beta
    if nesterov:
        total, product = (1 + rate * s) * (1 + beta), (1 + rate * s) * beta
    z = (total + np.sqrt(total**2 - 4 * product)) / 2
    z2 = product / z
    with np.errstate(over="ignore"):
        return unwrap(((z - beta) * z**n - (z2 - beta) * z2**n) / (z - z2))


def two_cycle(s: ArrayLike, rate: ArrayLike) -> tuple[Array | float, Array | float]:
    r"""Return the two strengths between which a mode of two equal layers swings when the step is too large to settle.

    .. math:: u_\pm = \frac{1 + \eta s \pm \sqrt{(1 + \eta s)^2 - 4}}{2 \eta}, \qquad u_+ u_- = 1/\eta^2

    They are born from s at eta s = 1. A round of two steps multiplies what is small by 9 - 2 (1 + eta s)^2, so that
    the swing attracts up to eta s = sqrt(5) - 1, where its period doubles.

    Parameters
    ----------
    s : array_like
        Singular value; positive.
    rate : array_like
        Step size eta, at least 1 / s.

    Returns
    -------
    low, high : numpy.ndarray or float

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Chen & Bruna (2023), Ghosh et al. (2025).

    Examples
    --------
    >>> low, high = two_cycle(s=2.0, rate=0.6)
    >>> round(low, 6), round(high * (1 + 0.6 * (2.0 - high)) ** 2, 6)  # one step from the high one
    (1.069571, 1.069571)
    """
    s, rate = positive("s", s), positive("rate", rate)
    broadcasting(s=s, rate=rate)
    x = np.asarray(1 + rate * s)
    refuse(x < 2, "rate", rate, "at least 1 / s: below, the mode settles")
    high = (x + np.sqrt(x**2 - 4)) / (2 * rate)
    return unwrap(1 / (rate**2 * high)), unwrap(high)


def escape_rate(s: ArrayLike, a0: ArrayLike, b0: ArrayLike) -> Array | float:
    r"""Return the step size above which a two-layer mode runs away from the start (a0, b0).

    .. math:: \eta = \frac{8}{m + \sqrt{m^2 + 16 s (s - a_0 b_0)}}, \qquad m = a_0^2 + b_0^2

    For a given step, starts that stay lie in the ellipse
    eta (a + b)^2 / (8 + 4 eta s) + eta (a - b)^2 / (8 - 4 eta s) < 1, which a step maps to itself, as theta -> 3 theta.
    A start at the minimum leaves it at the sharpness 4 / eta.

    Parameters
    ----------
    s : array_like
        Singular value; positive.
    a0, b0 : array_like
        Layer strengths at the start.

    Returns
    -------
    numpy.ndarray or float

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Liang & Montufar (2025), who derive this step; Lewkowycz et al. (2020) for 4 / eta in wide networks.

    Examples
    --------
    >>> escape_rate(s=1.0, a0=2.0, b0=0.5) * (2.0**2 + 0.5**2)  # sharpness of that minimum, in steps
    4.0
    """
    s, a0, b0 = positive("s", s), finite("a0", a0), finite("b0", b0)
    broadcasting(s=s, a0=a0, b0=b0)
    m = a0**2 + b0**2
    # The root as that of a sum of squares, which rounding does not put below zero where m = 4 s, a0 = b0
    return unwrap(8 / (m + np.hypot(m - 4 * s, np.sqrt(8 * s) * (a0 - b0))))


def edge_sharpness(sharpness: ArrayLike, s: ArrayLike, rate: ArrayLike) -> Array | float:
    r"""Return the sharpness at which a two-layer mode ends that begins beside a minimum just too sharp for its steps.

    With mu = eta * sharpness - 2 at the start and h = eta s, what it is at the end is

    .. math:: \mu_f = -\mu - \frac23 \frac{1 - 4 h^2}{1 - h^2}\, \mu^2 + O(\mu^3) :

    the layers' imbalance falls by the square of the oscillation, which grows while mu > 0 and dies while mu < 0.

    Parameters
    ----------
    sharpness : array_like
        Largest curvature at the minimum where the run begins, sqrt(c^2 + 4 s^2); at least 2 / rate.
    s : array_like
        Singular value, less than 1 / rate; positive.
    rate : array_like
        Step size eta; positive.

    Returns
    -------
    numpy.ndarray or float
        The sharpness of the minimum where it ends, from a start infinitely close to a minimum.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Damian, Nichani & Lee (2023) and Kreisler et al. (2023) for the slow motion; its end is derived in the chapter
    "Large steps". Gan (2026) has the sharpness at the end for any loss of a product.

    Examples
    --------
    >>> round(edge_sharpness(sharpness=2.1, s=0.3, rate=1.0), 5)
    1.89531
    """
    sharpness, s, rate = positive("sharpness", sharpness), positive("s", s), positive("rate", rate)
    broadcasting(sharpness=sharpness, s=s, rate=rate)
    h, mu = np.asarray(rate * s), np.asarray(rate * sharpness - 2)
    refuse(h >= 1, "s", s, "less than 1 / rate: no minimum is stable")
    refuse(np.asarray(sharpness < 2 / rate), "sharpness", sharpness, "at least 2 / rate: the minimum is stable")
    return unwrap((2 - mu - 2 / 3 * (1 - 4 * h**2) / (1 - h**2) * mu**2) / rate)
