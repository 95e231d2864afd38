"""Every argument of every public function, spoilt: each is refused in one sentence that names it.

`TABLE` has one row for each public function, and in it, for each argument, a good value and one that is bad for each
reason that the function itself has to refuse it; that checks refuse all kinds of bad values is tested in test_checks.
A function or an argument that the table lacks is a failure, too.
"""

import contextlib
import errno
import importlib
import inspect
import json
import math
import pkgutil
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from refusals import refusal
from sweep_points import picky

import dlnlib
from dlnlib import (
    Task,
    datasets,
    descent,
    exact,
    explore,
    figures,
    initialization,
    isometry,
    meanfield,
    networks,
    pretraining,
    reduction,
    rules,
    stability,
    sweep,
)

# What is bad, by the check that must find it: each value is one that weaker checks would let through.
MISFIT = [1.0] * 3  # where the good values have shape (2,)
NUMBERS = [math.nan, MISFIT]
POSITIVE = [0, MISFIT]
TIMES = [-1, MISFIT]
DEPTHS = [0.5, MISFIT]
FINITE_DEPTHS = [*DEPTHS, math.inf]

ONE_NUMBER = [math.nan, [1.0, 2.0]]
ONE_POSITIVE = [0, [1.0, 2.0]]
SHARE = [*ONE_POSITIVE, 1]
NOT_NEGATIVE = [*ONE_NUMBER, -0.1]
COUNT = [0]
SEED = [None]

VECTOR = [[1.0, math.nan], 1.0]
MATRIX = [np.full((2, 2), math.nan), [1.0, 2.0]]

TASKS = [None]
W1, W2 = np.full((2, 3), 0.1), np.full((2, 2), 0.1)
START = [W1, W2]  # of three inputs, two hidden units and two outputs
WEIGHTS = [START[::-1]]
NO_COVARIANCE = [np.eye(2, 3), [[1.0, 2.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]], np.diag([1.0, 0.0])]
WIDTHS = [[3, 0, 2], [3]]
DTYPE = ["int64"]
DEVICE = ["nowhere"]

PHI = [np.cos]
NOT_A_FUNCTION = ["tanh"]
NOT_A_LIST = [None]
PATH = [None]
COLOR = ["nocolour"]


# What needs no row: results, which only the library makes; and what takes any object, to write it.
NO_ROW = {
    exact.AttentionModes,
    *(dlnlib.task.Modes, dlnlib.task.Whitening, descent.Run, exact.BalancedFlow, exact.CriticalFamily),
    *(reduction.Reduction, pretraining.Pretraining, pretraining.Consistency),
    exact.Forecast,
    *(explore.InteractiveFigure, sweep.SweepError, explore.format_value),
}
# And what only `descent.train` calls, of what it is given.
PROTOCOL = {networks.Network: "check to at loss records", networks.LinearNetwork: "at loss records"}
PROTOCOL |= {networks.LinearAttention: "check at"}
PROTOCOL |= {networks.SampleNetwork: "at loss records activation outputs", networks.TanhNetwork: "activation"}
PROTOCOL |= {rules.Rule: "begin", rules.Descent: "begin", descent.Run: "rows"}
NO_ROW |= {getattr(kind, name) for kind, names in PROTOCOL.items() for name in names.split()}
NO_ROW |= {networks.Network, rules.Rule}
# For these, whatever is true or false in Python will do.
FLAGS = {"centred", "race", "keep_weights", "overwrite_weights", "progress"}
# What a message calls an argument, if it is not its name.
CALLED = {"colors": "colou?rs"}

