// The dashboard, shown after the login. This file connects event stream, data and views.

import { ApiError, fetchJson } from "./api.js";
import { CallDetail } from "./call-detail.js";
import { CallsTable } from "./calls-table.js";
import { Charts } from "./charts.js";
import { $, draw, setText } from "./dom.js";
import { EventStream } from "./event-stream.js";
import { Filter } from "./filter.js";
import { confirmHangUp, isHangingUp, showAlert } from "./hangup.js";
import { JournalTable } from "./journal-table.js";
import { CallStore, LinkStatus, RecordStore } from "./model.js";
import { onNavigate, params, setParams } from "./navigation.js";
import { initShortcuts } from "./shortcuts.js";
import { StatusBar } from "./status-bar.js";

/** Small screens show one of these at a time. */
const TABS = ["calls", "journal", "charts"];

/**
 * Opens the dashboard of a session. `ended` is called when the session is over; `resume()` of the
 * result continues then.
 */
export function openDashboard(session, ended) {
  const [calls, records, link] = [new CallStore(), new RecordStore(), new LinkStatus()];
  let [filter, callsTable, journalTable, detail, charts, statusBar] = [];
  const actions = {
    // The daemon refuses a watch key's hang-ups, so the page does not offer them.
    hangUp: session.role === "watch" ? undefined : (id) => requestHangUp(calls.live.get(id), actions),
    hangUpDisabledReason: () => statusBar?.hangUpDisabledReason ?? "",
    open: (id) => detail.open(id),
    isOpen: (id) => detail?.id === id,
    forget: (id) => callsTable.forget(id),
    selectionChanged: () => draw(callsTable, journalTable),
    hangUpChanged: () => draw(callsTable, detail),
    filterBy: (name, value) => { detail.close(); filter.set(name, value); },
  };
  filter = new Filter(() => {
    journalTable?.applyFilter();
    callsTable?.applyFilter();
  });
  callsTable = new CallsTable(calls, filter, actions);
  journalTable = new JournalTable(records, filter, actions);
  const addRecord = (record) => { records.add(record); draw(journalTable); };
  const stream = new EventStream({
    record: addRecord,
    gap: addRecord,
    list: (list) => { calls.replace(list); draw(...views); },
    change: (record) => {
      calls.apply(record);
      link.apply(record);
      // Adopting a call that the journal knows makes no record, and neither does the end of
      // `stale`.
      if (record.event === "ami.connected") stream.refresh();
      if (record.event === "ami.disconnected") for (const call of calls.live.values()) call.stale = true;
      draw(...views);
      charts?.refreshSoon();
    },
    ready: (reason) => { link.setReady(reason); draw(...views); charts?.refresh(); },
    state: () => {
      records.isLoaded ||= stream.state === "live";
      draw(journalTable, ...views);
    },
    ended,
  });
  statusBar = new StatusBar(link, stream, calls);
  detail = new CallDetail(calls, records, actions);
  const views = [callsTable, statusBar, detail];
  charts = new Charts({
    ended,
    stats: (stats) => {
      link.setReady(stats.unready ?? undefined);
      link.setLink(stats.link);
      draw(...views);
    },
  });
  initHeader(session);
  initTabs(detail);
  initKeys({ callsTable, journalTable, detail, filter, actions });
  const resume = () => {
    $("dashboard").hidden = false;
    draw(journalTable, ...views);
    stream.run();
    charts.run();
  };
  resume();
  return { resume };
}

function requestHangUp(call, actions) {
  if (!call || isHangingUp(call.call_id)) return;
  const disabledReason = actions.hangUpDisabledReason();
  if (disabledReason) showAlert(`${call.number} cannot be hung up: ${disabledReason}.`);
  else confirmHangUp(call, actions.hangUpChanged);
}

function initHeader(session) {
  setText($("instance"), session.instance === "originatord" ? "" : session.instance);
  setText($("key"), session.key);
  setText($("role"), session.role === "watch" ? "watch only" : "");
  $("log-out").addEventListener("click", async () => {
    try {
      await fetchJson("api/session", { method: "DELETE" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A reload would look like a log-out, but the session would live on.
      if (error.status !== 401) return showAlert(`Could not log out: ${error.message}.`);
    }
    location.reload();
  });
}

function initTabs(detail) {
  const show = (name) => {
    $("dashboard").dataset.tab = name;
    for (const button of $("tabs").children) button.setAttribute("aria-pressed", String(button.value === name));
  };
  const readParams = (given) => show(TABS.includes(given.get("tab")) ? given.get("tab") : "calls");
  for (const button of $("tabs").children) {
    button.addEventListener("click", () => {
      // The details cover all tabs of a small screen.
      detail.close();
      setParams(button.value === "calls" ? {} : { tab: button.value }, ["tab"], { isStep: true });
      show(button.value);
    });
  }
  onNavigate(readParams);
  $("filter-open").addEventListener("click", () => showFilterFields(!$("dashboard").classList.contains("filters")));
  readParams(params());
}

/** Small screens hide the filter's fields until the user asks for them. */
function showFilterFields(isShown) {
  $("dashboard").classList.toggle("filters", isShown);
  $("filter-open").setAttribute("aria-expanded", String(isShown));
}

function initKeys({ callsTable, journalTable, detail, filter, actions }) {
  const move = (by) => (journalTable.table.selectedKey() === undefined ? callsTable : journalTable).table.moveSelection(by);
  initShortcuts({
    Escape: () => (detail.id ? detail.close() : filter.clear()),
    "/": () => { showFilterFields(true); $("filter-number").focus(); },
    l: () => callsTable.show("live"),
    e: () => callsTable.show("ended"),
    p: () => journalTable.togglePause(),
    j: () => move(1),
    k: () => move(-1),
    x: () => actions.hangUp?.(selectedCall({ callsTable, journalTable, detail })),
  });
}

/**
 * The call that a key acts on: the selected row's, or without a selected row the one whose details
 * are shown.
 */
function selectedCall({ callsTable, journalTable, detail }) {
  const isInTable = document.activeElement.closest(".table");
  return isInTable ? callsTable.table.selectedKey() ?? journalTable.selectedCall() : detail.id;
}
