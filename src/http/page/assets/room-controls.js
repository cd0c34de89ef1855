// An operator's actions on a room and its participants.

import { fetchJson } from "./api.js";
import { ask } from "./ask.js";
import { announce, visible } from "./dom.js";
import { plural } from "./labels.js";
import { folded, participantPath, roomPath } from "./rooms-data.js";

export class RoomControls {
  /** Why the last request failed. */
  error = "";
  #store;
  #changed;
  /** Paths of the requests that the daemon has not answered yet. */
  #pending = new Set();

  /** `changed` is called when a request is sent and when it is answered. */
  constructor(store, changed) {
    [this.#store, this.#changed] = [store, changed];
  }

  /** Whether the daemon has not answered a request about this room yet. */
  isRoomPending = (name) => this.#pending.has(roomPath(name));

  /** Whether the daemon has not answered a request about this participant yet. */
  isPending = ({ room, id }) => this.#pending.has(participantPath(room, id));

  clearError() {
    this.error = "";
  }

  lock(name, locked) {
    const failure = `Could not ${locked ? "lock" : "unlock"} the room`;
    return this.#change(roomPath(name), { locked }, failure, `${name} is ${locked ? "locked" : "unlocked"}.`);
  }

  muteAll(name, muted) {
    const failure = `Could not ${muted ? "mute" : "unmute"} the room`;
    return this.#change(roomPath(name), { muted }, failure, `${name} is ${muted ? "muted" : "unmuted"}.`);
  }

  mute(participant, muted) {
    const path = participantPath(participant.room, participant.id);
    const failure = `Could not ${muted ? "mute" : "unmute"} ${participant.caller_id}`;
    return this.#change(path, { muted }, failure, `${participant.caller_id} is ${muted ? "muted" : "unmuted"}.`);
  }

  end({ room, participant_count: count }) {
    ask({
      title: `End ${room} for everybody?`,
      text: `Asterisk takes ${plural(count, "participant")} out of the room and hangs up.`,
      button: "End for everybody",
      failure: "Could not end the room",
      focusAfter: "room-name",
      send: () => this.#delete(roomPath(room), `${room} was ended.`),
    });
  }

  kick({ room, id, caller_id: name }) {
    ask({
      title: `Kick ${name}?`,
      text: `Asterisk takes ${name} out of ${room} and hangs up.`,
      button: "Kick",
      failure: `Could not kick ${name}`,
      focusAfter: "people",
      send: () => this.#delete(participantPath(room, id), `${name} was kicked.`),
    });
  }

  move({ room, id, caller_id: name }) {
    const others = this.#store.rooms.filter((other) => other.live && folded(other.room) !== folded(room));
    ask({
      title: `Move ${name}`,
      text: `From ${room} to another room.`,
      button: "Move",
      // A name with characters that show nothing could look like another one.
      rooms: others.map((other) => other.room).filter((other) => visible(other) === other),
      failure: `Could not move ${name}`,
      focusAfter: "people",
      send: async (target) => {
        await fetchJson(participantPath(room, id), { method: "PATCH", body: { room: target } });
        this.#finish(`${name} was moved to ${target}.`);
      },
    });
  }

  async #delete(path, success) {
    await fetchJson(path, { method: "DELETE" });
    this.#finish(success);
  }

  #finish(success) {
    announce(success);
    this.#store.applyAnswer();
  }

  async #change(path, body, failure, success) {
    if (this.#pending.has(path)) return;
    this.#pending.add(path);
    this.error = "";
    this.#changed();
    try {
      const answer = await fetchJson(path, { method: "PATCH", body });
      announce(success);
      this.#store.applyAnswer(answer.participants && answer);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.error = `${failure}: ${error.message}.`;
    }
    this.#pending.delete(path);
    this.#changed();
  }
}
