// Who has a session gets the desk; who has none, the form to log in.

import { ask } from "./api.js";
import { open } from "./dashboard.js";
import { $, setText } from "./dom.js";

/** The desk, once it is open, and whose it is. */
let desk;
let holder;

/** Hides what was shown. Whoever logs in with the same key goes on where it broke off, as after a restart. */
function end() {
  if (!$("login").hidden) return;
  $("desk").hidden = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  document.title = "originatord";
  showLogin("The session has ended.");
}

function begin(session) {
  const who = `${session.key} ${session.role}`;
  // A page that is loaded anew holds nothing of what another key was shown.
  if (desk && who !== holder) return location.reload();
  $("login").hidden = true;
  if (desk) return desk.resume();
  [desk, holder] = [open(session, end), who];
}

function showLogin(text) {
  setText($("login-error"), text);
  $("login").hidden = false;
  $("login-key").focus();
}

async function logIn(event) {
  event.preventDefault();
  const field = $("login-key");
  $("login-go").disabled = true;
  try {
    begin(await ask("api/session", { method: "POST", body: { key: field.value } }));
  } catch (error) {
    if (error.status === undefined) throw error;
    showLogin(error.status === 401 ? "This key is not known." : `That did not work: ${error.message}.`);
  } finally {
    field.value = "";
    $("login-go").disabled = false;
  }
}

async function start() {
  $("login-form").addEventListener("submit", logIn);
  try {
    begin(await ask("api/session"));
  } catch (error) {
    if (error.status === undefined) throw error;
    showLogin(error.status === 401 ? "" : `That did not work: ${error.message}.`);
  }
}

start();
