"""Every argument of the core is checked under its own name, and means by default what the signature says."""

import math

import numpy as np
import pytest

from dlnlib import Task, descent, exact, isometry, pretraining, reduction, stability

NAN, EYE = math.nan, np.eye(2)
TASK = Task(np.diag([2.0, 1.0]), np.diag([1.0, 2.0]))
START = [0.1 * EYE, 0.1 * EYE]
MODE = {"s": 1.0, "u0": 0.1, "depth": 3, "tau": 1.0, "input_variance": 1.0}
PAIR = {"s": 1.0, "a0": 0.3, "b0": 0.2, "tau": 1.0, "input_variance": 1.0}
SCALES = {"depth": [NAN, 0.5], "tau": [NAN, 0.0], "input_variance": [NAN, 0.0], "s": [NAN, 0.0], "u0": [NAN, 0.0]}
ONE_MODE = {name: SCALES[name] for name in ("s", "tau", "input_variance")}
MATRICES = {"sigma_yx": [NAN * EYE, [1.0, 2.0]], "w1": [NAN * EYE, [1.0, 2.0]], "w2": [NAN * EYE, [1.0, 2.0]]}
BALANCED = {"sigma_yx": EYE, "w1": START[0], "w2": START[1]}
COUNTS = [0, 1.5, True]

