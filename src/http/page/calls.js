// The table of calls: those that live, or those that ended lately.

import { $, draw, el, setAttribute, setText } from "./dom.js";
import { Rows } from "./rows.js";
import { clock, duration, moment, outcome, state } from "./words.js";

const HEADS = {
  live: ["State", "Number", "Room", "For", "Key"],
  ended: ["Outcome", "Number", "Room", "Talk", "Ended"],
};

export class CallsView {
  /** `live` or `ended`. */
  shown = "live";
  #calls;
  #filter;
  #actions;
  #oldestFirst = false;

  /** `actions` has what is done with a call: `open`, and `hangUp` if it may be. */
  constructor(calls, filter, actions) {
    [this.#calls, this.#filter, this.#actions] = [calls, filter, actions];
    this.rows = new Rows($("calls"), $("calls-body"), {
      key: (call) => call.call_id,
      create: (row) => this.#create(row),
      fill: (cells, call, row) => this.#fill(cells, call, row),
    });
    for (const name of ["live", "ended"]) $(`show-${name}`).addEventListener("click", () => this.show(name));
    $("calls-sort").addEventListener("click", () => {
      this.#oldestFirst = !this.#oldestFirst;
      draw(this);
    });
    // How long calls last is shown to the second.
    setInterval(() => { if (!document.hidden && this.shown === "live") draw(this); }, 1000);
  }

  show(which) {
    this.shown = which;
    $("calls").scrollTop = 0;
    draw(this);
  }

  draw() {
    const isLive = this.shown === "live";
    const all = isLive ? [...this.#calls.live.values()] : [...this.#calls.ended];
    const calls = this.#filter.isSet ? all.filter((call) => this.#filter.takesCall(call)) : all;
    if (!(isLive && this.#oldestFirst)) calls.reverse();
    const live = this.#calls.live.size + this.#calls.unlisted;
    setText($("live-count"), String(live));
    setText($("ended-count"), String(this.#calls.ended.length));
    for (const name of ["live", "ended"]) setAttribute($(`show-${name}`), "aria-pressed", String(name === this.shown));
    HEADS[this.shown].forEach((head, n) => setText($("calls-head").children[n].lastElementChild, head));
    $("calls-sort").disabled = !isLive;
    const order = isLive && this.#oldestFirst ? "descending" : isLive ? "ascending" : "none";
    setAttribute($("calls-sort").parentElement, "aria-sort", order);
    setText($("calls-none"), this.#none(all.length, calls.length));
    $("calls-none").hidden = calls.length > 0;
    setText($("calls-unlisted"), `${this.#calls.unlisted} more live calls are not shown: that many are not listed.`);
    $("calls-unlisted").hidden = !isLive || this.#calls.unlisted === 0;
    this.rows.show(calls);
  }

  #none(all, shown) {
    if (all > shown) return `None of ${all} calls is looked for.`;
    return this.shown === "live" ? "No call lives right now." : "No call has ended yet, as far back as the daemon remembers.";
  }

  #create(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const number = el("button", { className: "link" });
    const hangUp = el("button", { className: "hang-up", textContent: "Hang up" });
    const tone = el("i");
    const word = el("span");
    const cells = { number, hangUp, tone, word };
    cell("state", tone, word);
    cell("number", number);
    for (const name of ["room", "time", "key"]) cells[name] = cell(name);
    if (this.#actions.hangUp) cell("act", hangUp);
    row.addEventListener("click", (event) => {
      if (event.target === hangUp) this.#actions.hangUp(row.dataset.id);
      // Whoever marks a number to copy it wants no story.
      else if (event.target === number || getSelection().isCollapsed) this.#actions.open(row.dataset.id);
    });
    return cells;
  }

  #fill(cells, call, row) {
    row.dataset.id = call.call_id;
    const isEnded = call.state === "ended";
    const { word, tone } = isEnded ? outcome(call.outcome) : state(call.state);
    setAttribute(cells.tone, "class", `tone ${tone}`);
    setText(cells.word, word);
    setText(cells.number, call.number);
    setText(cells.room, call.room);
    setAttribute(cells.room, "title", call.room);
    if (isEnded) {
      setText(cells.time, call.talk_seconds == null ? "" : duration(call.talk_seconds * 1000));
      setText(cells.key, moment(call.ended));
    } else {
      setText(cells.time, duration(Date.now() - call.requested));
      setAttribute(cells.time, "title", `since ${clock(call.requested)}`);
      setText(cells.key, call.key);
    }
    setAttribute(cells.hangUp, "aria-label", `Hang up ${call.number}`);
    cells.hangUp.hidden = isEnded;
    setAttribute(row, "class", `row${call.stale ? " stale" : ""}${this.#actions.isOpen(call.call_id) ? " open" : ""}`);
  }
}
