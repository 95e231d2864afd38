"""Arguments mean by default what the signature says, and a start is left alone."""

import numpy as np
import pytest

from dlnlib import Task, descent, exact, initialization, pretraining, stability

EYE = np.eye(2)
TASK = Task(np.diag([2.0, 1.0]), np.diag([1.0, 2.0]))
START = [0.1 * EYE, 0.1 * EYE]
BALANCED = {"task_or_sigma_yx": EYE, "w1": START[0], "w2": START[1]}


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
        (lambda **options: list(initialization.random_factors(3, 2, rng=0, **options)), {}, {"kind": "gaussian"}),
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