# A function, arguments that it takes, and for each name what it must refuse.
CASES = [
    (exact.mode_strength, {"t": 1.0, **MODE}, {"t": [NAN, -1.0], **SCALES}),
    (exact.learning_time, {"u": 0.5, **MODE}, {"u": [NAN, 0.0, 2.0], **SCALES}),
    (exact.half_time, MODE, {**SCALES, "u0": [NAN, 0.0, 0.5]}),
    (exact.unbalanced_mode, {"t": 1.0, **PAIR}, {"t": [NAN, -1.0], "a0": [NAN], "b0": [NAN], **ONE_MODE}),
    (exact.unbalanced_time, {"u": 0.5, **PAIR}, {"u": [NAN, 0.0, 2.0], "a0": [NAN], "b0": [NAN], **ONE_MODE}),
    (
        exact.layered_mode,
        {"t": 1.0, "s": 1.0, "layers0": [0.1, 0.2], "tau": 1.0, "input_variance": 1.0},
        {
            "t": [NAN, -1.0],
            "layers0": [[NAN], [], [[0.1, 0.2]]],
            **{name: [*bad, [1.0, 1.0]] for name, bad in ONE_MODE.items()},
        },
    ),
    (
        exact.balanced_flow,
        {"t": 1.0, **BALANCED, "tau": 1.0},
        {"t": [NAN, -1.0, math.inf], "tau": [NAN, 0.0], **MATRICES},
    ),
    (exact.hessian, BALANCED, MATRICES),
    (
        lambda sigma_yx, hidden: exact.critical_families(sigma_yx, hidden),
        {"sigma_yx": EYE, "hidden": 1},
        {"sigma_yx": [NAN * EYE, [1.0, -1.0], 1.0], "hidden": COUNTS},
    ),
    (
        lambda sigma_yx, kept, hidden: exact.critical_point(sigma_yx, kept, hidden),
        {"sigma_yx": EYE, "kept": [0], "hidden": 1},
        {"sigma_yx": [NAN * EYE, [1.0, -1.0], 1.0], "kept": [[0, 1], [2], [-1]], "hidden": COUNTS},
    ),
    (
        Task,
        {"sigma_yx": EYE, "sigma_xx": EYE, "trace_yy": 2.0, "n_examples": 3},
        {
            "sigma_yx": [NAN * EYE, [1.0]],
            "sigma_xx": [NAN * EYE, [1.0], np.eye(3), np.ones((2, 3)), [[1.0, 0.1], [0.05, 1.0]]],
            "trace_yy": [NAN, [1.0], -1.0],
            "n_examples": COUNTS,
        },
    ),
    (Task.from_samples, {"x": EYE, "y": EYE}, {"x": [NAN * EYE, [1.0], np.eye(3)], "y": [NAN * EYE, [1.0]]}),
    (TASK.loss, {"w": EYE}, {"w": [NAN * EYE, np.ones((2, 3))]}),
    (TASK.with_inputs, {"linear_map": EYE}, {"linear_map": [NAN * EYE, [1.0, 2.0], np.ones((2, 3))]}),
    (
        descent.gradient_descent,
        {"task": TASK, "weights": START, "learning_rate": 0.1, "steps": 2, "record_every": 1, "stop_below": 0.1},
        {
            "weights": [[], [NAN * EYE, EYE], [EYE, np.ones((3, 2))]],
            "learning_rate": [NAN, 0.0, [[0.1]]],
            "steps": COUNTS,
            "record_every": COUNTS,
            "stop_below": [NAN, 0.0, [0.1]],
        },
    ),
    (
        descent.tanh_descent,
        {"x": EYE, "y": EYE, "weights": START, "learning_rate": 0.1, "steps": 2, "record_every": 1, "stop_below": 0.1},
        {
            "x": [NAN * EYE, [1.0]],
            "y": [NAN * EYE, [1.0]],
            "weights": [[], [NAN * EYE, EYE], [EYE, np.ones((3, 2))]],
            "learning_rate": [NAN, 0.0, [[0.1]]],
            "steps": COUNTS,
            "record_every": COUNTS,
            "stop_below": [NAN, 0.0, [0.1]],
        },
    ),
    (
        reduction.reduce,
        {"task": TASK, "weights": START, "tolerance": 1e-9},
        {"weights": [[], [NAN * EYE, EYE], [EYE, np.ones((3, 2))]], "tolerance": [NAN, 0.0, [0.1]]},
    ),
    (reduction.reduce(TASK, START).lift, {"weights": START}, {"weights": [[], [NAN * EYE, EYE], [EYE, np.eye(3)]]}),
    (
        reduction.reduce_outputs,
        {"task": TASK, "weights": START},
        {"weights": [[], [NAN * EYE, EYE], [EYE, np.ones((3, 2))]]},
    ),
    (
        stability.curvature,
        {"u": 0.5, "s": 1.0, "depth": 2},
        {"u": [NAN, 0.0], "s": [NAN, 0.0], "depth": [NAN, 0.5, math.inf]},
    ),
    (stability.best_learning_rate, {"s": 1.0, "depth": 2}, {"s": [NAN, 0.0], "depth": [NAN, 0.5, math.inf]}),
    (
        stability.steps_to_learn,
        {"u": 0.5, "s": 1.0, "u0": 0.1, "depth": 2, "fraction": 1.0},
        {"u": [NAN, 0.0, 2.0], "s": [NAN, 0.0], "u0": [NAN, 0.0], "depth": [NAN, 0.5], "fraction": [NAN, 0.0]},
    ),
    (
        pretraining.greedy,
        {"task": TASK, "widths": [2, 1], "rng": 0, "left": 0.5, "fraction": 0.5, "max_steps": 10**4},
        {
            "widths": [[2], [3, 1], [2, 0]],
            "rng": [None, -1],
            "left": [NAN, 0.0, 1.0, [0.5]],
            "fraction": [NAN, 0.0, 1.0, [0.5]],
            "max_steps": [*COUNTS, 1],
        },
    ),
    (pretraining.limit, {"task": TASK, "widths": [2, 1], "rng": 0}, {"widths": [[2], [3, 1], [2, 0]], "rng": [None]}),
    (pretraining.consistency, {"task": TASK, "draws": 2, "rng": 0}, {"draws": COUNTS, "rng": [None, -1]}),
    (
        isometry.random_factors,
        {"width": 2, "n": 1, "rng": 0, "kind": "gaussian"},
        {"width": COUNTS, "n": COUNTS, "rng": [None, -1], "kind": ["cauchy"]},
    ),
    (isometry.log_singular_values, {"factors": [EYE, EYE]}, {"factors": [[], [NAN * EYE], [np.ones((2, 3))], [[1.0]]]}),
    (isometry.fuss_catalan_density, {"x": 1.0, "n": 2}, {"x": [NAN], "n": COUNTS}),
    (isometry.fuss_catalan_cdf, {"x": 1.0, "n": 2}, {"x": [NAN], "n": COUNTS}),
    (isometry.fuss_catalan_moment, {"k": 2, "n": 2}, {"k": COUNTS, "n": COUNTS}),
    (isometry.eigenvalue_cdf, {"r": 0.5, "n": 2}, {"r": [NAN], "n": COUNTS}),
    (isometry.eigenvalues_in_square, {"side": 0.5, "n": 2}, {"side": [NAN, 0.0, [0.5]], "n": COUNTS}),
    (isometry.lyapunov_exponents, {"width": 2}, {"width": COUNTS}),
]


