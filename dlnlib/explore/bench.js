// The bench: build a task and a network, and watch it train, with what the theory says drawn in advance.
import { scaleLinear, scaleLog } from "d3-scale";
import { add, button, player, slider } from "./controls.js";
import { mode } from "./modes.js";
import { channels, largestStableRate, seen, start, step } from "./network.js";
import { grid, number } from "./numbers.js";
import { plot } from "./plot.js";

const STARTS = ["decoupled", "small random", "orthogonal", "Glorot"];
const [WEAKEST, STRONGEST] = [0.1, 3];
const MOST = 20000; // steps shown
const FRAMES = 600; // of a run played from its start to its end
const BUDGET = 8; // milliseconds of training in a frame
const LOST = 100; // times the loss at the start: the run diverges
const digits = (value) => Number(value.toPrecision(2));
const opacity = (i) => 1 - 0.085 * i;

export function bench(body, _, change) {
  const above = add(body, "div", { className: "live-controls" });
  const panels = add(body, "div", { className: "live-panels" });
  const words = add(body, "p", { className: "live-says" });
  const controls = add(body, "div", { className: "live-controls" });
  const buttons = add(body, "div", { className: "live-buttons" });
  const bars = plot(panels, {
    x: scaleLinear([0.3, 8.7], [0, 1]),
    y: scaleLinear([-0.25, STRONGEST + 0.15], [0, 1]),
    label: "The modes of the task, their strengths to be dragged, and how much of each the network has",
    xLabel: "mode",
    yLabel: "strength",
    xTicks: [1, 2, 3, 4, 5, 6, 7, 8],
    yTicks: [0, 1, 2, 3],
  });
  const scales = { lossTime: scaleLinear(), loss: scaleLinear(), time: scaleLinear() };
  const times = plot(panels, {
    x: scales.time,
    y: scaleLinear([-0.25, STRONGEST + 0.15], [0, 1]),
    label: "The strength of each mode in time",
    xLabel: "time t/τ, steps × rate",
    yLabel: "mode strength",
    yTicks: [0, 1, 2, 3],
  });
  const losses = plot(panels, {
    x: scales.lossTime,
    y: scales.loss,
    label: "The loss in time",
    xLabel: "time t/τ, steps × rate",
    yLabel: "loss",
  });
  const map = plot(panels, {
    x: scaleLinear([-0.5, 7.5], [0, 1]),
    y: scaleLinear([7.5, -0.5], [0, 1]),
    label: "The network's map in the axes of the modes",
    xLabel: "input mode",
    yLabel: "output mode",
    xTicks: [0, 1, 2, 3, 4, 5, 6, 7],
    yTicks: [0, 1, 2, 3, 4, 5, 6, 7],
    format: (i) => i + 1,
  });
  map.title("map: from vermillion (+) to blue (−)");
  let settings;
  let run; // the network in training, and what is drawn of its run

  /** Go to a step; while time plays, no screen reader is told of each. */
  function go(step, moved = {}, live = "polite") {
    words.setAttribute("aria-live", live);
    change({ ...moved, step });
  }
  /** What the reader builds begins anew. */
  const build = (moved) => go(0, moved);
  player(above, {
    advance() {
      if (run.diverged || settings.step >= run.steps) return false;
      const wanted = Math.ceil(run.steps / FRAMES);
      const count = Math.min(wanted, Math.max(1, Math.floor(BUDGET / run.cost)));
      go(Math.min(settings.step + count, run.steps), {}, "off");
      return true;
    },
    restart: () => go(0),
  });
  button(add(above, "div", { className: "live-buttons" }), "one step", () => go(settings.step + 1));
  button(buttons, "other random weights", () => build({ seed: settings.seed + 1 }));
  button(buttons, "a stable rate", () =>
    build({ rate: digits(0.15 * largestStableRate(Math.max(...settings.strengths, 0.1), settings.depth)) }),
  );
  const starts = STARTS.map((kind) => button(buttons, `start: ${kind}`, () => build({ kind })));
  const handles = Array.from({ length: 8 }, (_, i) =>
    bars.handle({
      label: `strength of mode ${i + 1}`,
      along: "y",
      moved([, s]) {
        // A mode is there from 0.1 on, which is one step of the keys above nothing.
        const here = settings.strengths[i] === 0 && s > 0 ? Math.max(s, WEAKEST) : s;
        const strength = here < WEAKEST ? 0 : Math.min(Math.round(100 * here) / 100, STRONGEST);
        build({ strengths: settings.strengths.with(i, strength) });
      },
    }),
  );
  const depths = slider(controls, {
    label: "depth D",
    scale: scaleLinear([1, 20], [1, 20]),
    moved: (depth) => build({ depth }),
  });
  const widths = slider(controls, {
    label: "width",
    scale: scaleLinear([1, 32], [1, 32]),
    moved: (width) => build({ width }),
  });
  const sizes = slider(controls, {
    label: "start u₀",
    scale: scaleLog([1e-4, 1], [0, 200]),
    text: String,
    moved: (u0) => build({ u0: digits(u0) }),
  });
  const rates = slider(controls, {
    label: "rate",
    scale: scaleLog([1e-3, 1], [0, 300]),
    text: String,
    moved: (rate) => build({ rate: digits(rate) }),
  });
  losses.readOff((t) => [[run.theoryOfLoss(t), `theory ${number(run.theoryOfLoss(t))}`, "vermillion"]]);
  times.readOff((t) => run.theory(t).map((u, i) => [run.open[i] ? u : Number.NaN, `${i + 1}: ${number(u)}`, "blue"]));

  /** Begin a run, and draw what the theory says of it. */
  function begin(key) {
    const { strengths, depth, width, kind, u0, rate } = settings;
    const open = strengths.map((_, i) => channels(strengths, depth, width).includes(i));
    const modes = strengths.map((s, i) => (open[i] ? mode(s, u0, depth) : { strength: () => 0, time: () => 0 }));
    const learned = strengths.map((s, i) => modes[i].time(Math.min(Math.max(u0, 0.99 * s), 1.01 * s)));
    const patience = kind === "decoupled" ? 1.15 : 2; // other starts are late
    const duration = Math.min(patience * Math.max(...learned, 1), MOST * rate);
    const theory = (t) => modes.map(({ strength }) => strength(t));
    const theoryOfLoss = (t) => theory(t).reduce((sum, u, i) => sum + (strengths[i] - u) ** 2 / 2, 0);
    const layers = start(settings);
    const first = seen(layers, strengths);
    const steps = Math.ceil(duration / rate);
    const every = Math.max(1, Math.round(steps / 30));
    run = {
      key,
      layers,
      steps,
      every,
      open,
      theory,
      theoryOfLoss,
      first,
      now: first,
      step: 0,
      marks: [first],
      cost: 1,
    };
    scales.lossTime.domain([0, duration]);
    scales.loss.domain([0, 1.1 * Math.max(first.loss, theoryOfLoss(0), 0.1)]);
    scales.time.domain([0, duration]);
    losses.axes();
    times.axes();
    const shown = grid(0, duration, 120).map((t) => [t, theory(t)]);
    losses.line(
      "theory",
      shown.map(([t]) => [t, theoryOfLoss(t)]),
      { color: "vermillion" },
    );
    strengths.forEach((s, i) => {
      times.line(`theory ${i}`, open[i] ? shown.map(([t, u]) => [t, u[i]]) : [], {
        color: "blue",
        opacity: opacity(i),
      });
      bars.line(
        `wanted ${i}`,
        [
          [i + 1, 0],
          [i + 1, s],
        ],
        { color: "rule", width: 20 },
      );
    });
    drawMarks();
  }

  function drawMarks() {
    const { rate } = settings;
    const points = (value) => run.marks.map((mark, n) => [n * run.every * rate, value(mark)]);
    losses.marks(
      "network",
      points(({ loss }) => loss),
      { color: "vermillion", radius: 3 },
    );
    const present = settings.strengths.map((_, i) => i).filter((i) => settings.strengths[i] > 0);
    times.marks(
      "network",
      present.flatMap((i) => points(({ map: rows }) => rows[i][i])),
      { color: "blue", radius: 2.5 },
    );
  }

  /** Train up to a step, from the start if that is behind. */
  function train() {
    const { step: wanted, ...built } = settings;
    const key = JSON.stringify(built);
    if (run?.key !== key || wanted < run.step) begin(key);
    if (run.diverged || wanted === run.step) return;
    const [before, from] = [performance.now(), run.step];
    const marked = run.marks.length;
    while (run.step < wanted && !run.diverged) {
      const loss = step(run.layers, settings.strengths, settings.rate);
      if (!(loss < LOST * Math.max(run.first.loss, 1))) run.diverged = run.step;
      run.step++;
      if (run.step % run.every === 0 && !run.diverged) run.marks.push(seen(run.layers, settings.strengths));
    }
    run.now = seen(run.layers, settings.strengths);
    run.cost = (performance.now() - before) / (run.step - from);
    if (run.marks.length > marked) drawMarks();
  }

  function fate() {
    const { strengths, rate, depth } = settings;
    const limit = largestStableRate(Math.max(...strengths, 0.1), depth);
    const above = rate > limit;
    const why = above
      ? `the rate is above ${number(limit, 3)}, the largest at which the strongest mode is stable`
      : `although the rate is below the largest stable one, ${number(limit, 3)}: so far from the minimum the loss is steeper`;
    if (run.diverged) return `Diverged at step ${run.diverged}: ${why}.`;
    return above ? `It cannot settle: ${why}.` : `The largest stable rate is ${number(limit, 3)}.`;
  }

  return (chosen) => {
    settings = chosen;
    train();
    const { strengths, depth, width, kind, u0, rate } = settings;
    const t = run.step * rate;
    const { loss, map: rows } = run.now;
    handles.forEach((handle, i) => {
      handle([i + 1, strengths[i]], number(strengths[i]));
      bars.line(
        `learned ${i}`,
        [
          [i + 1, 0],
          [i + 1, rows[i][i]],
        ],
        { color: "blue", width: 20, opacity: opacity(i) },
      );
    });
    map.cells("map", rows, Math.max(...strengths, 0.1));
    losses.vertical("now", t, { color: "ink", width: 1, dash: "2 3" });
    times.vertical("now", t, { color: "ink", width: 1, dash: "2 3" });
    bars.title("drag the strengths of the task", "blue");
    losses.title(
      run.diverged ? `diverged at step ${run.diverged}` : `step ${run.step}: loss ${number(loss, 3)}`,
      "vermillion",
    );
    times.title("lines: theory; circles: the network", "blue");
    depths(depth);
    widths(width);
    sizes(u0);
    rates(rate);
    starts.forEach((made, i) => {
      made.setAttribute("aria-pressed", STARTS[i] === kind);
    });
    const assumed = kind === "decoupled" ? "small steps" : "small steps, and a start in the modes' axes";
    const says =
      `Depth ${depth}, width ${width}, ${kind} start of size ${u0}, rate ${rate}. Step ${run.step}, t = ${number(t)}: ` +
      `loss ${run.diverged ? "lost" : number(loss, 3)}, by theory ${number(run.theoryOfLoss(t), 3)}, which assumes ${assumed}. ${fate()}`;
    words.textContent = says;
    const theory = run.theory(t);
    return { says, loss, map: rows.flat(), theory };
  };
}
