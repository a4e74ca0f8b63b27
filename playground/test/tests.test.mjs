// Tests of scripts in the module: as on this machine, text for text, some at a time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Refused } from "../playground.mjs";
import { Native, files, load } from "./support.mjs";

let playground, native;
before(async () => {
  playground = await load();
  native = new Native();
});
after(() => native.end());

const suites = Object.keys(files).filter((name) => name.endsWith(".test.rhai"));

test("the tests of all shipped scripts run as on this machine, and pass", async () => {
  let longest = [0, ""];
  const failed = [];
  for (const suite of suites) {
    const request = { files, tests: [suite], seed: 3 };
    let answer = playground.answer("test", JSON.stringify(request));
    assert.equal(answer, await native.answer("test", request), suite);
    for (let { left } = JSON.parse(answer); left > 0; ) {
      const began = performance.now();
      answer = playground.answer("test_on", JSON.stringify({ files, count: 1 }));
      const took = performance.now() - began;
      assert.equal(answer, await native.answer("test_on", { files, count: 1 }), suite);
      const { results, left: further } = JSON.parse(answer);
      assert.equal(further, left - 1);
      left = further;
      const [{ name, passed, failure }] = results;
      if (took > longest[0]) longest = [took, `${suite}::${name}`];
      if (!passed && !failure.lacks_sql) failed.push(`${suite}::${name}\n${failure.rendered}`);
      if (!passed && failure.lacks_sql) console.log(`lacks SQL: ${suite}::${name}`);
    }
  }
  assert.deepEqual(failed, []);
  console.log(`the longest one: ${longest[1]} in ${Math.round(longest[0])} ms`);
});

const script = `answer();
print("begins");
let key = get_data("ask", 4000, 1);
if key == "7" { let n = [1][2]; }
let said = http_get("weather", "today");
say(said.body);
say("bye");
`;
const tests = `fn test_passes() {
    answer_http("weather", #{ body: "sunny" });
    place_call("it", #{ callerid: "200", database: #{ "a/b": 1 } });
    wait_for("ask");
    press("1");
    expect_prompt("sunny");
    expect_prompt("bye");
    expect_end();
}

fn test_fails_at_its_line() {
    print("in the test");
    place_call("it");
    wait_for("ask");
    press("1");
    expect_prompt("rainy");
}

fn test_meets_a_fault() {
    place_call("it", #{ seed: 5 });
    wait_for("ask");
    wait(0.25);
    press("7");
    expect_end();
}
fn test_counts() {
    let asked = 0;
    answer_http("weather", |request| { asked += 1; #{ body: \`asked \${asked}\` } });
    for round in 0..3 { place_call("it"); press("1"); expect_end(); }
    expect_equal(asked, 3);
}
`;
const prompts = "ask: Which one?\nbye: Goodbye.\n";
const given = { "it.rhai": script, "it.prompts": prompts, "it.test.rhai": tests };
const run = (request = {}) => playground.test({ files: given, tests: ["it.test.rhai"], seed: 1, count: 100, ...request });

test("a failure says where the test and the script were, and what was printed", async () => {
  const request = { files: given, tests: ["it.test.rhai"], seed: 1, count: 100 };
  assert.deepEqual(run(), JSON.parse(await native.answer("test", request)));
  const { tests, results, left, faults } = run();
  assert.deepEqual(
    tests.map(({ name, line }) => [name, line]),
    [["passes", 1], ["fails_at_its_line", 11], ["meets_a_fault", 19], ["counts", 26]],
  );
  assert.deepEqual([left, faults], [0, []]);
  assert.deepEqual(results.map(({ passed }) => passed), [true, false, false, true], JSON.stringify(results));
  const [, prompt, fault] = results.map(({ failure }) => failure);
  assert.match(prompt.message, /the script asks the web API.*nothing in this test answers/);
  assert.deepEqual([prompt.in_test.line, prompt.position.script, prompt.of_script], [15, "it.rhai", null]);
  assert.deepEqual(prompt.printed, ["in the test"]);
  assert.match(fault.of_script.message, /there is no element 2/);
  assert.deepEqual([fault.in_test.line, fault.of_script.line], [24, 4]);
});

test("a test that needs SQL says so, and nothing else does", () => {
  const text = `fn test_needs_it() { set_up_sql("crm", "create table t (a);"); place_call("it"); }
fn test_fails() { place_call("it"); print("set_up_sql"); expect_prompt("no"); }`;
  const { results } = playground.test({
    files: { "it.rhai": "answer();", "it.test.rhai": text },
    tests: ["it.test.rhai"],
    seed: 1,
    count: 2,
  });
  assert.deepEqual(results.map(({ failure }) => failure.lacks_sql), [true, false]);
});

