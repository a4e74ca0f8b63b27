// The calls of a server, as it tells them, and how many of them are in each line of each script.

/** A call. Times are milliseconds of the server's clock. */
export interface LiveCall {
  id: number;
  caller: string;
  name: string;
  extension: string;
  script: string;
  version: string;
  channel: string;
  peer: string;
  began: number;
  /** The file and the line of the last command; an empty one before the first. */
  file: string;
  line: number;
  /** The command it waits for, or `script`. */
  doing: string;
  since: number;
  commands: number;
  /** When it was seen to be over, by the page's clock; it stays in the list for a moment. */
  ended?: number;
}

interface Changes {
  now: number;
  calls?: (Pick<LiveCall, "id" | "file" | "line" | "doing" | "since" | "commands"> & Partial<LiveCall>)[];
  gone?: number[];
}

/** How many calls are in each line now. What shows that is told when it changes. */
class LineCounts {
  readonly #counts = new Map<string, Map<number, number>>();
  readonly #listeners = new Set<() => void>();

  /** Returns how many calls are in a line of a file. */
  at(file: string, line: number): number {
    return this.#counts.get(file)?.get(line) ?? 0;
  }

  /** Returns the lines of a file in which there are calls, and how many. */
  in(file: string): ReadonlyMap<number, number> {
    return this.#counts.get(file) ?? new Map<number, number>();
  }

  /** Has somebody told of changes, a few times a second at most. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(file: string, line: number, count: number): void {
    if (file === "" || line === 0) return;
    const lines = this.#counts.get(file) ?? new Map<number, number>();
    this.#counts.set(file, lines);
    const sum = (lines.get(line) ?? 0) + count;
    if (sum > 0) lines.set(line, sum);
    else lines.delete(line);
  }

  clear(): void {
    this.#counts.clear();
  }

  tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The live calls in each line of each script, by the names that files have in the page. */
export const lineCounts = new LineCounts();

export class LiveCalls {
  readonly byId = new Map<number, LiveCall>();
  /** Why the server isn't there; null if it is. */
  problem: string | null = null;
  /** Whether the server has told which calls there are. */
  isKnown = false;
  /** What the server's clock shows more than the page's. */
  #offset = 0;
  readonly #here: (file: string) => string;

  /** `here` returns the name that a file of the server has in the page. */
  constructor(here: (file: string) => string) {
    this.#here = here;
  }

  /** Returns the moment that it is on the server. */
  now(): number {
    return performance.now() + this.#offset;
  }

  /** Returns how many calls there are now. */
  count(): number {
    let count = 0;
    for (const call of this.byId.values()) if (call.ended === undefined) count += 1;
    return count;
  }

  /** Takes what the server tells. */
  take(name: string, value: unknown): void {
    if (name === "problem") {
      this.problem = (value as { problem: string }).problem;
      for (const { file, line, ended } of this.byId.values()) if (ended === undefined) lineCounts.add(file, line, -1);
      this.byId.clear();
      this.isKnown = false;
    } else if (name === "began") {
      this.problem = null;
      this.byId.clear();
      lineCounts.clear();
    } else if (name === "changes") {
      this.#change(value as Changes);
    }
    lineCounts.tell();
  }

  #change({ now, calls = [], gone = [] }: Changes): void {
    this.#offset = now - performance.now();
    this.isKnown = true;
    for (const told of calls) {
      const before = this.byId.get(told.id);
      if (before) lineCounts.add(before.file, before.line, -1);
      const call = { ...before, ...told, file: this.#here(told.file) } as LiveCall;
      lineCounts.add(call.file, call.line, 1);
      this.byId.set(call.id, call);
    }
    for (const id of gone) {
      const call = this.byId.get(id);
      if (!call || call.ended !== undefined) continue;
      lineCounts.add(call.file, call.line, -1);
      call.ended = performance.now();
    }
  }

  /** Forgets calls that have been over for so long, in milliseconds. */
  forget(after: number, except: number | null): void {
    const before = performance.now() - after;
    for (const [id, { ended }] of this.byId) {
      if (ended !== undefined && ended < before && id !== except) this.byId.delete(id);
    }
  }
}

/** How a list of calls is sorted. */
export type Order = "newest" | "longest" | "waiting";

const ORDERS: Record<Order, (one: LiveCall, other: LiveCall) => number> = {
  newest: (one, other) => other.began - one.began || other.id - one.id,
  longest: (one, other) => one.began - other.began || one.id - other.id,
  waiting: (one, other) => one.since - other.since || one.id - other.id,
};

export function sorted(calls: LiveCall[], order: Order): LiveCall[] {
  return calls.sort(ORDERS[order]);
}

/** Whether a call is what somebody looks for: each word is in its number, name, channel, script or line. */
export function matches(texts: string[], filter: string): boolean {
  const all = texts.join("\n").toLowerCase();
  // A number is found however it is written.
  const digits = all.replace(/[ ()/.-]/g, "");
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every(
      (word) => all.includes(word) || (/^[+\d()/.-]{3,}$/.test(word) && digits.includes(word.replace(/[()/.-]/g, ""))),
    );
}
