// How it went in the last hours, as four small charts: calls a minute, outcomes, answer rate, time to answer.

import { ask } from "./api.js";
import { $, draw, el, setText, svg } from "./dom.js";
import { counted, dayMinute as clock, OUTCOMES } from "./labels.js";

const MINUTE = 60_000;

/** How far back is looked, and how many minutes are one bar. */
const RANGES = { hour: { bars: 60, minutes: 1, ticks: 15 }, hours: { bars: 72, minutes: 5, ticks: 60 } };

/** How often the daemon is asked, and how soon once something has happened. */
const EVERY = 10_000;
const SOON = 3000;

const HEIGHT = 56;

/** How high the least part of a bar is. */
const LEAST = 2;

/** The groups that outcomes are shown in: the more of them stood on each other, the less could be told. */
const GROUPS = [
  { name: "good", word: "completed", of: ["completed"] },
  { name: "quiet", word: "not reached", of: ["no_answer", "busy", "declined", "canceled", "not_joined"] },
  { name: "warn", word: "wrong number", of: ["not_on_telegram", "invalid_number"] },
  { name: "bad", word: "trouble", of: ["flood_wait", "congestion", "failed", "unknown"] },
];

const CHARTS = {
  calls: {
    bars: (bar) => [["quiet", bar.requested - bar.refused], ["warn", bar.refused]],
    value: (all) => counted(total(all, "requested"), "call"),
    says: (bar, { minutes }) => `${rate(bar, minutes)} a minute${bar.refused ? `, ${bar.refused} refused` : ""}`,
    sum: (all) => `${counted(total(all, "requested"), "call")} asked for, ${total(all, "refused")} refused`,
  },
  outcomes: {
    bars: (bar) => GROUPS.map(({ name, of }) => [name, of.reduce((sum, outcome) => sum + (bar.ended[outcome] ?? 0), 0)]),
    value: (all) => `${total(all, "over")} ended`,
    says: (bar) => breakdown([bar]) || "none ended",
    sum: (all) => breakdown(all) || "no call has ended",
  },
  rate: {
    line: (bar) => (bar.over ? bar.reached / bar.over : undefined),
    reaches: (bar) => (bar.unclear ? (bar.reached + bar.unclear) / bar.over : undefined),
    top: 1,
    value: (all) => percent(all),
    says: (bar) => (bar.over ? `${reached([bar])} of ${bar.over} answered` : "none ended"),
    sum: (all) => (total(all, "over") ? `${reached(all)} of ${counted(total(all, "over"), "ended call")} were answered` : "no call has ended"),
  },
  answer: {
    line: (bar) => quantile([bar], 0.5),
    value: (all) => (sum(merged(all)) ? `≤ ${seconds(quantile(all, 0.5))}` : "–"),
    says: (bar) => (sum(bar.answered) ? answeredWithin([bar]) : "none answered"),
    sum: (all) => (sum(merged(all)) ? answeredWithin(all) : "no call was answered"),
  },
};

let bounds = [];

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const total = (all, name) => sum(all.map((bar) => bar[name]));
const rate = (bar, minutes) => String(Math.round((bar.requested / minutes) * 10) / 10);
/** Rounded up: it is told as a bound. */
const seconds = (value) => `${value < 10 ? (Math.ceil(value * 100 - 1e-6) / 100).toFixed(2) : Math.ceil(value * 10 - 1e-6) / 10} s`;
const answeredWithin = (all) => `half ≤ ${seconds(quantile(all, 0.5))}, 9 of 10 ≤ ${seconds(quantile(all, 0.9))}`;
const slowest = (all) => Math.max(0, ...all.map((bar) => bar.slowest));
const merged = (all) => all.reduce((sums, { answered }) => sums.map((n, place) => n + answered[place]), bounds.concat(0).map(() => 0));

/** The part that was answered. A call that was lost while it rang may have been, so that there are two bounds. */
function percent(all) {
  const [over, low] = [total(all, "over"), total(all, "reached")];
  if (!over) return "–";
  const [from, to] = [low, low + total(all, "unclear")].map((count) => Math.round((100 * count) / over));
  return from === to ? `${from} %` : `${from} to ${to} %`;
}

/** How many were answered. */
function reached(all) {
  const [low, unclear] = [total(all, "reached"), total(all, "unclear")];
  return unclear ? `${low} to ${low + unclear}` : String(low);
}

