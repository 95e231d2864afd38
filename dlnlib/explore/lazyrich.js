// From lazy to rich: two modes learned, and the kernel that moves or does not, as imbalance and scale change.
import { scaleLinear, scaleLog, scaleSymlog } from "d3-scale";
import { add, slider } from "./controls.js";
import { balancedFlow, balancedStart, kernelDistance, strengths } from "./flow.js";
import { number, plain } from "./numbers.js";
import { plot } from "./plot.js";

const [EARLY, LATE] = [0.003, 1000]; // of the axis of time
const COLORS = ["blue", "orange", "green", "purple"];
const TIMES = Array.from({ length: 181 }, (_, i) => EARLY * (LATE / EARLY) ** (i / 180));

const tidy = (value) => (Math.abs(value) < 0.01 ? 0 : Number(value.toPrecision(2)));

export function lazyToRich(body, { s, start: origin }, change) {
  const panels = add(body, "div", { className: "live-panels" });
  const controls = add(body, "div", { className: "live-controls" });
  const words = add(body, "p", { className: "live-says" });
  words.setAttribute("aria-live", "polite");
  const time = { x: () => scaleLog([EARLY, LATE], [0, 1]), xTicks: [0.01, 0.1, 1, 10, 100, 1000], xLabel: "time t/τ" };
  const largest = Math.max(...s);
  const modes = plot(panels, {
    ...time,
    x: time.x(),
    y: scaleLinear([-0.1 * largest, 1.15 * largest], [0, 1]),
    label: "The strength of each mode in time",
    yLabel: "mode strength",
  });
  const kernel = plot(panels, {
    ...time,
    x: time.x(),
    y: scaleLinear([-0.04, 1], [0, 1]),
    label: "How far the kernel has moved, in time",
    yLabel: "kernel moved, 1 − cos",
    yTicks: [0, 0.5, 1],
  });
  let settings;
  const cursor = modes.handle({
    label: "time",
    color: "vermillion",
    along: "x",
    moved: ([t]) => change({ t: Number(t.toPrecision(3)) }),
  });
  const lambdas = slider(controls, {
    label: "imbalance λ",
    scale: scaleSymlog([-30, 30], [-200, 200]).constant(1),
    text: number,
    moved: (lambda) => change({ lambda: tidy(lambda) }),
  });
  const sizes = slider(controls, {
    label: "start ‖W₀‖",
    scale: scaleLog([1e-6, 1], [0, 240]),
    text: plain,
    moved: (scale) => change({ scale: Number(scale.toPrecision(2)) }),
  });
  const network = (t) => balancedFlow(t, s, settings.lambda, balancedStart(settings.scale, settings.lambda, origin));
  const name = (i) => `mode ${i + 1}`;
  modes.readOff((t) => strengths(network(t), s.length).map((u, i) => [u, `${name(i)}: ${number(u)}`, COLORS[i]]));
  kernel.readOff((t) => {
    const moved = kernelDistance(network(t), network(0), s.length);
    return [[moved, `t = ${number(t)}: ${number(moved)}`, "vermillion"]];
  });

  return (chosen) => {
    settings = chosen;
    const { lambda, scale, t } = settings;
    const states = TIMES.map(network);
    const begin = network(0);
    const grown = states.map((state) => strengths(state, s.length));
    s.forEach((strength, i) => {
      modes.line(
        name(i),
        grown.map((u, k) => [TIMES[k], u[i]]),
        { color: COLORS[i] },
      );
      modes.words(name(i), [LATE, strength], name(i), { color: COLORS[i], anchor: "end", dy: -7 });
    });
    kernel.line(
      "moved",
      states.map((state, k) => [TIMES[k], kernelDistance(state, begin, s.length)]),
      { color: "vermillion" },
    );
    const now = network(t);
    const u = strengths(now, s.length);
    const moved = kernelDistance(now, begin, s.length);
    modes.vertical("now", t, { color: "vermillion", width: 1, dash: "2 3" });
    kernel.vertical("now", t, { color: "vermillion", width: 1, dash: "2 3" });
    const halves = s.map((strength, i) => TIMES[grown.findIndex((row) => row[i] >= strength / 2)]);
    const when = halves.map((half) => (half === undefined ? "later" : `${Number(half.toPrecision(2))}`)).join(" and ");
    modes.title(`half learned at ${when}`, "ink");
    lambdas(lambda);
    sizes(scale);
    cursor([t, -0.1 * largest], `t = ${number(t)}`);
    const says =
      `Imbalance λ = ${number(lambda)}, start ${plain(scale)}: half learned at ${when} τ. At t = ${number(t)}: ` +
      `strengths ${u.map((value) => number(value)).join(" and ")}; the kernel has moved ${number(moved, 3)}.`;
    words.textContent = says;
    return { says, strengths: u, moved };
  };
}
