// A dialog that asks once more before something that cannot be undone, or for a room's name. It
// stays open until the daemon has done it, and shows why it could not.

import { $, el, setText } from "./dom.js";
import { showAlert } from "./hangup.js";

/** The question that the dialog shows. */
let shown;

/**
 * Asks a question: `title`, `text`, and the label of the `button` that says yes. With `rooms`, the
 * user also types a room's name; these are suggested. `send` gets the name and does what was asked
 * for; then the element with the id `focusAfter` gets the focus. `failure` is the beginning of the
 * message if it cannot, such as `Could not kick Bob`.
 */
export function ask(question) {
  const { title, text, button, rooms } = question;
  shown = question;
  setText($("ask-title"), title);
  setText($("ask-text"), text);
  setText($("ask-yes"), button);
  setText($("ask-error"), "");
  setBusy(false);
  $("ask-yes").className = rooms ? "main" : "danger";
  $("ask-field").hidden = !rooms;
  $("ask-room").value = "";
  $("ask-room").required = Boolean(rooms);
  $("ask-rooms").replaceChildren(...(rooms ?? []).map((value) => el("option", { value })));
  $("ask").showModal();
  // The safe button has the focus, so that Enter cancels what cannot be undone.
  $(rooms ? "ask-room" : "ask-no").focus();
}

/** Starts listening. */
export function initAsk() {
  $("ask-no").addEventListener("click", () => $("ask").close());
  $("ask").addEventListener("close", () => { if (!$("ask").open) shown = undefined; });
  $("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isBusy()) confirm(shown);
  });
}

async function confirm(question) {
  setBusy(true);
  setText($("ask-error"), "");
  try {
    await question.send($("ask-room").value.trim());
    if (question === shown) {
      $("ask").close();
      // The button that opened the dialog goes away with its row or room.
      $(question.focusAfter).focus({ preventScroll: true });
    }
  } catch (error) {
    if (error.status === undefined) throw error;
    const text = `${question.failure}: ${error.message}.`;
    // The user has closed the dialog meanwhile.
    if (question !== shown) return showAlert(text);
    setText($("ask-error"), text);
  }
  if (question === shown) setBusy(false);
}

const isBusy = () => $("ask-yes").getAttribute("aria-disabled") === "true";

/** A disabled button would lose the focus. */
const setBusy = (isOn) => $("ask-yes").setAttribute("aria-disabled", String(isOn));
