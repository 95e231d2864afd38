// How the variance of a signal passes through wide layers x' = g W tanh(x): `dlnlib.meanfield`.
import { grid } from "./numbers.js";

// Means over a standard normal number, by the trapezoid rule, whose error falls exponentially for smooth functions.
const Z = grid(0, 9, 512);
const WEIGHTS = Z.map((z) => Math.sqrt(2 / Math.PI) * Math.exp((-z * z) / 2) * Z[1] * (z === 0 ? 0.5 : 1));
const mean = (f) => Z.reduce((sum, z, i) => sum + WEIGHTS[i] * f(z), 0);

/** The variance in the next layer: `dlnlib.meanfield.variance_map`. */
export const varianceMap = (q, gain) => gain ** 2 * mean((z) => Math.tanh(Math.sqrt(q) * z) ** 2);

/** The mean logarithm of a layer's singular values: ln g + E ln tanh'(sqrt(q) z). */
export const meanLog = (q, gain) => Math.log(gain) - 2 * mean((z) => Math.log(Math.cosh(Math.sqrt(q) * z)));

/** The variance before the first layer, and after each. */
export function variances(q0, gain, layers) {
  const path = [q0];
  while (path.length <= layers) path.push(varianceMap(path.at(-1), gain));
  return path;
}
