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
import { RoomsView } from "./rooms-view.js";
import { initShortcuts } from "./shortcuts.js";
import { StatusBar } from "./status-bar.js";
import { initTabs } from "./tabs.js";

/**
 * Opens the dashboard of a session. `ended` is called when the session is over; `resume()` of the
 * result continues then.
 */
export function openDashboard(session, ended) {
  const [calls, records, link] = [new CallStore(), new RecordStore(), new LinkStatus()];
  let [filter, callsTable, journalTable, detail, charts, statusBar, rooms] = [];
  const mayChange = session.role !== "watch";
  const actions = {
    // The daemon refuses a watch key's hang-ups, so the page does not offer them.
    hangUp: mayChange ? (id) => requestHangUp(calls.live.get(id), actions) : undefined,
    disabledReason: () => statusBar?.disabledReason ?? "",
    open: (id) => detail.open(id),
    isOpen: (id) => detail?.id === id,
    forget: (id) => callsTable.forget(id),
    selectionChanged: () => draw(callsTable, journalTable, ...(rooms ? [rooms.room, rooms.conference] : [])),
    hangUpChanged: () => draw(callsTable, detail, rooms.room),
    filterBy: (name, value) => { detail.close(); rooms.close(); filter.set(name, value); },
    openRoom: (name) => { detail.close(); rooms.room.open(name); },
    ended,
  };
  filter = new Filter(() => {
    journalTable?.applyFilter();
    callsTable?.applyFilter();
    rooms?.applyFilter();
  });
  callsTable = new CallsTable(calls, filter, actions);
  journalTable = new JournalTable(records, filter, actions);
  const addRecord = (record) => { records.add(record); draw(journalTable); };
  const stream = new EventStream({
    record: addRecord,
    gap: addRecord,
    list: (list) => { calls.replace(list); rooms.refresh(); draw(...views); },
    change: (record) => {
      calls.apply(record);
      link.apply(record);
      rooms.apply(record);
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
  rooms = new RoomsView(calls, filter, actions, mayChange);
  const views = [callsTable, statusBar, detail, rooms.room];
  // The counts are of all rooms, so a key that may see some only does not get them.
  $("charts").hidden = Boolean(session.rooms);
  if (!session.rooms) charts = new Charts({
    ended,
    stats: (stats) => {
      link.setReady(stats.unready ?? undefined);
      link.setLink(stats.link);
      draw(...views);
    },
  });
  initHeader(session);
  const tabs = initTabs({
    hidden: session.rooms ? ["charts"] : [],
    changed: (name) => rooms.setShown(name === "rooms"),
    left: () => { detail.close(); rooms.close(); },
  });
  $("filter-open").addEventListener("click", () => showFilterFields(!$("dashboard").classList.contains("filters")));
  initKeys({ callsTable, journalTable, rooms, tabs, detail, filter, actions });
  const resume = () => {
    $("dashboard").hidden = false;
    draw(journalTable, ...views);
    stream.run();
    charts?.run();
  };
  resume();
  return { resume };
}

function requestHangUp(call, actions) {
  if (!call || isHangingUp(call.call_id)) return;
  const disabledReason = actions.disabledReason();
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

/** Small screens hide the filter's fields until the user asks for them. */
function showFilterFields(isShown) {
  $("dashboard").classList.toggle("filters", isShown);
  $("filter-open").setAttribute("aria-expanded", String(isShown));
}

function initKeys({ callsTable, journalTable, rooms, tabs, detail, filter, actions }) {
  const isRooms = () => $("dashboard").dataset.tab === "rooms";
  const view = () => (isRooms() ? rooms : callsTable);
  const tables = [journalTable.table, rooms.room.table, rooms.conference.visitors, rooms.conference.events];
  const move = (by) => (tables.find((table) => table.selectedKey() !== undefined) ?? view().table).moveSelection(by);
  initShortcuts({
    Escape: () => (detail.id ? detail.close() : rooms.closeTop() || filter.clear()),
    "/": () => { showFilterFields(true); $("filter-number").focus(); },
    c: () => tabs.select("calls"),
    r: () => tabs.select("rooms"),
    l: () => view().show("live"),
    e: () => view().show("ended"),
    p: () => journalTable.togglePause(),
    j: () => move(1),
    k: () => move(-1),
    m: () => rooms.room.muteSelected(),
    x: () => {
      if (rooms.room.table.selectedKey() !== undefined) rooms.room.kickSelected();
      else actions.hangUp?.(selectedCall({ callsTable, journalTable, detail }));
    },
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
