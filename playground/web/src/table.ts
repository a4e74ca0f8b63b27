// A list of thousands of rows, of which only those in sight are elements.

import { el, setText } from "./dom";

export interface Column<T> {
  title: string;
  /** The class of its cells, which gives it its width. */
  class: string;
  text: (item: T) => string;
}

interface Row {
  element: HTMLElement;
  cells: HTMLElement[];
}

/** How many rows there are beyond those in sight, on both sides. */
const MORE = 8;

export class Table<T> {
  readonly element: HTMLElement;
  /** What a row means when it is chosen. */
  onChoose: (item: T) => void = () => {};
  /** The classes of a row, besides its own. */
  marks: (item: T) => string = () => "";
  readonly #columns: Column<T>[];
  readonly #key: (item: T) => string;
  readonly #scroll: HTMLElement;
  readonly #body: HTMLElement;
  readonly #rows = new Map<string, Row>();
  #items: T[] = [];
  /** The row that has the focus, or gets it. */
  #current = 0;
  #isOver = false;
  #drawing = false;

  constructor(label: string, columns: Column<T>[], key: (item: T) => string) {
    this.#columns = columns;
    this.#key = key;
    const head = el("div", { role: "row", class: "row head" });
    for (const { title, class: name } of columns) {
      head.append(el("span", { role: "columnheader", class: `cell ${name}` }, title));
    }
    this.#body = el("div", { role: "rowgroup", class: "rows" });
    this.#scroll = el("div", { class: "scroll", role: "presentation" }, this.#body);
    this.element = el(
      "div",
      { role: "grid", class: "table", "aria-label": label, "aria-colcount": columns.length },
      el("div", { role: "rowgroup" }, head),
      this.#scroll,
    );
    this.#scroll.addEventListener("scroll", () => this.#later());
    new ResizeObserver(() => this.#later()).observe(this.#scroll);
    this.#body.addEventListener("pointerenter", () => (this.#isOver = true));
    this.#body.addEventListener("pointerleave", () => (this.#isOver = false));
    this.#body.addEventListener("click", (event) => this.#click(event));
    // A screen reader may go to any row.
    this.#body.addEventListener("focusin", (event) => {
      const at = this.#indexOf(event);
      if (at >= 0) this.#current = at;
    });
    this.#body.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Whether somebody is about to choose a row, so that none should move now. */
  get isHeld(): boolean {
    return this.#isOver || this.#scroll.scrollTop > 0 || this.#body.contains(document.activeElement);
  }

  /** Shows these items, in their order. */
  set(items: T[]): void {
    const focused = this.#items[this.#current];
    const hadFocus = this.#body.contains(document.activeElement);
    this.#items = items;
    if (focused !== undefined) {
      const at = items.findIndex((item) => this.#key(item) === this.#key(focused));
      this.#current = at >= 0 ? at : Math.min(this.#current, Math.max(0, items.length - 1));
    }
    this.draw();
    if (hadFocus && !this.#body.contains(document.activeElement)) this.focus();
  }

  toTop(): void {
    this.#scroll.scrollTop = 0;
  }

  /** Gives the focus to the current row. */
  focus(): void {
    this.#show(this.#current);
  }

  #height(): number {
    return Number.parseFloat(getComputedStyle(this.#body).getPropertyValue("--row")) || 34;
  }

  #later(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.draw();
    });
  }

  /** Shows what the items are now. */
  draw(): void {
    const height = this.#height();
    const first = Math.max(0, Math.floor(this.#scroll.scrollTop / height) - MORE);
    const last = Math.min(
      this.#items.length,
      Math.ceil((this.#scroll.scrollTop + this.#scroll.clientHeight) / height) + MORE,
    );
    this.#body.style.height = `${this.#items.length * height}px`;
    this.element.setAttribute("aria-rowcount", String(this.#items.length + 1));
    const shown = new Set<string>();
    const show = (at: number) => {
      const item = this.#items[at] as T;
      const key = this.#key(item);
      shown.add(key);
      let row = this.#rows.get(key);
      if (!row) {
        const cells = this.#columns.map(({ class: name }) => el("span", { role: "gridcell", class: `cell ${name}` }));
        row = { element: el("div", { role: "row" }, ...cells), cells };
        row.element.dataset["key"] = key;
        this.#rows.set(key, row);
        this.#body.append(row.element);
      }
      const { element, cells } = row;
      element.className = `row ${this.marks(item)}`;
      element.style.transform = `translateY(${at * height}px)`;
      element.tabIndex = at === this.#current ? 0 : -1;
      element.setAttribute("aria-rowindex", String(at + 2));
      this.#columns.forEach(({ text }, column) => {
        const cell = cells[column] as HTMLElement;
        const now = text(item);
        setText(cell, now);
        if (cell.title !== now) cell.title = now;
      });
    };
    for (let at = first; at < last; at++) show(at);
    // The one with the focus stays, wherever it is; and there is always one that can be reached.
    if (this.#items.length > 0 && (this.#current < first || this.#current >= last)) show(this.#current);
    for (const [key, { element }] of this.#rows) {
      if (shown.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
  }

  /** Returns which item an event belongs to; -1 if none. */
  #indexOf(event: Event): number {
    const key = (event.target as Element).closest<HTMLElement>(".row")?.dataset["key"];
    return this.#items.findIndex((item) => this.#key(item) === key);
  }

  #click(event: Event): void {
    const at = this.#indexOf(event);
    if (at < 0) return;
    this.#current = at;
    this.onChoose(this.#items[at] as T);
    this.draw();
  }

  #press(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#scroll.clientHeight / this.#height()) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.#show(Math.max(0, Math.min(this.#items.length - 1, this.#current + step)));
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const item = this.#items[this.#current];
      if (item !== undefined) this.onChoose(item);
    }
  }

  /** Brings a row into sight, and gives it the focus. */
  #show(at: number): void {
    const item = this.#items[at];
    if (item === undefined) return;
    this.#current = at;
    const height = this.#height();
    const { scrollTop, clientHeight } = this.#scroll;
    if (at * height < scrollTop) this.#scroll.scrollTop = at * height;
    else if ((at + 1) * height > scrollTop + clientHeight) this.#scroll.scrollTop = (at + 1) * height - clientHeight;
    this.draw();
    this.#rows.get(this.#key(item))?.element.focus({ preventScroll: true });
  }
}
