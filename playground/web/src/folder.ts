// The files of the studio's folder: what is on the disk, what was edited here, and what was edited in both places.

import { Refused, type Server } from "./server";

export interface Sound {
  name: string;
  size: number;
}

/** What is known of the folder besides its texts. */
export interface About {
  /** Its path, and the last part of that. */
  folder: string;
  name: string;
  sounds: Sound[];
  /** Whether it has more files than are shown. */
  cut: boolean;
  /** Whether it has an agi-rhai.toml, which names services. */
  config: boolean;
}

interface OnDisk {
  text: string;
  hash: string;
  /** Whether its lines end as those of Windows do, which the editor doesn't keep. */
  crlf: boolean;
}

interface Listed {
  name: string;
  text?: string;
  hash?: string;
  problem?: string;
}

export class Folder {
  about: About = { folder: "", name: "", sounds: [], cut: false, config: false };
  /** Files that aren't shown, and why. */
  readonly problems = new Map<string, string>();
  /** Files that were edited both here and on the disk, or deleted there. */
  readonly conflicts = new Set<string>();
  /** Why the last saving failed. */
  failure: string | null = null;
  isSaving = false;
  isLoaded = false;
  /** Whether the studio at this address has another folder now: nothing of this one may be written there. */
  #isElsewhere = false;

  readonly #server: Server;
  readonly #texts: () => Record<string, string>;
  readonly #disk = new Map<string, OnDisk>();
  /** What is being written. */
  readonly #writing = new Map<string, string>();
  /** The hashes of what was written here, and hasn't been seen on the disk yet. */
  readonly #written = new Map<string, string[]>();
  #queue: Promise<unknown> = Promise.resolve();

  /** Files have other texts on the disk, or none any more: the page takes them. */
  onTexts: (texts: Map<string, string | null>) => void = () => {};
  /** What is shown of the folder may be something else: what is saved, what is in conflict. */
  onChange: () => void = () => {};
  /** The folder's sounds are others. */
  onSounds: () => void = () => {};

  constructor(server: Server, texts: () => Record<string, string>) {
    this.#server = server;
    this.#texts = texts;
  }

