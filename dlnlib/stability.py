"""How large a step may be, and what depth costs when every depth takes the best one."""

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, at_least, broadcasting, positive, unwrap
from dlnlib.exact import learning_time

__all__ = ["best_learning_rate", "curvature", "largest_stable_rate", "steps_to_learn"]


def curvature(u: ArrayLike, s: ArrayLike, depth: ArrayLike) -> tuple[Array | float, Array | float]:
    r"""Return the Hessian's eigenvalues for one mode whose D layers are equal: along these layers and across them.

    The loss is (s - a_1 a_2 ... a_D)^2 / 2. Where every a_l is a = u^(1/D), its Hessian has the eigenvalue

    .. math:: h_\parallel = (2D - 1) a^{2D - 2} - (D - 1) s\, a^{D - 2}

    once, along (1, ..., 1), the direction in which equal layers move, and

    .. math:: h_\perp = a^{D - 2} (s - a^D)

    D - 1 times, across it.

    Parameters
    ----------
    u : array_like
        Strength of the mode; positive.
    s : array_like
        Singular value of the input-output correlation, on white input; positive.
    depth : array_like
        Number of weight matrices, a finite real number of at least one.

    Returns
    -------
    along, across : numpy.ndarray or float
        The eigenvalues, with the shape to which the arguments broadcast. At depth 1 there is nothing across: NaN.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), appendix on the optimal learning rates.

    Examples
    --------
    >>> curvature(u=2.0, s=2.0, depth=4)  # at the minimum: 4 * 2^(3/2), and flat across
    (11.313708498984761, 0.0)
    >>> along, across = curvature(u=0.1, s=2.0, depth=2)  # beside the saddle: down along it
    >>> round(along, 3), round(across, 3)
    (-1.7, 1.9)
    """
    u, s, depth = positive("u", u), positive("s", s), at_least("depth", depth, 1)
    broadcasting(u=u, s=s, depth=depth)
    a, residual = u ** (1 - 2 / depth), s - u
    # D u^(2 - 2/D) - (D - 1) u^(1 - 2/D) (s - u), without its cancellation at s / 2
    return unwrap(a * (depth * (2 * u - s) + residual)), unwrap(np.where(depth > 1, a * residual, np.nan))


def largest_stable_rate(s: ArrayLike, depth: ArrayLike) -> Array | float:
    r"""Return the learning rate 2 / (D s^(2 - 2/D)), above which the minimum repels a network of equal layers.

    Near its minimum a mode's error shrinks by the factor 1 - rate * curvature a step, which must exceed -1. Among
    the modes of a task the strongest is the first to become unstable, and sets the limit.

    Parameters
    ----------
    s : array_like
        Singular value; positive.
    depth : array_like
        Number of weight matrices, a finite real number of at least one.

    Returns
    -------
    numpy.ndarray or float

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    Examples
    --------
    >>> largest_stable_rate(s=0.5, depth=[1, 2, 50]).round(3)
    array([2.   , 2.   , 0.156])
    """
    return 2 * best_learning_rate(s, depth)


def best_learning_rate(s: ArrayLike, depth: ArrayLike) -> Array | float:
    r"""Return the learning rate 1 / (D s^(2 - 2/D)), which ends a mode's approach to its minimum in one step.

    It is one over the largest curvature that a mode of equal layers meets on its way from u0 < s, which is the one
    at the minimum; about 1 / (D s^2) for deep networks.

    Parameters
    ----------
    s : array_like
        Singular value; positive. For a whole task, the largest.
    depth : array_like
        Number of weight matrices, a finite real number of at least one.

    Returns
    -------
    numpy.ndarray or float

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 2 and the appendix on the optimal learning rates.

    Examples
    --------
    >>> best_learning_rate(s=2.0, depth=4) * curvature(u=2.0, s=2.0, depth=4)[0]
    1.0
    """
    s, depth = positive("s", s), at_least("depth", depth, 1)
    broadcasting(s=s, depth=depth)
    return unwrap(1 / (depth * s ** (2 - 2 / depth)))


def steps_to_learn(
    u: ArrayLike, s: ArrayLike, u0: ArrayLike, depth: ArrayLike = 2, fraction: ArrayLike = 1.0
) -> Array | float:
    r"""Return how many steps a mode takes from u0 to u if its learning rate is `fraction` of the best at every depth.

    This is `dlnlib.exact.learning_time` with tau = D s^(2 - 2/D) / kappa, kappa being `fraction`. For two layers
    and for infinitely many,

    .. math::
        n_2 = \frac1\kappa \ln \frac{u (s - u_0)}{u_0 (s - u)}, \qquad
        n_\infty = n_2 + \frac1\kappa \left( \frac{s}{u_0} - \frac{s}{u} \right),

    so that infinite depth delays learning by a finite number of steps, about s / (kappa u0): thousands from a small
    start, and one or two from u0 of the order of s.

    Parameters
    ----------
    u, s, u0 : array_like
        Strength to be reached, singular value and strength at the start, as in `dlnlib.exact.learning_time`.
    depth : array_like
        Number of weight matrices, a real number of at least one, or ``math.inf``.
    fraction : array_like
        Learning rate over `best_learning_rate`; positive. Time is continuous in this formula: it holds for
        fractions well below one.

    Returns
    -------
    numpy.ndarray or float
        The number of steps, with the shape to which all arguments broadcast.

    Raises
    ------
    ValueError
        If `u` is never reached, or an argument is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 2.

    Examples
    --------
    >>> [round(steps_to_learn(0.9, 1.0, 0.01, depth), 1) for depth in (2, 10, 1000, np.inf)]
    [6.8, 53.3, 104.9, 105.7]
    >>> round(steps_to_learn(0.9, 1.0, 0.5, np.inf) - steps_to_learn(0.9, 1.0, 0.5, 2), 2)
    0.89
    """
    s, depth, fraction = positive("s", s), at_least("depth", depth, 1, infinite=True), positive("fraction", fraction)
    u, u0 = positive("u", u), positive("u0", u0)
    broadcasting(u=u, s=s, u0=u0, depth=depth, fraction=fraction)
    layers = np.where(np.isinf(depth), 1.0, depth)  # learning_time counts the steps of infinite depth D times over
    return learning_time(u, s, u0, depth, tau=layers * s ** (2 - 2 / depth) / fraction)
