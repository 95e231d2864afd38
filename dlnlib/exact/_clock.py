"""How long a motion takes that goes one way: tabulated once for each mode, and inverted at any number of times."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial.legendre import legder, leggauss, legint, legval, legvander
from numpy.typing import NDArray
from scipy.special import comb

from dlnlib._checks import Array

_ORDER, _PIECES = 16, 32
_NODES, _WEIGHTS = leggauss(_ORDER)
_EDGES = np.linspace(-1, 1, _PIECES + 1)
_SERIES = ((np.arange(_ORDER) + 0.5) * legvander(_NODES, _ORDER - 1)).T * _WEIGHTS
# From values at the nodes of a panel of length one to what the polynomial through them has at the edges of the panel's
# pieces: its integral from the panel's beginning, its value, and its first two derivatives.
_AT_EDGES = np.stack(
    [legval(_EDGES, legint(_SERIES, lbnd=-1)) / 2, *(2**k * legval(_EDGES, legder(_SERIES, k)) for k in range(3))]
)
_AT_EDGES[0, :, 0] = 0  # exactly: no time has passed at the beginning
_AT_ONE = comb(np.arange(8), np.arange(4)[:, None])  # the derivatives (over k!) of 1, x ... x^7 at x = 1


class Clock:
    """Time as a function of a position y that runs from `start` to `stop`, and its inverse; a row for each mode.

    `pace` is dt/dy > 0, for y of shape (rows, panels, nodes). It must change by no more than a few times over a
    distance of one, as functions of a logit do. Panels are at most that long: a polynomial through 16 Gauss-Legendre
    nodes is then `pace` to rounding. And a piece, 1/32 of a panel, is short enough for y to be a polynomial of t: the
    one of degree seven that has the value and three derivatives of y at both ends.

    Time is `late` at the beginning of panel number `zero`. After a long plateau that is best set behind it, so that
    the times of the transition keep their digits.
    """

    def __init__(self, pace: Callable[[Array], Array], start: Array, stop: Array, zero: int = 0, late: float = 0.0):
        self._panels = max(1, int(np.ceil(np.max(stop - start))))
        self._pace, self._start, self._width = pace, start[:, None], (stop - start)[:, None] / self._panels
        y = np.arange(self._panels)[:, None] + (_NODES + 1) / 2
        y = self._start[..., None] + self._width[..., None] * y
        elapsed, dt, d2t, d3t = (pace(y) * self._width[..., None]) @ _AT_EDGES[:, None]
        total = elapsed[..., -1]
        before, after = np.cumsum(total[:, :zero][:, ::-1], axis=1)[:, ::-1], np.cumsum(total[:, zero:], axis=1)
        self._times = late + np.hstack([-before, np.zeros_like(self._start), after])
        self.duration = self._times[:, -1]
        self._edges = (self._times[:, :-1, None] + elapsed[..., :-1]).reshape(len(start), -1)
        self._lengths = np.diff(elapsed).reshape(len(start), -1)
        self._shape = np.stack([dt, d2t / dt, d3t / dt]).reshape(3, -1)
        self._table: Array | None = None

    def position(self, t: Array) -> Array:
        """Return y(t) for t of shape (rows, ...): `start` before the beginning, `stop` after the end."""
        by_row = np.reshape(t, (len(self._start), -1))
        found = [np.searchsorted(edges, row, "right") for edges, row in zip(self._edges, by_row, strict=True)]
        piece = np.maximum(found, 1) - 1 + np.arange(self._edges.size, step=self._edges.shape[1])[:, None]
        buffer = self._edges.take(piece)  # in place where it can be: fresh memory costs more than arithmetic
        x = np.subtract(by_row, buffer)
        x /= self._lengths.take(piece, out=buffer, mode="clip")
        np.clip(x, 0, 1, out=x)
        if self._table is None and piece.size >= self._edges.size:  # each piece once, for all that follows
            self._table = self._polynomials(np.arange(self._edges.size))
        y = np.zeros_like(x)
        for row in self._polynomials(piece) if self._table is None else self._table:
            y *= x
            y += row if self._table is None else row.take(piece, out=buffer, mode="clip")
        y *= self._width
        y += self._start
        return np.reshape(y, np.shape(t))

    def _polynomials(self, piece: NDArray[np.intp]) -> Array:
        """Return y, in panels, as a polynomial of t, in durations of the piece; the highest power first."""
        left = piece + piece // _PIECES  # a panel has one edge more than it has pieces
        ends, length = [], self._lengths.take(piece)
        for edge, y in ((left, 0.0), (left + 1, 1 / _PIECES)):
            dt, bend, twist = self._shape[:, edge]
            rise = length / dt
            ends.append(np.stack([y + 0 * rise, rise, -bend / 2 * rise**2, (3 * bend**2 - twist) / 6 * rise**3]))
        rest = np.tensordot(np.linalg.inv(_AT_ONE[:, 4:]), ends[1] - np.tensordot(_AT_ONE[:, :4], ends[0], 1), 1)
        ends[0][0] = piece % self._edges.shape[1] / _PIECES
        return np.concatenate([ends[0], rest])[::-1]

    def time(self, y: Array) -> Array:
        """Return t(y) for y of shape (rows, ...), from `start` to `stop`."""
        by_row = np.reshape(y, (len(self._start), -1))
        panel = np.clip((by_row - self._start) // self._width, 0, self._panels - 1)
        left = self._start + self._width * panel
        within = integral(self._pace, left, by_row - left)
        return np.reshape(np.take_along_axis(self._times, panel.astype(int), axis=1) + within, np.shape(y))


def integral(pace: Callable[[Array], Array], start: Array, length: Array) -> Array:
    """Return the integral of `pace` over a panel or less, by the Gauss-Legendre rule."""
    return np.asarray(length / 2 * (pace(start[..., None] + length[..., None] * (_NODES + 1) / 2) @ _WEIGHTS))
