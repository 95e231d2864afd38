// Closed forms of dlnlib.exact, in units of tau; tests/test_live.py compares them with it in a browser.

/** Layer strengths [a, b] at time t of a mode of a two-layer network: `dlnlib.exact.unbalanced_mode`. */
export function unbalancedMode(t, s, a0, b0) {
  const [p0, n0] = [a0 + b0, a0 - b0];
  const c = p0 * n0;
  const r = Math.hypot(c, 2 * s);
  const [top, bottom] = [2 * s + r, (c / (2 * s + r)) * c];
  const [fall, rise] = [Math.exp(-r * t), -Math.expm1(-r * t)];
  const above = top + bottom * fall + n0 ** 2 * rise;
  const below = p0 ** 2 * rise + bottom + top * fall;
  const growth = Math.sqrt(above / below);
  const [p, n] = [p0 === 0 ? 0 : p0 * growth, n0 / growth];
  return [(p + n) / 2, (p - n) / 2];
}

/** When the product a b of that mode is u: `dlnlib.exact.unbalanced_time`. */
export function unbalancedTime(u, s, a0, b0) {
  const [u0, c] = [a0 * b0, (a0 - b0) * (a0 + b0)];
  if (u === u0) return 0;
  if (a0 + b0 === 0) return Math.log1p((s * (u - u0)) / ((s - u0) * Math.abs(u))) / (2 * s);
  const [r, now, before] = [s, u, u0].map((strength) => Math.hypot(c, 2 * strength));
  const [start, top] = [(a0 + b0) ** 2, 2 * s + r];
  const here = u < 0 ? c * (c / (now - 2 * u)) : now + 2 * u;
  const covered = (Math.abs(u - u0) * (here + start)) / (now + before);
  const left = (Math.abs(s - u) * (here + top)) / (now + r);
  return Math.log1p((2 * r * covered) / (left * (start + (c / top) * c))) / r;
}

/** The fraction of a mode of two layers that is learned at time t: u / s of `dlnlib.exact.mode_strength`. */
export const learned = (t, s, u0) => 1 / (1 + (s / u0 - 1) * Math.exp(-2 * s * t));

const PANEL = 0.5; // of ln(u / |s - u|): within it a mode's pace hardly changes
const PANELS = 100;

/**
 * A mode of a network of `depth` layers that starts at u0 > 0: its `strength(t)` is `dlnlib.exact.mode_strength`, and
 * `time(u)` is when it gets there, `dlnlib.exact.learning_time`. For x = ln(u / |s - u|) the law is
 * dt / dx = (1 +- e^-x)^(1 - 2/D) / (D s^(2 - 2/D)), which is integrated panel by panel and inverted by Newton's method.
 */
export function mode(s, u0, depth) {
  if (depth === 1) {
    return { strength: (t) => s + (u0 - s) * Math.exp(-t), time: (u) => Math.log((s - u0) / (s - u)) };
  }
  if (u0 === s) return { strength: () => s, time: () => 0 };
  const side = Math.sign(s - u0);
  const where = (u) => Math.log(u / Math.abs(s - u));
  const pace = (x) => (1 + side * Math.exp(-x)) ** (1 - 2 / depth) / (depth * s ** (2 - 2 / depth));
  const x0 = where(u0);
  const times = [0];
  for (let i = 0; i < PANELS; i++) times.push(times[i] + integral(pace, x0 + PANEL * i, x0 + PANEL * (i + 1)));
  return {
    time(u) {
      const i = Math.min(Math.floor((where(u) - x0) / PANEL), PANELS - 1);
      return times[i] + integral(pace, x0 + PANEL * i, where(u));
    },
    strength(t) {
      const i = times.findIndex((later) => later > t) - 1;
      if (i < 0) return s;
      const from = x0 + PANEL * i;
      let x = from + PANEL / 2;
      for (let n = 0; n < 6; n++) x -= (times[i] + integral(pace, from, x) - t) / pace(x);
      return s / (1 + side * Math.exp(-x));
    },
  };
}

// Gauss and Legendre's rule: the roots of a Legendre polynomial, by Newton's method, and their weights.
const RULE = Array.from({ length: 12 }, (_, i) => {
  let x = Math.cos((Math.PI * (i + 0.75)) / 12.5);
  let slope;
  for (let n = 0; n < 8; n++) {
    let [before, now] = [1, x];
    for (let k = 2; k <= 12; k++) [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
    slope = (12 * (x * now - before)) / (x * x - 1);
    x -= now / slope;
  }
  return [x, 2 / ((1 - x * x) * slope * slope)];
});

function integral(f, a, b) {
  const [middle, half] = [(a + b) / 2, (b - a) / 2];
  return half * RULE.reduce((sum, [x, weight]) => sum + weight * f(middle + half * x), 0);
}
