// The table of past conferences.

import { $, draw, el, setAttribute, setText } from "./dom.js";
import { ConferenceList } from "./conference-list.js";
import { columnTime, dateTime, duration, now } from "./time.js";
import { Refresher } from "./refresher.js";
import { VirtualTable } from "./virtual-table.js";

/** Pause in typing after which the page asks the daemon, in ms. */
const TYPING_PAUSE = 300;

/** Digits that can be a whole number. The history finds whole numbers only. */
const WHOLE_NUMBER = /^\d{3,15}$/;

export class ConferencesTable {
  #isShown = false;
  #filter;
  #actions;
  /** All conferences, and those that the daemon found for the filter's number or room. */
  #all;
  #found;
  #timer;
  #fresh = new Refresher(() => Promise.all([this.#all.refresh(), this.#found.refresh()]));

  /** `actions`: `openConference` shows a conference; `ended` is called when the session is over. */
  constructor(filter, actions) {
    [this.#filter, this.#actions] = [filter, actions];
    const handlers = { changed: () => draw(this), ended: actions.ended };
    [this.#all, this.#found] = [new ConferenceList(handlers), new ConferenceList(handlers)];
    this.table = new VirtualTable($("conferences"), $("conferences-body"), {
      key: (conference) => conference.conference_id,
      create: (row) => this.#createRow(row),
      fill: (cells, conference, row) => this.#fillRow(cells, conference, row),
    });
    $("load-conferences").addEventListener("click", () => {
      for (const list of this.#lists()) if (list.hasMore) list.loadMore();
    });
  }

  get isShown() {
    return this.#isShown;
  }

  set isShown(isShown) {
    if (isShown && !this.#isShown) {
      if (this.#all.isFor({})) this.#fresh.soon();
      else this.#all.restart({});
    }
    this.#isShown = isShown;
    if (isShown) this.applyFilter();
  }

  applyFilter() {
    if (!this.#isShown) return;
    clearTimeout(this.#timer);
    const criteria = this.#criteria();
    if (criteria && !this.#found.isFor(criteria)) {
      this.#timer = setTimeout(() => this.#found.restart(criteria), TYPING_PAUSE);
    }
    draw(this);
  }

  /** Reads the newest again after a record that one of them may have. */
  apply({ event }) {
    if (this.#isShown && /^(room\.(started|ended)|guest\.joined|call\.joined)$/.test(event)) this.#fresh.soon();
  }

  /** What the daemon can look up for the filter; `undefined` if nothing. */
  #criteria() {
    const { number } = this.#filter;
    if (number) return WHOLE_NUMBER.test(number) ? { number } : undefined;
    return this.#filter.room ? { room: this.#filter.typed("room") } : undefined;
  }

  /** The lists that have what is shown. Only the daemon knows which conferences a number was in. */
  #lists() {
    const criteria = this.#criteria();
    const found = criteria && this.#found.isFor(criteria) ? [this.#found] : [];
    return this.#filter.number ? found : [this.#all, ...found];
  }

  draw() {
    if (!this.#isShown) return;
    const lists = this.#lists();
    const byId = new Map(lists.flatMap(({ conferences }) => conferences.map((one) => [one.conference_id, one])));
    const shown = [...byId.values()].filter(({ room }) => this.#filter.matchesRoom(room, [this.#filter.number]));
    if (lists.length > 1) shown.sort((a, b) => (b.started ?? "").localeCompare(a.started ?? ""));
    setText($("rooms-empty"), this.#emptyText(lists));
    $("rooms-empty").hidden = shown.length > 0;
    const { history } = this.#all;
    const isBroken = history !== undefined && history !== "ok" && history !== "off";
    const note = [isBroken ? `The history is incomplete: ${history}.` : "", ...lists.map(({ error }) => error)];
    setText($("rooms-note"), note.filter(Boolean).join(" "));
    $("rooms-note").hidden = !note.some(Boolean);
    $("conferences-older").hidden = !shown.length && !lists.some(({ hasMore }) => hasMore);
    $("load-conferences").hidden = !lists.some(({ hasMore }) => hasMore);
    $("load-conferences").disabled = lists.some(({ isLoading }) => isLoading);
    const oldest = shown.at(-1)?.started;
    const isComplete = !lists.some(({ hasMore }) => hasMore);
    setText($("conferences-status"), isComplete ? "There are no older ones." : oldest ? `Back to ${dateTime(Date.parse(oldest))}.` : "");
    this.table.show(shown);
  }

  /** Why the table is empty. */
  #emptyText(lists) {
    const { history } = this.#all;
    if (history === "off") return "The history is off: originatord does not remember past conferences.";
    if (this.#filter.number && !this.#criteria()) return "Type a whole number to find the conferences that it was in.";
    if (!lists.length || lists.some((list) => list.isLoading && !list.history)) return "Loading …";
    if (lists.some(({ error }) => error)) return "";
    return this.#filter.number || this.#filter.room ? "No match." : "No conferences yet.";
  }

  #createRow(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const name = el("button", { className: "link" });
    cell("room", name);
    const cells = { name };
    for (const part of ["started", "time", "count"]) cells[part] = cell(part);
    row.addEventListener("click", (event) => {
      if (event.target === name || getSelection().isCollapsed) this.#actions.openConference(row.dataset.id);
    });
    return cells;
  }

  #fillRow(cells, conference, row) {
    const { conference_id: id, room, started, ended, participants, most_at_once: most } = conference;
    row.dataset.id = id;
    setText(cells.name, room);
    setAttribute(cells.name, "title", room);
    const [from, to] = [started && Date.parse(started), ended && Date.parse(ended)];
    setText(cells.started, from ? columnTime(from) : "");
    setAttribute(cells.started, "title", from ? dateTime(from) : "");
    setText(cells.time, !from ? "" : to ? duration(to - from) : `${duration(now() - from)} so far`);
    const atOnce = most == null || most === participants ? "" : `, ${most} at once`;
    setText(cells.count, `${participants}${atOnce}`);
    setAttribute(row, "class", `row${this.#actions.isConferenceOpen(id) ? " open" : ""}`);
  }
}
