// What is looked for: one filter for calls and log. It stands in the page's address.

import { fields, leave, onChange, write } from "./navigation.js";
import { $, el, setText } from "./dom.js";
import { EVENTS, outcome, OUTCOMES } from "./labels.js";

const FIELDS = ["number", "room", "outcome", "event"];

export class Filter {
  number = "";
  room = "";
  outcome = "";
  event = "";
  #form = $("filter");
  #changed;

  /** `changed` is called when something else is looked for. */
  constructor(changed) {
    this.#changed = changed;
    for (const [name, { word }] of Object.entries(OUTCOMES)) $("filter-outcome").append(el("option", { value: name }, word));
    for (const name of Object.keys(EVENTS)) $("filter-event").append(el("option", { value: name }, name));
    this.#form.addEventListener("input", () => this.#input());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("reset", () => setTimeout(() => this.#input()));
    $("filter-drop").addEventListener("click", () => this.clear());
    onChange((address) => this.#take(address));
    this.#take(fields());
  }

  /** What is typed into this field. */
  typed(name) {
    return this.#form.elements[name].value.trim();
  }

  /** Takes what the address says. */
  #take(address) {
    for (const name of FIELDS) this.#form.elements[name].value = address.get(name) ?? "";
    this.#read();
  }

  /** Takes what is typed, and writes it into the address: the first letter is a step, and so is to clear it. */
  #input() {
    const isStep = !this.isSet;
    this.#read();
    const set = FIELDS.filter((name) => this[name]).map((name) => [name, this.typed(name)]);
    if (this.isSet) write(Object.fromEntries(set), FIELDS, isStep);
    else leave(FIELDS);
  }

  #read() {
    for (const name of FIELDS) this[name] = this.typed(name);
    // What has no digit is in no number.
    this.number = this.number.replace(/[^\d]/g, "") || this.number;
    this.room = this.room.toLowerCase();
    $("filter-clear").hidden = !this.isSet;
    $("filtered").hidden = !this.isSet;
    setText($("filter-words"), this.#words());
    $("filter-open").classList.toggle("set", this.isSet);
    this.#changed();
  }

  /** Looks for this room, or number, or whatever. */
  set(name, value) {
    this.#form.elements[name].value = value;
    this.#input();
  }

  clear() {
    this.#form.reset();
  }

  get isSet() {
    return FIELDS.some((name) => this[name]);
  }

  /** Whether it leaves any call out: an event is of the log only. */
  get looksForCalls() {
    return Boolean(this.number || this.room || this.outcome);
  }

  /** What is looked for, in words, for where the fields are not seen. */
  #words() {
    const words = FIELDS.filter((name) => this[name]).map((name) => (name === "outcome" ? outcome(this.outcome).word : `${name} ${this.typed(name)}`));
    return words.join(", ");
  }

  /** Whether a call is looked for. Live ones have no outcome yet. */
  takesCall(call) {
    return this.#takesWho(call) && (!this.outcome || call.state !== "ended" || call.outcome === this.outcome);
  }

  /** Whether a record is looked for. Gaps always are: there may be something of interest in them. */
  takesRecord(record) {
    if (record.event === "gap") return true;
    if (this.event && record.event !== this.event) return false;
    if (this.outcome && record.outcome !== this.outcome) return false;
    return this.#takesWho(record);
  }

  #takesWho({ number = "", room = "" }) {
    return matches(number, this.number) && (!this.room || room.toLowerCase().includes(this.room));
  }
}

/** Whether these digits are in a number. Of one that is shown masked, as `+7999•••4567`, each • may be any digit. */
function matches(number, digits) {
  if (!number.includes("•") || /\D/.test(digits)) return number.includes(digits);
  const isHere = (place) => [...digits].every((digit, n) => [digit, "•"].includes(number[place + n]));
  return [...number].some((_, place) => isHere(place));
}
