"""A monotone relaxation in one variable: marched once by quadrature, then inverted at any number of times."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from dlnlib._checks import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_TOLERANCE = 1e-12  # of a panel in one piece; its halves, which are kept, agree to rounding
_NEGLIGIBLE = 1e-17  # of the time that has passed
_FINEST = 1e-9  # panel, in units of v: nothing that happens is faster
_LAST = 600.0  # in v: what then remains of the way is a factor 1e-260
_MAX_STEPS = 60


class Leg:
    """The way from one value of a variable to the next at which it rests or changes sign.

    Progress is v, minus the logarithm of the fraction of the way that remains, so v runs from 0 to infinity;
    `time_per_v` is dt/dv > 0. The leg is marched until `until` has passed, or to its end.
    """

    def __init__(self, time_per_v: Callable[[Array], Array], until: float) -> None:
        self._time_per_v = time_per_v
        edges, times, width = [0.0], [0.0], 0.5
        while times[-1] <= until and edges[-1] < _LAST:
            start, stop = edges[-1], min(edges[-1] + width, _LAST)
            middle = (start + stop) / 2
            whole, first, second = self._time(np.array([start, start, middle]), np.array([stop, middle, stop]))
            if not math.isfinite(whole):
                raise ArithmeticError("times must not exceed the largest number")
            # Rounding of a panel does not matter beside the time that has passed.
            allowed = max(_TOLERANCE * whole, _NEGLIGIBLE * times[-1])
            if abs(first + second - whole) > allowed and start < middle < stop:
                if width < _FINEST * start:
                    raise ArithmeticError("times must not fall below the smallest number")
                width /= 2
                continue
            edges += [middle, stop]
            times += [times[-1] + first, times[-1] + first + second]
            width *= 2
        self._edges, self._times = np.array(edges), np.array(times)
        self.duration = float(times[-1])

    def position(self, t: Array) -> Array:
        """Return v at the times `t`, a one-dimensional array; infinity beyond the end."""
        panel = np.clip(np.searchsorted(self._times, t, side="right") - 1, 0, self._edges.size - 2)
        start, stop = self._edges[panel], self._edges[panel + 1]
        left = np.minimum(t, self.duration) - self._times[panel]
        low, high = start, stop
        v = start + (stop - start) * left / np.maximum(np.diff(self._times)[panel], np.finfo(np.float64).tiny)
        for _ in range(_MAX_STEPS):
            excess = self._time(start, v) - left
            low, high = np.where(excess < 0, v, low), np.where(excess > 0, v, high)
            newton = v - excess / self._time_per_v(v)
            inside = (newton >= low) & (newton <= high)
            step = np.where(inside, newton, (low + high) / 2) - v
            v = v + step
            # What is left of the error is about the square of the step.
            if (np.abs(step) <= 1e-10 * v + np.finfo(np.float64).tiny).all():
                return np.where(t > self.duration, np.inf, v)
        raise ArithmeticError(f"{_MAX_STEPS} Newton steps must find the position on the trajectory")

    def _time(self, start: Array, stop: Array) -> Array:
        """Return the time from `start` to `stop` by one Gauss-Legendre rule."""
        half = (stop - start) / 2
        nodes = start[:, None] + half[:, None] * (_NODES + 1)
        return np.asarray(half * (self._time_per_v(nodes) @ _WEIGHTS))
