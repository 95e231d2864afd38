"""The book's data sets, as the moments that a linear network learns from.

MNIST and Fashion-MNIST ship with the package as exact integer sums over their pixels (0 to 255), made from the
original files by ``python -m dlnlib.moments NAME FOLDER``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dlnlib._checks import Array, finite, generator, positive_int
from dlnlib.task import Task

SPLITS = ("train", "validation", "test")

_N_PIXELS = 784
_SHIPPED = Path(__file__).parent / "data"


def mnist(split: str = "train") -> Task:
    """MNIST's moments: pixels scaled to [0, 1], ten one-hot targets, no centring.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        The first 50,000 images of the training file, its last 10,000, or the 10,000 of the test file.

    References
    ----------
    LeCun, Cortes & Burges (1998).

    Examples
    --------
    >>> task = mnist()
    >>> task.n_examples, task.sigma_yx.shape
    (50000, (10, 784))
    >>> round(task.n_examples * task.floor, 2)  # the paper's error measure: half the summed squares
    9855.52
    """
    return _image_task("mnist", split)


def fashion_mnist(split: str = "train") -> Task:
    """Fashion-MNIST's moments, in the form and splits of `mnist`.

    References
    ----------
    Xiao, Rasul & Vollgraf (2017).

    Examples
    --------
    >>> fashion_mnist("test").n_examples
    10000
    """
    return _image_task("fashion_mnist", split)


def hierarchy(
    levels: int = 5,
    branching: int = 2,
    features: int = 1000,
    flip: float = 0.1,
    *,
    rng: int | np.random.Generator,
) -> Task:
    """Items at the leaves of a tree, named by one-hot inputs, described by features that diffuse down the tree.

    The task of the paper's figure 3; see `diffuse` for the features and the parameters. One-hot inputs have
    variance 1 / n_items in every direction, so ``task.modes.s / task.mode_variances`` are the singular values of
    the table of features itself: the strengths of the paper, which sums over examples where we average.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.4 and appendix F.

    Examples
    --------
    >>> task = hierarchy(levels=3, features=200, rng=0)
    >>> task.sigma_yx.shape, task.n_examples
    ((200, 8), 8)
    """
    table = diffuse(levels, branching, features, flip, rng=rng)
    return Task.from_samples(np.eye(len(table)), table)


def diffuse(
    levels: int = 5,
    branching: int = 2,
    features: int = 1000,
    flip: float = 0.1,
    *,
    rng: int | np.random.Generator,
) -> Array:
    """Draw a table of +1/-1 features that diffuse from the root of a tree to its leaves, the items.

    Each feature is +1 or -1 with equal probability at the root; every child copies its parent and flips the sign
    with probability `flip`. Two items whose last common ancestor lies d levels up agree in correlation
    (1 - 2 flip)^(2d).

    Parameters
    ----------
    levels : int
        Generations below the root.
    branching : int
        Children of each node, so that there are branching^levels items.
    features : int
        Number of features, drawn independently.
    flip : float
        Probability of a flip from parent to child, from 0 to 1/2.
    rng : int or numpy.random.Generator

    Returns
    -------
    (n_items, features) array

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> table = diffuse(levels=2, features=100_000, rng=0)
    >>> np.round(table @ table.T / 100_000, 1)  # 0.8^2 between siblings, 0.8^4 across
    array([[1. , 0.6, 0.4, 0.4],
           [0.6, 1. , 0.4, 0.4],
           [0.4, 0.4, 1. , 0.6],
           [0.4, 0.4, 0.6, 1. ]])
    """
    levels, branching = (
        positive_int("levels", levels),
        positive_int("branching", branching),
    )
    features, rng = positive_int("features", features), generator(rng)
    if not 0 <= finite("flip", flip, ndim=0) <= 0.5:
        raise ValueError(f"flip was {flip}; it must be a probability from 0 to 1/2")
    table = rng.choice([-1.0, 1.0], size=(1, features))
    for _ in range(levels):
        table = np.repeat(table, branching, axis=0)
        table *= np.where(rng.random(table.shape) < flip, -1.0, 1.0)
    return table


def _image_task(name: str, split: str) -> Task:
    if split not in SPLITS:
        raise ValueError(f"split was {split!r}; it must be one of {SPLITS}")
    with np.load(_SHIPPED / f"{name}-{split}.npz") as moments:
        upper = np.zeros((_N_PIXELS, _N_PIXELS))
        upper[np.triu_indices(_N_PIXELS)] = moments["pixel_products"]
        n_examples = int(moments["class_counts"].sum())
        sigma_yx = moments["class_pixels"] / (255.0 * n_examples)
    sigma_xx = (upper + np.triu(upper, 1).T) / (255.0**2 * n_examples)
    return Task(sigma_yx, sigma_xx, trace_yy=1.0, n_examples=n_examples)
