// A conference's story as rows of tables: its people, and everything that happened in order.

import { endOf } from "./labels.js";
import { leaveText } from "./room-labels.js";
import { dateTime, duration } from "./time.js";

const time = (text) => (text ? Date.parse(text) : undefined);

/** Marks something that only a list showed after an outage. */
const since = (after) => (after ? ` (after ${dateTime(time(after))})` : "");

const by = (name) => (name ? ` by ${name}` : "");

/**
 * One row for each participant in the order in which they came, then for each call that was invited
 * and never came.
 */
export function visitorsOf({ participants, invited }) {
  const came = participants.map((participant) => ({
    key: participant.id,
    call: participant.call_id,
    name: participant.caller_id,
    number: participant.number ?? "",
    came: time(participant.visits[0]?.joined),
    stayed: stayText(participant.visits),
    detail: [...participant.visits.map(visitText), ...participant.mutes.map(muteText)].filter(Boolean).join("; "),
  }));
  const absent = invited.map((call) => ({
    key: call.call_id,
    call: call.call_id,
    name: call.caller_id,
    number: call.number,
    stayed: "",
    detail: `invited, ${call.state === "ended" ? endOf(call).label.toLowerCase() : "did not come yet"}`,
  }));
  return [...came, ...absent];
}

/** Time in the conference, over all visits. */
function stayText(visits) {
  const known = visits.filter(({ seconds }) => seconds != null);
  if (!known.length) return "";
  const total = duration(1000 * known.reduce((sum, { seconds }) => sum + seconds, 0));
  return known.length < visits.length ? `≥ ${total}` : total;
}

/** How a visit ended, and how much of it they talked. */
function visitText(visit) {
  const talked = visit.talked_seconds == null ? "" : `talked ${duration(1000 * visit.talked_seconds)}`;
  const end = visit.left ? leaveText(visit) || "left" : "there";
  return [end, talked].filter(Boolean).join(", ");
}

function muteText({ from, to, by: name }) {
  const [start, end] = [time(from), time(to)];
  return `muted${by(name)}${start && end ? ` for ${duration(end - start)}` : ""}`;
}

/** Everything that happened, in order: when, who or empty for the room itself, and what. */
export function eventsOf(conference) {
  const { participants, invited, room_mutes: mutes, locks } = conference;
  const all = [
    event(conference.started, "", `the conference started${since(conference.started_after)}`),
    ...spans(mutes, "", "the room was muted", "the room was unmuted"),
    ...spans(locks, "", "the room was locked", "the room was unlocked"),
    ...participants.flatMap(participantEvents),
    ...invited.flatMap((call) => [
      event(call.requested, call.caller_id, `invited${by(call.key)}`, call.call_id),
      event(call.ended, call.caller_id, `did not come: ${call.outcome ? endOf(call).label.toLowerCase() : "ended"}`, call.call_id),
    ]),
    event(conference.ended, "", `the conference ended${by(conference.ended_by)}${since(conference.ended_after)}`),
  ].filter(({ time: at }) => at !== undefined);
  return all.map((row, key) => ({ ...row, key })).sort((a, b) => a.time - b.time || order(a) - order(b));
}

/** The beginning comes first and the end last among what happened in the same millisecond. */
function order({ what }) {
  if (what.startsWith("the conference started")) return -1;
  return what.startsWith("the conference ended") ? 1 : 0;
}

function participantEvents({ caller_id: name, call_id: call, visits, mutes }) {
  return [
    ...visits.flatMap((visit) => [
      event(visit.joined, name, `came${since(visit.joined_after)}`, call),
      event(visit.left, name, `${leaveText(visit) || "left"}${since(visit.left_after)}`, call),
    ]),
    ...spans(mutes, name, "was muted", "was unmuted", call),
  ];
}

const event = (at, who, what, call) => ({ time: time(at), who, what, call });

/** The beginnings and ends of times in which something was so. Only beginnings have a `by`. */
function spans(list, who, begin, end, call) {
  return list.flatMap(({ from, to, by: name }) => [event(from, who, `${begin}${by(name)}`, call), event(to, who, end, call)]);
}
