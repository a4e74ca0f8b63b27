// The files that are worked on, the call that is made with them, and where both are kept.

import type { Act, Answer, CallOptions, Request, Seed, Store } from "./protocol";
import { asSeed, options } from "./setup";

/** What is kept, and what a link holds. */
export interface Project {
  /** Texts by the names of their files. */
  files: Record<string, string>;
  /** The script that is called. */
  script: string;
  /** The file in the editor. */
  shown: string;
  seed: Seed;
  call: CallOptions;
  /** What services answer, and what is in the store before the call. */
  answers: Answer[];
  store: Store | null;
  /** One's own sound files: their sizes, by their paths. What is in them stays in the browser. */
  sounds: Record<string, number>;
}

/** A project without files. */
export const NONE: Project = {
  files: {},
  script: "",
  shown: "",
  seed: 1,
  call: {},
  answers: [],
  store: null,
  sounds: {},
};

/** A project with a call that was made. */
export interface Shared extends Project {
  acts: Act[];
  position: number;
}

const KEY = "agi-rhai-playground";
/** What there was before somebody's link was edited. */
const BEFORE = "agi-rhai-playground-before";
/** A link may unpack to so much. */
const LARGEST = 2_000_000;
const LONGEST_SPEECH = 1000;

/** Returns the shipped scripts that a script needs, with itself. */
export function example(samples: Record<string, string>, script: string): Project {
  const files: Record<string, string> = {};
  const add = (name: string) => {
    const text = samples[name];
    if (text === undefined || name in files) return;
    files[name] = text;
    if (!name.endsWith(".rhai") || name.endsWith(".test.rhai")) return;
    const stem = name.replace(/\.rhai$/, "");
    for (const beside of ["prompts", "phrases", "test.rhai"]) add(`${stem}.${beside}`);
    for (const [, imported] of text.matchAll(/^\s*import\s+"([^"]+)"/gm)) add(`${imported}.rhai`);
  };
  add(script);
  return { ...NONE, files, script, shown: script, sounds: {} };
}

/** Projects up to this many letters are given to the module as a whole. */
const SMALL = 200_000;

/**
 * Returns the files that the module needs to play or check a file: all, or of many those that its texts may name, with
 * their tables, and so on.
 */
