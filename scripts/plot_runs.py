#!/usr/bin/env python3
"""Figures of training runs from their metrics.jsonl, as SVG.

  scripts/plot_runs.py loss   OUT.svg NAME=RUN_DIR ...   losses, held-out losses, and the gap to the first run
  scripts/plot_runs.py load   OUT.svg NAME=RUN_DIR ...   load of every expert of every layer at the end, side by side
  scripts/plot_runs.py maxvio OUT.svg NAME=RUN_DIR ...   how far the fullest expert lies above the mean, over the run
"""

import argparse
import bisect
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

# Okabe and Ito's colours, told apart also by those who see fewer; each run has a dash of its own beside.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4"]
INK, FAINT, GRID = "#222222", "#666666", "#E3E3E3"
WIDTH = 880
# Below the mean, at it, above it.
UNDER, EVEN, OVER = (33, 102, 172), (247, 247, 247), (179, 88, 6)


class Run:
    def __init__(self, name, folder):
        self.name = name
        path = pathlib.Path(folder) / "metrics.jsonl"
        self.lines = []
        if not path.exists():
            sys.exit(f"{path}: is not there")
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # the line that a run is writing
            if "loss" in line:
                self.lines.append(line)
        if not self.lines:
            sys.exit(f"{path}: holds no step")

    def series(self, key, axis):
        scale = 1e6 if axis == "tokens" else 1
        points = [(line[axis] / scale, line[key]) for line in self.lines if key in line]
        return [x for x, _ in points], [y for _, y in points]


def smoothed(values, window):
    """Means over `window` neighbours; over fewer where a run begins, which is steep, and over the last half at its end."""
    sums = [0.0]
    for v in values:
        sums.append(sums[-1] + v)
    out = []
    for i in range(len(values)):
        reach = min(window // 2, i)
        begin, end = i - reach, min(i + reach + 1, len(values))
        out.append((sums[end] - sums[begin]) / (end - begin))
    return out


def value_at(xs, ys, x):
    """Between the neighbours; nothing outside."""
    if not xs or x < xs[0] or x > xs[-1]:
        return None
    i = bisect.bisect_left(xs, x)
    if xs[i] == x:
        return ys[i]
    share = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return ys[i - 1] + share * (ys[i] - ys[i - 1])


def ticks(low, high, wanted):
    """Round numbers within [low, high]."""
    raw = (high - low) / wanted
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, int(math.floor(high / step + 1e-9)) + 1)]


def number(value):
    return f"{value:.10g}".replace("-", "−")


class Drawing:
    def __init__(self, width, height, title):
        self.width, self.height = width, height
        self.parts = [f"<title>{escape(title)}</title>", f'<rect width="{width}" height="{height}" fill="white"/>']
        self.clips = 0

    def text(self, x, y, text, size=12, anchor="start", colour=INK, more=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
                          f'{more}>{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1, more=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}" {more}/>')

    def rect(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}"/>')

    def write(self, path):
        body = "\n".join(self.parts)
        pathlib.Path(path).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n'
            f"{body}\n</svg>\n")


class Panel:
    """Axes within a drawing. Labels of lines stand to the right of it."""

    def __init__(self, drawing, left, top, width, height, x_range, y_range):
        self.d, self.left, self.top, self.width, self.height = drawing, left, top, width, height
        self.x_low, self.x_high = x_range
        self.y_low, self.y_high = y_range
        drawing.clips += 1
        self.clip = f"clip{drawing.clips}"
        drawing.parts.append(f'<clipPath id="{self.clip}"><rect x="{left}" y="{top}" width="{width}" '
                             f'height="{height}"/></clipPath>')
        self.labels = []

    def x(self, value):
        return self.left + self.width * (value - self.x_low) / (self.x_high - self.x_low)

    def y(self, value):
        return self.top + self.height * (self.y_high - value) / (self.y_high - self.y_low)

    def axes(self, title, y_label, x_label):
        d, bottom = self.d, self.top + self.height
        d.text(self.left, self.top - 12, title, 14, more='font-weight="bold"')
        for value in ticks(self.y_low, self.y_high, self.height / 45):
            d.line(self.left, self.y(value), self.left + self.width, self.y(value), GRID)
            d.text(self.left - 8, self.y(value) + 4, number(value), 11, "end", FAINT)
        for value in ticks(self.x_low, self.x_high, 8):
            d.line(self.x(value), bottom, self.x(value), bottom + 4, FAINT)
            d.text(self.x(value), bottom + 18, number(value), 11, "middle", FAINT)
        d.line(self.left, bottom, self.left + self.width, bottom, FAINT)
        middle = self.top + self.height / 2
        d.text(self.left - 52, middle, y_label, 12, "middle", more=f'transform="rotate(-90 {self.left - 52} {middle})"')
        d.text(self.left + self.width / 2, bottom + 37, x_label, 12, "middle")

    def curve(self, xs, ys, colour, width, dash="", opacity=1.0):
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys))
        dashes = f'stroke-dasharray="{dash}"' if dash else ""
        self.d.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
                            f'stroke-opacity="{opacity}" stroke-linejoin="round" {dashes} '
                            f'clip-path="url(#{self.clip})"/>')

    def points(self, xs, ys, colour):
        for x, y in zip(xs, ys):
            if self.y_low <= y <= self.y_high:
                self.d.parts.append(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.6" fill="white" '
                                    f'stroke="{colour}" stroke-width="1.6"/>')

    def label(self, y, text, colour):
        self.labels.append([min(max(self.y(y), self.top + 6), self.top + self.height), text, colour])

    def draw_labels(self):
        """Pushed apart where they would cover each other."""
        self.labels.sort(key=lambda label: label[0])
        for above, below in zip(self.labels, self.labels[1:]):
            below[0] = max(below[0], above[0] + 15)
        for y, text, colour in self.labels:
            self.d.text(self.left + self.width + 8, y + 4, text, 12, colour=colour, more='font-weight="bold"')


