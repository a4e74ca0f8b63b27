// The module answers as the library does on this machine, text for text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Native, files, load, numbers, scripts } from "./support.mjs";

let playground, native;
before(async () => {
  playground = await load();
  native = new Native();
});
after(() => native.end());

const same = async (name, request, what) => {
  const expected = await native.answer(name, request);
  const answer = playground.answer(name, JSON.stringify(request));
  if (answer !== expected) assert.deepEqual(JSON.parse(answer), JSON.parse(expected), what);
  return JSON.parse(answer);
};

/** A caller who presses keys now and then. */
const random = (seed) => {
  const acts = [];
  let at = 0;
  const random = numbers(seed);
  const next = () => random.next().value;
  while (at < 170_000) {
    at += Math.floor(next() * 6000);
    const key = "0123456789*#"[Math.floor(next() * 12)];
    acts.push(next() < 0.1 ? { at, says: "yes" } : { at, keys: next() < 0.3 ? `${key}#` : key });
  }
  return acts;
};
const plans = {
  "says nothing": [],
  "hangs up early": [{ at: 3500, hangs_up: true }],
  "types ahead": [{ at: 100, keys: "1234567890*#" }],
  "presses one": Array.from({ length: 40 }, (_, at) => ({ at: 2000 + at * 4000, keys: "1" })),
  "presses the pound key": Array.from({ length: 40 }, (_, at) => ({ at: 3000 + at * 3500, keys: "#" })),
  "presses anything": random(1),
  "presses anything else": random(2),
};

for (const script of scripts) {
  test(`${script} is played as on this machine`, async () => {
    const seen = new Set();
    for (const [plan, acts] of Object.entries(plans)) {
      for (const seed of [1, 2, 3]) {
        const request = { files, script, seed, acts, until: 180_000, call: { callerid: "200" } };
        const played = await same("play", request, `${script}, ${plan}, seed ${seed}`);
        assert.ok(played.events.length > 2, `${script}, ${plan}: nothing happens`);
        seen.add(JSON.stringify(played.events));
      }
    }
    // This one only sets the caller's name.
    if (script !== "callerid.rhai") assert.ok(seen.size > 3, "whatever callers do, the same happens");
  });
}

test("a call of an instance is like any other", () => {
  const request = { files, script: "guess.rhai", seed: 5, acts: plans["presses anything"], until: 180_000 };
  const first = playground.answer("play", JSON.stringify(request));
  for (let run = 0; run < 5; run++) assert.equal(playground.answer("play", JSON.stringify(request)), first);
});

test("a call up to a moment is the beginning of a longer one", () => {
  const request = { files, script: "guess.rhai", seed: 3, acts: plans["presses anything"] };
  const long = playground.play({ ...request, until: 120_000 });
  for (const until of [0, 5_000, 33_333, 90_000]) {
    const short = playground.play({ ...request, until });
    assert.equal(short.cut, "until");
    const events = long.events.slice(0, short.events.length);
    // A key may turn out to be ignored only at the next wait.
    const known = ({ fate, ...event }) => event;
    assert.deepEqual(short.events.map(known), events.map(known), `up to ${until} ms`);
  }
});

