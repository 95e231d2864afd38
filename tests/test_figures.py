"""The figure style: theory as lines, simulation as marks, labels at the ends of curves."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba
from PIL import Image

from dlnlib import figures

# Okabe & Ito, "Color universal design" (2008), red, green, blue from 0 to 255.
OKABE_ITO = {
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
}


@pytest.fixture
def ax():
    with plt.rc_context():
        figure, ax = plt.subplots()
        yield ax
        plt.close(figure)


X_THEORY, X_SIMULATION = np.linspace(0, 2, 80), np.linspace(0, 3, 61)
POWERS = np.array([1, 2, 3])
THEORY, SIMULATION = X_THEORY[:, None] ** POWERS, X_SIMULATION[:, None] ** POWERS


def draw(ax, **options):
    """Return the lines drawn for theory and those drawn for simulation."""
    before = len(ax.lines)
    figures.theory_and_simulation(ax, X_THEORY, THEORY, X_SIMULATION, SIMULATION, **options)
    drawn = ax.lines[before:]
    return (
        [line for line in drawn if line.get_marker() == "None"],
        [line for line in drawn if line.get_marker() == "o"],
    )


def test_theory_is_lines_and_simulation_is_marks(ax):
    lines, marks = draw(ax)
    assert len(lines) == len(marks) == 3
    for i, (line, mark) in enumerate(zip(lines, marks, strict=True)):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([X_THEORY, THEORY[:, i]]))
        assert line.get_linestyle() == "-" and mark.get_linestyle() == "None"
        assert to_rgba(line.get_color()) == to_rgba(mark.get_color()) == to_rgba(figures.PALETTE[i])
        x, y = mark.get_data()
        assert x[0] == X_SIMULATION[0] and x[-1] == X_SIMULATION[-1]
        np.testing.assert_allclose(y, x ** POWERS[i], rtol=1e-14)


@pytest.mark.parametrize(("asked", "shown"), [(2, 2), (25, 25), (61, 61), (500, 61)])
def test_as_many_marks_as_asked_evenly_spread(ax, asked, shown):
    for mark in draw(ax, marks=asked)[1]:
        assert len(mark.get_xdata()) == shown and np.isin(mark.get_xdata(), X_SIMULATION).all()
        gaps = np.diff(np.searchsorted(X_SIMULATION, mark.get_xdata()))
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("colors", [None, ["red", "#00ff00", (0.0, 0.0, 1.0)]])
def test_labels_stand_at_the_ends_of_their_curves_whatever_is_on_the_axes(ax, colors):
    ax.plot([0, 1], [5, 5], color="grey")
    figures.label_end(ax, 1, 5, "other", "grey")
    lines, marks = draw(ax, labels=["linear", "square", "cube"], colors=colors)
    expected = colors or figures.PALETTE
    texts = ax.texts[1:]
    assert [text.get_text() for text in texts] == ["linear", "square", "cube"]
    for text, line, mark, power, color in zip(texts, lines, marks, POWERS, expected, strict=False):
        assert text.xy == (2.0, 2.0**power) and not text.get_annotation_clip()
        assert to_rgba(text.get_color()) == to_rgba(line.get_color()) == to_rgba(mark.get_color()) == to_rgba(color)


def test_a_label_is_just_right_of_its_point(ax):
    ax.set(xlim=(0, 1), ylim=(0, 1))
    figures.label_end(ax, 1.0, 0.5, "end", figures.BLUE)
    ax.figure.canvas.draw()
    box, (x, y) = ax.texts[0].get_window_extent(), ax.transData.transform((1.0, 0.5))
    assert 0 < box.x0 - x < 0.1 * ax.bbox.width and abs((box.y0 + box.y1) / 2 - y) < 0.1 * box.height


def test_fewer_labels_than_curves_and_more_curves_than_colours(ax):
    draw(ax, labels=["first"])
    assert [text.get_text() for text in ax.texts] == ["first"]
    many = np.ones((5, 9))
    figures.theory_and_simulation(ax, range(5), many, range(5), many)
    assert len(ax.lines) == 6 + 18 and ax.lines[-1].get_color() == figures.PALETTE[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X_THEORY, X_THEORY, X_SIMULATION, SIMULATION), r"theory had shape \(80,\); it must have 2 dimensions"),
        ((X_THEORY, THEORY, X_SIMULATION, X_SIMULATION), r"simulation had shape \(61,\); it must have 2 dimensions"),
        ((X_THEORY, THEORY, SIMULATION, SIMULATION), r"x_simulation had shape \(61, 3\); it must have 1 dimensions"),
        ((X_THEORY, THEORY, X_SIMULATION, SIMULATION[:, :2]), r"theory held 3 curves and simulation 2; .* pair up"),
        ((X_THEORY, np.full((80, 1), np.nan), X_SIMULATION, SIMULATION), r"theory held NaN or infinity"),
    ],
)
def test_bad_curves_are_refused_by_name(ax, arguments, message):
    with pytest.raises(ValueError, match=message):
        figures.theory_and_simulation(ax, *arguments)


@pytest.mark.parametrize("options", [{"labels": list("abcd")}, {"colors": ["red"] * 2}, {"colors": ["red"] * 4}])
def test_colours_and_labels_must_fit_the_curves(ax, options):
    with pytest.raises(ValueError, match=r"^. colours and . labels had 3 curves; there must be a colour for each"):
        draw(ax, **options)
    assert not ax.lines


def test_colours_may_be_an_array(ax):
    draw(ax, colors=np.eye(3))
    assert ax.lines[2].get_color().tolist() == [0, 1, 0]


def test_the_palette_can_be_told_apart_by_all_readers():
    colors = {tuple(round(255 * part) for part in to_rgb(color)) for color in figures.PALETTE}
    assert len(colors) == 7 and colors <= OKABE_ITO


@pytest.mark.parametrize("n", [1, 2, 10])
def test_ordered_colours_run_from_dark_to_light(n):
    luminance = np.array([to_rgb(color) for color in figures.in_order(n)]) @ [0.2126, 0.7152, 0.0722]
    assert len(luminance) == n and (np.diff(luminance) > 0).all() and luminance.max() < 0.8


def test_the_style_draws_on_a_white_card_in_the_palette(ax):
    figures.use_style()
    figure, styled = plt.subplots()
    colors = [to_rgba(styled.plot([0, 1])[0].get_color()) for _ in figures.PALETTE]
    assert colors == [to_rgba(color) for color in figures.PALETTE]
    assert figure.get_facecolor() == (1, 1, 1, 1) and styled.get_facecolor() == (1, 1, 1, 1)
    assert not styled.spines["top"].get_visible() and not styled.spines["right"].get_visible()
    plt.close(figure)


def shown(figure):
    """The picture of a figure, and what it says of itself."""
    picture = Image.open(io.BytesIO(figures.to_png(figure)))
    widths, sizes = (picture.text[field].split() for field in ("Panels", "Lettering"))
    return picture, [float(width) for width in widths], [float(size) for size in sizes]


@pytest.mark.parametrize(("rows", "columns", "panels"), [(1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 3, 3)])
def test_a_picture_tells_its_columns_and_its_lettering(rows, columns, panels):
    with plt.rc_context():
        figures.use_style()
        figure, axes = plt.subplots(rows, columns, figsize=(7.2, 2.7), squeeze=False)
        axes[0, 0].set_title("small", fontsize=7)
        axes[0, 0].set_xlabel("as large as the style has it")
        picture, widths, sizes = shown(figure)
        plt.close(figure)
    assert len(widths) == panels and sizes == [7, 10]
    np.testing.assert_allclose(sum(widths), 7.2, atol=1e-3)
    np.testing.assert_allclose(picture.width / sum(widths), 190, rtol=1e-3)


def test_a_picture_is_cut_where_nothing_is_drawn():
    """Between panels with labels and a colour bar, which stays with its own; never through what overlaps."""
    with plt.rc_context():
        figures.use_style()
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.7))
        figure.colorbar(left.imshow(np.eye(3)), ax=left)
        right.set_ylabel("of the right panel")
        picture, widths, _ = shown(figure)
        column = np.asarray(picture.convert("L"))[:, round(widths[0] * 190)]
        right.text(-2.0, 0.5, "as far as the left panel")
        assert len(widths) == 2 and np.all(column == 255)
        assert len(shown(figure)[1]) == 1
        plt.close(figure)


def test_labels_of_a_lower_panel_belong_to_its_column():
    with plt.rc_context():
        figures.use_style()
        figure, axes = plt.subplots(2, 2, figsize=(7.2, 2.7), subplot_kw={"xticks": [], "yticks": []})
        axes[1, 1].set_yticks([0], ["a long label"])
        picture, widths, _ = shown(figure)
        plt.close(figure)
    assert len(widths) == 2 and np.all(np.asarray(picture.convert("L"))[:, round(widths[0] * 190)] == 255)


def test_nothing_is_cut_off_at_the_edge():
    with plt.rc_context():
        figures.use_style()
        figure, ax = plt.subplots(layout="none")
        ax.text(1.0, 0.5, "beyond the edge of the figure", transform=ax.transAxes)
        picture, (width,), _ = shown(figure)
        plt.close(figure)
    assert width > 4 and np.all(np.asarray(picture.convert("L"))[:, -1] == 255)
