// The live rooms, and the room that the user looks at, as the daemon shows them. Records tell the
// page when to read them again, and never what is in them.

import { ApiError, fetchJson } from "./api.js";
import { Refresher } from "./refresher.js";

/** The most rooms that the daemon lists in one answer. */
const LIST = "api/rooms?limit=10000";

/** Reads again without a record: a lock or mute that the daemon no longer keeps makes none, in ms. */
const IDLE_INTERVAL = 30_000;

/** How often an open room is read where talk detection is on, in ms. */
const TALK_INTERVAL = 2000;

/** Records that change the list of rooms: who is in which, and what is locked or muted. */
const LIST_EVENTS = /^(room\.|ami\.|guest\.(joined|left)|call\.(joined|left|kicked|moved))/;

/** The path of a room in the API. */
export const roomPath = (name) => `api/rooms/${encodeURIComponent(name)}`;

/** The path of a participant in the API. */
export const participantPath = (room, id) => `${roomPath(room)}/participants/${encodeURIComponent(id)}`;

/** Whether two names mean the same room: ConfBridge ignores the case of ASCII letters. */
export const isSameRoom = (one, other) => folded(one) === folded(other);

/** A name in the form in which equal rooms have equal names. */
export const folded = (name = "") => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

export class RoomStore {
  /** The live rooms, and those that a lock or mute is kept for, by name. */
  rooms = [];
  /** Number of rooms that the daemon did not list because there are too many. */
  unlisted = 0;
  /** `ok`, `off`, or what is wrong with the file that has the kept locks and mutes. */
  fileState = "ok";
  /** Whether a list has arrived. */
  isLoaded = false;
  /** Why the list could not be read. */
  error = "";
  /** Name of the open room. */
  name;
  /** The open room with its participants; `undefined` until it has been read. */
  room;
  /** Whether the open room is over and nothing is kept for it. */
  isGone = false;
  /** Why the open room could not be read. */
  roomError = "";
  #handlers;
  #isListShown = false;
  #list = new Refresher(() => this.#readList());
  #detail = new Refresher(() => this.#readRoom());
  /** Counts the answers to changes, which are newer than a read that began before. */
  #changes = 0;

  /** `changed` is called when anything changes, and `ended` when the session is over. */
  constructor(handlers) {
    this.#handlers = handlers;
    setInterval(() => this.refresh(), IDLE_INTERVAL);
    setInterval(() => { if (this.#hasTalkDetection) this.#detail.soon(); }, TALK_INTERVAL);
  }

  /** Whether the list is shown, and has to be kept fresh. */
  showList(isShown) {
    if (isShown && !this.#isListShown) this.#list.soon();
    this.#isListShown = isShown;
  }

  /** Opens a room; `undefined` closes it. */
  open(name) {
    Object.assign(this, { name, room: undefined, isGone: false, roomError: "" });
    if (name !== undefined) this.#detail.soon();
  }

  /** Reads again what is shown. */
  refresh() {
    if (this.#isListShown) this.#list.soon();
    if (this.name !== undefined) this.#detail.soon();
  }

  /** Reads again what a record may have changed. */
  apply(record) {
    if (this.#isListShown && LIST_EVENTS.test(record.event)) this.#list.soon();
    if (this.name !== undefined && this.#concernsRoom(record)) this.#detail.soon();
  }

  /** Applies the daemon's answer to a change of the open room. */
  applyAnswer(room) {
    this.#changes += 1;
    if (room && this.name !== undefined && isSameRoom(room.room, this.name)) {
      Object.assign(this, { room, isGone: false, roomError: "" });
    }
    this.#handlers.changed();
    this.refresh();
  }

  get #hasTalkDetection() {
    return this.room?.participants.some(({ talking }) => talking !== null);
  }

  #concernsRoom({ event, room, conference, moved_to: target }) {
    if (event.startsWith("ami.")) return true;
    return [room, conference, target].some((name) => name !== undefined && isSameRoom(name, this.name));
  }

  async #readList() {
    try {
      const { rooms, total, state } = await fetchJson(LIST);
      Object.assign(this, { rooms, unlisted: total - rooms.length, fileState: state, isLoaded: true, error: "" });
    } catch (error) {
      this.error = `Could not load the rooms: ${this.#failure(error)}.`;
    }
    this.#handlers.changed();
  }

  async #readRoom() {
    const { name } = this;
    if (name === undefined) return;
    const changes = this.#changes;
    let read;
    try {
      read = { room: await fetchJson(roomPath(name)), isGone: false, roomError: "" };
    } catch (error) {
      if (error.status === 404) read = { isGone: true, roomError: "" };
      else read = { roomError: `Could not load the room: ${this.#failure(error)}.` };
    }
    if (name !== this.name) return;
    // The answer to a change has arrived meanwhile, and is newer.
    if (changes !== this.#changes) return this.#detail.soon();
    Object.assign(this, read);
    this.#handlers.changed();
  }

  /** Why a request failed. */
  #failure(error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) this.#handlers.ended();
    return error.message;
  }
}
