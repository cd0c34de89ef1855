// Keyboard shortcuts. Users of speech input can switch single letters off, because dictated words
// would trigger them.

import { $ } from "./dom.js";

const SETTING = "originatord-shortcuts";

/** Starts listening. `actions` maps keys to functions. */
export function initShortcuts(actions) {
  const enabled = $("shortcuts-on");
  enabled.checked = localStorage.getItem(SETTING) !== "off";
  enabled.addEventListener("change", () => localStorage.setItem(SETTING, enabled.checked ? "on" : "off"));
  $("help-open").addEventListener("click", () => $("help").showModal());
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return actions.Escape(event);
    if (!enabled.checked || event.target.closest("input, select, textarea")) return;
    const action = event.key === "?" ? () => $("help").showModal() : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
