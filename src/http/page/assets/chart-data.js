// The counts of `/api/stats` as bars, and figures about bars as text.

import { OUTCOMES, plural } from "./labels.js";
import { now } from "./time.js";

const MINUTE = 60_000;

/** Time ranges: the number of bars, and the minutes that each bar and each grid line stand for. */
export const RANGES = {
  hour: { bars: 60, minutes: 1, gridMinutes: 15 },
  hours: { bars: 72, minutes: 5, gridMinutes: 60 },
};

/**
 * Groups of outcomes, each with a colour: with one for each of twelve outcomes nobody could tell
 * them apart.
 */
export const GROUPS = [
  { tone: "good", label: "completed", outcomes: ["completed"] },
  { tone: "quiet", label: "not reached", outcomes: ["no_answer", "busy", "declined", "canceled", "not_joined"] },
  { tone: "warn", label: "wrong number", outcomes: ["not_on_telegram", "invalid_number"] },
  { tone: "bad", label: "trouble", outcomes: ["flood_wait", "congestion", "failed", "unknown"] },
];

export const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
export const total = (bars, name) => sum(bars.map((bar) => bar[name]));

/** Ended calls of one group. */
export const groupCount = (bars, { outcomes }) => sum(outcomes.map((outcome) => outcomeCount(bars, outcome)));

const outcomeCount = (bars, outcome) => sum(bars.map(({ ended }) => ended[outcome] ?? 0));

/** The bars of a range, oldest first; the last one is still growing. */
export function buildBars(stats, { bars: count, minutes }) {
  const width = minutes * MINUTE;
  const first = (Math.floor(now() / width) - count + 1) * width;
  const bars = Array.from({ length: count }, (_, n) => emptyBar(stats, first + n * width, width));
  for (const counts of stats.minutes) {
    const bar = bars[Math.floor((Date.parse(counts.minute) - first) / width)];
    if (bar) addMinute(bar, counts);
  }
  return bars;
}

function emptyBar(stats, from, width) {
  // The daemon counts answer times between bounds; the last count is for longer times.
  const bounds = stats.answered_within;
  const answered = bounds.concat(0).map(() => 0);
  const counts = { requested: 0, refused: 0, over: 0, reached: 0, unclear: 0, slowest: 0, ended: {} };
  return { from, until: from + width, bounds, answered, ...counts };
}

function addMinute(bar, counts) {
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

/** Calls per minute, to one decimal place. */
export const perMinute = (bar) => String(Math.round((bar.requested / ((bar.until - bar.from) / MINUTE)) * 10) / 10);

/**
 * The answer rate. A call that was lost while ringing may have been answered, so there may be two
 * bounds.
 */
export function answerRate(bars) {
  const over = total(bars, "over");
  if (!over) return "–";
  const percent = (count) => Math.round((100 * count) / over);
  const [low, high] = [percent(total(bars, "reached")), percent(total(bars, "reached") + total(bars, "unclear"))];
  return low === high ? `${low} %` : `${low} to ${high} %`;
}

/** Number of answered calls, with two bounds for the same reason. */
function answeredCount(bars) {
  const [low, unclear] = [total(bars, "reached"), total(bars, "unclear")];
  return unclear ? `${low} to ${low + unclear}` : String(low);
}

/** `11 busy, 5 completed`; empty if no call has ended. */
export function outcomeCounts(bars) {
  const counts = Object.entries(OUTCOMES).map(([name, { label }]) => ({ count: outcomeCount(bars, name), label }));
  const present = counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
  return present.map(({ count, label }) => `${count} ${inSentence(label)}`).join(", ");
}

/** Labels begin with a capital, which only the name Telegram keeps within a sentence. */
const inSentence = (label) => label[0].toLowerCase() + label.slice(1);

/** Answered calls of all bars, between each two bounds of answer times. */
const answeredCounts = (bars) => bars[0].answered.map((_, place) => sum(bars.map(({ answered }) => answered[place])));

/** Whether the time of any answer is known. */
export const hasAnswers = (bars) => sum(answeredCounts(bars)) > 0;

/** Upper bound, in seconds, of the answer times of this share of the answered calls. */
export function answerQuantile(bars, share) {
  const slowest = Math.max(0, ...bars.map((bar) => bar.slowest));
  const counts = answeredCounts(bars);
  let rest = sum(counts) * share;
  if (rest === 0) return undefined;
  for (const [place, count] of counts.entries()) {
    if (rest <= count) return Math.min(bars[0].bounds[place] ?? Infinity, slowest);
    rest -= count;
  }
  return slowest;
}

/** Seconds as text, rounded up because they are an upper bound. */
export function secondsText(value) {
  return value < 10 ? `${(Math.ceil(value * 100 - 1e-6) / 100).toFixed(2)} s` : `${Math.ceil(value * 10 - 1e-6) / 10} s`;
}

/** `half ≤ 4.50 s, 9 of 10 ≤ 7.00 s` */
export function answerTimes(bars) {
  const within = (share) => `≤ ${secondsText(answerQuantile(bars, share))}`;
  return `half ${within(0.5)}, 9 of 10 ${within(0.9)}`;
}

/** `45 calls requested, 2 refused` */
export function requestCounts(bars) {
  return `${plural(total(bars, "requested"), "call")} requested, ${total(bars, "refused")} refused`;
}

/** `7 of 23 ended calls answered` */
export function answeredOfEnded(bars) {
  const over = total(bars, "over");
  return over ? `${answeredCount(bars)} of ${plural(over, "ended call")} answered` : "no calls ended";
}
