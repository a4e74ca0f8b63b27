// What the checker finds in all files: counted, and listed by file.

import type { Client } from "./client";
import { el, get, setText, visible } from "./dom";
import type { Diagnostic, Files } from "./protocol";

/** So many are listed of a file. */
const SHOWN = 50;
/** How long after the last edit the other files are checked, in milliseconds; and at first, when much begins. */
const SOON = 500;
const FIRST = 1500;

const isError = ({ severity }: Diagnostic) => severity === 1;

function counted(found: Diagnostic[]): string {
  const count = (number: number, word: string) => (number === 0 ? [] : [`${number} ${word}${number === 1 ? "" : "s"}`]);
  const errors = found.filter(isError).length;
  return [...count(errors, "error"), ...count(found.length - errors, "warning")].join(", ");
}

export class Findings {
  readonly #client: Client;
  readonly #page: { files: () => Files; shown: () => string; goTo: (file: string, line: number) => void };
  #all = new Map<string, Diagnostic[]>();
  #drawn = "";
  #timer = 0;
  #delay = FIRST;

  constructor(
    client: Client,
    page: { files: () => Files; shown: () => string; goTo: (file: string, line: number) => void },
  ) {
    this.#client = client;
    this.#page = page;
  }

  /** Takes what is found in one file, and asks soon what is found in all. */
  take(file: string, found: Diagnostic[]): void {
    if (found.length > 0) this.#all.set(file, found);
    else this.#all.delete(file);
    this.draw();
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#check(), this.#delay);
    this.#delay = SOON;
  }

  #check(): void {
    const request = { files: this.#page.files(), file: "", method: "all_diagnostics", params: {} };
    this.#client.ask("edit", request, "findings").then(
      (answer) => {
        const found = Object.entries(answer as Record<string, Diagnostic[] | null>);
        this.#all = new Map(found.flatMap(([file, found]) => (found && found.length > 0 ? [[file, found]] : [])));
        this.draw();
      },
      // Asked again, or the module has no answer: what was found before stays.
      () => {},
    );
  }

  /** Draws the list: the file that is shown comes first. */
  draw(): void {
    const shown = this.#page.shown();
    const files = [...this.#all].sort(([a], [b]) => Number(b === shown) - Number(a === shown) || (a < b ? -1 : 1));
    const drawn = JSON.stringify(files);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const all = files.flatMap(([, found]) => found);
    const count = get("findings-count");
    const others = files.filter(([file]) => file !== shown).length;
    const where = files.length > 1 ? ` in ${files.length} files` : others === 1 ? ` in ${visible(files[0]![0])}` : "";
    setText(count, all.length > 0 ? `${counted(all)}${where}` : "The checker finds nothing");
    count.dataset["worst"] = all.some(isError) ? "error" : all.length > 0 ? "warning" : "none";
    get("findings").replaceChildren(...files.map(([file, found]) => this.#file(file, found)));
  }

  #file(file: string, found: Diagnostic[]): HTMLElement {
    const items = found.slice(0, SHOWN).map((finding) => {
      const line = finding.range.start.line + 1;
      const text = visible(finding.message.replaceAll("\n", ": "));
      const kind = isError(finding) ? "error" : "warning";
      const button = el("button", { type: "button", class: kind }, el("b", {}, `${line}`), text);
      button.addEventListener("click", () => this.#page.goTo(file, line));
      return el("li", {}, button);
    });
    const title = el("div", { class: "file" }, el("span", {}, visible(file)), el("span", {}, counted(found)));
    return el("li", {}, title, el("ul", { "aria-label": `Findings in ${visible(file)}` }, ...items));
  }
}
