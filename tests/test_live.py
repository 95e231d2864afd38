"""Live figures: what the browser computes against dlnlib, and each control by mouse, finger and keys.

A new instrument needs an entry in `FIGURES`, and that is all: its figure, settings drawn at random, what it must show.
"""

import functools
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from dlnlib import Task, descent, exact, explore, initialization, isometry, meanfield, stability

pytestmark = pytest.mark.slow

MODULES = Path(explore.__file__).parent
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><title>A live figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{css} body {{ font: 16px sans-serif; background: {ground}; color: {ink} }}</style>
<main><h1>A figure</h1><div class="live"><script type="application/json">{state}</script></div></main>
<script src="{script}"></script></html>"""
AXE = Path(__file__).parent.parent / "web/node_modules/axe-core/axe.min.js"


def portrait_settings(rng):
    a0, b0 = rng.uniform(-1.8, 1.8, 2)
    return {"a0": a0, "b0": b0, "s": rng.uniform(0.25, 2), "t": rng.uniform(0, 8)}


def portrait_shows(a0, b0, s, t):
    a, b = exact.unbalanced_mode(t, s, a0, b0)
    goal = np.clip(a0 * b0, 0.99 * s, 1.01 * s)
    return {"a": a, "b": b, "c": a0**2 - b0**2, "learned": exact.unbalanced_time(goal, s, a0, b0)}


def steps_settings(rng):
    return {"depth": int(rng.integers(1, 21)), "kappa": rng.uniform(0.05, 3.5), "u0": rng.uniform(0.01, 1)}


def steps_shows(depth, kappa, u0):
    """Ten steps: chaos multiplies a rounding at each."""
    rate = kappa * stability.best_learning_rate(1.0, depth)
    layers = np.full((depth, 1, 1), u0 ** (1 / depth))
    run = descent.gradient_descent(Task([[1.0]], [[1.0]], 1.0, 1), list(layers), rate, 10)
    escaped = np.abs(run.modes[:, 0]) >= 1e3**depth
    return {"strengths": run.modes[: 1 + escaped.argmax() if escaped.any() else None, 0]}


def signals_settings(rng):
    return {"gain": rng.uniform(0.5, 2), "q": rng.uniform(0.01, 2), "layers": int(rng.integers(1, 101))}


def signals_shows(gain, q, layers):
    """The weights are drawn once more, from the same numbers; what they do is dlnlib's."""
    x, weights = drawn(width=16, layers=100)
    x = x * math.sqrt(q / np.mean(x**2))
    path, theory, factors = [q], 0.0, []
    zeta = np.linspace(-9, 9, 4001)
    weight = np.exp(-(zeta**2) / 2) / np.exp(-(zeta**2) / 2).sum()
    for w in weights[:layers]:
        factors.append(gain * w * meanfield.tanh_slope(x))
        x = gain * w @ np.tanh(x)
        theory += math.log(gain) + weight @ np.log(meanfield.tanh_slope(math.sqrt(path[-1]) * zeta))
        path.append(meanfield.variance_map(path[-1], gain))
    logs = isometry.log_singular_values(factors) / math.log(10)
    return {"variances": path, "theory": theory / math.log(10), "logs": logs}


@functools.cache
def drawn(width, layers):
    normal = normals(seed=4)
    x = np.array([next(normal) for _ in range(width)])
    q, r = np.linalg.qr([np.array([[next(normal) for _ in x] for _ in x]).T for _ in range(layers)])
    return x, q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]


def normals(seed):
    """The numbers of matrices.js: mulberry32's, made normal by Box and Muller's method."""

    def uniform():
        nonlocal seed
        seed = (seed + 0x6D2B79F5) % 2**32
        t = (seed ^ seed >> 15) * (seed | 1) % 2**32
        t ^= (t + (t ^ t >> 7) * (t | 61)) % 2**32
        return (t ^ t >> 14) / 2**32

    while True:
        yield math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform())


SIGMA = np.diag([2.0, 1.0]) @ initialization.orthogonal([6, 2], np.random.default_rng(8))[0]
TOWARD = np.random.default_rng(9).standard_normal((2, 6))


def lazy_settings(rng):
    return {"lambda": rng.uniform(-30, 30), "scale": 10 ** rng.uniform(-6, 0), "t": 10 ** rng.uniform(-2.5, 3)}


