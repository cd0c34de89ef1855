// Helpers for elements. Texts of bots, callees and Asterisk reach the page as text only: nothing
// here takes HTML.

export const $ = (id) => document.getElementById(id);

/**
 * Characters that can make a text look like another one: control characters, line separators, bidi
 * controls and characters that show nothing. The same set as in `escape.rs`.
 */
const RISKY = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The text with such characters written as `\u{202e}`. */
export const visible = (text) => text.replace(RISKY, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

/** JSON with such characters written as `\u202e`, an escape of JSON. Line breaks stay. */
export const visibleJson = (json) => json.replace(RISKY, (c) => (c === "\n" ? c : jsonEscape(c)));

const jsonEscape = (c) => c.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Attributes and properties that a user sees or hears. */
const TEXT_PROPERTIES = new Set(["title", "aria-label", "textContent"]);

/**
 * An element. Names with a dash and `role` are set as attributes, others as properties. Strings
 * become visible text.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, given] of Object.entries(properties)) {
    const value = TEXT_PROPERTIES.has(name) ? visible(given) : given;
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.map((child) => (typeof child === "string" ? visible(child) : child)));
  return element;
}

/** An SVG element with these attributes. */
export function svg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Sets a text if it changed, because the browser lays out the element again for each assignment. */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** Sets an attribute if it changed. */
export function setAttribute(element, name, given) {
  const value = TEXT_PROPERTIES.has(name) ? visible(given) : given;
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Views that wait to be drawn. */
const due = new Set();

/** Draws each of these views once at the next frame, however often this is called before. */
export function draw(...views) {
  if (due.size === 0) nextFrame(drawDue);
  for (const view of views) due.add(view);
}

function drawDue() {
  const views = [...due];
  due.clear();
  for (const view of views) view.draw();
}

/** A hidden tab gets no animation frames, but its title has to show the number of live calls. */
const nextFrame = (callback) => (document.hidden ? setTimeout(callback, 200) : requestAnimationFrame(callback));

// A frame that was requested before the tab was hidden comes only when it is shown again.
addEventListener("visibilitychange", () => { if (due.size > 0) drawDue(); });

/** Has screen readers read this text when they are idle. */
export function announce(text) {
  setText($("announcer"), text);
}
