// The table of calls: those that live, or those that ended lately.

import { fields, onChange, write } from "./navigation.js";
import { ask, Failure } from "./api.js";
import { $, draw, el, setAttribute, setText } from "./dom.js";
import { Rows } from "./virtual-table.js";
import { Search } from "./history-search.js";
import { clockOrDay, counted, duration, ended, moment, state, talked } from "./labels.js";

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
  #search;
  #oldestFirst = false;
  /** What there is to say of looking back, if not how far it went. */
  #trouble;

  /** `actions` has what is done with a call: `open`, and `hangUp` if it may be. */
  constructor(calls, filter, actions) {
    [this.#calls, this.#filter, this.#actions] = [calls, filter, actions];
    this.#search = new Search(filter, () => draw(this));
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
    $("look-back").addEventListener("click", () => (filter.looksForCalls ? this.#search.everywhere() : this.#lookBack()));
    onChange((address) => this.#take(address));
    this.#take(fields());
    this.filter();
    // How long calls last is shown to the second.
    setInterval(() => { if (!document.hidden && this.shown === "live") draw(this); }, 1000);
  }

  /** Something else is looked for. */
  filter() {
    this.#search.restart();
    draw(this);
  }

  /** Shows the live calls, or the ended ones. */
  show(which) {
    write(which === "ended" ? { show: which } : {}, ["show"], true);
    this.#turnTo(which);
  }

  #take(address) {
    this.#turnTo(address.get("show") === "ended" ? "ended" : "live");
  }

  #turnTo(which) {
    if (which === this.shown) return;
    this.shown = which;
    $("calls").scrollTop = 0;
    draw(this);
  }

  draw() {
    const isLive = this.shown === "live";
    setAttribute($("calls"), "data-shown", this.shown);
    const all = isLive ? [...this.#calls.live.values()] : [...this.#calls.older, ...this.#calls.ended];
    const calls = this.#filter.looksForCalls ? this.#matches(all, isLive) : all;
    if (!(isLive && this.#oldestFirst)) calls.reverse();
    const live = this.#calls.live.size + this.#calls.unlisted;
    setText($("live-count"), String(live));
    setText($("ended-count"), String(this.#calls.older.length + this.#calls.ended.length));
    for (const name of ["live", "ended"]) setAttribute($(`show-${name}`), "aria-pressed", String(name === this.shown));
    HEADS[this.shown].forEach((head, n) => setText($("calls-head").children[n].lastElementChild, head));
    $("calls-sort").disabled = !isLive;
    const order = isLive && this.#oldestFirst ? "descending" : isLive ? "ascending" : "none";
    setAttribute($("calls-sort").parentElement, "aria-sort", order);
    setText($("calls-none"), this.#none(all.length));
    $("calls-none").hidden = calls.length > 0;
    setText($("calls-unlisted"), `${this.#calls.unlisted} more live calls are not shown: that many are not listed.`);
    $("calls-unlisted").hidden = !isLive || this.#calls.unlisted === 0;
    $("calls-older").hidden = isLive;
    const isFiltered = this.#filter.looksForCalls;
    $("look-back").hidden = !this.#calls.goesOn || (isFiltered && (this.#search.isWhole || this.#search.isRunning));
    setText($("look-back"), isFiltered ? "Search all history" : "Look further back");
    setText($("looked-back"), isFiltered ? this.#searched(calls.length) : this.#trouble ?? this.#lookedBack(all[0]));
    this.rows.show(calls);
  }

  /** Calls that the filter takes, oldest first; ended ones with those that were found in the history. */
  #matches(all, isLive) {
    const here = all.filter((call) => this.#filter.takesCall(call));
    if (isLive) return here;
    const ids = new Set(here.map((call) => call.call_id));
    const found = this.#search.found.filter((call) => !ids.has(call.call_id));
    return found.length ? [...found, ...here].sort((a, b) => a.ended - b.ended) : here;
  }

  /** What was searched, and how far. */
  #searched(count) {
    const { isRunning, isWhole, until, trouble } = this.#search;
    if (trouble) return trouble;
    const back = until ? ` back to ${moment(until)}` : "";
    if (isRunning) return `Searching the history${back} …`;
    const matches = `${count} ${count === 1 ? "match" : "matches"}`;
    return isWhole || !this.#calls.goesOn ? `${matches} in all ended calls that are kept.` : count ? `${matches} so far.` : "";
  }

  /** Looks back in the history by one page. */
  async #lookBack() {
    $("look-back").disabled = true;
    this.#trouble = "Looking back …";
    draw(this);
    try {
      const cursor = this.#calls.next ? `&cursor=${this.#calls.next}` : "";
      this.#calls.lookBack(await ask(`api/calls?live=0&limit=1000${cursor}`));
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

  /** Why the table is empty. */
  #none(all) {
    const isLive = this.shown === "live";
    if (!this.#filter.looksForCalls || all === 0 && isLive) {
      return isLive ? "No call lives right now." : "No call has ended yet, as far back as the daemon remembers.";
    }
    if (isLive) return `No match in ${counted(all, "live call")}.`;
    const { isWhole, isExact, isRunning } = this.#search;
    if (isRunning) return "Searching …";
    if (isWhole || !this.#calls.goesOn) return "No match in all ended calls that are kept.";
    const here = `No match in the ${all} newest calls`;
    return isExact ? `${here}, and no call in the history with exactly this.` : `${here}. Search all history?`;
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
      setText(cells.key, `${call.ended_before ? "by " : ""}${clockOrDay(call.ended)}`);
      setAttribute(cells.key, "title", moment(call.ended));
    } else {
      setText(cells.time, `${duration(Date.now() - call.requested)}${call.stale ? "?" : ""}`);
      setAttribute(cells.time, "title", `since ${moment(call.requested)}`);
      setText(cells.key, call.key);
      setAttribute(cells.key, "title", call.key);
    }
    setAttribute(cells.hangUp, "aria-label", `Hang up ${call.number}`);
    cells.hangUp.hidden = isEnded;
    const why = this.#actions.whyNot();
    cells.hangUp.disabled = Boolean(why);
    setAttribute(cells.hangUp, "title", why);
    setAttribute(row, "class", `row${call.stale ? " stale" : ""}${this.#actions.isOpen(call.call_id) ? " open" : ""}`);
  }
}
