// Labels of rooms and their participants, and one-line descriptions of their records.

import { dateTime, duration } from "./time.js";

/** `by tester`; empty if nobody is known to have asked. */
const byText = (by) => (by ? `by ${by}` : "");

/** Why a participant left, as `kicked by tester` or `moved to R2`; empty if it is not known. */
export function leaveText({ reason, by, moved_to: target }) {
  switch (reason) {
    case "left": return "left";
    case "kicked": return join(["kicked", byText(by)]);
    case "moved": return join(["moved", target && `to ${target}`, byText(by)]);
    case "room_ended": return join(["the room was ended", byText(by)]);
    default: return reason ?? "";
  }
}

/** Describes in one line what a record of a room, a guest or a call in a room has beyond its event. */
export function roomRecordDetail(record) {
  const { event, by, talked_seconds: talked } = record;
  const details = [
    event.startsWith("guest.") ? record.caller_id : "",
    record.conference && record.conference !== record.room ? `conference ${record.conference}` : "",
    event === "guest.left" ? leaveText(record) : join([record.moved_to && `to ${record.moved_to}`, byText(by)]),
    talked == null ? "" : `talked ${duration(talked * 1000)}`,
    record.after ? `after ${dateTime(Date.parse(record.after))}, while there was no link` : "",
  ];
  return details.filter(Boolean).join(", ");
}

/** The words that are not empty, with spaces between. */
const join = (words) => words.filter(Boolean).join(" ");

/** What is locked or muted in a room, and what the daemon will do about it, as single words. */
export function roomWords({ locked, muted, desired = {} }) {
  return [
    ...stateWords(locked, desired.locked, ["locked", "unlocked"]),
    ...stateWords(muted, desired.muted, ["muted", "unmuted"]),
  ];
}

/** `desired` is the state that was asked for, where it differs from what Asterisk shows. */
function stateWords(is, desired, [yes, no]) {
  const words = is ? [yes] : [];
  return desired === undefined || desired === is ? words : [...words, `will be ${desired ? yes : no}`];
}

/** Whether a room is to be locked and muted: what was asked for counts more than what Asterisk shows. */
export const isLocked = ({ locked, desired = {} }) => desired.locked ?? locked;
export const isMuted = ({ muted, desired = {} }) => desired.muted ?? muted;

/** Label and tone of a participant. An admin is in the room, too, and somebody who waits is not. */
export function participantState({ muted, talking, waiting, admin }) {
  const words = [
    waiting ? "waiting" : "",
    muted ? "muted" : talking ? "talking" : "",
    admin ? "admin" : "",
  ].filter(Boolean).join(", ") || "in the room";
  const tone = waiting ? "wait" : muted ? "warn" : "good";
  return { label: words[0].toUpperCase() + words.slice(1), tone };
}
