// Reads something again after changes, at most once a second.

/** The shortest time between the beginnings of two reads, in ms. */
const INTERVAL = 1000;

export class Refresher {
  #read;
  #isDue = false;
  #isReading = false;
  #timer;
  #begun = -INTERVAL;

  /** `read` is an asynchronous function; it is never called twice at once. */
  constructor(read) {
    this.#read = read;
    addEventListener("visibilitychange", () => { if (this.#isDue) this.soon(); });
  }

  /** Reads now, or once a second has passed since the last time; a hidden page waits until it is shown. */
  soon() {
    this.#isDue = true;
    if (this.#isReading || this.#timer || document.hidden) return;
    const pause = Math.max(0, this.#begun + INTERVAL - performance.now());
    this.#timer = setTimeout(() => this.#start(), pause);
  }

  async #start() {
    [this.#timer, this.#isDue, this.#isReading, this.#begun] = [undefined, false, true, performance.now()];
    try {
      await this.#read();
    } finally {
      this.#isReading = false;
      if (this.#isDue) this.soon();
    }
  }
}
