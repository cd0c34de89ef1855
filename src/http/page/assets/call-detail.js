// The details of one call: its outcome, a timeline with the time that each step took, its
// properties and its records.

import { $, draw, el, setAttribute, setText, visibleJson } from "./dom.js";
import { fetchCall } from "./event-stream.js";
import { isHangingUp } from "./hangup.js";
import { endOf, outcomeOf, recordDetail, stateOf, talkTime } from "./labels.js";
import { adoptedCall, STATE_AFTER, TIMESTAMPS } from "./model.js";
import { onNavigate, params, removeParams, setParams } from "./navigation.js";
import { dateTime, dateUnlessToday, duration, now, shortDuration, timeWithMs } from "./time.js";

/** Names of the phases that begin with reaching each state. */
const PHASES = {
  requested: "Waiting for Asterisk",
  queued: "Dialling",
  ringing: "Ringing",
  answered: "Entering the room",
  joined: "In the room",
  left: "Leaving",
};

/** Least width of a drawn phase, as a part of the whole timeline: narrower ones cannot be seen. */
const MIN_PHASE = 0.004;

/** Properties below the timeline: a label, and the value in a call. */
const PROPERTIES = [
  ["Requested by", ({ key }) => key],
  ["Caller id", ({ caller_id: id }) => id],
  ["Language", ({ lang }) => lang],
  ["Conference", ({ conference, room }) => (conference === room ? undefined : conference)],
  ["Refused", ({ text }) => text],
  ["Hung up by", ({ hung_up_by: by }) => by],
  ["Hangup cause", ({ cause, cause_text: text }) => (cause == null ? undefined : `${cause} ${text ?? ""}`)],
  ["Gateway reply", ({ gateway_reply: reply }) => reply],
  ["Flood wait", ({ flood_wait_seconds: seconds }) => (seconds ? `${seconds} s` : undefined)],
  ["Ended after", ({ ended_after: time }) => (time ? dateTime(Date.parse(time)) : undefined)],
  ["Ended before", ({ ended_before: time }) => (time ? dateTime(Date.parse(time)) : undefined)],
  ["Call id", ({ call_id: id }) => id],
];

export class CallDetail {
  /** The id of the call that is shown. */
  id;
  #calls;
  #records;
  #actions;
  /** The daemon's answer about the call from when the details were opened. */
  #fetched;
  /** Whether the daemon no longer has the call. */
  #isGone = false;
  #fetchError = "";
  /** The element that gets the focus back when the details are closed. */
  #opener;

