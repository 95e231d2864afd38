"""The page "Beyond Jupyter Book 1" counts what the sources use, and knows what each of it means."""

import json

import pytest

import beyond


def test_ties_are_counted():
    text = "::::{grid} 2\n:::{card} One\n\n```{admonition} Two\n{doc}`there` and {eq}`one`, not ``{ref}`this` ``\n"
    text += "```\n  ```{note}\n```python\n"
    assert beyond.directives(text) == {"{grid}": 1, "{card}": 1, "{admonition}": 1, "{note}": 1}
    assert beyond.roles(text) == {"{doc}": 1, "{eq}": 1}
    ties = beyond.ties()
    assert ties["{exercise-start}"] == ties["{exercise-end}"] == ties["{solution-start}"] == ties["{solution-end}"] > 40
    assert ties["captions in the metadata of a cell"] > 100 and ties["hide-input"] > 300 and ties["numpydoc"] == 1


def test_every_tie_has_its_counterpart_or_is_said_to_have_none():
    assert set(beyond.ties()) - set(beyond.INSTEAD) == set()


def test_every_step_of_the_extension_says_what_it_does():
    hooks = beyond.hooks()
    assert {"serve_scripts", "FoldsBelow", "complete_site"} <= set(hooks)
    assert [name for name, does in hooks.items() if not does.endswith(".")] == []


def test_what_mystmd_says_is_counted_by_kind_and_the_unknown_is_not_hidden():
    said = """⛔️ chapters/one.ipynb Gated node is not closed, expected a {solution-end} directive.
⚠️  chapters/one.md:9 Usage of the {doc} role is not recommended, use a markdown link to the file instead.
   For {doc}`two` use [](two)
⚠️  chapters/two.md:3 Usage of the {doc} role is not recommended, use a markdown link to the file instead.
⚠️  chapters/two.md A thing unheard of
"""
    assert beyond.kinds(said) == {
        "error: Gated node is not closed": 1,
        "warning: Usage of the {doc} role is not recommended": 2,
        "warning: chapters/two.md A thing unheard of": 1,
    }


def test_everything_that_mystmd_said_is_explained():
    tried = json.loads(beyond.RESULTS.read_text())
    assert {kind.partition(": ")[2] for kind in tried["says"]} <= set(beyond.SAYS)


@pytest.mark.slow
@pytest.mark.usefixtures("built")
def test_the_page_shows_the_counts_of_today():
    page = (beyond.ROOT / "_build/html/chapters/beyond.html").read_text()
    for tie, number in beyond.ties().items():
        shown = f'<span class="pre">{tie}</span></code>' if " " not in tie else f"{tie}"
        assert f"{shown}</p></td>\n<td><p>{number}</p></td>" in page, tie
