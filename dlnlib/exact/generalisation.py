r"""The error on new data after training on few: learning as a filter of what random examples show of a teacher.

Inputs and noise are Gaussian. The law of Marchenko and Pastur gives the eigenvalues of the correlation of P = alpha N
random white inputs: with c = 1 / alpha,

.. math:: \lambda = 1 + c + 2 \sqrt c \cos\theta, \quad 0 < \theta < \pi, \qquad
    \rho(\lambda)\, d\lambda = \frac{2 \sin^2\theta}{\pi \lambda}\, d\theta .

Equal steps integrate a periodic function of theta with an exponentially small error, but for the pole that 1 / lambda
puts near theta = pi where alpha is nearly 1: what the weights of the steps lack there belongs to lambda = 0.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import exprel

from dlnlib._checks import Array, at_least, broadcasting, finite, positive, positive_int, shown, unwrap

__all__ = ["best_stopping_time", "excess_error", "noisy_modes", "ridge_error", "stopped_error"]


def stopped_error(
    t: ArrayLike, per_input: float, noise: float, signal: float = 1.0, start: float = 0.0, *, n_in: float = math.inf
) -> Array | float:
    r"""Return the mean test error of one layer that learned from P = alpha N random examples for a time t / tau.

    .. math:: E = \frac12 \Big\{ \sigma^2 + \int \rho(\lambda)\, d\lambda \Big[ (S^2 + S_0^2)\, e^{-2 \lambda t}
        + \frac{\sigma^2}{\alpha \lambda} (1 - e^{-\lambda t})^2 \Big] \Big\}:

    what the teacher has and the start has not, forgotten at the rate lambda, and the noise, learned at the same rate.
    Directions without data, a share 1 - alpha if alpha < 1, keep their start.

    Parameters
    ----------
    t : array_like
        Time in units of tau, zero or positive; `ridge_error` at gamma = 0 is the end, from a start at zero.
    per_input : float
        Examples per input, alpha = P / N.
    noise, signal, start : float
        Standard deviations of what noise, teacher and the network at its start (independent of the teacher) put out,
        sigma, and the lengths S of w and S_0 of w_0; of one output, or the root of the sum of squares over outputs.
    n_in : float
        Number of inputs N, for the first correction in 1 / N. With f the integrand, that of Gaussian inputs is
        :math:`\frac1N \big[ \frac14 f(\lambda_-) + \frac14 f(\lambda_+) - \frac{1}{2\pi} \int_0^\pi f\, d\theta \big]`.

    Returns
    -------
    numpy.ndarray or float
        Of the shape of t; half the mean squared error, right to a share of 1e-11 of it, or 1e-15 of S^2.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Advani, Saxe & Sompolinsky (2020); Bai & Silverstein (2004) for the correction.

    Examples
    --------
    >>> np.round(stopped_error([0.0, 1.0, 100.0], per_input=5.0, noise=1.0), 4)
    array([1.    , 0.6314, 0.625 ])
    """
    t, n_in = at_least("t", t, 0), float(at_least("n_in", n_in, 1, infinite=True))
    per_input, sigma2, s2 = _powers(per_input, noise, signal, start)

    def missed(lam: Array) -> Array:  # twice the error of a direction, less that of the noise in the target
        x = np.multiply.outer(t, lam)
        return np.asarray(s2 * np.exp(-2 * x) - sigma2 / per_input * t[..., None] * exprel(-x) * np.expm1(-x))

    lam, weights = _marchenko_pastur(1 / per_input, _angles(t.max(initial=0)))
    f, edges = missed(lam), missed((1 + np.array([-1, 1]) / math.sqrt(per_input)) ** 2)
    unseen = (1 - weights.sum()) * s2  # at lambda = 0
    return unwrap((sigma2 + f @ weights + unseen + _correction(f, edges) / n_in) / 2)


def best_stopping_time(per_input: float, noise: float, signal: float = 1.0, start: float = 0.0) -> float:
    r"""Return the time, in units of tau, at which `stopped_error` is least.

    A direction by itself is best stopped at :math:`\ln(1 + \alpha \lambda (S^2 + S_0^2) / \sigma^2) / \lambda`; all
    together, between the times of the largest and the smallest eigenvalue, none of which is above alpha S^2 / sigma^2.

    Parameters
    ----------
    per_input, noise, signal, start : float
        As in `stopped_error`; the noise, and one of the other two, not zero.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Advani, Saxe & Sompolinsky (2020).

    Examples
    --------
    >>> round(best_stopping_time(per_input=1.0, noise=1.0), 3)
    0.681
    """
    per_input, sigma2, s2 = _powers(per_input, noise, signal, start)
    of_noise, s2 = float(positive("noise", sigma2)) / per_input, float(positive("signal", s2))
    lam, weights = _marchenko_pastur(1 / per_input, _angles(s2 / of_noise))
    last, first = np.log1p(lam[[-1, 0]] * s2 / of_noise) / lam[[-1, 0]]

    def slope(t: float) -> float:
        late = of_noise * -np.expm1(-lam * t) - lam * s2 * np.exp(-lam * t)
        return float(weights @ (np.exp((lam[-1] - lam) * t) * late))

    return float(brentq(slope, first, last, xtol=1e-300, rtol=1e-14))


def ridge_error(gamma: float, variances: ArrayLike, power: ArrayLike, noise: float, n_examples: int) -> float:
    r"""Return the test error of the map that minimises loss + gamma/2 tr(W W^T) on P random examples.

    With w_i the teacher's weights in the directions of variance lambda_i, and kappa the regularisation that is felt,

    .. math:: \kappa = \gamma + \frac{\kappa}{P} \sum_i \frac{\lambda_i}{\lambda_i + \kappa}, \qquad
        E = \frac12\, \frac{\sigma^2 + \kappa^2 \sum_i \lambda_i w_i^2 / (\lambda_i + \kappa)^2}
        {1 - \frac1P \sum_i \lambda_i^2 / (\lambda_i + \kappa)^2} .

    At gamma = 0 it is the end of training from zero. On white inputs no filter of their directions is better than
    gamma = sigma^2 N / (P S^2).

    Parameters
    ----------
    gamma : float
        Zero or positive.
    variances, power : (n_in,) arrays
        Of the inputs, along their principal directions; w squared there, summed over the outputs.
    noise : float
        Standard deviation of the noise, the root of the sum of squares over outputs.
    n_examples : int
        Number of examples P.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Hastie, Montanari, Rosset & Tibshirani (2022).

    Examples
    --------
    >>> white = np.ones(100)
    >>> [round(ridge_error(gamma, white, white / 100, 1.0, 200), 3) for gamma in (0.0, 0.5)]
    [1.0, 0.707]
    """
    gamma, sigma2 = float(at_least("gamma", gamma, 0, ndim=0)), _square("noise", noise)
    lam, b = at_least("variances", variances, 0, 1), at_least("power", power, 0, 1)
    if len(b) != len(lam):
        raise ValueError(f"power held {len(b)} numbers and variances {len(lam)}; they must hold as many")
    p, kappa, b = positive_int("n_examples", n_examples), 0.0, b[lam > 0]
    lam = lam[lam > 0]
    if gamma > 0 or p < len(lam):

        def short(more: float) -> float:
            return (more / (gamma + more) if gamma else 1.0) - float(np.sum(lam / (lam + gamma + more))) / p

        kappa = gamma + brentq(short, 0, 2 * lam.sum() / p, xtol=1e-300, rtol=1e-14)
    missed, left = np.sum(lam * b * (kappa / (lam + kappa)) ** 2), 1 - np.sum((lam / (lam + kappa)) ** 2) / p
    return float((sigma2 + missed) / left / 2) if left > 0 else math.inf


def noisy_modes(s: ArrayLike, shape: tuple[int, int], noise: float) -> tuple[Array, Array, Array]:
    r"""Return how strong a teacher's modes look in noisy data, and how far their vectors are turned.

    Data are Sigma = sum of s u v^T + Z, Z of independent entries of variance nu^2. In units of nu sqrt(N_1), where the
    singular values of Z fill the bulk from 1 - sqrt(A) to 1 + sqrt(A), A = N_3 / N_1, a mode with s > A^(1/4) shows as

    .. math:: \hat s = \frac{\sqrt{(1 + s^2)(A + s^2)}}{s}, \qquad
        (\hat u \cdot u)^2 = 1 - \frac{A (1 + s^2)}{s^2 (A + s^2)}, \qquad
        (\hat v \cdot v)^2 = 1 - \frac{A + s^2}{s^2 (1 + s^2)};

    a weaker one is lost at the edge of the bulk.

    Parameters
    ----------
    s : (n_modes,) array
        Strengths of the teacher's modes, few of them and all different.
    shape : (n_out, n_in)
        Numbers of outputs N_3 and inputs N_1.
    noise : float
        Standard deviation nu of the entries of Z: of the targets, over sqrt(P).

    Returns
    -------
    strength, output_overlap, input_overlap : (n_modes,) arrays

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Benaych-Georges & Nadakuditi (2012); Lampinen & Ganguli (2019).

    Examples
    --------
    >>> np.round(noisy_modes([3.0, 0.5], shape=(400, 800), noise=800**-0.5), 3)
    array([[3.249, 1.707],
           [0.97 , 0.   ],
           [0.946, 0.   ]])
    """
    n_out, n_in = _sizes(shape)
    unit, a = float(positive("noise", noise, ndim=0)) * math.sqrt(n_in), n_out / n_in
    s2 = (positive("s", s, ndim=1) / unit) ** 2
    shows, s2 = s2 > math.sqrt(a), np.maximum(s2, math.sqrt(a))
    strength = unit * np.sqrt((1 + s2) * (a + s2) / s2)
    turned = (a * (1 + s2) / (a + s2), (a + s2) / (1 + s2))
    output, into = (np.sqrt(np.where(shows, np.maximum(1 - x / s2, 0), 0)) for x in turned)
    return strength, output, into


def excess_error(
    learned: Callable[[Array], ArrayLike],
    s: ArrayLike,
    shape: tuple[int, int],
    noise: float,
    *,
    spread: float = 1.0,
    share: ArrayLike = 1.0,
    part: float = 1.0,
) -> Array | float:
    r"""Return the test error, beyond that of the teacher, of a network that filters the modes of noisy data.

    A network from a decoupled start turns a mode of the data of strength s into one of strength u(s). With the
    numbers of `noisy_modes`, O the product of both overlaps, its error on white inputs is, for a large network,

    .. math:: E = \frac12 \sum_k \big[ u(\hat s_k)^2 - 2\, u(\hat s_k)\, s_k O_k + s_k^2 \big]
        + \frac12 \sum_{\text{bulk}} u(s)^2 .

    Terms of the order of one come from the bulk, of strengths sqrt(lambda). To its number of modes, by the law of
    Marchenko and Pastur, they add the correction of `stopped_error` and the place that each teacher mode leaves or
    takes there; to u(s_k) O_k = u_k^T W v_k, with W the learned map, what of the teacher mode is in the bulk. With
    q = s^2 / sqrt(A) and w = q e^(i theta) / (1 - q e^(i theta)), these two are

    .. math:: \frac1\pi \int_0^\pi u^2\, \mathrm{Re}\, w \; d\theta, \qquad
        \frac1\pi \int_0^\pi \frac{2 \sqrt A}{s \sqrt\lambda}\, u \sin\theta\; \mathrm{Im}\, w \; d\theta .

    Where not all directions weigh the same, the teacher's have another weight than the mean (`share` for `part`, one
    for `spread`). Then it counts, too, how much more of the learned map there is along u_k, and along v_k, than along
    others: beside what the mode itself brings, the integral of the bulk's

    .. math:: \frac1\pi \int_0^\pi 2\, u^2 \sin\theta\; \mathrm{Im}\, \frac{w}{e^{-i\theta} + A^{\pm 1/2}} \; d\theta,

    with the plus sign for outputs.

    Parameters
    ----------
    learned : callable
        The filter u: takes an array of strengths, and returns one whose last axis is theirs:
        ``lambda s: mode_strength(t[:, None], s, u0, depth)`` for a network of equal layers.
    s, shape, noise
        As in `noisy_modes`.
    spread : float
        Mean of the inverse variances of the inputs before they were made white: one if they were white by design,
        alpha / (alpha - 1) if P = alpha N random ones were whitened. It multiplies what the noise puts into directions
        of the inputs.
    share, part : array_like, float
        If the error is that on some outputs only: the share that they have of each mode, the sum of squares of
        their entries of u; and their part of all outputs.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Lampinen & Ganguli (2019).

    Examples
    --------
    >>> from dlnlib.exact import mode_strength
    >>> error = lambda t: excess_error(lambda s: mode_strength(t, s, 1e-3, 3), [3.0, 2.0], (400, 800), 800**-0.5)
    >>> [round(error(t), 1) for t in (0, 5, 100)]
    [6.5, 2.0, 200.0]
    """
    if not callable(learned):
        raise ValueError(f"learned was {shown(learned)}; it must be a function of an array of strengths")
    strength, output, into = noisy_modes(s, shape, noise)
    spread, part = float(at_least("spread", spread, 1, 0)), float(positive("part", part, ndim=0))
    s, share, (small, large) = positive("s", s), finite("share", share), sorted(shape)
    if broadcasting(s=s, share=share) != s.shape:
        raise ValueError(f"share had shape {share.shape}; it must be one number, or one for each of {len(s)} modes")
    a, unit, theta = small / large, float(noise) * math.sqrt(large), _angles()
    lam, weights = _marchenko_pastur(a, theta)
    u_hat, u = np.where(into > 0, learned(strength), 0), np.asarray(learned(unit * np.sqrt(lam)))
    if u.shape[-1:] != lam.shape or u_hat.shape != (*u.shape[:-1], len(s)):
        raise ValueError(f"learned gave shape {u.shape} for {len(lam)} strengths; its last axis must be theirs")

    phase, sine, root = np.exp(1j * theta), 2 * np.sin(theta) / len(theta), math.sqrt(shape[0] / shape[1])
    q = ((s / unit) ** 2 / math.sqrt(a))[:, None] * phase
    w = q / (1 - q)
    along = u_hat * output * into + u @ (sine * unit * np.sqrt(a / lam) * w.imag / s[:, None]).T  # u_k^T W v_k
    # How much more of the map there is along the teacher's outputs, and inputs, than along others
    of_output = (u_hat * output) ** 2 + u**2 @ (sine * (w / (phase.conj() + root)).imag).T
    of_input = (u_hat * into) ** 2 + u**2 @ (sine * (w / (phase.conj() + 1 / root)).imag).T
    bulk = u**2 @ (small * weights + w.real.sum(axis=0) / len(theta)) + _correction(u**2, u[..., [0, -1]] ** 2)
    modes = share * s * (s - 2 * along) + (share - part) * (spread * of_output + (1 - spread) * along**2)
    modes += part * (spread * u_hat**2 + (1 - spread) * of_input)
    return unwrap((modes.sum(axis=-1) + part * spread * bulk) / 2)


def _angles(t: float = 0.0) -> Array:
    """Return angles in equal steps, so many that at the smallest eigenvalue they resolve e^(-lambda t)."""
    n = int(max(2000, 9 * math.sqrt(t)))
    return np.pi * (np.arange(n) + 0.5) / n


def _marchenko_pastur(ratio: float, theta: Array) -> tuple[Array, Array]:
    """Return eigenvalues other than zero, largest first, and weights that average over them, for `ratio` = N / P."""
    lam = (1 - math.sqrt(ratio)) ** 2 + 4 * math.sqrt(ratio) * np.cos(theta / 2) ** 2  # which cancels nothing
    return lam, 2 / len(theta) * np.sin(theta) ** 2 / lam


def _correction(f: Array, edges: Array) -> Array:
    """Return what the sum of f over the eigenvalues exceeds N times its average by, from f at the nodes and edges."""
    return np.asarray(edges.mean(axis=-1) - f.mean(axis=-1)) / 2


def _powers(per_input: float, noise: float, signal: float, start: float) -> tuple[float, float, float]:
    squares = _square("noise", noise), _square("signal", signal) + _square("start", start)
    return float(positive("per_input", per_input, ndim=0)), *squares


def _square(name: str, value: float) -> float:
    return float(at_least(name, value, 0, ndim=0)) ** 2


def _sizes(shape: tuple[int, int]) -> tuple[int, int]:
    try:
        n_out, n_in = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape was {shape!r}; it must be a pair (n_out, n_in)") from None
    return positive_int("shape", n_out), positive_int("shape", n_in)
