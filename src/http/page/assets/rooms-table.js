// The table of live rooms, and of those that are empty and have a lock or mute kept for them.

import { $, draw, el, setAttribute, setText } from "./dom.js";
import { plural } from "./labels.js";
import { roomWords } from "./room-labels.js";
import { folded, isSameRoom } from "./rooms-data.js";
import { dateTime, duration, now } from "./time.js";
import { VirtualTable } from "./virtual-table.js";

export class RoomsTable {
  /** Whether this table is shown, not that of past conferences, nor another view. */
  isShown = false;
  #store;
  #calls;
  #filter;
  #actions;

  constructor(store, calls, filter, actions) {
    [this.#store, this.#calls, this.#filter, this.#actions] = [store, calls, filter, actions];
    this.table = new VirtualTable($("rooms"), $("rooms-body"), {
      key: (room) => folded(room.room),
      create: (row) => this.#createRow(row),
      fill: (cells, room, row) => this.#fillRow(cells, room, row),
    });
    // Live rooms show how long they last.
    setInterval(() => { if (!document.hidden && this.isShown) draw(this); }, 1000);
  }

  draw() {
    const { rooms, unlisted } = this.#store;
    setText($("rooms-count"), String(rooms.filter(({ live }) => live).length + unlisted));
    if (!this.isShown) return;
    const shown = this.#matches(rooms);
    setText($("rooms-empty"), this.#emptyText());
    $("rooms-empty").hidden = shown.length > 0;
    setText($("rooms-note"), this.#note());
    $("rooms-note").hidden = !this.#note();
    this.table.show(shown);
  }

  /** The rooms that match the filter. A number selects the rooms of live calls to it. */
  #matches(rooms) {
    if (!this.#filter.number && !this.#filter.room) return rooms;
    const byRoom = new Map();
    if (this.#filter.number) {
      for (const { number, room, conference } of this.#calls.live.values()) {
        const name = folded(conference ?? room);
        byRoom.set(name, [...(byRoom.get(name) ?? []), number]);
      }
    }
    return rooms.filter(({ room }) => this.#filter.matchesRoom(room, byRoom.get(folded(room)) ?? []));
  }

  /** Why the table is empty. */
  #emptyText() {
    const { rooms, isLoaded, error } = this.#store;
    if (!isLoaded) return error ? "" : "Loading …";
    if (!rooms.length) return "No live rooms.";
    const text = `No match in ${plural(rooms.length, "room")}.`;
    return this.#filter.number ? `${text} The numbers of guests are not searched here.` : text;
  }

  #note() {
    const { unlisted, fileState, error } = this.#store;
    const isBroken = fileState !== "ok" && fileState !== "off";
    return [
      error,
      unlisted ? `${plural(unlisted, "more room")} not shown: the daemon lists 10000 at most.` : "",
      isBroken ? `Locks and mutes end with the daemon, because they cannot be saved: ${fileState}.` : "",
    ].filter(Boolean).join(" ");
  }

  #createRow(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const name = el("button", { className: "link" });
    const [tone, label] = [el("i"), el("span")];
    const cells = { name, tone, label };
    cell("room", name);
    cells.state = cell("state", tone, label);
    cells.count = cell("count");
    cells.time = cell("time");
    row.addEventListener("click", (event) => {
      if (event.target === name || getSelection().isCollapsed) this.#actions.openRoom(row.room);
    });
    return cells;
  }

  #fillRow(cells, room, row) {
    row.room = room.room;
    setText(cells.name, room.room);
    setAttribute(cells.name, "title", room.room);
    const words = roomWords(room);
    setAttribute(cells.tone, "class", `tone ${!room.live ? "none" : words.length ? "warn" : "good"}`);
    const state = [room.live ? "" : "empty", ...words].filter(Boolean).join(", ") || "open";
    setText(cells.label, state[0].toUpperCase() + state.slice(1));
    setAttribute(cells.state, "title", state);
    setText(cells.count, String(room.participant_count));
    setAttribute(cells.count, "title", plural(room.participant_count, "participant"));
    const started = room.started && Date.parse(room.started);
    setText(cells.time, started ? `${duration(now() - started)}${room.stale ? "?" : ""}` : "");
    setAttribute(cells.time, "title", started ? `since ${dateTime(started)}` : "");
    const isOpen = this.#store.name !== undefined && isSameRoom(room.room, this.#store.name);
    setAttribute(row, "class", `row${room.stale ? " stale" : ""}${isOpen ? " open" : ""}`);
  }
}
