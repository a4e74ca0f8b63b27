// Elements. Texts are only ever texts: nothing here reads HTML.

type Attributes = Record<string, string | number | boolean | null | undefined>;

/** Makes an element with attributes and children. */
export function el<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** Returns the element with this id, which the page has. */
export function get<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Sets a text, if it is another one: what listens to changes hears of nothing else. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes the children of an element those of a list, and keeps those at its beginning that stay. */
export function keep<T>(parent: Element, items: T[], key: (item: T) => string, make: (item: T) => HTMLElement): void {
  let at = 0;
  for (; at < items.length && at < parent.children.length; at++) {
    if ((parent.children[at] as HTMLElement).dataset["key"] !== key(items[at] as T)) break;
  }
  while (parent.children.length > at) parent.lastElementChild?.remove();
  for (const item of items.slice(at)) {
    const element = make(item);
    element.dataset["key"] = key(item);
    parent.append(element);
  }
}

/** Writes a time as minutes, seconds and tenths: `1:02.5`. */
export function clock(ms: number): string {
  const tenths = Math.floor(ms / 100);
  const seconds = Math.floor(tenths / 10);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}.${tenths % 10}`;
}

/** Shows what turns the direction of a text around, or hides in it, as what it is. */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (letter) => `\\u{${letter.charCodeAt(0).toString(16)}}`,
  );
}