def lazy_shows(scale, t, **rest):
    w1, w2 = initialization.balanced(scale * TOWARD, rest["lambda"], rng=0)
    flow = exact.balanced_flow(t, SIGMA, w1, w2)
    moved = exact.kernel_distance(flow.ntk, exact.ntk([w1, w2]))
    return {"strengths": Task(SIGMA).modes.strengths(flow.map), "moved": moved}


WORLD = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]])
NAMES = ["lives", "moves", "has bones", "swims", "is green", "flies"], ["robin", "hen", "trout", "pine"]


def beliefs_settings(rng):
    """Facts made true or false at random: so many that some tables have modes of strength zero, and equal ones."""
    facts = np.where(rng.random(WORLD.shape) < rng.choice([0.05, 0.5]), 1 - WORLD, WORLD)
    chosen = {"property": int(rng.integers(6)), "thing": int(rng.integers(4))}
    return {"facts": facts.tolist(), "t": rng.uniform(0, 8)} | chosen


def beliefs_shows(facts, t, **chosen):
    u, s, vt = Task(facts).modes
    there = s > 1e-9
    learned = u[:, there] * exact.mode_strength(t, s[there], 1e-6) @ vt[there]
    return {"strengths": s[there], "beliefs": learned.ravel()}


PAIRS = Task(np.diag([2.0, 1.2, 0.7]), trace_yy=7.0)
PICTURES = np.random.default_rng(3).standard_normal((3, 5, 5))


def one_time_settings(rng):
    return {"t": rng.uniform(0, 12), "mode": int(rng.integers(3)), "hidden": bool(rng.integers(2))}


def one_time_shows(t, mode, hidden):
    u = exact.mode_strength(t, PAIRS.modes.s, 1e-3)
    half = exact.half_time(PAIRS.modes.s[mode], 1e-3)
    return {"loss": PAIRS.loss(PAIRS.modes.u * u @ PAIRS.modes.vt), "strengths": u, "half": half}


KINDS = ["decoupled", "small random", "orthogonal", "Glorot"]


def bench_settings(rng):
    """Forty steps at most: far from a minimum the steps of deep networks multiply a rounding."""
    strengths = np.where(rng.random(8) < 0.3, 0, rng.uniform(0.1, 3, 8)).tolist()
    built = {"strengths": strengths, "depth": int(rng.integers(1, 21)), "width": int(rng.integers(1, 33))}
    rate = rng.uniform(0.02, 0.3) * stability.largest_stable_rate(max(strengths), built["depth"])
    start = {"kind": str(rng.choice(KINDS)), "u0": 10 ** rng.uniform(-4, 0), "seed": int(rng.integers(100))}
    return built | start | {"rate": rate, "step": int(rng.integers(1, 41))}


def bench_shows(strengths, depth, width, kind, u0, seed, rate, step):
    """The start is drawn once more, from the same numbers; what becomes of it is dlnlib's."""
    s = np.array(strengths)
    room = 8 if depth == 1 else width
    open_modes = [i for i in np.argsort(-s, kind="stable") if s[i] > 0][:room]
    theory = np.zeros(8)
    theory[open_modes] = exact.mode_strength(step * rate, s[open_modes], u0, depth)
    task = Task(np.diag(s), trace_yy=s @ s)
    weights = bench_start(depth, width, kind, u0, seed, open_modes)
    run = descent.gradient_descent(task, weights, rate, step, record_every=step)
    product = functools.reduce(lambda below, w: w @ below, run.weights)
    return {"map": product.ravel(), "loss": run.loss[-1], "theory": theory}


def bench_start(depth, width, kind, u0, seed, open_modes):
    normal, widths, gain = normals(seed), [8, *[width] * (depth - 1), 8], u0 ** (1 / depth)

    def gaussian(n, m):
        return np.array([[next(normal) for _ in range(m)] for _ in range(n)])

    def frame(n, m):
        q, r = np.linalg.qr(gaussian(max(n, m), max(n, m)).T)
        return (q * np.sign(np.diagonal(r)))[:n, :m]

    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    if kind == "orthogonal":
        return [gain * frame(n, m) for n, m in shapes]
    if kind == "Glorot":
        return [gain * np.sqrt(2 / (n + m)) * gaussian(n, m) for n, m in shapes]
    if kind == "small random":
        return [(2 * u0) ** (1 / depth) / np.sqrt(width) * gaussian(n, m) for n, m in shapes]
    axes = np.eye(8)[:, open_modes]
    frames = [axes, *(frame(width, len(open_modes)) for _ in range(depth - 1)), axes]
    return [gain * after @ before.T for before, after in itertools.pairwise(frames)]


