// A long table in a box that scrolls, with elements for those rows only that are seen, and a few around them.

import { setAttribute } from "./dom.js";

/** Rows kept above and below what is seen. */
const AROUND = 6;

export class Rows {
  #items = [];
  #shown = new Map();
  #spare = [];
  #height = 1;

  /**
   * `box` scrolls and is the table; `body` is its rowgroup. `key(item)` tells items apart, `create(row)` makes a row's
   * cells, and `fill(cells, item)` writes an item into them.
   */
  constructor(box, body, { key, create, fill }) {
    Object.assign(this, { box, body, key, create, fill });
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Shows these items from now on: an array, or whatever has a `length` and `at`. */
  show(items) {
    this.#items = items;
    this.draw();
  }

  draw() {
    this.#height = parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) || 32;
    const { length } = this.#items;
    this.body.hidden = length === 0;
    this.body.style.height = `${length * this.#height}px`;
    setAttribute(this.box, "aria-rowcount", String(length + 1));
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.#height) - AROUND);
    const last = Math.min(length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.#height) + AROUND);
    const places = new Map();
    for (let place = first; place < last; place += 1) places.set(this.key(this.#items.at(place)), place);
    this.#release(places);
    let next = this.body.firstChild;
    for (const [key, place] of [...places].sort((a, b) => a[1] - b[1])) {
      const row = this.#shown.get(key) ?? this.#take(key);
      // A row that is in its place is not moved: it would lose the focus.
      if (row.element === next) next = next.nextSibling;
      else this.body.insertBefore(row.element, next);
      row.element.style.transform = `translateY(${place * this.#height}px)`;
      setAttribute(row.element, "aria-rowindex", String(place + 2));
      this.fill(row.cells, this.#items.at(place), row.element);
    }
  }

  /** Gives back the rows that are not seen; the one with the focus stays, as long as there is its item. */
  #release(places) {
    for (const [key, row] of this.#shown) {
      if (places.has(key)) continue;
      if (row.element.contains(document.activeElement)) {
        const place = this.#placeOf(key);
        if (place >= 0) {
          places.set(key, place);
          continue;
        }
        this.box.focus({ preventScroll: true });
      }
      this.#shown.delete(key);
      row.element.remove();
      this.#spare.push(row);
    }
    this.#spare.length = Math.min(this.#spare.length, 2 * AROUND);
  }

  #take(key) {
    let row = this.#spare.pop();
    if (!row) {
      const element = document.createElement("div");
      element.setAttribute("role", "row");
      element.className = "row";
      row = { element, cells: this.create(element) };
    }
    this.#shown.set(key, row);
    return row;
  }

  #placeOf(key) {
    for (let place = 0; place < this.#items.length; place += 1) {
      if (this.key(this.#items.at(place)) === key) return place;
    }
    return -1;
  }

  /** The key of the row with the focus. */
  focused() {
    for (const [key, row] of this.#shown) if (row.element.contains(document.activeElement)) return key;
    return undefined;
  }

  /** Puts the focus on the row so many places away; on the first one if none has it. */
  step(by) {
    const key = this.focused();
    const place = key === undefined ? 0 : this.#placeOf(key) + by;
    if (place < 0 || place >= this.#items.length) return;
    const top = place * this.#height;
    const room = this.box.clientHeight - this.body.offsetTop;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + this.#height > this.box.scrollTop + room) this.box.scrollTop = top + this.#height - room;
    this.draw();
    const row = this.#shown.get(this.key(this.#items.at(place)));
    row?.element.querySelector("button, [tabindex]")?.focus({ preventScroll: true });
  }

  #move(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(by);
  }
}
