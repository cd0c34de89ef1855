// Elements. Whatever a peer has said gets onto the page as text, and as nothing else: nothing here takes HTML.

export const $ = (id) => document.getElementById(id);

/** An element with these properties (attributes where the name has a dash, or is `role`) and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with these attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets a text, if it is another: an unchanged page is not laid out anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute, if it is another. */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Has each of `views` drawn at the next frame, once, however often it is asked for until then. */
const due = new Set();
export function draw(...views) {
  if (due.size === 0) {
    requestAnimationFrame(() => {
      const now = [...due];
      due.clear();
      for (const view of now) view.draw();
    });
  }
  for (const view of views) due.add(view);
}

/** Tells a screen reader, when it has time. */
export function say(text) {
  $("said").textContent = text;
}
