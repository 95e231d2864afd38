"""Argument checks shared by the core: one sentence saying what was given and what is allowed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Nonlinearity = Callable[[Array], Array]
Seed = int | np.random.Generator


def shown(value: object) -> str:
    """Return `value` as it is written in a message: on one line, and not all of it if it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def real(name: str, value: ArrayLike, ndim: int | None = None) -> Array:
    """Return `value` as a float64 array; refuse no numbers, and another rank than `ndim` or nothing of this rank."""
    try:
        array = np.asarray(detached(value))
        # NumPy itself would read numbers out of text, and drop imaginary parts with no more than a warning.
        objects = array.flat if array.dtype == object else ()
        if array.dtype.kind not in "biufO" or not all(isinstance(entry, Real) for entry in objects):
            raise TypeError
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ValueError(f"{name} was {shown(value)}; it must be an array of real numbers") from None
    if ndim is not None and array.ndim != ndim:
        allowed = f"have {ndim} dimensions" if ndim else "be a single number"
        raise ValueError(f"{name} had shape {array.shape}; it must {allowed}")
    if ndim is not None and array.size == 0:
        raise ValueError(f"{name} was empty, of shape {array.shape}; it must hold at least one number")
    return array


def finite(name: str, value: ArrayLike, ndim: int | None = None) -> Array:
    """Return `value` as a float64 array; refuse NaN, infinity, and another rank than `ndim` or nothing of this rank."""
    array = real(name, value, ndim)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} held NaN or infinity; every entry must be a finite number")
    return array


def squarable(name: str, value: ArrayLike, ndim: int | None = None) -> Array:
    """Return `value` as a float64 array; refuse what is not finite, and entries whose squares are not."""
    array = finite(name, value, ndim)
    if np.abs(array).max(initial=0) > 1e150:
        raise ValueError(f"{name} held entries up to {np.abs(array).max():g}; their squares must be finite")
    return array


