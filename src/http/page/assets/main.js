// Shows the dashboard to a user with a session, and the login form to everybody else.

import { fetchJson } from "./api.js";
import { openDashboard } from "./dashboard.js";
import { $, setText } from "./dom.js";

let dashboard;
/** Key name, role and rooms of the session that opened the dashboard. */
let dashboardUser;

/**
 * Hides the dashboard when the session ended, as after a restart. Logging in with the same key
 * continues it.
 */
function endSession() {
  if (!$("login").hidden) return;
  $("dashboard").hidden = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  document.title = "originatord";
  showLogin("Your session has ended. Log in again.");
}

function beginSession(session) {
  const user = `${session.key} ${session.role} ${session.rooms ?? ""}`;
  // Another key: reload, so that no data of the first key's session stays in the page.
  if (dashboard && user !== dashboardUser) return location.reload();
  $("login").hidden = true;
  if (dashboard) return dashboard.resume();
  [dashboard, dashboardUser] = [openDashboard(session, endSession), user];
}

function showLogin(text) {
  setText($("login-error"), text);
  $("login").hidden = false;
  $("login-key").focus();
}

async function logIn(event) {
  event.preventDefault();
  const field = $("login-key");
  setText($("login-error"), "");
  $("login-submit").disabled = true;
  try {
    beginSession(await fetchJson("api/session", { method: "POST", body: { key: field.value } }));
  } catch (error) {
    if (error.status === undefined) throw error;
    showLogin(error.status === 401 ? "Unknown API key." : `Could not log in: ${error.message}.`);
    // The daemon did not answer: keep the key in the field, so that the user can try again.
    if (error.status === 0) return;
  } finally {
    $("login-submit").disabled = false;
  }
  field.value = "";
}

async function start() {
  $("login-form").addEventListener("submit", logIn);
  try {
    beginSession(await fetchJson("api/session"));
  } catch (error) {
    if (error.status === undefined) throw error;
    showLogin(error.status === 401 ? "" : `Could not log in: ${error.message}.`);
  }
}

start();
