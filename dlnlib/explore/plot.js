// One panel of a live figure: axes, and on them lines, marks, words, points to drag, values to read off.
// Each call names what it draws; a second call with that name moves it.
import { axisBottom, axisLeft } from "d3-axis";
import { drag } from "d3-drag";
import { pointer, select } from "d3-selection";
import { line } from "d3-shape";
import { plain } from "./numbers.js";

const MARGIN = { top: 26, right: 16, bottom: 42, left: 46 };
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A colour of the book by its name, as live.css has it for light and dark. */
const paint = (color = "ink") => `var(--${color})`;

/**
 * Append a panel. `x` and `y` are D3 scales with their domains; `label` says what it shows to who cannot see it;
 * `xTicks` and `yTicks` are how many, or which, and `format` how they are written.
 */
export function plot(parent, { x, y, label, xLabel, yLabel, width = 346, height = 270, margin, ...ticks }) {
  const { top, right, bottom, left } = { ...MARGIN, ...margin };
  const [w, h] = [width - left - right, height - top - bottom];
  x.range([0, w]);
  y.range([h, 0]);
  const svg = select(parent)
    .append("svg")
    .attr("viewBox", `0 0 ${width} ${height}`)
    .attr("role", "group")
    .attr("aria-label", label);
  const frame = svg.append("g").attr("transform", `translate(${left},${top})`);
  const axes = { x: frame.append("g").attr("transform", `translate(0,${h})`), y: frame.append("g") };
  const write = (text, anchor) =>
    frame
      .append("text")
      .text(text ?? "")
      .attr("text-anchor", anchor);
  write(xLabel, "middle")
    .attr("x", w / 2)
    .attr("y", h + 36);
  write(yLabel, "middle").attr("transform", `translate(-36,${h / 2}) rotate(-90)`);
  const title = write("", "start").attr("y", -10).attr("class", "live-title");
  // What is drawn ends at the axes; points to drag do not.
  const ground = frame.append("svg").attr("width", w).attr("height", h);
  const sheet = ground.append("rect").attr("class", "live-sheet").attr("width", w).attr("height", h);
  const parts = new Map();
  const part = (name, layer, tag) => {
    const key = `${tag} ${name}`;
    if (!parts.has(key)) parts.set(key, layer.append(tag));
    return parts.get(key);
  };
  const at = ([px, py]) => [x(px), y(py)];
  const back = ([px, py]) => [x.invert(px), y.invert(py)];
  const inside = ([px, py]) => [Math.min(Math.max(px, 0), w), Math.min(Math.max(py, 0), h)];

  const panel = {
    svg: svg.node(),

    /** Draw the axes anew, after a domain has changed. */
    axes() {
      const axis = (make, scale, which) => {
        const made = make(scale).tickSizeOuter(0);
        if (Array.isArray(which)) made.tickValues(which);
        else made.ticks(which ?? 5);
        return made.tickFormat(ticks.format ?? plain);
      };
      axes.x.call(axis(axisBottom, x, ticks.xTicks));
      axes.y.call(axis(axisLeft, y, ticks.yTicks));
      for (const g of Object.values(axes)) g.attr("font-size", null).attr("font-family", null);
    },

    /** Words above the axes, from their left end; longer ones begin further left, so as not to be cut at the right. */
    title(text, color) {
      title.style("fill", paint(color));
      if (title.text() === text) return;
      title.text(text).attr("x", Math.min(0, w + right - title.node().getComputedTextLength()));
    },

    /** A line through points [x, y]; a point that is null, or not finite, interrupts it. */
    line(name, points, { color, width = 1.8, dash = null, opacity = 1 } = {}) {
      const path = line()
        .defined((point) => point?.every(Number.isFinite))
        .x((point) => x(point[0]))
        .y((point) => y(point[1]));
      part(name, ground, "path")
        .attr("d", path(points))
        .attr("fill", "none")
        .style("stroke", paint(color))
        .style("stroke-width", width)
        .style("stroke-dasharray", dash)
        .style("opacity", opacity);
    },

    /** What lies between two lines through points [x, y]. */
    area(name, above, below, { color, opacity = 1 } = {}) {
      const outline = line()
        .x((point) => x(point[0]))
        .y((point) => y(point[1]));
      part(name, ground, "path")
        .attr("d", outline([...above, ...below.toReversed()]))
        .style("fill", paint(color))
        .style("opacity", opacity);
    },

    /** Lines from one side of the panel to the other, at one x or at one y. */
    vertical(name, px, style) {
      panel.line(
        name,
        y.domain().map((py) => [px, py]),
        style,
      );
    },
    horizontal(name, py, style) {
      panel.line(
        name,
        x.domain().map((px) => [px, py]),
        style,
      );
    },

    /** Marks at points [x, y]: open circles, or filled ones. */
    marks(name, points, { color, radius = 3.5, filled = false } = {}) {
      part(name, ground, "g")
        .selectAll("circle")
        .data(points)
        .join("circle")
        .attr("cx", (point) => x(point[0]))
        .attr("cy", (point) => y(point[1]))
        .attr("r", radius)
        .style("stroke", paint(color))
        .style("stroke-width", 1.5)
        .style("fill", filled ? paint(color) : paint("ground"));
    },

    /** Thousands of points [x, y], each a dot: one path. */
    dots(name, points, { color, radius = 0.7 } = {}) {
      part(name, ground, "path")
        .attr("d", points.map(([px, py]) => `M${x(px).toFixed(1)},${y(py).toFixed(1)}h0`).join(""))
        .attr("stroke-linecap", "round")
        .style("stroke", paint(color))
        .style("stroke-width", 2 * radius);
    },

    /**
     * A matrix as cells, that of row i and column j at x = j, y = i: vermillion where positive, blue where negative,
     * in full colour at `scale`.
     */
    cells(name, rows, scale) {
      const entries = rows.flatMap((row, i) => row.map((value, j) => [j, i, value]));
      part(name, ground, "g")
        .attr("shape-rendering", "crispEdges")
        .selectAll("rect")
        .data(entries)
        .join("rect")
        .attr("x", ([j]) => x(j - 0.5))
        .attr("y", ([, i]) => Math.min(y(i - 0.5), y(i + 0.5)))
        .attr("width", x(1) - x(0))
        .attr("height", Math.abs(y(1) - y(0)))
        .style("fill", ([, , value]) => paint(value > 0 ? "vermillion" : "blue"))
        .style("opacity", ([, , value]) => Math.min(Math.abs(value) / scale, 1).toFixed(3));
    },

    words(name, point, text, { color, anchor = "start", dx = 0, dy = 0 } = {}) {
      const [px, py] = at(point);
      part(name, frame, "text")
        .text(text)
        .attr("x", px + dx)
        .attr("y", py + dy)
        .attr("text-anchor", anchor)
        .style("fill", paint(color));
    },

    /**
     * A point that the reader drags, by mouse, finger or arrow keys (with Shift in small steps); `moved([x, y])` is
     * told where to, and `grabbed` before a drag begins. `along` is "x" or "y" if it moves on a line only. Returns a
     * function that puts it at a point and says where that is.
     */
    handle({ label, color = "blue", along = "xy", moved, grabbed }) {
      let here = [0, 0];
      const keep = ([px, py]) => inside([along === "y" ? here[0] : px, along === "x" ? here[1] : py]);
      const go = (pixels) => moved(back(keep(pixels)));
      const grip = frame
        .append("g")
        .attr("class", "live-handle")
        .attr("tabindex", 0)
        .attr("role", "slider")
        .attr("aria-label", label)
        .on("keydown", (event) => {
          const way = KEYS[event.key];
          if (!way) return;
          event.preventDefault();
          const step = event.shiftKey ? 0.5 : 4;
          go([here[0] + step * way[0], here[1] + step * way[1]]);
        });
      grip.append("circle").attr("r", 22).attr("class", "live-reach");
      grip.append("circle").attr("r", 7).style("fill", paint(color)).style("stroke", paint("ground"));
      grip.call(
        drag()
          .container(frame.node())
          .subject(() => ({ x: here[0], y: here[1] }))
          .on("start", () => grabbed?.())
          .on("drag", ({ x: px, y: py }) => go([px, py])),
      );
      return (point, says) => {
        here = at(point);
        grip
          .attr("transform", `translate(${here})`)
          .attr("aria-valuenow", along === "y" ? point[1] : point[0])
          .attr("aria-valuetext", says)
          .raise();
      };
    },

    /** Where the reader presses on the panel itself, `pressed([x, y])` is told. */
    press(pressed) {
      sheet.style("cursor", "crosshair").on("click", (event) => pressed(back(pointer(event, frame.node()))));
    },

    /** Where the reader's pointer is on the panel, `moved([x, y])` is told. */
    hover(moved) {
      sheet.on("pointermove", (event) => moved(back(pointer(event, frame.node()))));
    },

    /** Under the pointer `read(x)` gives values to show: a list of [y, text, color]. */
    readOff(read) {
      const cursor = ground.append("g").attr("class", "live-cursor");
      const show = (event) => {
        const [px] = inside(pointer(event, frame.node()));
        const found = read(x.invert(px)).filter(([value]) => Number.isFinite(value));
        const side = px > 0.6 * w ? ["end", -8] : ["start", 8];
        cursor.selectAll("*").remove();
        cursor.append("line").attr("x1", px).attr("x2", px).attr("y2", h);
        for (const [value, text, color] of found) {
          cursor.append("circle").attr("cx", px).attr("cy", y(value)).attr("r", 3.5).style("fill", paint(color));
          cursor
            .append("text")
            .text(text)
            .attr("x", px + side[1])
            .attr("y", Math.min(Math.max(y(value) - 7, 12), h - 4))
            .attr("text-anchor", side[0])
            .style("fill", paint(color));
        }
      };
      svg.on("pointermove", show).on("pointerleave", () => cursor.selectAll("*").remove());
    },
  };
  panel.axes();
  return panel;
}
