// The desk: what the daemon tells goes into the state, and the views show it.

import { fields, onChange, write } from "./navigation.js";
import { ask } from "./api.js";
import { CallsView } from "./calls-table.js";
import { Charts } from "./charts.js";
import { $, draw, setText } from "./dom.js";
import { Filter } from "./filter.js";
import { confirmHangUp, notify } from "./hangup.js";
import { shortcuts } from "./shortcuts.js";
import { LinkView } from "./status-bar.js";
import { LogView } from "./journal-table.js";
import { Calls, Link, Records } from "./model.js";
import { Story } from "./call-detail.js";
import { Stream } from "./event-stream.js";

/** What a small screen shows one of. */
const TABS = ["calls", "log", "trends"];

/** Opens the desk for whoever has this session; `ends` is called when it is over, and the desk can go on by `resume`. */
export function open(session, ends) {
  const [calls, records, link] = [new Calls(), new Records(), new Link()];
  const hangUp = (id) => {
    const call = calls.live.get(id);
    if (!call) return;
    const why = actions.whyNot();
    if (why) notify(`${call.number} cannot be hung up: ${why}.`);
    else confirmHangUp(call);
  };
  let [filter, callsView, logView, story, charts, linkView] = [];
  const actions = {
    // Who may only watch is shown nothing that would be refused.
    hangUp: session.role === "watch" ? undefined : hangUp,
    /** Why no call can be hung up now; nothing if one can. */
    whyNot: () => linkView?.whyNot ?? "",
    open: (id) => story.open(id),
    isOpen: (id) => story?.id === id,
    changed: () => draw(callsView, logView),
    look: (name, value) => { story.close(); filter.set(name, value); },
  };
  filter = new Filter(() => {
    logView?.filter();
    callsView?.filter();
  });
  callsView = new CallsView(calls, filter, actions);
  logView = new LogView(records, filter, actions);
  const stream = new Stream({
    record: (record) => { records.add(record); draw(logView); },
    gap: (gap, isFirst) => {
      if (isFirst) gap.text = "The log begins here: earlier records are no longer kept in the daemon's memory";
      records.add(gap);
      draw(logView);
    },
    list: (list) => { calls.replace(list); draw(...views); },
    change: (record) => {
      calls.apply(record);
      link.apply(record);
      // Calls that live on are taken over without a record, and those that are stale no longer are.
      if (record.event === "ami.connected") stream.refresh();
      if (record.event === "ami.disconnected") for (const call of calls.live.values()) call.stale = true;
      draw(...views);
      charts?.refreshSoon();
    },
    // The records here may not reach back to when that came to be so; the daemon knows.
    ready: (reason) => { link.report(reason); draw(...views); charts?.refresh(); },
    state: () => draw(...views),
    ends,
  });
  linkView = new LinkView(link, stream, calls);
  story = new Story(calls, records, actions);
  const views = [callsView, linkView, story];
  charts = new Charts({ ends, stats: (stats) => { link.report(stats.unready ?? undefined); link.recall(stats.link); draw(...views); } });
  header(session);
  tabs();
  keys({ callsView, logView, story, filter, actions });
  const resume = () => {
    $("desk").hidden = false;
    draw(logView, ...views);
    stream.run();
    charts.run();
  };
  resume();
  return { resume };
}

function header(session) {
  setText($("instance"), session.instance === "originatord" ? "" : session.instance);
  setText($("key"), session.key);
  setText($("role"), session.role === "watch" ? "watches only" : "");
  $("log-out").addEventListener("click", async () => {
    await ask("api/session", { method: "DELETE" }).catch(() => {});
    location.reload();
  });
}

/** On a small screen one thing is shown at a time. */
function tabs() {
  const show = (name) => {
    $("desk").dataset.tab = name;
    for (const button of $("tabs").children) button.setAttribute("aria-pressed", String(button.value === name));
    dispatchEvent(new Event("resize"));
  };
  const take = (address) => show(TABS.includes(address.get("tab")) ? address.get("tab") : "calls");
  for (const button of $("tabs").children) {
    button.addEventListener("click", () => {
      write(button.value === "calls" ? {} : { tab: button.value }, ["tab"], true);
      show(button.value);
    });
  }
  onChange(take);
  $("filter-open").addEventListener("click", () => {
    const isOpen = $("desk").classList.toggle("filters");
    $("filter-open").setAttribute("aria-expanded", String(isOpen));
  });
  take(fields());
}

function keys({ callsView, logView, story, filter, actions }) {
  const step = (by) => (logView.rows.focused() === undefined ? callsView : logView).rows.step(by);
  shortcuts({
    Escape: () => (story.id ? story.close() : filter.clear()),
    "/": () => { $("desk").classList.add("filters"); $("filter-number").focus(); },
    l: () => callsView.show("live"),
    e: () => callsView.show("ended"),
    p: () => logView.pause(),
    j: () => step(1),
    k: () => step(-1),
    x: () => actions.hangUp?.(selected({ callsView, logView, story })),
  });
}

/** The call that a key is for: the row's with the focus. The story's only if no table has it, as then no row is meant. */
function selected({ callsView, logView, story }) {
  const isInTable = document.activeElement.closest(".table");
  return isInTable ? callsView.rows.focused() ?? logView.focusedCall() : story.id;
}
