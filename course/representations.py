"""Problems of the chapter "Representations"; see CONTRIBUTING.md for how they are written."""

# %% given
import math

import numpy as np

from dlnlib import descent, initialization
from dlnlib.task import Task

# %% rep-other-words
# A table has a feature in each row and an item in each column; let ours be square and invertible. Write
#
# - `translation(ours, theirs)`: the matrix with orthonormal columns that makes their table of ours, if
#   the dot products of any two items are the same;
# - `their_start(o, w1, w2)`: the start, $W_1'$ and $W_2'$, from which a network that learns theirs has
#   the hidden layer of ours at any time, if `o` is that matrix and ours starts from `w1`, `w2`.


def translation(ours, theirs): ...


def their_start(o, w1, w2): ...


# %% answer
def translation(ours, theirs):
    return theirs @ np.linalg.inv(ours)


def their_start(o, w1, w2):
    return w1, o @ w2


# %% check
rng_words = np.random.default_rng(2)
our_table = rng_words.standard_normal((5, 5))
foreign = np.linalg.qr(rng_words.standard_normal((12, 5)))[0]
found_words = translation(our_table, foreign @ our_table)
assert np.allclose(found_words @ our_table, foreign @ our_table), (
    "Your matrix does not make their table of ours."
)
assert np.allclose(found_words.T @ found_words, np.eye(5)), "Its columns are not orthonormal."
w1, w2 = initialization.gaussian([5, 7, 5], 0.2, rng=3)
options = {"steps": 400, "record_every": 50, "keep_weights": True}
learns_ours = descent.gradient_descent(Task(our_table), [w1, w2], 0.01, **options)
learns_theirs = descent.gradient_descent(
    Task(foreign @ our_table), their_start(foreign, w1, w2), 0.01, **options
)
assert np.allclose(learns_theirs.history[0], learns_ours.history[0], atol=1e-8), (
    "From your start the two hidden layers are not the same at all times."
)


# %% wrong: the transposed for the inverse
def translation(ours, theirs):
    return theirs @ ours.T


# %% wrong: both layers are translated, with a sign
def their_start(o, w1, w2):
    return -w1, o @ w2


# %% wrong: a smaller readout
def their_start(o, w1, w2):
    return w1, o @ w2 / math.sqrt(len(o) / len(w2))


# %% rep-blurred
# For `b` children per node, write
#
# - `critical_flip(b)`: the flip probability beyond which the broadest distinction is not much stronger;
# - `at_most(b, flip)`: beyond it, the bound on the ratio of the two times, their logarithms aside.


def critical_flip(b): ...


def at_most(b, flip): ...


# %% answer
def critical_flip(b):
    return (1 - 1 / math.sqrt(b)) / 2


def at_most(b, flip):
    return 1 / math.sqrt(1 - b * (1 - 2 * flip) ** 2)


