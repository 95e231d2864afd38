"""Rules: each moves a network's weights, given the way downhill. A network gives that way, a run records.

A rule may serve many runs: each begins it afresh.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from dlnlib._checks import Array, finite, positive, shown
from dlnlib.networks import Arrays, Change, Downhill

__all__ = ["Descent", "Rule", "torch_rule"]

Move = Callable[[Downhill, int], None]
Schedule = Callable[[int], float]


class Rule(ABC):
    """What `descent.train` asks of a rule.

    Examples
    --------
    Signs alone, in steps of a fixed size:

    >>> from dlnlib import Task, descent, networks
    >>> class Signs(Rule):
    ...     def begin(self, layers, put):
    ...         def move(downhill, step):
    ...             for layer, change in downhill(1.0):
    ...                 layers[layer] += 0.25 * np.sign(change)
    ...         return move, np.array(0.25)
    >>> descent.train(networks.LinearNetwork(Task([[1.0]])), [[[0.0]]], Signs(), steps=4).modes.ravel()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """

    needs_torch = False  # whether its arrays must be torch's
    takes_torch = False  # or may be, where layers are large
    batch_shape: tuple[int, ...] = ()  # of the rates, where networks side by side have rates of their own

    @abstractmethod
    def begin(self, layers: list[Arrays], put: Callable[[Array], Arrays]) -> tuple[Move, Array | Schedule]:
        """Begin to train these layers; return the function that moves them, and the rates that measure time.

        ``move(downhill, step)`` changes `layers` in place; ``downhill(rate)`` is the network's, see `Network.at`.
        The rate is a number, one for each network of a batch, or a function of the step, asked again after the run.

        Examples
        --------
        >>> layers = [np.zeros((1, 1, 1))]
        >>> move, rate = Descent(0.5).begin(layers, np.array)
        >>> move(lambda rate: [(0, 3.0 * rate)], 0)
        >>> layers, rate
        ([array([[[1.5]]])], array(0.5))
        """


class Descent(Rule):
    """Plain gradient descent.

    Parameters
    ----------
    learning_rate : float, (batch,) array, or function
        Step size, 1 / tau. An array trains one network per rate, side by side; a schedule is a function of the
        number of the step, from 0.

    Examples
    --------
    >>> from dlnlib import Task, descent, networks
    >>> network = networks.LinearNetwork(Task([[1.0]]))
    >>> run = descent.train(network, [[[0.0]]], Descent(lambda n: 0.5 / (1 + n)), steps=3)
    >>> run.time, run.modes.ravel()
    (array([0.        , 0.5       , 0.75      , 0.91666667]), array([0.    , 0.5   , 0.625 , 0.6875]))
    """

    takes_torch = True

    def __init__(self, learning_rate: ArrayLike | Schedule) -> None:
        self.rate = _schedule(learning_rate) if callable(learning_rate) else positive("learning_rate", learning_rate)
        self.batch_shape = () if callable(self.rate) else self.rate.shape

    def begin(self, layers: list[Arrays], put: Callable[[Array], Arrays]) -> tuple[Move, Array | Schedule]:
        schedule = functools.cache(self.rate) if callable(self.rate) else None  # asked once: it may draw, or remember
        rates = None if callable(self.rate) else put(self.rate).reshape(-1, 1, 1)

        def move(downhill: Downhill, step: int) -> None:
            for layer, change in downhill(rates if schedule is None else schedule(step)):
                _add(layers[layer], change)

        return move, schedule or self.rate


def torch_rule(
    optimizer: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer], schedule: Schedule | None = None
) -> Rule:
    """Return the rule of an optimiser of torch: momentum, Adam, Muon, weight decay.

    Each layer of each network is a parameter of its own, a matrix, W_1 of the first network first. Time is counted in
    the learning rate of the first group of parameters.

    Parameters
    ----------
    optimizer : function
        Takes the list of parameters, returns the optimiser; called once a run.
    schedule : function, optional
        The learning rate of each step, from 0; the optimiser's own unless given.

    Raises
    ------
    ValueError
        If `optimizer` is not a function or, when a run begins, does not return an optimiser.

    Examples
    --------
    >>> from dlnlib import Task, descent, networks
    >>> heavy_ball = torch_rule(lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.5))
    >>> descent.train(networks.LinearNetwork(Task([[1.0]])), [[[0.0]]], heavy_ball, steps=3).modes.ravel()
    array([0.   , 0.1  , 0.24 , 0.386])
    """
    for name, function in (("optimizer", optimizer), ("schedule", len if schedule is None else schedule)):
        if not callable(function):
            raise ValueError(f"{name} was {shown(function)}; it must be a function")
    return _TorchRule(optimizer, None if schedule is None else _schedule(schedule))


class _TorchRule(Rule):
    needs_torch = True

    def __init__(self, optimizer: Callable[..., Any], schedule: Schedule | None) -> None:
        self.optimizer, self.schedule = optimizer, schedule

    def begin(self, layers: list[Arrays], put: Callable[[Array], Arrays]) -> tuple[Move, Array | Schedule]:
        schedule = None if self.schedule is None else functools.cache(self.schedule)
        members = [[torch.nn.Parameter(w) for w in layer] for layer in layers]  # they share the layer's memory
        optimizer = self.optimizer([w for network in zip(*members, strict=True) for w in network])
        if not isinstance(optimizer, torch.optim.Optimizer) or isinstance(optimizer, torch.optim.LBFGS):
            raise ValueError(f"optimizer returned {shown(optimizer)}; it must return an optimiser of torch, not L-BFGS")

        def move(downhill: Downhill, step: int) -> None:
            for layer, change in downhill(-1.0):
                gradients = change[0] @ change[1] if isinstance(change, tuple) else change
                for w, gradient in zip(members[layer], gradients, strict=True):
                    w.grad = gradient
            if schedule is not None:
                for group in optimizer.param_groups:
                    group["lr"] = schedule(step)
            optimizer.step()

        return move, schedule or np.array(float(optimizer.param_groups[0]["lr"]))


def _schedule(function: Callable[[int], Any]) -> Schedule:
    def rate(step: int) -> float:
        value = float(finite("learning_rate", function(step), ndim=0))
        if value < 0:
            raise ValueError(f"learning_rate was {value:g} at step {step}; it must be at least zero")
        return value

    return rate


def _add(w: Arrays, change: Change) -> None:
    """Add in place."""
    if not isinstance(change, tuple):
        w += change
    elif isinstance(w, torch.Tensor):
        w.baddbmm_(*change)  # in one pass over the layer
    else:
        w += change[0] @ change[1]