AXES = Figure().subplots()
TASK = Task(np.eye(2, 3), np.diag([3.0, 2.0, 1.0]), 10.0)
WIDE = Task(np.eye(2, 40))
IN_CONTEXT = datasets.in_context(np.eye(2), 5)
WHITENED = TASK.whitened()
SMALL = reduction.reduce(WIDE, initialization.orthogonal([40, 9, 2], rng=0))
ONE_MODE = {"s": ([1.0, 2.0], POSITIVE), "tau": (1.0, POSITIVE), "input_variance": (1.0, POSITIVE)}  # at depth 2
SINGULAR_VALUES = [np.full((2, 2), math.nan), [1.0, -1.0], 1.0]
CURVES = ([[1.0], [2.0]], [*MATRIX, np.ones((3, 1)), np.ones((2, 2))])
RATES = [math.nan, 0, [[0.1]]]
NOISE = {"label_noise": (0.1, NOT_NEGATIVE), "rng": (0, SEED)}
LEVELS = {"per_input": (2.0, ONE_POSITIVE), "noise": (0.1, NOT_NEGATIVE), "signal": (1.0, NOT_NEGATIVE)}
NOISY = {
    "s": ([1.0, 2.0], [*VECTOR, 0, [0.0, 1.0]]),
    "shape": ((2, 3), [3, (2,), (0, 3)]),
    "noise": (0.1, ONE_POSITIVE),
}
RUN, STORED = descent.gradient_descent(TASK, START, 0.1, 2), Path(tempfile.mkdtemp()) / "run.npz"
RUN.save(STORED)
TRAINING = {
    "weights": (START, WEIGHTS),
    "learning_rate": (0.1, RATES),
    "steps": (2, COUNT),
    "record_every": (1, COUNT),
    "stop_below": (0.1, ONE_POSITIVE),
    "dtype": (torch.float64, DTYPE),
    "device": ("cpu", DEVICE),
}
RANDOM_TREE = {
    "levels": (2, COUNT),
    "branching": (2, COUNT),
    "features": (5, COUNT),
    "flip": (0.1, [*NOT_NEGATIVE, 0.6]),
    "rng": (0, SEED),
}


def row(function, /, **arguments):
    return function, arguments


