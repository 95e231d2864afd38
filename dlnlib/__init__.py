"""Exact theory of learning in deep linear networks, next to gradient descent that tests it.

Each room is a module: `task` and `datasets` say what is learned, `initialization` where a network starts,
`descent` trains it, `exact` predicts what training does, `reduction` shrinks a wide network without changing
its trajectory, `stability` says how large its steps may be, `pretraining` gives it a head start, `isometry` and
`meanfield` say what deep random networks do to a signal, `sweep` does many runs, `figures` and `explore` draw.
"""

from . import (
    datasets,
    descent,
    exact,
    explore,
    figures,
    initialization,
    isometry,
    meanfield,
    pretraining,
    reduction,
    stability,
    sweep,
    task,
)
from .task import Task

__all__ = [
    "Task",
    "datasets",
    "descent",
    "exact",
    "explore",
    "figures",
    "initialization",
    "isometry",
    "meanfield",
    "pretraining",
    "reduction",
    "stability",
    "sweep",
    "task",
]
