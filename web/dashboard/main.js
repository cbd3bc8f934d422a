// The page: reads the runs, polls their metrics, and hands both to the charts.

import { Chart, element } from "./chart.js";
import { Experts } from "./experts.js";
import * as format from "./format.js";
import { Run } from "./store.js";
import { RunTable, isLive } from "./table.js";

const kPollTime = 2000;
const kRetryTime = 5000;
const kPatience = 20000;
const kColors = 8;
const kKinds = {
  train: { name: "train", column: "loss", dash: "" },
  heldout: { name: "held-out", column: "heldout_loss", dash: "7 3" },
  mtp: { name: "MTP", column: "mtp_loss", dash: "1.5 3" },
};
const kCharts = [
  { title: "Learning rate", column: "learning_rate", format: format.number, isPlain: true },
  { title: "Gradient norm", column: "gradient_norm", format: format.number, isLog: true },
  { title: "Throughput", sub: "tokens/s", column: "tokens_per_second", format: (v) => format.count(v) },
  { title: "MaxVio", sub: "largest load / mean − 1", column: "max_violation", format: format.number },
  { title: "Accuracy", sub: "next token", column: "accuracy", format: format.percent },
  { title: "Balance loss", column: "balance", format: format.number },
];
const kAxes = {
  step: { name: "Step", full: (v) => `Step ${Math.round(v).toLocaleString("en")}`, tick: format.tick },
  tokens: { name: "Tokens", full: (v) => `${format.count(v)} tokens`, tick: format.tick },
  hours: { name: "Hours", full: (v) => format.hours(v), tick: (v, d) => (v === 0 ? "0" : `${format.tick(v, d)} h`) },
};

const byId = (id) => document.getElementById(id);
const settings = load();
const runs = [];
const charts = [];
let zoom = null;
let lastSpoken = 0;
let isLost = true;

function load() {
  const defaults = { axis: "step", scale: "linear", range: "1", smoothing: 40, theme: "auto", kinds: ["train", "heldout", "mtp"], logs: {} };
  try {
    return { ...defaults, ...JSON.parse(localStorage.getItem("fathom.dashboard") ?? "{}") };
  } catch {
    return defaults;
  }
}

function save() {
  try {
    localStorage.setItem("fathom.dashboard", JSON.stringify(settings));
  } catch {
    // Private windows may refuse; the settings then last as long as the page.
  }
}

// The slider's way to 0.995: even steps of how many values are averaged.
const weight = () => (settings.smoothing === 0 ? 0 : 1 - 10 ** (-2.3 * (settings.smoothing / 100)));

const color = (run) => `--run-${run.index % kColors}`;

function line(run, column, kind, smoothing, label = run.name) {
  const ends = { begin: run.at(settings.axis, 0), end: run.at(settings.axis, run.length - 1) };
  return { label, kind, color: color(run), ...run.series(column, settings.axis, smoothing), marks: [], ...ends };
}

function lossLines(shown) {
  const kinds = settings.kinds.filter((kind) => kKinds[kind]);
  return shown.flatMap((run) => kinds.map((kind) => {
    const label = runs.length > 1 ? `${run.name} · ${kKinds[kind].name}` : kKinds[kind].name;
    const out = line(run, kKinds[kind].column, kind, kind === "heldout" ? 0 : weight(), label);
    if (kind === "train") out.marks = run.marks(settings.axis);
    return out;
  })).filter((l) => l.count > 0 || l.marks.length > 0);
}

// The x axis: all that is shown, the last part of it, or what was zoomed to.
function view(shown) {
  let from = Infinity;
  let to = -Infinity;
  for (const run of shown) {
    if (run.length === 0) continue;
    from = Math.min(from, run.at(settings.axis, 0));
    to = Math.max(to, run.at(settings.axis, run.length - 1));
  }
  if (from > to) [from, to] = [0, 1];
  const isLog = settings.scale === "log" && from > 0;
  if (zoom) ({ from, to } = { from: Math.max(from, zoom.from), to: Math.min(to, zoom.to) });
  else if (settings.range !== "1") from = to - (to - from) * Number(settings.range);
  if (!(to > from)) to = from + 1;
  const axis = kAxes[settings.axis];
  return { from, to, isLog, formatX: axis.full, tickX: axis.tick };
}

function redraw() {
  const shown = runs.filter((run) => run.isShown);
  const x = view(shown);
  for (const chart of charts) chart.draw(chart.linesOf(shown), x);
  const marks = shown.flatMap((run) => run.marks(settings.axis));
  const has = (kind) => marks.some((mark) => mark.kind === kind);
  byId("marks").textContent = [has("spike") ? "△ spike" : "", has("skipped") ? "✕ skipped step" : ""].filter(Boolean).join("  ");
  byId("reset").hidden = zoom === null;
}

const actions = {
  hover(active, x, speaks = false) {
    for (const chart of charts) chart.setCursor(x, chart === active);
    if (!speaks || x === null || Date.now() - lastSpoken < 100) return;
    lastSpoken = Date.now();
    byId("spoken").textContent = active.spoken();
  },
  zoom(range) {
    const full = range && view(runs.filter((run) => run.isShown));
    zoom = range && range.to - range.from > (full.to - full.from) * 1e-4 ? range : null;
    redraw();
  },
  changed() {
    for (const chart of charts) settings.logs[chart.title] = chart.isLog;
    save();
  },
};