TABLE = [
    row(
        Task,
        sigma_yx=(np.eye(2), MATRIX),
        sigma_xx=(np.eye(2), [*MATRIX, np.eye(3), [[1, 2], [0, 1]]]),
        trace_yy=(3.0, NOT_NEGATIVE),
        n_examples=(5, COUNT),
        whitening=(None, ["white"]),
    ),
    row(Task.from_samples, x=(np.eye(2), [*MATRIX, np.eye(3)]), y=(np.eye(2), [*MATRIX, np.eye(3)])),
    row(
        Task.from_batches,
        batches=(
            [(np.eye(2), np.eye(2))],
            [
                *[*NOT_A_LIST, "ab", [], [np.eye(3)], [(np.eye(2), np.eye(3))]],
                *[[(np.eye(2), np.eye(2)), (np.eye(2), np.eye(2, 1))], *([(bad, np.eye(2))] for bad in MATRIX)],
            ],
        ),
    ),
    row(Task.pool, tasks=([TASK, TASK], [*NOT_A_LIST, [], [None], [TASK, WIDE], [WHITENED]])),
    row(TASK.loss, w=(W1, [W1 * math.nan, W1.T])),
    row(TASK.modes.strengths, w=(W1, [W1 * math.nan, W1.T])),
    row(TASK.with_inputs, linear_map=(np.eye(3), [*MATRIX, np.eye(2)])),
    row(TASK.whitened),
    row(datasets.mnist, split=("train", ["training"])),
    row(datasets.fashion_mnist, split=("test", ["Test"])),
    row(datasets.stored, name=("spectra", ["../__init__"])),
    row(datasets.mnist_images, n_images=(10, [*COUNT, 5001])),
    row(
        datasets.from_images,
        images=(np.ones((2, 3, 3)), ["images", np.ones((3, 3, 3)), np.ones(2), np.ones((2, 0))]),
        labels=([1, 0], [[0, math.nan], [0, -1], [0.5, 1.0], [0], [[0, 1]], []]),
    ),
    row(datasets.read_idx, file=("labels", [*PATH, "nowhere", "."])),
    *(
        row(function, covariance=(np.eye(2), [*MATRIX, *NO_COVARIANCE]), n_examples=(5, COUNT))
        for function in (datasets.in_context, exact.attention_modes)
    ),
    row(datasets.with_constant, x=(np.eye(2), MATRIX)),
    row(
        datasets.teacher,
        w=((2, 3), [*MATRIX, (), (0, 2), (2,), (2, 3, 4), (2.5, 3)]),
        n_examples=(3, COUNT),
        noise=(0.1, NOT_NEGATIVE),
        rng=(0, SEED),
    ),
    row(datasets.hierarchy, **RANDOM_TREE),
    row(datasets.diffuse, **RANDOM_TREE),
    row(
        initialization.decoupled,
        task=(TASK, TASKS),
        widths=([3, 4, 2], [*WIDTHS, [4, 4, 2], [3, 4, 3]]),
        u0=(0.1, POSITIVE),
        rng=(0, SEED),
    ),
    row(
        initialization.balanced,
        w0=(np.eye(2), MATRIX),
        imbalance=(0.1, ONE_NUMBER),
        rng=(0, SEED),
        hidden=(2, [*COUNT, 1, 3]),
    ),
    row(initialization.orthogonal, widths=([3, 2], WIDTHS), rng=(0, SEED), gain=(1.0, ONE_POSITIVE)),
    row(initialization.gaussian, widths=([3, 2], WIDTHS), scale=(1.0, ONE_POSITIVE), rng=(0, SEED)),
    row(initialization.glorot, widths=([3, 2], WIDTHS), rng=(0, SEED)),
    row(
        initialization.from_torch,
        source=(
            START,
            [
                *[*NOT_A_LIST, [], [W1 * math.nan], START[::-1], [W1, W2[0]], torch.nn.Linear(2, 2), torch.nn.Tanh()],
                *[torch.nn.Bilinear, torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.ReLU())],
            ],
        ),
    ),
    row(
        initialization.stack,
        starts=(
            [START, START],
            [*NOT_A_LIST, [], [[]], [START, []], [START, None], [[W1 * math.nan]], [START, START[::-1]]],
        ),
    ),
    row(descent.gradient_descent, task=(TASK, TASKS), test=(TASK, ["test", WIDE]), **TRAINING),
    row(
        descent.tanh_descent,
        x=(np.ones((5, 3)), [*MATRIX, np.ones((4, 3))]),
        y=(np.ones((5, 2)), [*MATRIX, np.ones((4, 2))]),
        **TRAINING,
    ),
    row(
        descent.train,
        network=(networks.LinearNetwork(TASK), [TASK]),
        rule=(rules.Descent(0.1), [0.1, rules.Descent]),
        **{name: bad for name, bad in TRAINING.items() if name != "learning_rate"},
    ),
    row(
        networks.LinearAttention,
        task=(IN_CONTEXT, [*TASKS, TASK, Task(np.eye(1, 3))]),
        test=(IN_CONTEXT, ["test", Task(np.eye(1, 9))]),
    ),
    row(networks.LinearNetwork, task=(TASK, TASKS), test=(TASK, ["test", WIDE]), **NOISE),
    *(
        row(
            kind,
            x=(np.ones((5, 3)), [*MATRIX, np.ones((4, 3))]),
            y=(np.ones((5, 2)), [*MATRIX, np.ones((4, 2))]),
            batch_size=(2, [*COUNT, 6]),
            **NOISE,
        )
        for kind in (networks.SampleNetwork, networks.TanhNetwork)
    ),
    row(rules.Descent, learning_rate=(0.1, RATES[:-1])),
    row(rules.torch_rule, optimizer=(torch.optim.SGD, NOT_A_FUNCTION), schedule=(lambda n: 0.1, NOT_A_FUNCTION)),
    row(RUN.half_times, s=([1.0, 2.0], [*NUMBERS, [[1.0]]])),
    row(RUN.then, run=(RUN, [None, SMALL])),
    row(RUN.save, file=("run.npz", PATH)),
    row(descent.Run.load, file=(STORED, PATH)),
    row(exact.mode_strength, t=([1.0, 2.0], TIMES), u0=(0.1, POSITIVE), depth=(2, DEPTHS), **ONE_MODE),
    row(exact.learning_time, u=([0.5, 0.6], [*NUMBERS, 0.05, 3]), u0=(0.1, POSITIVE), depth=(2, DEPTHS), **ONE_MODE),
    row(exact.half_time, u0=([0.1, 0.2], [*POSITIVE, 0.5]), depth=(2, DEPTHS), **ONE_MODE),
    row(exact.unbalanced_mode, t=([1.0, 2.0], TIMES), a0=(0.1, NUMBERS), b0=(0.2, NUMBERS), **ONE_MODE),
    row(exact.unbalanced_time, u=([0.5, 0.6], [*NUMBERS, 0.01, 3]), a0=(0.1, NUMBERS), b0=(0.2, NUMBERS), **ONE_MODE),
    row(
        exact.layered_mode,
        t=([1.0, 2.0], [-1]),
        s=([1.0, 2.0], POSITIVE),
        layers0=([0.1, 0.2], [[0.1, math.nan], [], 1.0, np.ones((3, 2)), np.ones((2, 0))]),
        tau=(1.0, POSITIVE),
        input_variance=(1.0, POSITIVE),
    ),
    row(
        exact.stepped_mode,
        s=([1.0, 2.0], POSITIVE),
        layers0=([0.1, 0.2], [[0.1, math.nan], [], 1.0, np.ones((3, 2)), np.ones((2, 0))]),
        rate=([0.1, 0.2], POSITIVE),
        decay=(0.1, [*TIMES, math.inf]),
    ),
    row(
        exact.plateau_growth,
        n=([1, 2], TIMES),
        s=([1.0, 2.0], POSITIVE),
        rate=(0.1, POSITIVE),
        momentum=(0.5, [*TIMES, math.inf]),
        nesterov=(False, []),
    ),
    row(exact.two_cycle, s=([1.0, 2.0], POSITIVE), rate=([1.1, 1.2], [*POSITIVE, 0.4])),
    row(exact.escape_rate, s=([1.0, 2.0], POSITIVE), a0=([0.1, 0.2], NUMBERS), b0=(0.2, NUMBERS)),
    row(
        exact.edge_sharpness,
        sharpness=([2.1, 2.2], [*POSITIVE, 1.9]),
        s=([0.1, 0.2], [*POSITIVE, 1]),
        rate=(1.0, POSITIVE),
    ),
    row(exact.decay_threshold, s=([1.0, 2.0], POSITIVE), depth=([3, 4], [1.5, MISFIT, math.inf])),
    row(
        exact.decayed_strength,
        s=([1.0, 2.0], POSITIVE),
        decay=([0.1, 0.2], [*TIMES, math.inf]),
        depth=(3, [1.5, MISFIT, math.inf]),
    ),
    row(
        exact.balanced_flow,
        t=([1.0, 2.0], [-1, math.inf]),
        task_or_sigma_yx=(np.eye(2), [*MATRIX, TASK]),
        w1=(np.eye(2), [np.full((2, 2), math.nan), np.eye(3), np.diag([1.0, 2.0])]),
        w2=(np.eye(2), [np.full((2, 2), math.nan), np.eye(3), np.diag([1.0, 2.0])]),
        tau=(1.0, ONE_POSITIVE),
        decay=(0.1, [*NOT_NEGATIVE, math.inf]),
        tolerance=(1e-9, ONE_POSITIVE),
    ),
    row(exact.ntk, weights=(START, [*NOT_A_LIST, [], [W1, W2 * math.nan], START[::-1], [W1[None], W2], [W1[0], W2]])),
    row(
        exact.kernel_distance,
        kernel=(np.ones((3, 2, 2)), [W2 * math.nan, W2[0], W1, W2 * 0, np.ones((4, 2, 2))]),
        other=(np.ones((3, 2, 2)), [W2 * math.nan, W1, W2 * 0, np.ones((4, 2, 2))]),
    ),
    row(
        exact.forecast,
        task=(WIDE, TASKS),
        u0=(0.1, [*POSITIVE, 0.6, [[0.1], [0.2]]]),
        depth=(2, [0.5, [2, 3]]),
        t=([1.0, 2.0], [-1]),
        tau=(1.0, ONE_POSITIVE),
    ),
    row(exact.stopped_error, t=([1.0, 2.0], [-1, math.inf]), start=(0.1, NOT_NEGATIVE), n_in=(50, [0]), **LEVELS),
    row(exact.best_stopping_time, start=(0.1, NOT_NEGATIVE), **{**LEVELS, "noise": (0.1, [*NOT_NEGATIVE, 0])}),
    row(
        exact.ridge_error,
        gamma=(0.1, NOT_NEGATIVE),
        variances=([1.0, 2.0], [*VECTOR, [1.0, -1.0]]),
        power=([1.0, 2.0], [*VECTOR, MISFIT, [1.0, -1.0]]),
        noise=(0.1, NOT_NEGATIVE),
        n_examples=(3, COUNT),
    ),
    row(exact.noisy_modes, **NOISY),
    row(
        exact.excess_error,
        learned=(np.sqrt, NOT_A_FUNCTION),
        **NOISY,
        spread=(1.5, [*ONE_NUMBER, 0.5]),
        share=([0.5, 0.2], NUMBERS),
        part=(0.5, ONE_POSITIVE),
    ),
    row(exact.critical_families, sigma_yx_or_singular_values=(np.eye(2), SINGULAR_VALUES), hidden=(1, COUNT)),
    row(
        exact.critical_point,
        sigma_yx_or_singular_values=(np.eye(2), SINGULAR_VALUES),
        kept=([1], [*NOT_A_LIST, [0, 1, 2], [1, 1], [2], [-1], [1.0], [True], ["1"], [[1]]]),
        hidden=(2, COUNT),
    ),
    row(
        exact.hessian,
        sigma_yx=(np.eye(2), MATRIX),
        w1=(W2, [W2 * math.nan, np.eye(3), []]),
        w2=(W2, [W2 * math.nan, np.eye(3), []]),
    ),
    row(reduction.reduce, task=(TASK, TASKS), weights=(START, WEIGHTS), tolerance=(1e-9, ONE_POSITIVE)),
    row(reduction.reduce_outputs, task=(TASK, TASKS), weights=(START, WEIGHTS)),
    row(
        SMALL.lift,
        weights=(
            SMALL.weights,
            [*NOT_A_LIST, [], [w * math.nan for w in SMALL.weights], SMALL.start, SMALL.weights[:1]],
        ),
    ),
    row(stability.curvature, u=([1, 2], POSITIVE), s=([1, 2], POSITIVE), depth=(2, FINITE_DEPTHS)),
    row(stability.largest_stable_rate, s=([1, 2], POSITIVE), depth=([2, 3], FINITE_DEPTHS)),
    row(stability.best_learning_rate, s=([1, 2], POSITIVE), depth=([2, 3], FINITE_DEPTHS)),
    row(
        stability.steps_to_learn,
        u=([0.5, 0.6], [*POSITIVE, 0.05, 2]),
        s=([1, 1], POSITIVE),
        u0=(0.1, POSITIVE),
        depth=(2, DEPTHS),
        fraction=(0.1, POSITIVE),
    ),
    row(
        pretraining.greedy,
        task=(TASK, TASKS),
        widths=([3, 2], [*WIDTHS, [4, 2]]),
        rng=(0, SEED),
        left=(0.1, SHARE),
        fraction=(0.5, SHARE),
        scale=(0.1, ONE_POSITIVE),
        max_steps=(1000, [*COUNT, 1]),
        dtype=(torch.float64, DTYPE),
    ),
    row(pretraining.limit, task=(TASK, TASKS), widths=([3, 2], [*WIDTHS, [4, 2]]), rng=(0, SEED)),
    row(pretraining.consistency, task=(TASK, TASKS), draws=(2, COUNT), rng=(0, SEED)),
    row(pretraining.alignment, task=(TASK, TASKS)),
    row(
        initialization.random_factors,
        width=(2, COUNT),
        n=(2, COUNT),
        rng=(0, SEED),
        kind=("gaussian", ["uniform"]),
    ),
    *(
        row(function, factors=([W2 + np.eye(2)], [*NOT_A_LIST, [], [W1], [W2 * 0], *([bad] for bad in MATRIX)]))
        for function in (isometry.log_singular_values, isometry.log_eigenvalues)
    ),
    row(isometry.fuss_catalan_density, x=(1.0, [math.nan]), n=(1, COUNT)),
    row(isometry.fuss_catalan_cdf, x=(1.0, [math.nan]), n=(1, COUNT)),
    row(isometry.fuss_catalan_moment, k=(1, COUNT), n=(1, COUNT)),
    row(isometry.eigenvalue_cdf, r=(1.0, [math.nan]), n=(1, COUNT)),
    row(isometry.eigenvalues_in_square, side=(1.0, ONE_POSITIVE), n=(1, COUNT)),
    row(isometry.lyapunov_exponents, width=(2, COUNT)),
    row(meanfield.variance_map, q=([1.0, 2.0], [*NUMBERS, -1, 1e9]), gain=([1.0, 1.5], POSITIVE), phi=(np.tanh, PHI)),
    row(
        meanfield.gradient_gain,
        q=([1.0, 2.0], [*NUMBERS, -1, 1e9]),
        gain=([1.0, 1.5], POSITIVE),
        slope=(lambda x: 1 - np.tanh(x) ** 2, NOT_A_FUNCTION),
    ),
    row(meanfield.critical_gain, phi=(np.tanh, [*PHI, lambda x: x**3, lambda x: -x])),
    row(meanfield.fixed_variance, gain=(1.5, ONE_POSITIVE), phi=(np.tanh, [*PHI, lambda x: x])),
    row(meanfield.tanh_slope, x=(1.0, [math.nan])),
    row(
        networks.propagate,
        x=([1.0, 2.0], [[1.0, math.nan], [], 1.0, np.ones((2, 2, 2))]),
        gain=(1.0, [*POSITIVE, 1e308]),
        depth=(2, COUNT),
        rng=(0, SEED),
        phi=(np.arcsinh, PHI),
    ),
    row(
        networks.jacobian_factors,
        x=([1.0, 2.0], VECTOR),
        gain=(1.0, ONE_POSITIVE),
        depth=(2, COUNT),
        rng=(0, SEED),
        phi=(np.tanh, PHI),
        slope=(lambda x: 1 - np.tanh(x) ** 2, [*NOT_A_FUNCTION, np.tanh]),
    ),
    row(
        sweep.sweep,
        function=(picky, [*NOT_A_FUNCTION, lambda x: x]),
        points=([], [*NOT_A_LIST, "x", [{1: 1}], [{"x": {1}}], [{"x": {(1, 2): 3}}]]),
        file=("results.jsonl", PATH),
        executor=(None, [ThreadPoolExecutor]),
    ),
    row(sweep.grid, x=([1, 2], [*NOT_A_LIST, []])),
    row(figures.use_style),
    row(figures.in_order, n=(2, COUNT)),
    row(
        figures.theory_and_simulation,
        ax=(AXES, [None]),
        x_theory=([1.0, 2.0], [*VECTOR, MISFIT]),
        theory=CURVES,
        x_simulation=([1.0, 2.0], [*VECTOR, MISFIT]),
        simulation=CURVES,
        labels=(["a"], [*NOT_A_LIST, ["a", "b"]]),
        colors=(["red"], [5, [], ["red", "blue"], COLOR]),
        marks=(5, COUNT),
    ),
    row(
        figures.label_end,
        ax=(AXES, [None]),
        x=(1.0, ONE_NUMBER),
        y=(1.0, ONE_NUMBER),
        text=("s = 2", []),  # any object is written
        color=("red", COLOR),
    ),
    row(figures.to_png, figure=(AXES.figure, [None])),
    row(
        explore.explore,
        draw=(lambda depth: plt.figure(), NOT_A_FUNCTION),
        alt=("A figure.", [None]),
        start=({"depth": 1}, [[1], {"width": 1}, {"depth": 3}]),
        labels=({"depth": "D"}, [["D"], {"width": "N"}, {"depth": 5}]),
        play=("depth", [["depth"], "width"]),
        depth=([1, 2], [*NOT_A_LIST, []]),
    ),
    row(
        explore.phase_portrait,
        s=(1.0, ONE_POSITIVE),
        start=([0.5, 0.1], [*VECTOR, [0.5], [0.5, 2.0]]),
        duration=(8.0, ONE_POSITIVE),
        predict=(True, [1]),
    ),
    row(
        explore.lazy_to_rich,
        sigma_yx=([[1.0, 0.0]], [*MATRIX, [[0.0, 0.0]], [[1.0], [2.0]]]),
        direction=([[0.5, 0.5]], [*MATRIX, [[0.5]]]),
        lam=(1.0, [*ONE_NUMBER, 31]),
        scale=(0.1, [*ONE_POSITIVE, 2]),
    ),
    row(
        explore.beliefs,
        facts=([[1, 0]], [*MATRIX, [[1, 2]], [[0, 0]]]),
        properties=(["lives"], [*NOT_A_LIST, ["lives", "swims"], [1]]),
        things=(["trout", "worm"], [*NOT_A_LIST, ["trout"], [1, 2]]),
        chosen=(("lives", "worm"), [("lives", "stone"), ("worm", "lives"), 1]),
        u0=(1e-6, ONE_POSITIVE),
        duration=(8.0, ONE_POSITIVE),
        t=(1.0, [*ONE_NUMBER, -1, 9]),
    ),
    row(
        explore.bench,
        strengths=([1.0], [*VECTOR, [4.0], [1.0] * 9]),
        depth=(2, [*COUNT, 21]),
        width=(4, [*COUNT, 33]),
        start=("Glorot", ["glorot"]),
        u0=(0.1, [*ONE_POSITIVE, 2]),
        rate=(0.1, [*ONE_POSITIVE, 2]),
    ),
    row(
        explore.one_time,
        task=(Task([[2.0, 0.0], [0.0, 1.0]]), [*TASKS, Task(np.eye(2), np.diag([2.0, 1.0]))]),
        pictures=(np.ones((2, 3, 3)), [*MATRIX, np.ones((1, 3, 3)), np.ones((2, 3, 2))]),
        names=(["left", "right"], [*NOT_A_LIST, ["left"], [1, 2]]),
        u0=(1e-3, [*ONE_POSITIVE, 0.5]),
        duration=(8.0, ONE_POSITIVE),
        predict=(True, [1]),
    ),
    row(explore.signals, gain=(1.0, [*ONE_POSITIVE, 3]), variance=(1.0, [*ONE_POSITIVE, 3]), layers=(3, [*COUNT, 101])),
    row(explore.large_steps, depth=(2, [*COUNT, 21]), u0=(0.1, [*ONE_POSITIVE, 4]), kappa=(0.5, [*ONE_POSITIVE, 5])),
]

