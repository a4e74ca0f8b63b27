// The crates whose code is in the module, and their licences.

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { dirname } from "node:path";

const manifest = new URL("../Cargo.toml", import.meta.url).pathname;
const options = ["--format-version", "1", "--locked", "--filter-platform", "wasm32-unknown-unknown"];

/** Returns name, licence, its text, and where the source is, of each crate. Macros and what they use are left out: they only build. */
export function crates() {
  const read = execFileSync("cargo", ["metadata", ...options, "--manifest-path", manifest], { maxBuffer: 1 << 28 });
  const { packages, resolve } = JSON.parse(read);
  const byId = new Map(packages.map((one) => [one.id, one]));
  const needs = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]));
  const isMacro = (id) => byId.get(id).targets.some(({ kind }) => kind.includes("proc-macro"));
  const found = new Set();
  const add = (id) => {
    if (found.has(id) || isMacro(id)) return;
    found.add(id);
    for (const { pkg, dep_kinds } of needs.get(id)) if (dep_kinds.some(({ kind }) => kind === null)) add(pkg);
  };
  add(resolve.root);
  const foreign = [...found].map((id) => byId.get(id)).filter(({ source }) => source !== null);
  const terms = readFileSync(new URL("../../LICENSE-MIT", import.meta.url), "utf8");
  const library = {
    name: "std, the standard library of Rust",
    licence: "MIT OR Apache-2.0",
    source: "https://github.com/rust-lang/rust",
    text: terms.replace(/Copyright.*/, "Copyright (c) The Rust Project Contributors").trim(),
  };
  const all = foreign.map(({ name, version, license, manifest_path }) => {
    return {
      name: `${name} ${version}`,
      licence: license ?? "see below",
      source: `https://crates.io/crates/${name}/${version}`,
      text: text(dirname(manifest_path), license ?? ""),
    };
  });
  return [...all.sort((one, other) => (one.name < other.name ? -1 : 1)), library];
}

/** Returns the text of the licence, of the shortest one where there is a choice. */
function text(folder, licence) {
  const files = readdirSync(folder).filter((name) => /^(un)?licen[cs]e|^copying/i.test(name));
  const mit = /\bOR\b|\//.test(licence) ? files.filter((name) => /mit/i.test(name)) : [];
  const chosen = mit.length > 0 ? mit : files;
  return chosen.map((name) => readFileSync(`${folder}/${name}`, "utf8").trim()).join("\n\n");
}
