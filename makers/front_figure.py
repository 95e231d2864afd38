"""The figure of the book's first page and of README.md; `python makers/front_figure.py front.png` redraws it.

Eight items at the leaves of a tree, learned by a linear network of two layers. Its loss falls in stairs, one for each
level of the tree; above each stair is how similar the network finds the items by then.
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

    _figure, ax = plt.subplots(figsize=(7.8, 4.4))
    shown = np.arange(0, STEPS + 1, 100)
    ax.plot(t, shallow.loss, color=figures.BLUE)
    ax.plot(t[at], theory, color=figures.VERMILLION)
    ax.plot(t[shown], deep.loss[shown], "o", color=figures.VERMILLION, markerfacecolor="white")
    ax.text(1.3, 0.5, "one matrix:\nno stages", color=figures.BLUE)
    ax.text(19.6, 1.3, "product of two:\ntheory (line),\ntraining (circles)", color=figures.VERMILLION)
    ax.set(xlabel=r"time $t/\tau$", ylabel="loss", xlim=(-0.5, 30), ylim=(0, 6.6), yticks=[0, 2, 4])

    # The items' similarity in the network's map, half way between the arrivals of one level and the next.
    arrivals = [np.mean(half_times[first:last]) for first, last in ((0, 1), (1, 2), (2, 4), (4, 8))]
    captions = ["nothing", "what all share", "two halves", "four pairs", "each item"]
    stairs = [0.5 * arrivals[0], *np.add(arrivals[:-1], arrivals[1:]) / 2, 0.5 * (arrivals[-1] + t[-1])]
    for time, caption in zip(stairs, captions, strict=True):
        learned = exact.balanced_flow(time, task.sigma_yx, *start).map
        inset = ax.inset_axes((time - 1.55, 4.7, 3.1, 1.25), transform=ax.transData)
        inset.imshow(learned.T @ learned, cmap=figures.DIVERGING, vmin=-1, vmax=1)
        inset.set(xticks=[], yticks=[])
        inset.set_title(caption, fontsize=8, loc="center")
        inset.spines[:].set(visible=True, linewidth=0.5, color="grey")
        ax.plot([time, time], [np.interp(time, t[at], theory), 4.6], ":", color="grey", linewidth=0.8)


if __name__ == "__main__":
    figures.use_style()
    draw()
    plt.savefig(sys.argv[1], dpi=110)
