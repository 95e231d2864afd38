"""`explore`: every combination of slider positions shows the frame drawn for those values."""

import base64
import io
import itertools
import math
import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib

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
    ax.text(0, 0, "a <b> & 'c' \"d\" 100% #1", clip_on=True).set_gid(frame_id(settings))


def frame_id(settings):
    return ";".join(f"{name}={value}" for name, value in settings.items())


def width(settings):
    return 1 + zlib.crc32(frame_id(settings).encode()) % 101 / 50


def frame(figure, settings):
    """The frame that a browser puts together for these settings, as frames.js does."""
    number = 0
    for parameter in figure.data["parameters"]:
        number = number * len(parameter["values"]) + settings[parameter["name"]]
    runs = figure.data["frames"][number]
    return "".join(element for first, count in runs for element in figure.data["elements"][first : first + count])


def ids(svg):
    return {element.get("id") for element in ElementTree.fromstring(svg).iter()}


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_sliders_lead_to_the_frame_of_their_values(grids):
    figure = explore(draw, alt="A test.", **grids)
    assert [parameter["name"] for parameter in figure.data["parameters"]] == list(grids)
    for indices in itertools.product(*(range(len(grid)) for grid in grids.values())):
        values = {name: grid[i] for (name, grid), i in zip(grids.items(), indices, strict=True)}
        assert frame_id(values) in ids(frame(figure, dict(zip(grids, indices, strict=True))))
        assert [
            parameter["values"][i] for parameter, i in zip(figure.data["parameters"], indices, strict=True)
        ] == list(map(format_value, values.values()))


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_one_frame_for_each_combination_and_no_figure_left_open(grids):
    mine, drawn = plt.figure(), []

    def counted(**settings):
        drawn.append(frame_id(settings))
        draw(**settings)

    figure = explore(counted, alt="A test.", **grids)
    combinations = [dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())]
    assert len(figure.data["frames"]) == len(combinations)
    assert sorted(drawn) == sorted(map(frame_id, combinations))
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
    assert figure.settings == {name: grids[name].index(value) for name, value in expected.items()}
    png = base64.b64decode(figure._repr_mimebundle_()[0]["image/png"])
    pixels_wide, pixels_high = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG") and abs(pixels_wide / pixels_high - width(expected)) < 0.011


@pytest.mark.parametrize("bundled", [True, False])
def test_without_the_bundle_a_figure_is_a_picture(bundled, monkeypatch, tmp_path):
    file = tmp_path / "widget.js"
    monkeypatch.setattr("dlnlib.explore._figure._BUNDLE", file)
    if bundled:
        file.touch()
    kinds = set(explore(draw, alt="A test.", u0=[1])._repr_mimebundle_()[0])
    assert ("application/vnd.jupyter.widget-view+json" in kinds) == bundled and {"text/plain", "image/png"} <= kinds


def test_the_alternative_text_is_what_a_reader_without_pictures_gets():
    alt = 'Is "a < b" & so on?'
    figure = explore(draw, alt=alt, **GRIDS["depth, u0"])
    assert figure.data["alt"] == figure.alt == alt and repr(figure) == f"Interactive figure: {alt}"
    assert isinstance(figure, InteractiveFigure)


def test_labels_name_the_sliders():
    figure = explore(draw, alt="A test.", labels={"u0": "start u₀"}, **GRIDS["depth, u0"])
    assert [parameter["label"] for parameter in figure.data["parameters"]] == ["depth", "start u₀"]


def test_time_is_the_parameter_that_is_played():
    figure = explore(draw, alt="A test.", play="u0", **GRIDS["depth, u0"])
    assert [parameter["play"] for parameter in figure.data["parameters"]] == [False, True]


def test_frames_are_drawn_to_a_hundredth_of_a_point():
    figure = explore(draw, alt="A test.", u0=[0.1])
    svg = io.StringIO()
    draw(u0=0.1)
    with plt.rc_context({"svg.hashsalt": "dlnlib"}):
        plt.savefig(svg, format="svg", metadata={"Date": None})
    exact, rounded = (
        re.split(r"(-?\d+\.\d+)(?=[ \"\n)])", text) for text in (svg.getvalue(), frame(figure, {"u0": 0}))
    )
    assert exact[::2] == rounded[::2] and len(exact) > 100
    assert re.findall("scale.*", svg.getvalue()) == re.findall("scale.*", frame(figure, {"u0": 0}))  # letters fit
    np.testing.assert_allclose(np.array(rounded[1::2], float), np.array(exact[1::2], float), rtol=0, atol=0.00501)


def test_frames_are_the_same_in_every_build():
    first, second = (explore(draw, alt="A test.", u0=[0.1, 0.2]) for _ in range(2))
    assert first.data == second.data


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
