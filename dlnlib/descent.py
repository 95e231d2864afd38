"""Full-batch gradient descent of whole networks, recorded: what the exact theory is held against.

A deep linear network is trained on the moments of a `Task`, so that a step costs the same for fifty examples as
for fifty thousand; a tanh network of the same shape is trained on samples, for comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from dlnlib._checks import Array, chained, finite, instance, positive, shown
from dlnlib._recording import Recorder, Run, measurable
from dlnlib.task import Task

__all__ = ["Run", "gradient_descent", "tanh_descent"]


def gradient_descent(
    task: Task,
    weights: Sequence[ArrayLike],
    learning_rate: ArrayLike,
    steps: int,
    *,
    test: Task | None = None,
    record_every: int = 1,
    keep_weights: bool = False,
    stop_below: float | None = None,
    race: bool = False,
    overwrite_weights: bool = False,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
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
    learning_rate : float or (batch,) array
        Step size, 1 / tau. An array trains one network per rate, from one start or from a batch of starts.
    steps : int
        Number of steps.
    test : Task, optional
        Also record the loss on these moments (of the same inputs and outputs).
    record_every : int
        Record at step 0, then every so many steps, and at the last step.
    keep_weights : bool
        Also keep all weights at every record.
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
        Where and in which precision torch computes; float64 on the CPU unless told.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the weights do not chain from the task's inputs to its outputs, or a rate or number is out of range.
        A run that diverges does not raise: it comes back marked.

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
    instance("task", task, Task)
    if test is not None:
        instance("test", test, Task)
        if test.sigma_yx.shape != task.sigma_yx.shape:
            raise ValueError(
                f"test had {test.n_in} inputs and {test.n_out} outputs; "
                f"it must have this task's {task.n_in} and {task.n_out}"
            )
    layers, rates, batch_shape = _prepare(
        task.n_in, task.n_out, weights, learning_rate, dtype, device, overwrite_weights
    )
    targets = _tensor(task.targets.T, dtype, device)
    root = None if task.root is None else _tensor(task.root, dtype, device)
    # A network read from its outputs to its inputs is a network too, on the transposed task: take the narrow way.
    from_outputs = task.n_out <= task.n_in
    chain = layers if from_outputs else [w.mT for w in reversed(layers)]

    def forward() -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The end-to-end map, and for each layer but the last of the chain the product of those beyond it."""
        product, beyond = chain[-1], []
        for w in reversed(chain[:-1]):
            beyond.append(product)
            product = product @ w
        return (product if from_outputs else product.mT), beyond[::-1]

    def update(error: torch.Tensor, beyond: list[torch.Tensor]) -> None:
        pulled_back = rates * (error if from_outputs else error.mT)
        for w, product in zip(chain[:-1], beyond, strict=True):
            next_pulled_back = pulled_back @ w.mT
            w.baddbmm_(product.mT, pulled_back)
            pulled_back = next_pulled_back
        chain[-1].add_(pulled_back)

    def measure() -> tuple[Array, Array | None]:
        w = measurable(end_to_end, loss)
        return task.modes.strengths(w), None if test is None else test.loss(w)

    recorder = Recorder(steps, record_every, stop_below, layers if keep_weights else None, race)
    for step in range(steps + 1):
        end_to_end, beyond = forward()
        missed = targets - (end_to_end if root is None else end_to_end @ root.mT)
        loss = task.floor + 0.5 * torch.sum(missed**2, dim=(-2, -1)).double()
        if recorder.see(step, loss, measure):
            break
        update(missed if root is None else missed @ root, beyond)
    return recorder.run(layers, batch_shape)


