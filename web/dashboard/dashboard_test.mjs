// The page's arithmetic: node --test web/dashboard/dashboard_test.mjs

import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "./format.js";
import { range } from "./lines.js";
import { Scale } from "./scale.js";
import { lowerBound, nearest, Run } from "./store.js";

function answer(steps, losses, more = {}) {
  const columns = { at: steps.map((s) => 100 * s), step: steps, tokens: steps.map((s) => 10 * s), loss: losses,
                    batch_tokens: steps.map(() => 3600), tokens_per_second: steps.map(() => 1),
                    spike: steps.map(() => 0), skipped: steps.map(() => 0), ...more };
  return { reset: false, offset: 1, mark: "m", age: 0, steps: steps.length, columns };
}

function follow(...answers) {
  const run = new Run(0, { name: "run", path: "" });
  answers.forEach((a) => run.append(a));
  return run;
}

const list = (series) => [...series.raw.slice(0, series.count)];

test("a run grows, and a series leaves out what is missing", () => {
  const run = follow(answer([1, 2], [9, null]), answer([3], [7]));
  assert.deepEqual(list(run.series("loss", "step", 0)), [9, 7]);
  assert.deepEqual([...run.series("loss", "tokens", 0).x.slice(0, 2)], [10, 30]);
  assert.equal(run.at("hours", 2), 3);
  assert.equal(run.has("mtp_loss"), false);
  assert.ok(Number.isNaN(run.lastOf("mtp_loss")));
});

test("steps that are done again replace the old ones", () => {
  const run = follow(answer([1, 2, 3], [9, 8, 7]), answer([2, 3], [6, 5]));
  assert.deepEqual(list(run.series("loss", "step", 0)), [9, 6, 5]);
  run.append({ ...answer([1], [4]), reset: true });
  assert.deepEqual(list(run.series("loss", "step", 0)), [4]);
  assert.equal(run.append(answer([], [])), false);
});

test("many rows", () => {
  const steps = Array.from({ length: 5000 }, (_, i) => i + 1);
  const run = follow(answer(steps, steps));
  assert.equal(run.series("loss", "step", 0).count, 5000);
  assert.equal(run.lastOf("loss"), 5000);
});

test("smoothing does not lean on the beginning", () => {
  const run = follow(answer([1, 2, 3], [5, 5, 5]));
  for (const value of run.series("loss", "step", 0.9).smooth) assert.ok(Math.abs(value - 5) < 1e-12);
  const two = follow(answer([1, 2], [0, 1])).series("loss", "step", 0.5).smooth;
  assert.ok(Math.abs(two[1] - 2 / 3) < 1e-12);
});

test("marks", () => {
  const run = follow(answer([1, 2, 3], [9, null, 12], { spike: [0, 0, 1], skipped: [0, 1, 0] }));
  assert.deepEqual(run.marks("step").map((m) => `${m.kind} ${m.x}`), ["skipped 2", "spike 3"]);
});

test("searching", () => {
  const x = [1, 3, 5];
  assert.deepEqual([0, 1, 2, 5, 6].map((v) => lowerBound(x, 3, v)), [0, 0, 1, 2, 3]);
  assert.deepEqual([0, 1.9, 2.1, 9].map((v) => nearest(x, 3, v)), [0, 0, 1, 2]);
  assert.equal(nearest(x, 0, 1), -1);
});

test("scales go there and back, and ticks lie within", () => {
  for (const isLog of [false, true]) {
    const scale = new Scale(2, 9000, 40, 700, isLog);
    assert.ok(Math.abs(scale.value(scale.pixel(77)) - 77) < 1e-9);
    const ticks = scale.ticks(6);
    assert.ok(ticks.length >= 3 && ticks.length <= 12);
    for (const { value } of ticks) assert.ok(value >= 2 && value <= 9000);
  }
  assert.deepEqual(new Scale(0, 1, 0, 1, false).ticks(4).map((t) => t.value), [0, 0.25, 0.5, 0.75, 1]);
  assert.equal(new Scale(0, 1, 0, 1, true).isLog, false, "zero has no logarithm");
});

test("one wild step does not flatten the rest", () => {
  const raw = Array.from({ length: 1000 }, (_, i) => (i === 500 ? 1e6 : 3 + (i % 10) / 10));
  const line = { x: raw.map((_, i) => i), raw, smooth: raw, count: 1000 };
  const y = range([line], { from: 0, to: 999 }, false);
  assert.ok(y.from > 2 && y.to < 5);
  assert.deepEqual(range([], { from: 0, to: 1 }, false), { from: 1, to: 10 });
});

test("numbers as people read them", () => {
  assert.equal(format.count(1608074), "1.61 M");
  assert.equal(format.count(4520.4), "4,520");
  assert.equal(format.loss(NaN), "–");
  assert.equal(format.number(0.003), "0.003000");
  assert.equal(format.tick(7.75e6, 0.25e6), "7.75M");
  assert.equal(format.tick(8e6, 0.25e6), "8M");
  assert.equal(format.tick(0.75, 0.25), "0.75");
  assert.equal(format.tick(2e-5, 1e-5), "2e−5");
  assert.equal(format.hours(1.1), "1 h 06 min");
  assert.equal(format.hours(0.01), "36 s");
});