FIGURES = {
    "oneTime": (lambda: explore.one_time(PAIRS, PICTURES, list("abc"), 1e-3, 12.0), one_time_settings, one_time_shows),
    "beliefs": (lambda: explore.beliefs(WORLD, *NAMES, ("has bones", "hen")), beliefs_settings, beliefs_shows),
    "bench": (explore.bench, bench_settings, bench_shows),
    "lazyToRich": (lambda: explore.lazy_to_rich(SIGMA, TOWARD), lazy_settings, lazy_shows),
    "signals": (explore.signals, signals_settings, signals_shows),
    "largeSteps": (explore.large_steps, steps_settings, steps_shows),
    "portrait": (explore.phase_portrait, portrait_settings, portrait_shows),
}


def open_figure(browser, tmp_path, figure, theme="light", **options):
    """Open a page of one figure, as the book has it."""
    state = {name: getattr(figure, name) for name in ("kind", "data", "settings")}
    script, file = MODULES / "bundle/page.js", tmp_path / "figure.html"
    if not script.exists():
        pytest.fail("the figures' scripts are not bundled; run `scripts/javascript.py` first")
    file.write_text(
        PAGE.format(
            theme=theme,
            ground={"light": "white", "dark": "#121212"}[theme],
            ink={"light": "black", "dark": "white"}[theme],
            css=(MODULES / "live.css").read_text(),
            state=json.dumps(state),
            script=script.as_uri(),
        )
    )
    page = browser.new_page(**options)
    page.troubles = []
    page.on("console", lambda message: page.troubles.append(message.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.goto(file.as_uri())
    page.locator(".live.awake").wait_for()
    return page


def says(page):
    return page.evaluate("document.querySelector('.live').live.shown.says")


def set_to(page, settings):
    """Move a figure to some settings, and return all that it has then."""
    return page.evaluate(
        "settings => { const { live } = document.querySelector('.live'); live.change(settings); return live.settings }",
        settings,
    )


@pytest.fixture(params=FIGURES)
def kind(request):
    return request.param


def test_a_browser_computes_what_dlnlib_does(browser, tmp_path, kind):
    make, draw, shows = FIGURES[kind]
    page, rng = open_figure(browser, tmp_path, make()), np.random.default_rng(0)
    for _ in range(50):
        settings = draw(rng)
        set_to(page, settings)
        shown = page.evaluate("document.querySelector('.live').live.shown")
        for name, value in shows(**settings).items():
            found = shown[name][: len(value)] if np.ndim(value) else shown[name]
            np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-9, err_msg=f"{name} at {settings}")
    assert page.troubles == []
    page.close()


def test_each_control_changes_what_is_said_by_mouse_and_keys(browser, tmp_path, kind):
    page = open_figure(browser, tmp_path, FIGURES[kind][0](), viewport={"width": 1000, "height": 1300})
    rng = np.random.default_rng(1)
    for control in page.locator("input[type=range], [role=slider]").all():
        before = says(page)
        for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
            control.press(key)
            if says(page) != before:
                break
        assert says(page) != before
        assert control.get_attribute("aria-valuetext")
    for slider in page.locator("input[type=range]").all():
        before, box = says(page), slider.bounding_box()
        middle = slider.evaluate("input => 2 * input.value < Number(input.min) + Number(input.max)")
        slider.click(position={"x": box["width"] - 6 if middle else 6, "y": box["height"] / 2})
        assert says(page) != before
    for handle in page.locator("[role=slider]").all():
        set_to(page, FIGURES[kind][1](rng))
        before, (x, y) = says(page), middle_of(handle)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 30, steps=3)
        page.mouse.up()
        assert says(page) != before
    for button in page.locator(".live-buttons button:visible").all():
        before = set_to(page, FIGURES[kind][1](rng))
        button.click()
        assert page.evaluate("document.querySelector('.live').live.settings") != before
    assert page.troubles == []
    page.close()


