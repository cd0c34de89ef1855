// The live log as it comes: a list of all calls first, then every record since, and so again whenever the stream
// breaks off. What was missed is told by the daemon as a gap.

import { ask, Failure, request } from "./api.js";
import { parsed } from "./model.js";

/** Records from before the page was opened that are asked for. */
const LOOK_BACK = 1000;

/** As many calls as the daemon lists at most. */
const LIST = "api/calls?limit=1000&live=10000";

/** The daemon gives a sign of life every 15 s. */
const SILENCE = 40_000;

/** Pauses between attempts, in ms. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [300, 10_000];

/** An event's id: which run of the daemon, and the record's number in it. */
function position(id) {
  const [boot, seq] = id.split("-");
  return { boot, seq: Number(seq) };
}

export class Stream {
  /** `connecting`, `live` or `lost`. */
  state = "connecting";
  /** When something was heard last. */
  heard = 0;
  #on;
  /** The id of the last event. */
  #last;
  /** What the last list of calls was made after. */
  #known;
  /** Records that come while a list is on its way. */
  #meanwhile = new Set();
  #isBegun = false;
  #runs = false;
  #abort;
  #wake = () => {};

  /**
   * `on` has what is called: `record` for each record and `gap` for each gap, in the log's order; `list` for a list of
   * calls, and `change` for each record that it does not know of; `ready` for what the daemon says of itself; `state`
   * when ours changes; `ends` when the session is over.
   */
  constructor(on) {
    this.#on = on;
    for (const event of ["online", "pageshow"]) addEventListener(event, () => this.#wake());
  }

  /** Follows until the session is over. */
  async run() {
    if (this.#runs) return;
    this.#runs = true;
    let pause = FIRST_PAUSE;
    for (;;) {
      try {
        await this.#list();
        await this.#follow(() => { pause = FIRST_PAUSE; });
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.status === 401) {
          this.#runs = false;
          return this.#on.ends();
        }
      }
      this.#become("lost");
      await this.#wait(pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  /** Lists the calls anew, without a break in the stream. */
  async refresh() {
    await this.#list().catch(() => this.#abort?.abort());
  }

  /** Takes the list of all calls, then what happened while it was on its way. */
  async #list() {
    const meanwhile = [];
    this.#meanwhile.add(meanwhile);
    try {
      const list = await ask(LIST);
      this.#known = position(list.as_of);
      this.#on.list(list);
      for (const record of meanwhile) if (this.#isNews(record)) this.#on.change(record);
    } finally {
      this.#meanwhile.delete(meanwhile);
    }
    this.#on.ready(await ready());
  }

  async #follow(began) {
    const { boot, seq } = this.#known;
    const since = this.#last ?? `${boot}-${Math.max(0, seq - LOOK_BACK)}`;
    this.#abort = new AbortController();
    let watchdog;
    const hear = () => {
      this.heard = Date.now();
      clearTimeout(watchdog);
      watchdog = setTimeout(() => this.#abort.abort(), SILENCE);
    };
    try {
      const response = await request(`api/events?since=${since}`, { signal: this.#abort.signal });
      this.#become("live");
      began();
      hear();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        hear();
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) this.#take(event);
      }
    } catch (error) {
      throw error instanceof Failure ? error : new Failure(0, "the stream broke off");
    } finally {
      clearTimeout(watchdog);
      this.#abort.abort();
    }
  }

  /** One event of the stream: lines `name:value`. */
  #take(event) {
    let data = "";
    let id;
    for (const line of event.split("\n")) {
      if (line.startsWith("data:")) data += line.slice(5);
      if (line.startsWith("id:")) id = line.slice(3);
    }
    if (id) this.#last = id;
    if (!data) return;
    const record = JSON.parse(data);
    const isFirst = !this.#isBegun;
    this.#isBegun = true;
    if (record.event === "gap") {
      this.#on.gap(record, isFirst);
      // The list that the stream began with knows of what is missing, unless it went missing since.
      if (record.to === null || record.to > this.#known.seq) this.refresh();
      return;
    }
    Object.assign(record, { time: Date.parse(record.time), boot: position(id).boot });
    for (const records of this.#meanwhile) records.push(record);
    this.#on.record(record);
    if (this.#isNews(record)) this.#on.change(record);
  }

  /** Whether the list of calls was made before it. */
  #isNews({ boot, seq }) {
    return boot !== this.#known.boot || seq > this.#known.seq;
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#on.state();
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}

/** Why calls cannot be made; `undefined` if they can. */
async function ready() {
  try {
    await ask("readyz");
    return undefined;
  } catch (error) {
    if (error.status === 503) return error.message;
    throw error;
  }
}

/** One call, as the daemon has it; `undefined` if it has it no longer. */
export async function call(id) {
  try {
    return parsed(await ask(`api/calls/${encodeURIComponent(id)}`));
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
}
