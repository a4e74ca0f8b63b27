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

test("what the caller does stays with its turn, whatever is said before it", async () => {
  const text = (first) =>
    `answer();\nsay("${first}");\nsay("welcome", "#");\nlet a = ask("one", #{ max: 2, first: 5, between: 2 });\n` +
    'let b = ask("two", #{ max: 1, first: 5 });\nsay(`${a} ${b}`);\nsay("vm-goodbye");';
  const prompts = "short: Hi.\nlong: A text that takes quite a while to say.\nwelcome: Welcome.\none: One?\ntwo: Two?";
  const play = (first, acts) =>
    same("play", { files: { "t.rhai": text(first), "t.prompts": prompts }, script: "t.rhai", acts });
  const before = await play("short", []);
  const turns = before.events.filter(({ turn }) => turn).map(({ turn, part, is }) => `${is} ${turn} ${part ?? ""}`);
  assert.deepEqual(turns.slice(0, 4), ["prompt 1 0", "prompt 1 1", "listens 1 ", "prompt 2 0"]);
  // Into the question's prompt, into the silence after it, and into the next question's.
  const acts = [
    { turn: 1, part: 1, at: 100, keys: "4" },
    { turn: 1, silent: true, at: 300, keys: "2" },
    { turn: 2, at: 50, keys: "7" },
    { turn: 2, silent: true, at: 100_000, hangs_up: true },
  ];
  const answers = ({ events }) => events.filter(({ is }) => is === "key").map(({ key, fate }) => key + fate);
  const [short, long] = [await play("short", acts), await play("long", acts)];
  assert.deepEqual(answers(short), ["4heard", "2heard", "7heard"]);
  assert.deepEqual(answers(long), answers(short));
  const moments = ({ events }) => events.filter(({ is }) => is === "key").map(({ at }) => at);
  const later = moments(long)[0] - moments(short)[0];
  assert.ok(later > 1000);
  assert.deepEqual(moments(long), moments(short).map((at) => at + later));
  // Given by their moments, they make the same call.
  const absolute = moments(short).map((at, index) => ({ at, keys: answers(short)[index][0] }));
  assert.deepEqual((await play("short", absolute)).events, short.events);
  assert.notDeepEqual(answers(await play("long", absolute)), answers(short));
  // A question that is gone gets no answer.
  const alone = { "t.rhai": 'answer();\nsay("vm-goodbye");' };
  const { events } = await same("play", { files: alone, script: "t.rhai", acts });
  assert.equal(events.some(({ is }) => is === "key"), false);
});

