"""How refusals are tested: a `ValueError`, of one sentence that says what was given and what is allowed."""

import re


def refusal(call, of="a bad argument"):
    """Return the sentence with which a call is refused; `of` says in a failure what was not."""
    try:
        call()
    except Exception as error:
        assert type(error) is ValueError, f"{of} was answered by {error!r}"
        return str(error)
    raise AssertionError(f"{of} was not refused")


def assert_refused(*cases):
    """Each call is refused, in words that match the pattern beside it."""
    for call, pattern in cases:
        sentence = refusal(call, pattern)
        assert re.search(pattern, sentence), f"{sentence!r} lacks {pattern!r}"
