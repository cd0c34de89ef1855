// The views of the dashboard. Small screens show one at a time; large ones always show charts and
// journal, and beside the journal either calls or rooms.

import { $ } from "./dom.js";
import { onNavigate, params, setParams } from "./navigation.js";

const isSmall = matchMedia("(max-width: 1000px)");

/**
 * Starts listening. `hidden` are the views that the user may not see; `changed` is called with the
 * name of the view that is shown; `left` before the user goes to another one.
 */
export function initTabs({ hidden, changed, left }) {
  const buttons = [...$("tabs").children];
  const names = buttons.map(({ value }) => value).filter((name) => !hidden.includes(name));
  let shown;
  const show = (name) => {
    shown = name;
    $("dashboard").dataset.tab = name;
    const pressed = isSmall.matches || name === "rooms" ? name : "calls";
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === pressed));
    changed(name);
  };
  const select = (name) => {
    // The details cover all views of a small screen.
    left();
    setParams(name === "calls" ? {} : { tab: name }, ["tab"], { isStep: true });
    show(name);
  };
  for (const button of buttons) {
    button.hidden = hidden.includes(button.value);
    button.addEventListener("click", () => select(button.value));
  }
  const readParams = (given) => show(names.includes(given.get("tab")) ? given.get("tab") : "calls");
  onNavigate(readParams);
  isSmall.addEventListener("change", () => show(shown));
  readParams(params());
  return { select };
}
