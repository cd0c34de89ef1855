// What is going on, as far as this page knows: calls, records, the link to Asterisk. Data only; views look at it.

/** Ended calls that are kept; the daemon keeps as many. */
const MAX_ENDED = 1000;

/** Older ones, out of the daemon's history, that there is room for. */
const MAX_OLDER = 50_000;

/** Records that are kept. */
export const MAX_RECORDS = 5000;

/** The state that a record brings its call to; the moment has the state's name. */
const STEPS = {
  "call.requested": "requested",
  "call.queued": "queued",
  "call.ringing": "ringing",
  "call.answered": "answered",
  "call.joined": "joined",
  "call.left": "left",
  "call.ended": "ended",
};

export const MOMENTS = Object.values(STEPS);

/** Members of a record that are not its call's. */
const OF_THE_RECORD = new Set(["seq", "time", "event"]);

/** The calls: live ones by id, in the order of their requests, and those that ended lately, newest last. */
export class Calls {
  live = new Map();
  ended = [];
  /** Those that ended before them, as far as was looked back; newest last, too. */
  older = [];
  /** The cursor of the next page to look back at; `null` if there is none. */
  next;
  /** Live calls that the daemon has, and did not list for want of room. */
  unlisted = 0;

  /** Takes the daemon's list in place of what was known. */
  replace({ live, ended, next, live_total: total }) {
    this.live = new Map(live.reverse().map((call) => [call.call_id, parsed(call)]));
    this.ended = ended.map(parsed).sort((a, b) => a.ended - b.ended);
    this.unlisted = total - live.length;
    this.#forget(next);
  }

  /** Whether one can look further back. */
  get goesOn() {
    return this.next !== null && this.older.length < MAX_OLDER;
  }

  /** Takes a page of the history, and returns its calls that were not known. */
  lookBack({ ended, next }) {
    const known = new Set([...this.ended, ...this.older].map((call) => call.call_id));
    const found = ended.filter((call) => !known.has(call.call_id)).map(parsed);
    this.older = [...found, ...this.older].sort((a, b) => a.ended - b.ended);
    this.next = next;
    return found;
  }

  /** Begins to look back anew, from the newest page on, unless there is but that one. */
  #forget(next) {
    [this.older, this.next] = [[], next && undefined];
  }

  /** Does what a record says. */
  apply(record) {
    const id = record.call_id;
    const step = STEPS[record.event];
    if (record.event === "call.refused") this.live.delete(id);
    if (record.event === "call.adopted" && !this.find(id)) this.live.set(id, adopted(record));
    if (!step) return;
    let call = this.live.get(id);
    if (!call) {
      // Of a call that is not known, a later record says too little.
      if (step !== "requested") return;
      call = { state: step, stale: false };
      this.live.set(id, call);
    }
    for (const [name, value] of Object.entries(record)) if (!OF_THE_RECORD.has(name)) call[name] = value;
    call.state = step;
    call[step] ??= record.time;
    if (step !== "ended") return;
    this.live.delete(id);
    this.ended.push(call);
    if (this.ended.length <= MAX_ENDED) return;
    const passed = this.ended.splice(0, this.ended.length - MAX_ENDED);
    if (this.older.length) this.older.push(...passed);
    if (!this.older.length || this.older.length > 2 * MAX_OLDER) this.#forget();
  }

  /** The call of this id, live or ended. */
  find(id) {
    const isIt = (call) => call.call_id === id;
    return this.live.get(id) ?? this.ended.findLast(isIt) ?? this.older.findLast(isIt);
  }
}

/** A call of the daemon's list, with its times as milliseconds. */
export function parsed(call) {
  for (const name of MOMENTS) call[name] = call[name] ? Date.parse(call[name]) : undefined;
  return call;
}

/** A call that this run of the daemon has taken over, as the record of that tells it. */
export function adopted(record) {
  const members = Object.entries(record).filter(([name]) => !OF_THE_RECORD.has(name));
  return parsed({ ...Object.fromEntries(members), stale: false });
}

/** The newest records and gaps, oldest first. */
export class Records {
  all = [];
  /** How many came before the first of `all`. */
  dropped = 0;

  /** Takes in one more. Older ones go a few hundred at a time: to move the rest for each would cost more. */
  add(record) {
    this.all.push(record);
    if (this.all.length < MAX_RECORDS + 500) return;
    this.dropped += 500;
    this.all.splice(0, 500);
  }

  /** Those of one call. */
  of(id) {
    return this.all.filter((record) => record.call_id === id);
  }
}

/** The daemon's link to Asterisk, and whether it makes calls: an Asterisk that stops gracefully refuses them, and is linked. */
export class Link {
  /** Each `undefined` until it is known. */
  isReady;
  isUp;
  since;
  reason = "";
  asterisk = "";

  /** What the daemon says of itself: ready, or why not. */
  report(reason) {
    [this.isReady, this.reason] = [reason === undefined, reason ?? ""];
    if (this.isReady && !this.isUp) [this.isUp, this.since] = [true, undefined];
  }

  /** What the daemon says now of the link, for what the records here do not reach back to. */
  recall(link) {
    const since = link && Date.parse(link.since);
    // A record that came meanwhile is newer.
    if (!link || since < this.since) return;
    [this.isUp, this.since, this.asterisk] = [link.connected, since, link.asterisk];
  }

  /** What a record says. */
  apply(record) {
    if (record.event === "daemon.stopping") [this.isReady, this.reason] = [false, "the daemon is stopping"];
    if (record.event !== "ami.connected" && record.event !== "ami.disconnected") return;
    const isUp = record.event === "ami.connected";
    // A link that comes up is a new one. Of one that is down, each further try to get it back is recorded, too.
    if (isUp || this.isUp !== false || !this.since) this.since = record.time;
    [this.isReady, this.isUp, this.reason, this.asterisk] = [isUp, isUp, record.reason ?? "", record.asterisk];
  }
}
