// Searches the daemon's history for ended calls that the page has not loaded.

import { ApiError, fetchJson } from "./api.js";
import { parseCall } from "./model.js";

/** Pause in typing after which the page asks the daemon, in ms. */
const TYPING_PAUSE = 300;

/** Most matches that are kept. */
const MAX_MATCHES = 1000;

/** Digits that can be a whole number. */
const WHOLE_NUMBER = /^\d{3,15}$/;

export class HistorySearch {
  /** Calls that match the filter. */
  matches = [];
  /** Whether the whole history has been searched. */
  isComplete = false;
  /** Whether the daemon was asked for exactly what the filter says: this number, this room. */
  isExact = false;
  /** Request time of the oldest call that was searched, in ms of Unix time. */
  searchedTo;
  isRunning = false;
  /** Why the search failed. */
  error;
  #filter;
  #changed;
  #timer;
  /** Counts the searches; one that has been replaced by a newer one stops. */
  #generation = 0;

  /** `changed` is called whenever one of the properties changes. */
  constructor(filter, changed) {
    [this.#filter, this.#changed] = [filter, changed];
  }

  /**
   * Starts again with the present filter. The daemon has indexes for whole numbers and rooms, so it
   * is asked at once.
   */
  restart() {
    clearTimeout(this.#timer);
    this.#generation += 1;
    Object.assign(this, { matches: [], isComplete: false, isExact: false, isRunning: false });
    [this.searchedTo, this.error] = [undefined, undefined];
    if (this.#filter.selectsCalls) this.#timer = setTimeout(() => this.#searchExact(), TYPING_PAUSE);
  }

  /** Reads the whole history page by page, and keeps the calls that match the filter. */
  async searchAll() {
    const generation = this.#begin();
    const outcome = this.#filter.outcome ? { outcome: this.#filter.outcome } : {};
    try {
      for (let cursor = {}; cursor; ) {
        const { ended, next } = await fetchPage({ ...outcome, ...cursor });
        if (generation !== this.#generation) return;
        this.#keep(ended.filter((call) => this.#filter.matchesCall(call)));
        this.searchedTo = ended.at(-1)?.requested ?? this.searchedTo;
        cursor = next && { cursor: next };
        this.isComplete = !next;
        this.#changed();
        if (this.matches.length >= MAX_MATCHES) break;
      }
    } catch (error) {
      this.#fail(error, generation);
    }
    this.#finish(generation);
  }

  async #searchExact() {
    const { number, outcome } = this.#filter;
    const room = this.#filter.typed("room");
    if (number && !WHOLE_NUMBER.test(number)) return;
    const generation = this.#begin();
    try {
      const criteria = Object.entries({ number, room, outcome }).filter(([, value]) => value);
      const { ended } = await fetchPage(Object.fromEntries(criteria));
      if (generation !== this.#generation) return;
      this.#keep(ended);
      this.isExact = true;
    } catch (error) {
      // A part of a room's name is not always a valid name.
      if (error.status !== 400) this.#fail(error, generation);
    }
    this.#finish(generation);
  }

  /** Removes a match that the daemon no longer has. */
  forget(id) {
    this.matches = this.matches.filter((call) => call.call_id !== id);
  }

  #begin() {
    [this.isRunning, this.error] = [true, undefined];
    this.#changed();
    return this.#generation;
  }

  #finish(generation) {
    if (generation !== this.#generation) return;
    this.isRunning = false;
    this.#changed();
  }

  #keep(calls) {
    const known = new Set(this.matches.map((call) => call.call_id));
    this.matches.push(...calls.filter((call) => !known.has(call.call_id)));
    this.matches.length = Math.min(this.matches.length, MAX_MATCHES);
  }

  #fail(error, generation) {
    if (!(error instanceof ApiError)) throw error;
    if (generation === this.#generation) this.error = `The search failed: ${error.message}.`;
  }
}

/** A page of ended calls. */
async function fetchPage(criteria) {
  const { ended, next } = await fetchJson(`api/calls?${new URLSearchParams({ live: 0, limit: 1000, ...criteria })}`);
  return { ended: ended.map(parseCall), next };
}