EACH_ROW = pytest.mark.parametrize(
    ("function", "arguments"), [pytest.param(*row, id=row[0].__qualname__) for row in TABLE]
)


def good(arguments):
    return {name: value for name, (value, _) in arguments.items()}


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory):
    """The working folder, which must stay empty."""
    with contextlib.chdir(tmp_path_factory.mktemp("empty")):
        yield Path()


@EACH_ROW
def test_a_bad_argument_is_refused_in_one_sentence_that_names_it(function, arguments, empty_folder):
    open_figures = plt.get_fignums()
    for name, (_, bad_values) in arguments.items():
        for bad in bad_values:
            spoilt = good(arguments) | {name: bad}
            sentence = refusal(lambda spoilt=spoilt: function(**spoilt), f"{name} = {bad!r}")
            assert re.fullmatch(rf"(?=.*\b{CALLED.get(name, name)}\b).+; .+", sentence), sentence
    assert list(empty_folder.iterdir()) == [] and plt.get_fignums() == open_figures


@EACH_ROW
def test_infinity_is_offered_where_it_is_allowed_and_only_there(function, arguments):
    for name, (value, bad_values) in arguments.items():

        def given(it, name=name):
            return function(**good(arguments) | {name: it})

        for bad in bad_values:
            sentence = refusal(lambda bad=bad, given=given: given(bad))
            if "infinity" in sentence.partition("; ")[2]:
                given(np.full(np.shape(value), math.inf))
            elif "a number of at least" in sentence:
                refusal(lambda value=value, given=given: given(np.full(np.shape(value), math.inf)))


