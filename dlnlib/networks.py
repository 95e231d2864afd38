"""Networks: each gives its loss and its gradients at given weights. A rule moves the weights, a run records.

Weights have one leading axis, that of networks trained side by side. `LinearNetwork` is written in what NumPy and
torch arrays both know (`@`, `mT`, sums), and runs on either; networks on samples let torch find their gradients, so
that a new one is a class with one method (`SampleNetwork`). What only passes signals on, with random weights and
untrained, is `propagate`.
"""

from __future__ import annotations

import copy
import itertools
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike

from dlnlib import _checks
from dlnlib._checks import Array, Nonlinearity, Seed
from dlnlib.initialization import random_factors
from dlnlib.meanfield import tanh_slope
from dlnlib.task import Task

__all__ = [
    "LinearAttention",
    "LinearNetwork",
    "Network",
    "SampleNetwork",
    "TanhNetwork",
    "jacobian_factors",
    "propagate",
]

Arrays = Any  # of NumPy, or of torch
Change = Any  # of a layer: an array, or a pair of them whose product it is
Downhill = Callable[[Any], Iterable[tuple[int, Change]]]


class Network(ABC):
    """What `descent.train` asks of a network: the loss and the way downhill at given weights.

    A subclass sets `n_in` and `n_out`, the sizes that its weights must chain between (or has a `check` of its own),
    and has three methods, `at`, `loss` and `records`.

    Examples
    --------
    A network of one number w, whose task is w = 1, and which learns sin w:

    >>> from dlnlib import descent, rules
    >>> class Sine(Network):
    ...     n_in = n_out = 1
    ...     def at(self, weights):
    ...         w = weights[0]
    ...         return lambda: (w,), lambda rate: [(0, rate * (1 - np.sin(w)) * np.cos(w))]
    ...     def loss(self, w):
    ...         return 0.5 * (1 - np.sin(w)[..., 0, 0]) ** 2
    ...     def records(self, w):
    ...         return np.sin(w)[..., 0], None
    >>> descent.train(Sine(), [[[0.5]]], rules.Descent(0.5), steps=200)
    Run(200 steps, 201 records, 1 mode, loss 0.135 to 1.21e-05)
    """

    n_in: int
    n_out: int
    floor = 0.0  # what is added to `loss`, in double precision whatever the network's
    needs_torch = False  # whether its arrays must be torch's
    takes_torch = False  # or may be, where layers are large
    sampled = False  # whether its gradients are those of a few examples: the loss of all is computed for records only
    rng: Any = 0
    _put: Callable[[Array], Arrays]

    def check(self, weights: Sequence[ArrayLike]) -> list[Array]:
        """Return the start as arrays; refuse what does not fit.

        Examples
        --------
        >>> LinearNetwork(Task([[2.0]])).check([[[0.5]]])
        [array([[0.5]])]
        """
        return _checks.chained(weights, self.n_in, self.n_out, ndims=(2, 3))

    def to(self, put: Callable[[Array], Arrays]) -> Self:
        """Return this network as a run uses it: its arrays where `put` puts them, its random numbers begun.

        Examples
        --------
        >>> LinearNetwork(Task([[2.0]])).to(np.float32).targets.dtype
        dtype('float32')
        """
        there = copy.copy(self)
        there._put, there.rng = put, _checks.generator(self.rng)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(there, name, put(value))
            elif isinstance(value, Network):
                setattr(there, name, value.to(put))
        return there

    @abstractmethod
    def at(self, weights: list[Arrays]) -> tuple[Callable[[], tuple[Arrays, ...]], Downhill]:
        """Return two functions: what `loss` and `records` need to see of the network at these weights, and `downhill`.

        ``downhill(rate)`` goes through the layers, each with what -rate times the gradient of the loss adds to it: an
        array, or a pair of arrays whose product it is. Whoever asks for the next layer may have moved this one.

        Examples
        --------
        >>> seen, downhill = LinearNetwork(Task([[2.0]])).at([np.array([[[0.5]]]), np.array([[[1.0]]])])
        >>> seen()  # the map, and what it misses
        (array([[[0.5]]]), array([[[1.5]]]))
        >>> [(layer, float(np.prod(change))) for layer, change in downhill(0.5)]
        [(0, 0.75), (1, 0.375)]
        """

    @abstractmethod
    def loss(self, *seen: Arrays) -> Arrays:
        """Return the loss over `floor`; `seen` is as `at` gave it, perhaps with more leading axes.

        Examples
        --------
        >>> network = LinearNetwork(Task([[2.0]]))
        >>> network.loss(*network.at([np.array([[[0.5]]])])[0]())
        array([1.125])
        """

    @abstractmethod
    def records(self, *seen: Arrays) -> tuple[Arrays, Arrays | None]:
        """Return the strengths of the task's modes, and the loss on a test task if there is one.

        Examples
        --------
        >>> network = LinearNetwork(Task([[2.0]]), test=Task([[1.5]]))
        >>> network.records(*network.at([np.array([[[0.5]]])])[0]())
        (array([[0.5]]), array([0.5]))
        """


