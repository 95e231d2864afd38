"""Training of whole networks, recorded: what the exact theory is held against.

A *network* gives its loss and gradients at given weights (`networks`), a *rule* moves the weights (`rules`), a *run*
records. `gradient_descent` and `tanh_descent` are the everyday uses: a deep linear network on the moments of a
`Task`, so that a step costs the same for fifty examples as for fifty thousand; and a tanh network of the same shape
on samples, for comparison.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from dlnlib._checks import Array, instance, positive_int, shown
from dlnlib._recording import Recorder, Run
from dlnlib.networks import LinearNetwork, Network, TanhNetwork
from dlnlib.rules import Descent, Rule
from dlnlib.task import Task

__all__ = ["Run", "gradient_descent", "tanh_descent", "train"]

LARGE = 20_000  # numbers in a layer of all networks; below, calling torch costs more than it saves


def gradient_descent(
    task: Task,
    weights: Sequence[ArrayLike],
    learning_rate: ArrayLike | Callable[[int], float],
    steps: int,
    *,
    test: Task | None = None,
    **options: Any,
) -> Run:
    """Train a deep linear network by full-batch gradient descent on the moments of a task.

    With W = W_D ... W_1 and E = (targets - root W^T)^T root = sigma_yx - W sigma_xx, one step is

        W_l <- W_l + learning_rate * (W_D ... W_{l+1})^T E (W_{l-1} ... W_1)^T,

    the gradient of the loss, half the mean squared error per example. Products are accumulated from the narrow end
    of the network (ten outputs rather than 784 inputs), so that a step costs a few passes over the weights: linear
    in depth, independent of the number of examples.

    Parameters
    ----------
    task : Task
        What to learn.
    weights : sequence of (..., widths[l], widths[l - 1]) arrays
        The start, W_1 first; see `dlnlib.initialization`. A leading axis trains a batch of networks side by side.
    learning_rate : float, (batch,) array, or function
        Step size, 1 / tau. An array trains one network per rate, from one start or from a batch of starts; it is never
        a schedule, which is a function of the number of the step, from 0.
    steps : int
        Number of steps.
    test : Task, optional
        Also record the loss on these moments (of the same inputs and outputs).
    **options
        What to record, when to stop, in which precision: `record_every`, `keep_weights`, `stop_below`, `race`,
        `overwrite_weights`, `dtype`, `device`, `progress`, as in `train`.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the weights do not chain from the task's inputs to its outputs, or a rate or number is out of range.
        A run that diverges does not raise: it comes back marked; and so does, with a warning, one that Ctrl-C ends.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), equation 2 and section 2.

    Examples
    --------
    >>> from dlnlib import initialization
    >>> task = Task(np.diag([3.0, 1.0]), trace_yy=10.0)
    >>> start = initialization.decoupled(task, [2, 50, 2], u0=1e-3, rng=0)
    >>> run = gradient_descent(task, start, learning_rate=0.05, steps=300)
    >>> np.round(run.modes[[0, 30, 300]], 2)
    array([[0.  , 0.  ],
           [1.93, 0.02],
           [3.  , 1.  ]])
    """
    return train(LinearNetwork(task, test), weights, Descent(learning_rate), steps, **options)


def tanh_descent(
    x: ArrayLike,
    y: ArrayLike,
    weights: Sequence[ArrayLike],
    learning_rate: ArrayLike | Callable[[int], float],
    steps: int,
    **options: Any,
) -> Run:
    """Train a network with tanh hidden layers and a linear readout on samples; otherwise as `gradient_descent`.

    The network is W_D tanh(W_{D-1} ... tanh(W_1 x)). Its mode strengths are read off the correlation of its own
    outputs with the inputs, diag(U^T E[y_net x^T] V) / diag(V^T sigma_xx V): for a linear network on inputs that
    share the task's axes these are the strengths of the end-to-end map.

    Parameters
    ----------
    x, y : (n_examples, n_in) and (n_examples, n_out) arrays
        The samples.
    weights, learning_rate, steps, **options
        As in `gradient_descent`.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the weights do not chain from the samples' inputs to their outputs, or a rate or number is out of range.
        A run that diverges does not raise: it comes back marked.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 1.4 and figure 3.

    Examples
    --------
    >>> from dlnlib import initialization
    >>> start = initialization.gaussian([2, 20, 1], scale=0.3, rng=0)
    >>> run = tanh_descent(np.eye(2), [[1.0], [-1.0]], start, learning_rate=0.2, steps=300)
    >>> bool(run.loss[-1] < 1e-4)
    True
    """
    return train(TanhNetwork(x, y), weights, Descent(learning_rate), steps, **options)


def train(
    network: Network,
    weights: Sequence[ArrayLike],
    rule: Rule,
    steps: int,
    *,
    record_every: int = 1,
    keep_weights: bool = False,
    stop_below: float | None = None,
    race: bool = False,
    overwrite_weights: bool = False,
    dtype: str | torch.dtype = "float64",
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> Run:
    """Train any network by any rule, and record it.

    On the CPU, a small network that brings its own gradients is computed by NumPy (which costs the smallest a third of
    what torch does), a large one and everything else by torch (never by both: their threads would wait for one
    another). To go on with the next task, or by another rule, train from ``run.weights`` and join the runs by
    `Run.then`.

    Parameters
    ----------
    network : networks.Network
        Gives loss and gradients.
    weights : sequence of (..., widths[l], widths[l - 1]) arrays
        The start, W_1 first. A leading axis trains a batch of networks side by side.
    rule : rules.Rule
        Moves the weights.
    steps : int
        Number of steps.
    record_every : int
        Record at step 0, then every so many steps, and at the last step.
    keep_weights : bool
        Also keep all weights at every record. Whatever is recorded must fit into the machine's memory.
    stop_below : float, optional
        Stop once every run of the batch has had a loss below this, or diverged.
    race : bool
        Stop as soon as the first run of the batch has had a loss below `stop_below`: to find the fastest of many
        learning rates takes the steps of the fastest alone.
    overwrite_weights : bool
        Allow training to take place in the arrays of `weights` themselves, which saves a copy of the network; they
        are copied all the same if torch cannot use them (another dtype or device, a batch made by broadcasting), and
        so are all but the first of layers that share memory.
    dtype, device
        In which precision and where to compute, as torch names them ("float32", "cuda"); float64 on the CPU unless
        told. Devices other than the CPU are untried.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the weights do not fit the network, or a rate or number is out of range, or if the records would not fit
        into the machine's memory. A run that diverges does not raise: it comes back marked.

    Examples
    --------
    Momentum b makes time run 1 / (1 - b) times as fast:

    >>> from dlnlib import exact, networks, rules
    >>> task = Task([[2.0]])
    >>> momentum = rules.torch_rule(lambda parameters: torch.optim.SGD(parameters, lr=1e-4, momentum=0.9))
    >>> run = train(networks.LinearNetwork(task), [[[0.1]], [[0.1]]], momentum, steps=3000)
    >>> run.half_times(2.0).round(3), exact.half_time([2.0], u0=0.01, tau=1 - 0.9).round(3)
    (array([0.135]), array([0.132]))
    """
    instance("network", network, Network)
    instance("rule", rule, Rule)
    arrays = network.check(weights)
    batch_shape = _batch_shape(rule, arrays, positive_int("steps", steps))
    large = math.prod(batch_shape) * max(math.prod(w.shape[-2:]) for w in arrays) >= LARGE
    chosen = large and network.takes_torch and rule.takes_torch
    share = _where_it_is_computed(network.needs_torch or rule.needs_torch or chosen, dtype, device)

    def put(array: ArrayLike) -> Any:  # a copy
        return share(np.array(array, order="C"))

    layers: list[Any] = []
    for i, w in enumerate(arrays):
        shape = (math.prod(batch_shape), *w.shape[-2:])
        usable = w.flags.writeable and w.size == math.prod(shape) and min(w.strides) >= 0
        shared = any(np.may_share_memory(w, other) for other in arrays[:i])
        in_place = overwrite_weights and usable and not shared
        layers.append(share(w.reshape(shape)) if in_place else put(np.broadcast_to(w, shape)))
    network = network.to(put)
    recorder = Recorder(network, layers, share, steps, record_every, stop_below, race, keep_weights, progress)
    move, rate = rule.begin(layers, put)
    with recorder, np.errstate(all="ignore"):  # of a run that diverges
        for step in range(steps + 1):
            seen, downhill = network.at(layers)
            if recorder.see(step, seen):
                break
            move(downhill, step)
    return recorder.run(batch_shape, rate)


def _batch_shape(rule: Rule, arrays: Sequence[Array], steps: int) -> tuple[int, ...]:
    """Return the batch axis of start and rates, or () if there is none."""
    shapes = [w.shape[:-2] for w in arrays]
    axes = {rule.batch_shape, *shapes}
    if len(axes - {(), (1,)}) > 1 or max(map(len, axes)) > 1 or (0,) in axes:
        raise ValueError(
            f"learning_rate had shape {rule.batch_shape} and the weights leading axes {shapes}; "
            "they must be single or share one batch axis, of one network at least"
        )
    if rule.batch_shape == (steps,) and steps > 1 and not any(shapes):
        raise ValueError(
            f"learning_rate had {steps} entries, as many as there are steps; an array of rates must be a batch, a "
            "network for each (stack the starts to say so), and a schedule a function of the step"
        )
    return max(axes)  # () < (1,) < (2,) < ...


def _where_it_is_computed(
    on_torch: bool, dtype: str | torch.dtype, device: str | torch.device
) -> Callable[[ArrayLike], Any]:
    """Return how to bring an array, without a copy if there is a way, to NumPy or to torch."""
    kind = getattr(torch, dtype, dtype) if isinstance(dtype, str) else dtype
    if not (isinstance(kind, torch.dtype) and kind.is_floating_point and _computes(kind, "cpu")):
        raise ValueError(f"dtype was {shown(dtype)}; it must be a dtype of real numbers in torch, such as 'float32'")
    if not _computes(kind, device):
        raise ValueError(f"device was {shown(device)}; it must be one that torch has here, such as 'cpu'")
    if not on_torch and kind in (torch.float64, torch.float32) and torch.device(device).type == "cpu":
        return functools.partial(np.asarray, dtype=str(kind).removeprefix("torch."))
    return functools.partial(torch.as_tensor, dtype=kind, device=device)


def _computes(dtype: torch.dtype, device: str | torch.device) -> bool:
    """Can torch multiply matrices of this kind there, and give back the result?"""
    try:
        one = torch.ones((1, 1, 1), dtype=dtype, device=torch.device(device))
        return (one @ one).item() == 1
    except (AssertionError, RuntimeError, TypeError):
        return False
