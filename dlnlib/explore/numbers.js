/** n + 1 evenly spaced numbers from a to b. */
export const grid = (a, b, n) => Array.from({ length: n + 1 }, (_, i) => a + ((b - a) * i) / n);

/** Two decimals, or as many as told, and a proper minus; never "−0.00". */
export function number(value, decimals = 2) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** As many digits as a number has, up to six: 0.25, −1. */
export const plain = (value) => String(Number(value.toPrecision(6))).replace("-", "−");
