"""The book's data sets, as the moments that a linear network learns from; and its results that took hours.

MNIST and Fashion-MNIST ship with the package as exact integer sums over their pixels (0 to 255), made from the
original files by ``makers/moments.py``; and MNIST's first images as such. Your own images come in
by `from_images`, other samples by `Task.from_samples` and `Task.from_batches`.
"""

import gzip
import hashlib
import json
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnlib import _checks
from dlnlib._checks import Array, between, finite, generator, one_of, path, positive_definite, positive_int, real, shown
from dlnlib.task import Task

__all__ = [
    "SPLITS", "STORED", "diffuse", "fashion_mnist", "from_images", "hierarchy", "in_context", "mnist",
    "mnist_images", "read_idx", "stored", "teacher", "with_constant",
]  # fmt: skip

SPLITS = ("train", "validation", "test")
STORED = ("figure_6a", "spectra")

_N_PIXELS = 784
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_SHIPPED = Path(__file__).parent / "data"

# Of the sums in each file: that of the file itself would depend on the compressor's version
_SHA256 = json.loads((_SHIPPED / "sha256.json").read_text(encoding="utf-8"))


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


def mnist_images(n_images: int = 5000) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """MNIST's first training images themselves, for experiments with few examples.

    Parameters
    ----------
    n_images : int
        How many, at most the 5,000 that ship with the package.

    Returns
    -------
    images : (n_images, 28, 28) array of uint8
        Pixels from 0 to 255.
    labels : (n_images,) array of uint8
        The digits.

    Raises
    ------
    ValueError
        If there are not so many, or the file is missing, truncated or altered.

    References
    ----------
    LeCun, Cortes & Burges (1998).

    Examples
    --------
    >>> images, labels = mnist_images(100)
    >>> from_images(images, labels)
    Task(784 inputs of rank 100, 10 outputs, 100 examples, floor 0)
    """
    images, labels = _shipped("mnist-images", "images", "labels")
    if positive_int("n_images", n_images) > len(images):
        raise ValueError(f"n_images was {n_images}; it must be at most {len(images)}, the images that are here")
    return images[:n_images], labels[:n_images]


