// One call's whole story: how it went, step by step, with the time that each step took.

import { fields, leave, onChange, write } from "./navigation.js";
import { $, draw, el, setText } from "./dom.js";
import { MOMENTS, adopted } from "./model.js";
import { call as fetchCall } from "./event-stream.js";
import { date, detail, duration, ended, instant, moment, outcome, state, talked, took } from "./labels.js";

/** What a call does from one moment to the next. */
const PHASES = {
  requested: "Asking Asterisk",
  queued: "Dialling",
  ringing: "Ringing",
  answered: "On the way to the room",
  joined: "In the room",
  left: "Leaving",
};

/** What is told of a call beside its timeline. */
const FACTS = [
  ["Asked for by", ({ key }) => key],
  ["Shown as", ({ caller_id: id }) => id],
  ["Language", ({ lang }) => lang],
  ["Conference", ({ conference, room }) => (conference === room ? undefined : conference)],
  ["Refused", ({ text }) => text],
  ["Hung up by", ({ hung_up_by: by }) => by],
  ["Hangup cause", ({ cause, cause_text: text }) => (cause == null ? undefined : `${cause} ${text}`)],
  ["Gateway said", ({ gateway_reply: reply }) => reply],
  ["Must wait", ({ flood_wait_seconds: seconds }) => (seconds ? `${seconds} s` : undefined)],
  ["Ended after", ({ ended_after: time }) => (time ? moment(Date.parse(time)) : undefined)],
  ["Ended before", ({ ended_before: time }) => (time ? moment(Date.parse(time)) : undefined)],
  ["Id", ({ call_id: id }) => id],
];

export class Story {
  /** The id of the call that is shown. */
  id;
  #calls;
  #records;
  #actions;
  #fetched;
  #isGone = false;
  #opener;