def x_label(axis):
    return "tokens seen (millions)" if axis == "tokens" else "steps"


def window_of(run, wanted):
    return wanted if wanted else max(1, len(run.lines) // 40)


def padded(low, high, share=0.06):
    room = (high - low) * share or abs(high) * share or 1
    return low - room, high + room


def draw_loss(runs, args):
    curves, raw, heldout = [], [], []
    for run in runs:
        xs, ys = run.series("loss", args.x)
        raw.append((xs, ys))
        curves.append((xs, smoothed(ys, window_of(run, args.smooth))))
        heldout.append(run.series("heldout_loss", args.x))
    x_high = max(xs[-1] for xs, _ in curves)
    # The fall of the first steps is deep and alike everywhere: the axis begins where it is over.
    settled = 0.05 * x_high
    late = [y for xs, ys in [*curves, *heldout] for x, y in zip(xs, ys) if x >= settled]
    low, high = padded(min(late), max(late))
    has_gap = len(runs) > 1 and not args.no_gap
    d = Drawing(WIDTH, 690 if has_gap else 430, "loss of training runs")
    panel = Panel(d, 78, 46, WIDTH - 78 - 150, 320, (0, x_high), (low, high))
    panel.axes("Loss", "loss (nats a token)", "" if has_gap else x_label(args.x))
    for i, run in enumerate(runs):
        colour = COLOURS[i % len(COLOURS)]
        panel.curve(*raw[i], colour, 0.8, opacity=0.22)
        panel.curve(*curves[i], colour, 2, DASHES[i % len(DASHES)])
        panel.points(*heldout[i], colour)
        panel.label(curves[i][1][-1], f"{run.name}  {curves[i][1][-1]:.3f}", colour)
    panel.draw_labels()
    d.text(78 + panel.width, 34, "line: training, smoothed; faint: each step; circle: held out", 11, "end", FAINT)
    if has_gap:
        draw_gap(d, runs, raw, heldout, x_high, settled, args)
    d.write(args.out)


def gap(series, base, window):
    """In percent, where both have points. Both are smoothed over these points alone: what one run saw beyond the other
    would move its mean."""
    pairs = [(x, y, value_at(*base, x)) for x, y in zip(*series)]
    pairs = [pair for pair in pairs if pair[2] is not None]
    ys, others = (smoothed([pair[i] for pair in pairs], window) for i in (1, 2))
    return [pair[0] for pair in pairs], [100 * (y - other) / other for y, other in zip(ys, others)]


def draw_gap(d, runs, raw, heldout, x_high, settled, args):
    lines = [gap(r, raw[0], window_of(runs[0], args.smooth)) for r in raw[1:]]
    dots = [gap(h, heldout[0], 1) for h in heldout[1:]]
    late = [g for xs, ys in [*lines, *dots] for x, g in zip(xs, ys) if x >= settled] or [-1, 1]
    low, high = padded(min(*late, 0), max(*late, 0), 0.12)
    panel = Panel(d, 78, 440, WIDTH - 78 - 150, 190, (0, x_high), (low, high))
    panel.axes(f"Gap to {runs[0].name}", "relative gap (%)", x_label(args.x))
    d.line(panel.left, panel.y(0), panel.left + panel.width, panel.y(0), COLOURS[0], 1.6)
    panel.label(0, runs[0].name, COLOURS[0])
    for i, (line, dot) in enumerate(zip(lines, dots), 1):
        colour = COLOURS[i % len(COLOURS)]
        panel.curve(*line, colour, 2, DASHES[i % len(DASHES)])
        panel.points(*dot, colour)
        if line[1]:
            end = number(round(line[1][-1], 2))
            panel.label(line[1][-1], f"{runs[i].name}  {end if end.startswith('−') else '+' + end} %", colour)
    panel.draw_labels()


def draw_maxvio(runs, args):
    curves = []
    for run in runs:
        xs, ys = run.series("max_violation", args.x)
        curves.append((xs, ys, smoothed(ys, window_of(run, args.smooth))))
    x_high = max(xs[-1] for xs, _, _ in curves)
    d = Drawing(WIDTH, 430, "MaxVio of training runs")
    top = max(max(ys) for _, _, ys in curves)
    panel = Panel(d, 78, 46, WIDTH - 78 - 150, 320, (0, x_high), (0, top * 1.08))
    panel.axes("MaxVio: load of the fullest expert over the mean, less one", "MaxVio (mean over layers)", x_label(args.x))
    for i, (run, (xs, ys, soft)) in enumerate(zip(runs, curves)):
        colour = COLOURS[i % len(COLOURS)]
        panel.curve(xs, ys, colour, 0.8, opacity=0.22)
        panel.curve(xs, soft, colour, 2, DASHES[i % len(DASHES)])
        panel.label(soft[-1], f"{run.name}  {soft[-1]:.2f}", colour)
    panel.draw_labels()
    d.write(args.out)


def final_load(run, window):
    """Layer to the loads of its experts relative to their mean, over the last steps."""
    sums = {}
    for line in run.lines[-window:]:
        for layer, load in line.get("expert_load", {}).items():
            row = sums.setdefault(int(layer), [0] * len(load))
            for e, tokens in enumerate(load):
                row[e] += tokens
    return {layer: [n * len(row) / max(1, sum(row)) for n in row] for layer, row in sorted(sums.items())}


def load_colour(relative):
    end, share = (OVER, min(relative - 1, 1)) if relative >= 1 else (UNDER, 1 - relative)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(EVEN, end))


