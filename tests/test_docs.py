"""Every public name of `dlnlib` has an example."""

import inspect
from functools import cached_property

from test_bad_input import public_callables


def documented():
    """Yield the full name and the docstring of each public function, class, method and property."""
    for thing in public_callables():
        yield (
            f"{thing.__module__}.{thing.__qualname__}",
            inspect.getdoc(thing),
        )  # of a method, perhaps that it overrides
        if inspect.isclass(thing):
            for name, member in vars(thing).items():
                if isinstance(member, (property, cached_property)) and not name.startswith("_"):
                    yield f"{thing.__module__}.{thing.__qualname__}.{name}", member.__doc__


def test_every_public_name_has_an_example():
    docs = dict(documented())
    for name in ("dlnlib.exact.mode.half_time", "dlnlib.task.Task.modes", "dlnlib.task.Task.loss"):
        assert name in docs
    assert [name for name, doc in docs.items() if "\n>>> " not in inspect.cleandoc(doc or "")] == []
    assert [name for name, doc in docs.items() if "doctest: +SKIP" in doc] == []
