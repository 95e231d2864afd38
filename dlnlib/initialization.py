"""Where training starts: lists of weight matrices W_1 ... W_D, W_1 next to the input.

Layer l has shape (widths[l], widths[l - 1]); `widths` counts every neuron layer, input and output included,
so that the depth, the number of weight matrices, is ``len(widths) - 1``.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, each, finite, generator, instance, one_of, positive, positive_int, shown
from dlnlib.task import Task

__all__ = ["balanced", "decoupled", "from_torch", "gaussian", "glorot", "orthogonal", "random_factors", "stack"]


def decoupled(task: Task, widths: Sequence[int], u0: ArrayLike, rng: int | np.random.Generator) -> list[Array]:
    """Start with every mode of the task alone in its own channel, all at strength u0.

    W_l = R_{l+1} diag(a) R_l^T with R_1 = V and R_{D+1} = U the task's singular vectors, the hidden R_l random
    with orthonormal columns, and a = u0^(1/D) in every layer. Modes that start so never interact: each follows
    the one-dimensional theory exactly.

    Parameters
    ----------
    task : Task
        Its modes are those that the network starts with: as many, strongest first, as fit through the narrowest layer.
    widths : sequence of int
        Sizes of all neuron layers, the task's inputs and outputs included.
    u0 : float or (n_modes,) array
        Initial end-to-end strength of the modes, greater than zero.
    rng : int or numpy.random.Generator
        Seed, or generator, of the hidden R_l.

    Returns
    -------
    list of (widths[l], widths[l - 1]) arrays

    Raises
    ------
    ValueError
        If the widths do not fit the task, or u0 is not positive.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 2.

    Examples
    --------
    >>> task = Task(np.diag([3.0, 1.0]), trace_yy=10.0)
    >>> w1, w2, w3 = decoupled(task, widths=[2, 50, 40, 2], u0=1e-3, rng=0)
    >>> np.round(w3 @ w2 @ w1, 12)
    array([[0.001, 0.   ],
           [0.   , 0.001]])
    """
    instance("task", task, Task)
    widths = _check_widths(widths)
    if (widths[0], widths[-1]) != (task.n_in, task.n_out):
        raise ValueError(f"widths went from {widths[0]} to {widths[-1]}; they must go from {task.n_in} to {task.n_out}")
    rng = generator(rng)
    u, s, vt = task.modes
    n_modes = min(len(s), *widths)
    strength = positive("u0", u0, ": at u0 = 0 a mode never moves")
    if strength.shape not in ((), (n_modes,)):
        raise ValueError(f"u0 had shape {strength.shape}; it must be one number, or one for each of {n_modes} modes")
    a = strength ** (1 / (len(widths) - 1))
    frames = [vt[:n_modes].T, *(_orthonormal(n, n_modes, rng) for n in widths[1:-1]), u[:, :n_modes]]
    return [(after * a) @ before.T for before, after in itertools.pairwise(frames)]


def balanced(w0: ArrayLike, imbalance: float, rng: int | np.random.Generator, hidden: int | None = None) -> list[Array]:
    r"""Start two layers with a given product and a given imbalance, whatever the task.

    .. math:: W_2 W_1 = W_0, \qquad W_2^T W_2 - W_1 W_1^T = \lambda I .

    With W_0 = U diag(w) V^T and a random rotation R of the hidden layer, W_1 = R diag(a) V^T and W_2 = U diag(b) R^T,
    where 2 a^2 = sqrt(lambda^2 + 4 w^2) - lambda and 2 b^2 = sqrt(lambda^2 + 4 w^2) + lambda. Training keeps the
    imbalance; `exact.balanced_flow` is what it does from here.

    Parameters
    ----------
    w0 : (n_out, n_in) array
        The map of the network at the start.
    imbalance : float
        lambda, of either sign: how much heavier the second layer is than the first.
    rng : int or numpy.random.Generator
        Seed, or generator, of the rotation R.
    hidden : int, optional
        Hidden units; min(n_out, n_in) unless told.

    Returns
    -------
    list of a (hidden, n_in) and a (n_out, hidden) array

    Raises
    ------
    ValueError
        If no such weights exist: the rank of w0 exceeds the hidden units; or they exceed the outputs at
        lambda > 0 (the layer above cannot give each of them the weight lambda), or the inputs at lambda < 0.

    References
    ----------
    Fukumizu (1998); Braun, Dominé, Fitzgerald & Saxe (2022).

    Examples
    --------
    >>> w0 = np.array([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0]])
    >>> w1, w2 = balanced(w0, imbalance=0.5, rng=0)
    >>> np.allclose(w2 @ w1, w0), np.allclose(w2.T @ w2 - w1 @ w1.T, 0.5 * np.eye(2))
    (True, True)
    """
    w0, imbalance, rng = finite("w0", w0, ndim=2), float(finite("imbalance", imbalance, ndim=0)), generator(rng)
    n_out, n_in = w0.shape
    hidden = min(n_out, n_in) if hidden is None else positive_int("hidden", hidden)
    most, side = (n_out, "outputs") if imbalance > 0 else (n_in, "inputs")
    if imbalance and hidden > most:
        raise ValueError(f"hidden was {hidden}; at the imbalance {imbalance:g} it must not exceed the {most} {side}")
    u, w, vt = np.linalg.svd(w0)
    if len(w) > hidden and w[hidden] > len(w) * np.finfo(float).eps * w[0]:
        raise ValueError(f"hidden was {hidden}; it must be at least the rank of w0")
    w = np.pad(w, (0, hidden))[:hidden]
    # The heavier layer by its sum, the lighter by the product: a difference would lose its digits.
    heavy = np.sqrt((np.hypot(imbalance, 2 * w) + abs(imbalance)) / 2)
    light = np.divide(w, heavy, out=np.zeros(hidden), where=heavy > 0)
    a, b = (light, heavy) if imbalance > 0 else (heavy, light)
    turn = _orthonormal(hidden, hidden, rng)
    i, o = min(hidden, n_in), min(hidden, n_out)
    return [turn[:, :i] * a[:i] @ vt[:i], u[:, :o] * b[:o] @ turn[:, :o].T]


def orthogonal(widths: Sequence[int], rng: int | np.random.Generator, gain: float = 1.0) -> list[Array]:
    """Start from random orthogonal layers, uniform over the orthogonal group (Haar), times `gain`.

    Rectangular layers have orthonormal rows or columns, whichever are fewer.

    Parameters
    ----------
    widths : sequence of int
        Sizes of all neuron layers, input and output included.
    rng : int or numpy.random.Generator
        Seed, or generator.
    gain : float
        What every singular value of every layer is; greater than zero.

    Returns
    -------
    list of (widths[l], widths[l - 1]) arrays

    Raises
    ------
    ValueError
        If the widths are not two or more whole numbers, or the gain is not positive.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 3; Mezzadri (2007) for the draw.

    Examples
    --------
    >>> w1, w2 = orthogonal([3, 5, 2], rng=0)
    >>> np.allclose(w1.T @ w1, np.eye(3)), np.allclose(w2 @ w2.T, np.eye(2))
    (True, True)
    """
    widths, rng, gain = _check_widths(widths), generator(rng), float(positive("gain", gain, ndim=0))
    pairs = itertools.pairwise(widths)
    return [gain * (_orthonormal(n, m, rng) if n >= m else _orthonormal(m, n, rng).T) for m, n in pairs]


def gaussian(widths: Sequence[int], scale: float, rng: int | np.random.Generator) -> list[Array]:
    """Start from independent Gaussian weights of standard deviation `scale`.

    Parameters
    ----------
    widths : sequence of int
        Sizes of all neuron layers, input and output included.
    scale : float
        Standard deviation of every weight; greater than zero.
    rng : int or numpy.random.Generator
        Seed, or generator.

    Returns
    -------
    list of (widths[l], widths[l - 1]) arrays

    Raises
    ------
    ValueError
        If the widths are not two or more whole numbers, or the scale is not positive.

    Examples
    --------
    >>> w1, w2 = gaussian([3, 500, 2], scale=0.01, rng=0)
    >>> w1.shape, w2.shape, round(float(w1.std()), 3)
    ((500, 3), (2, 500), 0.01)
    """
    widths, rng, scale = _check_widths(widths), generator(rng), float(positive("scale", scale, ndim=0))
    return [scale * rng.standard_normal((n, m)) for m, n in itertools.pairwise(widths)]


def glorot(widths: Sequence[int], rng: int | np.random.Generator) -> list[Array]:
    """Start from independent Gaussian weights that preserve variance on average: 2 / (fan_in + fan_out).

    Parameters
    ----------
    widths : sequence of int
        Sizes of all neuron layers, input and output included.
    rng : int or numpy.random.Generator
        Seed, or generator.

    Returns
    -------
    list of (widths[l], widths[l - 1]) arrays

    Raises
    ------
    ValueError
        If the widths are not two or more whole numbers.

    References
    ----------
    Glorot & Bengio (2010).

    Examples
    --------
    >>> w1, w2 = glorot([300, 500, 100], rng=0)
    >>> round(float(w1.var()) * (300 + 500) / 2, 2)
    1.0
    """
    widths, rng = _check_widths(widths), generator(rng)
    return [np.sqrt(2 / (n + m)) * rng.standard_normal((n, m)) for m, n in itertools.pairwise(widths)]


def random_factors(width: int, n: int, rng: int | np.random.Generator, kind: str = "gaussian") -> Iterator[Array]:
    """Draw n matrices of shape (width, width), one at a time: "gaussian" of variance 1 / width, or "orthogonal".

    Parameters
    ----------
    width, n : int
        Size and number of the matrices, at least one.
    rng : int or numpy.random.Generator
        Seed or generator.
    kind : {"gaussian", "orthogonal"}
        Independent entries, or uniform among all orthogonal matrices.

    Returns
    -------
    iterator of (width, width) arrays

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> [f.shape for f in random_factors(3, 2, rng=0, kind="orthogonal")]
    [(3, 3), (3, 3)]
    """
    width, n, rng = positive_int("width", width), positive_int("n", n), generator(rng)
    if one_of("kind", kind, ("gaussian", "orthogonal")) == "gaussian":
        return (rng.standard_normal((width, width)) / math.sqrt(width) for _ in range(n))
    return (orthogonal([width, width], rng)[0] for _ in range(n))


def from_torch(source: Any) -> list[Array]:
    """Take the weights of a linear network of PyTorch as a start.

    Parameters
    ----------
    source : torch.nn.Module, state_dict, or iterable of parameters
        An ``nn.Sequential`` of ``nn.Linear(..., bias=False)``, what its ``state_dict()`` or ``parameters()`` gives, or
        the layers' weights, next to the input first.

    Returns
    -------
    list of (widths[l], widths[l - 1]) arrays
        Copies; float64.

    Raises
    ------
    ValueError
        If something in it is not linear, is a bias, or the layers do not chain.

    Examples
    --------
    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.Linear(3, 5, bias=False), torch.nn.Linear(5, 2, bias=False))
    >>> [w.shape for w in from_torch(network)]
    [(5, 3), (2, 5)]
    """
    if hasattr(source, "modules") and not isinstance(source, type):
        for module in source.modules():
            if type(module).__name__ not in ("Linear", "Identity", "Sequential"):
                raise ValueError(f"source held {shown(module)}; it must be nn.Sequential of nn.Linear")
        source = source.state_dict()
    weights, named = [], hasattr(source, "items")
    for name, w in ((f"{key} of source", w) for key, w in source.items()) if named else each("source", source):
        array = finite(name, w)
        if array.ndim != 2:
            raise ValueError(
                f"{name} had shape {array.shape}; it must be a matrix, of a layer without a bias: "
                "a constant input does what a bias does, see datasets.with_constant"
            )
        weights.append(array.copy())
    if not weights:
        raise ValueError("source was empty; it must hold at least one layer")
    if any(len(before) != after.shape[1] for before, after in itertools.pairwise(weights)):
        raise ValueError(f"source held shapes {[w.shape for w in weights]}; each must take what the last gives")
    return weights


def stack(starts: Sequence[Sequence[Array]]) -> list[Array]:
    """Stack starts of the same widths along a new leading axis, to be trained side by side.

    Parameters
    ----------
    starts : sequence of lists of (widths[l], widths[l - 1]) arrays
        At least one start.

    Returns
    -------
    list of (len(starts), widths[l], widths[l - 1]) arrays

    Raises
    ------
    ValueError
        If there is no start, or their widths differ.

    Examples
    --------
    >>> starts = stack([gaussian([3, 4, 2], scale=0.1, rng=seed) for seed in range(10)])
    >>> [w.shape for w in starts]
    [(10, 4, 3), (10, 2, 4)]
    """
    layers = [[finite(name, w) for name, w in each(of, start)] for of, start in each("starts", starts)]
    if not any(layers):
        raise ValueError("starts was empty; it must hold at least one list of weights")
    shapes = [[w.shape for w in start] for start in layers]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"starts held layers of shapes {shapes}; all must have the same widths")
    return [np.stack(layer) for layer in zip(*layers, strict=True)]


def _check_widths(widths: Sequence[int]) -> list[int]:
    checked = [positive_int(name, width) for name, width in each("widths", widths)]
    if len(checked) < 2:
        raise ValueError(f"widths was {checked}; it must name at least the input and the output layer")
    return checked


def _orthonormal(n_rows: int, n_columns: int, rng: np.random.Generator) -> Array:
    return _orthonormalised(rng.standard_normal((n_rows, n_columns)))


def _orthonormalised(columns: Array) -> Array:
    q, r = np.linalg.qr(columns)
    # QR alone is not uniform: its signs depend on the algorithm. Making diag(r) positive gives the Haar measure.
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))
