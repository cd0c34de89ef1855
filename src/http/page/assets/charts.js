// Four small charts of the last hours: calls, outcomes, answer rate, time to answer.

import { fetchJson } from "./api.js";
import {
  answeredOfEnded, answerQuantile, answerRate, answerTimes, buildBars, groupCount, GROUPS, hasAnswers, outcomeCounts,
  perMinute, RANGES, requestCounts, secondsText, sum, total,
} from "./chart-data.js";
import { $, draw, el, setText, svg } from "./dom.js";
import { OUTCOMES, plural } from "./labels.js";
import { dateMinute } from "./time.js";

/** How often the counts are fetched, and how soon after a change, in ms. */
const INTERVAL = 10_000;
const AFTER_CHANGE = 3000;

/**
 * Height of a chart, and of the smallest part of a bar, so that one call among thousands is
 * visible.
 */
const HEIGHT = 56;
const MIN_HEIGHT = 2;

/**
 * `stack` or `line` gives the values of a bar, `upTo` a second bound of a line's value; `headline`,
 * `barText` and `summary` are texts about all bars or one.
 */
const CHARTS = {
  calls: {
    stack: (bar) => [["quiet", bar.requested - bar.refused], ["warn", bar.refused]],
    headline: (bars) => plural(total(bars, "requested"), "call"),
    barText: (bar) => `${perMinute(bar)} a minute${bar.refused ? `, ${bar.refused} refused` : ""}`,
    summary: requestCounts,
  },
  outcomes: {
    stack: (bar) => GROUPS.map((group) => [group.tone, groupCount([bar], group)]),
    headline: (bars) => `${total(bars, "over")} ended`,
    barText: (bar) => outcomeCounts([bar]) || "no calls ended",
    summary: (bars) => outcomeCounts(bars) || "no calls ended",
  },
  rate: {
    line: (bar) => (bar.over ? bar.reached / bar.over : undefined),
    upTo: (bar) => (bar.unclear ? (bar.reached + bar.unclear) / bar.over : undefined),
    top: 1,
    headline: answerRate,
    barText: (bar) => answeredOfEnded([bar]),
    summary: answeredOfEnded,
  },
  answer: {
    line: (bar) => answerQuantile([bar], 0.5),
    headline: (bars) => (hasAnswers(bars) ? `≤ ${secondsText(answerQuantile(bars, 0.5))}` : "–"),
    barText: (bar) => (hasAnswers([bar]) ? answerTimes([bar]) : "no calls answered"),
    summary: (bars) => (hasAnswers(bars) ? answerTimes(bars) : "no calls answered"),
  },
};

export class Charts {
  #stats;
  #range = "hour";
  #bars = [];
  #handlers;
  #isRunning = false;
  #timer;

