// One mode under gradient descent: a map of its layers onto themselves, from crawling to chaos as the step grows.
import { scaleLinear, scaleLog } from "d3-scale";
import { add, slider } from "./controls.js";
import { fate, inWords, path, step } from "./descent.js";
import { grid, number } from "./numbers.js";
import { plot } from "./plot.js";

const [SMALLEST, LARGEST] = [0.05, 4.5]; // steps, in units of the best
const SHOWN = 40; // steps

export function largeSteps(body, _, change) {
  const panels = add(body, "div", { className: "live-panels live-three" });
  const controls = add(body, "div", { className: "live-controls" });
  const words = add(body, "p", { className: "live-says" });
  words.setAttribute("aria-live", "polite");
  const size = { width: 236, height: 236 };
  const stairs = plot(panels, {
    ...size,
    x: scaleLinear([-1.7, 1.7], [0, 1]),
    y: scaleLinear([-1.7, 1.7], [0, 1]),
    label: "The map of a layer onto the next step's",
    xLabel: "layer a",
    yLabel: "a after a step",
    xTicks: [-1, 0, 1],
    yTicks: [-1, 0, 1],
  });
  const times = plot(panels, {
    ...size,
    x: scaleLinear([0, SHOWN], [0, 1]),
    y: scaleLinear([-0.6, 2.6], [0, 1]),
    label: "The strength of the mode at each step",
    xLabel: "step",
    yLabel: "strength u / s",
    xTicks: [0, 20, 40],
    yTicks: [0, 1, 2],
  });
  const tree = plot(panels, {
    ...size,
    x: scaleLinear([0, LARGEST], [0, 1]),
    y: scaleLinear([-0.6, 2.6], [0, 1]),
    label: "The strengths that a mode ends at, for each size of the step",
    xLabel: "step / best step κ",
    yLabel: "ends at u / s",
    xTicks: [0, 1, 2, 3, 4],
    yTicks: [0, 1, 2],
  });
  let settings;
  let drawn;
  const toStep = (kappa) => change({ kappa: Math.min(Math.max(Math.round(100 * kappa) / 100, SMALLEST), LARGEST) });
  const start = stairs.handle({
    label: "start of each layer",
    along: "x",
    moved([a]) {
      const u0 = Math.max(a, 0) ** settings.depth;
      change({ u0: Math.min(Math.max(u0, 0.01), 3) });
    },
  });
  tree.press(([kappa]) => toStep(kappa));
  const cursor = tree.handle({
    label: "size of the step",
    color: "vermillion",
    along: "x",
    moved: ([kappa]) => toStep(kappa),
  });
  const sizes = slider(controls, {
    label: "step κ",
    scale: scaleLinear([SMALLEST, LARGEST], [100 * SMALLEST, 100 * LARGEST]),
    text: number,
    moved: toStep,
  });
  const depths = slider(controls, {
    label: "depth D",
    scale: scaleLinear([1, 20], [1, 20]),
    moved: (depth) => change({ depth }),
  });
  const starts = slider(controls, {
    label: "start u₀",
    scale: scaleLog([0.01, 3], [0, 200]),
    text: (u0) => String(Number(u0.toPrecision(2))),
    moved: (u0) => change({ u0: Number(u0.toPrecision(2)) }),
  });
  stairs.line(
    "diagonal",
    [
      [-2, -2],
      [2, 2],
    ],
    { color: "faint", width: 1 },
  );
  times.horizontal("minimum", 1, { color: "green", width: 3, opacity: 0.6 });
  times.readOff((n) => {
    const at = Math.round(n);
    const a = path(settings.u0 ** (1 / settings.depth), settings.depth, settings.kappa, SHOWN)[at];
    return [[a ** settings.depth, `step ${at}: ${number(a ** settings.depth)}`, "blue"]];
  });

  return (chosen) => {
    settings = chosen;
    const { kappa, depth, u0 } = settings;
    const a0 = u0 ** (1 / depth);
    const visited = path(a0, depth, kappa, SHOWN);
    const strengths = visited.map((a) => a ** depth);
    stairs.line(
      "map",
      grid(-1.7, 1.7, 240).map((a) => [a, step(a, depth, kappa)]),
      { color: "vermillion" },
    );
    stairs.line(
      "stairs",
      visited.slice(0, -1).flatMap((a, n) => [
        [a, n ? a : 0],
        [a, visited[n + 1]],
        [visited[n + 1], visited[n + 1]],
      ]),
      { color: "blue", width: 1 },
    );
    times.line(
      "path",
      strengths.map((u, n) => [n, u]),
      { color: "blue", width: 1 },
    );
    times.marks(
      "steps",
      strengths.map((u, n) => [n, u]),
      { color: "blue", radius: 3 },
    );
    const key = `${depth} ${u0}`;
    if (drawn !== key) {
      drawn = key;
      const points = grid(SMALLEST, LARGEST, 160).flatMap((at) =>
        fate(a0, depth, at, 600).map((a) => [at, a ** depth]),
      );
      tree.dots("tree", points, { color: "blue" });
    }
    const ends = fate(a0, depth, kappa);
    const fateInWords = inWords(ends, depth, kappa);
    tree.vertical("here", kappa, { color: "vermillion", width: 1.2 });
    times.title(fateInWords, "blue");
    start([a0, 0], `a = ${number(a0, 3)}`);
    cursor([kappa, -0.6], `κ = ${number(kappa)}`);
    sizes(kappa);
    depths(depth);
    starts(u0);
    const says = `Step κ = ${number(kappa)} of the best, depth ${depth}, start u₀ = ${Number(u0.toPrecision(2))}: ${fateInWords}.`;
    words.textContent = says;
    return { says, strengths, period: ends.length };
  };
}
