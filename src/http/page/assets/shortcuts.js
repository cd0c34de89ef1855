// Shortcuts. Single letters can be switched off: they are in the way of those who dictate.

import { $ } from "./dom.js";

const SETTING = "originatord-shortcuts";

/** `does` has what each key does. */
export function shortcuts(does) {
  const box = $("shortcuts-on");
  box.checked = localStorage.getItem(SETTING) !== "off";
  box.addEventListener("change", () => localStorage.setItem(SETTING, box.checked ? "on" : "off"));
  $("help-open").addEventListener("click", () => $("help").showModal());
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return does.Escape(event);
    if (!box.checked || event.target.closest("input, select, textarea")) return;
    const action = event.key === "?" ? () => $("help").showModal() : does[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
