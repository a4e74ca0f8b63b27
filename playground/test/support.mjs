// What the tests share: the module, the scripts, and the same functions on this machine.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { Playground } from "../playground.mjs";

const here = (path) => new URL(path, import.meta.url);

/** Returns the module as functions. */
export const load = () => Playground.load(readFileSync(here("../target/playground.wasm")));

/** The shipped scripts with their tables and tests, by name. */
export const files = Object.fromEntries(
  readdirSync(here("../../scripts/"))
    .filter((name) => /\.(rhai|prompts|phrases)$/.test(name))
    .map((name) => [name, readFileSync(here(`../../scripts/${name}`), "utf8")]),
);

/** The names of the scripts. */
const names = Object.keys(files).filter((name) => name.endsWith(".rhai") && !name.endsWith(".test.rhai"));

export const scripts = names;

// The scripts say times in Berlin.
files["zoneinfo/Europe/Berlin"] = { base64: readFileSync("/usr/share/zoneinfo/Europe/Berlin").toString("base64") };

/** The program that answers requests on this machine. */
export class Native {
  constructor() {
    const target = process.env.PLAYGROUND_HOST ?? "x86_64-unknown-linux-gnu";
    const program = here(`../target/${target}/debug/playground-native`).pathname;
    this.process = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  /** Answers a request to a function, as text. */
  async answer(name, request) {
    this.process.stdin.write(`${JSON.stringify([name, request])}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error("the program has ended");
    return value;
  }

  async end() {
    this.process.stdin.end();
    await once(this.process, "exit");
  }
}

/** Returns numbers that look random, always the same from the same seed. */
export function* numbers(seed) {
  for (let state = seed >>> 0; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}
