// One filter for calls and journal. The URL has its fields, so that a reload keeps them.

import { $, el, setText } from "./dom.js";
import { EVENTS, outcomeOf, OUTCOMES } from "./labels.js";
import { onNavigate, params, removeParams, setParams } from "./navigation.js";

const FIELDS = ["number", "room", "outcome", "event"];

export class Filter {
  /** The criteria. An empty one matches everything. */
  number = "";
  room = "";
  outcome = "";
  event = "";
  #form = $("filter");
  #changed;

  /** `changed` is called when the filter changes. */
  constructor(changed) {
    this.#changed = changed;
    for (const [name, { label }] of Object.entries(OUTCOMES)) {
      $("filter-outcome").append(el("option", { value: name }, label));
    }
    for (const name of Object.keys(EVENTS)) $("filter-event").append(el("option", { value: name }, name));
    this.#form.addEventListener("input", () => this.#handleInput());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    // The fields are empty only after the event.
    this.#form.addEventListener("reset", () => setTimeout(() => this.#handleInput()));
    $("filter-summary-clear").addEventListener("click", () => this.clear());
    onNavigate((given) => this.#readParams(given));
    this.#readParams(params());
  }

  /** The text in a field, as the user typed it. */
  typed(name) {
    return this.#form.elements[name].value.trim();
  }

  #readParams(given) {
    for (const name of FIELDS) this.#form.elements[name].value = given.get(name) ?? "";
    this.#readForm();
  }

  /** The first letter typed is a step that Back undoes; clearing the filter goes back. */
  #handleInput() {
    const isStep = !this.isSet;
    this.#readForm();
    const filled = FIELDS.filter((name) => this[name]).map((name) => [name, this.typed(name)]);
    if (this.isSet) setParams(Object.fromEntries(filled), FIELDS, { isStep });
    else removeParams(FIELDS);
  }

  #readForm() {
    for (const name of FIELDS) this[name] = this.typed(name);
    // Numbers are shown as + and digits, however they are typed. A text without a digit matches no
    // number.
    this.number = this.number.replace(/[^\d]/g, "") || this.number;
    this.room = this.room.toLowerCase();
    $("filter-clear").hidden = !this.isSet;
    $("filter-summary").hidden = !this.isSet;
    setText($("filter-summary-text"), this.#summary());
    $("filter-open").classList.toggle("set", this.isSet);
    this.#changed();
  }

  /** Sets one field. */
  set(name, value) {
    this.#form.elements[name].value = value;
    this.#handleInput();
  }

  clear() {
    this.#form.reset();
  }

  get isSet() {
    return FIELDS.some((name) => this[name]);
  }

  /** Whether the filter hides any call; an event selects records only. */
  get selectsCalls() {
    return Boolean(this.number || this.room || this.outcome);
  }

  /** The criteria as one text, for small screens, where the fields are hidden. */
  #summary() {
    const describe = (name) => (name === "outcome" ? outcomeOf(this.outcome).label : `${name} ${this.typed(name)}`);
    return FIELDS.filter((name) => this[name]).map(describe).join(", ");
  }

  /** Whether a call matches. Live calls have no outcome yet, so all outcomes match them. */
  matchesCall(call) {
    return this.#matchesCallee(call) && (!this.outcome || call.state !== "ended" || call.outcome === this.outcome);
  }

  /** Whether a record matches. Gaps always do: matching records may be among the missing ones. */
  matchesRecord(record) {
    if (record.event === "gap") return true;
    if (this.event && record.event !== this.event) return false;
    if (this.outcome && record.outcome !== this.outcome) return false;
    return this.#matchesCallee(record);
  }

  /** Whether a room matches, with calls to these numbers in it. */
  matchesRoom(room, numbers) {
    if (this.number && !numbers.some((number) => containsDigits(number, this.number))) return false;
    return !this.room || room.toLowerCase().includes(this.room);
  }

  /**
   * Whether number and room match. A call may be in another room than it was made for, because a
   * key can move it.
   */
  #matchesCallee({ number = "", room = "", conference, moved_to: target }) {
    if (!containsDigits(number, this.number)) return false;
    return !this.room || [room, conference, target].some((name) => name?.toLowerCase().includes(this.room));
  }
}

/**
 * Whether a number contains these digits. Each `•` of a masked number, as `+7999•••4567`, stands
 * for any digit.
 */
function containsDigits(number, digits) {
  if (!number.includes("•") || /\D/.test(digits)) return number.includes(digits);
  const startsAt = (place) => [...digits].every((digit, n) => [digit, "•"].includes(number[place + n]));
  return [...number].some((_, place) => startsAt(place));
}
