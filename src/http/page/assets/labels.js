// What is shown, in words: states, outcomes, events, times.

/** How far a call has come. `tone` is what it looks like. */
export const STATES = {
  requested: { word: "Requested", tone: "wait" },
  queued: { word: "Dialling", tone: "wait" },
  ringing: { word: "Ringing", tone: "ring" },
  answered: { word: "Answered", tone: "good" },
  joined: { word: "In the room", tone: "good" },
  left: { word: "Left the room", tone: "wait" },
  ended: { word: "Ended", tone: "none" },
};

/** How a call ended; `says` is for the story. */
export const OUTCOMES = {
  completed: { word: "Completed", tone: "good", says: "Answered, and hung up later." },
  not_joined: { word: "Not joined", tone: "warn", says: "Answered, and over before they came into the room." },
  no_answer: { word: "No answer", tone: "none", says: "It rang, and nobody picked up." },
  busy: { word: "Busy", tone: "none", says: "The callee is in another call." },
  declined: { word: "Declined", tone: "none", says: "The callee declined." },
  canceled: { word: "Canceled", tone: "none", says: "Hung up from here before it was answered." },
  not_on_telegram: { word: "Not on Telegram", tone: "warn", says: "The gateway knows no such number on Telegram." },
  invalid_number: { word: "Invalid number", tone: "warn", says: "The gateway takes no such number." },
  flood_wait: { word: "Flood wait", tone: "bad", says: "Telegram rate-limits the gateway." },
  congestion: { word: "Congestion", tone: "bad", says: "There was no way through: no free line, or something is broken." },
  failed: { word: "Failed", tone: "bad", says: "It failed in a way that has no name." },
  unknown: { word: "Unknown", tone: "warn", says: "It ended while nobody could watch." },
};

/** The events of the log, in the order of a call. */
export const EVENTS = {
  "call.requested": "none",
  "call.refused": "warn",
  "call.queued": "none",
  "call.adopted": "none",
  "call.ringing": "ring",
  "call.answered": "good",
  "call.joined": "good",
  "call.left": "none",
  "call.ended": "none",
  "ami.connected": "good",
  "ami.disconnected": "bad",
  "daemon.started": "none",
  "daemon.stopping": "warn",
};

/** What a record or a gap adds to its event, as a line. */
export function detail(record) {
  switch (record.event) {
    case "call.requested": return `by ${record.key} as ${record.caller_id}`;
    case "call.refused": return record.text;
    case "call.adopted": return `from an earlier run, ${state(record.state).word.toLowerCase()}`;
    case "call.joined":
    case "call.left": return record.conference === record.room ? "" : `conference ${record.conference}`;
    case "call.ended": return ending(record);
    case "ami.connected": return `${record.banner}, ${counted(record.live, "live call")}`;
    case "ami.disconnected":
    case "daemon.stopping": return record.reason;
    case "daemon.started": return `version ${record.version}`;
    default: return "";
  }
}

function ending(record) {
  const parts = [outcome(record.outcome).word];
  const length = talked(record);
  if (length) parts.push(`after ${length}`);
  if (record.flood_wait_seconds) parts.push(`for ${record.flood_wait_seconds} s`);
  if (record.hung_up_by) parts.push(`hung up by ${record.hung_up_by}`);
  else if (record.gateway_reply) parts.push(`(${record.gateway_reply})`);
  return parts.join(" ");
}

/** Why records are missing. */
export function gap({ reason, from, to }) {
  const which = from == null ? "Records" : from === to ? `Record ${from}` : `Records ${from} to ${to}`;
  const why = { overrun: "more came than could be kept for this page", restarted: "they were the last run's" }[reason];
  return `${which} ${from != null && from === to ? "is" : "are"} missing here: ${why ?? reason}`;
}

/** A state as shown; one that this page does not know, as it is. */
export const state = (name) => STATES[name] ?? { word: name, tone: "none" };

/** An outcome as shown; one that this page does not know, as it is. */
export const outcome = (name) => OUTCOMES[name] ?? { word: name, tone: "none", says: "" };

/** How a call ended. Of one that is completed, and of whose join nothing is known, less is told. */
export function ended(call) {
  const known = outcome(call.outcome);
  if (call.outcome !== "completed" || call.joined || call.left) return known;
  return { ...known, tone: "none", says: "Answered, and hung up later. Whether they came into the room is not known." };
}

/** From the answer to the end, as far as it is known: `0:07`, `0:03 to 4:11`, `at least 0:03`, or nothing. */
export function talked(call) {
  if (call.talk_seconds != null) return duration(call.talk_seconds * 1000);
  const { talk_seconds_min: min, talk_seconds_max: max } = call;
  if (min == null) return "";
  return max == null ? `at least ${duration(min * 1000)}` : `${duration(min * 1000)} to ${duration(Math.ceil(max) * 1000)}`;
}

/** Milliseconds as `0:07`, `12:34` or `1:02:03`. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Milliseconds as `4 ms`, `1.25 s` or `12:34`, for what may be short. */
export function took(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s` : duration(ms);
}

const two = (n, digits = 2) => String(n).padStart(digits, "0");

/** The time of day of a `Date`'s milliseconds, as `18:20`. */
export function minute(time) {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The time of day, to the second. */
export const clock = (time) => `${minute(time)}:${two(new Date(time).getSeconds())}`;

/** The time of day, to the millisecond. */
export const instant = (time) => `${clock(time)}.${two(new Date(time).getMilliseconds(), 3)}`;

/** The day as `2026-11-25`; nothing if it is today. */
export function date(time) {
  const [day, today] = [new Date(time), new Date()];
  if (day.toDateString() === today.toDateString()) return "";
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The day before this, if it is not today. */
const dated = (time, text) => `${date(time)} ${text}`.trim();

/** The day and the time of day, to the second. */
export const moment = (time) => dated(time, clock(time));

/** The day and the time of day, to the minute. */
export const dayMinute = (time) => dated(time, minute(time));

/** The time of day to the millisecond, or of another day `11-25 18:20:02`: for a column. */
export const instantOrDay = (time) => (date(time) ? `${date(time).slice(5)} ${clock(time)}` : instant(time));

/** The time of day to the second, or of another day `11-25 18:20`: for a narrow column. */
export const clockOrDay = (time) => (date(time) ? `${date(time).slice(5)} ${minute(time)}` : clock(time));

/** The zone that all times here are shown in, as `UTC+03:00`. */
export function zone() {
  const minutes = -new Date().getTimezoneOffset();
  if (!minutes) return "UTC";
  const ahead = Math.abs(minutes);
  return `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`;
}

/** `1 live call`, `2 live calls` */
export const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
