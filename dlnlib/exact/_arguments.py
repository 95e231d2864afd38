"""Argument checks shared by the exact solutions, and their way to return scalars."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlnlib._checks import Array, real


def at_least(name: str, value: ArrayLike, lowest: float) -> Array:
    """Return `value` as a float64 array; refuse NaN and anything below `lowest`, allow infinity."""
    array = real(name, value)
    wrong = array[~(array >= lowest)]
    if wrong.size:
        raise ValueError(f"{name} was {wrong[0]:g}; it must be a number of at least {lowest:g}, or infinity")
    return array


def over_variance(s: Array, tau: Array, variance: Array) -> tuple[Array, Array]:
    """Return s / lambda and tau / lambda, which must be numbers that floating point can hold."""
    with np.errstate(over="ignore"):
        of_s, of_tau = s / variance, tau / variance
    return representable("s / input_variance", of_s), representable("tau / input_variance", of_tau)


def representable(what: str, value: Array) -> Array:
    """Return `value`, which was made of arguments; refuse what floating point cannot hold with all its digits."""
    outside = ~((value >= np.finfo(np.float64).tiny) & np.isfinite(value))
    if outside.any():
        raise ValueError(f"{what} was {np.asarray(value)[outside][0]:g}; it must be between 1e-307 and 1e308")
    return value


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
