"""One time for all views: a task's loss, its modes as they are learned, and what each mode is."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from dlnlib import exact
from dlnlib._checks import each, finite, instance, positive
from dlnlib.explore._figure import InteractiveFigure, still
from dlnlib.figures import BLUE, VERMILLION
from dlnlib.task import Task

__all__ = ["one_time"]


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
    pictures = finite("pictures", pictures, ndim=3)
    u0, duration = float(positive("u0", u0, ndim=0)), float(positive("duration", duration, ndim=0))
    named = [name for _, name in each("names", names)]
    for item, name in each("names", names):
        instance(item, name, str)
    if task.root is not None and task.whitening is None:
        raise ValueError("task had inputs that are not white; it must be of white ones, such as task.whitened()")
    u, s, _ = task.modes
    if len(pictures) != len(s) or pictures.shape[1] != pictures.shape[2]:
        raise ValueError(f"pictures had shape {pictures.shape}; there must be {len(s)} squares, one for each mode")
    if len(named) != task.n_out:
        raise ValueError(f"names had {len(named)} entries; there must be {task.n_out}, one for each output")
    if not 2 * u0 < s[-1]:
        raise ValueError(f"u0 was {u0:g}; it must be below half the weakest mode, {s[-1] / 2:g}")
    t = np.linspace(0, duration, 300)
    strengths = exact.mode_strength(t[:, None], s, u0)
    figure, (losses, modes) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    losses.plot(t, task.floor + np.sum((s - strengths) ** 2, axis=1) / 2, color=VERMILLION)
    losses.set(xlabel=r"time $t/\tau$", ylabel="loss")
    modes.plot(t, strengths, color=BLUE, linewidth=1)
    modes.set(xlabel=r"time $t/\tau$", ylabel="mode strength")
    alt = f"Left, the loss in time, from a plateau to its floor; right, the strengths of its {len(s)} modes."
    scaled = 100 * pictures / np.abs(pictures).max(axis=(1, 2), keepdims=True)
    data = {
        "s": s.tolist(),
        "u0": u0,
        "floor": task.floor,
        "duration": duration,
        "pictures": np.rint(scaled).astype(int).tolist(),
        "outputs": u.T.round(4).tolist(),
        "names": named,
    }
    settings = {"t": 0.25 * duration if predict else 0.0, "mode": 0, "hidden": predict, "mark": None}
    return InteractiveFigure("oneTime", alt, still(figure), data=data, settings=settings)
