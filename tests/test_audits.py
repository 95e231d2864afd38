"""Slips are planted where they belong, whatever local variables are called."""

import ast
import itertools
import tomllib

import pytest

import faults

CODE = """
def area(width, height):
    half = width / 2  # a comment
    scale = 3
    return half * height + math.pi * scale / 2
"""


def planted(old, new, code=CODE):
    tree = ast.parse(code)
    faults.planted({"slip": "a slip", "old": old, "new": new}, [tree], [tree])
    return ast.unparse(tree)


def test_local_names_and_layout_do_not_matter():
    old, new = "half*height", "half - height"
    assert "return half - height + math.pi" in planted(old, new)
    assert "return h - b + math.pi" in planted(old, new, CODE.replace("half", "h").replace("height", "b"))


def test_statements_change_places():
    (function,) = ast.parse(CODE).body
    function.body[:2] = function.body[1::-1]
    assert planted("half = width / 2\nscale = 3", "scale = 3\nhalf = width / 2") == ast.unparse(function)


@pytest.mark.parametrize("old", ["half * half", "cmath.pi * scale", "width / 3", "half = width / 2\nhalf = 3"])
def test_a_slip_that_has_no_place_is_told(old):
    with pytest.raises(SystemExit, match=r"“a slip”: .* occurs 0 times, not once"):
        planted(old, "1")


def test_of_many_places_the_one_with_these_names_is_meant():
    code = "def f(x, y):\n    return x + y, y + x"
    assert planted("y + x", "0", code).endswith("return (x + y, 0)")
    with pytest.raises(SystemExit, match="occurs 2 times"):
        planted("a + b", "0", code)


@pytest.mark.slow
def test_each_slip_of_the_table_has_its_place():
    table = tomllib.loads(faults.TABLE.read_text(encoding="utf-8"))
    faults.find_places(itertools.chain.from_iterable(table.values()))
