// Signals in a deep tanh network: the map of their variance with its staircase, and the Jacobian's singular values.
import { scaleLinear } from "d3-scale";
import { add, slider } from "./controls.js";
import { apply, logSingularValues, normals, orthogonal } from "./matrices.js";
import { meanLog, varianceMap, variances } from "./meanfield.js";
import { grid, number } from "./numbers.js";
import { plot } from "./plot.js";

const WIDTH = 16; // so that a hundred layers answer within a frame
const SEED = 4;
const LARGEST = 2; // variance shown
const MOST = 100; // layers

export function signals(body, _, change) {
  const panels = add(body, "div", { className: "live-panels" });
  const controls = add(body, "div", { className: "live-controls" });
  const words = add(body, "p", { className: "live-says" });
  words.setAttribute("aria-live", "polite");
  const map = plot(panels, {
    x: scaleLinear([0, LARGEST], [0, 1]),
    y: scaleLinear([0, LARGEST], [0, 1]),
    label: "The map of a signal's variance from layer to layer",
    xLabel: "variance q",
    yLabel: "in the next layer",
    xTicks: [0, 0.5, 1, 1.5, 2],
    yTicks: [0, 0.5, 1, 1.5, 2],
  });
  const spectrum = plot(panels, {
    x: scaleLinear([-12, 3], [0, 1]),
    y: scaleLinear([0, 1], [0, 1]),
    label: "Singular values of the network's Jacobian",
    xLabel: "log₁₀ σ of the Jacobian",
    yLabel: "fraction below",
    xTicks: [-12, -9, -6, -3, 0, 3],
    yTicks: [0, 0.5, 1],
  });
  let settings;
  const start = map.handle({
    label: "variance of the input",
    along: "x",
    moved: ([q]) => change({ q: Math.max(Math.round(100 * q) / 100, 0.01) }),
  });
  const gains = slider(controls, {
    label: "gain g",
    scale: scaleLinear([0.5, 2], [0, 150]),
    text: number,
    moved: (gain) => change({ gain: Math.round(100 * gain) / 100 }),
  });
  const depths = slider(controls, {
    label: "layers",
    scale: scaleLinear([1, MOST], [1, MOST]),
    moved: (layers) => change({ layers }),
  });
  map.readOff((q) => {
    const next = varianceMap(q, settings.gain);
    return [[next, `${number(q)} → ${number(next)}`, "vermillion"]];
  });
  map.line(
    "diagonal",
    [
      [0, 0],
      [LARGEST, LARGEST],
    ],
    { color: "faint", width: 1 },
  );
  spectrum.vertical("isometry", 0, { color: "faint", width: 1, dash: "2 3" });

  // The layers' weights stay while gain, input and depth change.
  const normal = normals(SEED);
  const direction = Float64Array.from({ length: WIDTH }, normal);
  const size = Math.hypot(...direction) / Math.sqrt(WIDTH);
  const weights = [];
  function* factors({ gain, q, layers }) {
    let x = direction.map((entry) => (entry / size) * Math.sqrt(q));
    for (let layer = 0; layer < layers; layer++) {
      weights[layer] ??= orthogonal(WIDTH, normal);
      const slopes = x.map((entry) => gain / Math.cosh(entry) ** 2);
      yield weights[layer].map((column, j) => column.map((entry) => entry * slopes[j]));
      x = apply(weights[layer], x.map(Math.tanh)).map((entry) => gain * entry);
    }
  }

  return (chosen) => {
    settings = chosen;
    const { gain, q, layers } = settings;
    const path = variances(q, gain, layers);
    const logs = logSingularValues(factors(settings)).map((value) => value / Math.LN10);
    const theory = path.slice(0, -1).reduce((sum, at) => sum + meanLog(at, gain), 0) / Math.LN10;
    map.line(
      "map",
      grid(0, LARGEST, 80).map((at) => [at, varianceMap(at, gain)]),
      { color: "vermillion" },
    );
    const stairs = path.slice(0, -1).flatMap((at, i) => [
      [at, i ? at : 0],
      [at, path[i + 1]],
      [path[i + 1], path[i + 1]],
    ]);
    map.line("stairs", stairs, { color: "blue", width: 1 });
    spectrum.marks(
      "simulated",
      logs.map((log, i) => [log, 1 - (i + 0.5) / WIDTH]),
      { color: "blue" },
    );
    spectrum.vertical("mean", theory, { color: "vermillion", width: 1.2 });
    const last = path.at(-1);
    const left = last < 0.001 ? "less than 0.001" : number(last, 3);
    map.title(`after ${layers} layers: ${left}`, "blue");
    const mean = logs.reduce((sum, log) => sum + log) / WIDTH;
    spectrum.title(`mean ${number(mean)}, by theory ${number(theory)}`, "vermillion");
    gains(gain);
    depths(layers);
    start([q, 0], `variance ${number(q)}`);
    const says =
      `Gain ${number(gain)}, input of variance ${number(q)}, ${layers} layers: the signal's variance is ${left} at ` +
      `the end; singular values from 10 to the ${number(logs.at(-1), 1)} to 10 to the ${number(logs[0], 1)}.`;
    words.textContent = says;
    return { says, variances: path, logs, theory };
  };
}