test("recorded calls become the same tests", async () => {
  for (const script of scripts) {
    const request = { files, script, seed: 1, acts: plans["presses anything"], until: 60_000 };
    const { text } = await same("as_test", request, script);
    assert.match(text, /^fn test_recorded_\w+\(\) \{$/m, script);
    assert.match(text, /place_call\("/, script);
  }
});

/** What the scripts' services answer. */
const services = {
  answers: [
    {
      request: { function: "http_get", service: "weather", arguments: { path: "weather" } },
      answer: { body: { main: { temp: 71.6 }, weather: [{ id: 800 }] } },
    },
    {
      request: { function: "sql_row", service: "crm", arguments: { text: "select" } },
      answer: [{ name: "Ann", list: "blocked" }],
    },
    { request: { function: "sql_rows", service: "crm", arguments: {} }, answer: { kind: "failed", message: "no such table" } },
    { request: { function: "run_program", service: "sign", arguments: {} }, answer: "abc" },
  ],
  store: { values: { visits: 41 }, boards: { subtraction: [{ name: "200", score: 35 }] } },
};

test("services answer what is given, and the store keeps what a call puts there", async () => {
  for (const script of scripts) {
    for (const plan of ["says nothing", "presses one", "presses anything"]) {
      const request = { files, script, seed: 1, acts: plans[plan], until: 180_000, call: { callerid: "200" }, services };
      const { events, store } = await same("play", request, `${script}, ${plan}`);
      assert.ok(events.every(({ is, lacks }) => is !== "asks" || !lacks), `${script} asks for what isn't given`);
      assert.ok(!JSON.stringify(events).includes("without the feature"), script);
      assert.equal(store.values.visits, 41);
      await same("as_test", request, script);
    }
  }
  const text = `answer();
let visits = store_add("visits", 1);
board_put("league", "Ann", visits);
print(sql_value("crm", "select count(*) as n from people"));
try { sql_rows("crm", "select 1"); } catch (error) { print(error.kind); }
print(http_get("weather", "other/path").body.main.temp);
print(run_program("sign", ["x"]).output);
after_call(Fn("tidy"), visits);
call_out("PJSIP/200", "a", "tidy");
fn tidy(value) {}`;
  const answers = [
    ...services.answers,
    { request: { function: "sql_value", service: "crm", arguments: {} }, answer: [{ n: 3 }] },
  ];
  const request = { files: { "a.rhai": text }, script: "a.rhai", services: { ...services, answers } };
  const { events, store, fault } = await same("play", request);
  const printed = events.filter(({ is }) => is === "prints").map(({ text }) => text);
  assert.deepEqual(printed, ["3", "failed", "71.6", "abc"], fault?.rendered);
  assert.equal(store.values.visits, 42);
  assert.deepEqual(store.boards.league, [{ name: "Ann", score: 42 }]);
  const asks = events.filter(({ is }) => is === "asks");
  assert.deepEqual(asks.slice(0, 3).map(({ script, line, function: name }) => [script, line, name]), [
    ["a.rhai", 2, "store_add"],
    ["a.rhai", 3, "board_put"],
    ["a.rhai", 4, "sql_value"],
  ]);
  const { text: written } = await same("as_test", request);
  assert.match(written, /store_put\("visits", 41\);/);
  assert.match(written, /answer_program\("sign", #\{/);

  const unanswered = await same("play", { ...request, services: undefined });
  assert.equal(unanswered.events.find(({ function: name }) => name === "sql_value").lacks, true);
  const wrong = { request: services.answers[1].request, answer: 7 };
  await assert.rejects(async () => playground.play({ ...request, services: { answers: [wrong] } }), /must be an array of maps/);
});

test("recordings have their lengths and their files", async () => {
  const sounds = { "sounds/en/guess-welcome.gsm": { size: 3300 }, "sounds/de/guess-welcome.ulaw": { size: 4000 } };
  const prompts = async (call) => {
    const request = { files: { ...files, ...sounds }, script: "guess.rhai", seed: 1, until: 20_000, call };
    return (await same("play", request)).events.filter(({ is }) => is === "prompt");
  };
  const [welcome, start] = await prompts({});
  assert.deepEqual(welcome.files, [{ name: "guess-welcome", path: "sounds/en/guess-welcome.gsm", lasts: 2000 }]);
  assert.equal(welcome.lasts, 2000);
  assert.equal(start.at, 2000);
  assert.equal(start.files[0].path, null);
  const [german] = await prompts({ language: "de" });
  assert.deepEqual(german.files, [{ name: "guess-welcome", path: "sounds/de/guess-welcome.ulaw", lasts: 500 }]);
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
  const references = await ask("textDocument/references", { ...at, context: { includeDeclaration: true } });
  assert.ok(references.length >= 2);
  assert.equal((await ask("textDocument/prepareRename", at)).placeholder, "best_so_far");
  const refused = await ask("textDocument/rename", { ...at, newName: "say" });
  assert.match(refused.error, /every script already has a function `say`/);
  assert.ok(Array.isArray(await ask("textDocument/documentSymbol", {}, "guess.prompts")));
  const all = await ask("all_diagnostics", {});
  assert.deepEqual(Object.keys(all), Object.keys(files).filter((name) => !name.startsWith("zoneinfo/")).sort());
  const wrong = { "w.rhai": 'answer();\nsay("new-one");\nsay("old");', "w.prompts": "old: Old.\nidle: Idle.\n" };
  const asked = (method, params) => same("edit", { files: wrong, file: "w.rhai", method, params }, method);
  const { "w.rhai": found, "w.prompts": idle } = await asked("all_diagnostics", {});
  assert.deepEqual([found[0].code, idle[0].code, found.length, idle.length], ["missing-words", "unused-prompt", 1, 1]);
  const context = { diagnostics: found };
  const [fix] = await asked("textDocument/codeAction", { range: found[0].range, context });
  assert.equal(fix.title, "Add it to w.prompts");
  assert.deepEqual(fix.edit.changes["file:///w.prompts"][0].newText, "\nnew-one: ");
  for (const [file, text] of Object.entries(files).filter(([, text]) => typeof text === "string")) {
    for (let line = 0; line < text.split("\n").length; line += 7) {
      for (const method of ["hover", "completion", "definition"]) {
        await ask(`textDocument/${method}`, { position: { line, character: 6 } }, file);
      }
    }
  }
});

test("accents don't matter, as on this machine", async () => {
  const text = `answer();
    let to = menu(#{ text: "Where to?" }, #{
      "1": #{ words: ["Zürich", "Où est l'été"], then: "one" },
      "2": #{ words: ["ﬁfth", "ＡＢＣ", "Việt Nam"], then: "two" },
      "3": #{ words: ["Ждать", "Ёлка", "が"], then: "three" },
    });
    print(to);`;
  const heard = { ZURICH: "one", "ou est L’ETE": "one", fifth: "two", abc: "two", "viet nam": "two", "елка": "three", か: "three" };
  for (const [says, choice] of Object.entries(heard)) {
    const request = { files: { "menu.rhai": text }, script: "menu.rhai", seed: 1, acts: [{ at: 3000, says }] };
    const { events, fault } = await same("play", request, says);
    assert.equal(fault, null, fault?.rendered);
    assert.equal(events.find(({ is }) => is === "prints")?.text, choice, says);
  }
});
