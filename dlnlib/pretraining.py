"""Greedy layerwise pretraining by linear autoencoders, and the test that says whether it aims at the task's modes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from dlnlib._checks import Array, generator, instance, positive, positive_int
from dlnlib.descent import gradient_descent
from dlnlib.initialization import _check_widths, _orthonormalised, gaussian, orthogonal
from dlnlib.task import Task

__all__ = ["Consistency", "Pretraining", "alignment", "consistency", "greedy", "limit"]


@dataclass(frozen=True, eq=False)
class Pretraining:
    """What `greedy` returns.

    Attributes
    ----------
    weights : the encoders, W_1 first, the start of a network to be fine-tuned: (widths[l], widths[l - 1]) arrays
    decoders : the other halves of the autoencoders: (widths[l - 1], widths[l]) arrays
    steps : the iterations spent on each layer

    Examples
    --------
    >>> found = greedy(Task(np.eye(4)), [4, 3, 2], rng=0)
    >>> [w.shape for w in found.weights], [w.shape for w in found.decoders], len(found.steps)
    ([(3, 4), (2, 3)], [(4, 3), (3, 2)], 2)
    """

    weights: list[Array]
    decoders: list[Array]
    steps: list[int]


def greedy(
    task: Task,
    widths: Sequence[int],
    *,
    rng: int | np.random.Generator,
    left: float = 0.01,
    fraction: float = 0.5,
    scale: float = 0.01,
    max_steps: int = 100_000,
    dtype: torch.dtype = torch.float64,
) -> Pretraining:
    r"""Pretrain a network layer by layer: each is the encoder of a linear autoencoder of the layer below.

    Layer l sees the code of the layers before it, whose moments are C_0 = sigma_xx and C_l = W_l C_{l-1} W_l^T; no
    target is used. Its autoencoder is trained by gradient descent from independent Gaussian weights on

    .. math:: L_l = \tfrac12 \operatorname{tr} (I - W'_l W_l)\, C_{l-1}\, (I - W'_l W_l)^T .

    From a small start the component of variance lambda follows nearly
    ``exact.mode_strength(t, s=lambda, u0=u0, input_variance=lambda)``, the components of largest variance first,
    until there are as many as the layer has units. It ends near W_l = R Q^T, W'_l = Q R^T, with the principal
    components Q and an arbitrary R with orthonormal columns; see `limit`.

    Parameters
    ----------
    task : Task
        Its inputs are what is learned.
    widths : sequence of int
        Sizes of the layers of neurons, the task's inputs first.
    rng : int or numpy.random.Generator
        Seed, or generator, of the weights at the start.
    left : float
        A layer is finished once its loss exceeds the smallest possible by less than this share of the zero map's;
        between 0 and 1. Directions of little variance are learned late, or never.
    fraction : float
        Learning rate over the largest stable one, 1 / (largest eigenvalue of C_{l-1}); less than one.
    scale : float
        Standard deviation of the weights at the start.
    max_steps : int
        Most iterations for one layer.
    dtype : torch.dtype
        Precision of the training; the moments handed from layer to layer are float64.

    Returns
    -------
    Pretraining

    Raises
    ------
    ValueError
        If an argument is out of range, or a layer diverges or is not finished after `max_steps`.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 3; Bengio et al. (2007) for the method.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((500, 6)) * [3, 2, 2, 2, 0.1, 0.1]
    >>> w1, w2 = greedy(Task.from_samples(x, x), [6, 8, 4], rng=0, left=1e-4).weights
    >>> w1.shape, w2.shape, np.linalg.svd(w2 @ w1).S.round(1)  # the four large components, each kept as it is
    ((8, 6), (4, 8), array([1., 1., 1., 1.]))
    """
    widths, rng = _from_inputs(task, widths), generator(rng)
    for name, share in (("left", left), ("fraction", fraction)):
        if positive(name, share, ndim=0) >= 1:
            raise ValueError(f"{name} was {share:g}; it must be less than one")
    max_steps = positive_int("max_steps", max_steps)
    moments, found = _moments(task), Pretraining([], [], [])
    for n_in, n_out in pairwise(widths):
        variances, _ = _principal(moments)
        smallest, at_zero = 0.5 * float(variances[n_out:].sum()), 0.5 * float(variances.sum())
        code, start = Task(moments, moments, float(np.trace(moments))), gaussian([n_in, n_out, n_in], scale, rng)
        rate, goal = fraction / variances[0], smallest + left * at_zero
        run = gradient_descent(
            code, start, rate, max_steps, record_every=max_steps, stop_below=goal, overwrite_weights=True, dtype=dtype
        )
        if run.interrupted:
            raise KeyboardInterrupt
        if run.diverged:
            raise ValueError(f"scale was {scale:g}; from weights that large layer {len(found.steps) + 1} diverged")
        if not np.isfinite(run.reached_at):
            raise ValueError(f"max_steps was {max_steps}; layer {len(found.steps) + 1} needs more for left = {left:g}")
        encoder, decoder = run.weights
        found.weights.append(encoder)
        found.decoders.append(decoder)
        found.steps.append(int(run.reached_at))
        moments = encoder @ moments @ encoder.T
        moments = 0.5 * (moments + moments.T)
    return found


def limit(task: Task, widths: Sequence[int], rng: int | np.random.Generator) -> list[Array]:
    """Return where `greedy` from very small weights ends if it never stops: W_l = R_l R_{l-1}^T, R_0 = Q.

    Each layer keeps as many principal components of the layer below as it has units, but none without variance, and
    carries them in a random orthonormal frame R_l. Where the last components kept have the same variance as some
    left out, which are kept is drawn, too.

    Parameters
    ----------
    task : Task
        Its inputs are what is learned.
    widths : sequence of int
        Sizes of the layers of neurons, the task's inputs first.
    rng : int or numpy.random.Generator
        Seed, or generator, of the frames.

    Returns
    -------
    list of (widths[l], widths[l - 1]) arrays
        W_1 first; there is no readout among them unless `widths` asks for one.

    Raises
    ------
    ValueError
        If widths do not begin with the task's inputs, or the inputs have no variance.

    References
    ----------
    Baldi & Hornik (1989) for one autoencoder; Saxe, McClelland & Ganguli (2014), section 3, for the layers.

    Examples
    --------
    >>> w1, w2 = limit(Task(np.eye(2, 3), np.diag([4.0, 0.0, 1.0])), [3, 5, 2], rng=0)
    >>> w1.shape, np.round((w2 @ w1).T @ w2 @ w1, 12).diagonal()
    ((5, 3), array([1., 0., 1.]))
    """
    widths, rng = _from_inputs(task, widths), generator(rng)
    variances, components = _principal(_moments(task))
    kept = int(np.sum(variances > 10 * task.n_in * np.finfo(float).eps * variances[0]))
    components = _drawn(variances[:kept], components[:, :kept], rng)
    frames, layers = [components], []
    for width in widths[1:]:
        kept = min(kept, width)
        frames.append(orthogonal([kept, width], rng)[0])
        layers.append(frames[-1] @ frames[-2][:, :kept].T)
    return layers


@dataclass(frozen=True, eq=False)
class Consistency:
    """Whether principal components of the input are input singular vectors of the task: what `consistency` returns.

    Attributes
    ----------
    value : from 0 to 1; 1 if every v is a principal component, so that pretrained modes do not interact
    modes : (n_modes,) the same for each mode by itself, strongest first
    null : (draws,) `value` for random orthogonal V
    matrix : (n_modes, n_modes) V^T sigma_xx V, of the modes that count

    Examples
    --------
    >>> found = consistency(Task([[2.0, 0.0]], np.diag([3.0, 1.0])), draws=10, rng=0)
    >>> found.value, found.modes, found.null.shape, found.matrix
    (1.0, array([1.]), (10,), array([[3.]]))
    """

    value: float
    modes: Array
    null: Array
    matrix: Array


def consistency(task: Task, *, draws: int = 1000, rng: int | np.random.Generator) -> Consistency:
    r"""Measure how diagonal V^T sigma_xx V is, V the task's input singular vectors.

    In a complete basis V that begins with those of the modes, the share of the squares of their columns that stands
    on the diagonal:

    .. math:: \frac{\sum_\alpha (v_\alpha^T \Sigma_{xx} v_\alpha)^2}{\sum_\alpha |\Sigma_{xx} v_\alpha|^2},

    and for one mode the squared cosine between v and sigma_xx v: 1 if and only if v is an eigenvector, as on white
    inputs every vector is. How the basis is completed does not matter, nor the unit of the inputs.

    A mode counts if s is more than 1e-10 of the largest: the v of one that is only rounding (centred one-hot targets
    leave one such) is arbitrary.

    Parameters
    ----------
    task : Task
    draws : int
        Number of random V for the null distribution (Haar).
    rng : int or numpy.random.Generator
        Seed, or generator, of these V.

    Returns
    -------
    Consistency

    Raises
    ------
    ValueError
        If the inputs have no variance, or none along any mode, if there is no mode, or `draws` is not positive.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 3.

    Examples
    --------
    >>> task = Task(np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 1.0]]), np.diag([1.0, 2.0, 3.0]))
    >>> test = consistency(task, rng=0)
    >>> test.modes.round(2), round(test.value, 2)  # the second v lies between two components
    (array([1. , 0.8]), 0.89)
    """
    draws, rng = positive_int("draws", draws), generator(rng)
    moments = _moments(task)
    variances, _ = _principal(moments)
    vt = _counting(task)
    images = vt @ moments
    on, all_of = np.sum(images * vt, axis=1) ** 2, np.sum(images**2, axis=1)
    if not all_of.any():
        raise ValueError("sigma_xx was zero along every mode; the task must have a mode in which its inputs vary")
    null = np.empty(draws)
    for i in range(draws):  # a random frame is as random in the basis in which sigma_xx is diagonal
        power = np.linalg.qr(rng.standard_normal(vt.T.shape)).Q ** 2
        null[i] = np.sum((variances @ power) ** 2) / np.sum(variances**2 @ power)
    alone = np.divide(on, all_of, out=np.ones_like(on), where=all_of > 0)
    return Consistency(float(on.sum() / all_of.sum()), alone, null, images @ vt.T)


def alignment(task: Task) -> Array:
    """Return the squared overlap of each input singular vector with each principal component.

    Parameters
    ----------
    task : Task

    Returns
    -------
    (n_modes, n_in) array
        Row alpha says how v_alpha, of squared length one, is shared out among the components, largest variance
        first; components of equal variance share theirs arbitrarily. The modes are those that `consistency` counts.

    Raises
    ------
    ValueError
        If the inputs have no variance, or there is no mode.

    References
    ----------
    Saxe, McClelland & Ganguli (2014), section 3: they are aligned if this is a permutation.

    Examples
    --------
    >>> alignment(Task([[0.0, 3.0], [4.0, 0.0]], np.diag([1.0, 2.0])))  # the stronger mode is the smaller component
    array([[0., 1.],
           [1., 0.]])
    """
    _, components = _principal(_moments(task))
    return np.asarray((_counting(task) @ components) ** 2)


def _counting(task: Task) -> Array:
    """Input singular vectors of the modes that are more than rounding, as rows."""
    _, s, vt = task.modes
    if not s.size:
        raise ValueError("sigma_yx was zero; a task without modes has no input singular vectors")
    return np.asarray(vt[s > 1e-10 * s[0]])


def _principal(moments: Array) -> tuple[Array, Array]:
    """Variances and directions of the principal components, as columns, largest first."""
    values, vectors = np.linalg.eigh(moments)
    if not values[-1] > 0:
        raise ValueError("sigma_xx was zero; inputs that never vary have no principal components")
    return values[::-1], vectors[:, ::-1].copy()


def _drawn(variances: Array, components: Array, rng: np.random.Generator) -> Array:
    """Draw what eigenvectors leave open: their signs, and among equal variances the whole basis (Haar).

    The draw is the same on every machine, whatever its eigenvectors are, for it depends on the projectors alone.
    """
    towards, found = rng.standard_normal(components.shape), np.empty_like(components)
    breaks = np.flatnonzero(np.diff(variances) < -1e-9 * variances[1:]) + 1
    for group in np.split(np.arange(len(variances)), breaks):
        basis = components[:, group]
        found[:, group] = _orthonormalised(basis @ (basis.T @ towards[:, group]))
    return found


def _moments(task: Task) -> Array:
    instance("task", task, Task)
    return np.eye(task.n_in) if task.sigma_xx is None else task.sigma_xx


def _from_inputs(task: Task, widths: Sequence[int]) -> list[int]:
    instance("task", task, Task)
    checked = _check_widths(widths)
    if checked[0] != task.n_in:
        raise ValueError(f"widths was {checked}; it must begin with this task's {task.n_in} inputs")
    return checked