@pytest.mark.parametrize(("call", "good", "bad"), CASES)
def test_every_argument_is_refused_under_its_name(call, good, bad):
    call(**good)
    for name, values in bad.items():
        for value in values:
            with pytest.raises(ValueError, match=rf"^{name}(\[\d\])? (was|were|had|held) "):
                call(**{**good, name: value})


@pytest.mark.parametrize(
    ("call", "given", "default"),
    [
        (exact.mode_strength, {"t": 1.0, "s": 1.5, "u0": 0.1}, {"depth": 2, "tau": 1.0, "input_variance": 1.0}),
        (exact.learning_time, {"u": 0.7, "s": 1.5, "u0": 0.1}, {"depth": 2, "tau": 1.0, "input_variance": 1.0}),
        (exact.half_time, {"s": 1.5, "u0": 0.1}, {"depth": 2, "tau": 1.0, "input_variance": 1.0}),
        (exact.unbalanced_mode, {"t": 1.0, "s": 1.5, "a0": 0.1, "b0": 0.3}, {"tau": 1.0, "input_variance": 1.0}),
        (exact.unbalanced_time, {"u": 0.7, "s": 1.5, "a0": 0.1, "b0": 0.3}, {"tau": 1.0, "input_variance": 1.0}),
        (exact.layered_mode, {"t": 1.0, "s": 1.5, "layers0": [0.1, 0.3]}, {"tau": 1.0, "input_variance": 1.0}),
        (lambda **options: exact.balanced_flow(1.0, **BALANCED, **options).gram, {}, {"tau": 1.0}),
        (stability.steps_to_learn, {"u": 0.7, "s": 1.5, "u0": 0.1}, {"depth": 2, "fraction": 1.0}),
        (lambda **options: list(isometry.random_factors(3, 2, rng=0, **options)), {}, {"kind": "gaussian"}),
        (lambda **options: pretraining.consistency(TASK, rng=0, **options).null, {}, {"draws": 1000}),
        (
            lambda **options: pretraining.greedy(TASK, [2, 1], rng=0, **options).weights[0],
            {},
            {"left": 0.01, "fraction": 0.5, "scale": 0.01},
        ),
        (
            lambda **options: descent.gradient_descent(TASK, START, 0.1, 5, **options).loss,
            {},
            {"record_every": 1, "race": False, "stop_below": None},
        ),
        (
            lambda **options: descent.tanh_descent(EYE, EYE, START, 0.1, 5, **options).loss,
            {},
            {"record_every": 1, "stop_below": None},
        ),
    ],
)
def test_defaults_are_those_of_the_signature(call, given, default):
    with_defaults = np.asarray(call(**given))
    for name, value in default.items():
        np.testing.assert_array_equal(call(**given, **{name: value}), with_defaults)


def test_a_start_is_copied_and_its_history_dropped_unless_told():
    start = [w.copy() for w in START]
    run = descent.gradient_descent(TASK, start, 0.1, 5)
    assert run.history is None and run.test_loss is None
    np.testing.assert_array_equal(start, START)
    assert descent.tanh_descent(EYE, EYE, START, 0.1, 5).history is None
