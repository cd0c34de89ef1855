// Looks for ended calls beyond those that the page has: in the daemon's history.

import { ask, Failure } from "./api.js";
import { parsed } from "./model.js";

/** How long nothing is typed until the daemon is asked, in ms. */
const PAUSE = 300;

/** Calls that are kept, newest first found. */
const MAX_FOUND = 1000;

/** Digits that can be a whole number. */
const NUMBER = /^\d{3,15}$/;

export class Search {
  /** Calls that the filter takes, and whether all of the history was searched. */
  found = [];
  isWhole = false;
  /** `false`, or whether the daemon was asked for exactly this filter. */
  isExact = false;
  /** How far back the search has come, in ms of Unix time. */
  until;
  isRunning = false;
  trouble;
  #filter;
  #changed;
  #timer;
  /** The search that counts; one that finds another here ends. */
  #turn = 0;

  constructor(filter, changed) {
    [this.#filter, this.#changed] = [filter, changed];
  }

  /** Begins anew with what the filter looks for now: what can be asked for exactly is asked at once. */
  restart() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    Object.assign(this, { found: [], isWhole: false, isExact: false, until: undefined, isRunning: false, trouble: undefined });
    if (this.#filter.looksForCalls) this.#timer = setTimeout(() => this.#exactly(), PAUSE);
  }

  /** Reads the history page by page, and keeps what the filter takes. */
  async everywhere() {
    const turn = this.#begin();
    const outcome = this.#filter.outcome ? { outcome: this.#filter.outcome } : {};
    try {
      for (let cursor = {}; cursor; ) {
        const { ended, next } = await page({ ...outcome, ...cursor });
        if (turn !== this.#turn) return;
        this.#keep(ended.filter((call) => this.#filter.takesCall(call)));
        this.until = ended.at(-1)?.requested ?? this.until;
        cursor = next && { cursor: next };
        this.isWhole = !next;
        this.#changed();
        if (this.found.length >= MAX_FOUND) break;
      }
    } catch (error) {
      this.#failed(error, turn);
    }
    this.#end(turn);
  }

  /** Asks for calls to exactly this number, with exactly this room. */
  async #exactly() {
    const { number, outcome } = this.#filter;
    const room = this.#filter.typed("room");
    if (number && !NUMBER.test(number)) return;
    const turn = this.#begin();
    try {
      const given = Object.entries({ number, room, outcome }).filter(([, value]) => value);
      const { ended } = await page(Object.fromEntries(given));
      if (turn !== this.#turn) return;
      this.#keep(ended);
      this.isExact = true;
    } catch (error) {
      // Part of a room's name need not be one.
      if (error.status !== 400) this.#failed(error, turn);
    }
    this.#end(turn);
  }

  #begin() {
    [this.isRunning, this.trouble] = [true, undefined];
    this.#changed();
    return this.#turn;
  }

  #end(turn) {
    if (turn !== this.#turn) return;
    this.isRunning = false;
    this.#changed();
  }

  #keep(calls) {
    const known = new Set(this.found.map((call) => call.call_id));
    this.found.push(...calls.filter((call) => !known.has(call.call_id)));
    this.found.length = Math.min(this.found.length, MAX_FOUND);
  }

  #failed(error, turn) {
    if (!(error instanceof Failure)) throw error;
    if (turn === this.#turn) this.trouble = `The history was not searched: ${error.message}.`;
  }
}

/** A page of ended calls, with their times as milliseconds. */
async function page(given) {
  const { ended, next } = await ask(`api/calls?${new URLSearchParams({ live: 0, limit: 1000, ...given })}`);
  return { ended: ended.map(parsed), next };
}
