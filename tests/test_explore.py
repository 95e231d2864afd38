"""`explore`: every combination of slider positions shows the frame drawn for those values."""

import base64
import html.parser
import itertools
import math
import re
import struct
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zlib

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from dlnlib.explore import InteractiveFigure, explore, format_value

GRIDS = {
    "u0": {"u0": [0.001, 0.1, 1.0, 2.0]},
    "depth, u0": {"depth": [1, 2, math.inf], "u0": [0.001, 0.1]},
    "s, depth, u0": {"s": ["weak%41", "<strong>"], "depth": [1, 2, math.inf], "u0": [1e-6, 0.1]},
}


@pytest.fixture(autouse=True)
def no_figures_open():
    plt.close("all")


def draw(**settings):
    """A figure that carries its settings in the id of its text and in its width."""
    _, ax = plt.subplots(figsize=(width(settings), 1))
    ax.set_axis_off()
    ax.plot([0, 1, 2], [0, 3, 1], "o--")
    ax.text(0, 0, "a <b> & 'c' \"d\" 100% #1").set_gid(frame_id(settings))


def frame_id(settings):
    return ";".join(f"{name}={value}" for name, value in settings.items())


def width(settings):
    return 1 + zlib.crc32(frame_id(settings).encode()) % 101 / 50


class Image(html.parser.HTMLParser):
    """The one image of a frame, as a browser reads it."""

    def __init__(self, frame):
        super().__init__()
        self.found = []
        self.feed(frame.value)
        ((self.tag, attributes),) = self.found
        self.alt = attributes["alt"]
        kind, data = attributes["src"].split(",", 1)
        assert kind == "data:image/svg+xml" and "#" not in data and self.tag == "img"
        self.original = ElementTree.fromstring(urllib.parse.unquote(data))
        self.svg = ElementTree.fromstring(urllib.parse.unquote(data.replace("\n", "")))  # browsers drop line ends

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def ids(self):
        return {element.get("id") for element in self.svg.iter()}


@pytest.fixture
def links(monkeypatch):
    """The links that `explore` makes, as ((source, trait), (target, trait)) pairs."""
    made, link = [], ipywidgets.jslink
    monkeypatch.setattr(ipywidgets, "jslink", lambda *ends: made.append(ends) or link(*ends))
    return made


def parts(figure):
    *sliders, root = figure.children
    return sliders, root


def shown(root):
    """Walk down the selected children to the frame that a reader sees."""
    depth = 0
    while isinstance(root, ipywidgets.Stack):
        root, depth = root.children[root.selected_index], depth + 1
    return root, depth


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_sliders_lead_to_the_frame_of_their_values(grids, links):
    figure = explore(draw, alt="A test.", **grids)
    sliders, root = parts(figure)
    assert [slider.description for slider in sliders] == list(grids)
    for indices in itertools.product(*(range(len(grid)) for grid in grids.values())):
        for (slider, source_trait), (stack, target_trait) in links:
            assert (source_trait, target_trait) == ("index", "selected_index")
            stack.selected_index = indices[sliders.index(slider)]
        values = {name: grid[i] for (name, grid), i in zip(grids.items(), indices, strict=True)}
        frame, depth = shown(root)
        assert depth == len(grids) and frame_id(values) in Image(frame).ids()
        assert all(
            slider.options[i][0] == format_value(value)
            for slider, i, value in zip(sliders, indices, values.values(), strict=True)
        )


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_one_frame_for_each_combination_and_no_figure_left_open(grids):
    mine, drawn = plt.figure(), []

    def counted(**settings):
        drawn.append(frame_id(settings))
        draw(**settings)

    _, root = parts(explore(counted, alt="A test.", **grids))
    frames = [root]
    while isinstance(frames[0], ipywidgets.Stack):
        frames = [child for stack in frames for child in stack.children]
    combinations = [dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())]
    assert len(frames) == len(combinations) and sorted(drawn) == sorted(map(frame_id, combinations))
    assert plt.get_fignums() == [mine.number]
    plt.close(mine)


def test_a_figure_of_the_user_is_never_taken_and_none_is_left_when_draw_fails():
    mine = plt.figure()
    for made, times in (("0", 0), ("2", 2)):
        with pytest.raises(ValueError, match=f"draw made {made} figures at .*x.*; it must make one new figure"):
            explore(lambda x, times=times: [plt.figure() for _ in range(times)], alt="A test.", x=[1])
        assert plt.get_fignums() == [mine.number]

    def failing(x):
        plt.figure()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explore(failing, alt="A test.", x=[1])
    assert plt.get_fignums() == [mine.number]
    plt.close(mine)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (None, {"depth": 2, "u0": 0.1}),
        ({"depth": math.inf}, {"depth": math.inf, "u0": 0.1}),
        ({"u0": 0.001, "depth": 1}, {"depth": 1, "u0": 0.001}),
    ],
)
def test_starts_at_the_start_also_without_widgets(start, expected):
    grids = GRIDS["depth, u0"]
    figure = explore(draw, alt="A test.", start=start, **grids)
    sliders, root = parts(figure)
    assert [slider.index for slider in sliders] == [grids[name].index(value) for name, value in expected.items()]
    assert frame_id(expected) in Image(shown(root)[0]).ids()
    bundle = figure._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle and "A test." in bundle["text/plain"]
    png = base64.b64decode(bundle["image/png"])
    pixels_wide, pixels_high = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG") and abs(pixels_wide / pixels_high - width(expected)) < 0.011


