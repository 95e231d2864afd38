"""The book's data sets, as the moments that a linear network learns from; and its results that took hours.

MNIST and Fashion-MNIST ship with the package as exact integer sums over their pixels (0 to 255), made from the
original files by ``python -m dlnlib.moments NAME FOLDER``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from dlnlib._checks import Array, finite, generator, one_of, positive_int, shown
from dlnlib.task import Task

SPLITS = ("train", "validation", "test")
STORED = ("figure_6a", "spectra")

_N_PIXELS = 784
_SHIPPED = Path(__file__).parent / "data"

# SHA-256 of the sums in each file. That of the file itself would depend on the compressor's version.
_SHA256 = {
    "fashion_mnist-test": "a571d796e6ea269a3e8c30f7eed95273511a009b7c76f0e49a64af93a8e25a06",
    "fashion_mnist-train": "60cd8fb297cc7e3c4a7fec0f47c310d2559df505f9f30da0cc51d2962864b108",
    "fashion_mnist-validation": "ac42aa63f6e0a5bd55777edc6a58a4852d3f47e956fac4557d7e403085802560",
    "mnist-test": "a2b0f101decb3c20f3cc4ca6180360a827536fb19d399eef72a7641365e1579a",
    "mnist-train": "338e3289e5f2d6af53a3cfec19a57bfabc9bb1964f116c19559fc2e5f75e222d",
    "mnist-validation": "e5b2a9fa56cf7930389abf7ce853da88658b745e095791046839c7a26616b5d0",
}


def mnist(split: str = "train", *, centred: bool = False) -> Task:
    """MNIST's moments: pixels scaled to [0, 1], ten one-hot targets.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        The first 50,000 images of the training file, its last 10,000, or the 10,000 of the test file.
    centred : bool
        Whether to subtract from pixels and targets their means over the split. It costs one mode, for the ten
        targets always sum to one.

    Returns
    -------
    Task
        784 inputs, 10 outputs.

    Raises
    ------
    ValueError
        If there is no such split, or its file is missing, truncated or altered.

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
    return _image_task("mnist", split, centred)


def fashion_mnist(split: str = "train", *, centred: bool = False) -> Task:
    """Fashion-MNIST's moments: pixels scaled to [0, 1], ten one-hot targets.

    Parameters
    ----------
    split, centred
        As in `mnist`.

    Returns
    -------
    Task
        784 inputs, 10 outputs.

    Raises
    ------
    ValueError
        If there is no such split.

    References
    ----------
    Xiao, Rasul & Vollgraf (2017).

    Examples
    --------
    >>> fashion_mnist("test").n_examples
    10000
    """
    return _image_task("fashion_mnist", split, centred)


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

    Parameters
    ----------
    levels, branching, features, flip, rng
        As in `diffuse`.

    Returns
    -------
    Task
        branching^levels inputs, as many outputs as features.

    Raises
    ------
    ValueError
        If a number is out of its range.

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
        Seed, or generator.

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


def stored(name: str) -> dict[str, Any]:
    """Return results that took hours of training, with the command, versions and seed that made them.

    Parameters
    ----------
    name : {"figure_6a", "spectra"}
        Learning times from Glorot's start, by ``scripts/figure_6a.py``; or spectra of products of random matrices,
        by ``scripts/figure_6.py``.

    Returns
    -------
    dict
        As it is in the JSON file.

    Raises
    ------
    ValueError
        If there are no such results, or their file is missing or truncated.

    Examples
    --------
    >>> stored("spectra")["command"]
    'python scripts/figure_6.py'
    """
    file = _SHIPPED / f"{one_of('name', name, STORED)}.json"
    try:
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None
    return results


def _image_task(name: str, split: str, centred: bool) -> Task:
    file = _SHIPPED / f"{name}-{one_of('split', split, SPLITS)}.npz"
    try:
        with file.open("rb") as opened, np.load(opened) as moments:
            products, pixels, counts = (moments[key] for key in ("pixel_products", "class_pixels", "class_counts"))
    except Exception as error:  # a harmed file makes zipfile, zlib and NumPy raise all kinds
        raise _unreadable(file, error) from None
    content = hashlib.sha256()
    for array in (products, pixels, counts):
        content.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    if content.hexdigest() != _SHA256[file.stem]:
        raise ValueError(f"{file} held other moments than {name}'s; it must be the file that came with dlnlib")
    upper = np.zeros((_N_PIXELS, _N_PIXELS))
    upper[np.triu_indices(_N_PIXELS)] = products
    # n^2 times the means: whole numbers below 2^53, so that nothing is rounded when those of the means are subtracted.
    n = int(counts.sum())
    yx, xx, yy = n * pixels.astype(float), n * (upper + np.triu(upper, 1).T), float(n**2)
    if centred:
        sums, counts = pixels.sum(axis=0, dtype=float), counts.astype(float)  # every image is of one class
        yx, xx, yy = yx - np.outer(counts, sums), xx - np.outer(sums, sums), yy - counts @ counts
    return Task(yx / (255 * n**2), xx / (255 * n) ** 2, yy / n**2, n)


def _unreadable(file: Path, error: Exception) -> ValueError:
    return ValueError(f"{file} could not be read ({shown(error)}); it must be the file that came with dlnlib")
