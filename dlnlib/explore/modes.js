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