def test_the_alternative_text_says_what_is_shown_and_where():
    alt = 'Is "a < b" & so on?'
    figure = explore(draw, alt=alt, **GRIDS["depth, u0"], start={"depth": math.inf})
    assert Image(shown(parts(figure)[1])[0]).alt == f"{alt} (depth = ∞, u0 = 0.1)"
    assert repr(figure) == f"Interactive figure: {alt}" and isinstance(figure, InteractiveFigure)
    named = explore(draw, alt=alt, **{"b": ["<x>", 'y"']}, start={"b": 'y"'})
    assert Image(shown(parts(named)[1])[0]).alt == f'{alt} (b = y")'


def test_labels_name_the_sliders():
    sliders, _ = parts(explore(draw, alt="A test.", labels={"u0": "start u₀"}, **GRIDS["depth, u0"]))
    assert [slider.description for slider in sliders] == ["depth", "start u₀"]


@pytest.mark.parametrize("name", ["depth", "u0"])
def test_time_gets_buttons_that_move_its_slider_through_all_values(name, links):
    grids = GRIDS["depth, u0"]
    figure = explore(draw, alt="A test.", start={"depth": math.inf}, play=name, **grids)
    (player,) = (child for child in figure.children if isinstance(child, ipywidgets.Play))
    slider = figure.children[figure.children.index(player) - 1]
    assert slider.description == name
    assert ((player, "value"), (slider, "index")) in links
    assert (player.min, player.max, player.value) == (0, len(grids[name]) - 1, slider.index)
    assert not any(isinstance(child, ipywidgets.Play) for child in explore(draw, alt="A test.", **grids).children)


def test_frames_lose_nothing_when_browsers_drop_the_line_ends_of_addresses():
    image = Image(shown(parts(explore(draw, alt="A test.", u0=[0.1]))[1])[0])
    for element, original in zip(image.svg.iter(), image.original.iter(), strict=True):
        assert element.tag == original.tag and element.keys() == original.keys()
        for name, text in element.items():
            # In a path a letter may touch what stands before it, as in M1 2L3 4zM5 6.
            tokens = re.compile(r"[a-zA-Z]|[-+.\d]+" if name == "d" else r"\S+")
            assert tokens.findall(text) == tokens.findall(original.get(name))


def test_frames_are_the_same_in_every_build():
    first, second = (explore(draw, alt="A test.", u0=[0.1]) for _ in range(2))
    assert shown(parts(first)[1])[0].value == shown(parts(second)[1])[0].value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (1e-6, "1e-06"), (2.0, "2"), (math.inf, "∞"), (-math.inf, "-inf"), (3, "3"), ("rich", "rich")],
)
def test_values_are_written_as_a_reader_would(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"explore was given 0 parameters; it takes one to three"),
        ({name: [1] for name in "abcd"}, r"explore was given 4 parameters"),
        ({"a": [1], "b": []}, r"the grid of b was empty; it must hold at least one value"),
        ({"a": [1], "b": [np.arange(2)]}, r"the grid of b held an array; a slider has single values"),
        ({"a": [1, 2], "start": {"a": np.arange(2)}}, r"start\['a'\] was array\(\[0, 1\]\); it must be one of"),
        ({"a": [1, 2], "start": {"a": 3}}, r"start\['a'\] was 3; it must be one of the values of its grid, \[1, 2\]"),
        ({"a": [1, 2], "start": {"b": 1}}, r"start, labels or play named 'b'; the parameters are \['a'\]"),
        ({"a": [1, 2], "labels": {"c": "C"}}, r"start, labels or play named 'c'; the parameters are \['a'\]"),
        ({"a": [1, 2], "play": "t"}, r"start, labels or play named 't'; the parameters are \['a'\]"),
    ],
)
def test_bad_grids_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        explore(draw, alt="A test.", **options)
    assert plt.get_fignums() == []


def test_a_figure_laid_out_by_hand_stays_so(monkeypatch):
    monkeypatch.setitem(plt.rcParams, "figure.constrained_layout.use", True)
    drawn = []

    def by_hand(x):
        drawn.append(plt.subplots(layout="none"))

    explore(by_hand, alt="An empty frame.", x=[1])
    figure, _ = drawn[0]
    assert figure.get_layout_engine() is None
