// The table of calls: those that live, or those that ended lately.

import { ask, Failure } from "./api.js";
import { $, draw, el, setAttribute, setText } from "./dom.js";
import { Rows } from "./rows.js";
import { clock, duration, ended, moment, state, talked } from "./words.js";

/** How many pages of 1000 calls are looked back at for something that is looked for, until one is asked again. */
const PAGES = 10;

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
  /** What there is to say of looking back, if not how far it went. */
  #trouble;

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
    $("look-back").addEventListener("click", () => this.#lookBack());
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
    setAttribute($("calls"), "data-shown", this.shown);
    const all = isLive ? [...this.#calls.live.values()] : [...this.#calls.older, ...this.#calls.ended];
    const calls = this.#filter.isSet ? all.filter((call) => this.#filter.takesCall(call)) : all;
    if (!(isLive && this.#oldestFirst)) calls.reverse();
    const live = this.#calls.live.size + this.#calls.unlisted;
    setText($("live-count"), String(live));
    setText($("ended-count"), String(this.#calls.older.length + this.#calls.ended.length));
    for (const name of ["live", "ended"]) setAttribute($(`show-${name}`), "aria-pressed", String(name === this.shown));
    HEADS[this.shown].forEach((head, n) => setText($("calls-head").children[n].lastElementChild, head));
    $("calls-sort").disabled = !isLive;
    const order = isLive && this.#oldestFirst ? "descending" : isLive ? "ascending" : "none";
    setAttribute($("calls-sort").parentElement, "aria-sort", order);
    setText($("calls-none"), this.#none(all.length, calls.length));
    $("calls-none").hidden = calls.length > 0;
    setText($("calls-unlisted"), `${this.#calls.unlisted} more live calls are not shown: that many are not listed.`);
    $("calls-unlisted").hidden = !isLive || this.#calls.unlisted === 0;
    $("calls-older").hidden = isLive;
    $("look-back").hidden = !this.#calls.goesOn;
    setText($("looked-back"), this.#trouble ?? this.#lookedBack(all[0]));
    this.rows.show(calls);
  }

  /** Looks back in the history, until there is something that is looked for. */
  async #lookBack() {
    $("look-back").disabled = true;
    this.#trouble = "Looking back …";
    draw(this);
    try {
      for (let page = 0, found = []; page < PAGES && this.#calls.goesOn && !found.length; page++) {
        const cursor = this.#calls.next ? `&cursor=${this.#calls.next}` : "";
        found = this.#calls.lookBack(await ask(`api/calls?live=0&limit=1000${cursor}`)).filter((call) => this.#filter.takesCall(call));
      }
      this.#trouble = undefined;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#trouble = `That did not work: ${error.message}`;
    }
    $("look-back").disabled = false;
    draw(this);
  }

  #lookedBack(oldest) {
    if (!oldest) return "";
    if (this.#calls.next === null) return "No older calls are kept.";
    const until = `Back to ${moment(oldest.ended)}.`;
    return this.#calls.goesOn ? until : `${until} That is as far as a page looks; originatord calls --ended looks further.`;
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
    const { word, tone } = isEnded ? ended(call) : state(call.state);
    setAttribute(cells.tone, "class", `tone ${tone}`);
    setText(cells.word, word);
    setText(cells.number, call.number);
    setText(cells.room, call.room);
    setAttribute(cells.room, "title", call.room);
    if (isEnded) {
      // Who never was in the room has talked to nobody.
      const length = call.outcome === "not_joined" ? "" : talked(call);
      setText(cells.time, length.replace(" to ", "–").replace("at least ", "≥ "));
      setAttribute(cells.time, "title", length);
      setText(cells.key, call.ended_before ? `by ${moment(call.ended)}` : moment(call.ended));
    } else {
      setText(cells.time, `${duration(Date.now() - call.requested)}${call.stale ? "?" : ""}`);
      setAttribute(cells.time, "title", `since ${clock(call.requested)}`);
      setText(cells.key, call.key);
    }
    setAttribute(cells.hangUp, "aria-label", `Hang up ${call.number}`);
    cells.hangUp.hidden = isEnded;
    setAttribute(row, "class", `row${call.stale ? " stale" : ""}${this.#actions.isOpen(call.call_id) ? " open" : ""}`);
  }
}
