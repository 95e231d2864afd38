import assert from "node:assert/strict";
import { test } from "node:test";
import { mode } from "../../dlnlib/explore/modes.js";
import { channels, largestStableRate, seen, start, step } from "../../dlnlib/explore/network.js";

const close = (value, wanted, within) => assert.ok(Math.abs(value - wanted) <= within, `${value}, ${wanted}`);
const task = { strengths: [3, 0, 1.2, 0.5], depth: 3, width: 5, u0: 0.01, seed: 1 };
const copy = (layers) => layers.map((layer) => ({ ...layer, w: layer.w.slice() }));

test("a step goes down the gradient of the loss", () => {
  for (const kind of ["decoupled", "small random", "orthogonal", "Glorot"]) {
    const layers = start({ ...task, kind });
    const [rate, h] = [0.1, 1e-6];
    const after = copy(layers);
    close(step(after, task.strengths, rate), seen(layers, task.strengths).loss, 1e-12);
    layers.forEach((layer, l) => {
      for (const k of [0, 3, layer.w.length - 1]) {
        const [up, down] = [h, -h].map((change) => {
          const moved = copy(layers);
          moved[l].w[k] += change;
          return seen(moved, task.strengths).loss;
        });
        close((after[l].w[k] - layer.w[k]) / rate, (down - up) / (2 * h), 1e-8);
      }
    });
  }
});

test("a decoupled start has each mode that is there at u0, the strongest where there is little room", () => {
  const { map } = seen(start({ ...task, kind: "decoupled" }), task.strengths);
  map.forEach((row, i) => {
    row.forEach((u, j) => {
      close(u, i === j && i !== 1 ? 0.01 : 0, 1e-15);
    });
  });
  assert.deepEqual(channels([1, 0, 3, 2], 2, 2), [2, 3]);
  assert.deepEqual(channels([1, 0, 3, 2], 1, 2), [2, 3, 0]);
});

test("an orthogonal start, as wide as there are modes, has all singular values at u0", () => {
  const { map } = seen(start({ ...task, width: 4, kind: "orthogonal" }), task.strengths);
  for (const row of map) close(Math.hypot(...row), 0.01, 1e-15);
});

test("small random layers have the variance that they say", () => {
  const layers = start({ ...task, kind: "small random", width: 100 });
  const { w } = layers[1];
  close((w.reduce((sum, x) => sum + x * x, 0) / w.length) * 100, 0.02 ** (2 / 3), 0.003);
});

test("a small step follows the theory of a mode, a step beyond the largest stable does not settle", () => {
  for (const depth of [1, 2, 5]) {
    const settings = { ...task, depth, kind: "decoupled" };
    const layers = start(settings);
    for (let n = 0; n < 2000; n++) step(layers, task.strengths, 1e-3);
    for (const i of [0, 2, 3]) {
      close(seen(layers, task.strengths).map[i][i], mode(task.strengths[i], 0.01, depth).strength(2), 0.01);
    }
    const limit = largestStableRate(3, depth);
    const errors = [0.95, 1.05].map((factor) => {
      const trained = start(settings);
      for (let n = 0; n < 4000; n++) step(trained, [3, 0, 0, 0], factor * limit);
      return Math.abs(seen(trained, [3, 0, 0, 0]).map[0][0] - 3);
    });
    assert.ok(errors[0] < 1e-9 && !(errors[1] < 0.1), `${errors}`);
  }
});

test("time and strength of a mode are each other's inverse, above and below its end", () => {
  for (const [s, u0] of [
    [2, 1e-4],
    [0.5, 0.9],
  ]) {
    for (const depth of [1, 2, 3, 20]) {
      const { strength, time } = mode(s, u0, depth);
      for (const fraction of [0, 0.3, 0.9]) {
        const u = u0 + fraction * (s - u0);
        close(strength(time(u)), u, 1e-11);
      }
    }
  }
});