def middle_of(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_each_control_changes_what_is_said_by_finger_on_a_phone(browser, tmp_path, kind):
    options = {"viewport": {"width": 390, "height": 2000}, "has_touch": True}
    page = open_figure(browser, tmp_path, FIGURES[kind][0](), **options)
    finger = page.context.new_cdp_session(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for slider in page.locator("input[type=range]").all():
        before, box = says(page), slider.bounding_box()
        assert box["height"] >= 44
        middle = slider.evaluate("input => 2 * input.value < Number(input.min) + Number(input.max)")
        slider.tap(position={"x": box["width"] - 6 if middle else 6, "y": box["height"] / 2})
        assert says(page) != before
    for handle in page.locator("[role=slider]").all():
        set_to(page, FIGURES[kind][1](np.random.default_rng(1)))
        before, (x, y) = says(page), middle_of(handle)
        for step, kind_of_touch in enumerate(("touchStart", "touchMove", "touchMove", "touchEnd")):
            at = [] if kind_of_touch == "touchEnd" else [{"x": x - 15 * step, "y": y + 15 * step}]
            finger.send("Input.dispatchTouchEvent", {"type": kind_of_touch, "touchPoints": at})
        assert says(page) != before
    for button in page.locator(".live button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    assert page.troubles == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_is_accessible(browser, tmp_path, kind, theme):
    page = open_figure(browser, tmp_path, FIGURES[kind][0](), theme)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
    assert [(fault["id"], node["html"]) for fault in found["violations"] for node in fault["nodes"]] == []
    page.close()


def test_a_mode_that_starts_on_the_line_to_the_saddle_is_never_learned(browser, tmp_path):
    page = open_figure(browser, tmp_path, explore.phase_portrait())
    page.get_by_role("button", name="on it").click()
    assert "never learned" in says(page)
    assert page.evaluate("document.querySelector('.live').live.shown.learned") == math.inf
    page.close()


def test_a_reader_marks_a_time_before_the_answer_is_shown(browser, tmp_path):
    page = open_figure(browser, tmp_path, explore.phase_portrait(predict=True))
    page.get_by_role("slider", name="time", exact=True).press("ArrowRight")
    assert "Your mark" in says(page) and "learned after" not in page.locator(".live-body").text_content()
    marked = page.evaluate("document.querySelector('.live').live.settings.t")
    page.get_by_role("button", name="show the answer").click()
    assert "learned after 4.95 τ" in says(page) and f"At t = {marked:.2f}" in says(page) and marked > 3
    assert not page.get_by_role("button", name="show the answer").is_visible()
    page.close()


def test_a_network_plays_to_its_end_and_a_rate_too_large_is_said_to_be_why_it_diverges(browser, tmp_path):
    page = open_figure(browser, tmp_path, explore.bench([2.0], rate=0.2))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.live').live.shown.loss < 0.01")
    page.get_by_role("button", name="Play").wait_for()  # it has stopped by itself
    set_to(page, {"depth": 1, "rate": 1.0, "strengths": [2.0] + [0.0] * 7, "step": 100})
    assert "Diverged" not in says(page)
    set_to(page, {"depth": 3, "step": 100})
    assert "the rate is above 0.265, the largest at which the strongest mode is stable" in says(page)
    page.close()


def test_a_belief_is_chosen_in_the_table_and_its_fact_is_turned_round(browser, tmp_path):
    page = open_figure(browser, tmp_path, explore.beliefs(WORLD, *NAMES, ("has bones", "hen")))
    table = page.get_by_role("group", name="What the network believes").bounding_box()
    page.mouse.click(table["x"] + 0.9 * table["width"], table["y"] + 0.55 * table["height"])
    assert "pine swims?" in says(page) and "it is false" in says(page)
    page.get_by_role("button", name="make “pine swims” true").click()
    assert "it is true" in says(page)
    page.get_by_role("button", name="the world as it is").click()
    assert "it is false" in says(page)
    page.close()


def test_a_reader_marks_the_last_mode_before_it_is_shown(browser, tmp_path):
    page = open_figure(browser, tmp_path, explore.one_time(PAIRS, PICTURES, list("abc"), 1e-3, 12.0, predict=True))
    page.get_by_role("slider", name="time").press("ArrowRight")
    assert "Your mark for mode 3" in says(page) and "4.7" not in page.locator(".live-body").text_content()
    marked = page.evaluate("document.querySelector('.live').live.settings.t")
    page.get_by_role("button", name="show the answer").click()
    assert f"Mode 3, strength 0.700, is half learned at 4.7, your mark {marked:.1f}" in says(page) and marked > 3
    page.get_by_role("slider", name="mode").press("ArrowLeft")
    assert "Mode 2, strength 1.200" in says(page)
    page.close()
