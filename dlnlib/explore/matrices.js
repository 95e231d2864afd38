// Random orthogonal matrices, and the singular values of a long product. A matrix is an array of its columns.

/** Standard normal numbers from a seed: mulberry32's, by Box and Muller's method. */
export function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** The scalar product of two vectors, from entry `first` on. */
function dot(x, y, first = 0) {
  let sum = 0;
  for (let i = first; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** Add c times x to y, from entry `first` on. */
function addTo(y, c, x, first = 0) {
  for (let i = first; i < y.length; i++) y[i] += c * x[i];
}

export const apply = (a, x) => {
  const y = new Float64Array(a[0].length);
  a.forEach((column, j) => {
    addTo(y, x[j], column);
  });
  return y;
};

/** Q and R of a square matrix, R with a positive diagonal: Gram and Schmidt's method, each column freed of one at a time. */
export function qr(matrix) {
  const q = matrix.map((column) => Float64Array.from(column));
  const r = matrix.map((column) => new Float64Array(column.length));
  for (let k = 0; k < q.length; k++) {
    r[k][k] = Math.sqrt(dot(q[k], q[k]));
    for (let i = 0; i < q.length; i++) q[k][i] /= r[k][k];
    for (let j = k + 1; j < q.length; j++) {
      r[j][k] = dot(q[k], q[j]);
      addTo(q[j], -r[j][k], q[k]);
    }
  }
  return { q, r };
}

/** A random orthogonal matrix, each equally likely. */
export function orthogonal(n, normal) {
  return qr(Array.from({ length: n }, () => Float64Array.from({ length: n }, normal))).q;
}

/**
 * The logarithms of the singular values of a product, the first factor acting first: as in
 * `dlnlib.isometry.log_singular_values`, it is kept as Q diag(e^d) U, so that the small are as precise as the large.
 */
export function logSingularValues(factors) {
  let q;
  let d;
  let u; // its rows
  for (const factor of factors) {
    const next = qr(q ? q.map((column) => apply(factor, column)) : factor);
    const before = d ?? new Float64Array(factor.length);
    d = before.map((old, i) => old + Math.log(next.r[i][i]));
    const rows = u ?? factor.map((_, i) => Float64Array.from(factor, (_, j) => (i === j ? 1 : 0)));
    u = rows.map((_, i) => {
      const row = new Float64Array(factor.length);
      for (let k = i; k < factor.length; k++) addTo(row, next.r[k][i] * Math.exp(before[k] - d[i]), rows[k], k);
      return row;
    });
    q = next.q;
  }
  // One-sided Jacobi: turn pairs of rows until all are at right angles; a row's scale does no harm.
  const rows = u.map((row, i) => row.map((entry) => entry * Math.exp(d[i])));
  let squares;
  for (let turned = true; turned; ) {
    turned = false;
    squares = rows.map((row) => dot(row, row));
    for (let i = 0; i < rows.length; i++) {
      for (let j = i + 1; j < rows.length; j++) {
        const product = dot(rows[i], rows[j]);
        if (Math.abs(product) <= 1e-13 * Math.sqrt(squares[i]) * Math.sqrt(squares[j])) continue;
        turned = true;
        const t = tangent(squares[i], squares[j], product);
        turn(rows[i], rows[j], t);
        squares[i] -= t * product;
        squares[j] += t * product;
      }
    }
  }
  return squares.map((square) => Math.log(square) / 2).sort((x, y) => y - x);
}

/**
 * The modes { s, u, v } of a matrix, strongest first, so that it is the sum of s u v^T: one-sided Jacobi on its columns,
 * each with its row of V below it. What is left of a column that others span is rounding, at right angles to nothing.
 */
export function modesOf(columns) {
  const rows = columns[0].length;
  const pairs = columns.map((column, i) => Float64Array.from([...column, ...columns.map((_, j) => (i === j ? 1 : 0))]));
  const above = (pair) => pair.subarray(0, rows);
  const rounding = 1e-13 * Math.hypot(...pairs.map((pair) => Math.hypot(...above(pair))));
  for (let turned = true; turned; ) {
    turned = false;
    for (let i = 0; i < pairs.length; i++) {
      for (let j = i + 1; j < pairs.length; j++) {
        const [x, y] = [above(pairs[i]), above(pairs[j])];
        const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)];
        if (Math.min(xx, yy) < rounding ** 2 || Math.abs(xy) <= 1e-14 * Math.sqrt(xx * yy)) continue;
        turned = true;
        turn(pairs[i], pairs[j], tangent(xx, yy, xy));
      }
    }
  }
  return pairs
    .map((pair) => {
      const s = Math.hypot(...above(pair));
      return { s, u: above(pair).map((entry) => entry / s), v: pair.subarray(rows) };
    })
    .sort((x, y) => y.s - x.s);
}

/** Of the angle by which two vectors are turned until they are at right angles, from their products. */
function tangent(xx, yy, xy) {
  const zeta = (yy - xx) / (2 * xy);
  return (Math.sign(zeta) || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
}

/** Turn two vectors into each other by the angle whose tangent is t. */
function turn(x, y, t) {
  const c = 1 / Math.sqrt(1 + t * t);
  for (let i = 0; i < x.length; i++) {
    const old = x[i];
    x[i] = c * (old - t * y[i]);
    y[i] = c * (y[i] + t * old);
  }
}
