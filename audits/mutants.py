"""Are the tests sharp? Break the library in thousands of small ways, and list the breaks that no fast test notices.

`make mutants` calls this. It is mutmut with its own command line (`run`, `results`, `show NAME`), on properties too,
which mutmut leaves alone, and with tests collected once: each mutant is tested in a fork of this process, which has
imported everything. `score` tells how many were caught, and fails below 95 %.
"""

from __future__ import annotations

import collections
import functools
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from _pytest.config import get_config
from mutmut.__main__ import cli
from mutmut.mutation import file_mutation
from mutmut.runners.harness import PytestRunner
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import change_cwd

LEAST = 0.95

_skip, _arrange = file_mutation.MutationVisitor._skip_node_and_children, file_mutation.function_trampoline_arrangement
_removes = file_mutation.MutationVisitor._removes_ignored_code


def _bare(node: cst.CSTNode) -> Any:
    """Return a property without its decorator, anything else as it is."""
    names = [d.decorator.value for d in getattr(node, "decorators", ()) if isinstance(d.decorator, cst.Name)]
    if isinstance(node, cst.FunctionDef) and names in (["property"], ["cached_property"]):
        return node.with_changes(decorators=())
    return node


def _arrange_bare(function: cst.FunctionDef, mutants: Iterable[Any], class_name: str | None) -> Sequence[Any]:
    """Decorate the function that chooses among the mutants, and not the mutants."""
    bare = _bare(function)
    before, methods, after, names = _arrange(bare, mutants, class_name)
    if bare is not function:
        methods = [methods[0].with_changes(decorators=[*function.decorators, *methods[0].decorators]), *methods[1:]]
    return before, methods, after, names


@functools.cache
def _session(arguments: tuple[str, ...]) -> pytest.Session:
    """Return a pytest session that has collected its tests, and stays open."""
    config = get_config()
    config.parse(["--rootdir=.", "--tb=native", "--capture=no", "--quiet", *arguments])
    from hypothesis import Phase, settings  # not earlier: pytest must be the first to import its plugins

    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])  # any failure will do
    settings.load_profile("mutants")
    config._do_configure()
    session = pytest.Session.from_config(config)
    config.hook.pytest_sessionstart(session=session)
    config.hook.pytest_collection(session=session)
    return session


def _run_collected(self: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Run these tests, of which mutmut names the fastest first, up to one that fails; return pytest's exit code."""
    with change_cwd("mutants"):
        session = _session((*self._pytest_add_cli_args, *self._pytest_add_cli_args_test_selection))
        session.testsfailed = 0  # of the run that mutmut forces to fail
        items = {item.nodeid: item for item in session.items}
        for test in tests or items:
            items[test].ihook.pytest_runtest_protocol(item=items[test], nextitem=None)
            if session.testsfailed:
                return 1
    return 0


def _is_wording(node: cst.CSTNode) -> bool:
    """Whether this is a sentence: that errors name their arguments is tested, not how they go on."""
    return isinstance(node, cst.SimpleString | cst.FormattedString) and " " in cst.Module([]).code_for_node(node)


def _is_guard(node: cst.CSTNode) -> bool:
    """Whether this is `strict=True`, which guards against slips of ours that no test can make."""
    return isinstance(node, cst.Arg) and node.keyword is not None and node.keyword.value == "strict"


def _guards_only(node: cst.CSTNode, mutated: cst.CSTNode) -> bool:
    """Whether the mutant only lacks such a guard."""
    before, after = (re.sub(r",?\s*(strict=\w+|(?=\)))", "", cst.Module([]).code_for_node(n)) for n in (node, mutated))
    return before == after


file_mutation.MutationVisitor._skip_node_and_children = lambda self, node: (
    _is_wording(node) or _is_guard(node) or _skip(self, _bare(node))
)
file_mutation.MutationVisitor._removes_ignored_code = lambda self, node, mutated: (
    _guards_only(node, mutated) or _removes(self, node, mutated)
)
file_mutation.function_trampoline_arrangement = _arrange_bare
PytestRunner.run_tests = _run_collected


def score() -> int:
    """Print how many of the mutants of each module were caught; return 1 if they are too few."""
    caught, tried = collections.Counter[str](), collections.Counter[str]()
    for file in Path("mutants").rglob("*.meta"):
        for code in json.loads(file.read_text())["exit_code_by_key"].values():
            if code is not None:
                module = file.stem
                tried[module] += 1
                caught[module] += status_by_exit_code[code] in ("killed", "timeout", "segfault")
    for module in sorted(tried):
        print(f"{module:22s} {caught[module]:5d} of {tried[module]:5d}")
    share = caught.total() / tried.total()
    print(f"{'all':22s} {caught.total():5d} of {tried.total():5d}: {100 * share:.1f} %")
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(score() if sys.argv[1:] == ["score"] else cli())