# %% check
def distinctions(levels, b, flip):
    """The strengths of a tree's distinctions, finest first, from the similarities of its leaves."""
    leaves = np.arange(b**levels)
    height = sum((leaves[:, None] // b**k != leaves // b**k).astype(int) for k in range(levels))
    squares = np.linalg.eigvalsh((1 - 2 * flip) ** (2.0 * height))[:-1]  # the last is shared by all
    return np.sqrt(squares[np.append(True, np.diff(squares) > 1e-9)])


for b, levels in [(2, 6), (3, 4), (4, 3)]:
    rises = np.diff(distinctions(levels, b, critical_flip(b)) ** 2)
    assert len(rises) == levels - 1 and np.ptp(rises) < 1e-6 * rises.max(), (
        f"With {b} children, at your flip probability the squares do not rise by the same at each level."
    )
for b, flip, levels in [(2, 0.3, 8), (3, 0.35, 5), (2, 0.25, 9)]:
    strengths = distinctions(levels, b, flip)
    assert 0 < at_most(b, flip) / (strengths[-1] / strengths[0]) - 1 < 0.005, (
        f"With {b} children and flips of {flip} the ratio does not rise to your bound."
    )


# %% wrong: the flips of one branch for those of two leaves
def critical_flip(b):
    return (1 - 1 / b) / 2


# %% wrong: without the half
def critical_flip(b):
    return 1 - 1 / math.sqrt(b)


# %% wrong: of the squares
def at_most(b, flip):
    return 1 / (1 - b * (1 - 2 * flip) ** 2)


# %% wrong: with the strength of the finest
def at_most(b, flip):
    q = (1 - 2 * flip) ** 2
    return math.sqrt((1 - q) / (1 - b * q))


# %% rep-coherence
# - `squared_strength(n, F, rho)`: the expected $s^2$ of the mode of a category.
# - `members_needed(rho, tight)`: the smallest number of members with which a loose category is learned
#   earlier than one of `tight` members and $\rho = 1$.


def squared_strength(n, F, rho): ...


def members_needed(rho, tight): ...


# %% answer
def squared_strength(n, F, rho):
    return F * (rho**2 * n + rho * (1 - rho))


def members_needed(rho, tight):
    return math.floor((tight - rho * (1 - rho)) / rho**2) + 1


# %% check
rng_features = np.random.default_rng(8)


def sampled(n, rho):
    """The squared strength per feature, of a category with very many features."""
    table = (rng_features.random((60_000, n)) < rho).astype(float)
    return np.linalg.eigvalsh(table.T @ table)[-1] / 60_000


for n, rho in [(3, 0.5), (8, 0.3), (5, 0.9)]:
    assert abs(squared_strength(n, 40, rho) / 40 / sampled(n, rho) - 1) < 0.02, (
        f"Categories of {n} members and coherence {rho}, sampled, have another strength."
    )
for rho, tight in [(0.6, 4), (0.7, 3), (0.8, 6), (1.0, 4)]:
    needed = members_needed(rho, tight)
    assert 1 < needed < 99 and sampled(needed, rho) > tight + 1e-9 > sampled(needed - 1, rho), (
        f"Sampled, another number at coherence {rho} is the smallest that comes before {tight} tight ones."
    )


# %% wrong: without the diagonal
def squared_strength(n, F, rho):
    return F * rho**2 * n


# %% wrong: coherence counted once
def squared_strength(n, F, rho):
    return F * rho * n


# %% wrong: a share of the features is a share of the members
def members_needed(rho, tight):
    return math.floor(tight / rho) + 1


# %% wrong: as many as are equally strong
def members_needed(rho, tight):
    return math.ceil((tight - rho * (1 - rho)) / rho**2)


# %% wrong: without the diagonal, again
def members_needed(rho, tight):
    return math.floor(tight / rho**2) + 1


# %% rep-shared-cue
# With $\tau = 1$, write `second_item(t)`, the prediction for the second item. Assign the largest error
# on the way to `largest_error`, and what it becomes if the inputs are whitened to `when_white`.


def second_item(t): ...


largest_error = ...
when_white = ...


# %% answer
def second_item(t):
    return (np.exp(-t) - np.exp(-3 * t)) / 2


largest_error = 3**-1.5
when_white = 0.0


# %% check
def predicted(inputs):
    """What a single matrix says of the second item while it learns from zero."""
    row, says = np.zeros(3), []
    for _ in range(8000):
        says.append(row @ inputs[1])
        row = row + 1e-3 * (np.array([1.0, 0.0]) - inputs @ row) @ inputs
    return np.array(says)


cues = np.array([[1.0, 1, 0], [1, 0, 1]])
axes, _, directions = np.linalg.svd(cues, full_matrices=False)
assert np.allclose(second_item(1e-3 * np.arange(8000)), predicted(cues), atol=1e-3), (
    "Training from zero gives another prediction for the second item."
)
assert abs(largest_error - predicted(cues).max()) < 3e-4, "Training has another largest error."
assert abs(when_white - np.abs(predicted(axes @ directions)).max()) < 1e-6, (
    "With white inputs the largest error is another one."
)


# %% wrong: without the half
def second_item(t):
    return np.exp(-t) - np.exp(-3 * t)


# %% wrong: the rates of the product of two layers
def second_item(t):
    return (np.exp(-2 * t) - np.exp(-6 * t)) / 2


# %% wrong: the error at the time ln 3
largest_error = (1 / 3 - 1 / 27) / 2

# %% wrong: the same
when_white = 3**-1.5
