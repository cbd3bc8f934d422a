// The load of experts as a grid: a row for each layer, a cell for each expert, coloured by load over the layer's mean.

import { element, prepare } from "./chart.js";

const kRow = 22;
const kLabel = 40;
const kAxis = 20;
// Colours end at a quarter of the mean and at four times it; the scale between is logarithmic.
const kEnds = Math.log(4);

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function colors() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => rgb(style.getPropertyValue(name).trim());
  return { low: read("--heat-low"), middle: read("--heat-mid"), high: read("--heat-high") };
}

function colorOf(ratio, { low, middle, high }) {
  const t = ratio > 0 ? Math.max(-1, Math.min(1, Math.log(ratio) / kEnds)) : -1;
  // The eye tells pale colours apart less well than full ones.
  const strength = Math.abs(t) ** 0.8;
  const end = t < 0 ? low : high;
  return `rgb(${middle.map((m, i) => Math.round(m + (end[i] - m) * strength)).join(" ")})`;
}

export class Heat {
  constructor(root, scale, speak) {
    this.root = root;
    this.scale = scale;
    this.speak = speak;
    this.data = null;
    this.cell = null;
    this.canvas = element("canvas");
    this.tip = element("div", { className: "tip", hidden: true });
    root.append(this.canvas, this.tip);
    root.tabIndex = 0;
    root.setAttribute("role", "application");
    root.setAttribute("aria-roledescription", "heat map");
    root.setAttribute("aria-label", "Load of each expert by layer; arrow keys read cells");
    const ends = ["≤ ¼", "½", "mean", "2×", "≥ 4×"].map((text) => element("span", { textContent: text }));
    scale.append(element("canvas"), element("div", {}, ...ends));
    root.addEventListener("pointermove", (event) => this.point(event));
    root.addEventListener("pointerdown", (event) => this.point(event));
    root.addEventListener("pointerleave", () => this.select(null));
    root.addEventListener("blur", () => this.select(null));
    root.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.paint()).observe(root);
  }

  draw(data) {
    this.data = data;
    if (this.cell && !(this.cell.row < data.load.length && this.cell.expert < data.load[this.cell.row].length)) this.cell = null;
    this.paint();
  }

  get experts() {
    return Math.max(1, ...this.data.load.map((row) => row.length));
  }

  paint() {
    const width = this.root.clientWidth;
    if (!this.data || width === 0) return;
    const style = getComputedStyle(document.documentElement);
    const rows = this.data.load.length;
    const height = rows * this.rowHeight() + kAxis;
    this.canvas.style.height = `${height}px`;
    const context = prepare(this.canvas, width, height);
    const palette = colors();
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    const cell = (width - kLabel) / this.experts;
    // Gaps only where cells are wide enough to spare them.
    const gap = cell > 6 ? 1 : 0;
    this.data.load.forEach((row, r) => {
      const top = r * this.rowHeight();
      context.fillStyle = style.getPropertyValue("--muted");
      context.textAlign = "right";
      if (this.rowHeight() >= 11 || r % 4 === 0) context.fillText(`L${this.data.layers[r]}`, kLabel - 10, top + this.rowHeight() / 2);
      row.forEach((ratio, e) => {
        const left = Math.round(kLabel + e * cell);
        context.fillStyle = colorOf(ratio, palette);
        context.fillRect(left, top, Math.round(kLabel + (e + 1) * cell) - left - gap, this.rowHeight() - 1);
      });
    });
    this.paintAxis(context, cell, height, style);
    this.paintCell(context, cell, style);
    this.paintScale(palette);
  }

  // Dozens of layers still fit a screen.
  rowHeight() {
    return Math.max(8, Math.min(kRow, Math.floor(520 / this.data.load.length)));
  }

  paintAxis(context, cell, height, style) {
    context.fillStyle = style.getPropertyValue("--muted");
    context.textAlign = "center";
    const stride = [1, 2, 4, 8, 16, 32, 64, 128].find((n) => n * cell >= 26) ?? 256;
    for (let e = 0; e < this.experts; e += stride) context.fillText(String(e), kLabel + (e + 0.5) * cell, height - kAxis / 2);
  }

  paintCell(context, cell, style) {
    this.tip.hidden = !this.cell;
    if (!this.cell) return;
    const { row, expert } = this.cell;
    const x = kLabel + expert * cell;
    context.strokeStyle = style.getPropertyValue("--text");
    context.lineWidth = 1.5;
    context.strokeRect(x, row * this.rowHeight(), cell, this.rowHeight() - 1);
    const ratio = this.data.load[row][expert];
    this.tip.replaceChildren(element("b", { textContent: `Layer ${this.data.layers[row]}, expert ${expert}` }),
                             element("div", { textContent: `${ratio.toFixed(2)} × the layer's mean` }));
    const width = this.tip.offsetWidth;
    const room = this.root.clientWidth;
    this.tip.style.left = `${x + cell + 12 + width <= room ? x + cell + 12 : Math.max(0, x - 12 - width)}px`;
    this.tip.style.top = `${Math.max(0, row * this.rowHeight() - 14)}px`;
  }

  paintScale(palette) {
    const canvas = this.scale.firstChild;
    const width = this.scale.clientWidth;
    if (width === 0) return;
    const context = prepare(canvas, width, 10);
    for (let x = 0; x < width; ++x) {
      context.fillStyle = colorOf(Math.exp(kEnds * ((2 * x) / (width - 1) - 1)), palette);
      context.fillRect(x, 0, 1, 10);
    }
  }

  point(event) {
    if (!this.data) return;
    const box = this.root.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / this.rowHeight());
    const expert = Math.floor(((event.clientX - box.left - kLabel) / (box.width - kLabel)) * this.experts);
    this.select(expert >= 0 && expert < (this.data.load[row]?.length ?? 0) ? { row, expert } : null);
  }

  select(cell) {
    if (cell?.row === this.cell?.row && cell?.expert === this.cell?.expert) return;
    this.cell = cell;
    this.paint();
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!this.data || !moves[event.key]) return;
    event.preventDefault();
    const [down, right] = this.cell ? moves[event.key] : [0, 0];
    const clamp = (value, size) => Math.min(Math.max(value, 0), size - 1);
    const row = clamp((this.cell?.row ?? 0) + down, this.data.load.length);
    const expert = clamp((this.cell?.expert ?? 0) + right, this.data.load[row].length);
    this.select({ row, expert });
    this.speak(this.tip.textContent);
  }
}
