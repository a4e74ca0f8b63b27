// Sound on or off, how the call sounds at the moment, and the list of sound files.

import { FORMATS, ending } from "./decode";
import { el, get, keep, setText, visible } from "./dom";
import type { Sounds } from "./sounds";
import type { How, Sound } from "./sound";

const KEY = "agi-rhai-sound";
const HOW: Record<How, string> = {
  recording: "a recording",
  tone: "a tone",
  voice: "the browser’s voice",
  nothing: "no recording, and this browser has no voice for it",
};

/** A file that somebody gives, and where it was: `de/welcome.gsm`. */
export interface Given {
  file: File;
  path: string;
}

export class SoundPanel {
  readonly #sound: Sound;
  readonly #sounds: Sounds;
  readonly #remove: (path: string) => void;
  readonly #box = get<HTMLInputElement>("sound-on");
  readonly #list = get("recorded");
  #listed = "";

  constructor(sound: Sound, sounds: Sounds, add: (files: Given[]) => Promise<void>, remove: (path: string) => void) {
    this.#sound = sound;
    this.#sounds = sounds;
    this.#remove = remove;
    this.#box.checked = sound.on = localStorageOf(KEY) !== "off";
    this.#box.addEventListener("change", () => {
      sound.on = this.#box.checked;
      if (sound.on) sound.allow();
      else sound.silence();
      localStorageOf(KEY, sound.on ? "on" : "off");
    });
    for (const event of ["pointerdown", "keydown"]) {
      document.addEventListener(event, () => sound.allow(), { capture: true });
    }
    get("add-sounds").hidden = !sounds.takesFiles;
    const chosen = get<HTMLInputElement>("sound-files");
    get("add-sounds").addEventListener("click", () => chosen.click());
    chosen.addEventListener("change", () => {
      void add([...(chosen.files ?? [])].map((file) => ({ file, path: file.name })));
      chosen.value = "";
    });
    document.addEventListener("dragover", (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      const items = [...(event.dataTransfer?.items ?? [])];
      const given = items.flatMap((item) => item.webkitGetAsEntry() ?? item.getAsFile() ?? []);
      if (given.length === 0 || !sounds.takesFiles) return;
      event.preventDefault();
      void Promise.all(given.map(filesIn)).then((found) => {
        const sounds = found.flat().filter(isSound);
        return sounds.length > 0 ? add(sounds) : undefined;
      });
    });
    get("recordings").addEventListener("toggle", () => this.show());
  }

  /** Shows how the call sounds, and which files it may play. */
  show(): void {
    const { how, on } = this.#sound;
    setText(get("sound-how"), how && on ? HOW[how] : "");
    if (!get<HTMLDetailsElement>("recordings").open) return;
    const sizes = this.#sounds.sizes();
    const paths = Object.keys(sizes).sort();
    const listed = paths.map((path) => `${path} ${sizes[path]}`).join("\n");
    if (listed === this.#listed) return;
    this.#listed = listed;
    keep(
      this.#list,
      paths,
      (path) => `${path} ${sizes[path]} ${this.#sounds.isOwn(path)}`,
      (path) => this.#item(path),
    );
    if (paths.length === 0) this.#list.replaceChildren(el("li", {}, "None: prompts are spoken by the browser’s voice"));
  }

  #item(path: string): HTMLElement {
    const name = visible(path.replace(/^sounds\//, ""));
    const play = el("button", { type: "button", class: "small", "aria-label": `Play ${name}` }, "▶");
    play.addEventListener("click", () => void this.#sound.sample(path).catch(() => undefined));
    const item = el("li", {}, play, el("span", {}, name));
    if (this.#sounds.isOwn(path)) {
      const remove = el("button", { type: "button", class: "small", "aria-label": `Remove ${name}` }, "−");
      remove.addEventListener("click", () => this.#remove(path));
      item.append(remove);
    }
    return item;
  }
}

function isSound({ file }: Given): boolean {
  return file.type.startsWith("audio/") || FORMATS.includes(ending(file.name));
}

/** Returns a file that was dropped, or all those in a folder. */
async function filesIn(entry: FileSystemEntry | File): Promise<Given[]> {
  if (entry instanceof File) return [{ file: entry, path: entry.name }];
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  const found: Given[] = [];
  // A browser returns some of them at a time.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    found.push(...(await Promise.all(some.map(filesIn))).flat());
  }
}

/** Reads what the browser keeps, or has it keep something. */
function localStorageOf(key: string, value?: string): string | null {
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
