// Axes: from values to pixels and back, and where their ticks lie.

export class Scale {
  constructor(from, to, pixel0, pixel1, isLog) {
    this.isLog = isLog && from > 0 && to > 0;
    this.from = from;
    this.to = to;
    this.pixel0 = pixel0;
    this.pixel1 = pixel1;
    this.low = this.place(from);
    this.factor = (pixel1 - pixel0) / (this.place(to) - this.low || 1);
  }
  place(value) {
    return this.isLog ? Math.log10(value) : value;
  }
  pixel(value) {
    return this.pixel0 + (this.place(value) - this.low) * this.factor;
  }
  value(pixel) {
    const place = this.low + (pixel - this.pixel0) / this.factor;
    return this.isLog ? 10 ** place : place;
  }

  // About `wanted` round values: {value, distance to the next}.
  ticks(wanted) {
    return this.isLog ? logTicks(this.from, this.to, wanted) : linearTicks(this.from, this.to, wanted);
  }
}

function linearTicks(from, to, wanted) {
  const rough = (to - from) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  // Without the sum, a small negative number becomes -0.
  for (let i = Math.ceil(from / step - 1e-9) + 0; i * step <= to + step * 1e-9; ++i) {
    ticks.push({ value: i * step, distance: step });
  }
  return ticks;
}

// 1, 2, 5 of every decade where they fit, else powers of ten; within less than a decade, as a linear axis.
function logTicks(from, to, wanted) {
  const decades = Math.log10(to / from);
  if (decades < 0.7) return linearTicks(from, to, wanted);
  const digits = decades * 3 <= wanted * 1.6 ? [1, 2, 5] : [1];
  const stride = digits.length > 1 ? 1 : Math.max(1, Math.ceil(decades / wanted));
  const ticks = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); ++power) {
    if (power % stride !== 0) continue;
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (value >= from * (1 - 1e-9) && value <= to * (1 + 1e-9)) ticks.push({ value, distance: 10 ** power });
    }
  }
  return ticks;
}
