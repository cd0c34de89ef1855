// A long table in a scrolling box. Only the rows in sight, and a few around them, have elements.

import { setAttribute } from "./dom.js";

/** Rows kept above and below those in sight. */
const OVERSCAN = 6;

export class VirtualTable {
  #items = [];
  /** The rows that are in the document, by the key of their item. */
  #rows = new Map();
  /** Rows for reuse: to fill a row is cheaper than to create one. */
  #spare = [];
  #rowHeight = 1;

  /**
   * `box` scrolls and has the role of a table; `body` is its rowgroup. `key(item)` identifies an
   * item, `create(row)` creates a row's cells, and `fill(cells, item, row)` writes an item into
   * them.
   */
  constructor(box, body, { key, create, fill }) {
    Object.assign(this, { box, body, key, create, fill });
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("keydown", (event) => this.#handleKey(event));
    for (const type of ["focusin", "focusout"]) box.addEventListener(type, () => this.#updateTabStops());
  }

  /** Shows these items: an array, or any object with `length` and `at`. */
  show(items) {
    this.#items = items;
    this.draw();
  }

  draw() {
    this.#rowHeight = parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) || 32;
    const { length } = this.#items;
    this.body.hidden = length === 0;
    this.body.style.height = `${length * this.#rowHeight}px`;
    setAttribute(this.box, "aria-rowcount", String(length + 1));
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.#rowHeight) - OVERSCAN);
    const end = Math.min(length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.#rowHeight) + OVERSCAN);
    const places = new Map();
    for (let place = first; place < end; place += 1) places.set(this.key(this.#items.at(place)), place);
    this.#removeRows(places);
    let next = this.body.firstChild;
    for (const [key, place] of [...places].sort((a, b) => a[1] - b[1])) {
      const row = this.#rows.get(key) ?? this.#addRow(key);
      // A row at its place is not moved, because moving takes the focus away.
      if (row.element === next) next = next.nextSibling;
      else this.body.insertBefore(row.element, next);
      row.element.style.transform = `translateY(${place * this.#rowHeight}px)`;
      setAttribute(row.element, "aria-rowindex", String(place + 2));
      this.fill(row.cells, this.#items.at(place), row.element);
    }
  }

  /**
   * Removes the rows that are not among `places`. The row with the focus stays as long as its item
   * exists.
   */
  #removeRows(places) {
    for (const [key, row] of this.#rows) {
      if (places.has(key)) continue;
      if (row.element.contains(document.activeElement)) {
        const place = this.#placeOf(key);
        if (place >= 0) {
          places.set(key, place);
          continue;
        }
        this.box.focus({ preventScroll: true });
      }
      this.#rows.delete(key);
      row.element.remove();
      this.#spare.push(row);
    }
    this.#spare.length = Math.min(this.#spare.length, 2 * OVERSCAN);
  }

  #addRow(key) {
    const row = this.#spare.pop() ?? this.#createRow();
    this.#rows.set(key, row);
    return row;
  }

  #createRow() {
    const element = document.createElement("div");
    element.setAttribute("role", "row");
    element.className = "row";
    // Rows without a button can be selected, too.
    element.tabIndex = -1;
    const cells = this.create(element);
    for (const button of element.querySelectorAll("button")) button.tabIndex = -1;
    return { element, cells };
  }

  /**
   * Tab stops at the table, at the buttons of the selected row, and then leaves: without this, it
   * would stop at each button of each row. Arrow keys select rows.
   */
  #updateTabStops() {
    for (const { element } of this.#rows.values()) {
      const tabIndex = element.contains(document.activeElement) ? 0 : -1;
      for (const button of element.querySelectorAll("button")) if (button.tabIndex !== tabIndex) button.tabIndex = tabIndex;
    }
  }

  #placeOf(key) {
    for (let place = 0; place < this.#items.length; place += 1) {
      if (this.key(this.#items.at(place)) === key) return place;
    }
    return -1;
  }

  /** The key of the row with the focus. */
  selectedKey() {
    for (const [key, row] of this.#rows) if (row.element.contains(document.activeElement)) return key;
    return undefined;
  }

  /** Moves the focus by this many rows; to the first row if none has it. */
  moveSelection(by) {
    const key = this.selectedKey();
    const place = key === undefined ? 0 : this.#placeOf(key) + by;
    if (place < 0 || place >= this.#items.length) return;
    const top = place * this.#rowHeight;
    // The table's head stays above the rows.
    const lowest = this.box.clientHeight - this.body.offsetTop - this.#rowHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top > this.box.scrollTop + lowest) this.box.scrollTop = top - lowest;
    this.draw();
    const { element } = this.#rows.get(this.key(this.#items.at(place)));
    (element.querySelector("button:not([hidden])") ?? element).focus({ preventScroll: true });
  }

  #handleKey(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.moveSelection(by);
  }
}