@EACH_ROW
def test_every_argument_is_in_its_row_and_good_ones_are_not_refused(function, arguments, tmp_path, monkeypatch):
    parameters = inspect.signature(function).parameters.values()
    named = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    assert named - FLAGS <= arguments.keys()
    assert bool(arguments.keys() - named) == (len(named) < len(parameters))
    monkeypatch.chdir(tmp_path)
    if function is datasets.read_idx:
        (tmp_path / "labels").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    with plt.rc_context():
        function(**good(arguments))


def public_callables():
    """Functions and classes of all public modules, and the methods of these classes."""
    for info in pkgutil.walk_packages(dlnlib.__path__, "dlnlib."):
        if "._" in info.name:
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            ours = getattr(thing, "__module__", None) == info.name or name in getattr(module, "__all__", ())
            if callable(thing) and hasattr(thing, "__qualname__") and ours and not name.startswith("_"):
                yield thing
                if inspect.isclass(thing):
                    methods = {n for n, v in vars(thing).items() if inspect.isfunction(getattr(v, "__func__", v))}
                    yield from (unbound(getattr(thing, n)) for n in methods if not n.startswith("_"))


def unbound(function):
    return getattr(function, "__func__", function)


def test_every_public_function_has_a_row():
    assert {unbound(function) for function in public_callables()} - NO_ROW == {
        unbound(function) for function, _ in TABLE
    }


