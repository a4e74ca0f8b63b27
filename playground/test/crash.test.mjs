// What no script may do to the page: the module may break, and a new instance goes on.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Crash, Refused } from "../playground.mjs";
import { load } from "./support.mjs";

let playground;
before(async () => {
  playground = await load();
});

const script = "it.rhai";
const play = (text, more) => playground.play({ files: { [script]: text }, script, until: 60_000, ...more });

/** Whether calls are played as ever. */
const works = () => {
  const { status, fault } = play('answer(); stream_file("beep");');
  assert.equal(status, "SUCCESS", JSON.stringify(fault));
};

/** The script has this fault, or was too much for the stack, and the next call works. */
const faultOrCrash = (text, says) => {
  try {
    const { fault } = play(text);
    assert.match(fault?.message ?? "", says);
  } catch (error) {
    assert.ok(error instanceof Crash && (error.overflowed || error.waits), `${error}`);
  }
  works();
};

test("deep recursion ends the call at most", () => {
  faultOrCrash("fn f(n) { 1 + f(n + 1) } f(0);", /too deep|overflow|nested/i);
  faultOrCrash("fn f(n) { ((((((1 + (2 * (3 - (4 + f(n + 1)))))))))) } f(0);", /too deep|overflow|nested/i);
  faultOrCrash("let f = 0; f = |n| [1].map(|x| f.call(n)); f.call(1);", /./);
});

test("deeply nested scripts are refused at most", () => {
  for (const depth of [50, 500, 5_000, 100_000]) {
    faultOrCrash(`let x = ${"(".repeat(depth)}1${")".repeat(depth)};`, /.*/);
    faultOrCrash(`${"if true { ".repeat(depth)}${"}".repeat(depth)}`, /.*/);
    faultOrCrash(`let x = ${"[".repeat(depth)}${"]".repeat(depth)};`, /.*/);
  }
});

test("an endless loop ends by the limit on computing, always at the same place", () => {
  const loop = "answer();\nlet n = 0;\nloop {\n  n += 1;\n}";
  const began = performance.now();
  const { fault, events } = play(loop);
  const took = performance.now() - began;
  assert.match(fault.message, /computes for more than 1 s/);
  assert.equal(JSON.stringify(play(loop).events), JSON.stringify(events));
  assert.ok(took < 10_000, `it took ${took} ms`);
  works();
});

test("an endless call is cut off", () => {
  assert.equal(play('loop { verbose("again"); }').cut, "commands");
  assert.equal(play("loop { sleep(1.0); }").cut, "until");
  works();
});

test("a large script is played and checked", () => {
  const line = 'if args.len() > 99 { stream_file("beep"); }\n';
  const text = line.repeat(Math.ceil((1 << 20) / line.length));
  const began = performance.now();
  const { status, fault } = play(text);
  assert.equal(status, "SUCCESS", fault?.message);
  const checked = playground.check({ files: { [script]: text }, scripts: [script] });
  assert.ok(Array.isArray(checked));
  assert.ok(performance.now() - began < 60_000);
  works();
});

test("memory ends no instance for good", () => {
  faultOrCrash('let s = "x"; loop { s += s; }', /too large|limit|long|computes/i);
  faultOrCrash("let a = []; loop { a.push(1); }", /too large|limit|elements|computes/i);
  works();
});

test("calls need no more memory the more there are", () => {
  for (let call = 0; call < 20; call++) works();
  const before = playground.memory;
  for (let call = 0; call < 300; call++) works();
  assert.ok(playground.memory - before <= 1 << 20, `${before} became ${playground.memory}`);
});

test("faults have their place and a hint, and wrong requests are refused", () => {
  const { fault, status } = play('answer();\nlet x = 1;\nx.foo();');
  assert.equal(status, "FAILURE");
  assert.equal(fault.line, 3);
  assert.match(fault.rendered, /it\.rhai/);
  assert.match(play("anser();").fault.hint ?? "", /answer/);
  assert.throws(() => play("answer();", { call: { callerids: "1" } }), Refused);
  assert.throws(() => play("answer();", { acts: [{ at: 0, keys: "x" }] }), Refused);
  assert.throws(() => playground.check({ scripts: ["none.rhai"] }), Refused);
  assert.match(playground.play({ script: "none.rhai" }).fault.message, /none\.rhai/);
});

test("imports, phrases and prompts come from the given files", () => {
  const files = {
    "main.rhai": 'import "lib/helper" as helper;\nanswer();\nhelper::greet();\nprint(`${1 + 1} lines`);',
    "lib/helper.rhai": 'fn greet() { stream_file("hello-there"); }',
    "main.prompts": "hello-there: Hello there!\n[de]\nhello-there: Guten Tag!",
  };
  const { events, fault } = playground.play({ files, script: "main.rhai", call: { language: "de" } });
  assert.equal(fault, null, fault?.rendered);
  const prompt = events.find(({ is }) => is === "prompt");
  assert.deepEqual([prompt.words, prompt.language], ["Guten Tag!", "de"]);
  const printed = events.find(({ is }) => is === "prints");
  assert.deepEqual([printed.text, printed.script, printed.line], ["2 lines", "main.rhai", 4]);
});

test("the set-up of a call reaches the script", () => {
  const text =
    'set_variable("SEEN", `${env.agi_callerid} ${args[0]} ${get_variable("LEVEL")} ${database_get("g", "k")}`);';
  const call = {
    callerid: "301", args: ["x"], variables: { LEVEL: 4 }, database: { "g/k": 7 }, time: "2026-12-03 09:30", zone: "UTC",
  };
  const { variables, began, fault } = play(text, { call });
  assert.equal(fault, null, fault?.rendered);
  assert.equal(began, Date.UTC(2026, 11, 3, 9, 30) / 1000);
  assert.match(variables.SEEN, /^301 x 4 7$/);
});
