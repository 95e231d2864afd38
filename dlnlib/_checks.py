"""Argument checks shared by the core: one sentence saying what was given and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def finite(name: str, value: ArrayLike, ndim: int | None = None) -> Array:
    """Return `value` as a float64 array; refuse what is not numeric, has NaN or infinity, or the wrong rank."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} was {value!r}; it must be an array of real numbers") from None
    if ndim is not None and array.ndim != ndim:
        allowed = f"have {ndim} dimensions" if ndim else "be a single number"
        raise ValueError(f"{name} had shape {array.shape}; it must {allowed}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} held NaN or infinity; every entry must be a finite number")
    return array


def positive(name: str, value: ArrayLike, reason: str = "", ndim: int | None = None) -> Array:
    """Return `value` as a float64 array; refuse anything that is not finite and greater than zero."""
    array = finite(name, value, ndim)
    if (array <= 0).any():
        raise ValueError(f"{name} was {array.min():g}; it must be greater than zero{reason}")
    return array


def positive_int(name: str, value: int) -> int:
    """Return `value` as an int; refuse anything but a whole number of at least one."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} was {value!r}; it must be a whole number of at least 1")
    return int(value)


def chained(weights: Sequence[ArrayLike], n_in: int, n_out: int, ndims: tuple[int, ...] = (2,)) -> list[Array]:
    """Return `weights` as float64 arrays; refuse layers that do not chain from `n_in` inputs to `n_out` outputs."""
    layers = [finite(f"weights[{i}]", w) for i, w in enumerate(weights)]
    if not layers:
        raise ValueError("weights was empty; it must hold at least one layer")
    sizes = [n_in, *(w.shape[-2] if w.ndim in ndims else -1 for w in layers)]
    fits = (w.shape[-2:] == (after, before) for w, (before, after) in zip(layers, pairwise(sizes), strict=True))
    if not all(fits) or sizes[-1] != n_out:
        raise ValueError(
            f"weights had shapes {[w.shape for w in layers]}; they must chain from {n_in} inputs to {n_out} outputs"
        )
    return layers


def generator(rng: int | np.random.Generator) -> np.random.Generator:
    """Return a NumPy generator; refuse an unseeded one, so that every run can be repeated."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise ValueError(f"rng was {rng!r}; it must be a seed (a whole number >= 0) or a numpy.random.Generator")
    return np.random.default_rng(int(rng))
