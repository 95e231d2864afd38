import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, logSingularValues, modesOf, normals, orthogonal, qr } from "../../dlnlib/explore/matrices.js";

const random = (n, normal) => Array.from({ length: n }, () => Float64Array.from({ length: n }, normal));
const close = (value, wanted, within = 1e-12) => assert.ok(Math.abs(value - wanted) <= within, `${value}, ${wanted}`);

test("Q is orthogonal, R triangular with a positive diagonal, and they make the matrix", () => {
  const a = random(7, normals(1));
  const { q, r } = qr(a);
  q.forEach((x, i) => {
    q.forEach((y, j) => {
      close(
        x.reduce((sum, entry, k) => sum + entry * y[k], 0),
        i === j ? 1 : 0,
      );
    });
    assert.ok(r[i][i] > 0 && r[i].slice(i + 1).every((entry) => entry === 0));
    apply(q, r[i]).forEach((entry, k) => {
      close(entry, a[i][k]);
    });
  });
});

test("an orthogonal matrix keeps all lengths", () => {
  const normal = normals(2);
  const product = Array.from({ length: 5 }, () => orthogonal(6, normal));
  for (const log of logSingularValues(product)) close(log, 0);
});

test("singular values keep their digits over a hundred decades", () => {
  const a = [
    [1, 0],
    [0, 1e-20],
  ];
  const logs = logSingularValues([a, a, a, a, a]);
  close(logs[0], 0);
  close(logs[1], -100 * Math.LN10, 1e-10);
});

test("they multiply to the determinant", () => {
  const normal = normals(3);
  const factors = Array.from({ length: 30 }, () => random(8, normal));
  const wanted = factors.reduce((sum, f) => sum + qr(f).r.reduce((s, column, i) => s + Math.log(column[i]), 0), 0);
  close(
    logSingularValues(factors).reduce((sum, log) => sum + log),
    wanted,
    1e-9,
  );
});

test("normal numbers have mean zero and variance one", () => {
  const drawn = Float64Array.from({ length: 40000 }, normals(5));
  close(drawn.reduce((sum, x) => sum + x) / 40000, 0, 0.02);
  close(drawn.reduce((sum, x) => sum + x * x) / 40000, 1, 0.03);
});

test("modes make the matrix, are at right angles, and a matrix without all of them is no trouble", () => {
  const normal = normals(6);
  // Columns 3 and 4 are equal, and rounding makes what remains of one of them point anywhere.
  const equal = ["000111", "101001", "100010", "100010"].map((row) => Array.from(row, Number));
  const full = Array.from({ length: 4 }, () => Float64Array.from({ length: 7 }, normal));
  for (const columns of [
    full,
    [full[0], full[1], full[0], full[1].map((x) => -2 * x)],
    equal,
    full.map((x) => x.map(() => 0)),
  ]) {
    const modes = modesOf(columns).filter(({ s }) => s > 1e-12);
    columns.forEach((column, j) => {
      column.forEach((entry, i) => {
        close(
          modes.reduce((sum, { s, u, v }) => sum + s * u[i] * v[j], 0),
          entry,
        );
      });
    });
    modes.forEach(({ u, v }, i) => {
      modes.slice(0, i).forEach((other) => {
        close(
          u.reduce((sum, x, k) => sum + x * other.u[k], 0),
          0,
        );
        close(
          v.reduce((sum, x, k) => sum + x * other.v[k], 0),
          0,
        );
      });
    });
  }
});