class LinearNetwork(Network):
    """A deep linear network on the moments of a task; see `descent.gradient_descent`.

    Parameters
    ----------
    task : Task
        What to learn.
    test : Task, optional
        Also record the loss on these moments.
    label_noise : float
        Standard deviation of a Gaussian error of every target, drawn anew for each of the task's examples at each
        step (and for each network of a batch): the gradient is that of the noisy targets, the loss that of the task.
    rng : int or numpy.random.Generator
        Of the noise; a seed starts every run afresh.

    Examples
    --------
    >>> from dlnlib import descent, rules
    >>> network = LinearNetwork(Task(np.diag([3.0, 1.0])))
    >>> run = descent.train(network, [np.eye(2)], rules.Descent(0.5), steps=2)
    >>> run.modes
    array([[1. , 1. ],
           [2. , 1. ],
           [2.5, 1. ]])
    """

    takes_torch = True  # a subclass that knows NumPy's arrays only says False

    def __init__(self, task: Task, test: Task | None = None, *, label_noise: float = 0.0, rng: Seed = 0) -> None:
        _checks.instance("task", task, Task)
        if test is not None:
            _checks.instance("test", test, Task)
            if test.sigma_yx.shape != task.sigma_yx.shape:
                raise ValueError(
                    f"test had {test.n_in} inputs and {test.n_out} outputs; "
                    f"it must have this task's {task.n_in} and {task.n_out}"
                )
        self.n_in, self.n_out, self.floor = task.n_in, task.n_out, task.floor
        self.targets, self.root = task.targets.T, task.root
        if self.root is not None and (np.count_nonzero(self.root, axis=1) <= 1).all():
            # Inputs on their principal axes: a root with one number in a row is a scale for each input.
            self.targets, self.root = self.targets @ (self.root != 0), self.root.sum(axis=0)
        self.ut, self.vt = task.modes.u.T, task.modes.vt
        self.test = None if test is None else LinearNetwork(test)
        self.noise, self.rng = _noise(label_noise, rng) / math.sqrt(task.n_examples), rng

    def at(self, weights: list[Arrays]) -> tuple[Callable[[], tuple[Arrays, ...]], Downhill]:
        # A network read from its outputs to its inputs is a network too, on the transposed task: take the narrow way,
        # so that products have ten rows rather than 784.
        from_outputs = self.n_out <= self.n_in
        chain = weights if from_outputs else [w.mT for w in reversed(weights)]
        *beyond, product = itertools.accumulate(reversed(chain), operator.matmul)
        end_to_end = product if from_outputs else product.mT
        missed = self._missed(end_to_end)

        def downhill(rate: Any) -> Iterable[tuple[int, Change]]:
            error = missed
            if self.noise:
                error = missed + self.noise * self._put(self.rng.standard_normal(missed.shape))
            pulled_back = rate * self._toward_inputs(error)
            if from_outputs:  # as columns: `w @ columns` is quicker than `rows @ w.mT`
                pulled_back = pulled_back.mT
            last = len(chain) - 1
            for i, (w, product) in enumerate(zip(chain[:-1], reversed(beyond), strict=True)):
                next_pulled_back = w @ pulled_back
                yield (i, (product.mT, pulled_back.mT)) if from_outputs else (last - i, (pulled_back, product))
                pulled_back = next_pulled_back
            yield (last, pulled_back.mT) if from_outputs else (0, pulled_back)

        return lambda: (end_to_end, missed), downhill

    def loss(self, end_to_end: Arrays, missed: Arrays) -> Arrays:
        return 0.5 * (missed**2).sum((-2, -1))

    def records(self, end_to_end: Arrays, missed: Arrays) -> tuple[Arrays, Arrays | None]:
        modes = ((self.ut @ end_to_end) * self.vt).sum(-1)
        if self.test is None:
            return modes, None
        return modes, self.test.floor + self.test.loss(end_to_end, self.test._missed(end_to_end))

    def _missed(self, w: Arrays) -> Arrays:
        """What the map misses of the targets, in the directions in which the inputs vary."""
        root = self.root
        return self.targets - (w if root is None else w * root if root.ndim == 1 else w @ root.mT)

    def _toward_inputs(self, error: Arrays) -> Arrays:
        """The change of the map that mends an error in those directions the most."""
        root = self.root
        return error if root is None else error * root if root.ndim == 1 else error @ root


