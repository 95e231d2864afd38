// What all live figures share: a model with data and settings, and a function that draws what the settings say.

import { beliefs } from "./beliefs.js";
import { bench } from "./bench.js";
import { frames } from "./frames.js";
import { lazyToRich } from "./lazyrich.js";
import { oneTime } from "./onetime.js";
import { portrait } from "./portrait.js";
import { signals } from "./signals.js";
import { largeSteps } from "./step.js";

const KINDS = { beliefs, bench, frames, largeSteps, lazyToRich, oneTime, portrait, signals };

/**
 * Draw a figure in `el`, and again whenever its settings change: by the reader, or by Python.
 *
 * A kind of figure is a function `(body, data, change) => draw`. It makes its elements in `body` once, hands what the
 * reader moves to `change({name: value, ...})`, and returns `draw(settings)`, which shows these settings and returns
 * what it shows: an object with `says`, a sentence, and whatever numbers a test may want to compare.
 */
export function bringToLife(el, model) {
  const body = document.createElement("div");
  body.className = "live-body";
  const live = {
    get settings() {
      return model.get("settings");
    },
    change(moved) {
      model.set("settings", { ...live.settings, ...moved });
      model.save_changes();
    },
  };
  const draw = KINDS[model.get("kind")](body, model.get("data"), live.change);
  const show = () => {
    live.shown = draw(live.settings);
  };
  show();
  // JupyterLab leaves the keys to what is so marked.
  for (const control of body.querySelectorAll("input, button, [tabindex]")) control.dataset.lmSuppressShortcuts = "";
  model.on("change:settings", show);
  el.append(body);
  el.live = live; // for tests
  return () => model.off("change:settings", show);
}
