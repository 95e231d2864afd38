"""How refusals are tested: a `ValueError`, of one sentence that says what was given and what is allowed."""

import re

import pytest


def refusal(call):
    """Return the sentence with which a call is refused."""
    with pytest.raises(ValueError) as raised:
        call()
    assert raised.type is ValueError
    return str(raised.value)


def assert_refused(*cases):
    """Each call is refused, in words that match the pattern beside it."""
    for call, pattern in cases:
        print(pattern)  # pytest shows it if the call is not refused
        sentence = refusal(call)
        assert re.search(pattern, sentence), sentence
