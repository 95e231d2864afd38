// Figures whose frames matplotlib drew in advance: sliders choose among them.
import { scaleLinear } from "d3-scale";
import { add, player, slider } from "./controls.js";

const PIXELS_PER_INCH = 95; // as web/book.py shows figures
const FRAME = 0.4; // seconds that a frame stays while playing

export function frames(body, data, change) {
  const controls = add(body, "div", { className: "live-controls" });
  // One picture for each panel, which a narrow page puts one below the other.
  const picture = add(body, "div", { className: "live-frame" });
  const images = data.panels.map((inches) => {
    const image = add(picture, "img");
    image.style.width = `${Math.round(inches * PIXELS_PER_INCH)}px`;
    return image;
  });
  let settings;
  const shows = data.parameters.map(({ name, label, values, play }) => {
    const last = values.length - 1;
    const scale = scaleLinear([0, last], [0, last]);
    const show = slider(controls, {
      label,
      scale,
      text: (index) => values[index],
      moved: (index) => change({ [name]: index }),
    });
    if (play) {
      let waited = 0;
      player(controls, {
        advance(seconds) {
          if (settings[name] === last) change({ [name]: 0 });
          waited += seconds;
          if (waited >= FRAME) {
            waited -= FRAME;
            change({ [name]: settings[name] + 1 });
          }
          return settings[name] < last;
        },
        restart: () => change({ [name]: 0 }),
      });
    }
    return show;
  });
  return (chosen) => {
    settings = chosen;
    let number = 0;
    const said = [];
    data.parameters.forEach(({ name, values }, i) => {
      shows[i](settings[name]);
      number = number * values.length + settings[name];
      said.push(`${name} = ${values[settings[name]]}`);
    });
    // A frame is runs of the elements that all frames share: pairs of the first, and how many follow on.
    const svg = data.frames[number]
      .map(([first, count]) => data.elements.slice(first, first + count).join(""))
      .join("");
    const says = `${data.alt} (${said.join(", ")})`;
    const panels = cut(svg, data.panels);
    images.forEach((image, i) => {
      Object.assign(image, { src: `data:image/svg+xml,${encodeURIComponent(panels[i])}`, alt: i === 0 ? says : "" });
    });
    return { says, svg };
  };
}

/** The panels of a picture that are so wide, each as a picture. */
function cut(svg, widths) {
  const [root, width, height] = svg.match(/width="([\d.]+)pt" height="([\d.]+)pt" viewBox="[^"]*"/);
  const scale = Number(width) / widths.reduce((sum, one) => sum + one);
  let left = 0;
  return widths.map((one) => {
    const [x, w] = [left, one * scale];
    left += w;
    return svg.replace(root, `width="${w}pt" height="${height}pt" viewBox="${x} 0 ${w} ${height}"`);
  });
}
