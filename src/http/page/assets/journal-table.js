// The live log, newest record on top. Who scrolls down, or pauses it, is not moved by what comes.

import { $, draw, el, setAttribute, setText } from "./dom.js";
import { Rows } from "./virtual-table.js";
import { counted, detail, EVENTS, gap, instantOrDay, moment, outcome } from "./labels.js";

export class LogView {
  #records;
  #filter;
  #actions;
  /** Records that the filter takes, oldest first, and how many of all are looked through. */
  #taken = [];
  #seen = 0;
  /** How many of all were there when the log was held. */
  #held;
  #isPaused = false;

  constructor(records, filter, actions) {
    [this.#records, this.#filter, this.#actions] = [records, filter, actions];
    this.rows = new Rows($("log"), $("log-body"), {
      key: (record) => record.place,
      create: (row) => this.#create(row),
      fill: (cells, record, row) => this.#fill(cells, record, row),
    });
    $("log").addEventListener("scroll", () => {
      if ($("log").scrollTop > 0) this.#held ??= this.#seen;
      draw(this);
    }, { passive: true });
    $("log-pause").addEventListener("click", () => this.pause());
    $("log-news").addEventListener("click", () => this.#goOn());
  }

  /** The id of the call in the row with the focus. */
  focusedCall() {
    const place = this.rows.focused();
    return place === undefined ? undefined : this.#taken.find((record) => record.place === place)?.call_id;
  }

  /** Looks through all records again. */
  filter() {
    [this.#taken, this.#seen, this.#held] = [[], this.#records.dropped, undefined];
    $("log").scrollTop = 0;
    draw(this);
  }

  pause() {
    this.#isPaused = !this.#isPaused;
    if (this.#isPaused) draw(this);
    else this.#goOn();
  }

  #goOn() {
    [this.#isPaused, this.#held] = [false, undefined];
    $("log").scrollTop = 0;
    draw(this);
  }

  draw() {
    this.#look();
    const isHeld = this.#isPaused || $("log").scrollTop > 0;
    this.#held = isHeld ? (this.#held ?? this.#seen) : undefined;
    let { length } = this.#taken;
    while (isHeld && length > 0 && this.#taken[length - 1].place >= this.#held) length -= 1;
    const news = this.#taken.length - length;
    setText($("log-news"), `${counted(news, "new record")}, go on`);
    $("log-news").hidden = news === 0;
    setAttribute($("log-pause"), "aria-pressed", String(this.#isPaused));
    setText($("log-pause"), this.#isPaused ? "Go on" : "Pause");
    setText($("log-none"), this.#records.all.length ? "No record matches the filter." : "Nothing has been recorded yet.");
    $("log-none").hidden = length > 0;
    this.rows.show({ length, at: (place) => this.#taken[length - 1 - place] });
  }

  /** Takes what is looked for of the records that came since. */
  #look() {
    const { all, dropped } = this.#records;
    for (let n = Math.max(0, this.#seen - dropped); n < all.length; n += 1) {
      all[n].place = dropped + n;
      if (this.#filter.takesRecord(all[n])) this.#taken.push(all[n]);
    }
    this.#seen = dropped + all.length;
    const gone = this.#taken.findIndex((record) => record.place >= dropped);
    if (gone > 0) this.#taken.splice(0, gone);
    if (gone < 0) this.#taken = [];
  }

  #create(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const number = el("button", { className: "link" });
    const tone = el("i");
    const word = el("span");
    const cells = { number, tone, word, time: cell("time") };
    cells.event = cell("event", tone, word);
    cell("number", number);
    for (const name of ["room", "detail"]) cells[name] = cell(name);
    row.addEventListener("click", (event) => {
      if (!row.dataset.id) return;
      if (event.target === number || getSelection().isCollapsed) this.#actions.open(row.dataset.id);
    });
    return cells;
  }

  #fill(cells, record, row) {
    const isGap = record.event === "gap";
    row.dataset.id = record.call_id ?? "";
    const tone = record.outcome ? outcome(record.outcome).tone : EVENTS[record.event] ?? "warn";
    setAttribute(cells.tone, "class", `tone ${tone}`);
    setText(cells.time, record.time ? instantOrDay(record.time) : "");
    setAttribute(cells.time, "title", record.time ? `${moment(record.time)}, record ${record.seq}` : "");
    setText(cells.word, record.event);
    setText(cells.number, record.number ?? "");
    cells.number.hidden = !record.number;
    setText(cells.room, record.room ?? "");
    const text = isGap ? record.text ?? gap(record) : detail(record);
    setText(cells.detail, text);
    setAttribute(cells.detail, "title", text);
    const isOpen = record.call_id && this.#actions.isOpen(record.call_id);
    setAttribute(row, "class", `row${isGap ? " gap" : record.call_id ? "" : " of-daemon"}${isOpen ? " open" : ""}`);
  }
}
