// The table of runs: where each stands, and the legend that shows and hides them.

import { element } from "./chart.js";
import { count, duration, loss, number } from "./format.js";

// Values that the table averages, so that its numbers can be read.
const kRecent = 0.9;
// A run whose file is older than this, and than a few of its steps, has stopped.
const kLiveSeconds = 30;
const kLiveSteps = 5;

function secondsPerStep(run) {
  const seconds = run.lastOf("batch_tokens") / run.lastOf("tokens_per_second");
  return Number.isFinite(seconds) ? seconds : 0;
}

export function isLive(run) {
  return run.age !== null && run.length > 0 && run.age < Math.max(kLiveSeconds, kLiveSteps * secondsPerStep(run));
}

function state(run) {
  if (run.age === null) return { text: "no file yet", isLive: false };
  if (isLive(run)) return { text: "live", isLive: true };
  return { text: `${duration(run.age)} ago`, isLive: false };
}

function recent(run, column) {
  const series = run.series(column, "step", kRecent);
  return series.count > 0 ? series.smooth[series.count - 1] : NaN;
}

export class RunTable {
  // `changed` is called when a run was shown or hidden.
  constructor(table, color, changed) {
    this.body = table.tBodies[0];
    this.labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    this.color = color;
    this.changed = changed;
  }

  update(runs) {
    if (this.body.rows.length !== runs.length) this.build(runs);
    runs.forEach((run, i) => {
      const { text, isLive: live } = state(run);
      const values = [count(run.lastOf("step")), count(run.lastOf("tokens")), loss(recent(run, "loss")),
                      loss(run.lastOf("heldout_loss")), loss(recent(run, "mtp_loss")),
                      count(recent(run, "tokens_per_second")), number(recent(run, "max_violation")), text];
      const cells = this.body.rows[i].cells;
      values.forEach((value, c) => {
        if (cells[c + 1].textContent !== value) cells[c + 1].textContent = value;
      });
      cells[values.length].className = live ? "state live" : "state";
    });
  }

  build(runs) {
    this.body.replaceChildren(...runs.map((run) => this.row(run, runs)));
  }

  row(run, runs) {
    const button = element("button", { type: "button", className: "name", title: run.path },
                           element("span", { textContent: run.name }));
    button.style.setProperty("--run", `var(${this.color(run)})`);
    const cells = this.labels.slice(1).map((label) => {
      const cell = element("td");
      cell.dataset.label = label;
      return cell;
    });
    const row = element("tr", {}, element("td", {}, button), ...cells);
    const show = () => {
      button.setAttribute("aria-pressed", run.isShown);
      row.className = run.isShown ? "" : "off";
    };
    button.addEventListener("click", (event) => {
      // With Alt: this one alone, or all again.
      const isAlone = runs.every((other) => other.isShown === (other === run));
      if (event.altKey) for (const other of runs) other.isShown = isAlone || other === run;
      else run.isShown = !run.isShown;
      this.build(runs);
      this.update(runs);
      this.body.rows[runs.indexOf(run)].querySelector("button").focus();
      this.changed();
    });
    show();
    return row;
  }
}
