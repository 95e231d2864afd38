// What a reader moves beside a drawing: native elements, which mouse, touch, keyboard and screen readers know.

/** Append an element with properties, such as `add(body, "button", { textContent: "reset" })`. */
export function add(parent, tag, properties = {}) {
  return parent.appendChild(Object.assign(document.createElement(tag), properties));
}

/**
 * A slider. `scale` is a D3 scale from values to positions: its range is that of the slider, in steps of `step`.
 * Returns a function that shows a value.
 */
export function slider(parent, { label, scale, step = 1, text = String, moved }) {
  const row = add(parent, "label", { className: "live-slider" });
  add(row, "span", { textContent: label });
  const [min, max] = scale.range();
  const input = add(row, "input", { type: "range", min, max, step });
  const output = add(row, "output");
  input.addEventListener("input", () => moved(scale.invert(Number(input.value))));
  return (value) => {
    input.value = scale(value);
    output.textContent = text(value);
    input.setAttribute("aria-valuetext", output.textContent);
  };
}

export function button(parent, text, pressed) {
  const made = add(parent, "button", { type: "button", textContent: text });
  made.addEventListener("click", pressed);
  return made;
}

/** A checkbox with its text. Returns a function that shows whether it is on. */
export function toggle(parent, text, moved) {
  const row = add(parent, "label", { className: "live-toggle" });
  const input = add(row, "input", { type: "checkbox" });
  row.append(text);
  input.addEventListener("change", () => moved(input.checked));
  return (on) => {
    input.checked = on;
  };
}

/**
 * Buttons that play time: `advance(seconds)` is called for each frame of the screen until it returns false, and
 * `restart()` by the second button. Returns a function that stops.
 */
export function player(parent, { advance, restart }) {
  const row = add(parent, "div", { className: "live-player" });
  let before = null;
  const show = () => {
    const playing = before !== null;
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  };
  const stop = () => {
    before = null;
    show();
  };
  const tick = (now) => {
    if (before === null) return;
    const seconds = (now - before) / 1000;
    before = now;
    if (row.isConnected && advance(Math.min(seconds, 0.1))) requestAnimationFrame(tick);
    else stop();
  };
  const play = button(row, "", () => {
    if (before !== null) return stop();
    before = performance.now();
    show();
    requestAnimationFrame(tick);
  });
  button(row, "◀◀", () => {
    stop();
    restart();
  }).setAttribute("aria-label", "Back to the start");
  show();
  return stop;
}
