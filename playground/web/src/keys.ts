// The keys of the page, in a dialog.

import { el, get } from "./dom";

const MAC = /mac|iphone|ipad/i.test(navigator.platform);

const KEYS: Record<string, [string, string][]> = {
  "The phone": [
    ["0 – 9 * #", "press a key"],
    ["Shift+A – Shift+D", "press a key that only some phones have"],
    ["Escape", "hang up"],
    ["Space", "pause, go on"],
    ["Ctrl+Enter", "call"],
  ],
  "The timeline": [
    ["← →", "a second back or on"],
    ["PageDown PageUp", "ten seconds back or on"],
    ["Home End", "to the start or the end"],
  ],
  "Find the way": [
    ["F12", "go to the definition; so does Ctrl+click"],
    [MAC ? "Ctrl+-" : "Alt+←", "back"],
    ["Shift+F12", "all places where it is used"],
    ["Ctrl+Shift+O", "functions and variables of the file"],
    ["Ctrl+F", "search and replace"],
    ["F8 Shift+F8", "next finding, finding before"],
    ["Ctrl+Alt+G", "go to a line"],
  ],
  Write: [
    ["Ctrl+Space", "complete"],
    ["Ctrl+Shift+Space", "parameters of the function"],
    ["F2", "rename, in all files"],
    ["Ctrl+.", "fixes for this line"],
    ["Ctrl+/", "make it a comment, or no comment"],
    ["Alt+↑ Alt+↓", "move the line"],
    ["Ctrl+Z Ctrl+Y", "undo, redo"],
    ["Ctrl+Shift+[ Ctrl+Shift+]", "fold, unfold"],
    ["Escape, then Tab", "leave the editor"],
  ],
  "The graph": [
    ["↑ ↓ ← →", "from node to node"],
    ["Enter", "to its line"],
    ["B, Escape", "begin at this node, or at the start"],
    ["U", "unfold, fold"],
    ["+ - 0", "larger, smaller, all of it"],
  ],
  "This page": [
    ["F1 ?", "show these keys"],
    ["Ctrl+S", "in a studio: save all files"],
    ["Ctrl+P", "in a studio: list all files"],
  ],
};

/** Makes the dialog, and the keys that open it. */
export function keyboardHelp(): void {
  const dialog = get<HTMLDialogElement>("keys-dialog");
  const own = (keys: string) => (MAC ? keys.replaceAll(/Ctrl\+(?!-)/g, "⌘") : keys);
  get("keys-list").append(
    ...Object.entries(KEYS).map(([title, keys]) =>
      el(
        "section",
        {},
        el("h3", {}, title),
        el("dl", {}, ...keys.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, own(key))), el("dd", {}, what)])),
      ),
    ),
  );
  const open = () => {
    if (!document.querySelector("dialog[open]")) dialog.showModal();
  };
  get("keys-help").addEventListener("click", open);
  get("keys-close").addEventListener("click", () => dialog.close());
  document.addEventListener("keydown", (event) => {
    const writes = event
      .composedPath()
      .some((one) => one instanceof HTMLElement && (one.isContentEditable || /^(INPUT|TEXTAREA)$/.test(one.tagName)));
    if (event.key !== "F1" && (event.key !== "?" || writes)) return;
    event.preventDefault();
    open();
  });
}
