// The table of live or ended calls.

import { ApiError, fetchJson } from "./api.js";
import { $, draw, el, setAttribute, setText } from "./dom.js";
import { isHangingUp } from "./hangup.js";
import { HistorySearch } from "./history-search.js";
import { endOf, plural, stateOf, talkTime } from "./labels.js";
import { onNavigate, params, setParams } from "./navigation.js";
import { columnTime, dateTime, duration, now } from "./time.js";
import { VirtualTable } from "./virtual-table.js";

const COLUMNS = {
  live: ["State", "Number", "Room", "For", "Key"],
  ended: ["Outcome", "Number", "Room", "Talk", "Ended"],
};

export class CallsTable {
  /** `live` or `ended`. */
  shown = "live";
  #calls;
  #filter;
  #actions;
  #search;
  #oldestFirst = false;
  /** Progress or failure of loading older calls. */
  #loadStatus;

  /** `actions`: `open` shows a call's details; `hangUp`, if the user may; see dashboard.js. */
  constructor(calls, filter, actions) {
    [this.#calls, this.#filter, this.#actions] = [calls, filter, actions];
    this.#search = new HistorySearch(filter, () => draw(this));
    this.table = new VirtualTable($("calls"), $("calls-body"), {
      key: (call) => call.call_id,
      create: (row) => this.#createRow(row),
      fill: (cells, call, row) => this.#fillRow(cells, call, row),
    });
    for (const name of ["live", "ended"]) $(`show-${name}`).addEventListener("click", () => this.show(name));
    $("calls-sort").addEventListener("click", () => {
      this.#oldestFirst = !this.#oldestFirst;
      draw(this);
    });
    $("load-older").addEventListener("click", () => (filter.selectsCalls ? this.#search.searchAll() : this.#loadOlder()));
    onNavigate((given) => this.#readParams(given));
    this.#readParams(params());
    this.applyFilter();
    // Live calls show how long they last.
    setInterval(() => { if (!document.hidden && this.shown === "live") draw(this); }, 1000);
  }

  applyFilter() {
    this.#search.restart();
    draw(this);
  }

  /** Removes an ended call that the daemon no longer has. */
  forget(id) {
    this.#calls.forget(id);
    this.#search.forget(id);
    draw(this);
  }

  /** Shows the `live` or the `ended` calls. */
  show(which) {
    setParams(which === "ended" ? { show: which } : {}, ["show"], { isStep: true });
    this.#switchTo(which);
  }

  #readParams(given) {
    this.#switchTo(given.get("show") === "ended" ? "ended" : "live");
  }

  #switchTo(which) {
    if (which === this.shown) return;
    this.shown = which;
    $("calls").scrollTop = 0;
    draw(this);
  }

  draw() {
    const isLive = this.shown === "live";
    const isFiltered = this.#filter.selectsCalls;
    const all = isLive ? [...this.#calls.live.values()] : [...this.#calls.older, ...this.#calls.ended];
    const [oldest] = all;
    const calls = !isFiltered ? all : isLive ? all.filter((call) => this.#filter.matchesCall(call)) : this.#endedMatches();
    if (!(isLive && this.#oldestFirst)) calls.reverse();
    this.#drawHead(isLive);
    setText($("calls-empty"), this.#emptyText(all.length));
    $("calls-empty").hidden = calls.length > 0;
    const { unlisted } = this.#calls;
    setText($("calls-unlisted"), `${plural(unlisted, "more live call")} not shown: the daemon lists 10000 at most.`);
    $("calls-unlisted").hidden = !isLive || unlisted === 0;
    this.#drawOlder(isLive, isFiltered, calls.length, oldest);
    this.table.show(calls);
  }

  #drawHead(isLive) {
    setAttribute($("calls"), "data-shown", this.shown);
    const loaded = this.#calls.older.length + this.#calls.ended.length;
    setText($("live-count"), String(this.#calls.liveCount));
    // A plus: the history has more than are loaded.
    setText($("ended-count"), `${loaded}${loaded && this.#calls.hasMore ? "+" : ""}`);
    for (const name of ["live", "ended"]) setAttribute($(`show-${name}`), "aria-pressed", String(name === this.shown));
    COLUMNS[this.shown].forEach((column, n) => setText($("calls-head").children[n].lastElementChild, column));
    $("calls-sort").disabled = !isLive;
    const order = !isLive ? "none" : this.#oldestFirst ? "descending" : "ascending";
    setAttribute($("calls-sort").parentElement, "aria-sort", order);
  }

  /**
   * The line below the ended calls: how far they go back, and a button that loads or searches more.
   */
  #drawOlder(isLive, isFiltered, count, oldest) {
    const { history, hasMore } = this.#calls;
    $("calls-older").hidden = isLive;
    const isSearched = isFiltered && (this.#search.isComplete || this.#search.isRunning);
    $("load-older").hidden = !hasMore || isSearched;
    setText($("load-older"), isFiltered ? "Search all history" : "Load older calls");
    setText($("older-status"), isFiltered ? this.#searchStatus(count) : this.#loadStatus ?? this.#oldestText(oldest));
    const isBroken = history !== "ok" && history !== "off";
    setText($("history-error"), isBroken ? `The history is incomplete: ${history}.` : "");
    $("history-error").hidden = isLive || !isBroken;
  }

  /** Ended calls that match, oldest first: those of the page, and those that the search found. */
  #endedMatches() {
    const loaded = [...this.#calls.older, ...this.#calls.ended].filter((call) => this.#filter.matchesCall(call));
    const ids = new Set(loaded.map((call) => call.call_id));
    const found = this.#search.matches.filter((call) => !ids.has(call.call_id));
    return found.length ? [...found, ...loaded].sort((a, b) => a.ended - b.ended) : loaded;
  }

  #searchStatus(count) {
    const { isRunning, isComplete, searchedTo, error } = this.#search;
    if (error) return error;
    if (isRunning) return `Searching the history${searchedTo ? `, back to ${dateTime(searchedTo)} so far` : ""} …`;
    const matches = `${count} ${count === 1 ? "match" : "matches"}`;
    if (isComplete || !this.#calls.hasMore) return `${matches} in all history.`;
    return count ? `${matches} so far.` : "";
  }

  async #loadOlder() {
    $("load-older").disabled = true;
    this.#loadStatus = "Loading …";
    draw(this);
    try {
      for (let added = 0; !added && this.#calls.hasMore; ) {
        const cursor = this.#calls.nextPage ? `&cursor=${this.#calls.nextPage}` : "";
        added = this.#calls.addOlder(await fetchJson(`api/calls?live=0&limit=1000${cursor}`));
      }
      this.#loadStatus = undefined;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#loadStatus = `Could not load older calls: ${error.message}.`;
    }
    $("load-older").disabled = false;
    draw(this);
  }

  #oldestText(oldest) {
    if (!oldest) return "";
    if (this.#calls.nextPage === null) return "There are no older calls.";
    const text = `Back to ${dateTime(oldest.ended)}.`;
    return this.#calls.hasMore ? text : `${text} This page holds no more; use originatord calls --ended.`;
  }

  /** Why the table is empty. */
  #emptyText(total) {
    if (!this.#calls.isLoaded) return "Loading …";
    const isLive = this.shown === "live";
    if (!this.#filter.selectsCalls || total === 0) return isLive ? `No live calls.${this.#elsewhere()}` : "No ended calls.";
    if (isLive) return `No match in ${plural(total, "live call")}.${this.#elsewhere()}`;
    const { isComplete, isExact, isRunning } = this.#search;
    if (isRunning) return "Searching …";
    if (isComplete || !this.#calls.hasMore) return "No match in all history.";
    const here = `No match in the ${total} newest calls`;
    return isExact ? `${here}, and no exact match in the history. Search all history.` : `${here}. Search all history.`;
  }

  /** Tells a user who filters the live calls about matches among the ended ones. */
  #elsewhere() {
    const count = this.#filter.selectsCalls ? this.#endedMatches().length : 0;
    return count ? ` ${plural(count, "ended call")} ${count === 1 ? "matches" : "match"}.` : "";
  }

  #createRow(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const number = el("button", { className: "link" });
    const hangUp = el("button", { className: "hang-up" });
    const tone = el("i");
    const label = el("span");
    const cells = { number, hangUp, tone, label };
    cell("state", tone, label);
    cell("number", number);
    for (const name of ["room", "time", "key"]) cells[name] = cell(name);
    if (this.#actions.hangUp) cell("act", hangUp);
    row.addEventListener("click", (event) => {
      if (event.target === hangUp) this.#actions.hangUp(row.dataset.id);
      // A user who selects text to copy it does not want the details.
      else if (event.target === number || getSelection().isCollapsed) this.#actions.open(row.dataset.id);
    });
    return cells;
  }

  #fillRow(cells, call, row) {
    row.dataset.id = call.call_id;
    const isEnded = call.state === "ended";
    const { label, tone } = isEnded ? endOf(call) : stateOf(call.state);
    setAttribute(cells.tone, "class", `tone ${tone}`);
    setText(cells.label, label);
    setText(cells.number, call.number);
    setText(cells.room, call.room);
    setAttribute(cells.room, "title", call.room);
    if (isEnded) this.#fillEnded(cells, call);
    else this.#fillLive(cells, call);
    setAttribute(row, "class", `row${call.stale ? " stale" : ""}${this.#actions.isOpen(call.call_id) ? " open" : ""}`);
  }

  #fillEnded(cells, call) {
    // A callee who was never in the room has talked to nobody.
    const talk = call.outcome === "not_joined" ? "" : talkTime(call);
    setText(cells.time, talk.replace(" to ", "–").replace("at least ", "≥ "));
    setAttribute(cells.time, "title", talk);
    setText(cells.key, `${call.ended_before ? "by " : ""}${columnTime(call.ended)}`);
    setAttribute(cells.key, "title", dateTime(call.ended));
    cells.hangUp.hidden = true;
  }

  #fillLive(cells, call) {
    setText(cells.time, `${duration(now() - call.requested)}${call.stale ? "?" : ""}`);
    setAttribute(cells.time, "title", `since ${dateTime(call.requested)}`);
    setText(cells.key, call.key);
    setAttribute(cells.key, "title", call.key);
    const isPending = isHangingUp(call.call_id);
    const disabledReason = this.#actions.disabledReason();
    setText(cells.hangUp, isPending ? "Ending …" : "Hang up");
    setAttribute(cells.hangUp, "aria-label", `Hang up ${call.number}`);
    setAttribute(cells.hangUp, "title", disabledReason);
    cells.hangUp.disabled = isPending || Boolean(disabledReason);
    cells.hangUp.hidden = false;
  }
}
