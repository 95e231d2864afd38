// Gradient descent on one mode whose layers are equal, with steps of any size.

const LONGEST = 32; // cycle that is looked for
const AWAY = 1e3;

/**
 * One step of gradient descent on (1 - a^D)^2 / 2, all D layers being a: `kappa` is the learning rate over the best
 * one, 1 / D, of `dlnlib.stability.best_learning_rate`.
 */
export function step(a, depth, kappa) {
  const power = a ** (depth - 1);
  return a + (kappa / depth) * power * (1 - a * power);
}

/** The layers a at the start and after each of n steps; fewer if they escape. */
export function path(a0, depth, kappa, n) {
  const visited = [a0];
  while (visited.length <= n && Math.abs(visited.at(-1)) < AWAY) visited.push(step(visited.at(-1), depth, kappa));
  return visited;
}

/** Where a mode ends, after so many steps: the values that it visits for ever, none if it escapes. */
export function fate(a0, depth, kappa, steps = 2000) {
  let a = a0;
  for (let n = 0; n < steps && Math.abs(a) < AWAY; n++) a = step(a, depth, kappa);
  const visited = path(a, depth, kappa, 2 * LONGEST);
  if (Math.abs(visited.at(-1)) >= AWAY) return [];
  const period = visited.findIndex((value, n) => n > 0 && n <= LONGEST && Math.abs(value - visited[0]) < 1e-6);
  return period > 0 ? visited.slice(0, period) : visited;
}

/** The mean logarithm by which a small deviation grows in a step, on the way through these values. */
export function exponent(visited, depth, kappa) {
  const slope = (a) => 1 + (kappa / depth) * a ** (depth - 2) * (depth - 1 - (2 * depth - 1) * a ** depth);
  return visited.reduce((sum, a) => sum + Math.log(Math.abs(slope(a))), 0) / visited.length;
}

export function inWords(ends, depth, kappa) {
  if (ends.length === 0) return "it escapes";
  if (ends.length === 1 && Math.abs(ends[0] ** depth - 1) > 0.01) return "thrown back onto the plateau";
  if (ends.length === 1 || (kappa <= 2 && depth > 1)) {
    if (kappa > 1.02) return "it swings in to the minimum";
    return kappa < 0.98 ? "it creeps to the minimum" : "its last step lands on the minimum";
  }
  if (ends.length <= LONGEST) return `a cycle of ${ends.length} steps`;
  return exponent(ends, depth, kappa) > 0.01
    ? "chaos: close neighbours part"
    : "a long cycle, or a slow approach to one";
}
