"""Each argument check of `dlnlib._checks`, once, with all kinds of bad values; its use is tested in test_bad_input."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from refusals import refusal

from dlnlib import Task, _checks, datasets, exact

NO_NUMBERS = ["two", "1.5", b"1", 1j, None, {}, object(), [1, "2"], [1, None], [[1], [1, 2]], [[1j]], 10**400, print]
NO_NUMBERS += [np.array([1, None]), np.array(["1"], object), np.array("2026-01-01", "datetime64[D]"), [object()]]
NO_NUMBERS += [torch.ones(3, device="meta"), torch.ones(2, dtype=torch.complex64)]
NOT_FINITE = [math.nan, math.inf, -math.inf, [1.0, math.nan], [[math.inf, 0.0]], torch.tensor([1.0, math.nan])]
NO_COUNTS = [0, -1, 2.5, 3.0, math.nan, math.inf, True, "3", 1j, None, [3], np.array([3]), np.float64(3)]
NO_SEEDS = [None, -1, 1.5, 1.0, True, "0", 1j, [0], np.random.RandomState(0), np.random.default_rng, np.random]
NO_FUNCTIONS = [None, "tanh", 1.0, math.tanh, lambda x: x[:3], lambda x: 1.0, lambda x: max(x, -x)]
ANY_RANK = [*NO_NUMBERS, *NOT_FINITE]
ONE, TWO = np.ones(1), np.ones((2, 2))
W1, W2 = np.full((2, 3), 0.1), np.full((2, 2), 0.1)  # layers from three inputs by two hidden units to two outputs


def chained(weights, **ndims):
    return _checks.chained(weights, 3, 2, **ndims)


def on_the_way(value):
    return _checks.on_the_way("it", np.array(value), np.array([0.1, 0.5]), np.array([1.0, 0.2]))


# A check of an argument called "it" (or what its name says), and all that it must refuse.
REFUSED = {
    "real": (lambda bad: _checks.real("it", bad), NO_NUMBERS),
    "finite": (lambda bad: _checks.finite("it", bad), ANY_RANK),
    "one finite number": (lambda bad: _checks.finite("it", bad, ndim=0), [*ANY_RANK, [], [1.0], TWO]),
    "a finite vector": (lambda bad: _checks.finite("it", bad, ndim=1), [*ANY_RANK, [], 1.0, TWO, np.ones((0, 2))]),
    "a finite matrix": (lambda bad: _checks.finite("it", bad, ndim=2), [*ANY_RANK, [], 1.0, ONE, TWO[None], TWO[:0]]),
    "squarable": (lambda bad: _checks.squarable("it", bad), [*ANY_RANK, 1e155, [1.0, -1e155]]),
    "a squarable matrix": (lambda bad: _checks.squarable("it", bad, ndim=2), [1.0, ONE, TWO[:0]]),
    "table": (lambda bad: _checks.table("it", bad), [*NO_NUMBERS[:-2], 1.0, [], ONE, TWO[None], TWO[:0], TWO[:, :0]]),
    "positive": (lambda bad: _checks.positive("it", bad), [*ANY_RANK, 0, -1, -0.0, [1.0, 0.0], [1.0, -1e-300]]),
    "one positive number": (lambda bad: _checks.positive("it", bad, ndim=0), [0, [], [1.0], TWO]),
    "between": (lambda bad: _checks.between("it", bad, 1, 2), [*NO_NUMBERS, math.nan, math.inf, 0.9, 2.1, [1.5], []]),
    "positive_int": (lambda bad: _checks.positive_int("it", bad), NO_COUNTS),
    "positive_int, of few": (lambda bad: _checks.positive_int("it", bad, 3), [*NO_COUNTS, 4, 10**400]),
    "each": (lambda bad: _checks.each("it", bad), [None, 5, 1.5, object(), print]),
    "instance": (lambda bad: _checks.instance("it", bad, str), [None, 5, b"text", str, ["text"]]),
    "one_of": (
        lambda bad: _checks.one_of("it", bad, ("train", "test")),
        [None, 0, "", "training", "Test", "tes", ["test"], np.array(["test"]), b"test", ("train", "test")],
    ),
    "path": (lambda bad: _checks.path("it", bad), [None, 5, 1.5, [], b"name"]),
    "broadcasting": (lambda bad: _checks.broadcasting(it=np.ones(2), other=bad), [np.ones(3), np.ones((3, 4))]),
    "chained": (
        lambda bad: chained(bad),
        [
            *[None, 5, "ab", W1, [], [None, W2], [W1, "b"], [W1, W2 * 1j], [W1, W2 * math.nan], [W1 * math.inf, W2]],
            *[[W2, W1], [W1, W1], [W1[:1]], [W1, W2[0]], [W1[:0], W2[:, :0]], [W1[:, :2], W2], [W1, W2[:1]]],
            [W1[None], W2[None]],
        ],
    ),
    "chained, with a batch": (lambda bad: chained(bad, ndims=(2, 3)), [[W2[None], W1], [W1, W2[None, None]]]),
    "two_layers": (
        lambda bad: _checks.two_layers("sigma_yx", *bad),
        [
            *[(W1, W1, W1), (W1, W2, W2), (W1, W1.T, W2), (W1, W1, W2[:1]), (W1, W1, W2[:, :1]), (W1, W1[0], W2)],
            *[(W1 * math.nan, W1, W2), (W1, W1 * math.nan, W2), (W1, W1, W2 * math.nan), (W1[0], W1, W2)],
        ],
    ),
    "generator": (_checks.generator, NO_SEEDS),
    "on_arrays": (lambda bad: _checks.on_arrays("it", bad), NO_FUNCTIONS),
    "odd": (_checks.odd, [*NO_FUNCTIONS, np.exp, np.cos, lambda x: x * math.nan, lambda x: np.tanh(x) + 1e-6]),
    "refuse": (lambda bad: _checks.refuse(np.array([False, bad]), "it", np.array(2.0), "smaller"), [True]),
    "at_least": (
        lambda bad: _checks.at_least("it", bad, 1, infinite=True),
        [*NO_NUMBERS, math.nan, 0.9, -math.inf, [1.0, 0.5]],
    ),
    "at_least, one number": (
        lambda bad: _checks.at_least("it", bad, 1, 0, infinite=True),
        [*NO_NUMBERS, math.nan, 0.9, [1.0]],
    ),
    "at_least, finite": (lambda bad: _checks.at_least("it", bad, 1), [*ANY_RANK, 0.9, [1.0, 0.5]]),
    "at_unit_variance": (
        lambda bad: _checks.at_unit_variance(*bad, it=ONE),
        [
            *[(0, 1, 1), (1, -1, 1), (1, 1, 0), (math.nan, 1, 1), (1, math.inf, 1), (1, 1, "1")],
            (np.ones(2), np.ones(3), 1),
        ],
    ),
    "on_the_way": (on_the_way, [0.05, [0.5, 0.6], [1.1, 0.3], [0.5, 0.19], [0.5, 0.5 + 1e-14]]),
}
CALLED = {"chained": "weights", "two_layers": "sigma_yx|w1|w2", "generator": "rng", "odd": "phi"}
CALLED |= {"at_unit_variance": "s|tau|input_variance"}


@pytest.mark.parametrize("kind", REFUSED)
def test_all_that_is_bad_is_refused_in_one_sentence_that_names_it(kind):
    check, bad_values = REFUSED[kind]
    name = CALLED.get(kind.partition(",")[0], "it")
    for bad in bad_values:
        sentence = refusal(lambda bad=bad: check(bad), repr(bad))
        words = sentence.partition(" had ")[0].partition(" was ")[0].partition(" held ")[0]
        assert "\n" not in sentence and "; " in sentence and len(sentence) < 300
        assert any(part in words for part in name.split("|")), sentence


def test_numbers_of_any_kind_are_numbers():
    for number in (
        *(True, 2, np.float32(2), np.uint8(2), Fraction(4, 2), 10**30, [Fraction(1, 2), 10**30], [], [[]]),
        *(torch.ones(3), torch.ones(3, requires_grad=True), torch.ones(2, dtype=torch.float16)),
        torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
    ):
        expected = number.tolist() if isinstance(number, torch.Tensor) else number
        for check in (_checks.real, _checks.finite):
            found = check("number", number)
            assert found.dtype == np.float64
            np.testing.assert_array_equal(found, np.asarray(expected, dtype=np.float64))
    assert _checks.positive_int("n", 3, 3) == 3 and "from 1 to 3" in refusal(lambda: _checks.positive_int("n", 4, 3))
    given = np.arange(3.0)
    assert _checks.finite("number", given, 1) is given  # not copied
    assert type(_checks.positive_int("n", np.int8(3))) is int and _checks.path("file", "a/b").name == "b"


def test_what_is_allowed_is_handed_back():
    assert _checks.at_least("t", [0, math.inf], 0, infinite=True).tolist() == [0, math.inf]
    assert _checks.at_least("t", math.inf, 0, 0, infinite=True) == math.inf and _checks.at_least("t", 1, 1) == 1
    assert _checks.squarable("x", [-1e150]).tolist() == [-1e150] and _checks.positive("x", 5e-324) == 5e-324
    assert [name for name, _ in _checks.each("layer", "ab")] == ["layer[0]", "layer[1]"]
    assert _checks.one_of("split", "test", iter(["train", "test"])) == "test" and _checks.odd(np.tanh) is np.tanh
    table = torch.ones((2, 3), requires_grad=True)
    assert _checks.table("x", table).shape == (2, 3) and _checks.table("x", [[1, 2]]).tolist() == [[1, 2]]
    assert "x[:, None] for one number an example" in refusal(lambda: _checks.table("x", [1.0, 2.0]))
    assert [w.shape for w in chained([W1[None], W2], ndims=(2, 3))] == [(1, 2, 3), (2, 2)]
    assert [array.tolist() for array in _checks.at_unit_variance([1.0, 3.0], 1.0, 2.0)] == [[0.5, 1.5], 0.5]
    assert type(_checks.unwrap(np.array(2.0))) is float and _checks.unwrap(ONE) is ONE
    state = np.random.default_rng(0)
    assert _checks.generator(state) is state and _checks.generator(np.int64(3)).random() != state.random()
    _checks.broadcasting(s=np.ones((2, 1)), t=np.ones(3), u=np.array(1.0))


def test_a_covariance_is_as_symmetric_as_a_task_asks():
    """Rounding is judged by the largest entry: small ones of an inverse are off by much of themselves."""
    inverse = np.linalg.inv(0.9 ** np.abs(np.subtract.outer(range(20), range(20))))
    for matrix in (inverse, np.array([[4.0, 0.9 * 4e-8], [0, 1]])):
        found = _checks.positive_definite("it", matrix)
        assert (found == found.T).all() and np.abs(found - matrix).max() <= 5e-9 * np.abs(matrix).max()
        assert datasets.in_context(matrix, 5).n_out and exact.attention_modes(matrix, 5) and Task(matrix, matrix)
    skew = np.array([[4.0, 1.1 * 4e-8], [0, 1]])
    assert "it was" in refusal(lambda: _checks.positive_definite("it", skew))
    assert "sigma_xx was" in refusal(lambda: Task(skew, skew))


def test_what_rounding_put_beside_the_way_is_on_it():
    eps = np.finfo(float).eps
    found = on_the_way([1 + 2 * eps, 0.2 * (1 - eps)])
    assert found.tolist() == [1.0, 0.2] and on_the_way([0.1, 0.5]).tolist() == [0.1, 0.5]


def test_messages_show_what_was_given_on_one_line_and_not_all_of_it():
    assert _checks.shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
    assert len(_checks.shown("x" * 1000)) == 80 and _checks.shown("x" * 1000).endswith("x...")
    assert _checks.shown("x" * 78) == repr("x" * 78)
    assert "s was -3; it must be smaller" in refusal(
        lambda: _checks.refuse(np.array([False, True, True]), "s", np.array([1.0, -3.0, -4.0]), "smaller")
    )
