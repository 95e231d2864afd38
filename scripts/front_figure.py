"""The figure of the book's first page and of README.md; `python scripts/front_figure.py front.png` redraws it.

Eight items at the leaves of a tree, learned by a linear network of two layers. Its loss falls in stairs, one for each
level of the tree; above each stair is how similar the network finds the items by then.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from dlnlib import Task, datasets, descent, exact, figures, initialization

U0, LEARNING_RATE, STEPS = 1e-12, 0.005, 6000
FEATURES = 1000


def draw() -> None:
    """Train the network, check it against theory, draw both."""
    table = datasets.diffuse(levels=3, branching=2, features=FEATURES, flip=0.1, rng=0)
    task = Task(table.T / np.sqrt(FEATURES))  # one-hot items, summed over items
    start = initialization.decoupled(task, [8, 16, FEATURES], U0, rng=0)
    deep = descent.gradient_descent(task, start, LEARNING_RATE, STEPS)
    shallow = descent.gradient_descent(task, [np.zeros((FEATURES, 8))], LEARNING_RATE, STEPS)

    s, t = task.modes.s, LEARNING_RATE * deep.steps
    strengths = exact.mode_strength(t[:, None], s, U0)
    theory = 0.5 * np.sum((s - strengths) ** 2, axis=1)
    arrived = [np.interp(0.5, deep.modes[:, i] / s[i], t) for i in range(8)]
    np.testing.assert_allclose(arrived, exact.half_time(s, U0), rtol=0.005)

    _figure, ax = plt.subplots(figsize=(7.8, 4.4))
    shown = np.arange(0, STEPS + 1, 100)
    ax.plot(t, shallow.loss, color=figures.BLUE)
    ax.plot(t, theory, color=figures.VERMILLION)
    ax.plot(t[shown], deep.loss[shown], "o", color=figures.VERMILLION, markerfacecolor="white")
    ax.text(1.3, 0.5, "one matrix:\nno stages", color=figures.BLUE)
    ax.text(19.6, 1.3, "product of two:\ntheory (line),\ntraining (circles)", color=figures.VERMILLION)
    ax.set(xlabel=r"time $t/\tau$", ylabel="loss", xlim=(-0.5, 30), ylim=(0, 6.6), yticks=[0, 2, 4])

    # The items' similarity in the network's map, half way between the arrivals of one level and the next.
    arrivals = [exact.half_time(s[level], U0).mean() for level in (slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 8))]
    captions = ["nothing", "what all share", "two halves", "four pairs", "each item"]
    stairs = [0.5 * arrivals[0], *np.add(arrivals[:-1], arrivals[1:]) / 2, 0.5 * (arrivals[-1] + t[-1])]
    for time, caption in zip(stairs, captions, strict=True):
        u = exact.mode_strength(time, s, U0)
        similarity = (task.modes.vt.T * u**2) @ task.modes.vt
        inset = ax.inset_axes((time - 1.55, 4.7, 3.1, 1.25), transform=ax.transData)
        inset.imshow(similarity, cmap=figures.DIVERGING, vmin=-1, vmax=1)
        inset.set(xticks=[], yticks=[])
        inset.set_title(caption, fontsize=8, loc="center")
        inset.spines[:].set(visible=True, linewidth=0.5, color="grey")
        ax.plot([time, time], [np.interp(time, t, theory), 4.6], ":", color="grey", linewidth=0.8)


if __name__ == "__main__":
    figures.use_style()
    draw()
    plt.savefig(sys.argv[1], dpi=110)
