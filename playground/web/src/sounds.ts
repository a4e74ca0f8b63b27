// Sound files: those that come with the examples, and one's own, which stay in the browser.

import { FORMATS, encodeWav, ending } from "./decode";
import type { Folder, Sound } from "./folder";
import type { Project } from "./project";
import type { Files } from "./protocol";
import type { Server } from "./server";

/** Where sound files come from: their sizes by their paths, such as `sounds/en/welcome.gsm`, and their bytes. */
export interface SoundSource {
  sizes: Record<string, number>;
  bytes: (path: string) => Promise<ArrayBuffer>;
}

/** Of more sound files in a folder, those are taken that a text names. */
const MANY = 300;
/** All own files together may have this size, in bytes. */
const LARGEST = 20_000_000;

/** The recordings that come with the examples. The page in one file has only their lengths. */
export function shipped(sizes: Record<string, number>): SoundSource {
  const isOneFile = document.getElementById("inlined-worker") !== null;
  return {
    sizes,
    bytes: async (path) => {
      if (isOneFile) throw new Error("this page is one file, without its recordings");
      const response = await fetch(new URL(path, document.baseURI));
      if (!response.ok) throw new Error(`${path}: ${response.status}`);
      return response.arrayBuffer();
    },
  };
}

/** The sound files of a project. */
export class Sounds {
  readonly #project: () => Project;
  readonly #shipped: SoundSource;
  /** The words with which the shipped ones were recorded. */
  readonly #recorded: Map<string, string>;
  /** The folder that the page is about: then there are no others. */
  readonly #studio: { server: Server; folder: Folder } | null;
  #known: { texts: string[]; sizes: Record<string, number> } | null = null;

  constructor(
    project: () => Project,
    samples: Record<string, string>,
    source: SoundSource,
    studio: { server: Server; folder: Folder } | null,
  ) {
    this.#project = project;
    this.#shipped = source;
    this.#studio = studio;
    this.#recorded = words(samples);
  }

  /** Whether files can be added. */
  get takesFiles(): boolean {
    return this.#studio === null;
  }