  /**
   * `handlers`: `stats` receives each answer of `/api/stats`; `ended` is called when the session is
   * over.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    for (const name of Object.keys(RANGES)) $(`range-${name}`).addEventListener("click", () => this.#selectRange(name));
    for (const name of Object.keys(CHARTS)) {
      const drawing = $(`chart-${name}`);
      drawing.addEventListener("pointermove", (event) => this.#describeBar(name, event));
      drawing.addEventListener("pointerleave", () => this.#describe(name));
    }
    new ResizeObserver(() => draw(this)).observe($("charts"));
  }

  /** Fetches the counts at intervals until the session is over. */
  async run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (;;) {
      try {
        if (!document.hidden) await this.#fetch();
      } catch (error) {
        if (error.status === undefined) throw error;
        if (error.status === 401) {
          this.#isRunning = false;
          return this.#handlers.ended();
        }
      }
      await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    }
  }

  /** Fetches the counts soon, because a call changed. */
  refreshSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!document.hidden) this.refresh();
    }, AFTER_CHANGE);
  }

  /** Fetches the counts now. */
  async refresh() {
    try {
      if (this.#isRunning) await this.#fetch();
    } catch (error) {
      // run() tries again, and handles the end of the session.
      if (error.status === undefined) throw error;
    }
  }

  async #fetch() {
    this.#stats = await fetchJson("api/stats");
    draw(this);
    this.#handlers.stats(this.#stats);
  }

  #selectRange(range) {
    this.#range = range;
    for (const name of Object.keys(RANGES)) $(`range-${name}`).setAttribute("aria-pressed", String(name === range));
    draw(this);
  }

  draw() {
    if (!this.#stats) return;
    this.#bars = buildBars(this.#stats, RANGES[this.#range]);
    this.#drawLegend();
    for (const [name, chart] of Object.entries(CHARTS)) {
      this.#drawChart($(`chart-${name}`), chart);
      this.#describe(name);
    }
  }

  #drawLegend() {
    const items = GROUPS.map((group) => {
      const title = group.outcomes.map((outcome) => OUTCOMES[outcome].label).join(", ");
      const count = el("b", {}, String(groupCount(this.#bars, group)));
      return el("li", { className: group.tone, title }, `${group.label} `, count);
    });
    $("legend-outcomes").replaceChildren(...items);
  }

  #drawChart(drawing, chart) {
    const width = drawing.clientWidth || 240;
    const barWidth = width / this.#bars.length;
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = [];
    // The daemon has no counts from before its start. Grey, because that is not the same as zero.
    const [{ from, until }] = this.#bars;
    const unknownWidth = Math.min(width, ((Date.parse(this.#stats.since) - from) / (until - from)) * barWidth);
    if (unknownWidth > 0) parts.push(svg("rect", { class: "before", width: unknownWidth, height: HEIGHT }));
    parts.push(...this.#grid(barWidth));
    parts.push(...(chart.stack ? this.#stacks(chart, barWidth) : this.#line(chart, barWidth)));
    parts.push(svg("line", { class: "base", x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }));
    drawing.replaceChildren(...parts);
  }

  #grid(barWidth) {
    const { gridMinutes } = RANGES[this.#range];
    const places = [...this.#bars.keys()].filter((n) => this.#bars[n].from % (gridMinutes * 60_000) === 0);
    return places.map((n) => svg("line", { class: "tick", x1: n * barWidth, x2: n * barWidth, y1: 0, y2: HEIGHT }));
  }

  #stacks(chart, barWidth) {
    const stacks = this.#bars.map(chart.stack);
    const highest = Math.max(1, ...stacks.map((stack) => sum(stack.map(([, count]) => count))));
    return stacks.flatMap((stack, n) => {
      let y = HEIGHT - 1;
      return stack.filter(([, count]) => count > 0).map(([tone, count]) => {
        const height = MIN_HEIGHT + (count / highest) * (HEIGHT - 4 - MIN_HEIGHT * stack.length);
        y -= height;
        return svg("rect", { class: tone, x: n * barWidth, y, width: Math.max(1, barWidth - 1), height });
      });
    });
  }

  /** A line through the bars that have a value, interrupted where one has none. */
  #line(chart, barWidth) {
    const values = this.#bars.map(chart.line);
    const highest = chart.top ?? Math.max(1, ...values.filter((value) => value !== undefined));
    const x = (n) => (n + 0.5) * barWidth;
    const y = (value) => (HEIGHT - 3) * (1 - value / highest) + 1.5;
    const shapes = [];
    this.#bars.forEach((bar, n) => {
      const upTo = chart.upTo?.(bar);
      if (upTo === undefined) return;
      shapes.push(svg("line", { class: "reach", x1: x(n), x2: x(n), y1: y(values[n]), y2: y(upTo) }));
    });
    let path = "";
    values.forEach((value, n) => {
      if (value === undefined) return;
      path += `${values[n - 1] === undefined ? "M" : "L"}${x(n)} ${y(value)}`;
      shapes.push(svg("circle", { class: "dot", cx: x(n), cy: y(value), r: 1.5 }));
    });
    return [svg("path", { class: "line", d: path }), ...shapes];
  }

  /** Writes a chart's headline and summary; the summary is also its text for screen readers. */
  #describe(name) {
    if (!this.#stats) return;
    setText($(`value-${name}`), CHARTS[name].headline(this.#bars));
    const since = dateMinute(Math.max(this.#bars[0].from, Date.parse(this.#stats.since)));
    const text = `${CHARTS[name].summary(this.#bars)} since ${since}`;
    setText($(`note-${name}`), text);
    $(`chart-${name}`).setAttribute("aria-label", text);
  }

  /** Describes the bar under the pointer. */
  #describeBar(name, event) {
    const box = event.currentTarget.getBoundingClientRect();
    const bar = this.#bars[Math.floor(((event.clientX - box.left) / box.width) * this.#bars.length)];
    if (!bar || !this.#stats) return;
    const until = RANGES[this.#range].minutes > 1 ? `–${dateMinute(bar.until)}` : "";
    const isKnown = bar.until > Date.parse(this.#stats.since);
    setText($(`note-${name}`), `${dateMinute(bar.from)}${until}: ${isKnown ? CHARTS[name].barText(bar) : "no data"}`);
  }
}
