// Prints what a module is made of: the sizes of the crates' functions, and of the data. The module must have names.

import { readFileSync } from "node:fs";

const bytes = readFileSync(process.argv[2]);
let at = 8;
const number = () => {
  for (let value = 0, shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
};
const text = () => {
  const length = number();
  return bytes.toString("latin1", at, (at += length));
};
const sections = [];
while (at < bytes.length) {
  const id = bytes[at++];
  const length = number();
  sections.push({ id, at, end: (at += length) });
}

const functions = [];
let imported = 0;
const names = new Map();
const sizes = new Map();
const add = (name, size) => sizes.set(name, (sizes.get(name) ?? 0) + size);
for (const { id, at: from, end } of sections) {
  at = from;
  if (id === 2) imported = number();
  if (id === 10) {
    for (let left = number(); left > 0; left--) {
      const size = number();
      functions.push(size);
      at += size;
    }
  }
  if (id === 11) add("data", end - from);
  if (id === 0 && text() === "name") {
    while (at < end) {
      const kind = bytes[at++];
      const next = number() + at;
      if (kind === 1) for (let left = number(); left > 0; left--) names.set(number(), text());
      at = next;
    }
  }
}
/** The crate in which a function is defined, of its mangled name: `Cs`, a hash, `_`, a length, and so many letters. */
const crate = (name) => {
  const found = /Cs[0-9A-Za-z]+_(\d+)(\w+)/.exec(name);
  return found ? found[2].slice(0, Number(found[1])) : "others";
};
functions.forEach((size, index) => add(crate(names.get(imported + index) ?? ""), size));
const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
for (const [name, size] of [...sizes].sort(([, one], [, other]) => other - one).slice(0, 20)) {
  console.log(`${Math.round(size / 1024)} KB`.padStart(8), `${((size / total) * 100).toFixed(1)} %`.padStart(7), name);
}
