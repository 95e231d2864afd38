"""Figures of modes in time: of one task, of a network that trains, of one mode's two layers, of beliefs."""

import itertools
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from dlnlib import exact, initialization
from dlnlib._checks import Array, between, finite, instance, one_of, positive, positive_int, refuse, shown
from dlnlib.explore._figure import InteractiveFigure, named, still
from dlnlib.figures import BLUE, DIVERGING, GREEN, ORANGE, PURPLE, VERMILLION, label_end
from dlnlib.task import Task

__all__ = ["beliefs", "bench", "lazy_to_rich", "one_time", "phase_portrait"]

_MODES = 8  # of the bench
_TIME = r"time $t/\tau$"
_STARTS = {
    "beside the dashed line": [-1.0, 0.9],
    "on it": [-1.0, 1.0],
    "small, balanced": [0.05, 0.05],
    "small, one layer zero": [0.5, 0.0],
    "beyond the minima": [1.5, 1.3],
}


def one_time(
    task: Task, pictures: ArrayLike, names: Sequence[str], u0: float, duration: float, predict: bool = False
) -> InteractiveFigure:
    r"""Return loss, modes, and the inputs and outputs of a mode, as a figure in which one time is moved.

    A two-layer network that starts with every mode at u0 has the loss

    .. math:: L(t) = L_\infty + \tfrac12 \sum_\alpha (s_\alpha - u_\alpha(t))^2,

    :math:`u_\alpha` of `dlnlib.exact.mode_strength`. Each mode holds a piece of it, which peels off as it is learned.

    Parameters
    ----------
    task : Task
        Of white inputs.
    pictures : array_like, shape (modes, side, side)
        The inputs that come with each mode, strongest first.
    names : sequence of str
        Of the outputs.
    u0 : float
        Strength of every mode at time zero; positive, and below half the weakest.
    duration : float
        Length of the axis of time, in units of tau; positive.
    predict : bool
        Hide all but the first mode until the reader has marked when the last will come, and asks for the answer.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the time t, the chosen mode, whether the answer is hidden, and the reader's mark.

    Raises
    ------
    ValueError
        If the inputs are not white, there is not one picture for each mode and a name for each output, or a number
        is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.3.

    Examples
    --------
    >>> task = Task([[2.0, 0.0], [0.0, 1.0]])
    >>> one_time(task, np.ones((2, 3, 3)), ["left", "right"], u0=1e-3, duration=8.0).settings
    {'t': 0.0, 'mode': 0, 'hidden': False, 'mark': None}
    """
    instance("task", task, Task)
    instance("predict", predict, bool)
    pictures, names = finite("pictures", pictures, ndim=3), named("names", names, task.n_out)
    u0, duration = float(positive("u0", u0, ndim=0)), float(positive("duration", duration, ndim=0))
    if task.root is not None and task.whitening is None:
        raise ValueError("task had inputs that are not white; it must be of white ones, such as task.whitened()")
    u, s, _ = task.modes
    if len(pictures) != len(s) or pictures.shape[1] != pictures.shape[2]:
        raise ValueError(f"pictures had shape {pictures.shape}; there must be {len(s)} squares, one for each mode")
    if not 2 * u0 < s[-1]:
        raise ValueError(f"u0 was {u0:g}; it must be below half the weakest mode, {s[-1] / 2:g}")
    t = np.linspace(0, duration, 300)
    strengths = np.asarray(exact.mode_strength(t[:, None], s, u0))
    picture = _loss_and_modes(t, task.floor + np.sum((s - strengths) ** 2, axis=1) / 2, strengths)
    alt = f"Left, the loss in time, from a plateau to its floor; right, the strengths of its {len(s)} modes."
    scaled = np.rint(100 * pictures / np.abs(pictures).max(axis=(1, 2), keepdims=True)).astype(int)
    data = {"s": s.tolist(), "u0": u0, "floor": task.floor, "duration": duration, "pictures": scaled.tolist()}
    data |= {"outputs": u.T.round(4).tolist(), "names": names}
    settings = {"t": 0.25 * duration if predict else 0.0, "mode": 0, "hidden": predict, "mark": None}
    return InteractiveFigure("oneTime", alt, picture, data=data, settings=settings)


