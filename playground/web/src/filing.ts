// New files, other names, removal.

import { get } from "./dom";

/** What the page does with files. */
export interface Shelf {
  files: () => Record<string, string>;
  /** The script that is called, and the file that is shown. */
  called: () => string;
  shown: () => string;
  /** Takes the files as they are now, in this order, and shows one. */
  put: (files: Record<string, string>, shown: string, called: string) => void;
  say: (text: string, undo?: () => void) => void;
}

const NAME = /^(?:[\w-]+\/)*[\w-]+(?:\.[\w-]+)*\.(?:rhai|prompts|phrases)$/;

/** Makes the dialog and the buttons for files. */
export function filing(shelf: Shelf): void {
  const dialog = get<HTMLDialogElement>("new-file");
  const field = get<HTMLInputElement>("new-name");
  let renamed: string | null = null;
  const ask = (name: string | null) => {
    renamed = name;
    get("new-title").textContent = name === null ? "New file" : "Rename the file";
    get("new-submit").textContent = name === null ? "Add" : "Rename";
    field.value = name ?? "";
    field.setCustomValidity("");
    dialog.showModal();
    // The ending stays.
    if (name !== null) field.setSelectionRange(0, name.indexOf("."));
  };
  get("add-file").addEventListener("click", () => ask(null));
  get("rename-file").addEventListener("click", () => ask(shelf.shown()));
  field.addEventListener("input", () => field.setCustomValidity(""));
  get("new-cancel").addEventListener("click", () => dialog.close());
  get("new-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    const files = shelf.files();
    const ending = (name: string | null) => name?.split(".").at(-1);
    const problem = !NAME.test(name)
      ? "A name of letters, digits, - and _ that ends in .rhai, .test.rhai, .prompts or .phrases"
      : name !== renamed && Object.hasOwn(files, name)
        ? "There is such a file"
        : renamed === shelf.called() && (ending(name) !== "rhai" || name.endsWith(".test.rhai"))
          ? "The script that is called must stay one: its name ends in .rhai"
          : "";
    field.setCustomValidity(problem);
    if (!field.reportValidity()) return;
    dialog.close();
    if (renamed === null) shelf.put({ ...files, [name]: "" }, name, shelf.called());
    else if (name !== renamed) rename(shelf, renamed, name);
  });
  get("remove-file").addEventListener("click", () => {
    const name = shelf.shown();
    const before = shelf.files();
    const { [name]: text, ...left } = before;
    if (text === undefined || name === shelf.called()) return;
    shelf.put(left, shelf.called(), shelf.called());
    shelf.say(`${name} is removed`, () => {
      // What was written since stays. It is back in its place.
      const now = shelf.files();
      const order = [...new Set([...Object.keys(before), ...Object.keys(now)])];
      const back = order.flatMap((file) => {
        const kept = now[file] ?? (file === name ? text : undefined);
        return kept === undefined ? [] : [[file, kept]];
      });
      shelf.put(Object.fromEntries(back), name, shelf.called());
    });
  });
}

function rename(shelf: Shelf, from: string, to: string): void {
  const become = (from: string, to: string) => {
    const files = shelf.files();
    if (!Object.hasOwn(files, from) || Object.hasOwn(files, to)) return;
    const next = Object.entries(files).map(([name, text]) => [name === from ? to : name, text]);
    const other = (name: string) => (name === from ? to : name);
    shelf.put(Object.fromEntries(next), other(shelf.shown()), other(shelf.called()));
  };
  become(from, to);
  shelf.say(`${from} is ${to} now`, () => become(to, from));
}