ELEMENTWISE = [
    (exact.mode_strength, "t"),
    (exact.learning_time, "u"),
    (exact.half_time, "u0"),
    (exact.unbalanced_mode, "t"),
    (exact.unbalanced_time, "u"),
    (exact.plateau_growth, "n"),
    (exact.decayed_strength, "decay"),
    (stability.curvature, "u"),
    (stability.largest_stable_rate, "s"),
    (stability.best_learning_rate, "s"),
    (stability.steps_to_learn, "u"),
    (isometry.fuss_catalan_density, "x"),
    (isometry.fuss_catalan_cdf, "x"),
    (isometry.eigenvalue_cdf, "r"),
    (meanfield.variance_map, "q"),
    (meanfield.gradient_gain, "q"),
]


def test_nothing_in_nothing_out():
    """An empty array is no bad input where a function acts on each entry."""
    for function, name in ELEMENTWISE:
        (arguments,) = (arguments for other, arguments in TABLE if other is function)
        scalars = {name: np.ravel(value)[0] if np.ndim(value) else value for name, value in good(arguments).items()}
        results = function(**scalars | {name: np.ones((2, 0))})
        assert np.shape(results if isinstance(results, np.ndarray) else results[0]) == (2, 0), function


def written(**arrays):
    def write(file):
        with np.load(file) as shipped:
            whole = dict(shipped)
        np.savez(file, **{name: change(whole[name]) for name, change in arrays.items()})

    return write


