// Divides the module: a first part that plays and checks, which a page loads first, and the rest.
//
//     node divide.mjs target/playground.wasm
//
// It runs every shipped script, and the functions that run go into the first part. A call of any other function needs
// the rest: see `Incomplete` in playground.mjs. Without wasm-split, a tool of binaryen, the module stays whole.

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Playground } from "./playground.mjs";

const whole = process.argv[2];
const name = (part) => whole.replace(/\.wasm$/, `.${part}`);
const [first, rest, watched, profile] = ["first.wasm", "rest.wasm", "watched.wasm", "profile"].map(name);
for (const part of [first, rest]) rmSync(part, { force: true });

const split = (...options) => execFileSync("wasm-split", ["--all-features", ...options], { stdio: "inherit" });
try {
  split("--instrument", "--profile-export=profiled", whole, "-o", watched);
} catch (error) {
  if (error.code !== "ENOENT") throw error;
  console.log("wasm-split isn't there (Debian's package binaryen has it), so the module stays whole");
  process.exit();
}

// What a page does by itself: calls of all kinds, and findings.
const playground = await Playground.load(readFileSync(watched));
const folder = new URL("../scripts/", import.meta.url);
const names = readdirSync(folder).filter((name) => /\.(rhai|prompts|phrases)$/.test(name));
const files = Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, folder), "utf8")]));
const sounds = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".gsm"));
for (const name of sounds) files[name] = { size: statSync(new URL(name, folder)).size };
// The scripts say times in Berlin.
files["zoneinfo/Europe/Berlin"] = { base64: readFileSync("/usr/share/zoneinfo/Europe/Berlin").toString("base64") };
const keys = (start, pause, from = "0123456789*#") =>
  Array.from({ length: 40 }, (_, at) => ({ at: start + at * pause, keys: from[(at * 7 + start) % from.length] }));
const callers = [
  [],
  keys(2000, 4000),
  keys(101, 1700),
  keys(2500, 3100, "1#95"),
  [{ at: 5000, says: "yes, où" }, { at: 9000, says: "two" }, ...keys(12_000, 3000)],
  [{ at: 3500, hangs_up: true }],
];
const calls = [
  {},
  { callerid: "200", name: "Ann", extension: "7", args: ["a"], language: "de", time: "2026-12-03 09:30", zone: "Europe/Berlin" },
  { callerid: "201", variables: { A: "b" }, database: { "guess/100": "4" }, params: {} },
];
for (const script of names.filter((name) => /^[^.]+\.rhai$/.test(name))) {
  for (const call of calls) {
    for (const acts of callers) playground.play({ files, script, seed: 1, call, acts, until: 180_000 });
  }
  // Few files are sorted by another function than many.
  const own = Object.fromEntries(Object.entries(files).filter(([name]) => name.startsWith(script.split(".")[0])));
  // As the page asks.
  const services = { answers: [], store: null };
  for (const acts of callers) playground.play({ files: own, script, seed: 2, call: {}, services, acts, until: 60_000 });
  for (const given of [files, own]) playground.edit({ files: given, file: script, method: "diagnostics" });
}
for (const file of names) playground.edit({ files, file, method: "diagnostics" });
// Scripts with mistakes, each with who notices it and what is said.
for (const mistake of readFileSync(new URL("../tests/mistakes.txt", import.meta.url), "utf8").split("\n----\n").slice(1)) {
  const text = mistake.split(/^(?:load|run|check|warns) {2}/m)[0];
  const files = { "mistake.rhai": text };
  playground.play({ files, script: "mistake.rhai", seed: 1, acts: callers[1], until: 60_000 });
  playground.edit({ files, file: "mistake.rhai", method: "diagnostics" });
}

const { allocate, memory, profiled } = playground.exports;
const room = 1 << 20;
const at = allocate(room) >>> 0;
writeFileSync(profile, new Uint8Array(memory.buffer, at, profiled(at, room)));
split("--profile", profile, whole, "-o1", first, "-o2", rest);
for (const left of [watched, profile]) rmSync(left);
