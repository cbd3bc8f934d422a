// One chart: lines over a shared x axis on a canvas, with a second canvas above for cursor and selection.
//
// draw(lines, view):
//   lines  [{label, kind, color, x, raw, smooth, count, marks, begin, end}]; kind: "train", "heldout" or "mtp";
//          begin, end: where on the x axis the run begins and ends
//   view   {from, to, isLog, formatX, tickX}: the x axis, the same for all charts

import { Scale } from "./scale.js";
import { nearest } from "./store.js";
import { tick } from "./format.js";
import { drawLine, drawMarks, range } from "./lines.js";

const kDashes = { train: [], heldout: [7, 3], mtp: [1.5, 3] };
const kRight = 20;
const kTop = 10;
const kBottom = 26;
// A press that moves less is a click.
const kLeastDrag = 8;
// Pixels from the cursor to the nearest value, beyond which the tip says where that value is.
const kFar = 12;

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export class Chart {
  constructor({ title, sub = "", format, isLog = false, isLarge = false }, actions) {
    this.title = title;
    this.format = format;
    this.isLog = isLog;
    this.actions = actions;
    this.lines = [];
    this.view = null;
    this.cursor = null;
    this.drag = null;
    this.build(title, sub, isLarge);
    this.listen();
  }

  build(title, sub, isLarge) {
    this.extra = element("div", { className: "kinds" });
    this.toggle = element("button", { type: "button", className: "toggle" });
    this.plot = element("div", { className: "plot", tabIndex: 0 });
    // Arrow keys are the chart's: a screen reader hands them on to an application only.
    this.plot.setAttribute("role", "application");
    this.plot.setAttribute("aria-roledescription", "chart");
    this.plot.setAttribute("aria-label", `${title} over the run; arrow keys read values`);
    this.base = element("canvas");
    this.over = element("canvas");
    this.tip = element("div", { className: "tip", hidden: true });
    this.empty = element("div", { className: "empty", textContent: "nothing yet" });
    this.plot.append(this.base, this.over, this.empty, this.tip);
    const header = element("header", {}, element("h2", { textContent: title }),
                           element("p", { className: "sub", textContent: sub }), this.extra, this.toggle);
    this.root = element("section", { className: `card chart${isLarge ? " large" : ""}` }, header, this.plot);
    this.root.setAttribute("aria-label", title);
    this.showScale();
    new ResizeObserver(() => this.repaint()).observe(this.plot);
  }

  showScale() {
    this.toggle.textContent = this.isLog ? "log" : "linear";
    this.toggle.setAttribute("aria-label", `${this.title}: y axis is ${this.isLog ? "logarithmic" : "linear"}, change`);
  }

  flip() {
    this.isLog = !this.isLog;
    this.showScale();
    this.actions.changed();
    this.repaint();
  }

  listen() {
    const at = (event) => event.clientX - this.plot.getBoundingClientRect().left;
    this.toggle.addEventListener("click", () => this.flip());
    this.plot.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType === "mouse") {
        this.drag = { begin: at(event), end: at(event) };
        this.plot.setPointerCapture(event.pointerId);
      } else if (this.scaleX) {
        this.actions.hover(this, this.scaleX.value(at(event)));
      }
    });
    this.plot.addEventListener("pointermove", (event) => {
      if (!this.scaleX) return;
      if (this.drag) this.drag.end = at(event);
      this.actions.hover(this, this.scaleX.value(at(event)));
    });
    this.plot.addEventListener("pointerup", () => this.endDrag());
    this.plot.addEventListener("pointercancel", () => (this.drag = null));
    this.plot.addEventListener("pointerleave", () => this.actions.hover(this, null));
    this.plot.addEventListener("blur", () => this.actions.hover(this, null));
    this.plot.addEventListener("dblclick", () => this.actions.zoom(null));
    this.plot.addEventListener("keydown", (event) => this.key(event));
  }

  endDrag() {
    const drag = this.drag;
    this.drag = null;
    if (!drag || !this.scaleX || Math.abs(drag.end - drag.begin) < kLeastDrag) return this.paintOver();
    const ends = [drag.begin, drag.end].map((pixel) => this.scaleX.value(pixel)).sort((a, b) => a - b);
    this.actions.zoom({ from: Math.max(ends[0], this.view.from), to: Math.min(ends[1], this.view.to) });
  }

  key(event) {
    if (!this.scaleX || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowLeft: () => this.step(-1, event.shiftKey),
      ArrowRight: () => this.step(1, event.shiftKey),
      Home: () => this.actions.hover(this, this.view.from, true),
      End: () => this.actions.hover(this, this.view.to, true),
      "+": () => this.zoomBy(0.5),
      "=": () => this.zoomBy(0.5),
      "-": () => this.zoomBy(2),
      "−": () => this.zoomBy(2),
      l: () => this.flip(),
      Escape: () => this.actions.zoom(null),
    };
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }

  // The cursor goes to the next value of the first line, or by a tenth of the view.
  step(direction, isLarge) {
    const line = this.lines[0];
    if (!line) return;
    const cursor = this.cursor ?? this.view.to;
    if (isLarge) {
      const pixel = this.scaleX.pixel(cursor) + (direction * (this.scaleX.pixel1 - this.scaleX.pixel0)) / 10;
      return this.actions.hover(this, this.clamp(this.scaleX.value(pixel)), true);
    }
    const index = nearest(line.x, line.count, cursor) + (this.cursor === null ? 0 : direction);
    const x = line.x[Math.min(Math.max(index, 0), line.count - 1)];
    this.actions.hover(this, this.clamp(x), true);
  }

  clamp(x) {
    return Math.min(Math.max(x, this.view.from), this.view.to);
  }

  zoomBy(factor) {
    const { scaleX } = this;
    const center = scaleX.pixel(this.cursor ?? scaleX.value((scaleX.pixel0 + scaleX.pixel1) / 2));
    this.actions.zoom({ from: scaleX.value(center + (scaleX.pixel0 - center) * factor),
                        to: scaleX.value(center + (scaleX.pixel1 - center) * factor) });
  }

  draw(lines, view) {
    this.lines = lines;
    this.view = view;
    this.repaint();
  }

  repaint() {
    const width = this.plot.clientWidth;
    const height = this.plot.clientHeight;
    this.empty.hidden = this.lines.some((line) => line.count > 0);
    if (!this.view || width === 0) return;
    const style = getComputedStyle(document.documentElement);
    this.ink = (name) => style.getPropertyValue(name).trim();
    this.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const context = prepare(this.base, width, height);
    prepare(this.over, width, height);
    context.font = this.font;
    if (!this.empty.hidden) {
      this.scaleX = null;
      return;
    }
    const y = range(this.lines, this.view, this.isLog);
    const scaleY = new Scale(y.from, y.to, height - kBottom, kTop, this.isLog);
    const ticksY = scaleY.ticks(Math.max(3, Math.round(height / 44)));
    const labels = ticksY.map(({ value, distance }) => tick(value, distance));
    const left = Math.ceil(Math.max(24, ...labels.map((label) => context.measureText(label).width))) + 16;
    this.scaleY = scaleY;
    this.scaleX = new Scale(this.view.from, this.view.to, left, width - kRight, this.view.isLog);
    this.paintAxes(context, ticksY, labels, height);
    context.save();
    context.beginPath();
    context.rect(left, kTop - 4, width - kRight - left + 1, height - kBottom - kTop + 5);
    context.clip();
    for (const line of this.lines) {
      drawLine(context, line, this.scaleX, scaleY, { color: this.ink(line.color), dash: kDashes[line.kind], card: this.ink("--card") });
    }
    for (const line of this.lines) {
      drawMarks(context, line, this.scaleX, scaleY, { color: this.ink(line.color), card: this.ink("--card") });
    }
    context.restore();
    this.paintOver();
  }

  paintAxes(context, ticksY, labels, height) {
    const { pixel0, pixel1 } = this.scaleX;
    context.lineWidth = 1;
    context.strokeStyle = this.ink("--grid");
    context.fillStyle = this.ink("--muted");
    context.textBaseline = "middle";
    context.textAlign = "right";
    ticksY.forEach(({ value }, i) => {
      const y = Math.round(this.scaleY.pixel(value)) + 0.5;
      stroke(context, pixel0, y, pixel1, y);
      context.fillText(labels[i], pixel0 - 8, y);
    });
    context.strokeStyle = this.ink("--line");
    const bottom = Math.round(height - kBottom) + 0.5;
    stroke(context, pixel0, bottom, pixel1, bottom);
    context.textAlign = "center";
    let free = pixel0 - 20;
    for (const { value, distance } of this.scaleX.ticks(Math.max(2, Math.round((pixel1 - pixel0) / 80)))) {
      const x = Math.round(this.scaleX.pixel(value)) + 0.5;
      stroke(context, x, bottom, x, bottom + 4);
      const label = this.view.tickX(value, distance);
      const half = context.measureText(label).width / 2;
      if (x - half < free || x + half > pixel1 + kRight - 2) continue;
      context.fillText(label, x, bottom + 14);
      free = x + half + 10;
    }
  }

  // x of the cursor, or null; the tip shows where `isActive`.
  setCursor(x, isActive) {
    this.cursor = x;
    this.isActive = isActive;
    this.paintOver();
  }

  // What each line has nearest to the cursor.
  readings() {
    return this.lines.flatMap((line) => {
      const index = nearest(line.x, line.count, this.cursor);
      if (index < 0) return [];
      const x = line.x[index];
      // A run that has ended, or has yet to begin, says nothing about the cursor.
      const pixel = this.scaleX.pixel(this.cursor);
      if (pixel > this.scaleX.pixel(line.end) + kFar || pixel < this.scaleX.pixel(line.begin) - kFar) return [];
      return [{ line, x, y: line.smooth[index], raw: line.raw[index] }];
    });
  }

  paintOver() {
    if (!this.scaleX) {
      this.tip.hidden = true;
      return;
    }
    const context = prepare(this.over, this.plot.clientWidth, this.plot.clientHeight);
    const { scaleX, scaleY } = this;
    if (this.drag && Math.abs(this.drag.end - this.drag.begin) >= kLeastDrag) {
      context.fillStyle = this.ink("--accent");
      context.globalAlpha = 0.14;
      context.fillRect(this.drag.begin, kTop, this.drag.end - this.drag.begin, scaleY.pixel0 - kTop);
      context.globalAlpha = 1;
    }
    const isInside = this.cursor !== null && this.cursor >= this.view.from && this.cursor <= this.view.to;
    if (!isInside) {
      this.tip.hidden = true;
      return;
    }
    const pixel = Math.round(scaleX.pixel(this.cursor)) + 0.5;
    context.strokeStyle = this.ink("--faint");
    context.setLineDash([3, 3]);
    stroke(context, pixel, kTop, pixel, scaleY.pixel0);
    context.setLineDash([]);
    const readings = this.readings();
    for (const { line, x, y } of readings) {
      if (x < this.view.from || x > this.view.to) continue;
      if (y < Math.min(scaleY.from, scaleY.to) || y > Math.max(scaleY.from, scaleY.to)) continue;
      context.beginPath();
      context.arc(scaleX.pixel(x), scaleY.pixel(y), 4, 0, 2 * Math.PI);
      context.fillStyle = this.ink(line.color);
      context.strokeStyle = this.ink("--card");
      context.lineWidth = 2;
      context.fill();
      context.stroke();
    }
    this.showTip(readings, pixel);
  }

  showTip(readings, pixel) {
    this.tip.hidden = !this.isActive || readings.length === 0;
    if (this.tip.hidden) return;
    const rows = readings.map(({ line, y, raw, x }) => {
      const swatch = element("i");
      swatch.style.setProperty("--run", `var(${line.color})`);
      const isFar = Math.abs(this.scaleX.pixel(x) - pixel) > kFar;
      const value = this.format(y) + (raw !== y ? `  (${this.format(raw)})` : "") + (isFar ? ` at ${this.view.tickX(x, 1)}` : "");
      const mark = line.marks.find((m) => m.x === x);
      return element("div", { className: "row" }, swatch, element("span", { textContent: line.label }),
                     element("em", { textContent: value + (mark ? ` · ${mark.kind}` : "") }));
    });
    this.tip.replaceChildren(element("b", { textContent: this.view.formatX(this.cursor) }), ...rows);
    const width = this.tip.offsetWidth;
    const room = this.plot.clientWidth;
    const left = pixel + 16 + width <= room ? pixel + 16 : Math.max(0, pixel - 16 - width);
    this.tip.style.left = `${Math.min(left, Math.max(0, room - width))}px`;
  }

  // For those who do not see the canvas.
  spoken() {
    return `${this.view.formatX(this.cursor)}: ${this.readings().map((r) => `${r.line.label} ${this.format(r.y)}`).join(", ")}`;
  }
}

function stroke(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

// A cleared context in CSS pixels, sharp on dense screens.
export function prepare(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