  constructor(calls, records, actions) {
    [this.#calls, this.#records, this.#actions] = [calls, records, actions];
    $("story-close").addEventListener("click", () => this.close());
    $("story-hang-up").addEventListener("click", () => actions.hangUp?.(this.id));
    $("story-same-number").addEventListener("click", () => actions.look("number", this.#call().number));
    $("story-same-room").addEventListener("click", () => actions.look("room", this.#call().room));
    setInterval(() => { if (this.id && !document.hidden && this.#call()?.state !== "ended") draw(this); }, 1000);
    onChange((address) => this.#take(address));
    this.#take(fields());
  }

  /** Shows the call that the address names, or none. */
  #take(address) {
    const id = address.get("call");
    if (id && id !== this.id) this.#show(id);
    if (!id) this.#hide();
  }

  open(id) {
    // One story after another is one step: Back leads to where the first was opened.
    write({ call: id }, ["call"], !this.id);
    return this.#show(id);
  }

  async #show(id) {
    this.#opener = this.id ? this.#opener : document.activeElement;
    [this.id, this.#fetched, this.#isGone] = [id, undefined, false];
    $("story").hidden = false;
    $("desk").classList.add("has-story");
    $("story-number").focus();
    draw(this);
    this.#actions.changed();
    try {
      const call = await fetchCall(id);
      if (this.id !== id) return;
      [this.#fetched, this.#isGone] = [call, call === undefined];
    } catch (error) {
      if (this.id === id) setText($("story-says"), error.message);
    }
    draw(this);
  }

  close() {
    if (!this.id) return;
    this.#hide();
    leave(["call"]);
  }

  #hide() {
    if (!this.id) return;
    this.id = undefined;
    $("story").hidden = true;
    $("desk").classList.remove("has-story");
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#actions.changed();
  }

  /** What is known of the call, from wherever: as it is now, as the daemon had it, or as far as the records tell. */
  #call() {
    const known = this.#calls.find(this.id) ?? this.#fetched;
    if (known) return known;
    const call = {};
    for (const record of this.#records.of(this.id)) {
      if (record.event === "call.adopted") {
        Object.assign(call, adopted(record));
        continue;
      }
      const step = record.event.slice("call.".length);
      Object.assign(call, record, { state: step === "refused" ? "ended" : step, [step]: record.time });
    }
    return call.call_id ? call : undefined;
  }

  draw() {
    if (!this.id) return;
    const call = this.#call();
    const records = this.#records.of(this.id);
    $("story-hang-up").hidden = !this.#actions.hangUp || !call || call.state === "ended";
    const why = this.#actions.whyNot();
    $("story-hang-up").disabled = Boolean(why);
    setText($("story-why"), why ? `It cannot be hung up: ${why}.` : "");
    $("story-why").hidden = !why || $("story-hang-up").hidden;
    for (const part of ["story-facts", "story-steps", "story-phases"]) $(part).replaceChildren();
    setText($("story-number"), call?.number ?? "Call");
    setText($("story-room"), call ? `room ${call.room}` : "");
    $("story-more").hidden = !call;
    if (!call) {
      setText($("story-says"), this.#isGone ? `The daemon does not know the call ${this.id}, or no longer.` : "…");
      return;
    }
    this.#drawHead(call);
    for (const [name, of] of FACTS) {
      const value = of(call);
      if (value) $("story-facts").append(el("dt", {}, name), el("dd", {}, value));
    }
    this.#drawSteps(call);
    this.#drawRecords(records);
  }

  #drawHead(call) {
    const refused = call.event === "call.refused";
    const { word, tone, says } = call.outcome ? ended(call) : state(call.state);
    setText($("story-word"), refused ? "Refused" : word);
    $("story-tone").className = `tone ${refused ? "warn" : tone}`;
    const parts = [refused ? "No call was made." : says ?? `Asked for ${duration(Date.now() - call.requested)} ago.`];
    if (call.answered && call.requested) parts.push(`It was answered ${answeredAfter(call)}.`);
    if (call.outcome && call.outcome !== "not_joined") parts.push(talk(call));
    if (call.stale) parts.push("The link to Asterisk is down: it may have come further, or be over.");
    if (this.#isGone && !this.#calls.find(this.id)) parts.push("The daemon has this call no longer; this is what the log here tells.");
    setText($("story-says"), parts.filter(Boolean).join(" "));
  }

  #drawSteps(call) {
    const steps = MOMENTS.filter((name) => call[name]).map((name) => ({ name, time: call[name] }));
    steps.sort((a, b) => a.time - b.time || MOMENTS.indexOf(a.name) - MOMENTS.indexOf(b.name));
    const isOver = call.state === "ended";
    const end = isOver ? steps.at(-1)?.time : Date.now();
    steps.forEach(({ name, time }, n) => {
      const until = steps[n + 1]?.time ?? end;
      const since = n ? `+${between(call, name, steps[n - 1].time, time)}` : "";
      const word = name === "ended" && call.outcome ? `Ended: ${outcome(call.outcome).word}` : state(name).word;
      const title = n === 0 ? "Requested" : word;
      $("story-steps").append(el("li", { className: `step-${name}` },
        el("span", { className: "step" }, title),
        el("time", { dateTime: new Date(time).toISOString() }, isUnseen(call, name) ? `by ${instant(time)}` : instant(time)),
        el("span", { className: "since" }, since)));
      if (!PHASES[name] || until - time <= 0) return;
      const phase = el("span", { className: `phase-${name}`, title: `${PHASES[name]}: ${between(call, steps[n + 1]?.name, time, until)}` });
      phase.style.flexGrow = until - time;
      $("story-phases").append(phase);
    });
    const whole = steps.length ? end - steps[0].time : 0;
    const inAll = steps.length ? between(call, isOver ? "ended" : "", steps[0].time, end) : "";
    const day = steps.length ? date(steps[0].time) : "";
    const length = whole > 0 ? `${inAll} ${isOver ? "in all" : call.stale ? "if it goes on" : "so far"}` : "";
    setText($("story-whole"), [day, length].filter(Boolean).join(", "));
  }

  /** Adds those that came since: what is unfolded stays so. */
  #drawRecords(records) {
    const list = $("story-records");
    if (list.dataset.of !== this.id) list.replaceChildren();
    list.dataset.of = this.id;
    for (const record of records.slice(list.childElementCount)) {
      list.append(el("li", {},
        el("details", {},
          el("summary", {}, el("time", {}, instant(record.time)), ` ${record.event} `, el("span", {}, detail(record))),
          el("pre", {}, JSON.stringify(record, asWritten, 1)))));
    }
    const isWhole = records[0]?.event === "call.requested";
    $("story-missing").hidden = isWhole;
    const text = records.length
      ? "Earlier records of this call are no longer kept here; the times above are the daemon's."
      : "The log here no longer has this call's records; the times above are the daemon's.";
    setText($("story-missing"), text);
  }
}

/** Whether this step was not seen when it happened, only found to have happened. */
const isUnseen = (call, step) => step === "ended" && Boolean(call.ended_after);

/** How long it took from a moment to that of a step: where nobody saw the end, at least and at most. */
function between(call, step, from, to) {
  if (!isUnseen(call, step)) return took(to - from);
  return `${took(Math.max(0, Date.parse(call.ended_after) - from))} to ${took(to - from)}`;
}

/** How long it took until the answer, as far as it was seen. */
function answeredAfter({ requested, answered, ring_seconds: ring, ring_seconds_max: max }) {
  return ring == null && max != null ? `within ${took(answered - requested)}` : `after ${took(answered - requested)}`;
}

/** How long they talked, as far as it is known. */
function talk(call) {
  const length = call.talk_seconds == null ? talked(call) : took(call.talk_seconds * 1000);
  if (!length) return call.answered ? "How long they talked is not known." : call.outcome === "unknown" ? "Whether it was answered is not known." : "";
  return call.joined || call.left ? `They talked for ${length}.` : `The line was open for ${length}.`;
}

/** A record's members as the daemon wrote them, without those of this page. */
function asWritten(name, value) {
  if (name === "boot" || name === "place") return undefined;
  return name === "time" ? new Date(value).toISOString() : value;
}
