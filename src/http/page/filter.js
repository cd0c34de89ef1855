// What is looked for: one filter for calls and log. It stands in the page's address, so that a reload keeps it and
// it can be passed on.

import { $, el } from "./dom.js";
import { EVENTS, OUTCOMES } from "./words.js";

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
    const fields = new URLSearchParams(location.hash.slice(1));
    for (const name of FIELDS) this.#form.elements[name].value = fields.get(name) ?? "";
    this.#form.addEventListener("input", () => this.#read());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("reset", () => setTimeout(() => this.#read()));
    this.#read();
  }

  #read() {
    for (const name of FIELDS) this[name] = this.#form.elements[name].value.trim();
    // What has no digit is in no number.
    this.number = this.number.replace(/[^\d]/g, "") || this.number;
    this.room = this.room.toLowerCase();
    $("filter-clear").hidden = !this.isSet;
    const fields = FIELDS.filter((name) => this[name]).map((name) => [name, this.#form.elements[name].value.trim()]);
    setAddress(Object.fromEntries(fields), FIELDS);
    this.#changed();
  }

  /** Looks for this room, or number, or whatever. */
  set(name, value) {
    this.#form.elements[name].value = value;
    this.#read();
  }

  clear() {
    this.#form.reset();
  }

  get isSet() {
    return FIELDS.some((name) => this[name]);
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

/** Writes these fields into the address; those of `names` that are not given leave it. */
export function setAddress(fields, names) {
  const address = new URLSearchParams(location.hash.slice(1));
  for (const name of names) address.delete(name);
  for (const [name, value] of Object.entries(fields)) address.set(name, value);
  const hash = address.toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}
