// Lines and marks on a canvas, and the y axis that suits them.

import { lowerBound } from "./store.js";

// Share of the values, at either end, that may lie outside of the y axis: one wild step does not flatten the rest.
const kTrimmed = 0.005;
const kSampled = 4000;
const kPadding = 0.06;

// Indices of the points within the view, and one beyond at either side.
function visible(line, view) {
  return { begin: Math.max(0, lowerBound(line.x, line.count, view.from) - 1),
           end: Math.min(line.count, lowerBound(line.x, line.count, view.to) + 2) };
}

export function range(lines, view, isLog) {
  let from = Infinity;
  let to = -Infinity;
  const include = (value) => {
    if (!Number.isFinite(value) || (isLog && value <= 0)) return;
    from = Math.min(from, value);
    to = Math.max(to, value);
  };
  for (const line of lines) {
    const begin = lowerBound(line.x, line.count, view.from);
    const end = Math.min(line.count, lowerBound(line.x, line.count, view.to) + 1);
    const sample = [];
    const stride = Math.max(1, Math.floor((end - begin) / kSampled));
    for (let i = begin; i < end; i += stride) {
      sample.push(line.raw[i]);
      if (line.smooth !== line.raw) include(line.smooth[i]);
    }
    sample.sort((a, b) => a - b);
    const cut = Math.floor(sample.length * kTrimmed);
    if (sample.length > 0) {
      include(sample[cut]);
      include(sample[sample.length - 1 - cut]);
    }
  }
  if (from > to) return { from: 1, to: 10 };
  if (isLog) {
    const factor = Math.max(1.02, (to / from) ** kPadding);
    return { from: from / factor, to: to * factor };
  }
  const space = (to - from) * kPadding || Math.abs(to) * 0.1 || 1;
  // An axis of sizes does not go below zero for the sake of its margin.
  return { from: from >= 0 ? Math.max(0, from - space) : from - space, to: to + space };
}

// A path through the points; where many share a column of pixels, through first, least, largest and last of each.
function trace(context, x, y, begin, end, scaleX, scaleY) {
  context.beginPath();
  const isDense = end - begin > 3 * Math.abs(scaleX.pixel1 - scaleX.pixel0);
  if (!isDense) {
    for (let i = begin; i < end; ++i) context.lineTo(scaleX.pixel(x[i]), scaleY.pixel(y[i]));
    return;
  }
  for (let i = begin; i < end;) {
    const column = Math.floor(scaleX.pixel(x[i]));
    let least = i;
    let most = i;
    let next = i + 1;
    for (; next < end && Math.floor(scaleX.pixel(x[next])) === column; ++next) {
      if (y[next] < y[least]) least = next;
      if (y[next] > y[most]) most = next;
    }
    const order = [i, Math.min(least, most), Math.max(least, most), next - 1];
    for (const at of order) context.lineTo(column + 0.5, scaleY.pixel(y[at]));
    i = next;
  }
}

export function drawLine(context, line, scaleX, scaleY, { color, dash, card }) {
  const { begin, end } = visible(line, { from: scaleX.from, to: scaleX.to });
  context.strokeStyle = color;
  context.lineJoin = "round";
  if (line.smooth !== line.raw) {
    context.globalAlpha = 0.22;
    context.lineWidth = 1;
    trace(context, line.x, line.raw, begin, end, scaleX, scaleY);
    context.stroke();
    context.globalAlpha = 1;
  }
  context.lineWidth = line.kind === "train" ? 1.8 : 1.5;
  context.setLineDash(dash);
  trace(context, line.x, line.smooth, begin, end, scaleX, scaleY);
  context.stroke();
  context.setLineDash([]);
  if (line.kind !== "heldout") return;
  context.fillStyle = card;
  for (let i = begin; i < end && end - begin < 200; ++i) {
    context.beginPath();
    context.arc(scaleX.pixel(line.x[i]), scaleY.pixel(line.raw[i]), 3, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

// A spike: a triangle at its loss, at the upper edge when that lies outside. A skipped step: a cross on the x axis.
export function drawMarks(context, line, scaleX, scaleY, { color, card }) {
  context.strokeStyle = color;
  context.lineWidth = 1.6;
  for (const mark of line.marks) {
    if (mark.x < scaleX.from || mark.x > scaleX.to) continue;
    const x = scaleX.pixel(mark.x);
    context.beginPath();
    if (mark.kind === "spike") {
      const y = Math.max(scaleY.pixel(mark.y), scaleY.pixel1 + 5);
      context.moveTo(x, y - 5);
      context.lineTo(x + 5, y + 4);
      context.lineTo(x - 5, y + 4);
      context.closePath();
      context.fillStyle = card;
      context.fill();
    } else {
      const y = scaleY.pixel0 - 6;
      context.moveTo(x - 3.5, y - 3.5);
      context.lineTo(x + 3.5, y + 3.5);
      context.moveTo(x + 3.5, y - 3.5);
      context.lineTo(x - 3.5, y + 3.5);
    }
    context.stroke();
  }
}