test("recorded calls become the same tests", async () => {
  for (const script of scripts) {
    const request = { files, script, seed: 1, acts: plans["presses anything"], until: 60_000 };
    const { text } = await same("as_test", request, script);
    assert.match(text, /^fn test_recorded_\w+\(\) \{$/m, script);
    assert.match(text, /place_call\("/, script);
  }
});

test("scripts are checked as on this machine", async () => {
  assert.deepEqual(await same("check", { files, scripts: Object.keys(files).filter((name) => name.endsWith(".rhai")) }), []);
  const wrong = { "wrong.rhai": 'import "helper" as helper;\nanser();\nhelper::greet(1);\nlet x = 1;', "helper.rhai": "fn greet() {}" };
  const found = await same("check", { files: wrong, scripts: ["wrong.rhai"] });
  const rules = found.map(({ rule, line }) => `${line} ${rule}`);
  assert.ok(rules.includes("2 unknown-function"), rules.join(", "));
  assert.equal(found.find(({ rule }) => rule === "unknown-function").hint, "did you mean `answer`?");
});

test("scripts are drawn as on this machine", async () => {
  for (const script of scripts) {
    const { nodes, edges } = await same("graph", { files, script }, script);
    const unfolded = await same("graph", { files, script, all: true }, script);
    assert.ok(nodes.length > 3 && edges.length >= nodes.length - 2, `${script}: nothing is drawn`);
    const folded = nodes.filter(({ folded }) => folded);
    if (folded.length > 0) assert.ok(unfolded.groups.length > 0, `${script}: nothing is unfolded`);
    const one = folded[0] && (await same("graph", { files, script, unfolded: [folded[0].id] }, script));
    if (one) assert.ok(one.groups.some(({ id }) => id === folded[0].id), `${script}: ${folded[0].id} isn't unfolded`);
  }
  const { fault } = await same("graph", { files: { "a.rhai": "if {" }, script: "a.rhai" });
  assert.equal(fault.line, 1);
});

test("storms find the same", async () => {
  for (const script of ["guess.rhai", "pin.rhai", "survey.rhai"]) {
    const begun = await same("storm", { files, script, seed: 7, calls: 20 }, script);
    assert.equal(begun.calls, 20);
    let last = begun;
    for (let slice = 0; slice < 3; slice++) last = await same("storm_on", { files, calls: 30 }, script);
    assert.equal(last.calls, 110);
    assert.ok(last.unreached.length <= begun.unreached.length);
    const whole = await same("storm", { files, script, seed: 7, calls: 110 }, script);
    assert.deepEqual(whole, last, "slices change what is found");
  }
  const faulty = { "faulty.rhai": 'answer();\nif get_data("beep", 3000, 1) == "7" { let n = [1][2]; }' };
  const { problems } = await same("storm", { files: faulty, script: "faulty.rhai", seed: 1, calls: 200 });
  assert.equal(problems.length, 1);
  assert.equal(problems[0].fault.line, 2);
  assert.match(problems[0].test, /press\("7"\)/);
});

test("editors get the same answers", async () => {
  const text = files["guess.rhai"];
  const position = (word) => {
    const before = text.slice(0, text.indexOf(word)).split("\n");
    return { line: before.length - 1, character: before.at(-1).length };
  };
  const ask = (method, params, file = "guess.rhai") => same("edit", { files, file, method, params }, method);
  const at = { position: position("best_so_far()") };
  const symbols = await ask("textDocument/documentSymbol", {});
  assert.ok(symbols.some(({ name }) => name === "best_so_far"));
  const hover = await ask("textDocument/hover", { position: position("say(") });
  assert.match(hover.contents.value, /Says one part/);
  const definition = await ask("textDocument/definition", at);
  assert.equal(definition.uri, "file:///guess.rhai");
  const renamed = await ask("textDocument/rename", { ...at, newName: "record" });
  assert.ok(renamed.changes["file:///guess.rhai"].length >= 2);
  const { line, character } = position("say(");
  const items = await ask("textDocument/completion", { position: { line, character: character + 2 } });
  assert.ok((items.items ?? items).some(({ label }) => label === "say"));
  const help = await ask("textDocument/signatureHelp", { position: { line, character: character + "say(".length } });
  assert.match(help.signatures[0].label, /^say\(/);
  assert.deepEqual(await ask("diagnostics", {}), []);
  assert.ok(Array.isArray(await ask("textDocument/documentSymbol", {}, "guess.prompts")));
  for (const [file, text] of Object.entries(files).filter(([, text]) => typeof text === "string")) {
    for (let line = 0; line < text.split("\n").length; line += 7) {
      for (const method of ["hover", "completion", "definition"]) {
        await ask(`textDocument/${method}`, { position: { line, character: 6 } }, file);
      }
    }
  }
});
