import assert from "node:assert/strict";
import { test } from "node:test";
import { unbalancedMode, unbalancedTime } from "../../dlnlib/explore/modes.js";
import { grid, number, plain } from "../../dlnlib/explore/numbers.js";

const close = (value, wanted, within = 1e-12) => assert.ok(Math.abs(value - wanted) <= within, `${value}, ${wanted}`);

test("a balanced mode is a sigmoid", () => {
  const [s, u0, t] = [1.3, 0.01, 2];
  const [a, b] = unbalancedMode(t, s, Math.sqrt(u0), Math.sqrt(u0));
  close(a * b, s / (1 + (s / u0 - 1) * Math.exp(-2 * s * t)));
});

test("a^2 - b^2 is conserved, and time is the inverse of strength", () => {
  for (const t of grid(0, 5, 20)) {
    const [a, b] = unbalancedMode(t, 0.7, -1.2, 0.4);
    close(a ** 2 - b ** 2, 1.28);
    close(unbalancedTime(a * b, 0.7, -1.2, 0.4), t, 1e-9);
  }
});

test("from the line to the saddle a mode falls into it", () => {
  const [a, b] = unbalancedMode(Infinity, 1, 0.5, -0.5);
  assert.equal(a, 0);
  close(b, 0);
});

test("numbers are written with a proper minus and few digits", () => {
  assert.equal(number(-0.126), "−0.13");
  assert.equal(number(-0.001), "0.00");
  assert.equal(plain(0.1 + 0.2), "0.3");
  assert.equal(plain(-1), "−1");
});