def bench(
    strengths: ArrayLike = (2.5, 1.8, 1.2, 0.7),
    depth: int = 2,
    width: int = 16,
    start: str = "decoupled",
    u0: float = 1e-3,
    rate: float = 0.02,
) -> InteractiveFigure:
    r"""Return a deep linear network as a figure in which it trains, with the theory's forecast drawn in advance.

    The inputs are white and the task is diag(strengths), in the axes of its modes. The browser takes the steps of
    `dlnlib.descent.gradient_descent` and draws `dlnlib.exact.mode_strength` beside them, which is exact for small
    steps from a decoupled start. Every strength is dragged; depth, width, start and rate are moved at any time.

    Parameters
    ----------
    strengths : array_like
        Of the modes at the start, one to eight, each from 0.1 to 3.
    depth : int
        Number of weight matrices; from 1 to 20.
    width : int
        Units in each hidden layer; from 1 to 32.
    start : str
        "decoupled", "small random", "orthogonal" or "Glorot".
    u0 : float
        Size of the network's map at the start; from 1e-4 to 1. Decoupled modes start at u0; orthogonal layers have
        the gain u0^(1/D), Glorot's are multiplied by it, and small random weights have the variance
        (2 u0)^(2/D) / width.
    rate : float
        Learning rate, 1 / tau; from 0.001 to 1.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the arguments (all eight strengths; `kind` is the start), the seed, and the step shown.

    Raises
    ------
    ValueError
        If an argument is outside the range above.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), sections 1 to 3.

    Examples
    --------
    >>> bench(strengths=[2.0, 1.0], depth=3).settings["strengths"]
    [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    s = positive("strengths", strengths, ndim=1)
    if not (len(s) <= _MODES and s.min() >= 0.1 and s.max() <= 3):
        raise ValueError(f"strengths was {s.tolist()}; it must be one to eight numbers from 0.1 to 3")
    depth, width = positive_int("depth", depth, 20), positive_int("width", width, 32)
    one_of("start", start, ("decoupled", "small random", "orthogonal", "Glorot"))
    u0, rate = between("u0", u0, 1e-4, 1), between("rate", rate, 1e-3, 1)
    t = np.linspace(0, 1.15 * exact.learning_time(0.99 * s.min(), s.min(), min(u0, s.min() / 2), depth), 200)
    u = np.asarray(exact.mode_strength(t[:, None], s, u0, depth))
    picture = _loss_and_modes(t, np.sum((s - u) ** 2, axis=1) / 2, u)
    alt = f"Left, the loss in time; right, the strengths of {len(s)} modes, learned one after another; depth {depth}."
    network = {"strengths": np.pad(s, (0, _MODES - len(s))).tolist(), "depth": depth, "width": width, "kind": start}
    settings = network | {"u0": u0, "rate": rate, "seed": 1, "step": 0}
    return InteractiveFigure("bench", alt, picture, data={}, settings=settings)


def phase_portrait(
    s: float = 1.0, start: ArrayLike = (-1.0, 0.9), duration: float = 8.0, predict: bool = False
) -> InteractiveFigure:
    r"""Return the plane of the layer strengths of one mode as a figure in which its start is dragged.

    The mode follows `dlnlib.exact.unbalanced_mode`,

    .. math:: \dot a = b\,(s - ab), \qquad \dot b = a\,(s - ab),

    on a hyperbola of constant a^2 - b^2. The browser evaluates the closed form as the reader moves the start, the
    strength, or a mark in time; earlier starts stay as shadows.

    Parameters
    ----------
    s : float
        Strength at which the figure starts; from 0.25 to 2 in the browser.
    start : array_like of shape (2,)
        Layer strengths a and b at time zero, each from -1.8 to 1.8.
    duration : float
        Length of the axis of time, in units of tau; positive.
    predict : bool
        Hide the way until the reader has marked when the mode will be learned, and asks for the answer.

    Returns
    -------
    InteractiveFigure
        Its `settings` are a0, b0, s, the marked time t, and the earlier starts as `ghosts`.

    Raises
    ------
    ValueError
        If `s` or `duration` is not positive, or `start` is not two numbers in the plane.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.3 and figure 2.

    Examples
    --------
    >>> figure = phase_portrait(start=(0.5, 0.0))
    >>> figure.settings["a0"], figure.settings["b0"]
    (0.5, 0.0)
    """
    s, duration = float(positive("s", s, ndim=0)), float(positive("duration", duration, ndim=0))
    instance("predict", predict, bool)
    start = finite("start", start, ndim=1)
    if start.shape != (2,) or abs(start).max() > 1.8:
        raise ValueError(f"start was {start.tolist()}; it must be two numbers from -1.8 to 1.8")
    a0, b0 = start.tolist()
    t = np.linspace(0, duration, 300)
    a, b = exact.unbalanced_mode(t, s, a0, b0)
    figure, (plane, strength) = plt.subplots(1, 2, figsize=(7.2, 3.4))
    x = np.linspace(-1.8, 1.8, 401)
    plane.contour(x, x, x[:, None] * x, levels=[s], colors=GREEN, linewidths=3, alpha=0.6)
    plane.contour(x, x, x**2 - x[:, None] ** 2, levels=[a0**2 - b0**2], colors=ORANGE, linewidths=1.2)
    plane.plot(x, -x, color="grey", linestyle="--", linewidth=1)
    plane.plot(a, b, color=BLUE)
    plane.plot(a0, b0, "o", color=BLUE, markersize=8)
    plane.set(xlabel="first layer $a$", ylabel="second layer $b$", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    strength.axhline(s, color=GREEN, linewidth=3, alpha=0.6)
    strength.plot(t, a * b, color=BLUE)
    strength.set(xlabel=_TIME, ylabel="strength $ab$", ylim=(-2.4, 2.4))
    alt = (
        f"Left, the plane of the layer strengths a and b of a mode, with its way from a = {a0:g}, b = {b0:g} along a "
        "hyperbola; right, its strength ab in time."
    )
    data = {"starts": [{"name": name, "start": point} for name, point in _STARTS.items()], "duration": duration}
    settings = {"a0": a0, "b0": b0, "s": s, "t": 3.0, "ghosts": [], "hidden": predict}
    return InteractiveFigure("portrait", alt, still(figure), data=data, settings=settings)


def lazy_to_rich(sigma_yx: ArrayLike, direction: ArrayLike, lam: float = 0.0, scale: float = 1e-3) -> InteractiveFigure:
    r"""Return the modes of a two-layer network in time, and how far its kernel moves, from any balanced start.

    The browser evaluates `dlnlib.exact.balanced_flow` as the reader moves the imbalance

    .. math:: W_2^T W_2 - W_1 W_1^T = \lambda I

    and the size of the map at the start. The axis of time is logarithmic and stays.

    Parameters
    ----------
    sigma_yx : array_like, shape (n_out, n_in)
        Input-output correlation of white inputs: one to four outputs, at least as many inputs, and
        no mode of strength zero.
    direction : array_like, shape (n_out, n_in)
        What the map at the start is a multiple of; of rank n_out.
    lam : float
        Imbalance at which the figure starts; from -30 to 30.
    scale : float
        Factor of `direction` at which the figure starts; from 1e-6 to 1.

    Returns
    -------
    InteractiveFigure
        Its `settings` are lambda, scale, and the marked time t.

    Raises
    ------
    ValueError
        If the matrices differ in shape or are not as above, or a number is outside its range.

    References
    ----------
    Domine et al. (2025); Braun, Domine, Fitzgerald & Saxe (2022).

    Examples
    --------
    >>> lazy_to_rich([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]], lam=3.0).settings
    {'lambda': 3.0, 'scale': 0.001, 't': 1.0}
    """
    sigma, toward = finite("sigma_yx", sigma_yx, ndim=2), finite("direction", direction, ndim=2)
    lam, scale = between("lam", lam, -30, 30), between("scale", scale, 1e-6, 1)
    n_out, n_in = sigma.shape
    if toward.shape != sigma.shape:
        raise ValueError(f"direction had shape {toward.shape}; it must be that of sigma_yx, {sigma.shape}")
    if not n_out <= min(n_in, 4) or np.linalg.matrix_rank([sigma, toward]).min() < n_out:
        raise ValueError(f"sigma_yx and direction had shape {sigma.shape}; they must have rank n_out, at most 4")
    u, s, vt = np.linalg.svd(sigma)
    left, values, right = np.linalg.svd(toward, full_matrices=False)
    origin = {"left": (u.T @ left).tolist(), "values": values.tolist(), "right": (right @ vt.T).tolist()}

    t = np.geomspace(0.003, 1000, 181)
    w1, w2 = initialization.balanced(scale * toward, lam, rng=0)
    flow = exact.balanced_flow(t, sigma, w1, w2)
    figure, (modes, kernel) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    for i, color in zip(range(n_out), (BLUE, ORANGE, GREEN, PURPLE), strict=False):
        modes.semilogx(t, u[:, i] @ flow.map @ vt[i], color=color)
        label_end(modes, 1000, s[i], str(i + 1), color)
    kernel.semilogx(t, exact.kernel_distance(flow.ntk, exact.ntk([w1, w2])), color=VERMILLION)
    modes.set(xlabel=_TIME, ylabel="mode strength")
    kernel.set(xlabel=_TIME, ylabel=r"kernel moved, $1 - \cos$", ylim=(-0.04, 1))
    alt = f"Left, the strength of {n_out} modes in time; right, how far the kernel has moved; at the imbalance {lam:g}."
    data, settings = {"s": s.tolist(), "start": origin}, {"lambda": lam, "scale": scale, "t": 1.0}
    return InteractiveFigure("lazyToRich", alt, still(figure), data=data, settings=settings)


def beliefs(
    facts: ArrayLike,
    properties: Sequence[str],
    things: Sequence[str],
    chosen: tuple[str, str],
    u0: float = 1e-6,
    duration: float = 8.0,
    t: float = 2.5,
) -> InteractiveFigure:
    r"""Return a table of facts, as a two-layer network learns it, as a figure in which time and facts are moved.

    With the modes :math:`s_\alpha, \mathbf u_\alpha, \mathbf v_\alpha` of the table, what the network believes of
    property p of thing i is

    .. math:: \hat y_{pi}(t) = \sum_\alpha u_{p\alpha}\, s_\alpha\, v_{i\alpha}\, f_\alpha(t), \qquad
              f_\alpha = \frac{1}{1 + (s_\alpha / u_0 - 1)\, e^{-2 s_\alpha t / \tau}} .

    The browser finds the modes anew whenever the reader makes a fact true or false.

    Parameters
    ----------
    facts : array_like, shape (properties, things)
        One where a thing has a property, zero where it has not.
    properties, things : sequence of str
        Names of the rows and of the columns.
    chosen : (str, str)
        Property and thing of the belief that is taken apart at the start.
    u0 : float
        Strength of every mode at time zero; positive.
    duration : float
        Length of the axis of time, in units of tau; positive.
    t : float
        Time at which the figure starts; from zero to `duration`.

    Returns
    -------
    InteractiveFigure
        Its `settings` are the facts, the chosen property and thing (their numbers), and the time t.

    Raises
    ------
    ValueError
        If the facts are not zeros and ones with a name for each row and column, the chosen belief is not among
        them, or a number is outside its range.

    References
    ----------
    Saxe, McClelland & Ganguli (2019).

    Examples
    --------
    >>> figure = beliefs([[1, 1], [1, 0]], ["lives", "swims"], ["trout", "worm"], chosen=("lives", "worm"))
    >>> figure.settings["property"], figure.settings["thing"]
    (0, 1)
    """
    table = finite("facts", facts, ndim=2)
    refuse(~np.isin(table, [0, 1]), "facts", table, "zero or one")
    if not table.any():
        raise ValueError("facts were all zero; at least one must be true")
    properties, things = named("properties", properties, len(table)), named("things", things, len(table.T))
    if chosen not in itertools.product(properties, things):
        raise ValueError(f"chosen was {shown(chosen)}; it must be one of the properties and one of the things")
    p, i = properties.index(chosen[0]), things.index(chosen[1])
    u0, duration = float(positive("u0", u0, ndim=0)), float(positive("duration", duration, ndim=0))
    t = between("t", t, 0, duration)

    u, s, vt = Task(table).modes
    there = s > 1e-9 * s[0]
    times = np.linspace(0, duration, 200)
    parts = u[p, there] * exact.mode_strength(times[:, None], s[there], u0) * vt[there, i]
    now = u[:, there] * exact.mode_strength(t, s[there], u0) @ vt[there]
    figure, (whole, curve) = plt.subplots(1, 2, figsize=(7.2, 4.4))
    whole.imshow(now, vmin=-1, vmax=1, cmap=DIVERGING, aspect="auto", interpolation="none")
    whole.set_xticks(range(len(things)), things, rotation=90)
    whole.set_yticks(range(len(properties)), properties)
    curve.plot(times, parts, color="grey", linewidth=1)
    curve.axhline(table[p, i], color=GREEN, linewidth=3, alpha=0.6)
    curve.plot(times, parts.sum(axis=1), color=VERMILLION)
    curve.set(xlabel=_TIME, ylabel="belief", title=f"{chosen[1]} {chosen[0]}")
    alt = (
        f"Left, a table of what the network believes of {len(vt[0])} things at time {t:g}; right, the belief that "
        f"“{chosen[1]} {chosen[0]}” in time, and its modes."
    )
    world = {"facts": table.astype(int).tolist()}
    data = world | {"properties": properties, "things": things, "u0": u0, "duration": duration}
    settings = world | {"property": p, "thing": i, "t": t}
    return InteractiveFigure("beliefs", alt, still(figure), data=data, settings=settings)


def _loss_and_modes(t: Array, loss: Array, modes: Array) -> bytes:
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.7))
    for ax, y, label, color in zip(axes, (loss, modes), ("loss", "mode strength"), (VERMILLION, BLUE), strict=True):
        ax.plot(t, y, color=color)
        ax.set(xlabel=_TIME, ylabel=label)
    return still(figure)