SAME = {"pixel_products": np.copy, "class_pixels": np.copy, "class_counts": np.copy}
HARMS = {
    "missing": Path.unlink,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a page of the web": lambda file: file.write_text("<html>404</html>"),
    "other digits": lambda file: file.write_bytes(file.with_name("fashion_mnist-test.npz").read_bytes()),
    "another split": lambda file: file.write_bytes(file.with_name("mnist-validation.npz").read_bytes()),
    "one array is missing": written(pixel_products=np.copy, class_pixels=np.copy),
    "one image more": written(
        **SAME | {"class_counts": lambda counts: counts + (np.arange(10) == 3).astype(np.uint32)}
    ),
    "one pixel brighter": written(
        **SAME | {"pixel_products": lambda sums: np.where(sums == sums.max(), sums + 1, sums)}
    ),
    "other types": written(**SAME | {"class_pixels": np.float64}),
    "other shapes": written(**SAME | {"class_pixels": np.ravel}),
    "not a number": written(**SAME | {"class_pixels": lambda sums: sums * np.nan}),
    "objects": written(**SAME | {"class_counts": lambda counts: counts.astype(object)}),
}
for length in (0, 1, 100, 10_000, -1000, -1):
    HARMS[f"cut at {length}"] = lambda file, length=length: file.write_bytes(file.read_bytes()[:length])
