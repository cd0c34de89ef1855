// Past conferences, as far as the user has loaded them from the daemon's history.

import { ApiError, fetchJson } from "./api.js";

/** How many conferences are loaded at once, and how many are kept. */
const PAGE = 200;
const MAX_KEPT = 20_000;

export class ConferenceList {
  /** Newest first. */
  conferences = [];
  /** Whether the daemon has more that match. */
  hasMore = false;
  /** `ok`, `off`, or what is wrong with the history; `undefined` until a page has arrived. */
  history;
  /** Why the last page could not be loaded. */
  error = "";
  isLoading = false;
  #cursor;
  #criteria;
  #handlers;
  /** Counts the restarts; an answer from before one is dropped. */
  #generation = 0;

  /** `changed` is called when anything changes, and `ended` when the session is over. */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Whether the list is for these criteria: members `room` and `number`. */
  isFor(criteria) {
    const own = this.#criteria;
    return own !== undefined && own.room === criteria.room && own.number === criteria.number;
  }

  /** Starts again with the first page of the conferences that match. */
  restart(criteria) {
    this.#criteria = criteria;
    this.#generation += 1;
    Object.assign(this, { conferences: [], hasMore: false, history: undefined, error: "", isLoading: false });
    this.#cursor = undefined;
    return this.loadMore();
  }

  /** Loads the next page. */
  async loadMore() {
    if (this.isLoading) return;
    await this.#load(this.#cursor, ({ conferences, next }) => {
      this.#add(conferences);
      this.#cursor = next ?? undefined;
      this.hasMore = next !== null && this.conferences.length < MAX_KEPT;
    });
  }

  /** Adds the conferences that began or changed lately, and keeps the others. */
  async refresh() {
    if (this.isLoading || !this.#criteria || this.history === undefined) return;
    await this.#load(undefined, ({ conferences, next }) => {
      const known = new Set(this.conferences.map(({ conference_id: id }) => id));
      // Without a known one among them, some between may be missing.
      if (next !== null && !conferences.some(({ conference_id: id }) => known.has(id))) {
        [this.conferences, this.#cursor, this.hasMore] = [[], next, true];
      }
      this.#add(conferences);
    });
  }

  async #load(cursor, apply) {
    const generation = this.#generation;
    this.isLoading = true;
    this.#handlers.changed();
    const query = new URLSearchParams({ limit: PAGE, ...this.#criteria, ...(cursor && { cursor }) });
    try {
      const page = await fetchJson(`api/conferences?${query}`);
      if (generation !== this.#generation) return;
      apply(page);
      [this.history, this.error] = [page.history, ""];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) this.#handlers.ended();
      if (generation !== this.#generation) return;
      // A part of a room's name is not always a valid name.
      if (error.status === 400 && this.#criteria.room) this.history ??= "ok";
      else this.error = `Could not load the conferences: ${error.message}.`;
    }
    this.isLoading = false;
    this.#handlers.changed();
  }

  #add(conferences) {
    const byId = new Map([...this.conferences, ...conferences].map((conference) => [conference.conference_id, conference]));
    this.conferences = [...byId.values()].sort((a, b) => startOf(b) - startOf(a));
  }
}

/** When a conference began, in ms of Unix time; 0 if nobody knows. */
const startOf = ({ started }) => (started ? Date.parse(started) : 0);
