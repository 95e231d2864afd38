// The plane of one mode: drag where training starts, and see its whole way and its strength in time.
import { scaleLinear } from "d3-scale";
import { add, button, slider } from "./controls.js";
import { unbalancedMode, unbalancedTime } from "./modes.js";
import { grid, number } from "./numbers.js";
import { plot } from "./plot.js";

const SIZE = 1.8; // half the side of the plane
const GHOSTS = 5;
const CLOSE = 0.01; // the mode is learned when it is within one percent of its end

/** Two branches of a^2 - b^2 = c, or of a b = c. */
function hyperbola(c, kind) {
  const points = grid(-2.2, 2.2, 120).map((v) => {
    if (kind === "product") return [Math.exp(v), c / Math.exp(v)];
    const away = Math.hypot(v, Math.sqrt(Math.abs(c)));
    return c > 0 ? [away, v] : [v, away];
  });
  return [...points, null, ...points.map(([a, b]) => [-a, -b])];
}

export function portrait(body, { starts, duration }, change) {
  const buttons = add(body, "div", { className: "live-buttons" });
  const panels = add(body, "div", { className: "live-panels" });
  const controls = add(body, "div", { className: "live-controls" });
  const words = add(body, "p", { className: "live-says" });
  words.setAttribute("aria-live", "polite");
  const square = () => scaleLinear([-SIZE, SIZE], [0, 1]);
  const plane = plot(panels, {
    x: square(),
    y: square(),
    height: 352,
    label: "The plane of the two layer strengths of a mode",
    xLabel: "first layer a",
    yLabel: "second layer b",
    xTicks: [-1, 0, 1],
    yTicks: [-1, 0, 1],
  });
  const times = plot(panels, {
    x: scaleLinear([0, duration], [0, 1]),
    y: scaleLinear([-2.4, 2.4], [0, 1]),
    height: 352,
    label: "The strength of the mode in time",
    xLabel: "time t/τ",
    yLabel: "strength ab",
  });
  let settings;
  const here = () => [settings.a0, settings.b0];
  /** Move the start; what was there stays as a ghost. */
  const begin = ([a0, b0]) => change({ a0, b0, ghosts: [...settings.ghosts, here()].slice(-GHOSTS) });
  /** To a hundredth, and onto the line to the saddle if that is near. */
  const tidy = ([a, b]) => {
    const [a0, b0] = [Math.round(100 * a) / 100, Math.round(100 * b) / 100];
    return Math.abs(a0 + b0) < 0.03 ? [a0, -a0] : [a0, b0];
  };
  const answer = button(buttons, "show the answer", () => change({ hidden: false }));
  for (const { name, start } of starts) button(buttons, name, () => begin(start));
  button(buttons, "forget earlier starts", () => change({ ghosts: [] }));
  plane.press((point) => begin(tidy(point)));
  const start = plane.handle({
    label: "start of the two layers",
    grabbed: () => change({ ghosts: [...settings.ghosts, here()].slice(-GHOSTS) }),
    moved(point) {
      const [a0, b0] = tidy(point);
      change({ a0, b0 });
    },
  });
  const cursor = times.handle({
    label: "time",
    color: "vermillion",
    along: "x",
    moved: ([t]) => change({ t: Math.round(100 * t) / 100 }),
  });
  times.readOff((t) => {
    if (settings.hidden) return [];
    const [a, b] = unbalancedMode(t, settings.s, ...here());
    return [[a * b, `t = ${number(t)}, ab = ${number(a * b)}`, "blue"]];
  });
  const strength = slider(controls, {
    label: "strength s",
    scale: scaleLinear([0.25, 2], [0, 175]),
    text: number,
    moved: (s) => change({ s: Math.round(100 * s) / 100 }),
  });

  plane.horizontal("a axis", 0, { color: "rule", width: 1 });
  plane.vertical("b axis", 0, { color: "rule", width: 1 });
  plane.line(
    "stable",
    [
      [-SIZE, SIZE],
      [SIZE, -SIZE],
    ],
    { color: "faint", width: 1.2, dash: "4 3" },
  );

  return (chosen) => {
    settings = chosen;
    const { a0, b0, s, t, ghosts, hidden } = settings;
    const steps = grid(0, duration, 300);
    const way = (a, b) => steps.map((time) => unbalancedMode(time, s, a, b));
    const [u0, c] = [a0 * b0, a0 ** 2 - b0 ** 2];
    const [a, b] = unbalancedMode(t, s, a0, b0);
    const goal = Math.min(Math.max(u0, (1 - CLOSE) * s), (1 + CLOSE) * s);
    const learned = a0 + b0 === 0 ? Infinity : unbalancedTime(goal, s, a0, b0);

    plane.line("minima", hyperbola(s, "product"), { color: "green", width: 3, opacity: 0.6 });
    plane.line("conserved", hyperbola(c), { color: "orange", width: 1.2 });
    const old = ghosts.flatMap((ghost) => [...way(...ghost), null]);
    plane.line("ghosts", old, { color: "faint", width: 1 });
    plane.line("way", hidden ? [] : way(a0, b0), { color: "blue" });
    plane.marks("now", hidden ? [] : [[a, b]], { color: "vermillion", radius: 4.5 });
    plane.title(`conserved: a² − b² = ${number(c)}`, "orange");
    times.horizontal("end", s, { color: "green", width: 3, opacity: 0.6 });
    const strengths = (a, b) => way(a, b).map(([first, second], i) => [steps[i], first * second]);
    const before = ghosts.flatMap((ghost) => [...strengths(...ghost), null]);
    times.line("ghosts", before, { color: "faint", width: 1 });
    times.line("strength", hidden ? [] : strengths(a0, b0), { color: "blue" });
    times.vertical("learned", hidden ? NaN : learned, { color: "faint", width: 1, dash: "2 3" });
    const when = learned === Infinity ? "never learned" : `learned after ${number(learned)} τ`;
    times.title(hidden ? "drag the mark to when it is learned" : when, hidden ? "vermillion" : "blue");
    strength(s);
    start([a0, b0], `a = ${number(a0)}, b = ${number(b0)}`);
    cursor([t, hidden ? 0 : a * b], `t = ${number(t)}`);
    answer.hidden = !hidden;

    const from = `Start a = ${number(a0)}, b = ${number(b0)}, strength s = ${number(s)}`;
    const then = `At t = ${number(t)}: a = ${number(a)}, b = ${number(b)}, ab = ${number(a * b)}.`;
    const says = hidden ? `${from}. Your mark: learned at t = ${number(t)}.` : `${from}: ${when}. ${then}`;
    words.textContent = says;
    return { says, a, b, c, learned };
  };
}
