"""How long a mode of equal layers takes, and how far it gets, in the logit coordinate.

For tau du/dt = D u^(2 - 2/D) (s - u) write x = u/s, m = 1 - 2/D and T = D s^(1+m) t / tau, and measure progress by
delta, the advance of the logit ln(x / |1 - x|) since the start. Then d(delta)/dT = x^m, and delta runs from 0 to
infinity both for a mode that grows to s (x < 1) and for one that shrinks to it (x > 1). Integrated,

    x < 1:            T = [ -x^(-m)/m + x^(1-m)/(1-m) + L_(2-m)(x) ]       between start and end of the path,
    x > 1, w = 1/x:   T = [              w^(1+m)/(1+m) + L_(2+m)(w) ],

with ln z in place of z^p / p where p = 0, and L_c(z) = sum_(n >= 0) z^(n+c) / (n+c) = (z^c / c) 2F1(1, c; c+1; z).
Both lines share a form in xi = min(x, 1/x) and q = 1 - m or 1 + m; the growing mode alone has the first term, the
plateau. L_c = R_c - ln(1 - z), where R_c has no singularity at z = 1, so two power series cover 0 <= xi <= 1.
(SciPy's hyp2f1 is not used: version 1.17 is wrong by factors for a = 1, c = b + 1 close to 2 and z close to 1.)
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from dlnlib._checks import Array
from dlnlib.exact._series import Series

_LONG_PLATEAU = 1000.0  # from here on rounding in T would cost u more than three digits
_SHORT_PATH = 0.1  # below this, differences of the closed form lose digits and quadrature loses none
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(7)
_MAX_STEPS = 20


class Path:
    """The way of one mode (or of an array of modes) from u0 to s."""

    def __init__(self, s: Array, u0: Array, depth: Array, tau: Array) -> None:
        self.m = 1 - 2 / depth
        self.x0 = u0 / s
        self.grows = u0 <= s
        self.q = np.where(self.grows, 1 - self.m, 1 + self.m)
        self.xi0 = np.where(self.grows, self.x0, s / u0)
        # The floor keeps ratios of gaps finite for a mode that starts at s.
        self.gap0 = np.maximum(np.abs(s - u0) / np.maximum(s, u0), np.finfo(np.float64).tiny)
        self.series = Series(self.q)
        self.low0, at_start = self.series.low(np.minimum(self.xi0, 0.5)), self.series.high(np.minimum(self.gap0, 0.5))
        self.high0 = np.where(self.xi0 < 0.5, self.low0 + np.log1p(-np.minimum(self.xi0, 0.5)), at_start)
        with np.errstate(over="ignore"):
            self.rate = np.where(np.isinf(depth), 1.0, depth) * (s**self.m * (s / tau))  # T / t

    def arrival(self) -> Array:
        """Return a T by which no gap is left, with room to spare."""
        return 2 * self.plateau(-np.log(self.xi0)) + 2000.0

    def shrinkage(self, delta: Array) -> Array:
        """Return x0 / x after an advance of delta."""
        return np.exp(-delta) - self.x0 * np.expm1(-delta)

    def plateau(self, growth: Array) -> Array:
        """Return the first term of T, after xi has grown by a factor exp(growth)."""
        return np.where(self.grows, _power_difference(self.xi0, growth, -self.m), 0.0)

    def remainder(self, delta: Array, growth: Array, xi: Array, gap: Array) -> Array:
        """Return T without its first term; `gap` is 1 - xi."""
        low, high = self.series.low(np.minimum(xi, 0.5)), self.series.high(np.minimum(gap, 0.5))
        log_gaps = delta - np.where(self.grows, growth, 0.0)
        lerch = np.where(xi < 0.5, low - self.low0, log_gaps + (high - self.high0))
        return _power_difference(self.xi0, growth, self.q) + lerch

    def short(self, delta: Array) -> Array:
        """Return T = integral of x^-m d(delta) over a short path, by the Gauss-Legendre rule."""
        x0, m = self.x0[..., None], self.m[..., None]
        nodes = delta[..., None] * (_NODES + 1) / 2
        x = x0 / (np.exp(-nodes) - x0 * np.expm1(-nodes))
        return np.asarray(delta / 2 * (x**-m @ _WEIGHTS))

    def elapsed(self, delta: Array, growth: Array, xi: Array, gap: Array) -> Array:
        """Return T, to full relative accuracy."""
        short = np.maximum(delta, growth) < _SHORT_PATH
        closed = self.plateau(growth) + self.remainder(delta, growth, xi, gap)
        return np.where(short, self.short(np.where(short, delta, 0.0)), closed)

    def advance(self, target: Array, excess: Array, long: NDArray[np.bool_]) -> Array:
        """Solve T(delta) = target by Householder's method; where `long`, `excess` is target less the whole plateau."""
        delta = self._first_guess(target)
        for _ in range(_MAX_STEPS):
            decay = np.exp(-delta)
            shrinkage = decay - self.x0 * np.expm1(-delta)
            rise = -np.log(shrinkage)
            x, growth = self.x0 / shrinkage, np.abs(rise)
            gap = self.gap0 * decay / np.where(self.grows, shrinkage, 1.0)
            pull = np.where(self.grows, gap, -gap * x)  # 1 - x
            speed = self.x0**self.m * np.exp(self.m * rise)
            left = target - self.plateau(growth)
            if long.any():
                left = np.where(long, 1 / (speed * np.where(long, self.m, 1.0)) + excess, left)
            newton = speed * (left - self.remainder(delta, growth, np.minimum(x, 1 / x), gap))
            # d(speed)/dT / speed^2 = bend, and d(bend)/d(delta) = -bend x: the step is right to third order in newton.
            bend = self.m * pull
            third = np.where(np.abs(bend * newton) < 1, bend * (2 * x - bend) * newton**2 / 12, 0.0)
            # Never back beyond the start; and from afar by half, for a plateau overshot is left by slow steps only.
            step = newton / np.maximum(1 - bend * newton / 2 + third, 0.5)
            step = np.maximum(step, np.where(delta > 4, -delta / 2, -delta))
            delta = delta + step
            # The order is four: the error left in ln u is about |pull| step^4 (pull^4 step^4 if pull is large).
            weight = np.maximum(np.abs(pull), np.sqrt(np.sqrt(np.abs(pull))))
            if (np.abs(step) * weight < 3e-4).all():
                return delta
        raise RuntimeError(f"the logit of the mode strength had not converged after {_MAX_STEPS} steps")

    def _first_guess(self, target: Array) -> Array:
        """Return a power law up to xi = 1/2, and from there on an exponential approach to unit speed.

        Both are scaled to be exact at their ends.
        """
        to_half = np.log(np.maximum(0.5 / self.xi0, 1.0))
        xi_half, gap_half = np.maximum(self.xi0, 0.5), np.minimum(self.gap0, 0.5)
        delta_half = np.where(self.grows, to_half, 0.0) - np.log(gap_half / self.gap0)
        target_half = self.plateau(to_half) + self.remainder(delta_half, to_half, xi_half, gap_half)

        p = np.where(self.grows, -self.m, 1 + self.m)
        flat = p == 0
        scale = _power_difference(self.xi0, to_half, p) / np.where(to_half > 0, target_half, 1.0)
        bracket = np.maximum(p * scale * target * self.xi0**-p, -1.0)
        with np.errstate(divide="ignore"):
            power_law = np.where(flat, scale * target, np.log1p(bracket) / np.where(flat, 1.0, p))
        growth = np.minimum(power_law, to_half)
        gap = np.minimum(1 - self.xi0 * np.exp(growth), self.gap0)
        before = np.where(self.grows, growth, 0.0) - np.log(np.maximum(gap, gap_half) / self.gap0)

        to_end = -np.log(self.xi0)
        log_gaps_end = _power_difference(self.xi0, to_end, self.q) + self.series.at_one - self.high0
        delay = self.plateau(to_end) - np.where(self.grows, to_end, 0.0) + log_gaps_end - (target_half - delta_half)
        slowness = 1 - np.where(self.grows, xi_half, 1 / xi_half) ** self.m
        late = np.maximum(target - target_half, 0.0)
        approach = np.where(np.abs(delay) > 1e-6, slowness / np.where(delay == 0, 1.0, delay), 1.0)
        after = delta_half + late + delay * np.expm1(-np.maximum(approach, 0.0) * late)
        return np.asarray(np.where(target < target_half, before, after))


