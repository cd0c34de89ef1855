// Hanging up: asked for, confirmed, and told how it went.

import { ask } from "./api.js";
import { $, el, say } from "./dom.js";
import { duration, state } from "./labels.js";

/** Asks whether the call is to be hung up, and does it. */
export function confirmHangUp(call) {
  const dialog = $("confirm");
  const where = `${state(call.state).word} · room ${call.room} · ${duration(Date.now() - call.requested)}`;
  $("confirm-number").textContent = call.number;
  $("confirm-where").textContent = where;
  dialog.returnValue = "";
  dialog.onclose = () => { if (dialog.returnValue === "yes") hangUp(call); };
  dialog.showModal();
}

async function hangUp(call) {
  try {
    await ask(`api/calls/${encodeURIComponent(call.call_id)}`, { method: "DELETE" });
    say(`${call.number} is hung up.`);
  } catch (error) {
    // It ended by itself meanwhile, which is what was wanted.
    if (error.status === 409) return;
    notify(`${call.number} is not hung up: ${error.message}`);
  }
}

/** Shows a trouble until it is dismissed, or for a while. */
export function notify(text) {
  const note = el("li", {}, el("span", {}, text));
  const close = el("button", { textContent: "Dismiss" });
  close.addEventListener("click", () => note.remove());
  note.append(close);
  $("notes").append(note);
  while ($("notes").childElementCount > 4) $("notes").firstElementChild.remove();
  setTimeout(() => note.remove(), 20_000);
}
