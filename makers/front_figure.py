"""The figure of the book's first page and of README.md; `python makers/front_figure.py front.png` redraws it.

Eight items at the leaves of a tree, learned by a linear network of two layers. Its loss falls in stairs, one for each
level of the tree; beside it is how similar the network finds the items on each stair.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from dlnlib import Task, datasets, descent, exact, figures, initialization, reduction

SCALE, LEARNING_RATE, STEPS = 1e-13, 0.005, 6000  # the first of the entries of the map at the start
FEATURES = 1000


def draw() -> None:
    """Train the network, check it against theory, draw both."""
    table = datasets.diffuse(levels=3, branching=2, features=FEATURES, flip=0.1, rng=0)
    task = Task(table.T / np.sqrt(FEATURES))  # one-hot items, summed over items
    # Two layers of one strength, from a random map: no mode is on its own. Outputs that never move are left out.
    start = initialization.balanced(SCALE * np.random.default_rng(0).standard_normal((FEATURES, 8)), 0.0, 0, hidden=16)
    task, start = reduction.reduce_outputs(task, start)
    deep = descent.gradient_descent(task, start, LEARNING_RATE, STEPS)
    shallow = descent.gradient_descent(task, [np.zeros_like(task.sigma_yx)], LEARNING_RATE, STEPS)

    s, t = task.modes.s, LEARNING_RATE * deep.steps
    at = slice(0, None, 20)
    flow = exact.balanced_flow(t[at], task.sigma_yx, *start)
    theory, strengths = task.loss(flow.map), task.modes.strengths(flow.map)
    arrived, half_times = (
        [np.interp(0.5, modes[:, i] / s[i], time) for i in range(8)]
        for modes, time in ((deep.modes, t), (strengths, t[at]))
    )
    np.testing.assert_allclose(arrived, half_times, rtol=0.005)

    _figure, (ax, seen) = plt.subplots(1, 2, figsize=(7.2, 2.9))
    shown = np.arange(0, STEPS + 1, 100)
    ax.plot(t, shallow.loss, color=figures.BLUE)
    ax.plot(t[at], theory, color=figures.VERMILLION)
    ax.plot(t[shown], deep.loss[shown], "o", color=figures.VERMILLION, markerfacecolor="white")
    ax.text(1.9, 0.2, "one matrix", color=figures.BLUE)
    ax.text(9.2, 3.3, "product of two:\ntheory (line),\ntraining (circles)", color=figures.VERMILLION)
    ax.set(xlabel=r"time $t/\tau$", ylabel="loss", xlim=(-0.5, 30), ylim=(0, 4.5), yticks=[0, 2, 4])
    ax.set_title("The loss falls in stairs ...")

    # The items' similarity in the network's map, half way between the arrivals of one level and the next.
    seen.set_title("... one for each level of the tree")
    seen.set_axis_off()
    arrivals = [np.mean(half_times[first:last]) for first, last in ((0, 1), (1, 2), (2, 4), (4, 8))]
    stairs = [*np.add(arrivals[:-1], arrivals[1:]) / 2, 0.5 * (arrivals[-1] + t[-1])]
    captions = ["what all share", "two halves", "four pairs", "each item"]
    for number, (time, caption) in enumerate(zip(stairs, captions, strict=True)):
        learned = exact.balanced_flow(time, task.sigma_yx, *start).map
        square = seen.inset_axes((0.06 + 0.5 * (number % 2), 0.5 - 0.54 * (number // 2), 0.38, 0.38))
        square.imshow(learned.T @ learned, cmap=figures.DIVERGING, vmin=-1, vmax=1)
        square.set(xticks=[], yticks=[])
        square.set_title(f"{number + 1} {caption}", loc="center")
        square.spines[:].set(visible=True, linewidth=0.5, color="grey")
        ax.text(time, np.interp(time, t[at], theory) + 0.2, number + 1, ha="center", fontweight="bold")


if __name__ == "__main__":
    figures.use_style()
    draw()
    plt.savefig(sys.argv[1], dpi=110)
