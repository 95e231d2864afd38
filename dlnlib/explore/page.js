// Live figures of a built page: no kernel, no server. Each holds its starting picture, and its data as JSON.
import { bringToLife } from "./figure.js";

/** What of a widget's model a figure needs, where no kernel listens. */
function localModel(state) {
  const listeners = [];
  return {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of listeners) listener();
    },
    on: (_, listener) => listeners.push(listener),
    off: () => {},
    save_changes: () => {},
  };
}

// One task each, so that the page answers in between.
for (const el of document.querySelectorAll(".live")) {
  setTimeout(() => {
    bringToLife(el, localModel(JSON.parse(el.querySelector("script").textContent)));
    el.classList.add("awake");
  });
}