def draw_load(runs, args):
    loads = [final_load(run, args.window) for run in runs]
    if not all(loads):
        sys.exit("load: a run has no loads of experts")
    left, gap, right = 62, 104, 58
    width = (WIDTH - left - right - gap * (len(runs) - 1)) / len(runs)
    layers = max(len(load) for load in loads)
    cell = max(14, min(30, 420 // layers))
    top = 66
    d = Drawing(WIDTH, top + cell * layers + 104, "load of experts")
    for i, (run, load) in enumerate(zip(runs, loads)):
        x0 = left + i * (width + gap)
        steps = min(args.window, len(run.lines))
        worst = [max(row) - 1 for row in load.values()]
        d.text(x0, 24, run.name, 14, more='font-weight="bold"')
        d.text(x0, 42, f"steps {run.lines[-steps]['step']} to {run.lines[-1]['step']}, MaxVio "
               f"{sum(worst) / len(worst):.2f}", 11, colour=FAINT)
        d.text(x0 + width + 6, top - 8, "MaxVio", 10, colour=FAINT)
        for r, (layer, row) in enumerate(load.items()):
            y = top + r * cell
            d.text(x0 - 8, y + cell / 2 + 4, str(layer), 11, "end", FAINT)
            d.text(x0 + width + 6, y + cell / 2 + 4, f"{max(row) - 1:.2f}", 11, colour=FAINT)
            for e, relative in enumerate(sorted(row, reverse=True) if args.sort else row):
                w = width / len(row)
                d.rect(x0 + e * w, y, max(w - 1, 0.5 * w), cell - 1, load_colour(relative))
        experts = len(next(iter(load.values())))
        bottom = top + cell * len(load)
        for e in [0] if args.sort else sorted({0, *(int(t) for t in ticks(0, experts - 1, 6) if t == int(t))}):
            name = "fullest" if args.sort else str(e)
            d.text(x0 + (e + 0.5) * width / experts, bottom + 15, name, 11, "start" if args.sort else "middle", FAINT)
        d.text(x0 + width / 2, bottom + 33, "experts by load" if args.sort else "expert", 12, "middle")
        d.text(x0 - 34, top + cell * len(load) / 2, "layer", 12, "middle",
               more=f'transform="rotate(-90 {x0 - 34:.1f} {top + cell * len(load) / 2:.1f})"')
    draw_scale(d, left, top + cell * layers + 56)
    d.write(args.out)


def draw_scale(d, left, top):
    width, steps = 240, 60
    for i in range(steps):
        d.rect(left + i * width / steps, top, width / steps + 0.5, 12, load_colour(2 * (i + 0.5) / steps))
    for value, text in ((0, "0"), (1, "1: the mean"), (2, "2 or more")):
        d.text(left + value * width / 2, top + 27, text, 11, "middle", FAINT)
    d.text(left + width + 44, top + 10, "load of an expert over the mean of its layer", 12)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=["loss", "load", "maxvio"])
    parser.add_argument("out", metavar="OUT.svg")
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN_DIR")
    parser.add_argument("--x", choices=["tokens", "step"], default="tokens", help="what curves run along")
    parser.add_argument("--smooth", type=int, default=0, metavar="STEPS", help="0: a fortieth of the run")
    parser.add_argument("--no-gap", action="store_true", help="loss: runs of different data, whose gap means nothing")
    parser.add_argument("--window", type=int, default=100, metavar="STEPS", help="load: so many steps from the end")
    parser.add_argument("--sort", action="store_true", help="load: the fullest experts first")
    args = parser.parse_args()
    runs = []
    for item in args.runs:
        name, equals, folder = item.partition("=")
        if not equals:
            parser.error(f"'{item}': write NAME=RUN_DIR")
        runs.append(Run(name, folder))
    {"loss": draw_loss, "load": draw_load, "maxvio": draw_maxvio}[args.figure](runs, args)


if __name__ == "__main__":
    main()
