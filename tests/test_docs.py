"""Every public name of `dlnlib` has an example; and the lists of faults and mutants follow the code they are about."""

import inspect
import re
import tomllib
from functools import cached_property
from pathlib import Path

from test_bad_input import public_callables

ROOT = Path(__file__).resolve().parent.parent


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


def test_every_fault_has_exactly_one_place():
    """A row of `make faults` must follow the code that it breaks: the whole run takes half an hour, this no time."""
    table = tomllib.loads((ROOT / "tests/faults.toml").read_text(encoding="utf-8"))
    assert {chapter: len(faults) for chapter, faults in table.items()} == dict.fromkeys(table, 10)
    stale = [
        fault["slip"]
        for fault in (fault for faults in table.values() for fault in faults)
        if (ROOT / fault["file"]).read_text(encoding="utf-8").count(fault["old"]) != 1
    ]
    assert stale == []


def test_every_mutant_that_is_explained_is_one_of_this_code():
    text = (ROOT / "tests/mutants.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+\.py)`, `[^|]+` \| (.+) \| [^|]+ \|$", text, re.MULTILINE)
    stale = [
        f"{file}: {old}"
        for file, mutations in rows
        for old in re.findall(r"`([^`]+)` to `[^`]*`", mutations.replace("\\|", "|"))
        if old not in " ".join((ROOT / "dlnlib" / file).read_text(encoding="utf-8").split())
    ]
    assert len(rows) > 40 and stale == []
