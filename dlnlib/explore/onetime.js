// One time for all views: the loss, the modes that fill, and what a mode is, in pixels and in outputs.
import { scaleLinear } from "d3-scale";
import { add, button, player, slider } from "./controls.js";
import { learned } from "./modes.js";
import { grid, number } from "./numbers.js";
import { plot } from "./plot.js";

const SECONDS = 12; // to play from zero to the end

export function oneTime(body, { s, u0, floor, duration, pictures, outputs, names }, change) {
  const above = add(body, "div", { className: "live-controls" });
  const buttons = add(above, "div", { className: "live-buttons" });
  const wide = add(body, "div", { className: "live-panels" });
  const three = add(body, "div", { className: "live-panels live-three" });
  const words = add(body, "p", { className: "live-says" });
  const controls = add(body, "div", { className: "live-controls" });
  const [n, side] = [s.length, pictures[0].length];
  const numbers = s.map((_, a) => a + 1);
  const strengths = (t) => s.map((end) => end * learned(t, end, u0));
  /** The loss without the pieces of the first modes: of none, of one, and so on; at the end its floor. */
  const stacked = (t) => {
    const sums = [floor];
    for (const [a, u] of [...strengths(t).entries()].reverse()) sums.unshift(sums[0] + (s[a] - u) ** 2 / 2);
    return sums;
  };
  const halves = s.map((end) => Math.log(end / u0 - 1) / (2 * end));
  const start = stacked(0)[0];
  const bottom = floor - 0.15 * (start - floor);
  const time = { xLabel: "time t/τ" };
  const loss = plot(wide, {
    ...time,
    x: scaleLinear([0, duration], [0, 1]),
    y: scaleLinear([bottom, start + 0.06 * (start - floor)], [0, 1]),
    label: "The loss in time, and the piece of it that each mode holds",
    yLabel: "loss",
  });
  const curves = plot(wide, {
    ...time,
    x: scaleLinear([0, duration], [0, 1]),
    y: scaleLinear([-0.05 * s[0], 1.1 * s[0]], [0, 1]),
    label: "The strength of each mode in time",
    yLabel: "mode strength",
  });
  const size = { width: 262, height: 230 };
  const bars = plot(three, {
    ...size,
    x: scaleLinear([0.3, n + 0.7], [0, 1]),
    y: scaleLinear([0, 1.1 * s[0]], [0, 1]),
    label: "How much of each mode is learned",
    xLabel: "mode",
    yLabel: "strength",
    xTicks: numbers,
    yTicks: 3,
  });
  const pixels = plot(three, {
    ...size,
    x: scaleLinear([-0.5, side - 0.5], [0, 1]),
    y: scaleLinear([side - 0.5, -0.5], [0, 1]),
    margin: { left: 46, right: 54, bottom: 42 },
    label: "The inputs that come with the chosen mode, as a picture",
    xLabel: "blue −, vermillion +",
    xTicks: [],
    yTicks: [],
  });
  const answers = plot(three, {
    ...size,
    x: scaleLinear([-0.7, names.length - 0.3], [0, 1]),
    y: scaleLinear([-1, 1], [0, 1]),
    label: "The chosen mode among the outputs",
    xLabel: "output",
    yLabel: "its direction",
    xTicks: names.map((_, i) => i),
    yTicks: [-1, 0, 1],
    format: (i) => (i < 0 ? "−1" : i),
  });
  const steps = grid(0, duration, 150);
  const stacks = steps.map(stacked);
  let settings;
  /** Go to a time; while it plays, no screen reader is told of each. */
  function go(t, live = "polite") {
    words.setAttribute("aria-live", live);
    change({ t: Math.min(Math.max(Math.round(100 * t) / 100, 0), duration) });
  }
  const stop = player(above, {
    advance(seconds) {
      if (settings.hidden || settings.t >= duration) return false;
      go(settings.t + (seconds * duration) / SECONDS, "off");
      return true;
    },
    restart: () => go(0),
  });
  const answer = button(buttons, "show the answer", () => {
    stop();
    change({ hidden: false, mark: settings.t, mode: n - 1 });
  });
  const cursor = loss.handle({ label: "time", color: "vermillion", along: "x", moved: ([t]) => go(t) });
  const choose = ([x]) => {
    const mode = Math.min(Math.max(Math.round(x) - 1, 0), n - 1);
    if (mode !== settings.mode) change({ mode });
  };
  bars.press(choose);
  bars.hover(choose);
  const mode = slider(controls, {
    label: "mode",
    scale: scaleLinear([0, n - 1], [1, n]),
    text: (a) => `${a + 1}`,
    moved: (a) => change({ mode: a }),
  });
  loss.readOff((t) => [
    [settings.hidden ? Number.NaN : stacked(t)[0], `t = ${number(t)}: ${number(stacked(t)[0], 3)}`, "vermillion"],
  ]);
  curves.readOff((t) => {
    const u = strengths(t)[settings.mode];
    return [[settings.hidden ? Number.NaN : u, `t = ${number(t)}: ${number(u, 3)}`, "vermillion"]];
  });
  bars.line(
    "wanted",
    s.flatMap((end, a) => [[a + 1, 0], [a + 1, end], null]),
    { color: "rule", width: 12 },
  );

  return (chosen) => {
    settings = chosen;
    const { t, mode: a, hidden, mark } = settings;
    const u = strengths(t);
    const sums = stacked(t);
    // Before the answer only the first mode is seen, and the loss until it comes.
    const seen = hidden ? steps.findIndex((at) => at > halves[0]) : steps.length;
    s.forEach((_, b) => {
      const border = (k) => steps.slice(0, seen).map((at, i) => [at, stacks[i][k]]);
      const focused = b === a && !hidden;
      loss.area(`piece ${b}`, hidden ? [] : border(b), hidden ? [] : border(b + 1), {
        color: focused ? "vermillion" : "blue",
        opacity: focused ? 0.7 : 0.12 + 0.12 * (b % 2),
      });
      const shown = hidden ? b === 0 : true;
      curves.line(`mode ${b}`, shown ? steps.map((at) => [at, s[b] * learned(at, s[b], u0)]) : [], {
        color: focused ? "vermillion" : "blue",
        width: focused ? 2.6 : 1.4,
        opacity: focused ? 1 : 1 - 0.06 * b,
      });
    });
    loss.line(
      "loss",
      steps.slice(0, seen).map((at, i) => [at, stacks[i][0]]),
      { color: "vermillion" },
    );
    const height = (b) => (hidden ? 0 : u[b]);
    bars.line(
      "learned",
      s.flatMap((_, b) => (b === a ? [] : [[b + 1, 0], [b + 1, height(b)], null])),
      { color: "blue", width: 12 },
    );
    bars.line(
      "chosen",
      [
        [a + 1, 0],
        [a + 1, hidden ? 0 : u[a]],
      ],
      { color: "vermillion", width: 12 },
    );
    for (const panel of [loss, curves]) {
      panel.vertical("now", t, { color: "ink", width: 1, dash: "2 3" });
      panel.vertical("mark", hidden ? Number.NaN : (mark ?? Number.NaN), { color: "orange", width: 2 });
    }
    curves.vertical("half", hidden ? Number.NaN : halves[a], { color: "vermillion", width: 1, dash: "5 3" });
    pixels.cells("picture", pictures[a], 100);
    answers.line(
      "outputs",
      outputs[a].flatMap((value, i) => [[i, 0], [i, value], null]),
      { color: "vermillion", width: 12 },
    );
    answers.horizontal("zero", 0, { color: "faint", width: 1 });
    const guess = mark === null ? "" : `, your mark ${number(mark, 1)}`;
    loss.title(hidden ? `when does mode ${n} come? drag the mark` : `loss ${number(sums[0], 3)}`, "vermillion");
    curves.title(
      hidden ? `mode 1 of ${n}` : `mode ${a + 1} comes at ${number(halves[a], 1)}${a === n - 1 ? guess : ""}`,
      "vermillion",
    );
    bars.title("press or point: which mode", "blue");
    pixels.title(`mode ${a + 1}: its pixels`, "ink");
    answers.title(`mode ${a + 1}: its outputs`, "ink");
    cursor([t, hidden ? bottom : sums[0]], `t = ${number(t)}`);
    mode(a);
    answer.hidden = !hidden;
    above.lastChild.style.visibility = hidden ? "hidden" : "visible"; // there is nothing to play yet
    const says = hidden
      ? `Mode 1, strength ${number(s[0], 3)}, is half learned at t = ${number(halves[0], 1)}. Your mark for mode ${n}, strength ${number(s[n - 1], 3)}: t = ${number(t, 1)}. Shown below: mode ${a + 1}.`
      : `At t = ${number(t)} the loss is ${number(sums[0], 3)}. Mode ${a + 1}, strength ${number(s[a], 3)}, is half learned at ${number(halves[a], 1)}${guess && a === n - 1 ? guess : ""}, and now to ${number((100 * u[a]) / s[a], 0)} %.`;
    words.textContent = says;
    return { says, loss: sums[0], strengths: u, half: halves[a] };
  };
}