  constructor(calls, records, actions) {
    [this.#calls, this.#records, this.#actions] = [calls, records, actions];
    $("detail-close").addEventListener("click", () => this.close());
    $("detail-hang-up").addEventListener("click", () => actions.hangUp?.(this.id));
    $("detail-open-room").addEventListener("click", () => actions.openRoom(roomOf(this.#call())));
    $("detail-same-number").addEventListener("click", () => actions.filterBy("number", this.#call().number));
    $("detail-same-room").addEventListener("click", () => actions.filterBy("room", this.#call().room));
    setInterval(() => { if (this.id && !document.hidden && this.#call()?.state !== "ended") draw(this); }, 1000);
    onNavigate((given) => this.#readParams(given));
    this.#readParams(params());
  }

  #readParams(given) {
    const id = given.get("call");
    if (id && id !== this.id) this.#show(id);
    if (!id) this.#hide();
  }

  open(id) {
    // Opening another call's details from here adds no history entry: Back leads to the view
    // without details.
    setParams({ call: id }, ["call"], { isStep: !this.id });
    return this.#show(id);
  }

  async #show(id) {
    this.#opener = this.id ? this.#opener : document.activeElement;
    [this.id, this.#fetched, this.#isGone, this.#fetchError] = [id, undefined, false, ""];
    $("detail").hidden = false;
    $("dashboard").classList.add("has-detail");
    $("detail-number").focus();
    draw(this);
    this.#actions.selectionChanged();
    try {
      const call = await fetchCall(id);
      if (this.id !== id) return;
      [this.#fetched, this.#isGone] = [call, call === undefined];
      if (!call) this.#actions.forget(id);
    } catch (error) {
      if (error.status === undefined) throw error;
      if (this.id === id) this.#fetchError = `Could not load the call: ${error.message}.`;
    }
    draw(this);
  }

  close() {
    if (!this.id) return;
    this.#hide();
    removeParams(["call"]);
  }

  #hide() {
    if (!this.id) return;
    this.id = undefined;
    $("detail").hidden = true;
    $("dashboard").classList.remove("has-detail");
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#actions.selectionChanged();
  }

  /**
   * The call from the best source that has it: the live state, the daemon's answer, the records.
   */
  #call() {
    const known = this.#calls.find(this.id) ?? this.#fetched;
    if (known) return known;
    const call = {};
    for (const record of this.#records.of(this.id)) {
      if (record.event === "call.adopted") {
        Object.assign(call, adoptedCall(record));
        continue;
      }
      const state = STATE_AFTER[record.event];
      if (record.event === "call.refused") Object.assign(call, record, { state: "ended" });
      // The members of other records, as of a mute, do not describe the call.
      else if (state) Object.assign(call, record, { state, [state]: record.time });
    }
    return call.call_id ? call : undefined;
  }

  draw() {
    if (!this.id) return;
    const call = this.#call();
    this.#drawHangUp(call);
    for (const part of ["detail-properties", "detail-steps", "detail-phases"]) $(part).replaceChildren();
    setText($("detail-number"), call?.number ?? "Call");
    setText($("detail-room"), call ? `room ${call.room}` : "");
    $("detail-body").hidden = !call;
    $("detail-verdict").hidden = !call;
    if (!call) {
      setText($("detail-summary"), this.#isGone ? `originatord has no call ${this.id}.` : this.#fetchError || "Loading …");
      return;
    }
    this.#drawSummary(call);
    for (const [label, valueOf] of PROPERTIES) {
      const value = valueOf(call);
      if (value) $("detail-properties").append(el("dt", {}, label), el("dd", {}, value));
    }
    this.#drawTimeline(call);
    this.#drawRecords(this.#records.of(this.id));
  }

  #drawHangUp(call) {
    const button = $("detail-hang-up");
    const isPending = isHangingUp(this.id);
    const disabledReason = this.#actions.disabledReason();
    button.hidden = !this.#actions.hangUp || !call || call.state === "ended";
    button.disabled = isPending || Boolean(disabledReason);
    setText(button, isPending ? "Ending …" : "Hang up");
    setText($("detail-hang-up-note"), disabledReason ? `The call cannot be hung up: ${disabledReason}.` : "");
    $("detail-hang-up-note").hidden = !disabledReason || button.hidden;
  }

  #drawSummary(call) {
    const isRefused = call.event === "call.refused";
    const { label, tone, text } = call.outcome ? endOf(call) : stateOf(call.state);
    setText($("detail-status"), isRefused ? "Refused" : label);
    setAttribute($("detail-tone"), "class", `tone ${isRefused ? "warn" : tone}`);
    const sentences = [isRefused ? "No call was made." : text ?? `Requested ${duration(now() - call.requested)} ago.`];
    if (call.answered && call.requested) sentences.push(`Answered ${answeredAfter(call)}.`);
    if (call.outcome && call.outcome !== "not_joined") sentences.push(talkText(call));
    if (call.stale) sentences.push("There is no link to Asterisk: the call may have gone further, or have ended.");
    // The daemon never has a refused call, so this text would give a wrong reason for one.
    if (this.#isGone && !isRefused) {
      sentences.push("originatord no longer has this call, because its number was erased or it is too old.");
    }
    setText($("detail-summary"), sentences.filter(Boolean).join(" "));
  }

  #drawTimeline(call) {
    const steps = TIMESTAMPS.filter((name) => call[name]).map((name) => ({ name, time: call[name] }));
    steps.sort((a, b) => a.time - b.time || TIMESTAMPS.indexOf(a.name) - TIMESTAMPS.indexOf(b.name));
    if (!steps.length) return setText($("detail-total"), "");
    const isOver = call.state === "ended";
    const end = isOver ? steps.at(-1).time : now();
    const total = end - steps[0].time;
    steps.forEach(({ name, time }, n) => {
      $("detail-steps").append(stepItem(call, name, time, steps[n - 1]));
      const until = steps[n + 1]?.time ?? end;
      if (!PHASES[name] || until - time <= total * MIN_PHASE) return;
      const title = `${PHASES[name]}: ${elapsed(call, steps[n + 1]?.name, time, until)}`;
      const phase = el("span", { className: `phase-${name}`, title });
      phase.style.flexGrow = until - time;
      $("detail-phases").append(phase);
    });
    const suffix = isOver ? "in all" : call.stale ? "if it is still alive" : "so far";
    const length = total > 0 ? `${elapsed(call, isOver ? "ended" : "", steps[0].time, end)} ${suffix}` : "";
    setText($("detail-total"), [dateUnlessToday(steps[0].time), length].filter(Boolean).join(", "));
  }

  /** Appends the records that have arrived since, so that expanded records stay expanded. */
  #drawRecords(records) {
    const list = $("detail-records");
    if (list.dataset.of !== this.id) list.replaceChildren();
    list.dataset.of = this.id;
    for (const record of records.slice(list.childElementCount)) list.append(recordItem(record));
    $("detail-records-note").hidden = records[0]?.event === "call.requested";
    const text = records.length
      ? "This page does not have the earlier records of this call. The times above are complete."
      : "This page does not have the records of this call. The times above are complete.";
    setText($("detail-records-note"), text);
  }
}

/** The room that a call is in or goes to; a key may have moved it to another than it was made for. */
const roomOf = ({ room, conference }) => conference ?? room;

function stepItem(call, name, time, previous) {
  const label = name === "ended" && call.outcome ? `Ended: ${outcomeOf(call.outcome).label}` : stateOf(name).label;
  const shown = isUnseenEnd(call, name) ? `by ${timeWithMs(time)}` : timeWithMs(time);
  return el("li", { className: `step-${name}` },
    el("span", { className: "step" }, label),
    el("time", { dateTime: new Date(time).toISOString() }, shown),
    el("span", { className: "since" }, previous ? `+${elapsed(call, name, previous.time, time)}` : ""));
}

function recordItem(record) {
  const json = visibleJson(JSON.stringify(record, asReceived, 1));
  return el("li", {},
    el("details", {},
      el("summary", {}, el("time", {}, timeWithMs(record.time)), ` ${record.event} `, el("span", {}, recordDetail(record))),
      el("pre", {}, document.createTextNode(json))));
}

/** For JSON.stringify: a record as the daemon sent it, without the members that this page added. */
function asReceived(name, value) {
  if (name === "run" || name === "place") return undefined;
  return name === "time" ? new Date(value).toISOString() : value;
}

/** Whether this is the end of a call that ended while the daemon could not see it. */
const isUnseenEnd = (call, state) => state === "ended" && Boolean(call.ended_after);

/** Time from a moment to reaching a state; two bounds for an end that nobody saw. */
function elapsed(call, state, from, to) {
  if (!isUnseenEnd(call, state)) return shortDuration(to - from);
  return `${shortDuration(Math.max(0, Date.parse(call.ended_after) - from))} to ${shortDuration(to - from)}`;
}

/** `after 4.2 s`; `within 4.2 s` if the daemon did not see the answer when it happened. */
function answeredAfter({ requested, answered, ring_seconds: ring, ring_seconds_max: max }) {
  return `${ring == null && max != null ? "within" : "after"} ${shortDuration(answered - requested)}`;
}

/** How long callee and room talked, as far as it is known. */
function talkText(call) {
  const length = call.talk_seconds == null ? talkTime(call) : shortDuration(call.talk_seconds * 1000);
  if (length) return `${call.joined || call.left ? "Talk time" : "Time on the line"}: ${length}.`;
  if (call.answered) return "The talk time is not known.";
  return call.outcome === "unknown" ? "Whether the callee answered is not known." : "";
}