  /** Begins to follow the folder. */
  open(): void {
    this.#server.events("changes", (name, value) => {
      if (name === "whole") this.#whole(value as About & { files: Listed[] });
      else if (this.#isElsewhere) return;
      else if (name === "changed") {
        const { changed, gone } = value as { changed: Listed[]; gone: string[] };
        this.#take(changed, gone);
      } else if (name === "sounds") {
        this.about.sounds = value as Sound[];
        this.onSounds();
      } else if (name === "problem") {
        const { problem } = value as { problem: string | null };
        this.failure = problem === null ? null : `The folder can’t be read: ${problem}`;
        this.onChange();
      }
    });
  }

  /** Whether the text here is another one than that on the disk. */
  isUnsaved(name: string): boolean {
    const text = this.#texts()[name];
    return text !== undefined && text !== this.#disk.get(name)?.text;
  }

  unsaved(): string[] {
    return Object.keys(this.#texts()).filter((name) => this.isUnsaved(name));
  }

  /** Returns the text on the disk: null if there is none. */
  onDisk(name: string): string | null {
    return this.#disk.get(name)?.text ?? null;
  }

  #whole({ files, ...about }: About & { files: Listed[] }): void {
    this.#isElsewhere = this.isLoaded && about.folder !== this.about.folder;
    if (this.#isElsewhere) {
      if (this.unsaved().length === 0) location.reload();
      this.failure = `The studio has another folder now, ${about.folder}. What is written here is of ${this.about.folder}.`;
      this.onChange();
      return;
    }
    this.about = about;
    this.failure = null;
    const isFirst = !this.isLoaded;
    this.isLoaded = true;
    if (isFirst && files.length === 0) this.onTexts(new Map());
    const names = new Set(files.map(({ name }) => name));
    const gone = [...this.#disk.keys(), ...this.problems.keys()].filter((name) => !names.has(name));
    this.#take(files, gone);
    this.onSounds();
  }

  #take(changed: Listed[], gone: string[]): void {
    const news = new Map<string, string | null>();
    for (const { name, text, hash, problem } of changed) {
      if (text === undefined || hash === undefined) {
        this.problems.set(name, problem ?? "it can’t be shown");
        this.#isGone(name, news);
        continue;
      }
      this.problems.delete(name);
      this.#is(name, text, hash, news);
    }
    for (const name of gone) {
      this.problems.delete(name);
      this.#isGone(name, news);
    }
    if (news.size > 0) this.onTexts(news);
    this.onChange();
  }

  /** A file is this on the disk. */
  #is(name: string, raw: string, hash: string, news: Map<string, string | null>): void {
    const written = this.#written.get(name) ?? [];
    const own = written.indexOf(hash);
    if (own >= 0) {
      // What was written here; something later may have been written since.
      this.#written.set(name, written.slice(own + 1));
      return;
    }
    const before = this.#disk.get(name);
    if (before?.hash === hash) return;
    const text = raw.replace(/\r\n?/g, "\n");
    const here = this.#texts()[name];
    this.#disk.set(name, { text, hash, crlf: /\r\n/.test(raw) && !/(?:^|[^\r])\n/.test(raw) });
    if (here === text || text === this.#writing.get(name)) this.conflicts.delete(name);
    else if (here === undefined || here === before?.text) news.set(name, text);
    else this.conflicts.add(name);
  }

  #isGone(name: string, news: Map<string, string | null>): void {
    const before = this.#disk.get(name);
    this.#disk.delete(name);
    const here = this.#texts()[name];
    if (here === undefined || !before) return;
    if (here === before.text) {
      this.conflicts.delete(name);
      news.set(name, null);
    } else this.conflicts.add(name);
  }

  /** Writes what was edited, except for conflicts. */
  save(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isElsewhere) return;
      this.failure = null;
      for (const name of this.unsaved()) {
        if (this.conflicts.has(name)) continue;
        const text = this.#texts()[name] ?? "";
        await this.#try(name, () => this.#write(name, text));
      }
    });
  }

  /** Makes a new file. Returns why that didn't work. */
  create(name: string, text = ""): Promise<string | null> {
    return this.#inTurn(() => this.#try(name, () => this.#write(name, text)));
  }

  /** Deletes a file from the disk. Returns why that didn't work. */
  remove(name: string): Promise<string | null> {
    return this.#inTurn(() =>
      this.#try(name, async () => {
        const disk = this.#disk.get(name);
        if (disk) await this.#server.ask(path(name), { method: "DELETE", headers: match(disk) });
        this.#disk.delete(name);
        this.conflicts.delete(name);
      }),
    );
  }

  /** Renames a file on the disk, as it is there. Returns why that didn't work. */
  rename(name: string, to: string): Promise<string | null> {
    return this.#inTurn(() =>
      this.#try(name, async () => {
        const disk = this.#disk.get(name);
        if (!disk) return;
        const body = JSON.stringify({ name: to });
        await this.#server.ask(path(name), { method: "POST", headers: match(disk), body });
        this.#disk.delete(name);
        this.#disk.set(to, disk);
      }),
    );
  }

  /** Settles a conflict: what is here stays, and is written. */
  keepMine(name: string): Promise<void> {
    this.conflicts.delete(name);
    return this.save();
  }

  /** Settles a conflict: what is on the disk is taken. */
  takeTheirs(name: string): void {
    this.conflicts.delete(name);
    this.onTexts(new Map([[name, this.onDisk(name)]]));
    this.onChange();
  }

  async #write(name: string, text: string): Promise<void> {
    const disk = this.#disk.get(name);
    const headers = disk ? match(disk) : { "If-None-Match": "*" };
    this.#writing.set(name, text);
    try {
      const body = disk?.crlf ? text.replaceAll("\n", "\r\n") : text;
      const { hash } = (await this.#server.value(path(name), { method: "PUT", headers, body })) as { hash: string };
      // It may have been seen on the disk before the answer came.
      if (this.#disk.get(name)?.hash !== hash) {
        this.#written.set(name, [...(this.#written.get(name) ?? []), hash]);
      }
      this.#disk.set(name, { text, hash, crlf: disk?.crlf ?? false });
      this.conflicts.delete(name);
    } finally {
      this.#writing.delete(name);
    }
  }

  async #try(name: string, work: () => Promise<void>): Promise<string | null> {
    if (this.#isElsewhere) return "the studio has another folder now";
    try {
      await work();
      return null;
    } catch (error) {
      if (error instanceof Refused && error.status === 412) {
        const current = error.body["current"] as { text: string; hash: string } | null;
        const news = new Map<string, string | null>();
        if (current) {
          this.#written.delete(name);
          this.#is(name, current.text, current.hash, news);
        } else this.conflicts.add(name);
        if (news.size > 0) this.onTexts(news);
        return "it has been changed on the disk";
      }
      if (error instanceof Refused && error.status === 404 && this.#disk.has(name)) {
        this.#isGone(name, new Map());
        this.conflicts.add(name);
        return "it has been deleted on the disk";
      }
      const why = error instanceof Refused ? error.message : "the studio doesn’t answer";
      this.failure = `${name}: ${why}`;
      return why;
    }
  }

  /** One thing after the other, so that each knows what the one before has written. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(async () => {
      this.isSaving = true;
      this.onChange();
      try {
        return await work();
      } finally {
        this.isSaving = false;
        this.onChange();
      }
    });
    this.#queue = done.catch(() => {});
    return done;
  }
}

function path(name: string): string {
  return `files/${name.split("/").map(encodeURIComponent).join("/")}`;
}

function match({ hash }: OnDisk): Record<string, string> {
  return { "If-Match": `"${hash}"` };
}
