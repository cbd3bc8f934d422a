// The card of the expert load: which run, until which step, over how many steps; asks the server for the averages.

import { element } from "./chart.js";
import { count } from "./format.js";
import { Heat } from "./heat.js";

const byId = (id) => document.getElementById(id);
// Experts below are named as idle.
const kIdle = 0.25;

export class Experts {
  constructor(speak) {
    this.heat = new Heat(byId("heat"), byId("heat-scale"), speak);
    this.slider = byId("experts-step");
    this.picker = byId("experts-run");
    this.window = byId("experts-window");
    this.run = null;
    // The slider at its end follows the run.
    this.follows = true;
    this.asked = "";
    this.slider.addEventListener("input", () => {
      this.follows = Number(this.slider.value) === Number(this.slider.max);
      this.ask();
    });
    this.window.addEventListener("change", () => this.ask());
    this.picker.addEventListener("change", () => {
      this.run = this.runs[Number(this.picker.value)];
      this.follows = true;
      this.update(this.runs);
    });
  }

  // Runs have new rows, or others.
  update(runs) {
    this.runs = runs;
    const able = runs.filter((run) => run.length > 0 && run.has("max_violation"));
    byId("experts").hidden = able.length === 0;
    if (able.length === 0) return;
    if (!this.run) this.run = able.find((run) => run.isShown) ?? able[0];
    if (this.picker.options.length !== runs.length) {
      this.picker.replaceChildren(...runs.map((run) => element("option", { value: run.index, textContent: run.name })));
    }
    this.picker.value = this.run.index;
    byId("experts-run-label").hidden = runs.length < 2;
    this.slider.max = Math.max(0, this.run.length - 1);
    if (this.follows) this.slider.value = this.slider.max;
    this.ask();
  }

  // Latest wins: while an answer is under way, only the last wish is kept.
  async ask() {
    const last = Math.min(Number(this.slider.value), this.run.length - 1);
    if (last < 0) return;
    const first = Math.max(0, last + 1 - Number(this.window.value));
    const end = last + 1 < this.run.length ? this.run.at("at", last + 1) : this.run.offset;
    const wish = `/api/experts?run=${this.run.index}&begin=${this.run.at("at", first)}&end=${end}`;
    byId("experts-step-value").textContent = this.run.at("step", last).toLocaleString("en");
    if (wish === this.asked) return;
    this.asked = wish;
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      for (let url = ""; url !== this.asked;) {
        url = this.asked;
        const answer = await fetch(url);
        if (answer.ok) this.show(await answer.json());
      }
    } catch {
      this.asked = "";  // the page says already that the server is away
    } finally {
      this.isAsking = false;
    }
  }

  show(data) {
    if (data.load.length === 0) {
      byId("experts-sub").textContent = "no load in these steps";
      return;
    }
    this.heat.draw(data);
    let top = { ratio: -1 };
    let idle = 0;
    let experts = 0;
    data.load.forEach((row, r) => row.forEach((ratio, expert) => {
      if (ratio > top.ratio) top = { ratio, layer: data.layers[r], expert };
      idle += ratio < kIdle ? 1 : 0;
      experts += 1;
    }));
    const steps = data.steps > 1 ? `steps ${count(data.first)} to ${count(data.last)}` : `step ${count(data.last)}`;
    byId("experts-sub").textContent =
      `${steps}; busiest: expert ${top.expert} of layer ${top.layer}, ${top.ratio.toFixed(1)} × its mean; ` +
      `${idle} of ${experts} below a quarter`;
  }
}
