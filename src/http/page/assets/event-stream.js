// Follows the daemon: first the list of all calls, then the event stream from there on. When the
// stream breaks off, or has a gap that is newer than the list, the list is fetched again.

import { ApiError, fetchJson, request } from "./api.js";
import { parseCall } from "./model.js";
import { now } from "./time.js";

/** How many records from before the opening of the page are requested. */
const PAST_RECORDS = 1000;

/** The most calls that the daemon lists in one answer. */
const LIST = "api/calls?limit=1000&live=10000";

/**
 * The daemon sends something at least every 15 s. After this long without anything the connection
 * counts as lost, in ms.
 */
const SILENCE = 40_000;

/** Pauses between attempts to connect, in ms. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [300, 10_000];

/** An event's id is `<run>-<seq>`: one start of the daemon, and the number of the record. */
function parseId(id) {
  const [run, seq] = id.split("-");
  return { run, seq: Number(seq) };
}

export class EventStream {
  /** `connecting`, `live` or `lost`. */
  state = "connecting";
  /** When something was received last, in ms of Unix time; 0 if nothing was. */
  lastReceived = 0;
  #handlers;
  /** The id of the last event. */
  #lastId;
  /** The position in the stream that the last list of calls was made at. */
  #listPosition;
  /** Records that arrive while a list is on its way: one array for each list. */
  #duringList = new Set();
  #hasBegun = false;
  #isRunning = false;
  #abort;
  #wake = () => {};

  /**
   * `handlers` are: `record` for each record and `gap` for each gap, in order; `list` for a list of
   * calls, and `change` for each record that is newer than it; `ready` with the answer of
   * `/readyz`; `state` when `state` changes; `ended` when the session is over.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    for (const event of ["online", "pageshow"]) addEventListener(event, () => this.#wake());
  }

  /** Follows the daemon until the session is over. */
  async run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    let pause = FIRST_PAUSE;
    for (;;) {
      try {
        await this.#list();
        await this.#follow(() => { pause = FIRST_PAUSE; });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401) {
          this.#isRunning = false;
          return this.#handlers.ended();
        }
      }
      this.#setState("lost");
      // Jitter, so that the pages of many operators do not come back all at once.
      await this.#sleep(pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  /** Fetches the list again while the stream goes on. */
  async refresh() {
    await this.#list().catch(() => this.#abort?.abort());
  }

  async #list() {
    const duringList = [];
    this.#duringList.add(duringList);
    try {
      const list = await fetchJson(LIST);
      this.#listPosition = parseId(list.as_of);
      this.#handlers.list(list);
      for (const record of duringList) if (this.#isNewerThanList(record)) this.#handlers.change(record);
    } finally {
      this.#duringList.delete(duringList);
    }
    this.#handlers.ready(await notReadyReason());
  }

  async #follow(connected) {
    const { run, seq } = this.#listPosition;
    const since = this.#lastId ?? `${run}-${Math.max(0, seq - PAST_RECORDS)}`;
    this.#abort = new AbortController();
    let watchdog;
    const received = () => {
      this.lastReceived = now();
      clearTimeout(watchdog);
      watchdog = setTimeout(() => this.#abort.abort(), SILENCE);
    };
    try {
      const response = await request(`api/events?since=${since}`, { signal: this.#abort.signal });
      this.#setState("live");
      connected();
      received();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        received();
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) this.#handleEvent(event);
      }
    } catch (error) {
      throw error instanceof ApiError ? error : new ApiError(0, "the stream was cut off");
    } finally {
      clearTimeout(watchdog);
      this.#abort.abort();
    }
  }

  /** Handles one server-sent event: lines `name:value`. */
  #handleEvent(event) {
    let data = "";
    let id;
    for (const line of event.split("\n")) {
      if (line.startsWith("data:")) data += line.slice(5);
      if (line.startsWith("id:")) id = line.slice(3);
    }
    if (id) this.#lastId = id;
    if (!data) return;
    const record = JSON.parse(data);
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    if (record.event === "gap") {
      this.#handlers.gap({ ...record, isFirst });
      // The list has the state after every record that is older than it.
      if (record.to === null || record.to > this.#listPosition.seq) this.refresh();
      return;
    }
    Object.assign(record, { time: Date.parse(record.time), run: parseId(id).run });
    for (const records of this.#duringList) records.push(record);
    this.#handlers.record(record);
    if (this.#isNewerThanList(record)) this.#handlers.change(record);
  }

  #isNewerThanList({ run, seq }) {
    return run !== this.#listPosition.run || seq > this.#listPosition.seq;
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#handlers.state();
  }

  /** Sleeps; ends early when the network is back or the page is shown again. */
  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}

/** Why calls cannot be made; `undefined` if they can. */
async function notReadyReason() {
  try {
    await fetchJson("readyz");
    return undefined;
  } catch (error) {
    if (error.status === 503) return error.message;
    throw error;
  }
}

/** Fetches one call; `undefined` if the daemon does not have it. */
export async function fetchCall(id) {
  try {
    return parseCall(await fetchJson(`api/calls/${encodeURIComponent(id)}`));
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
}
