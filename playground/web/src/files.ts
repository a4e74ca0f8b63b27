// What shows the studio's folder: all its files, what isn't saved, what was changed in two places, and the server.

import { MergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { looks } from "./editor";
import { el, get, setText, visible } from "./dom";
import type { Folder } from "./folder";
import type { Project } from "./project";
import type { Reach, Server } from "./server";

/** How many files have a tab, and how many are listed. */
const TABS = 6;
const LISTED = 400;

/** What the page does for it. */
export interface Page {
  project: () => Project;
  /** Shows a file in the editor. */
  show: (name: string) => void;
  /** Takes a text of a file, as if it had been typed. */
  write: (name: string, text: string) => void;
}

export class FilesView {
  readonly #folder: Folder;
  readonly #page: Page;
  readonly #server: Server;
  #tabs: string[] = [];
  #reach: Reach = "there";
  #listed: string[] = [];
  #chosen = 0;
  #noted = "";

  constructor(server: Server, folder: Folder, page: Page) {
    this.#server = server;
    this.#folder = folder;
    this.#page = page;
    for (const id of ["save", "all-files"]) get(id).hidden = false;
    for (const id of ["link", "examples"]) get(id).hidden = true;
    get("save").addEventListener("click", () => void folder.save());
    get("all-files").addEventListener("click", () => this.#openList());
    document.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      const does = { s: () => void folder.save(), p: () => this.#openList() }[event.key];
      if (!does) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) does();
    });
    window.addEventListener("beforeunload", (event) => {
      if (folder.unsaved().length > 0) event.preventDefault();
    });
    server.onReach = (reach) => this.#reaches(reach);
    this.#setUpList();
    this.#setUpToken();
  }

  /** Returns the files that have a tab: those shown last. */
  tabs(): string[] {
    const { files, shown } = this.#page.project();
    this.#tabs = this.#tabs.filter((name) => Object.hasOwn(files, name));
    if (Object.hasOwn(files, shown) && !this.#tabs.includes(shown)) {
      this.#tabs.push(shown);
      if (this.#tabs.length > TABS) this.#tabs.shift();
    }
    return this.#tabs;
  }

  /** A file has another name. */
  renamed(name: string, to: string): void {
    this.#tabs = this.#tabs.map((tab) => (tab === name ? to : tab));
  }

  draw(): void {
    const project = this.#page.project();
    const unsaved = this.#folder.unsaved();
    const count = unsaved.length;
    const save = get<HTMLButtonElement>("save");
    save.disabled = count === 0 || this.#folder.isSaving;
    setText(save, this.#folder.isSaving ? "Saving …" : count === 0 ? "Saved" : count === 1 ? "Save" : `Save ${count}`);
    save.dataset["unsaved"] = String(count > 0);
    save.title =
      count === 0 ? "All files are on the disk as they are here" : `Ctrl+S writes ${unsaved.map(visible).join(", ")}`;
    for (const tab of get("tabs").querySelectorAll<HTMLElement>("[role=tab]")) {
      const name = tab.dataset["name"] ?? "";
      tab.classList.toggle("is-unsaved", unsaved.includes(name));
      tab.classList.toggle("is-in-conflict", this.#folder.conflicts.has(name));
    }
    const { name, folder } = this.#folder.about;
    const home = get("home");
    setText(home, name === "" ? "studio" : `studio · ${visible(name)}`);
    home.title = visible(folder);
    const title = project.shown === "" ? "" : `${project.shown} – `;
    document.title = visible(`${count > 0 ? "● " : ""}${title}${name === "" ? "" : `${name} – `}agi-rhai studio`);
    this.#note();
  }

  /** Shows what somebody has to know or decide: one thing at a time, the most urgent one. */
  #note(): void {
    const { shown } = this.#page.project();
    const { conflicts, failure, about, isLoaded } = this.#folder;
    const conflict = conflicts.has(shown) ? shown : [...conflicts][0];
    const note = get("folder-note");
    const isDeleted = conflict !== undefined && this.#folder.onDisk(conflict) === null;
    const isEmpty = isLoaded && Object.keys(this.#page.project().files).length === 0;
    const what = JSON.stringify([conflict, isDeleted, shown, failure, this.#reach, about.cut, isEmpty]);
    if (what === this.#noted) return;
    this.#noted = what;
    note.replaceChildren();
    note.className = "note";
    const button = (text: string, does: () => void) => {
      const made = el("button", { type: "button", class: "small" }, text);
      made.addEventListener("click", does);
      return made;
    };
    if (this.#reach === "gone") {
      note.append("The studio doesn’t answer. What is written here is kept until it does.");
      note.classList.add("is-bad");
    } else if (conflict !== undefined && conflict !== shown) {
      note.append(
        el("span", {}, `${visible(conflict)} was changed here and on the disk.`),
        button("Show it", () => this.#page.show(conflict)),
      );
      note.classList.add("is-bad");
    } else if (conflict !== undefined && isDeleted) {
      note.append(
        el("span", {}, `${visible(conflict)} was changed here, and deleted on the disk.`),
        button("Save it again", () => void this.#folder.keepMine(conflict)),
        button("Delete it here, too", () => this.#folder.takeTheirs(conflict)),
      );
      note.classList.add("is-bad");
    } else if (conflict !== undefined) {
      note.append(
        el("span", {}, `${visible(conflict)} was changed here and on the disk.`),
        button("Compare", () => this.#compare(conflict)),
        button("Keep mine", () => void this.#folder.keepMine(conflict)),
        button("Take the disk’s", () => this.#folder.takeTheirs(conflict)),
      );
      note.classList.add("is-bad");
    } else if (failure !== null) {
      note.append(
        el("span", {}, `Not saved. ${visible(failure)}`),
        button("Try again", () => void this.#folder.save()),
      );
      note.classList.add("is-bad");
    } else if (isEmpty) {
      note.append("There is no script in this folder yet: + makes one.");
    } else if (about.cut) {
      note.append("This folder holds more than is shown here. Open a folder of scripts only.");
    }
    note.hidden = note.childNodes.length === 0;
  }

  // All files.

  #setUpList(): void {
    const filter = get<HTMLInputElement>("file-filter");
    filter.addEventListener("input", () => this.#fillList());
    filter.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (step !== undefined) this.#choose(this.#chosen + step);
      else if (event.key === "Enter") this.#take(this.#listed[this.#chosen]);
      else return;
      event.preventDefault();
    });
    // What is written goes on to the filter, wherever one has clicked.
    get("file-list").addEventListener("mousedown", (event) => event.preventDefault());
    const dialog = get<HTMLDialogElement>("file-dialog");
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }

  #openList(): void {
    const filter = get<HTMLInputElement>("file-filter");
    filter.value = "";
    get<HTMLDialogElement>("file-dialog").showModal();
    this.#fillList();
    const at = this.#listed.indexOf(this.#page.project().shown);
    this.#choose(Math.max(0, at));
    filter.focus();
  }

  #fillList(): void {
    const { files, script } = this.#page.project();
    const words = get<HTMLInputElement>("file-filter").value.toLowerCase().split(/\s+/);
    const all = [...Object.keys(files), ...this.#folder.problems.keys()].sort((a, b) =>
      a.localeCompare(b, undefined, { numeric: true }),
    );
    const found = all.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
    const shown = found.slice(0, LISTED);
    this.#listed = shown.filter((name) => Object.hasOwn(files, name));
    const items = shown.map((name) => {
      const problem = this.#folder.problems.get(name);
      const at = name.lastIndexOf("/") + 1;
      const item = el(
        "li",
        { role: "option", "aria-selected": "false", "aria-disabled": problem === undefined ? null : "true" },
        el("span", { class: "path" }, visible(name.slice(0, at))),
        el("span", {}, visible(name.slice(at))),
      );
      if (problem !== undefined) item.append(el("small", {}, visible(problem)));
      if (name === script) item.append(el("span", { class: "called" }, "called"));
      if (this.#folder.isUnsaved(name) && problem === undefined) item.append(el("small", {}, "not saved"));
      if (problem === undefined) {
        item.id = `file-${this.#listed.indexOf(name)}`;
        item.addEventListener("click", () => this.#take(name));
      }
      return item;
    });
    const list = get("file-list");
    list.replaceChildren(...items);
    const rest = found.length - shown.length;
    const count =
      found.length === 0 ? "No file is called so" : rest > 0 ? `${rest} more: write a part of the name` : "";
    setText(get("file-count"), count);
    this.#choose(0);
  }

  #choose(at: number): void {
    this.#chosen = Math.max(0, Math.min(at, this.#listed.length - 1));
    for (const item of get("file-list").children) {
      const isChosen = item.id === `file-${this.#chosen}`;
      item.setAttribute("aria-selected", String(isChosen));
      if (isChosen) item.scrollIntoView({ block: "nearest" });
    }
    const filter = get("file-filter");
    if (this.#listed.length > 0) filter.setAttribute("aria-activedescendant", `file-${this.#chosen}`);
    else filter.removeAttribute("aria-activedescendant");
  }

  #take(name: string | undefined): void {
    if (name === undefined) return;
    get<HTMLDialogElement>("file-dialog").close();
    this.#page.show(name);
  }

  // Two texts of one file.

  #compare(name: string): void {
    const dialog = el("dialog", { class: "compare", "aria-labelledby": "compare-title" });
    const place = el("div", { class: "texts" });
    const root = place.attachShadow({ mode: "open" });
    const readOnly = [EditorState.readOnly.of(true)];
    const merge = new MergeView({
      a: { doc: this.#folder.onDisk(name) ?? "", extensions: [...looks(name, "On the disk"), readOnly] },
      b: { doc: this.#page.project().files[name] ?? "", extensions: looks(name, "Mine") },
      parent: root,
      root,
      revertControls: "a-to-b",
      collapseUnchanged: { margin: 4, minSize: 8 },
    });
    const close = () => dialog.close();
    const does = (text: string, kind: string, work: () => void) => {
      const button = el("button", { type: "button", class: kind }, text);
      button.addEventListener("click", () => {
        work();
        close();
      });
      return button;
    };
    dialog.append(
      el("h2", { id: "compare-title" }, visible(name)),
      el("div", { class: "sides" }, el("b", {}, "On the disk"), el("b", {}, "Mine")),
      place,
      el(
        "div",
        { class: "buttons" },
        does("Save mine", "go", () => {
          this.#page.write(name, merge.b.state.doc.toString());
          void this.#folder.keepMine(name);
        }),
        does("Take the disk’s", "", () => this.#folder.takeTheirs(name)),
        does("Cancel", "", () => {}),
      ),
    );
    dialog.addEventListener("close", () => {
      merge.destroy();
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    merge.b.focus();
  }

  // The server.

  #setUpToken(): void {
    const dialog = get<HTMLDialogElement>("token-dialog");
    const field = get<HTMLInputElement>("token");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    field.addEventListener("input", () => field.setCustomValidity(""));
    get("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = /(?:^|#token=)([0-9a-f]{32})$/.exec(field.value.trim())?.[1];
      field.setCustomValidity(token === undefined ? "The whole address, with what follows the #" : "");
      if (token === undefined) field.reportValidity();
      else this.#server.enter(token);
    });
  }

  #reaches(reach: Reach): void {
    this.#reach = reach;
    const dialog = get<HTMLDialogElement>("token-dialog");
    if (reach === "locked") {
      const why = this.#folder.isLoaded
        ? "The studio was started anew, with another address. What is written here is kept."
        : "This page needs the address that agi-rhai studio printed as it started, with what follows the #.";
      setText(get("token-why"), why);
      if (!dialog.open) dialog.showModal();
    } else if (dialog.open) {
      dialog.close();
      get<HTMLInputElement>("token").value = "";
    }
    this.#note();
  }
}
