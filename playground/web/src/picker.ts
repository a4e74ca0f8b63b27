// A list to choose from: places, functions. What is typed leaves what contains it.

import { el, visible } from "./dom";

export interface Choice {
  label: string;
  /** What is beside it, and what is not searched. */
  detail: string;
  /** How deep it is in what is above. */
  choose: () => void;
}

/** Opens a dialog with a list, until one is chosen or Escape pressed. */
export function pick(title: string, choices: Choice[]): void {
  let at = 0;
  let left = choices;
  const field = el("input", {
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "picker-list",
    "aria-autocomplete": "list",
    "aria-label": title,
    placeholder: title,
    spellcheck: "false",
    autocomplete: "off",
  });
  const list = el("ul", { id: "picker-list", role: "listbox", "aria-label": title });
  const dialog = el("dialog", { class: "picker", "aria-label": title }, field, list);
  const before = document.activeElement;
  const inEditor = before?.shadowRoot?.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    // The dialog itself gives the focus back to the host, not to what is in its shadow.
    if (inEditor instanceof HTMLElement) inEditor.focus();
  });
  const choose = (choice: Choice | undefined) => {
    dialog.close();
    choice?.choose();
  };
  const draw = () => {
    list.replaceChildren(
      ...left.map((choice, index) => {
        const item = el(
          "li",
          { role: "option", id: `pick-${index}`, "aria-selected": String(index === at) },
          el("span", {}, visible(choice.label)),
          el("small", {}, visible(choice.detail)),
        );
        item.addEventListener("click", () => choose(choice));
        return item;
      }),
    );
    if (left.length === 0) list.append(el("li", { class: "none" }, "Nothing of that name"));
    mark();
  };
  const mark = () => {
    for (const [index, item] of [...list.children].entries()) item.ariaSelected = String(index === at);
    list.children[at]?.scrollIntoView({ block: "nearest" });
    if (left.length > 0) field.setAttribute("aria-activedescendant", `pick-${at}`);
    else field.removeAttribute("aria-activedescendant");
  };
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    left = choices.filter(({ label }) => label.toLowerCase().includes(wanted));
    at = 0;
    draw();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step !== undefined && left.length > 0) {
      const next = at + step;
      at = Math.abs(step) === 1 ? (next + left.length) % left.length : Math.max(0, Math.min(next, left.length - 1));
      mark();
    } else if (event.key === "Enter") choose(left[at]);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  draw();
  dialog.showModal();
}
