// The top bar and the banner: is the daemon connected to Asterisk, is this page connected to the
// daemon, and since when.

import { $, announce, draw, setAttribute, setText } from "./dom.js";
import { dateTime, duration, now, timeZone } from "./time.js";

const STREAM_LABELS = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };

export class StatusBar {
  #link;
  #stream;
  #calls;
  #announced = "";

  constructor(link, stream, calls) {
    [this.#link, this.#stream, this.#calls] = [link, stream, calls];
    setInterval(() => { if (!document.hidden && stream.state !== "live") draw(this); }, 1000);
  }

  draw() {
    const { isReady, isUp, since, reason } = this.#link;
    const isLive = this.#stream.state === "live";
    const status = this.#linkStatus();
    setText($("link-status"), status);
    const why = isReady === false && reason ? reason : "";
    setText($("link-since"), [since ? `since ${dateTime(since)}` : "", why].filter(Boolean).join(" · "));
    setAttribute($("link"), "title", why);
    // Without the daemon, nobody knows whether the link is still up.
    const tone = !isLive || isReady === undefined ? "none" : isReady ? "good" : "bad";
    setAttribute($("link-tone"), "class", `tone ${tone}`);
    this.#drawStream(isLive);
    this.#drawBanner();
    const title = !isLive ? "Not live" : isReady ? `${this.#calls.liveCount} live` : isUp ? "No calls" : "No link";
    document.title = `${title} · originatord`;
    this.#announce(isLive ? status : "Lost contact with originatord");
  }

  #linkStatus() {
    const { isReady, isUp, asterisk } = this.#link;
    const name = asterisk ? `Asterisk ${asterisk}` : "Asterisk";
    if (isReady === undefined) return `${name}: not known yet`;
    return `${name}: ${isReady ? "connected" : isUp ? "connected, makes no calls" : "no link"}`;
  }

  /** Why nothing can be asked of Asterisk, as to hang up a call; empty if it can. */
  get disabledReason() {
    if (this.#stream.state !== "live") return "the page has no contact with originatord";
    return this.#link.isUp === false ? "there is no link to Asterisk" : "";
  }

  #drawStream(isLive) {
    const { state, lastReceived } = this.#stream;
    setText($("zone"), timeZone());
    setAttribute($("zone"), "title", "Time zone of all times on this page");
    setText($("stream-status"), STREAM_LABELS[state]);
    const silence = !isLive && lastReceived ? `nothing received for ${duration(now() - lastReceived)}` : "";
    setText($("stream-since"), silence);
    setAttribute($("stream-tone"), "class", `tone ${isLive ? "good" : "ring"}`);
  }

  #drawBanner() {
    const { state, lastReceived } = this.#stream;
    const { isReady, isUp, since, reason } = this.#link;
    const isLost = state === "lost";
    $("dashboard").classList.toggle("old", isLost);
    $("banner").hidden = !isLost && isReady !== false;
    if (isLost) {
      const asOf = lastReceived ? ` Showing data as of ${dateTime(lastReceived)}.` : "";
      setText($("banner"), `Lost contact with originatord.${asOf}`);
    } else if (isUp) {
      setText($("banner"), `No calls can be made: ${reason}.`);
    } else {
      const asOf = since ? `, as of ${dateTime(since)}` : "";
      setText($("banner"), `No link to Asterisk. Its calls may go on; they are shown in their last known state${asOf}.`);
    }
  }

  #announce(text) {
    if (this.#announced && this.#announced !== text) announce(text);
    this.#announced = text;
  }
}
