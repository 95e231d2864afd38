// A two-layer network from a balanced start, in closed form: `dlnlib.exact.balanced_flow`, in the modes' axes.

/**
 * The network at time t. `s` are the modes' strengths; `lambda` the conserved imbalance; `start` has a row for each
 * input and then for each output, in the axes of the modes (inputs beyond the modes last), a column for each hidden
 * unit: [W_1^T; W_2]. Returns such rows, up to a rotation of the hidden layer.
 */
export function balancedFlow(t, s, lambda, start) {
  if (t === 0) return start;
  const [nOut, nIn] = [s.length, start.length - s.length];
  // Eigenvectors of F: two in the plane of each mode's input and output, and each input that takes part in none.
  const lean = s.map((strength) => Math.atan2(strength, lambda / 2) / 2);
  const radius = s.map((strength) => Math.hypot(strength, lambda / 2));
  const turn = (rows) => {
    const turned = rows.map((row) => row.slice());
    lean.forEach((angle, i) => {
      rows[i].forEach((_, j) => {
        const [x, y] = [rows[i][j], rows[nIn + i][j]];
        turned[i][j] = Math.cos(angle) * x - Math.sin(angle) * y; // decays
        turned[nIn + i][j] = Math.sin(angle) * x + Math.cos(angle) * y; // grows
      });
    });
    return turned;
  };
  const back = (rows) => {
    const turned = rows.map((row) => row.slice());
    lean.forEach((angle, i) => {
      rows[i].forEach((_, j) => {
        const [x, y] = [rows[i][j], rows[nIn + i][j]];
        turned[i][j] = Math.cos(angle) * x + Math.sin(angle) * y;
        turned[nIn + i][j] = -Math.sin(angle) * x + Math.cos(angle) * y;
      });
    });
    return turned;
  };
  const f = start.map((_, k) => (k < nOut ? -radius[k] : k < nIn ? -lambda / 2 : radius[k - nIn]));
  // exp(F t) C (I + C^T G C)^-1/2 with G = (exp(2 F t) - I) / 2 F: an orthonormal basis of what the columns of
  // [sqrt(G) C; I] span, and its first rows times exp(F t) / sqrt(G), which is never large. Sizes are kept as logarithms.
  const gain = f.map((rate) => (rate === 0 ? t : -Math.expm1(-2 * Math.abs(rate) * t) / (2 * Math.abs(rate))));
  const sizes = f.map((rate, k) => Math.max(rate, 0) * t + Math.log(gain[k]) / 2);
  const rows = [...turn(start), ...start[0].map((_, i) => start[0].map((_, j) => (i === j ? 1 : 0)))];
  const basis = orthonormal(rows, [...sizes, ...start[0].map(() => 0)]);
  return back(f.map((rate, k) => basis[k].map((x) => (x * Math.exp(Math.min(rate, 0) * t)) / Math.sqrt(gain[k]))));
}

/** An orthonormal basis of the columns of diag(exp(sizes)) rows, as rows. */
function orthonormal(rows, sizes) {
  const n = rows[0].length;
  const columns = rows[0].map((_, j) => rows.map((row) => row[j]));
  const free = new Set(columns.keys());
  const found = [];
  while (found.length < n) {
    // The largest entry of all that is left; other columns get rid of its row, whatever the rows' sizes.
    let [best, pivot, at] = [-Infinity, -1, -1];
    for (const j of free) {
      columns[j].forEach((entry, k) => {
        const size = Math.log(Math.abs(entry)) + sizes[k];
        if (size > best) [best, pivot, at] = [size, k, j];
      });
    }
    free.delete(at);
    const chosen = columns[at];
    for (const j of free) {
      const factor = columns[j][pivot] / chosen[pivot];
      columns[j] = columns[j].map((entry, k) => (k === pivot ? 0 : entry - factor * chosen[k]));
    }
    let column = chosen.map((entry, k) => Math.sign(entry) * Math.exp(Math.log(Math.abs(entry)) + sizes[k] - best));
    for (let pass = 0; pass < 2; pass++) {
      for (const other of found) {
        const share = column.reduce((sum, entry, k) => sum + entry * other[k], 0);
        column = column.map((entry, k) => entry - share * other[k]);
      }
    }
    const length = Math.hypot(...column);
    found.push(column.map((entry) => entry / length));
  }
  return rows.map((_, k) => found.map((column) => column[k]));
}

const dots = (x, y) => x.reduce((sum, entry, j) => sum + entry * y[j], 0);

/** The strength of each mode in a network that `balancedFlow` returned. */
export function strengths(rows, nOut) {
  return rows.slice(-nOut).map((output, i) => dots(output, rows[i]));
}

/** One minus the cosine between the neural tangent kernels of two networks: `dlnlib.exact.kernel_distance`. */
export function kernelDistance(rows, others, nOut) {
  const nIn = rows.length - nOut;
  const grams = (network) =>
    [network.slice(0, nIn), network.slice(nIn)].map((part) => part.map((x) => part.map((y) => dots(x, y))));
  const flat = (gram) => gram.flat();
  const trace = (gram) => gram.reduce((sum, row, i) => sum + row[i], 0);
  const product = ([a, b], [c, d]) =>
    nOut * dots(flat(a), flat(c)) + nIn * dots(flat(b), flat(d)) + trace(a) * trace(d) + trace(b) * trace(c);
  const [first, second] = [grams(rows), grams(others)];
  return 1 - product(first, second) / Math.sqrt(product(first, first) * product(second, second));
}

/** A start of the map `size` left diag(values) right with the imbalance lambda: rows as `balancedFlow` takes them. */
export function balancedStart(size, lambda, { left, values, right }) {
  const root = (value, sign) => {
    const far = Math.hypot(lambda, 2 * value);
    // Half of far + or - lambda, without cancellation
    const sum = sign * lambda >= 0 ? (far + sign * lambda) / 2 : (2 * value ** 2) / (far - sign * lambda);
    return Math.sqrt(sum);
  };
  const strong = values.map((value) => size * value);
  const inputs = right[0].map((_, i) => strong.map((value, j) => root(value, -1) * right[j][i]));
  const outputs = left.map((row) => strong.map((value, j) => root(value, 1) * row[j]));
  return [...inputs, ...outputs];
}