  /** Returns the sizes of those that the project's calls may play, by their paths. */
  sizes(files = this.#project().files): Record<string, number> {
    if (this.#studio) return inFolder(this.#studio.folder.about.sounds, files);
    const { sounds } = this.#project();
    const texts = Object.entries(files).flat();
    texts.push(...Object.keys(sounds));
    const known = this.#known;
    if (known && known.texts.length === texts.length && texts.every((text, at) => text === known.texts[at])) {
      return { ...known.sizes, ...sounds };
    }
    // Where the table has other words than the recording, the words count.
    const wanted = words(files);
    const own = new Set(Object.keys(sounds).map(stem));
    const isWanted = (path: string) => {
      const name = stem(path);
      const text = wanted.get(name);
      return text !== undefined && text === this.#recorded.get(name) && !own.has(name) && !own.has(bare(name));
    };
    const sizes = Object.fromEntries(Object.entries(this.#shipped.sizes).filter(([path]) => isWanted(path)));
    this.#known = { texts, sizes };
    return { ...sizes, ...sounds };
  }

  /** Returns those that calls of these files may play, as the module takes them. */
  files(texts: Record<string, string>): Files {
    return Object.fromEntries(Object.entries(this.sizes(texts)).map(([path, size]) => [path, { size }]));
  }

  /** Whether a file is one's own. */
  isOwn(path: string): boolean {
    return !this.#studio && Object.hasOwn(this.#project().sounds, path);
  }

  async bytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#studio)
      return (await this.#studio.server.ask(`sounds/${path.split("/").map(encodeURIComponent).join("/")}`)).body;
    if (!this.isOwn(path)) return new Uint8Array(await this.#shipped.bytes(path));
    const kept = await ask<unknown>("readonly", (files) => files.get(path));
    if (!(kept instanceof Uint8Array)) throw new Error(`${path} is not in this browser`);
    return kept as Uint8Array<ArrayBuffer>;
  }

  /** Takes a file, and returns its path. What Asterisk can't play becomes a WAV file that it can. The error says what is wrong with it. */
  async add(file: File, path: string): Promise<string> {
    const { sounds } = this.#project();
    const others = Object.entries(sounds).filter(([other]) => other !== path);
    const total = others.reduce((sum, [, size]) => sum + size, 0);
    if (file.size + total > LARGEST)
      throw new Error(`${file.name}: own sounds may have ${LARGEST / 1e6} MB altogether`);
    let bytes = new Uint8Array(await file.arrayBuffer());
    const isRaw = FORMATS.includes(ending(path)) && !ending(path).startsWith("wav");
    if (!isRaw) {
      const decoder = new OfflineAudioContext(1, 1, 8000);
      const decoded = await decoder.decodeAudioData(bytes.buffer).catch(() => {
        throw new Error(`${file.name} is not a sound that this browser can read`);
      });
      const mono = new Float32Array(decoded.length);
      for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
        decoded
          .getChannelData(channel)
          .forEach((sample, at) => (mono[at] = (mono[at] ?? 0) + sample / decoded.numberOfChannels));
      }
      bytes = encodeWav(mono);
      path = path.replace(/\.[^./]+$/, ".wav");
    }
    await ask("readwrite", (files) => files.put(bytes, path));
    // The same sound in another format would be played instead, or not at all.
    for (const other of Object.keys(sounds)) if (stem(other) === stem(path)) delete sounds[other];
    sounds[path] = bytes.length;
    return path;
  }

  async remove(path: string): Promise<void> {
    delete this.#project().sounds[path];
    await ask("readwrite", (files) => files.delete(path));
  }

  /** Drops what no project has any more. */
  async tidy(projects: (Project | null)[]): Promise<void> {
    const paths = await ask<IDBValidKey[]>("readonly", (files) => files.getAllKeys());
    const isKept = (path: string) => projects.some((project) => project && Object.hasOwn(project.sounds, path));
    const gone = paths.filter((path) => !isKept(String(path)));
    await Promise.all(gone.map((path) => ask("readwrite", (files) => files.delete(path))));
  }
}

/** Returns where a file goes that somebody gives: beside the script, in the folder of its language if it comes in one. */
export function placeOf(path: string): string {
  const inSounds = /(?:^|\/)sounds\/(.+)$/.exec(path)?.[1];
  const inLanguage = /(?:^|\/)([a-z]{2}(?:_[A-Z]{2})?\/[^/]+)$/.exec(path)?.[1];
  return `sounds/${(inSounds ?? inLanguage ?? path.replace(/^.*\//, "")).replace(/[^\w./-]+/g, "-")}`;
}

/** Returns the sizes of the sounds of a folder that its texts may play. */
function inFolder(sounds: Sound[], files: Record<string, string>): Record<string, number> {
  let wanted = sounds;
  if (sounds.length > MANY) {
    const named = new Set(Object.values(files).flatMap((text) => text.match(/[\w-]+/g) ?? []));
    wanted = sounds.filter(({ name }) => named.has(/([^/]*)\.[^.]*$/.exec(name)?.[1] ?? ""));
  }
  return Object.fromEntries(wanted.map(({ name, size }) => [name, size]));
}

/** Returns the name of a sound, with its language: `en/welcome`. */
const stem = (path: string) => path.replace(/^sounds\//, "").replace(/\.[^./]+$/, "");
/** Returns it without its language. */
const bare = (name: string) => name.replace(/^[a-z]{2}(?:_[A-Z]{2})?\//, "");

/** Reads the words of all prompt tables, by language and name: `en/welcome`. */
function words(files: Record<string, string>): Map<string, string> {
  const all = new Map<string, string>();
  for (const [name, text] of Object.entries(files)) {
    if (!name.endsWith(".prompts")) continue;
    let language = "en";
    for (const line of text.split("\n").map((line) => line.trim())) {
      const heading = /^\[(\w+)\]$/.exec(line)?.[1];
      const [, prompt, said] = /^([^\s:;]+)\s*:\s*(.*)$/.exec(line) ?? [];
      if (heading !== undefined) language = heading;
      else if (prompt !== undefined) all.set(`${language}/${prompt}`, said ?? "");
    }
  }
  return all;
}

/** Asks the browser's database of files. */
function ask<T>(mode: IDBTransactionMode, what: (files: IDBObjectStore) => IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("agi-rhai-sounds", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("files");
    opening.onerror = () => reject(opening.error ?? new Error("the browser keeps no files"));
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction("files", mode);
      const request = what(transaction.objectStore("files"));
      transaction.oncomplete = () => {
        database.close();
        resolve(request.result as T);
      };
      transaction.onabort = transaction.onerror = () => {
        database.close();
        reject(transaction.error ?? new Error("the browser keeps no more files"));
      };
    };
  });
}