test("the call of a test is played with what its services answered, in their turn", () => {
  const text = `answer();
let visits = store_add("visits", 1);
for round in 0..3 { say_number(http_get("weather", "now").body); }
say_number(visits);
let best = sql_value("crm", "select max(score) from games");
say_number(best);`;
  const asks = `fn test_it() {
    store_put("visits", 6);
    let turns = [3, 5, 8, 1, 2, 9];
    answer_http("weather", || #{ body: turns.shift() });
    answer_sql("crm", || 35);
    for round in 0..2 { place_call("asks"); expect_end(); }
}
fn test_waits() { service_is_slow("weather", 1); answer_http("weather", #{ body: 1 }); answer_sql("crm", || 1);
    place_call("asks"); expect_end(); }
fn test_stands_in() { answer_http("weather", #{ body: 1 }); answer_sql("crm", || 1);
    place_call("asks", #{ applications: #{ Queue: || () } }); expect_end(); }`;
  const files = { "asks.rhai": text, "asks.test.rhai": asks };
  const { results } = playground.test({ files, tests: ["asks.test.rhai"], seed: 1, count: 3 });
  assert.deepEqual(results.filter(({ passed }) => !passed).map(({ failure }) => failure.message), []);
  const { call } = results[0];
  const said = ({ events }) =>
    events.filter(({ is, text }) => is === "command" && /^SAY NUMBER/.test(text)).map(({ text }) => text.match(/\d+/)[0]);
  // The second of the two calls.
  assert.deepEqual(said(playground.play({ files, ...call, until: 60_000 })), ["1", "2", "9", "8", "35"]);
  // What takes its time there doesn't here, and nothing stands in.
  assert.deepEqual(results.map(({ call }) => call.alone), [true, false, false]);
});

test("the call of a test is played with what its caller did", () => {
  const { results } = run();
  const { call } = results[2];
  assert.deepEqual([call.script, call.seed, call.alone, call.acts.length], ["it.rhai", "5", true, 1]);
  const played = playground.play({ files: given, ...call, until: 60_000 });
  assert.equal(played.fault.line, 4);
  assert.ok(played.events.some(({ is, key, fate }) => is === "key" && key === "7" && fate === "heard"));
  assert.deepEqual(results[0].call.call.database, { "a/b": "1" });
});

test("calls of shipped tests that need nothing else are played as they were in the test", () => {
  let compared = 0;
  const others = [];
  for (const suite of suites) {
    const { results } = playground.test({ files, tests: [suite], seed: 3, count: 12 });
    for (const { name, passed, call } of results) {
      // What is said goes to engines, of which the phone has its own.
      if (!passed || !call?.alone || !call.acts.some(({ keys }) => keys) || call.acts.some(({ says }) => says)) continue;
      const { events } = playground.play({ files, ...call, until: Math.ceil(call.length) + 1 });
      // A recording ends at another moment in the phone.
      if (events.some(({ is, sound }) => is === "prompt" && sound === "recording")) continue;
      const pressed = events.filter(({ is }) => is === "key" || is === "says" || is === "hangs_up");
      const { length } = call.acts;
      if (pressed.length < length - 1) others.push(`${suite}::${name}: ${pressed.length} of ${length}`);
      compared += 1;
    }
  }
  assert.ok(compared > 20, `${compared}`);
  // Some depend on what the test does besides, such as a recording of an earlier call.
  assert.ok(others.length <= compared / 10, others.join("\n"));
});

test("the lines that ran are told", () => {
  const { coverage } = run();
  const lines = Object.fromEntries(coverage.find(([name]) => name === "it.rhai")[1]);
  assert.deepEqual([lines[1], lines[7]], [true, true]);
  const { coverage: less } = run({ count: 0 });
  assert.deepEqual(less, []);
});

test("tests begin anywhere, and go on", () => {
  const { results, left } = run({ from: 2, count: 1 });
  assert.deepEqual([results[0].name, left], ["meets_a_fault", 1]);
  assert.deepEqual(playground.testOn({ files: given, count: 5 }).results[0].name, "counts");
});

test("files that hold no test, or a mistake, are named", () => {
  const { faults, tests } = playground.test({ files: { "a.test.rhai": "fn test_a( {" }, tests: ["a.test.rhai"] });
  assert.deepEqual([faults[0][0], tests], ["a.test.rhai", []]);
  assert.equal(faults[0][1].line, 1);
  assert.throws(() => playground.test({ files: {}, tests: ["none.test.rhai"] }), Refused);
});
