// A live figure as a widget of JupyterLab, Colab or VS Code; anywidget calls this.
import { bringToLife } from "./figure.js";

export default {
  render({ model, el }) {
    el.classList.add("live", "awake");
    return bringToLife(el, model);
  },
};