def tanh_descent(
    x: ArrayLike,
    y: ArrayLike,
    weights: Sequence[ArrayLike],
    learning_rate: ArrayLike,
    steps: int,
    *,
    record_every: int = 1,
    keep_weights: bool = False,
    stop_below: float | None = None,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
) -> Run:
    """Train a network with tanh hidden layers and a linear readout on samples; otherwise as `gradient_descent`.

    The network is W_D tanh(W_{D-1} ... tanh(W_1 x)). Its mode strengths are read off the correlation of its own
    outputs with the inputs, diag(U^T E[y_net x^T] V) / diag(V^T sigma_xx V): for a linear network on inputs that
    share the task's axes these are the strengths of the end-to-end map.

    Parameters
    ----------
    x, y : (n_examples, n_in) and (n_examples, n_out) arrays
        The samples.
    weights, learning_rate, steps, record_every, keep_weights, stop_below, dtype, device
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
    x, y = finite("x", x), finite("y", y)
    task = Task.from_samples(x, y)
    layers, rates, batch_shape = _prepare(task.n_in, task.n_out, weights, learning_rate, dtype, device)
    inputs, targets = _tensor(x, dtype, device), _tensor(y, dtype, device)
    for w in layers:
        w.requires_grad_()

    def measure() -> tuple[Array, None]:
        return task.modes.strengths(measurable(outputs.mT @ inputs / len(inputs), loss)) / task.mode_variances, None

    recorder = Recorder(steps, record_every, stop_below, layers if keep_weights else None)
    for step in range(steps + 1):
        hidden = inputs.expand(len(layers[0]), *inputs.shape)
        for w in layers[:-1]:
            hidden = torch.tanh(hidden @ w.mT)
        outputs = hidden @ layers[-1].mT
        loss = 0.5 * torch.sum((targets - outputs) ** 2, dim=(-2, -1)) / len(inputs)
        if recorder.see(step, loss, measure):
            break
        gradients = torch.autograd.grad(loss.sum(), layers)
        with torch.no_grad():
            for w, gradient in zip(layers, gradients, strict=True):
                w.sub_(rates * gradient)
    return recorder.run(layers, batch_shape)


def _prepare(
    n_in: int,
    n_out: int,
    weights: Sequence[ArrayLike],
    learning_rate: ArrayLike,
    dtype: torch.dtype,
    device: str | torch.device,
    overwrite: bool = False,
) -> tuple[list[torch.Tensor], torch.Tensor, tuple[int, ...]]:
    """Put the start into tensors with one batch axis, with a rate for each batch member; check that all fits."""
    arrays = chained(weights, n_in, n_out, ndims=(2, 3))
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point and _computes(dtype, "cpu")):
        raise ValueError(f"dtype was {shown(dtype)}; it must be a torch dtype of real numbers, such as torch.float64")
    if not _computes(dtype, device):
        raise ValueError(f"device was {shown(device)}; it must be one that torch has here, such as 'cpu'")
    rates = positive("learning_rate", learning_rate)
    try:
        batch_shape = np.broadcast_shapes(rates.shape, *(w.shape[:-2] for w in arrays))
    except ValueError:
        batch_shape = None
    if batch_shape is None or len(batch_shape) > 1:
        raise ValueError(
            f"learning_rate had shape {rates.shape} and the weights leading axes {[w.shape[:-2] for w in arrays]}; "
            "they must be single or share one batch axis"
        )
    n_runs = math.prod(batch_shape)
    layers = []
    for i, w in enumerate(arrays):
        shape = (n_runs, *w.shape[-2:])
        usable = w.flags.writeable and w.size == math.prod(shape) and min(w.strides) >= 0
        shared = any(np.may_share_memory(w, other) for other in arrays[:i])
        if overwrite and usable and not shared:
            layers.append(torch.as_tensor(w.reshape(shape), dtype=dtype, device=device))
        else:
            layers.append(_tensor(np.broadcast_to(w, shape), dtype, device))
    return layers, _tensor(rates, dtype, device).reshape(-1, 1, 1), batch_shape


def _computes(dtype: torch.dtype, device: str | torch.device) -> bool:
    """Can torch multiply matrices of this kind there, and give back the result?"""
    try:
        one = torch.ones((1, 1, 1), dtype=dtype, device=device)
        return (one @ one).item() == 1
    except (AssertionError, RuntimeError, TypeError):
        return False


def _tensor(array: Array, dtype: torch.dtype, device: str | torch.device) -> torch.Tensor:
    """Return a copy that torch computes with, whatever the strides of the array."""
    return torch.from_numpy(np.array(array, order="C")).to(device, dtype)
