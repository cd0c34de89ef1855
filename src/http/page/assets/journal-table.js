// The live journal, newest record at the top. New records do not move the rows while the user has
// scrolled or paused.

import { $, draw, el, setAttribute, setText } from "./dom.js";
import { EVENTS, outcomeOf, plural, recordDetail } from "./labels.js";
import { columnTimeMs, dateTime } from "./time.js";
import { VirtualTable } from "./virtual-table.js";

export class JournalTable {
  #records;
  #filter;
  #actions;
  /** Records that match the filter, oldest first. */
  #matches = [];
  /** Number of records that have been filtered, dropped ones included. */
  #filtered = 0;
  /**
   * Number of records that had arrived when the user scrolled or paused; later ones are not shown.
   */
  #heldAt;
  #isPaused = false;

  constructor(records, filter, actions) {
    [this.#records, this.#filter, this.#actions] = [records, filter, actions];
    this.table = new VirtualTable($("journal"), $("journal-body"), {
      key: (record) => record.place,
      create: (row) => this.#createRow(row),
      fill: (cells, record, row) => this.#fillRow(cells, record, row),
    });
    $("journal").addEventListener("scroll", () => {
      if ($("journal").scrollTop > 0) this.#heldAt ??= this.#filtered;
      draw(this);
    }, { passive: true });
    $("journal-pause").addEventListener("click", () => this.togglePause());
    $("journal-new").addEventListener("click", () => this.#resume());
  }

  /** The id of the selected row's call. */
  selectedCall() {
    const place = this.table.selectedKey();
    return place === undefined ? undefined : this.#matches.find((record) => record.place === place)?.call_id;
  }

  applyFilter() {
    [this.#matches, this.#filtered, this.#heldAt] = [[], this.#records.dropped, undefined];
    $("journal").scrollTop = 0;
    draw(this);
  }

  togglePause() {
    if (this.#isPaused) return this.#resume();
    this.#isPaused = true;
    draw(this);
  }

  #resume() {
    [this.#isPaused, this.#heldAt] = [false, undefined];
    $("journal").scrollTop = 0;
    draw(this);
  }

  draw() {
    this.#filterNew();
    const isHeld = this.#isPaused || $("journal").scrollTop > 0;
    this.#heldAt = isHeld ? (this.#heldAt ?? this.#filtered) : undefined;
    let { length } = this.#matches;
    while (isHeld && length > 0 && this.#matches[length - 1].place >= this.#heldAt) length -= 1;
    const held = this.#matches.length - length;
    setText($("journal-new"), `Show ${plural(held, "new record")}`);
    $("journal-new").hidden = held === 0;
    setAttribute($("journal-pause"), "aria-pressed", String(this.#isPaused));
    setText($("journal-pause"), this.#isPaused ? "Resume" : "Pause");
    setText($("journal-empty"), this.#emptyText());
    $("journal-empty").hidden = length > 0;
    // The table may draw again, as it scrolls, before this view does: it needs the records of now,
    // not of a later filter.
    const matches = this.#matches;
    this.table.show({ length, at: (place) => matches[length - 1 - place] });
  }

  #emptyText() {
    const { all, isLoaded } = this.#records;
    if (!isLoaded) return "Loading …";
    return all.length ? `No match in ${plural(all.length, "record")}.` : "No records yet.";
  }

  /** Filters the records that have arrived since. */
  #filterNew() {
    const { all, dropped } = this.#records;
    for (let n = Math.max(0, this.#filtered - dropped); n < all.length; n += 1) {
      all[n].place = dropped + n;
      if (this.#filter.matchesRecord(all[n])) this.#matches.push(all[n]);
    }
    this.#filtered = dropped + all.length;
    const kept = this.#matches.findIndex((record) => record.place >= dropped);
    if (kept !== 0) this.#matches = kept < 0 ? [] : this.#matches.slice(kept);
  }

  #createRow(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const number = el("button", { className: "link" });
    const tone = el("i");
    const label = el("span");
    const cells = { number, tone, label, time: cell("time") };
    cells.event = cell("event", tone, label);
    cell("number", number);
    for (const name of ["room", "detail"]) cells[name] = cell(name);
    row.addEventListener("click", (event) => {
      if (event.target !== number && !getSelection().isCollapsed) return;
      if (row.dataset.id) this.#actions.open(row.dataset.id);
      else if (row.room) this.#actions.openRoom(row.room);
    });
    return cells;
  }

  #fillRow(cells, record, row) {
    row.dataset.id = record.call_id ?? "";
    // Records of rooms and guests have a room and no call.
    row.room = record.room;
    const tone = record.outcome ? outcomeOf(record.outcome).tone : EVENTS[record.event] ?? "warn";
    setAttribute(cells.tone, "class", `tone ${tone}`);
    setText(cells.time, record.time ? columnTimeMs(record.time) : "");
    setAttribute(cells.time, "title", record.time ? `${dateTime(record.time)}, record ${record.seq}` : "");
    setText(cells.label, record.event);
    setText(cells.number, record.number ?? "");
    cells.number.hidden = !record.number;
    setText(cells.room, record.room ?? "");
    setAttribute(cells.room, "title", record.room ?? "");
    const detail = recordDetail(record);
    setText(cells.detail, detail);
    setAttribute(cells.detail, "title", detail);
    const kind = record.event === "gap" ? " gap" : record.room ? "" : " of-daemon";
    const isOpen = record.call_id && this.#actions.isOpen(record.call_id);
    setAttribute(row, "class", `row${kind}${isOpen ? " open" : ""}`);
  }
}
