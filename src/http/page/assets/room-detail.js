// One room: who is in it, who is invited, and what an operator can do about it.

import { $, announce, draw, el, setAttribute, setText } from "./dom.js";
import { isHangingUp } from "./hangup.js";
import { endOf, plural, stateOf } from "./labels.js";
import { onNavigate, params, removeParams, setParams } from "./navigation.js";
import { isLocked, isMuted, participantState, roomWords } from "./room-labels.js";
import { dateTime, duration, now } from "./time.js";
import { VirtualTable } from "./virtual-table.js";

export class RoomDetail {
  #store;
  #controls;
  #actions;
  /** The id of the conference in the room, and of the last one that the page has seen there. */
  #live;
  #conference;
  /** The element that gets the focus back when the room is closed. */
  #opener;

  /** `controls` is `undefined` for a key that may only watch. */
  constructor(store, controls, actions) {
    [this.#store, this.#controls, this.#actions] = [store, controls, actions];
    this.table = new VirtualTable($("people"), $("people-body"), {
      key: (person) => person.id ?? person.call_id,
      create: (row) => this.#createRow(row),
      fill: (cells, person, row) => this.#fillRow(cells, person, row),
    });
    $("room-close").addEventListener("click", () => this.close());
    $("room-story").addEventListener("click", () => actions.openConference(this.#conference));
    const onClick = (id, act) => $(id).addEventListener("click", () => { if (this.#room) act(this.#room); });
    onClick("room-lock", (room) => controls?.lock(room.room, !isLocked(room)));
    onClick("room-mute", (room) => controls?.muteAll(room.room, !isMuted(room)));
    onClick("room-end", (room) => controls?.end(room));
    for (const name of ["lock", "mute", "end"]) $(`room-${name}`).hidden = !controls;
    if (!controls) $("people").classList.add("watch");
    // The table shows how long everybody has been there.
    setInterval(() => { if (this.isOpen && !document.hidden) draw(this); }, 1000);
    onNavigate((given) => this.#readParams(given));
    this.#readParams(params());
  }

  get isOpen() {
    return this.#store.name !== undefined;
  }

  get #room() {
    return this.#store.isGone ? undefined : this.#store.room;
  }

  #readParams(given) {
    const name = given.get("in");
    if (name && name !== this.#store.name) this.#show(name);
    if (!name) this.#hide();
  }

  open(name) {
    setParams({ in: name }, ["in"], { isStep: !this.isOpen });
    this.#show(name);
  }

  #show(name) {
    this.#opener = this.isOpen ? this.#opener : document.activeElement;
    [this.#live, this.#conference] = [undefined, undefined];
    this.#controls?.clearError();
    this.#store.open(name);
    $("room").hidden = false;
    $("dashboard").classList.add("has-room");
    $("people").scrollTop = 0;
    $("room-name").focus();
    draw(this);
    this.#actions.selectionChanged();
  }

  close() {
    if (!this.isOpen) return;
    this.#hide();
    removeParams(["in"]);
  }

  #hide() {
    if (!this.isOpen) return;
    this.#store.open(undefined);
    $("room").hidden = true;
    $("dashboard").classList.remove("has-room");
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#actions.selectionChanged();
  }

  /** Mutes or unmutes the participant of the selected row. */
  muteSelected() {
    const person = this.#selected();
    if (person && !this.#actions.disabledReason()) this.#controls?.mute(person, !person.muted);
  }

  /** Asks whether to kick the participant of the selected row. */
  kickSelected() {
    const person = this.#selected();
    if (person && !this.#actions.disabledReason()) this.#controls?.kick(person);
  }

  #selected() {
    const key = this.table.selectedKey();
    return key === undefined ? undefined : this.#room?.participants.find(({ id }) => id === key);
  }

  draw() {
    if (!this.isOpen) return;
    const room = this.#room;
    const live = room?.conference_id ?? undefined;
    // A new conference in the same room has another id.
    if (this.#live && live !== this.#live) announce("The conference in this room has ended.");
    this.#live = live;
    this.#conference = live ?? this.#conference;
    setText($("room-name"), room?.room ?? this.#store.name);
    this.#drawSummary(room);
    this.#drawControls(room);
    setText($("room-error"), this.#controls?.error ?? "");
    const people = room ? [...room.participants, ...room.invited] : [];
    $("people").hidden = !room;
    this.table.show(people);
  }

  #drawSummary(room) {
    const words = room ? roomWords(room) : [];
    const tone = !room?.live ? "none" : words.length ? "warn" : "good";
    setAttribute($("room-tone"), "class", `tone ${tone}`);
    const state = this.#store.isGone ? "Not live" : !room ? "" : room.live ? "Live" : "Empty";
    setText($("room-state"), [state, ...words].filter(Boolean).join(", "));
    $("room-state").parentElement.hidden = !state;
    setText($("room-summary"), this.#summary(room));
  }

  #summary(room) {
    const { roomError, isGone } = this.#store;
    if (!room) return roomError || (isGone ? "Nobody is in this room, and no lock or mute is kept for it." : "Loading …");
    const started = room.started && Date.parse(room.started);
    return [
      started ? `Since ${dateTime(started)}, for ${duration(now() - started)}.` : "",
      room.live ? `${plural(room.participant_count, "participant")}, ${room.invited.length} invited.`
        : "Nobody is in this room. A lock or mute is kept for it.",
      room.stale ? "There is no link to Asterisk; this may be outdated." : "",
      roomError,
    ].filter(Boolean).join(" ");
  }

  #drawControls(room) {
    const reason = this.#actions.disabledReason();
    const isPending = room !== undefined && this.#controls?.isRoomPending(room.room);
    setText($("room-lock"), room && isLocked(room) ? "Unlock" : "Lock");
    setText($("room-mute"), room && isMuted(room) ? "Unmute all" : "Mute all");
    for (const name of ["lock", "mute", "end"]) setButton($(`room-${name}`), reason, isPending);
    $("room-end").hidden = !this.#controls || !room?.live;
    for (const name of ["lock", "mute"]) $(`room-${name}`).hidden = !this.#controls || !room;
    $("room-story").hidden = !this.#conference || !this.#actions.hasHistory();
    $("room-actions").hidden = [...$("room-actions").children].every((button) => button.hidden);
  }

  #createRow(row) {
    const cell = (name, ...children) => row.appendChild(el("span", { role: "cell", className: name }, ...children));
    const cells = { link: el("button", { className: "link" }), name: el("span"), tone: el("i"), label: el("span") };
    cells.nameCell = cell("name", cells.link, cells.name);
    cells.number = cell("number");
    cells.state = cell("state", cells.tone, cells.label);
    cells.time = cell("time");
    const buttons = { mute: "Mute", move: "Move", kick: "Kick", hangUp: "Hang up" };
    for (const [name, label] of Object.entries(buttons)) cells[name] = el("button", { className: `row-action ${name}` }, label);
    if (this.#controls) cell("act", cells.mute, cells.move, cells.kick, cells.hangUp);
    row.addEventListener("click", ({ target }) => this.#handleClick(row, cells, target));
    return cells;
  }

  #handleClick(row, cells, target) {
    const person = row.person;
    if (target === cells.hangUp) return this.#actions.hangUp?.(person.call_id);
    if (target.classList.contains("row-action")) {
      if (target === cells.mute) this.#controls.mute(person, !person.muted);
      if (target === cells.move) this.#controls.move(person);
      if (target === cells.kick) this.#controls.kick(person);
    } else if (person.call_id && (target === cells.link || getSelection().isCollapsed)) {
      this.#actions.open(person.call_id);
    }
  }

  /** A participant has an `id`; a call that is invited has a `state`. */
  #fillRow(cells, person, row) {
    row.person = person;
    const isIn = person.id !== undefined;
    const isOver = person.state === "ended";
    const { label, tone } = isIn ? participantState(person) : isOver ? endOf(person) : stateOf(person.state);
    setAttribute(cells.tone, "class", `tone ${tone}`);
    setText(cells.label, label);
    setAttribute(cells.state, "title", label);
    for (const part of [cells.link, cells.name]) setText(part, person.caller_id);
    setAttribute(cells.nameCell, "title", person.caller_id);
    // Only calls have details.
    cells.link.hidden = !person.call_id;
    cells.name.hidden = Boolean(person.call_id);
    setText(cells.number, person.number ?? "");
    const since = Date.parse((isIn ? person.joined : person.requested) ?? "");
    const hasTime = !Number.isNaN(since) && !isOver;
    setText(cells.time, hasTime ? duration(now() - since) : "");
    setAttribute(cells.time, "title", hasTime ? `since ${dateTime(since)}` : "");
    this.#fillActions(cells, person, { isIn, isOver });
    const isTalking = isIn && person.talking && !person.muted;
    const isOpen = person.call_id && this.#actions.isOpen(person.call_id);
    setAttribute(row, "class", `row${isIn ? "" : " invited"}${isTalking ? " talking" : ""}${isOpen ? " open" : ""}`);
  }

  #fillActions(cells, person, { isIn, isOver }) {
    if (!this.#controls) return;
    const reason = this.#actions.disabledReason();
    for (const name of ["mute", "move", "kick"]) {
      cells[name].hidden = !isIn;
      setButton(cells[name], reason, isIn && this.#controls.isPending(person));
    }
    cells.hangUp.hidden = isIn || isOver;
    setButton(cells.hangUp, reason, isHangingUp(person.call_id));
    setText(cells.mute, person.muted ? "Unmute" : "Mute");
    for (const name of ["mute", "move", "kick", "hangUp"]) {
      setAttribute(cells[name], "aria-label", `${cells[name].textContent} ${person.caller_id}`);
    }
  }
}

/** A pending button keeps the focus, which a disabled one would lose. */
function setButton(button, disabledReason, isPending = false) {
  button.disabled = Boolean(disabledReason);
  setAttribute(button, "title", disabledReason);
  setAttribute(button, "aria-disabled", String(isPending));
}
