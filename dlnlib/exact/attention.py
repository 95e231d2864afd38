"""Linear attention that learns regression in context: the modes of its task, and the loss on each plateau."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, positive_definite, positive_int

__all__ = ["AttentionModes", "attention_modes"]


class AttentionModes(NamedTuple):
    """What `attention_modes` returns, a mode for each principal component of the inputs, largest variance first.

    Attributes
    ----------
    s : array
        Strength of each mode, shape (d,).
    input_variance : array
        Variance of what each mode sees, shape (d,).
    losses : array
        Half the mean squared error with the first 0, 1, ..., d modes learned, shape (d + 1,).

    Examples
    --------
    >>> s, input_variance, losses = attention_modes([[1.0]], n_examples=2)
    >>> s, input_variance, losses
    (array([1.]), array([2.]), array([0.5 , 0.25]))
    """

    s: Array
    input_variance: Array
    losses: Array


def attention_modes(covariance: ArrayLike, n_examples: int) -> AttentionModes:
    r"""Return the modes of linear attention whose heads have keys and queries of rank one.

    A head v k q^T on one principal component of Lambda, of variance lambda, is a three-layer mode u = v k q of

    .. math:: s = \lambda^2, \qquad
        \text{input variance} = \lambda^3 \Big(1 + \frac{1 + \operatorname{tr}\Lambda / \lambda}{N}\Big),

    for `mode_strength` and `layered_mode`. Each mode learned takes s^2 / (2 input variance) off the loss, which begins
    at tr Lambda / 2: from a small start these are the heights of the plateaus.

    Parameters
    ----------
    covariance : (d, d) array
        Lambda, the covariance of the inputs.
    n_examples : int
        N, the examples in the context of each sequence.

    Returns
    -------
    AttentionModes

    Raises
    ------
    ValueError
        If the covariance is not symmetric and positive definite, or there is no example.

    References
    ----------
    Zhang, Singh, Latham & Saxe (2025); the task is that of `dlnlib.datasets.in_context`.

    Examples
    --------
    >>> 2 * attention_modes(np.diag([0.4, 0.3, 0.2, 0.1]), n_examples=31).losses
    array([1.        , 0.64057971, 0.37737216, 0.2098046 , 0.13599507])
    """
    variances = np.asarray(np.linalg.eigvalsh(positive_definite("covariance", covariance))[::-1], float)
    trace = variances.sum()
    seen = variances**3 * (1 + (1 + trace / variances) / positive_int("n_examples", n_examples))
    gains = np.cumsum(variances**4 / seen)
    return AttentionModes(variances**2, seen, np.concatenate([[trace], trace - gains]) / 2)
