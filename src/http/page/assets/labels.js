// Labels of states, outcomes and events, and one-line descriptions of records.

import { roomRecordDetail } from "./room-labels.js";
import { duration } from "./time.js";

/** States of a call. `tone` selects the dot's colour and shape in page.css. */
export const STATES = {
  requested: { label: "Requested", tone: "wait" },
  queued: { label: "Dialling", tone: "wait" },
  ringing: { label: "Ringing", tone: "ring" },
  answered: { label: "Answered", tone: "good" },
  joined: { label: "In the room", tone: "good" },
  left: { label: "Left the room", tone: "wait" },
  ended: { label: "Ended", tone: "none" },
};

/** Outcomes of a call; `text` explains one in the call's details. */
export const OUTCOMES = {
  completed: { label: "Completed", tone: "good", text: "The callee answered, and the call was hung up later." },
  not_joined: { label: "Not joined", tone: "warn", text: "The callee answered, but the call ended before they entered the room." },
  no_answer: { label: "No answer", tone: "none", text: "The phone rang, and nobody answered." },
  busy: { label: "Busy", tone: "none", text: "The callee is in another call." },
  declined: { label: "Declined", tone: "none", text: "The callee declined the call." },
  canceled: { label: "Canceled", tone: "none", text: "The call was hung up through the API before the callee answered." },
  not_on_telegram: { label: "Not on Telegram", tone: "warn", text: "The gateway finds no such number on Telegram." },
  invalid_number: { label: "Invalid number", tone: "warn", text: "The gateway does not accept this number." },
  flood_wait: { label: "Flood wait", tone: "bad", text: "Telegram rate-limits the gateway." },
  congestion: { label: "Congestion", tone: "bad", text: "There was no free line, or the gateway is out of order." },
  failed: { label: "Failed", tone: "bad", text: "The call failed for another reason." },
  unknown: { label: "Unknown", tone: "warn", text: "The call ended while the daemon could not see it." },
};

/** The events of records, calls and rooms in their order, with the tone of their dots. */
export const EVENTS = {
  "call.requested": "none",
  "call.refused": "warn",
  "call.queued": "none",
  "call.adopted": "none",
  "call.ringing": "ring",
  "call.answered": "good",
  "call.joined": "good",
  "call.left": "none",
  "call.muted": "warn",
  "call.unmuted": "good",
  "call.kicked": "warn",
  "call.moved": "none",
  "call.ended": "none",
  "room.started": "good",
  "room.ended": "none",
  "room.locked": "warn",
  "room.unlocked": "good",
  "room.muted": "warn",
  "room.unmuted": "good",
  "guest.joined": "good",
  "guest.left": "none",
  "guest.muted": "warn",
  "guest.unmuted": "good",
  "ami.connected": "good",
  "ami.disconnected": "bad",
  "daemon.started": "none",
  "daemon.stopping": "warn",
  "erased": "none",
};

/** Label and tone of a state; a state that this page does not know is shown as it is. */
export const stateOf = (name) => STATES[name] ?? { label: name, tone: "none" };

/**
 * Label, tone and text of an outcome; an outcome that this page does not know is shown as it is.
 */
export const outcomeOf = (name) => OUTCOMES[name] ?? { label: name, tone: "none", text: "" };

/**
 * How a call ended. A completed call without a join time gets no green dot: nobody knows whether
 * the callee joined.
 */
export function endOf(call) {
  const known = outcomeOf(call.outcome);
  if (call.outcome !== "completed" || call.joined || call.left) return known;
  const text = "The callee answered, and the call was hung up later. Whether they entered the room is not known.";
  return { ...known, tone: "none", text };
}

/** Describes in one line what a record has beyond its event. */
export function recordDetail(record) {
  switch (record.event) {
    case "gap": return gapText(record);
    case "call.requested": return `by ${record.key} as ${record.caller_id}`;
    case "call.refused": return record.text;
    case "call.adopted": return `from an earlier run, ${stateOf(record.state).label.toLowerCase()}`;
    case "call.ended": return endDetail(record);
    case "ami.connected": return `${record.banner}, ${plural(record.live, "live call")}`;
    case "ami.disconnected":
    case "daemon.stopping": return record.reason;
    case "daemon.started": return `version ${record.version}`;
    case "erased": return "a record of a number that was erased";
    default: return roomRecordDetail(record);
  }
}

function endDetail(record) {
  const parts = [outcomeOf(record.outcome).label];
  const length = talkTime(record);
  if (length) parts.push(`after ${length}`);
  if (record.flood_wait_seconds) parts.push(`for ${record.flood_wait_seconds} s`);
  if (record.hung_up_by) parts.push(`hung up by ${record.hung_up_by}`);
  else if (record.gateway_reply) parts.push(`(${record.gateway_reply})`);
  return parts.join(" ");
}

const GAP_REASONS = {
  overrun: "this page was too slow for the daemon's memory of records",
  restarted: "they belong to an earlier run of the daemon",
};

function gapText({ reason, from, to, isFirst }) {
  if (isFirst) return "Earlier records are no longer in the daemon's memory.";
  const why = GAP_REASONS[reason] ?? reason;
  if (from == null) return `Records are missing here: ${why}.`;
  return from === to ? `Record ${from} is missing: ${why}.` : `Records ${from} to ${to} are missing: ${why}.`;
}

/**
 * Time from answer to end: `0:07`, `0:03 to 4:11` or `at least 0:03`; empty if nothing is known.
 */
export function talkTime(call) {
  if (call.talk_seconds != null) return duration(call.talk_seconds * 1000);
  const { talk_seconds_min: min, talk_seconds_max: max } = call;
  if (min == null) return "";
  if (max == null) return `at least ${duration(min * 1000)}`;
  return `${duration(min * 1000)} to ${duration(Math.ceil(max) * 1000)}`;
}

/** `1 live call`, `2 live calls` */
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
