// The module in two parts: the first one plays calls, and both together answer as the whole does.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Crash, Incomplete, Playground } from "../playground.mjs";
import { files, load, scripts } from "./support.mjs";

const [first, rest] = ["first", "rest"].map((part) => new URL(`../target/playground.${part}.wasm`, import.meta.url));
const skip = existsSync(rest) ? false : "the module isn't divided: wasm-split of Debian's package binaryen does it";
const part = () => Playground.load(readFileSync(first));
const both = () => Playground.load(readFileSync(first), readFileSync(rest));
const acts = Array.from({ length: 30 }, (_, at) => ({ at: 2500 + at * 3100, keys: "159#"[at % 4] }));
const storm = { files, script: "guess.rhai", seed: 7, calls: 30 };

test("the first part plays the scripts and finds their mistakes", { skip }, async () => {
  const [alone, whole] = [await part(), await load()];
  for (const script of scripts) {
    for (const seed of [8, 9]) {
      const request = { files, script, seed, acts, until: 120_000, call: { callerid: "200" } };
      assert.deepEqual(alone.play(request), whole.play(request), script);
    }
    const request = { files, file: script, method: "diagnostics" };
    assert.deepEqual(alone.edit(request), whole.edit(request), script);
  }
});

test("the first part says what it can't answer, and goes on", { skip }, async () => {
  const alone = await part();
  assert.throws(() => alone.storm(storm), Incomplete);
  assert.ok(alone.play({ files, script: "guess.rhai", seed: 1, acts, until: 60_000 }).events.length > 2);
  assert.throws(() => alone.storm(storm), Incomplete);
});

test("both parts answer as the whole does, after a crash too", { skip }, async () => {
  const [parts, whole] = [await both(), await load()];
  const place = { line: 3, character: 4 };
  const compare = () => {
    assert.deepEqual(parts.storm(storm), whole.storm(storm));
    assert.deepEqual(parts.stormOn({ files, calls: 10 }), whole.stormOn({ files, calls: 10 }));
    for (const script of scripts) {
      const request = { files, script, seed: 3, acts, until: 60_000 };
      assert.deepEqual(parts.asTest(request), whole.asTest(request), script);
      assert.deepEqual(parts.check({ files, scripts: [script] }), whole.check({ files, scripts: [script] }), script);
      for (const method of ["textDocument/completion", "textDocument/hover", "textDocument/documentSymbol"]) {
        const request = { files, file: script, method, params: { position: place } };
        assert.deepEqual(parts.edit(request), whole.edit(request), `${method} in ${script}`);
      }
    }
  };
  compare();
  const deep = `fn deep(n) { ${"[".repeat(20)}deep(n + 1)${"]".repeat(20)} } answer(); deep(0);`;
  try {
    parts.play({ files: { "deep.rhai": deep }, script: "deep.rhai", seed: 1, acts: [], until: 1000 });
  } catch (error) {
    assert.ok(error instanceof Crash, String(error));
  }
  compare();
});
