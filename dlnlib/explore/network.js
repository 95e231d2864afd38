// A deep linear network on white inputs, its task diag(s): where it starts, and a step of gradient descent.
// A matrix is { rows, columns, w }, w[i * columns + j]. Products and gradients have as many columns as there are modes.
import { normals, orthogonal } from "./matrices.js";

function matrix(rows, columns, entry) {
  const w = Float64Array.from({ length: rows * columns }, (_, k) => entry(Math.floor(k / columns), k % columns));
  return { rows, columns, w };
}

/** A random matrix with orthonormal rows or columns, whichever are fewer. */
function orthonormal(rows, columns, normal) {
  const q = orthogonal(Math.max(rows, columns), normal);
  return matrix(rows, columns, (i, j) => q[j][i]);
}

/** The modes that can be learned, strongest first: those that are there and fit through the narrowest layer. */
export function channels(strengths, depth, width) {
  const present = strengths.map((_, i) => i).filter((i) => strengths[i] > 0);
  return present.sort((i, j) => strengths[j] - strengths[i]).slice(0, depth > 1 ? width : undefined);
}

/**
 * The layers at the start, first layer first, as those of `dlnlib.initialization`. The network's map is about u0 in
 * size: decoupled and orthogonal layers have singular values u0^(1/D), Glorot's are multiplied by that, and small
 * random ones have the variance (2 u0)^(2/D) / width, with which at two layers a mode starts at u0 on average.
 */
export function start({ strengths, depth, width, kind, u0, seed }) {
  const normal = normals(seed);
  const n = strengths.length;
  const gain = u0 ** (1 / depth);
  const widths = [n, ...Array(depth - 1).fill(width), n];
  const shapes = widths.slice(1).map((rows, l) => [rows, widths[l]]);
  const scaled = (factor, { rows, columns, w }) => ({ rows, columns, w: w.map((entry) => factor * entry) });
  if (kind === "orthogonal") return shapes.map((shape) => scaled(gain, orthonormal(...shape, normal)));
  if (kind === "decoupled") {
    const chosen = channels(strengths, depth, width);
    const axes = matrix(n, chosen.length, (i, k) => (i === chosen[k] ? 1 : 0));
    const hidden = widths.slice(1, -1).map(() => orthonormal(width, chosen.length, normal));
    const frames = [axes, ...hidden, axes];
    return shapes.map(([rows, columns], l) => {
      const entry = (i, j) =>
        chosen.reduce(
          (sum, _, k) => sum + frames[l + 1].w[i * chosen.length + k] * frames[l].w[j * chosen.length + k],
          0,
        );
      return scaled(gain, matrix(rows, columns, entry));
    });
  }
  const deviation = (rows, columns) =>
    kind === "Glorot" ? gain * Math.sqrt(2 / (rows + columns)) : (2 * u0) ** (1 / depth) / Math.sqrt(width);
  return shapes.map(([rows, columns]) => scaled(deviation(rows, columns), matrix(rows, columns, normal)));
}

/** What the first layers make of each mode's input: 1, W_1, W_2 W_1, ..., the network's map. */
function products(layers, n) {
  const all = [matrix(n, n, (i, j) => (i === j ? 1 : 0))];
  for (const { rows, columns, w } of layers) {
    const [before, after] = [all.at(-1).w, new Float64Array(rows * n)];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const entry = w[i * columns + j];
        for (let k = 0; k < n; k++) after[i * n + k] += entry * before[j * n + k];
      }
    }
    all.push({ rows, columns: n, w: after });
  }
  return all;
}

/** The map of a network, by rows, and half its squared error. */
export function seen(layers, strengths) {
  const n = strengths.length;
  const { w } = products(layers, n).at(-1);
  const map = strengths.map((_, i) => Array.from(w.subarray(i * n, (i + 1) * n)));
  const loss = map.reduce(
    (sum, row, i) => row.reduce((s, u, j) => s + ((i === j ? strengths[i] : 0) - u) ** 2, sum),
    0,
  );
  return { map, loss: loss / 2 };
}

/**
 * One step of `dlnlib.descent.gradient_descent`, in place: with the error E = diag(s) - W_D ... W_1,
 * W_l <- W_l + rate (W_D ... W_{l+1})^T E (W_{l-1} ... W_1)^T. Returns the loss before it.
 */
export function step(layers, strengths, rate) {
  const n = strengths.length;
  const all = products(layers, n);
  let downhill = all.at(-1).w.map((u, k) => (k % (n + 1) === 0 ? strengths[k / (n + 1)] : 0) - u);
  const loss = downhill.reduce((sum, entry) => sum + entry ** 2 / 2, 0);
  for (let l = layers.length - 1; l >= 0; l--) {
    const { rows, columns, w } = layers[l];
    const [before, below] = [all[l].w, new Float64Array(columns * n)];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const entry = w[i * columns + j];
        let slope = 0;
        for (let k = 0; k < n; k++) {
          slope += downhill[i * n + k] * before[j * n + k];
          below[j * n + k] += entry * downhill[i * n + k];
        }
        w[i * columns + j] += rate * slope;
      }
    }
    downhill = below;
  }
  return loss;
}

/** The rate above which a mode of strength s cannot settle: `dlnlib.stability.largest_stable_rate`. */
export const largestStableRate = (s, depth) => 2 / (depth * s ** (2 - 2 / depth));
