// The page's data about calls, records and the link to Asterisk. The views read it.

/**
 * Ended calls kept from the list and the event stream: as many as a daemon without a history keeps.
 */
const MAX_ENDED = 1000;

/** Older ended calls kept from the history. */
const MAX_OLDER = 50_000;

/**
 * Records kept. The store grows by up to `TRIM` more, then drops the oldest `TRIM` at once, because
 * moving the array for each record would cost more.
 */
const MAX_RECORDS = 5000;
const TRIM = 500;

/**
 * The state of a call after each event. A call's timestamps have the names of the states.
 */
export const STATE_AFTER = {
  "call.requested": "requested",
  "call.queued": "queued",
  "call.ringing": "ringing",
  "call.answered": "answered",
  "call.joined": "joined",
  "call.left": "left",
  "call.ended": "ended",
};

/** A call's timestamps, in their usual order. */
export const TIMESTAMPS = Object.values(STATE_AFTER);

/** Members of a record that do not belong to its call. */
const RECORD_MEMBERS = new Set(["seq", "time", "event", "run"]);

/** Live calls, and those that have ended. */
export class CallStore {
  /** By id, in the order of their requests. */
  live = new Map();
  /** Calls that ended lately, newest last. */
  ended = [];
  /**
   * Calls of the history that ended before those, as far as the user has loaded them; newest last.
   */
  older = [];
  /**
   * The daemon's cursor of the next page of older calls; `null` if there is none, `undefined` for
   * the first page.
   */
  nextPage;
  /** Number of live calls that the daemon did not list because there are too many. */
  unlisted = 0;
  /** `ok`, `off`, or what is wrong with the daemon's history. */
  history = "off";
  /**
   * Whether a list has arrived. Until then, an empty store does not mean that there are no calls.
   */
  isLoaded = false;

  /** Replaces everything by the daemon's list. */
  replace({ live, ended, next, live_total: total, history }) {
    this.live = new Map(live.reverse().map((call) => [call.call_id, parseCall(call)]));
    this.ended = ended.map(parseCall).sort((a, b) => a.ended - b.ended);
    this.unlisted = total - live.length;
    this.history = history;
    this.isLoaded = true;
    [this.older, this.nextPage] = [[], next];
  }

  get liveCount() {
    return this.live.size + this.unlisted;
  }

  /** Whether older calls can be loaded. */
  get hasMore() {
    return this.nextPage !== null && this.older.length < MAX_OLDER;
  }

  /** Adds a page of the history; returns how many of its calls are new. */
  addOlder({ ended, next }) {
    const known = new Set([...this.ended, ...this.older].map((call) => call.call_id));
    const added = ended.filter((call) => !known.has(call.call_id)).map(parseCall);
    this.older = [...added, ...this.older].sort((a, b) => a.ended - b.ended);
    this.nextPage = next;
    return added.length;
  }

  /** Applies a record to its call. */
  apply(record) {
    const id = record.call_id;
    if (record.event === "call.refused") this.live.delete(id);
    if (record.event === "call.adopted" && !this.find(id)) this.live.set(id, adoptedCall(record));
    const state = STATE_AFTER[record.event];
    if (!state) return;
    let call = this.live.get(id);
    if (!call) {
      // A later record alone does not have all times of a call.
      if (state !== "requested") return;
      call = { stale: false };
      this.live.set(id, call);
    }
    for (const [name, value] of Object.entries(record)) if (!RECORD_MEMBERS.has(name)) call[name] = value;
    call.state = state;
    call[state] ??= record.time;
    if (state === "ended") this.#end(call);
  }

  #end(call) {
    this.live.delete(call.call_id);
    this.ended.push(call);
    if (this.ended.length <= MAX_ENDED) return;
    const surplus = this.ended.splice(0, this.ended.length - MAX_ENDED);
    if (this.older.length && this.older.length <= 2 * MAX_OLDER) this.older.push(...surplus);
    // Loading older calls then begins with the first page, which has the calls that are dropped
    // here.
    else [this.older, this.nextPage] = [[], undefined];
  }

  /** Forgets an ended call, because the daemon no longer has it. */
  forget(id) {
    const isOther = (call) => call.call_id !== id;
    [this.ended, this.older] = [this.ended.filter(isOther), this.older.filter(isOther)];
  }

  /** The call of this id, live or ended. */
  find(id) {
    const hasId = (call) => call.call_id === id;
    return this.live.get(id) ?? this.ended.findLast(hasId) ?? this.older.findLast(hasId);
  }
}

/** A call as the API has it, with its timestamps in ms of Unix time. */
export function parseCall(call) {
  for (const name of TIMESTAMPS) call[name] = call[name] ? Date.parse(call[name]) : undefined;
  return call;
}

/**
 * The call of a `call.adopted` record: a live call of an earlier run that the daemon's journal did
 * not know.
 */
export function adoptedCall(record) {
  const members = Object.entries(record).filter(([name]) => !RECORD_MEMBERS.has(name));
  return parseCall({ ...Object.fromEntries(members), stale: false });
}

/** The newest records and gaps, oldest first. */
export class RecordStore {
  all = [];
  /** Number of records that were dropped before the first of `all`. */
  dropped = 0;
  /**
   * Whether the event stream has been connected. Until then, an empty store does not mean that
   * there are no records.
   */
  isLoaded = false;

  add(record) {
    this.all.push(record);
    if (this.all.length < MAX_RECORDS + TRIM) return;
    this.dropped += TRIM;
    this.all.splice(0, TRIM);
  }

  /** The records of one call. */
  of(id) {
    return this.all.filter((record) => record.call_id === id);
  }
}

/**
 * The daemon's link to Asterisk, and whether calls can be made: an Asterisk that is being stopped
 * gracefully keeps the link and refuses calls.
 */
export class LinkStatus {
  /** Whether calls can be made, and whether the link is up; `undefined` until they are known. */
  isReady;
  isUp;
  /** Since when the link has been up or down, in ms of Unix time. */
  since;
  /** Why no calls can be made. */
  reason = "";
  /** The name of the Asterisk. */
  asterisk = "";

  /** Applies the answer of `/readyz`: why no calls can be made, or `undefined` if they can. */
  setReady(reason) {
    [this.isReady, this.reason] = [reason === undefined, reason ?? ""];
    if (this.isReady && !this.isUp) [this.isUp, this.since] = [true, undefined];
  }

  /**
   * Applies the `link` of `/api/stats`, because the records that the page has may be newer than the
   * link's last change.
   */
  setLink(link) {
    const since = link && Date.parse(link.since);
    // A record that arrived meanwhile is newer.
    if (!link || since < this.since) return;
    [this.isUp, this.since, this.asterisk] = [link.connected, since, link.asterisk];
  }

  apply(record) {
    if (record.event === "daemon.stopping") [this.isReady, this.reason] = [false, "originatord is stopping"];
    if (record.event !== "ami.connected" && record.event !== "ami.disconnected") return;
    const isUp = record.event === "ami.connected";
    // Failed attempts to restore a link are recorded, too; it has been down since the first record.
    if (isUp || this.isUp !== false || !this.since) this.since = record.time;
    [this.isReady, this.isUp, this.reason, this.asterisk] = [isUp, isUp, record.reason ?? "", record.asterisk];
  }
}