def detached(value: Any) -> Any:
    """Return the numbers of a torch tensor, whatever its device, gradient or precision; anything else as it is."""
    if not hasattr(value, "detach"):
        return value
    value = value.detach().cpu()
    return (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()


def table(name: str, value: Any) -> Any:
    """Return `value` if it has rows and columns, not copied, so that parts of it can be read; refuse anything else."""
    value = detached(value)
    if hasattr(value, "shape") and hasattr(value, "__getitem__"):
        array = value
    else:
        array = real(name, value).astype(np.asarray(value).dtype, copy=False)  # which tells how precise the numbers are
    if len(array.shape) != 2:
        remedy = f": {name[0]}[:, None] for one number an example" if len(array.shape) == 1 else ""
        raise ValueError(f"{name} had shape {array.shape}; it must have 2 dimensions{remedy}")
    if 0 in array.shape:
        raise ValueError(f"{name} was empty, of shape {array.shape}; it must hold at least one number")
    return array


def positive(name: str, value: ArrayLike, reason: str = "", ndim: int | None = None) -> Array:
    """Return `value` as a float64 array; refuse anything that is not finite and greater than zero."""
    array = finite(name, value, ndim)
    if (array <= 0).any():
        raise ValueError(f"{name} was {array.min():g}; it must be greater than zero{reason}")
    return array


def positive_definite(name: str, value: ArrayLike) -> Array:
    """Return `value` as a float64 array; refuse what is no covariance of inputs that vary in every direction."""
    matrix = finite(name, value, ndim=2)
    symmetric = matrix.shape == matrix.T.shape and np.abs(matrix - matrix.T).max() <= 1e-8 * np.abs(matrix).max()
    if not symmetric or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise ValueError(f"{name} was {shown(value)}; it must be symmetric, with eigenvalues greater than zero")
    return (matrix + matrix.T) / 2  # without the rounding, which products would multiply


def between(name: str, value: ArrayLike, low: float, high: float) -> float:
    """Return `value` as a float; refuse anything but a single number from `low` to `high`."""
    number = float(finite(name, value, ndim=0))
    if not low <= number <= high:
        raise ValueError(f"{name} was {number:g}; it must be from {low:g} to {high:g}")
    return number


def positive_int(name: str, value: int, most: int | None = None) -> int:
    """Return `value` as an int; refuse anything but a whole number of at least one, and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= (most or value):
        allowed = f"from 1 to {most}" if most else "of at least 1"
        raise ValueError(f"{name} was {shown(value)}; it must be a whole number {allowed}")
    return int(value)


def each(name: str, values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Return what `values` holds, each with its name, ``name[i]``; refuse what cannot be iterated over."""
    try:
        return ((f"{name}[{i}]", value) for i, value in enumerate(values))
    except TypeError:
        raise ValueError(f"{name} was {shown(values)}; it must be a list") from None


def instance(name: str, value: object, kind: type) -> None:
    """Refuse anything but an instance of `kind`."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} was {shown(value)}; it must be of type {kind.__name__}")


def one_of(name: str, value: str, choices: Iterable[str]) -> str:
    """Return `value`; refuse anything but one of the choices."""
    allowed = tuple(choices)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} was {shown(value)}; it must be one of {allowed}")
    return value


def path(name: str, value: str | os.PathLike[str]) -> Path:
    """Return `value` as a path; refuse what cannot be one."""
    try:
        return Path(value)
    except TypeError:
        raise ValueError(f"{name} was {shown(value)}; it must be a path") from None


def broadcasting(**arrays: Array) -> tuple[int, ...]:
    """Return the shape to which the arrays broadcast; refuse those that do not."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        given = " and ".join(f"{name} had shape {array.shape}" for name, array in arrays.items() if array.ndim)
        raise ValueError(f"{given}; they must broadcast to one shape") from None


def chained(weights: Sequence[ArrayLike], n_in: int, n_out: int, ndims: tuple[int, ...] = (2,)) -> list[Array]:
    """Return `weights` as float64 arrays; refuse layers that do not chain from `n_in` inputs to `n_out` outputs."""
    layers = [finite(name, w) for name, w in each("weights", weights)]
    if not layers:
        raise ValueError("weights was empty; it must hold at least one layer")
    shapes = [w.shape for w in layers]
    sizes = [n_in, *(shape[-2] if len(shape) in ndims else -1 for shape in shapes)]
    fits = (shape[-2:] == (after, before) for shape, (before, after) in zip(shapes, pairwise(sizes), strict=True))
    if min(sizes) < 1 or not all(fits) or sizes[-1] != n_out:
        raise ValueError(f"weights had shapes {shapes}; they must chain from {n_in} inputs to {n_out} outputs")
    return layers


def two_layers(name: str, sigma_yx: ArrayLike, w1: ArrayLike, w2: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the correlation and both weight matrices as float64 arrays; refuse shapes that do not fit."""
    sigma, first, second = finite(name, sigma_yx, 2), finite("w1", w1, 2), finite("w2", w2, 2)
    if first.shape[1] != sigma.shape[1] or second.shape != (len(sigma), len(first)):
        shapes = f"{first.shape} and {second.shape}"
        raise ValueError(f"w1 and w2 had shapes {shapes}; they must be such that w2 @ w1 fits {name}, {sigma.shape}")
    return sigma, first, second


def generator(rng: Seed) -> np.random.Generator:
    """Return a NumPy generator; refuse an unseeded one, so that every run can be repeated."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise ValueError(f"rng was {shown(rng)}; it must be a seed (a whole number >= 0) or a numpy.random.Generator")
    return np.random.default_rng(int(rng))


def on_arrays(name: str, function: Nonlinearity) -> Nonlinearity:
    """Return `function`; refuse what does not work entry by entry on arrays."""
    x = np.linspace(0, 3, 7)
    try:
        fits = np.shape(function(x)) == x.shape
    except (TypeError, ValueError):  # no function, or one of single numbers
        fits = False
    if not fits:
        raise ValueError(f"{name} was {shown(function)}; it must be a function of arrays, entry by entry")
    return function


def odd(phi: Nonlinearity) -> Nonlinearity:
    """Return `phi`; refuse what is not an odd function of arrays."""
    x = np.linspace(0, 3, 7)
    if not np.allclose(on_arrays("phi", phi)(-x), -phi(x), rtol=1e-9, atol=1e-12):
        raise ValueError(f"phi was {shown(phi)}; it must be odd, phi(-x) = -phi(x)")
    return phi


def refuse(wrong: NDArray[np.bool_], name: str, value: Array, allowed: str) -> None:
    """Refuse `value` where it is wrong, by the first such number."""
    if wrong.any():
        raise ValueError(f"{name} was {np.broadcast_to(value, wrong.shape)[wrong][0]:g}; it must be {allowed}")


def at_least(name: str, value: ArrayLike, lowest: float, ndim: int | None = None, *, infinite: bool = False) -> Array:
    """Return `value` as a float64 array; refuse NaN, what is below `lowest`, and infinity unless it is allowed."""
    array = (real if infinite else finite)(name, value, ndim)
    allowed = f"a number of at least {lowest:g}{', or infinity' if infinite else ''}"
    refuse(np.asarray(~(array >= lowest)), name, array, allowed)
    return array


def at_unit_variance(s: ArrayLike, tau: ArrayLike, input_variance: ArrayLike, **others: Array) -> tuple[Array, Array]:
    """Return s / lambda and tau / lambda, which take the place of s and tau; all must be positive and broadcast."""
    s, tau, variance = positive("s", s), positive("tau", tau), positive("input_variance", input_variance)
    broadcasting(s=s, tau=tau, input_variance=variance, **others)
    return s / variance, tau / variance


def on_the_way(name: str, value: Array, start: Array, end: Array) -> Array:
    """Return `value`, which must lie between `start` and `end`; what rounding put beyond them is set to them."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    slack = 8 * np.finfo(np.float64).eps * np.maximum(np.abs(low), np.abs(high))
    outside = (value < low - slack) | (value > high + slack)
    if outside.any():
        wrong, first, last = (np.broadcast_to(array, outside.shape)[outside][0] for array in (value, start, end))
        raise ValueError(
            f"{name} was {wrong:g}; it must lie on the way from {first:g} (the start) to {last:g} (the end)"
        )
    return np.clip(value, low, high)


def unwrap(array: Array) -> Array | float:
    """Return a zero-dimensional array as a float, as a NumPy ufunc would."""
    return array if array.ndim else float(array)