class LinearAttention(LinearNetwork):
    r"""One layer of linear attention on regression in context, by exact moments; keys and queries are of rank one.

    Head h has a value v_h, a key k_h and a query q_h, and the layer answers beta^T M x_q with

    .. math:: M = \sum_h v_h k_h q_h^\top .

    (With one matrix for key and query of each head, M = sum_h v_h M_h, it is `LinearNetwork` on the same task: its
    first layer holds the vec(M_h) as rows, its second the values.) What a run records as modes are the strengths of M
    along the principal components of the inputs.

    Parameters
    ----------
    task : Task
        From `datasets.in_context`; or that of sampled sequences, ``Task.from_samples(z, y)`` of z = vec(beta x_q^T).
    test : Task, optional
        Also record the loss on these moments, such as those of another context length.

    Examples
    --------
    Weights are the values, shape (..., 1, heads), and the keys and queries, shape (..., heads, d):

    >>> from dlnlib import datasets, descent, rules
    >>> network = LinearAttention(datasets.in_context(np.diag([2.0, 1.0]), n_examples=10))
    >>> start = [np.full((1, 2), 0.1), 0.1 * np.eye(2), 0.1 * np.eye(2)]
    >>> descent.train(network, start, rules.Descent(0.01), steps=2000).modes[[0, 300, 2000]].round(3)
    array([[0.001, 0.001],
           [0.4  , 0.003],
           [0.4  , 0.714]])
    """

    def __init__(self, task: Task, test: Task | None = None) -> None:
        super().__init__(task, test)
        self.d = math.isqrt(task.n_in)
        if task.n_out != 1 or self.d**2 != task.n_in:
            raise ValueError(f"task was {task}; it must have one output and d^2 inputs, as of datasets.in_context")
        u, _, vt = Task(task.sigma_yx.reshape(self.d, self.d)).modes
        self.ut, self.vt = np.ones((len(vt), 1)), (u.T[:, :, None] * vt[:, None, :]).reshape(len(vt), -1)

    def check(self, weights: Sequence[ArrayLike]) -> list[Array]:
        layers = [_checks.finite(name, w) for name, w in _checks.each("weights", weights)]
        heads = layers[0].shape[-1:] if layers else ()
        shapes, allowed = [w.shape for w in layers], [(1, *heads), (*heads, self.d), (*heads, self.d)]
        if [shape[-2:] for shape in shapes] != allowed or any(w.ndim > 3 or not w.size for w in layers):
            raise ValueError(
                f"weights had shapes {shapes}; they must be values (1, heads), keys and queries (heads, {self.d})"
            )
        return layers

    def at(self, weights: list[Arrays]) -> tuple[Callable[[], tuple[Arrays, ...]], Downhill]:
        values, keys, queries = weights
        end_to_end = ((keys.mT * values) @ queries).reshape(-1, 1, self.d**2)
        missed = self._missed(end_to_end)

        def downhill(rate: Any) -> Iterable[tuple[int, Change]]:
            toward = (rate * self._toward_inputs(missed)).reshape(-1, self.d, self.d)
            from_keys, from_queries = keys @ toward, queries @ toward.mT
            return enumerate(
                [(from_keys * queries).sum(-1)[..., None, :], values.mT * from_queries, values.mT * from_keys]
            )

        return lambda: (end_to_end, missed), downhill


