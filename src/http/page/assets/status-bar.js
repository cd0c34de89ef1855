// The bar on top: whether the daemon has Asterisk, whether this page has the daemon, and since when.

import { $, draw, say, setAttribute, setText } from "./dom.js";
import { duration, moment, zone } from "./labels.js";

export class LinkView {
  #link;
  #stream;
  #calls;
  #told = "";

  constructor(link, stream, calls) {
    [this.#link, this.#stream, this.#calls] = [link, stream, calls];
    setInterval(() => { if (!document.hidden && stream.state !== "live") draw(this); }, 1000);
  }

  draw() {
    const { isReady, isUp, since, reason, asterisk } = this.#link;
    const name = asterisk ? `Asterisk ${asterisk}` : "Asterisk";
    const isLive = this.#stream.state === "live";
    const word = isReady === undefined ? "not known yet" : isReady ? "connected" : isUp ? "connected, makes no calls" : "no link";
    setText($("link-word"), `${name}: ${word}`);
    const why = isReady === false && reason ? reason : "";
    setText($("link-since"), [since ? `since ${moment(since)}` : "", why].filter(Boolean).join(" · "));
    setAttribute($("link"), "title", why);
    // What was known when the daemon was heard last may be no longer so.
    const tone = !isLive || isReady === undefined ? "none" : isReady ? "good" : "bad";
    setAttribute($("link-tone"), "class", `tone ${tone}`);
    this.#drawStream(isLive);
    const live = this.#calls.live.size + this.#calls.unlisted;
    document.title = `${!isLive ? "Not live" : isReady ? `${live} live` : isUp ? "No calls" : "No link"} · originatord`;
    this.#tell(isLive ? `${name}: ${word}` : "The daemon is not reached");
  }

  /** Why no call can be hung up; nothing if one can. */
  get whyNot() {
    if (this.#stream.state !== "live") return "the daemon is not reached";
    return this.#link.isUp === false ? "there is no link to Asterisk" : "";
  }

  #drawStream(isLive) {
    const { state, heard } = this.#stream;
    const { isReady, isUp, since, reason } = this.#link;
    setText($("zone"), zone());
    setAttribute($("zone"), "title", "The zone of all times on this page");
    setText($("stream-word"), { connecting: "Connecting", live: "Live", lost: "Reconnecting" }[state]);
    const age = heard ? `nothing heard for ${duration(Date.now() - heard)}` : "";
    setText($("stream-since"), isLive ? "" : age);
    setAttribute($("stream-tone"), "class", `tone ${isLive ? "good" : "ring"}`);
    const isOld = !isLive && state !== "connecting";
    $("desk").classList.toggle("old", isOld);
    $("banner").hidden = !isOld && isReady !== false;
    const words = isOld
      ? "The daemon is not reached: what you see is how it was when it was heard last."
      : isUp ? `No calls can be made: ${reason}.`
      : `The link to Asterisk is down. Whether its calls go on is not known: they are shown as they were${since ? ` at ${moment(since)}` : ""}.`;
    setText($("banner"), words);
  }

  #tell(text) {
    if (this.#told && this.#told !== text) say(text);
    this.#told = text;
  }
}