def plateau_excess(
    t: Array, s: Array, u0: Array, depth: Array, tau: Array, path: Path
) -> tuple[Array, NDArray[np.bool_]]:
    """Return target less the whole plateau, x0^-m / m, and where that is long enough to need it.

    The transition that ends a long plateau is a small difference of two large numbers: the time, and the plateau's
    length. Their ratio K t, with K = (D - 2) s u0^m / tau, is therefore taken to 80 bits: K in two doubles, computed
    in decimals once per mode, and t split so that the leading products are exact.
    """
    long = path.grows & (path.x0 ** -np.maximum(path.m, 0.0) > _LONG_PLATEAU)
    if not long.any():
        return np.zeros(()), long
    high, low = _plateau_rate(*np.broadcast_arrays(long, s, u0, depth, tau))
    leading = _leading_bits(t)
    past = (leading * high - 1) + ((t - leading) * high + t * low)
    return path.x0**-path.m / np.where(long, path.m, 1.0) * past, long


def _decimal_plateau_rate(long: bool, s: float, u0: float, depth: float, tau: float) -> tuple[float, float]:
    if not long:
        return 0.0, 0.0
    with localcontext(prec=40):
        layers = Decimal(1) if np.isinf(depth) else Decimal(depth) - 2
        rate = layers * Decimal(s) / Decimal(tau) * Decimal(u0) ** (1 - 2 / Decimal(depth))
        high = float(_leading_bits(np.asarray(float(rate))))
        return high, float(rate - Decimal(high))


_plateau_rate = np.vectorize(_decimal_plateau_rate, otypes=[np.float64, np.float64])


def _leading_bits(value: Array) -> Array:
    """Return the leading 26 bits (Dekker's split): the product of two such numbers is exact."""
    scaled = value * (2.0**27 + 1)
    return scaled - (scaled - value)


def _power_difference(start: Array, growth: Array, p: Array) -> Array:
    """Return (end^p - start^p) / p for end = start exp(growth), and growth where p = 0."""
    p = np.where(p == 0, 1e-200, p)
    return np.asarray(start**p * np.expm1(p * growth) / p)