def from_images(images: ArrayLike, labels: ArrayLike, *, centred: bool = False) -> Task:
    """Make the task of naming images: pixels of 0 to 255 scaled to [0, 1], and one-hot targets.

    Parameters
    ----------
    images : (n_images, height, width) array
        Of any size; `read_idx` reads files of them.
    labels : (n_images,) array of whole numbers
        Output k is that of label k, from zero to the largest.
    centred : bool
        Whether to subtract from pixels and targets their means.

    Returns
    -------
    Task

    Raises
    ------
    ValueError
        If the labels are not whole numbers, one for each image.

    Examples
    --------
    >>> from_images(np.zeros((3, 4, 5)), [0, 25, 7])
    Task(20 inputs of rank 0, 26 outputs, 3 examples, floor 0.5)
    """
    x: Any = images if hasattr(images, "shape") else real("images", images)
    y = finite("labels", labels, ndim=1)
    if len(x.shape) < 2 or len(x) != len(y) or 0 in x.shape:
        raise ValueError(f"images had shape {x.shape}; it must hold an image for each of {len(y)} labels")
    if np.any(y % 1) or y.min() < 0 or y.max() >= 2**15:  # each label up to the largest is an output
        raise ValueError(f"labels went from {y.min():g} to {y.max():g}; they must be whole numbers from 0 to 32767")
    names, size = np.eye(int(y.max()) + 1), max(1, 2**21 // math.prod(x.shape[1:]))
    parts = (slice(start, start + size) for start in range(0, len(x), size))
    rows = getattr(x, "iloc", x)  # a table of pandas: by place, not by label
    pairs = ((finite("images", rows[i]).reshape(len(y[i]), -1) / 255, names[y[i].astype(int)]) for i in parts)
    return Task.from_batches(pairs, centred)


def read_idx(file: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file: the format of MNIST and its relatives, gzipped or not, whatever its name is.

    Parameters
    ----------
    file : path

    Returns
    -------
    array
        Of the shape and type that the file says.

    Raises
    ------
    ValueError
        If the file cannot be read, is another one, or is not whole.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     labels = Path(folder, "labels")
    ...     labels.write_bytes(bytes([0, 0, 8, 1]) + bytes([0, 0, 0, 3]) + bytes([7, 2, 1]))
    ...     read_idx(labels)
    11
    array([7, 2, 1], dtype=uint8)
    """
    file = path("file", file)
    try:
        return _parse_idx(_unpacked(file))
    except (EOFError, OSError, zlib.error, ValueError) as error:
        raise ValueError(f"file {str(file)!r} could not be read ({error}); it must be an IDX file, whole") from None


def with_constant(x: ArrayLike) -> Array:
    """Append to inputs one that is always one, whose weights are the biases of the first layer.

    Parameters
    ----------
    x : (n_examples, n_in) array

    Returns
    -------
    (n_examples, n_in + 1) array
        Of float64, or of the floats that x is made of: they tell how precise it is.

    Raises
    ------
    ValueError
        If x has not two dimensions.

    Examples
    --------
    >>> x, y = np.array([[1.0], [2.0]]), [[5.0], [7.0]]
    >>> Task.from_samples(with_constant(x), y).least_squares_map.round(12)  # y = 2 x + 3
    array([[2., 3.]])
    """
    numbers = finite("x", x, ndim=2)
    own = np.asarray(_checks.detached(x)).dtype
    return np.hstack([numbers, np.ones((len(numbers), 1))]).astype(own if own.kind == "f" else np.float64, copy=False)


def teacher(
    w: ArrayLike | tuple[int, int], n_examples: int, *, noise: float = 0.0, rng: int | np.random.Generator
) -> tuple[Array, Array, Task]:
    """Draw examples of a linear teacher: standard Gaussian inputs x, and targets w x + noise.

    Parameters
    ----------
    w : (n_out, n_in) array, or tuple (n_out, n_in)
        The teacher's map; or its sizes, for a random one of independent Gaussian entries of variance 1 / n_in.
    n_examples : int
        Number of examples.
    noise : float
        Standard deviation of the noise of each target.
    rng : int or numpy.random.Generator
        Seed, or generator.

    Returns
    -------
    x, y : (n_examples, n_in) and (n_examples, n_out) arrays
        The samples.
    task : Task
        The task of the whole population, exactly: white inputs, sigma_yx = w, and a floor that is the noise.

    Raises
    ------
    ValueError
        If a size or the noise is out of range.

    Examples
    --------
    >>> x, y, population = teacher((3, 20), 50, noise=0.1, rng=0)
    >>> learned = Task.from_samples(x, y).least_squares_map
    >>> bool(population.floor < population.loss(learned) < population.loss(np.zeros((3, 20))))
    True
    """
    rng, n_examples = generator(rng), positive_int("n_examples", n_examples)
    noise = between("noise", noise, 0, math.inf)
    if isinstance(w, tuple) and w:
        w = rng.standard_normal([positive_int("w", size) for size in w]) / math.sqrt(w[-1])
    w = finite("w", w, ndim=2)
    x = rng.standard_normal((n_examples, w.shape[1]))
    y = x @ w.T + noise * rng.standard_normal((n_examples, len(w)))
    return x, y, Task(w, None, float(np.sum(w**2) + noise**2 * len(w)))


def hierarchy(
    levels: int = 5, branching: int = 2, features: int = 1000, flip: float = 0.1, *, rng: int | np.random.Generator
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
    levels: int = 5, branching: int = 2, features: int = 1000, flip: float = 0.1, *, rng: int | np.random.Generator
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
    levels, branching = positive_int("levels", levels), positive_int("branching", branching)
    features, flip, rng = positive_int("features", features), between("flip", flip, 0, 0.5), generator(rng)
    table = rng.choice([-1.0, 1.0], size=(1, features))
    for _ in range(levels):
        table = np.repeat(table, branching, axis=0)
        table *= np.where(rng.random(table.shape) < flip, -1.0, 1.0)
    return table


def in_context(covariance: ArrayLike, n_examples: int) -> Task:
    r"""Regression in context, as a layer of linear attention sees it.

    A sequence is a context of N examples, x_n ~ N(0, Lambda) and y_n = w^T x_n with a new w ~ N(0, I), and a query
    x_q ~ N(0, Lambda) whose y = w^T x_q is asked for. Linear attention answers vec(M)^T z with

    .. math:: z = \mathrm{vec}(\beta x_q^\top), \qquad \beta = \frac1N \sum_n y_n x_n,

    the correlations of the examples with their targets, times the query. The moments of this task are

    .. math:: \Sigma_{yz} = \mathrm{vec}(\Lambda^2)^\top, \qquad \Sigma_{zz} = B \otimes \Lambda, \qquad
        B = \mathbb E[\beta \beta^\top] = \Lambda^2 + \frac{\Lambda \operatorname{tr} \Lambda + \Lambda^2}{N},

    and E[y^2] = tr Lambda.

    Parameters
    ----------
    covariance : (d, d) array
        Lambda.
    n_examples : int
        N, the examples in the context of each sequence.

    Returns
    -------
    Task
        d^2 inputs (vec goes through rows: entry d i + j is beta_i times x_j), one output.

    Raises
    ------
    ValueError
        If the covariance is not symmetric and positive definite, or there is no example.

    References
    ----------
    Zhang, Singh, Latham & Saxe (2025).

    Examples
    --------
    >>> task = in_context(np.eye(3), n_examples=4)
    >>> task.modes.s, task.mode_variances  # sqrt(d) and 1 + (1 + d) / N
    (array([1.73205081]), array([2.]))
    """
    lam = positive_definite("covariance", covariance)
    square = lam @ lam
    b = square + (np.trace(lam) * lam + square) / positive_int("n_examples", n_examples)
    return Task(square.reshape(1, -1), np.kron(b, lam), float(np.trace(lam)))


def stored(name: str) -> dict[str, Any]:
    """Return results that took hours of training, with the command, versions and seed that made them.

    Parameters
    ----------
    name : {"figure_6a", "spectra"}
        Learning times from Glorot's start, by ``makers/figure_6a.py``; or spectra of products of random matrices,
        by ``makers/figure_6.py``.

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
    'python makers/figure_6.py'
    """
    file = _SHIPPED / f"{one_of('name', name, STORED)}.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None


def _image_task(name: str, split: str, centred: bool) -> Task:
    stem = f"{name}-{one_of('split', split, SPLITS)}"
    products, pixels, counts = _shipped(stem, "pixel_products", "class_pixels", "class_counts")
    upper = np.zeros((_N_PIXELS, _N_PIXELS))
    upper[np.triu_indices(_N_PIXELS)] = products
    # n^2 times the means: whole numbers below 2^53, so that nothing is rounded when those of the means are subtracted.
    n = int(counts.sum())
    yx, xx, yy = n * pixels.astype(float), n * (upper + np.triu(upper, 1).T), float(n**2)
    if centred:
        sums, counts = pixels.sum(axis=0, dtype=float), counts.astype(float)  # every image is of one class
        yx, xx, yy = yx - np.outer(counts, sums), xx - np.outer(sums, sums), yy - counts @ counts
    return Task(yx / (255 * n**2), xx / (255 * n) ** 2, yy / n**2, n)


def _shipped(stem: str, *keys: str) -> list[NDArray[Any]]:
    """The arrays of a file that came with the package, if they are what they were."""
    file = _SHIPPED / f"{stem}.npz"
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            found = [arrays[key] for key in keys]
    except Exception as error:  # a harmed file makes zipfile, zlib and NumPy raise all kinds
        raise _unreadable(file, error) from None
    content = b"".join(f"{array.dtype.str}{array.shape}".encode() + array.tobytes() for array in found)
    if hashlib.sha256(content).hexdigest() != _SHA256[stem]:
        raise ValueError(f"{file} held other moments; it must be the file that came with dlnlib")
    return found


def _unpacked(file: Path) -> bytes:
    """The content of an IDX file, gzipped or not; of any other nothing."""
    content = file.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _parse_idx(content: bytes) -> NDArray[Any]:
    """Two zero bytes, the type, the number of dimensions, each dimension in four bytes, the numbers."""
    if len(content) < 4 or content[:2] != bytes(2) or content[2] not in _IDX_TYPES:
        raise ValueError("no IDX file")
    kind, end = np.dtype(_IDX_TYPES[content[2]]), 4 + 4 * content[3]
    return np.frombuffer(content, kind, offset=end).reshape(np.frombuffer(content[4:end], ">u4").tolist())


def _unreadable(file: Path, error: Exception) -> ValueError:
    return ValueError(f"{file} could not be read ({shown(error)}); it must be the file that came with dlnlib")
