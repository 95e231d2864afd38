import assert from "node:assert/strict";
import { test } from "node:test";
import { balancedFlow, balancedStart, kernelDistance, strengths } from "../../dlnlib/explore/flow.js";

const origin = {
  left: [
    [0.6, -0.8],
    [0.8, 0.6],
  ],
  values: [0.9, 0.4],
  right: [
    [0.5, 0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5, -0.5],
  ],
};
const s = [2, 1];
const close = (value, wanted, within = 1e-10) => assert.ok(Math.abs(value - wanted) <= within, `${value}, ${wanted}`);
const dot = (x, y) => x.reduce((sum, entry, i) => sum + entry * y[i], 0);

/** W_2^T W_2 - W_1 W_1^T. */
function imbalance(rows) {
  const column = (j, part) => part.map((row) => row[j]);
  const [first, second] = [rows.slice(0, -2), rows.slice(-2)];
  return [0, 1].map((i) =>
    [0, 1].map((j) => dot(column(i, second), column(j, second)) - dot(column(i, first), column(j, first))),
  );
}

for (const lambda of [-3, 0, 0.5, 20]) {
  test(`a start with imbalance ${lambda} keeps it, and every mode is learned`, () => {
    const start = balancedStart(0.3, lambda, origin);
    for (const t of [0, 0.4, 3]) {
      const [[a, b], [c, d]] = imbalance(balancedFlow(t, s, lambda, start));
      for (const [found, wanted] of [
        [a, lambda],
        [d, lambda],
        [b, 0],
        [c, 0],
      ]) {
        close(found, wanted);
      }
    }
    strengths(balancedFlow(1e4, s, lambda, start), 2).forEach((u, i) => {
      close(u, s[i]);
    });
  });

  test(`with imbalance ${lambda}, going on from where it was is the same as going all the way`, () => {
    const start = balancedStart(0.3, lambda, origin);
    const half = balancedFlow(0.7, s, lambda, start);
    const [once, twice] = [balancedFlow(1.1, s, lambda, start), balancedFlow(0.4, s, lambda, half)];
    close(kernelDistance(once, twice, 2), 0);
    strengths(once, 2).forEach((u, i) => {
      close(strengths(twice, 2)[i], u);
    });
  });
}

test("its first steps go down the gradient", () => {
  const [lambda, h] = [0.5, 1e-5];
  const start = balancedStart(0.3, lambda, origin);
  const moved = balancedFlow(h, s, lambda, start);
  // What does not depend on the rotation of the hidden layer: the map, whose velocity is
  // W_2 W_2^T (S - W) + (S - W) W_1^T W_1.
  const map = (rows) => rows.slice(-2).map((output) => rows.slice(0, -2).map((input) => dot(output, input)));
  const error = map(start).map((row, i) => row.map((entry, j) => (i === j ? s[i] : 0) - entry));
  const [inputs, outputs] = [start.slice(0, -2), start.slice(-2)];
  map(moved).forEach((row, i) => {
    row.forEach((entry, j) => {
      const down = error.reduce((sum, other, k) => sum + dot(outputs[i], outputs[k]) * other[j], 0);
      const across = error[i].reduce((sum, other, k) => sum + other * dot(inputs[k], inputs[j]), 0);
      close((entry - map(start)[i][j]) / h, down + across, 1e-3);
    });
  });
});
