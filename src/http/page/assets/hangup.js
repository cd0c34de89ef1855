// Hanging up a call: asks the user, sends the request, and says how it went.

import { fetchJson } from "./api.js";
import { $, announce, el, setText } from "./dom.js";
import { stateOf } from "./labels.js";
import { duration, now } from "./time.js";

/** Ids of the calls whose hang-up is under way. */
const pending = new Set();

/** Whether the daemon has not answered the request to hang up this call yet. */
export const isHangingUp = (id) => pending.has(id);

/**
 * Asks the user, then hangs up. `changed` is called when the request is sent and when it is
 * answered.
 */
export function confirmHangUp(call, changed) {
  const dialog = $("confirm");
  const age = duration(now() - call.requested);
  setText($("confirm-number"), call.number);
  setText($("confirm-call"), `${stateOf(call.state).label} · room ${call.room} · ${age}`);
  dialog.returnValue = "";
  dialog.onclose = () => { if (dialog.returnValue === "yes") hangUp(call, changed); };
  dialog.showModal();
}

async function hangUp(call, changed) {
  pending.add(call.call_id);
  changed();
  try {
    await fetchJson(`api/calls/${encodeURIComponent(call.call_id)}`, { method: "DELETE" });
    announce(`Hung up ${call.number}.`);
  } catch (error) {
    if (error.status === undefined) throw error;
    // The call ended by itself, which is what the user wanted.
    if (error.status === 409) announce(`The call to ${call.number} had already ended.`);
    else showAlert(`Could not hang up ${call.number}: ${error.message}.`);
  }
  pending.delete(call.call_id);
  changed();
}

/** How long an alert stays, in ms, and how many are shown at once. */
const ALERT_TIME = 20_000;
const MAX_ALERTS = 4;

/** Shows an error until the user dismisses it, or for a while. */
export function showAlert(text) {
  const dismiss = el("button", { textContent: "Dismiss" });
  const alert = el("li", {}, el("span", {}, text), dismiss);
  dismiss.addEventListener("click", () => alert.remove());
  $("alerts").append(alert);
  while ($("alerts").childElementCount > MAX_ALERTS) $("alerts").firstElementChild.remove();
  setTimeout(() => alert.remove(), ALERT_TIME);
}
