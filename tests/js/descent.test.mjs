import assert from "node:assert/strict";
import { test } from "node:test";
import { exponent, fate, inWords, path, step } from "../../dlnlib/explore/descent.js";

test("a step goes down the gradient of (1 - a^D)^2 / 2 by kappa / D", () => {
  const [a, depth, kappa, h] = [0.7, 3, 0.4, 1e-5];
  const loss = (x) => (1 - x ** depth) ** 2 / 2;
  const slope = (loss(a + h) - loss(a - h)) / (2 * h) / depth; // for one of the layers
  assert.ok(Math.abs(step(a, depth, kappa) - (a - (kappa / depth) * slope)) < 1e-10);
});

test("a single layer escapes beyond 2, two beyond 4", () => {
  for (const [depth, kappa, escapes] of [
    [1, 1.99, false],
    [1, 2.01, true],
    [2, 3.99, false],
    [2, 4.01, true],
  ]) {
    assert.equal(fate(0.3, depth, kappa).length === 0, escapes);
  }
});

test("cycles double from 2 on, and what never repeats parts neighbours", () => {
  const ends = (kappa) => fate(0.3, 2, kappa);
  assert.deepEqual(
    [1.9, 2.3, 2.52].map((kappa) => ends(kappa).length),
    [1, 2, 4],
  );
  assert.match(inWords(ends(2.7), 2, 2.7), /chaos/);
  assert.ok(exponent(path(0.3, 2, 2.7, 5000), 2, 2.7) > 0.05 && exponent(path(0.3, 2, 2.3, 5000), 2, 2.3) < 0);
});

test("where it ends is said in words", () => {
  const said = (a, depth, kappa) => inWords(fate(a, depth, kappa), depth, kappa);
  assert.equal(said(0.3, 2, 0.5), "it creeps to the minimum");
  assert.equal(said(0.3, 2, 1), "its last step lands on the minimum");
  assert.equal(said(0.3, 2, 1.9), "it swings in to the minimum");
  assert.equal(said(0.3, 2, 4.2), "it escapes");
  assert.equal(said(1.056, 20, 4.5), "thrown back onto the plateau");
});