for place in (0, 30, 120, 10_000, 300_000, -10_000, -100, -20):  # in headers, data and the directory at the end

    def harm(file, place=place):
        content = bytearray(file.read_bytes())
        content[place] ^= 0xFF
        file.write_bytes(content)

    HARMS[f"one byte is wrong at {place}"] = harm


def test_harmed_moments_are_refused(tmp_path, monkeypatch):
    for shipped in datasets._SHIPPED.glob("*mnist-*.npz"):
        (tmp_path / shipped.name).symlink_to(shipped)
    monkeypatch.setattr(datasets, "_SHIPPED", tmp_path)
    file = tmp_path / "mnist-test.npz"
    content = file.read_bytes()
    for kind, harm in HARMS.items():
        file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
        file.write_bytes(content)
        harm(file)
        sentence = refusal(lambda: datasets.mnist("test"), kind)
        assert re.fullmatch(r".*mnist-test\.npz (could not be|held other moments).*; it must be the file .*", sentence)
    file.rmdir() if file.is_dir() else file.unlink()
    file.write_bytes(content)
    assert datasets.mnist("test").n_examples == 10_000


def test_harmed_stored_results_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_SHIPPED", tmp_path)
    for content in (None, b"", b'{"command": ', b"\xff\xfe"):
        if content is not None:
            (tmp_path / "spectra.json").write_bytes(content)
        sentence = refusal(lambda: datasets.stored("spectra"))
        assert re.fullmatch(
            r".*spectra\.json could not be read .*; it must be the file that came with dlnlib", sentence
        )


RESULT = json.dumps({"function": "sweep_points.picky", "point": {"x": 1}, "result": 1}).encode()


def test_a_file_that_is_no_sweep_of_this_function_is_refused_and_left_as_it_was(tmp_path):
    file = tmp_path / "results.jsonl"
    for content in (
        *(b"precious", b"step,loss\n1,2", b"\xff\xfe\n", b"null\n", b"[1]\n", RESULT + b"\nprecious"),
        *(RESULT + b"\n\n" + RESULT + b"\n", RESULT.replace(b"result", b"answer") + b"\n"),
        RESULT.replace(b"picky", b"square") + b"\n",
    ):
        file.write_bytes(content)
        with ThreadPoolExecutor(1) as threads:
            sentence = refusal(lambda: sweep.sweep(picky, sweep.grid(x=[1]), file, executor=threads, progress=False))
        assert re.fullmatch(r".*results\.jsonl .*; .* must .*", sentence)
        assert file.read_bytes() == content and list(tmp_path.iterdir()) == [file]


def test_a_sweep_that_cannot_write_on_keeps_what_is_whole(tmp_path, monkeypatch):
    calls = []

    def full_disk(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sweep.os, "fsync", full_disk)
    arguments = {"points": sweep.grid(x=[1, 3, 4, 5]), "file": tmp_path / "r.jsonl", "progress": False}
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(OSError, match="No space left"):
            sweep.sweep(picky, executor=threads, **arguments)
        assert all(json.loads(line)["function"] for line in (tmp_path / "r.jsonl").read_text().splitlines())
        assert sweep.sweep(picky, executor=threads, **arguments) == [1, 3, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]


def test_what_no_data_decide_is_refused_or_zero():
    """Inputs that never vary along a mode: no NaN, and no warning."""
    along_nothing = Task([[0.0, 1.0]], np.diag([1.0, 0.0]))
    assert "sigma_xx was zero along every mode; " in refusal(lambda: pretraining.consistency(along_nothing, rng=0))
    run = descent.tanh_descent([[1.0, 0.0]], [[1.0, 2.0]], [W2, W2], 0.1, 3)
    assert run.modes.shape == (4, 1) and run.modes.all()
    assert "sigma_xx had an eigenvalue below zero; " in refusal(lambda: Task(np.eye(2), [[1.0, 2.0], [2.0, 1.0]], 9.0))
