// The view of rooms: live rooms and past conferences, and the details of one.

import { initAsk } from "./ask.js";
import { ConferenceDetail } from "./conference-detail.js";
import { ConferencesTable } from "./conferences-table.js";
import { $, draw, setAttribute } from "./dom.js";
import { onNavigate, params, setParams } from "./navigation.js";
import { RoomControls } from "./room-controls.js";
import { RoomDetail } from "./room-detail.js";
import { RoomStore } from "./rooms-data.js";
import { RoomsTable } from "./rooms-table.js";

export class RoomsView {
  #store;
  #isShown = false;
  /** Whether past conferences are shown instead of live rooms. */
  #isPast = false;

  /** `mayChange` is false for a key that may only watch. `actions` are those of dashboard.js. */
  constructor(calls, filter, actions, mayChange) {
    const store = new RoomStore({ changed: () => draw(this.rooms, this.room), ended: actions.ended });
    this.#store = store;
    const controls = mayChange ? new RoomControls(store, () => draw(this.room)) : undefined;
    const own = {
      ...actions,
      isConferenceOpen: (id) => this.conference?.id === id,
      selectionChanged: () => { if (this.rooms) draw(this.rooms, this.conferences); },
      hasHistory: () => calls.history !== "off",
      openConference: (id) => this.conference.open(id),
    };
    this.rooms = new RoomsTable(store, calls, filter, own);
    this.conferences = new ConferencesTable(filter, own);
    this.room = new RoomDetail(store, controls, own);
    this.conference = new ConferenceDetail(own);
    initAsk();
    $("show-rooms").addEventListener("click", () => this.show("live"));
    $("show-conferences").addEventListener("click", () => this.show("ended"));
    onNavigate((given) => this.#switchTo(given.get("rooms") === "past"));
    this.#switchTo(params().get("rooms") === "past");
  }

  /** The table that is shown. */
  get table() {
    return (this.#isPast ? this.conferences : this.rooms).table;
  }

  /** Whether this view is shown, and has to be kept fresh. */
  setShown(isShown) {
    this.#isShown = isShown;
    this.#update();
  }

  /** Shows the `live` rooms or the conferences that have `ended`. */
  show(which) {
    setParams(which === "ended" ? { rooms: "past" } : {}, ["rooms"], { isStep: true });
    this.#switchTo(which === "ended");
  }

  #switchTo(isPast) {
    this.#isPast = isPast;
    setAttribute($("show-rooms"), "aria-pressed", String(!isPast));
    setAttribute($("show-conferences"), "aria-pressed", String(isPast));
    $("rooms").hidden = isPast;
    $("conferences").hidden = !isPast;
    $("conferences-older").hidden = true;
    this.#update();
  }

  #update() {
    this.rooms.isShown = this.#isShown && !this.#isPast;
    this.conferences.isShown = this.#isShown && this.#isPast;
    this.#store.showList(this.#isShown);
    draw(this.rooms, this.conferences);
  }

  applyFilter() {
    this.conferences.applyFilter();
    draw(this.rooms);
  }

  /** Reads everything again, because records may be missing. */
  refresh() {
    this.#store.refresh();
  }

  apply(record) {
    this.#store.apply(record);
    this.conferences.apply(record);
    this.conference.apply(record);
  }

  /** Closes what covers the other details: the story first; returns whether anything was open. */
  closeTop() {
    const open = this.conference.id ? this.conference : this.room.isOpen ? this.room : undefined;
    open?.close();
    return open !== undefined;
  }

  close() {
    this.conference.close();
    this.room.close();
  }
}
