// The story of one conference: who came and when, who never did, and everything that happened.

import { fetchJson } from "./api.js";
import { $, draw, el, setAttribute, setText } from "./dom.js";
import { plural } from "./labels.js";
import { onNavigate, params, removeParams, setParams } from "./navigation.js";
import { Refresher } from "./refresher.js";
import { isSameRoom } from "./rooms-data.js";
import { eventsOf, visitorsOf } from "./story.js";
import { columnTime, dateTime, duration, now } from "./time.js";
import { VirtualTable } from "./virtual-table.js";

export class ConferenceDetail {
  /** The id of the conference that is shown. */
  id;
  #actions;
  #conference;
  #visitors = [];
  #events = [];
  #error = "";
  /** `people` or `events`. */
  #shown = "people";
  #fresh = new Refresher(() => this.#read());
  /** The element that gets the focus back when the story is closed. */
  #opener;

  constructor(actions) {
    this.#actions = actions;
    const table = (name, create, fill) => new VirtualTable($(name), $(`${name}-body`), { key: ({ key }) => key, create, fill });
    const createRow = (parts) => (row) => this.#createRow(row, parts);
    this.visitors = table("visitors", createRow(["number", "time", "stay", "detail"]), (cells, visitor, row) => this.#fillVisitor(cells, visitor, row));
    this.events = table("events", createRow(["detail"]), (cells, event, row) => this.#fillEvent(cells, event, row));
    $("story-close").addEventListener("click", () => this.close());
    $("story-same-room").addEventListener("click", () => actions.filterBy("room", this.#conference.room));
    for (const name of ["people", "events"]) {
      $(`story-${name}`).addEventListener("click", () => { this.#shown = name; draw(this); });
    }
    onNavigate((given) => this.#readParams(given));
    this.#readParams(params());
  }

  #readParams(given) {
    const id = given.get("conference");
    if (id && id !== this.id) this.#show(id);
    if (!id) this.#hide();
  }

  open(id) {
    setParams({ conference: id }, ["conference"], { isStep: !this.id });
    this.#show(id);
  }

  #show(id) {
    this.#opener = this.id ? this.#opener : document.activeElement;
    [this.id, this.#conference, this.#visitors, this.#events, this.#error] = [id, undefined, [], [], ""];
    $("story").hidden = false;
    $("story-room").focus();
    draw(this);
    this.#actions.selectionChanged();
    this.#fresh.soon();
  }

  /** Reads a conference that goes on again after a record of its room. */
  apply({ room, conference = room }) {
    const shown = this.#conference;
    if (shown && !shown.ended && conference && isSameRoom(conference, shown.room)) this.#fresh.soon();
  }

  async #read() {
    const { id } = this;
    if (!id) return;
    try {
      const conference = await fetchJson(`api/conferences/${encodeURIComponent(id)}`);
      if (this.id !== id) return;
      [this.#conference, this.#visitors, this.#events] = [conference, visitorsOf(conference), eventsOf(conference)];
    } catch (error) {
      if (error.status === undefined) throw error;
      if (error.status === 401) this.#actions.ended();
      if (this.id !== id) return;
      this.#error = error.status === 404 ? "originatord has no such conference." : `Could not load the conference: ${error.message}.`;
    }
    draw(this);
  }

  close() {
    if (!this.id) return;
    this.#hide();
    removeParams(["conference"]);
  }

  #hide() {
    if (!this.id) return;
    [this.id, this.#conference] = [undefined, undefined];
    $("story").hidden = true;
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#actions.selectionChanged();
  }

  draw() {
    if (!this.id) return;
    const conference = this.#conference;
    setText($("story-room"), conference?.room ?? "Conference");
    setText($("story-summary"), conference ? summary(conference) : this.#error || "Loading …");
    $("story-same-room").hidden = !conference;
    for (const name of ["people", "events"]) setAttribute($(`story-${name}`), "aria-pressed", String(name === this.#shown));
    $("visitors").hidden = !conference || this.#shown !== "people";
    $("events").hidden = !conference || this.#shown !== "events";
    if (this.#shown === "people") this.visitors.show(this.#visitors);
    else this.events.show(this.#events);
  }

  /** A row with a time or tone first, a name, and these further cells. */
  #createRow(row, parts) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const cells = { link: el("button", { className: "link" }), name: el("span") };
    if (!parts.includes("time")) cells.time = cell("time");
    cells.nameCell = cell("name", cells.link, cells.name);
    for (const part of parts) cells[part] = cell(part);
    row.addEventListener("click", ({ target }) => {
      if (row.dataset.id && (target === cells.link || getSelection().isCollapsed)) this.#actions.open(row.dataset.id);
    });
    return cells;
  }

  /** Only calls have details, so only their names are links. */
  #fillName(cells, row, { name, call }) {
    row.dataset.id = call ?? "";
    for (const part of [cells.link, cells.name]) setText(part, name);
    setAttribute(cells.nameCell, "title", name);
    cells.link.hidden = !call;
    cells.name.hidden = Boolean(call);
    setAttribute(row, "class", `row${call && this.#actions.isOpen(call) ? " open" : ""}`);
  }

  #fillVisitor(cells, visitor, row) {
    this.#fillName(cells, row, visitor);
    setText(cells.number, visitor.number);
    setText(cells.time, visitor.came ? columnTime(visitor.came) : "");
    setAttribute(cells.time, "title", visitor.came ? dateTime(visitor.came) : "");
    setText(cells.stay, visitor.stayed);
    setText(cells.detail, visitor.detail);
    setAttribute(cells.detail, "title", visitor.detail);
  }

  #fillEvent(cells, event, row) {
    this.#fillName(cells, row, { name: event.who, call: event.call });
    setText(cells.time, columnTime(event.time));
    setAttribute(cells.time, "title", dateTime(event.time));
    setText(cells.detail, event.what);
    setAttribute(cells.detail, "title", event.what);
  }
}

function summary({ started, ended, ended_by: by, participants, invited, most_at_once: most }) {
  const [from, to] = [started && Date.parse(started), ended && Date.parse(ended)];
  const length = from ? duration((to || now()) - from) : "";
  const time = !from ? "" : to ? `From ${dateTime(from)} to ${dateTime(to)}, ${length}.` : `Since ${dateTime(from)}, ${length} so far.`;
  return [
    time,
    `${plural(participants.length, "participant")}${most == null ? "" : `, at most ${most} at once`}.`,
    invited.length ? `${plural(invited.length, "invited call")} did not come.` : "",
    by ? `Ended by ${by}.` : "",
  ].filter(Boolean).join(" ");
}
