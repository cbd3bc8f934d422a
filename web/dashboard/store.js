// A run's numbers in the browser: columns that grow as lines arrive, and what is derived from them.

const kMostDerived = 48;

class Column {
  constructor() {
    this.values = new Float64Array(1024);
    this.length = 0;
  }
  push(value) {
    if (this.length === this.values.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value === null ? NaN : value;
  }
}

export class Run {
  constructor(index, { name, path }) {
    this.index = index;
    this.name = name;
    this.path = path;
    this.isShown = true;
    this.age = null;
    this.clear();
  }

  clear() {
    this.offset = 0;
    this.mark = "";
    this.columns = { hours: new Column() };
    this.length = 0;
    this.derived = new Map();
  }

  // Takes what /api/metrics answered; true when something changed.
  append(answer) {
    const isCut = answer.reset && this.length > 0;
    if (answer.reset) this.clear();
    this.offset = answer.offset;
    this.mark = answer.mark;
    this.age = answer.age;
    for (let i = 0; i < answer.steps; ++i) {
      this.dropFrom(answer.columns.step[i]);
      for (const name in answer.columns) {
        (this.columns[name] ??= new Column()).push(answer.columns[name][i]);
      }
      this.length += 1;
      this.pushHours();
    }
    if (answer.steps > 0) this.derived.clear();
    return isCut || answer.steps > 0;
  }

  // A run that went on from a checkpoint writes steps again.
  dropFrom(step) {
    const steps = this.columns.step;
    let kept = this.length;
    while (kept > 0 && steps.values[kept - 1] >= step) kept -= 1;
    if (kept === this.length) return;
    for (const name in this.columns) this.columns[name].length = kept;
    this.length = kept;
  }

  // Time that steps took; evaluation, saving and pauses between them are not in the file.
  pushHours() {
    const last = this.length - 1;
    const seconds = this.at("batch_tokens", last) / this.at("tokens_per_second", last);
    const before = last > 0 ? this.at("hours", last - 1) : 0;
    this.columns.hours.push(before + (Number.isFinite(seconds) ? seconds / 3600 : 0));
  }

  at(name, row) {
    const column = this.columns[name];
    return column && row >= 0 && row < column.length ? column.values[row] : NaN;
  }

  has(name) {
    return this.series(name, "step", 0).count > 0;
  }

  lastOf(name) {
    for (let row = this.length - 1; row >= 0; --row) {
      const value = this.at(name, row);
      if (!Number.isNaN(value)) return value;
    }
    return NaN;
  }

  // The rows that hold a value: {x, raw, smooth, count}. `weight` of the exponential mean: 0 leaves values as they are.
  series(name, axis, weight) {
    const key = `${name} ${axis} ${weight}`;
    if (this.derived.has(key)) return this.derived.get(key);
    // A slider that is dragged asks for every weight on its way.
    if (this.derived.size >= kMostDerived) this.derived.clear();
    this.derived.set(key, this.build(name, axis, weight));
    return this.derived.get(key);
  }

  build(name, axis, weight) {
    const y = this.columns[name];
    const x = this.columns[axis];
    if (!y || !x) return { x: [], raw: [], smooth: [], count: 0 };
    const out = { x: new Float64Array(y.length), raw: new Float64Array(y.length), count: 0 };
    for (let i = 0; i < y.length; ++i) {
      if (Number.isNaN(y.values[i])) continue;
      out.x[out.count] = x.values[i];
      out.raw[out.count++] = y.values[i];
    }
    out.smooth = weight > 0 ? smoothed(out.raw, out.count, weight) : out.raw;
    return out;
  }

  // Where steps were spikes or were skipped: {x, y, kind}.
  marks(axis) {
    const key = `marks ${axis}`;
    if (this.derived.has(key)) return this.derived.get(key);
    const marks = [];
    for (let row = 0; row < this.length; ++row) {
      const isSkipped = this.at("skipped", row) === 1;
      if (!isSkipped && this.at("spike", row) !== 1) continue;
      marks.push({ x: this.at(axis, row), y: this.at("loss", row), kind: isSkipped ? "skipped" : "spike" });
    }
    this.derived.set(key, marks);
    return marks;
  }
}

// Exponential mean that begins at the first value without leaning on it: each sum is divided by its weights.
function smoothed(values, count, weight) {
  const out = new Float64Array(count);
  let sum = 0;
  let weights = 0;
  for (let i = 0; i < count; ++i) {
    sum = weight * sum + (1 - weight) * values[i];
    weights = weight * weights + (1 - weight);
    out[i] = sum / weights;
  }
  return out;
}

// Index of the first x that is not below `value`.
export function lowerBound(x, count, value) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Index of the x that is nearest to `value`; -1 without any.
export function nearest(x, count, value) {
  const at = lowerBound(x, count, value);
  if (at === count) return count - 1;
  return at > 0 && value - x[at - 1] < x[at] - value ? at - 1 : at;
}