function breakdown(all) {
  const counts = Object.entries(OUTCOMES).map(([name, { word }]) => [sum(all.map(({ ended }) => ended[name] ?? 0)), word]);
  return counts.filter(([count]) => count).sort((a, b) => b[0] - a[0]).map(([count, word]) => `${count} ${word.toLowerCase()}`).join(", ");
}

/** The seconds within which this part was answered for sure: the times are counted between bounds. */
function quantile(all, part) {
  const counts = merged(all);
  let rest = sum(counts) * part;
  if (rest === 0) return undefined;
  for (const [place, count] of counts.entries()) {
    if (rest <= count) return Math.min(bounds[place] ?? Infinity, slowest(all));
    rest -= count;
  }
  return slowest(all);
}

export class Charts {
  #stats;
  #range = "hour";
  #bars = [];
  #on;
  #runs = false;
  #soon;

  /** `on.stats` is called with what the daemon says; `on.ends` when the session is over. */
  constructor(on) {
    for (const name of Object.keys(RANGES)) $(`range-${name}`).addEventListener("click", () => this.#look(name));
    for (const name of Object.keys(CHARTS)) {
      const drawing = $(`chart-${name}`);
      drawing.addEventListener("pointermove", (event) => this.#point(name, event));
      drawing.addEventListener("pointerleave", () => this.#tell(name));
    }
    new ResizeObserver(() => draw(this)).observe($("trends"));
    this.#on = on;
  }

  /** Asks every so often, until the session is over. */
  async run() {
    if (this.#runs) return;
    this.#runs = true;
    for (;;) {
      try {
        if (!document.hidden) this.#on.stats(await this.#refresh());
      } catch (error) {
        if (error.status === undefined) throw error;
        if (error.status === 401) {
          this.#runs = false;
          return this.#on.ends();
        }
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  /** Asks soon, as something has happened that counts. */
  refreshSoon() {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      if (!document.hidden) this.refresh();
    }, SOON);
  }

  /** Asks now, besides. */
  async refresh() {
    try {
      if (this.#runs) this.#on.stats(await this.#refresh());
    } catch (error) {
      // The next time tells.
      if (error.status === undefined) throw error;
    }
  }

  async #refresh() {
    this.#stats = await ask("api/stats");
    bounds = this.#stats.answered_within;
    draw(this);
    return this.#stats;
  }

  #look(range) {
    this.#range = range;
    for (const name of Object.keys(RANGES)) $(`range-${name}`).setAttribute("aria-pressed", String(name === range));
    draw(this);
  }

  draw() {
    if (!this.#stats) return;
    this.#bars = this.#gather(RANGES[this.#range]);
    this.#drawLegend();
    for (const [name, chart] of Object.entries(CHARTS)) {
      this.#drawOne($(`chart-${name}`), chart);
      this.#tell(name);
    }
  }

  /** The bars' counts, oldest first; the last one is not over yet. */
  #gather({ bars, minutes }) {
    const width = minutes * MINUTE;
    const first = (Math.floor(Date.now() / width) - bars + 1) * width;
    const empty = (n) => ({ from: first + n * width, requested: 0, refused: 0, over: 0, reached: 0, unclear: 0, slowest: 0, ended: {}, answered: bounds.concat(0).map(() => 0) });
    const gathered = Array.from({ length: bars }, (_, n) => empty(n));
    for (const counts of this.#stats.minutes) {
      const bar = gathered[Math.floor((Date.parse(counts.minute) - first) / width)];
      if (!bar) continue;
      bar.requested += counts.requested;
      bar.refused += counts.refused;
      for (const [outcome, count] of Object.entries(counts.ended)) {
        bar.ended[outcome] = (bar.ended[outcome] ?? 0) + count;
        bar.over += count;
      }
      bar.reached += counts.ended_answered;
      bar.unclear += counts.ended_unclear;
      bar.slowest = Math.max(bar.slowest, counts.slowest_answer ?? 0);
      bar.answered = bar.answered.map((count, place) => count + counts.answered[place]);
    }
    return gathered;
  }

  /** What the colours of the outcomes mean, and how many there are of each. */
  #drawLegend() {
    const items = GROUPS.map(({ name, word, of }) => {
      const count = sum(this.#bars.map(({ ended }) => sum(of.map((outcome) => ended[outcome] ?? 0))));
      const title = of.map((outcome) => OUTCOMES[outcome].word.toLowerCase()).join(", ");
      return el("li", { className: name, title }, `${word} `, el("b", {}, String(count)));
    });
    $("legend-outcomes").replaceChildren(...items);
  }

  #drawOne(drawing, chart) {
    const width = drawing.clientWidth || 240;
    const step = width / this.#bars.length;
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = [];
    // Nothing is known of before the daemon's start, which is not the same as nothing.
    const unknown = Math.min(width, ((Date.parse(this.#stats.since) - this.#bars[0].from) / (this.#bars[1].from - this.#bars[0].from)) * step);
    if (unknown > 0) parts.push(svg("rect", { class: "before", width: unknown, height: HEIGHT }));
    parts.push(...this.#ticks(step));
    if (chart.bars) parts.push(...this.#stack(chart, step));
    else parts.push(...this.#line(chart, step));
    parts.push(svg("line", { class: "base", x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }));
    drawing.replaceChildren(...parts);
  }

  /** The full hours, or their quarters. */
  #ticks(step) {
    const places = [...this.#bars.keys()].filter((n) => (this.#bars[n].from / MINUTE) % RANGES[this.#range].ticks === 0);
    return places.map((n) => svg("line", { class: "tick", x1: n * step, x2: n * step, y1: 0, y2: HEIGHT }));
  }

  #stack(chart, step) {
    const stacks = this.#bars.map(chart.bars);
    const top = Math.max(1, ...stacks.map((stack) => sum(stack.map(([, count]) => count))));
    return stacks.flatMap((stack, n) => {
      let y = HEIGHT - 1;
      return stack.filter(([, count]) => count > 0).map(([name, count]) => {
        // One of thousands is seen, too.
        const height = LEAST + (count / top) * (HEIGHT - 4 - LEAST * stack.length);
        y -= height;
        return svg("rect", { class: name, x: n * step, y, width: Math.max(1, step - 1), height });
      });
    });
  }

  /** Joined where there is something on both sides. */
  #line(chart, step) {
    const values = this.#bars.map(chart.line);
    const top = chart.top ?? Math.max(1, ...values.filter((value) => value !== undefined));
    const height = (value) => (HEIGHT - 3) * (1 - value / top) + 1.5;
    const place = (n) => `${(n + 0.5) * step} ${height(values[n])}`;
    const shapes = [];
    // As far as it may reach.
    this.#bars.forEach((bar, n) => {
      const upTo = chart.reaches?.(bar);
      if (upTo === undefined) return;
      shapes.push(svg("line", { class: "reach", x1: (n + 0.5) * step, x2: (n + 0.5) * step, y1: height(values[n]), y2: height(upTo) }));
    });
    let path = "";
    values.forEach((value, n) => {
      if (value === undefined) return;
      path += values[n - 1] === undefined ? `M${place(n)}` : `L${place(n)}`;
      const [x, y] = place(n).split(" ");
      shapes.push(svg("circle", { class: "dot", cx: x, cy: y, r: 1.5 }));
    });
    return [svg("path", { class: "line", d: path }), ...shapes];
  }

  /** The value and, for those who do not see it, the sum of what a chart shows. */
  #tell(name) {
    const [chart, range] = [CHARTS[name], RANGES[this.#range]];
    setText($(`value-${name}`), chart.value(this.#bars, range));
    const since = clock(Math.max(this.#bars[0].from, Date.parse(this.#stats.since)));
    const text = `${chart.sum(this.#bars)} since ${since}`;
    setText($(`note-${name}`), text);
    $(`chart-${name}`).setAttribute("aria-label", text);
  }

  /** Tells of the bar under the pointer. */
  #point(name, event) {
    const box = event.currentTarget.getBoundingClientRect();
    const bar = this.#bars[Math.floor(((event.clientX - box.left) / box.width) * this.#bars.length)];
    if (!bar || !this.#stats) return;
    const range = RANGES[this.#range];
    const until = range.minutes > 1 ? `–${clock(bar.from + range.minutes * MINUTE)}` : "";
    const known = bar.from + range.minutes * MINUTE > Date.parse(this.#stats.since);
    setText($(`note-${name}`), `${clock(bar.from)}${until}: ${known ? CHARTS[name].says(bar, range) : "not known"}`);
  }
}
