"""The neural tangent kernel of a deep linear network: how its map moves with a gradient on it."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, broadcasting, each, finite, unwrap

__all__ = ["kernel_distance", "ntk"]


def ntk(weights: Sequence[ArrayLike]) -> Array:
    r"""Return the neural tangent kernel of a linear network of any depth, on maps stacked row by row.

    With B_l = W_{l-1} ... W_1 below layer l and A_l = W_D ... W_{l+1} above it, gradient flow moves the map by

    .. math:: \tau \dot W = \sum_l A_l A_l^T \left(-\frac{\partial L}{\partial W}\right) B_l^T B_l,
              \qquad K = \sum_l A_l A_l^T \otimes B_l^T B_l,

    so that with ``W.ravel()`` entry (o n_in + i, o' n_in + i') couples output o at input i with output o' at i'.

    Parameters
    ----------
    weights : sequence of (..., widths[l], widths[l - 1]) arrays
        W_1 first; leading axes, such as those of a history, must be the same for all.

    Returns
    -------
    numpy.ndarray, shape (..., n_out n_in, n_out n_in)
        Symmetric, positive semi-definite. (That of MNIST's 784 inputs and ten outputs takes half a gigabyte.)

    Raises
    ------
    ValueError
        If the weights do not chain, or differ in their leading axes.

    References
    ----------
    Jacot, Gabriel & Hongler (2018); Arora, Cohen & Hazan (2018) for linear networks.

    Examples
    --------
    >>> ntk([[[2.0, 0.0], [0.0, 2.0]], [[3.0, 0.0]]])  # 9 I from the first layer, W_1^T W_1 from the second
    array([[13.,  0.],
           [ 0., 13.]])
    """
    layers = [finite(name, w) for name, w in each("weights", weights)]
    shapes = [w.shape for w in layers]
    if not layers or min(map(len, shapes)) < 2 or any(a[:-2] != b[:-2] or a[-2] != b[-1] for a, b in pairwise(shapes)):
        raise ValueError(f"weights had shapes {shapes}; they must be matrices that chain, with the same leading axes")
    *lead, _, n_in = shapes[0]
    n_out = shapes[-1][-2]
    ends = [np.broadcast_to(np.eye(n), (*lead, n, n)) for n in (n_in, n_out)]
    below = accumulate(layers[:-1], lambda product, w: w @ product, initial=ends[0])
    above = list(accumulate(layers[:0:-1], lambda product, w: product @ w, initial=ends[1]))[::-1]
    kernel = sum(np.einsum("...op,...ij->...oipj", a @ a.mT, b.mT @ b) for a, b in zip(above, below, strict=True))
    return np.reshape(kernel, (*lead, n_out * n_in, n_out * n_in))


def kernel_distance(kernel: ArrayLike, other: ArrayLike) -> Array | float:
    r"""Return how far two kernels are apart in direction: one minus the cosine of the angle between them.

    .. math:: 1 - \frac{\langle K, K' \rangle}{\lVert K \rVert\, \lVert K' \rVert}

    Frobenius product and norms. It is 0 for kernels that differ by a factor only, and never more than 1.

    Parameters
    ----------
    kernel, other : (..., n, n) array_like
        Positive semi-definite; leading axes broadcast.

    Returns
    -------
    numpy.ndarray or float

    Raises
    ------
    ValueError
        If the kernels are not square or differ in size, or one is zero.

    References
    ----------
    Fort, Dziugaite, Paul, Kharaghani, Roy & Ganguli (2020).

    Examples
    --------
    >>> round(kernel_distance([[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]), 4)  # 1 - 1 / sqrt(2)
    0.2929
    """
    kernel, other = finite("kernel", kernel), finite("other", other)
    if min(kernel.ndim, other.ndim) < 2 or not kernel.shape[-2:] == kernel.shape[:-3:-1] == other.shape[-2:]:
        raise ValueError(f"kernel and other had shapes {kernel.shape}, {other.shape}; they must be square, of one size")
    broadcasting(kernel=kernel, other=other)
    sizes = [np.linalg.norm(k, axis=(-2, -1), keepdims=True) for k in (kernel, other)]
    if not all(size.all() for size in sizes):
        raise ValueError("kernel or other was zero; both must have a direction")
    # Half the squared chord between unit vectors, which keeps the digits of a small distance
    return unwrap(np.sum((kernel / sizes[0] - other / sizes[1]) ** 2, axis=(-2, -1)) / 2)