class SampleNetwork(Network):
    """A network on samples, with gradients by torch's autograd: linear as it stands.

    A subclass has an `activation` of its own, or computes its `outputs` in another way altogether (then with a
    `check` of its own, if its weights are no chain).

    The mode strengths of such a network are read off the correlation of its outputs with the inputs,
    diag(U^T E[y_net x^T] V) / diag(V^T sigma_xx V): for a linear network on inputs that share the task's axes these
    are the strengths of the end-to-end map.

    Parameters
    ----------
    x, y : (n_examples, n_in) and (n_examples, n_out) arrays
        The samples.
    batch_size : int, optional
        Take each gradient at so many examples, drawn anew and without repetition at each step, the same for all
        networks trained side by side. The loss is that of all examples; it is computed, and looked at for
        divergence and `stop_below`, where it is recorded only.
    label_noise, rng
        As in `LinearNetwork`.

    Examples
    --------
    A network with a gate for each hidden unit, which looks at the inputs but does not learn:

    >>> class Gated(SampleNetwork):
    ...     gates = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    ...     def outputs(self, weights, x):
    ...         w1, w2 = weights
    ...         return ((x @ w1.mT) * (x @ self.gates.T > 0)) @ w2.mT
    >>> from dlnlib import descent, rules
    >>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> start = [0.1 * np.ones((2, 2)), 0.1 * np.ones((1, 2))]
    >>> run = descent.train(Gated(x, [[1.0], [-1.0], [0.0]]), start, rules.Descent(0.1), steps=300)
    >>> bool(run.loss[-1] < 1e-3)
    True
    """

    needs_torch = True

    def __init__(
        self, x: ArrayLike, y: ArrayLike, *, batch_size: int | None = None, label_noise: float = 0.0, rng: Seed = 0
    ) -> None:
        task = Task.from_samples(x, y)
        self.x, self.y = _checks.finite("x", x), _checks.finite("y", y)
        self.n_in, self.n_out = task.n_in, task.n_out
        if batch_size is not None and _checks.positive_int("batch_size", batch_size) > len(self.x):
            raise ValueError(f"batch_size was {batch_size}; it must be at most the number of examples, {len(self.x)}")
        self.batch_size, self.sampled = batch_size, batch_size is not None
        self.noise, self.rng = _noise(label_noise, rng), rng
        self.variances = task.mode_variances
        self.ut, self.vt = task.modes.u.T, task.modes.vt

    @staticmethod
    def activation(hidden: Any) -> Any:
        """Return what a hidden layer makes of its inputs: here, the same.

        Examples
        --------
        >>> SampleNetwork.activation(-0.5), TanhNetwork.activation(torch.tensor(-0.5))
        (-0.5, tensor(-0.4621))
        """
        return hidden

    def outputs(self, weights: list[Any], x: Any) -> Any:
        """Return what the network makes of the examples x, of shape (batch, n_examples, n_out), in torch.

        Examples
        --------
        >>> SampleNetwork([[1.0]], [[2.0]]).outputs([torch.ones(1, 3, 1), torch.ones(1, 1, 3)], torch.tensor([[0.5]]))
        tensor([[[1.5000]]])
        """
        for w in weights[:-1]:
            x = self.activation(x @ w.mT)
        return x @ weights[-1].mT

    def at(self, weights: list[Arrays]) -> tuple[Callable[[], tuple[Arrays, ...]], Downhill]:
        rows = slice(None) if self.batch_size is None else self.rng.choice(len(self.x), self.batch_size, replace=False)
        x, y, leaves = self.x[rows], self.y[rows], [w.detach().requires_grad_() for w in weights]
        outputs = self.outputs(leaves, x)
        if self.noise:
            y = y + self.noise * self._put(self.rng.standard_normal(outputs.shape))

        def seen() -> tuple[Arrays, ...]:
            return (self.outputs([w.detach() for w in weights], self.x) if self.sampled else outputs.detach(),)

        def downhill(rate: Any) -> Iterable[tuple[int, Change]]:
            return enumerate(torch.autograd.grad(outputs, leaves, rate / len(x) * (y - outputs.detach())))

        return seen, downhill

    def loss(self, outputs: Arrays) -> Arrays:
        return 0.5 * ((self.y - outputs) ** 2).sum((-2, -1)) / len(self.x)

    def records(self, outputs: Arrays) -> tuple[Arrays, Arrays | None]:
        return ((self.ut @ (outputs.mT @ self.x / len(self.x))) * self.vt).sum(-1) / self.variances, None