export function needed(files: Record<string, string>, ...names: string[]): Record<string, string> {
  let size = 0;
  for (const text of Object.values(files)) size += text.length;
  if (size <= SMALL) return files;
  const found = new Map<string, string>();
  const add = (name: string) => {
    const text = files[name];
    if (text === undefined || !Object.hasOwn(files, name) || found.has(name)) return;
    found.set(name, text);
    const folder = name.slice(0, name.lastIndexOf("/") + 1);
    const stem = name.replace(/(?:\.test)?\.\w+$/, "");
    for (const ending of ["rhai", "prompts", "phrases"]) add(`${stem}.${ending}`);
    for (const [, named] of text.matchAll(/["`]([\w./ -]{1,200})["`]/g)) {
      for (const place of [`${folder}${named}`, named ?? ""]) {
        add(place);
        add(`${place}.rhai`);
      }
    }
  };
  names.forEach(add);
  return Object.fromEntries(found);
}

/** Returns the script that is called first: one that answers, and is no test. */
export function firstScript(files: Record<string, string>): string {
  const scripts = Object.keys(files)
    .filter((name) => name.endsWith(".rhai") && !name.endsWith(".test.rhai"))
    .sort();
  return scripts.find((name) => /\banswer\s*\(/.test(files[name] ?? "")) ?? scripts[0] ?? "";
}

/** Reads a project that somebody else may have written: null if it is none. */
function read(value: unknown): Shared | null {
  if (typeof value !== "object" || value === null) return null;
  const { files, script, shown, seed, call, answers, store, sounds, acts, position } = value as Record<string, unknown>;
  if (typeof files !== "object" || files === null || typeof script !== "string") return null;
  const texts = Object.entries(files).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  // From entries: a file that is called `__proto__` is a file.
  const project: Project = {
    files: Object.fromEntries(texts),
    script,
    shown: typeof shown === "string" ? shown : script,
    seed: asSeed(seed) ?? 1,
    call: options(call),
    answers: Array.isArray(answers) ? (answers as unknown[]).slice(0, 500).flatMap(given) : [],
    store: storeIn(store),
    sounds: Object.fromEntries(
      members(sounds).filter((entry): entry is [string, number] => {
        const [path, size] = entry;
        return /^sounds\/[\w./-]+$/.test(path) && typeof size === "number" && size >= 0 && size <= 100_000_000;
      }),
    ),
  };
  if (!Object.hasOwn(project.files, script)) return null;
  if (!Object.hasOwn(project.files, project.shown)) project.shown = script;
  const read = Array.isArray(acts) ? (acts as unknown[]).slice(0, 2000).flatMap(act) : [];
  return { ...project, acts: read, position: moment(position) ?? read.at(-1)?.at ?? 0 };
}

function members(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function given(value: unknown): Answer[] {
  const { request, answer } = Object.fromEntries(members(value));
  const { function: asked, service, arguments: all, timeout } = Object.fromEntries(members(request));
  if (typeof asked !== "string" || answer === undefined) return [];
  const read: Request = { function: asked, arguments: Object.fromEntries(members(all)) };
  if (typeof service === "string") read.service = service;
  if (typeof timeout === "number") read.timeout = timeout;
  return [{ request: read, answer }];
}

function storeIn(value: unknown): Store | null {
  const { values, boards } = Object.fromEntries(members(value));
  const lists = members(boards).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const entries = lists.map(([board, list]) => {
    const scores = list.map((entry) => {
      const { name, score } = Object.fromEntries(members(entry));
      return { name, score };
    });
    return [board, scores] as const;
  });
  const store = { values: Object.fromEntries(members(values)), boards: Object.fromEntries(entries) };
  return Object.keys(store.values).length + entries.length > 0 ? store : null;
}

function act(value: unknown): Act[] {
  const { at, keys, says, hangs_up } = (value ?? {}) as Record<string, unknown>;
  const when = moment(at);
  if (when === null) return [];
  if (hangs_up === true) return [{ at: when, hangs_up }];
  if (typeof says === "string" && says.length <= LONGEST_SPEECH) return [{ at: when, says }];
  return typeof keys === "string" && /^[0-9*#A-D]{1,40}$/.test(keys) ? [{ at: when, keys }] : [];
}

function moment(value: unknown): number | null {
  return typeof value === "number" && value >= 0 && value <= 3_600_000 ? Math.floor(value) : null;
}

/** Returns the project of the last visit. */
export function stored(key = KEY): Project | null {
  try {
    const text = localStorage.getItem(key);
    return text === null ? null : read(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Returns the project that was there before somebody's link was edited. */
export function storedBefore(): Project | null {
  return stored(BEFORE);
}

/** Puts the project of the last visit aside. */
export function putAside(): void {
  try {
    const text = localStorage.getItem(KEY);
    if (text !== null) localStorage.setItem(BEFORE, text);
  } catch {
    // As below.
  }
}

/** A folder's project is kept without its files, by the folder's path. */
const folderKey = (folder: string) => `agi-rhai-studio ${folder}`;

/** Returns the project of a folder: its files, with what was called and shown there last. */
export function ofFolder(folder: string, files: Record<string, string>): Project {
  let kept: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(localStorage.getItem(folderKey(folder)) ?? "{}");
    if (typeof value === "object" && value !== null) kept = value as Record<string, unknown>;
  } catch {
    // As if it had never been opened.
  }
  const first = firstScript(files);
  const others = Object.keys(files).sort()[0] ?? "";
  const script = typeof kept["script"] === "string" && Object.hasOwn(files, kept["script"]) ? kept["script"] : first;
  const given = read({ ...kept, files, script });
  if (!given) return { ...NONE, files, script, shown: script || others, sounds: {} };
  const { acts: _, position: __, ...project } = given;
  return { ...project, files, script };
}

/** Keeps what is called and shown in a folder. */
export function keepOfFolder(folder: string, { files: _, ...rest }: Project): void {
  try {
    localStorage.setItem(folderKey(folder), JSON.stringify(rest));
  } catch {
    // As below.
  }
}

export function store(project: Project): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(project));
  } catch {
    // A browser that keeps nothing still plays.
  }
}

/** Returns what follows the `#` of a link to a project and its call. */
export async function toLink(shared: Shared): Promise<string> {
  const packed = new Blob([JSON.stringify(shared)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Reads what follows the `#` of a link: null if it is none. */
export async function fromLink(hash: string): Promise<Shared | null> {
  try {
    const letters = atob(hash.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > LARGEST) throw new Error("too large");
      parts.push(value as Uint8Array<ArrayBuffer>);
    }
    return read(JSON.parse(await new Blob(parts).text()));
  } catch {
    return null;
  }
}
