// What a network believes of each thing, in time: a table that fills, and one belief taken apart into modes.
import { scaleLinear } from "d3-scale";
import { add, button, player, slider } from "./controls.js";
import { modesOf } from "./matrices.js";
import { learned } from "./modes.js";
import { grid, number } from "./numbers.js";
import { plot } from "./plot.js";

const ABSENT = 1e-9; // strength below which a mode is none
const SECONDS = 12; // to play from zero to the end
const COLORS = ["sky", "green", "purple", "orange", "blue"];
const LOUD = 0.02; // parts of a belief that get a label

export function beliefs(body, { things, properties, u0, duration, facts: real }, change) {
  const above = add(body, "div", { className: "live-controls" });
  const panels = add(body, "div", { className: "live-panels" });
  const words = add(body, "p", { className: "live-says" });
  const controls = add(body, "div", { className: "live-controls live-named" });
  const buttons = add(body, "div", { className: "live-buttons" });
  const [rows, columns] = [properties.length, things.length];
  const table = plot(panels, {
    x: scaleLinear([-0.5, columns - 0.5], [0, 1]),
    y: scaleLinear([rows - 0.5, -0.5], [0, 1]),
    height: 512,
    margin: { left: 96, bottom: 46, right: 8 },
    label: "What the network believes: properties in rows, things in columns",
    xTicks: [],
    yTicks: properties.map((_, i) => i),
    format: (i) => properties[i],
  });
  const curves = add(panels, "div", { className: "live-column" });
  const time = { xLabel: "time t/τ", height: 252 };
  const belief = plot(curves, {
    ...time,
    x: scaleLinear([0, duration], [0, 1]),
    y: scaleLinear([-0.6, 1.3], [0, 1]),
    yTicks: [-0.5, 0, 0.5, 1],
    label: "The chosen belief in time",
    yLabel: "belief",
  });
  const parts = plot(curves, {
    ...time,
    x: scaleLinear([0, duration], [0, 1]),
    y: scaleLinear([-0.8, 1.1], [0, 1]),
    yTicks: [-0.5, 0, 0.5, 1],
    label: "The parts of the chosen belief in time, one for each mode",
    yLabel: "part of the belief",
  });
  const steps = grid(0, duration, 160);
  let settings;
  let solved; // the modes of the facts, as the reader has them
  /** Go to a time; while it plays, no screen reader is told of each. */
  function go(t, live = "polite") {
    words.setAttribute("aria-live", live);
    change({ t: Math.min(Math.max(Math.round(1000 * t) / 1000, 0), duration) });
  }
  const choose = (property, thing) => change({ property, thing });
  player(above, {
    advance(seconds) {
      if (settings.t >= duration) return false;
      go(settings.t + (seconds * duration) / SECONDS, "off");
      return true;
    },
    restart: () => go(0),
  });
  const cursor = belief.handle({ label: "time", color: "ink", along: "x", moved: ([t]) => go(t) });
  table.press(([thing, property]) => choose(Math.round(property), Math.round(thing)));
  const thing = slider(controls, {
    label: "thing",
    scale: scaleLinear([0, columns - 1], [0, columns - 1]),
    text: (i) => things[i],
    moved: (chosen) => choose(settings.property, chosen),
  });
  const property = slider(controls, {
    label: "property",
    scale: scaleLinear([0, rows - 1], [0, rows - 1]),
    text: (i) => properties[i],
    moved: (chosen) => choose(chosen, settings.thing),
  });
  const toggled = button(buttons, "", () => {
    const { facts, property: p, thing: i } = settings;
    change({ facts: facts.with(p, facts[p].with(i, 1 - facts[p][i])) });
  });
  const back = button(buttons, "the world as it is", () => change({ facts: real }));
  things.forEach((name, i) => {
    table.words(name, [i, rows - 0.5], name, { anchor: "middle", dy: i % 2 ? 32 : 16 });
  });
  const color = (a) => COLORS[a % COLORS.length];
  /** The parts k_a f_a(t) of a belief, one for each mode. */
  const taken = (t, p, i) => solved.modes.map(({ s, u, v }) => u[p] * s * v[i] * learned(t, s, u0));
  const sum = (numbers) => numbers.reduce((all, x) => all + x, 0);
  const chosenAt = (t) => taken(t, settings.property, settings.thing);
  belief.readOff((t) => [[sum(chosenAt(t)), `t = ${number(t)}: ${number(sum(chosenAt(t)))}`, "vermillion"]]);
  parts.readOff((t) =>
    chosenAt(t).map((part, a) => [
      Math.abs(part) > LOUD ? part : Number.NaN,
      `mode ${a + 1}: ${number(part)}`,
      color(a),
    ]),
  );

  return (chosen) => {
    settings = chosen;
    const { facts, property: p, thing: i, t } = settings;
    const key = JSON.stringify(facts);
    if (solved?.key !== key) {
      const modes = modesOf(things.map((_, j) => facts.map((row) => row[j]))).filter(({ s }) => s > ABSENT);
      solved = { key, modes };
    }
    const believed = properties.map((_, row) => things.map((_, column) => sum(taken(t, row, column))));
    const true_ = facts.flatMap((row, r) => row.flatMap((fact, c) => (fact ? [[c, r]] : [])));
    table.cells("beliefs", believed, 1);
    table.marks("facts", true_, { color: "faint", radius: 1.5 });
    const corners = [
      [i - 0.5, p - 0.5],
      [i + 0.5, p - 0.5],
      [i + 0.5, p + 0.5],
      [i - 0.5, p + 0.5],
      [i - 0.5, p - 0.5],
    ];
    table.line("chosen", corners, { color: "ink", width: 2.5 });
    table.title("vermillion: yes; dots: what is true", "vermillion");
    const name = `${things[i]} ${properties[p]}`;
    const now = chosenAt(t);
    belief.line(
      "belief",
      steps.map((at) => [at, sum(chosenAt(at))]),
      { color: "vermillion" },
    );
    belief.horizontal("truth", facts[p][i], { color: "green", width: 3, opacity: 0.6 });
    belief.title(name, "vermillion");
    belief.vertical("now", t, { color: "ink", width: 1, dash: "2 3" });
    parts.vertical("now", t, { color: "ink", width: 1, dash: "2 3" });
    const last = chosenAt(duration);
    things.forEach((_, a) => {
      const loud = Math.abs(last[a] ?? 0) > LOUD;
      parts.line(`part ${a}`, loud ? steps.map((at) => [at, chosenAt(at)[a]]) : [], { color: color(a) });
      parts.words(`part ${a}`, [duration, last[a] ?? 0], loud ? `mode ${a + 1}` : "", {
        color: color(a),
        anchor: "end",
        dy: last[a] < 0 ? 14 : -5,
      });
    });
    parts.title("its modes, one by one", "ink");
    cursor([t, sum(now)], `t = ${number(t)}`);
    thing(i);
    property(p);
    toggled.textContent = `make “${name}” ${facts[p][i] ? "false" : "true"}`;
    const unchanged = key === JSON.stringify(real);
    back.hidden = unchanged;
    const truth = facts[p][i] ? "true" : "false";
    const said = now.map((part, a) => [a, part]).filter(([, part]) => Math.abs(part) > LOUD);
    const by = said.length ? said.map(([a, part]) => `mode ${a + 1} ${number(part)}`).join(", ") : "no mode yet";
    const says = `At t = ${number(t)}: ${name}? Believed to ${number(sum(now))}; it is ${truth}. By ${by}.`;
    words.textContent = says;
    return { says, beliefs: believed.flat(), strengths: solved.modes.map(({ s }) => s), parts: now };
  };
}