class TanhNetwork(SampleNetwork):
    """A network with tanh hidden layers and a linear readout, W_D tanh(W_{D-1} ... tanh(W_1 x)), on samples.

    Parameters
    ----------
    x, y, batch_size, label_noise, rng
        As in `SampleNetwork`.

    Examples
    --------
    >>> from dlnlib import descent, rules
    >>> start = [np.eye(2), np.array([[0.1, 0.2]])]
    >>> run = descent.train(TanhNetwork(np.eye(2), [[1.0], [-1.0]], batch_size=1), start, rules.Descent(0.2), steps=300)
    >>> bool(run.loss[-1] < 1e-4)
    True
    """

    @staticmethod
    def activation(hidden: Any) -> Any:
        return torch.tanh(hidden)


def propagate(x: ArrayLike, gain: ArrayLike, depth: int, rng: Seed, phi: Nonlinearity = np.tanh) -> Array:
    """Return the states of x' = g W phi(x), from the input on, with a random orthogonal W in each layer.

    Parameters
    ----------
    x : (width,) or (width, k) array
        The input, or k inputs side by side that pass through the same weights.
    gain : float or (k,) array
        The factor g, or one for each input.
    depth : int
        Number of layers.
    rng : int or numpy.random.Generator
        Seed or generator; the weights depend on it, the width and the depth only.
    phi : callable
        An odd nonlinearity, applied to arrays.

    Returns
    -------
    (depth + 1, width) or (depth + 1, width, k) array

    Raises
    ------
    ValueError
        If an argument is outside its range, the shapes do not fit, or `phi` is not odd.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 4.

    Examples
    --------
    >>> propagate(np.ones(5), gain=1.1, depth=3, rng=0).shape
    (4, 5)
    """
    state, gain, phi = _checks.finite("x", x), _checks.positive("gain", gain), _checks.odd(phi)
    if state.ndim not in (1, 2) or state.size == 0 or gain.shape not in ((), state.shape[1:]):
        raise ValueError(
            f"x and gain had shapes {state.shape} and {gain.shape}; they must be (width,) or (width, k), "
            "and one number or one for each of k inputs"
        )
    states = [state]
    with np.errstate(over="ignore", invalid="ignore"):
        for w in random_factors(len(state), _checks.positive_int("depth", depth), rng, "orthogonal"):
            states.append(gain * (w @ phi(states[-1])))
    if not np.isfinite(states[-1]).all():
        raise ValueError(f"gain was {gain.max():g}; it must be so small that {depth} layers with this phi stay finite")
    return np.stack(states)


def jacobian_factors(
    x: ArrayLike,
    gain: float,
    depth: int,
    rng: Seed,
    phi: Nonlinearity = np.tanh,
    slope: Nonlinearity = tanh_slope,
) -> Iterator[Array]:
    """Return the Jacobians g W diag(phi'(x)) of the layers of `propagate`: factors of the end-to-end Jacobian.

    Parameters
    ----------
    x : (width,) array
        The input.
    gain, depth, rng, phi
        As for `propagate`, with one gain; a seed gives the weights that it gives there.
    slope : callable
        The slope of phi, applied to arrays.

    Returns
    -------
    iterator of (width, width) arrays
        One for each layer, the first layer's first.

    Raises
    ------
    ValueError
        As `propagate`.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 4 and figure 7; Pennington, Schoenholz & Ganguli (2017).

    Examples
    --------
    >>> factors = jacobian_factors(np.zeros(3), gain=0.5, depth=4, rng=0)
    >>> [round(float(abs(np.linalg.det(f))), 6) for f in factors]
    [0.125, 0.125, 0.125, 0.125]
    """
    state, gain, phi = _checks.finite("x", x, ndim=1), float(_checks.positive("gain", gain, ndim=0)), _checks.odd(phi)
    at = np.linspace(0, 3, 7)
    if not np.allclose(_checks.on_arrays("slope", slope)(at), (phi(at + 1e-5) - phi(at - 1e-5)) / 2e-5, atol=1e-6):
        raise ValueError(f"slope was {_checks.shown(slope)}; it must be the slope of phi, {_checks.shown(phi)}")

    def draw(x: Array) -> Iterator[Array]:
        for w in weights:
            yield gain * w * slope(x)
            x = gain * (w @ phi(x))

    weights = random_factors(len(state), _checks.positive_int("depth", depth), rng, "orthogonal")
    return draw(state)


def _noise(label_noise: float, rng: Seed) -> float:
    _checks.generator(rng)
    return _checks.between("label_noise", label_noise, 0, math.inf)