function addChart(options, linesOf) {
  const chart = new Chart({ ...options, isLog: settings.logs[options.title] ?? options.isLog ?? false }, actions);
  chart.linesOf = linesOf;
  charts.push(chart);
  byId("charts").append(chart.root);
  return chart;
}

function buildCharts() {
  const large = addChart({ title: "Loss", sub: "nats a token", format: format.loss, isLarge: true }, lossLines);
  large.extra.append(element("span", { id: "marks", className: "marks" }));
  for (const [kind, { name, dash }] of Object.entries(kKinds)) {
    const button = element("button", { type: "button", className: "kind" });
    button.innerHTML = `<svg viewBox="0 0 22 8" aria-hidden="true"><path d="M0 4h22" stroke-dasharray="${dash}"/></svg>`;
    button.append(name);
    const show = () => button.setAttribute("aria-pressed", settings.kinds.includes(kind));
    button.addEventListener("click", () => {
      settings.kinds = settings.kinds.includes(kind) ? settings.kinds.filter((k) => k !== kind) : [...settings.kinds, kind];
      show();
      save();
      redraw();
    });
    show();
    large.extra.append(button);
  }
  for (const options of kCharts) {
    addChart(options, (shown) => shown.map((run) => line(run, options.column, "train", options.isPlain ? 0 : weight()))
                                      .filter((l) => l.count > 0));
  }
}

function bindControls() {
  for (const name of ["axis", "scale", "range"]) {
    for (const input of document.querySelectorAll(`input[name="${name}"]`)) {
      input.checked = input.value === settings[name];
      input.addEventListener("change", () => {
        settings[name] = input.value;
        if (name !== "scale") zoom = null;
        save();
        redraw();
      });
    }
  }
  const slider = byId("smoothing");
  slider.value = settings.smoothing;
  const show = () => (byId("smoothing-value").textContent = weight().toFixed(weight() > 0.985 ? 3 : 2));
  slider.addEventListener("input", () => {
    settings.smoothing = Number(slider.value);
    show();
    save();
    requestAnimationFrame(redraw);
  });
  show();
  byId("reset").addEventListener("click", () => actions.zoom(null));
}

function bindTheme(experts) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const isDark = settings.theme === "dark" || (settings.theme === "auto" && dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    byId("theme").textContent = `Theme: ${settings.theme}`;
    for (const chart of charts) chart.repaint();
    experts.heat.paint();
  };
  byId("theme").addEventListener("click", () => {
    const order = ["auto", "light", "dark"];
    settings.theme = order[(order.indexOf(settings.theme) + 1) % order.length];
    save();
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

async function ask(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(kPatience) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error?.message ?? answer.statusText);
  return body;
}

// All that the file has gained; true when it did.
async function follow(run) {
  let isNew = false;
  for (;;) {
    const answer = await ask(`/api/metrics?run=${run.index}&offset=${run.offset}&mark=${run.mark}`);
    isNew = run.append(answer) || isNew;
    if (!answer.more) return isNew;
  }
}

function setStatus(kind, text) {
  byId("status").className = `status ${kind}`;
  byId("status").textContent = text;
}

// A server that was away may be another one, with other runs under the same numbers.
async function meetRuns() {
  const list = await ask("/api/runs");
  const isOther = list.length !== runs.length || list.some((run, i) => run.path !== runs[i].path);
  if (runs.length > 0 && isOther) return location.reload();
  if (runs.length === 0) runs.push(...list.map((run, index) => new Run(index, run)));
  document.title = runs.length === 1 ? `${runs[0].name} · Fathom training` : "Fathom training";
  isLost = false;
}

async function poll(table, experts) {
  let wait = kPollTime;
  try {
    if (isLost) await meetRuns();
    const news = await Promise.all(runs.map(follow));
    if (news.some(Boolean)) {
      redraw();
      experts.update(runs);
    }
    table.update(runs);
    const live = runs.filter(isLive).length;
    if (live > 0) setStatus("live", runs.length === 1 ? "live" : `${live} of ${runs.length} live`);
    else setStatus("", runs.some((run) => run.length > 0) ? "up to date" : "waiting for the first step");
  } catch (error) {
    const isSilent = error instanceof TypeError || error.name === "TimeoutError";
    setStatus("lost", isSilent ? "the server does not answer; trying again" : error.message);
    isLost = true;
    wait = kRetryTime;
  }
  setTimeout(() => whenSeen(() => poll(table, experts)), wait);
}

// A page that nobody looks at asks for nothing.
function whenSeen(action) {
  if (document.visibilityState === "visible") return action();
  document.addEventListener("visibilitychange", () => whenSeen(action), { once: true });
}

buildCharts();
bindControls();
const experts = new Experts((text) => (byId("spoken").textContent = text));
const table = new RunTable(byId("runs"), color, () => {
  redraw();
  experts.update(runs);
});
bindTheme(experts);
poll(table, experts);
