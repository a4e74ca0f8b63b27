// A recorded call, played again through the script of today.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Refused } from "../playground.mjs";
import { load } from "./support.mjs";

let playground;
before(async () => {
  playground = await load();
});

const SCRIPT = `answer();
let pin = get_data("pin", 5000, 4);
if pin == "4711" { stream_file("welcome"); } else { stream_file("wrong"); }
let key = wait_for_digit(5000);
say_digits(key);
`;
// Sounds of 2 s, 1 s and 1 s: GSM has 33 bytes for 20 ms.
const SOUNDS = {
  "sounds/pin.gsm": { size: 3300 },
  "sounds/welcome.gsm": { size: 1650 },
  "sounds/wrong.gsm": { size: 1650 },
};
const files = (text = SCRIPT) => ({
  "games/pin.rhai": text,
  ...Object.fromEntries(Object.entries(SOUNDS).map(([name, file]) => [`games/${name}`, file])),
});

const HEADER = {
  "agi-rhai": 1,
  script: "/srv/games/pin.rhai",
  version: "old",
  seed: 0,
  started: 1796049000.5,
  args: ["gold"],
  params: { level: "3" },
  denied: [],
  dead_mode: true,
  environment: [
    "agi_channel: PJSIP/1-1",
    "agi_callerid: 0815",
    "agi_calleridname: Ann",
    "agi_extension: 500",
    "agi_language: en",
    "agi_context: default",
  ],
};
// On that line the first prompt took half a second more than here, and the second one 0.3 s.
const LINES = [
  [10, { sent: "ANSWER" }],
  [12, { heard: "200 result=0" }],
  [13, { sent: 'GET DATA "pin" 5000 4' }],
  [3800, { heard: "200 result=4711" }],
  [3801, { sent: 'STREAM FILE "welcome" ""' }],
  [5101, { heard: "200 result=0 endpos=8000" }],
  [5102, { sent: "WAIT FOR DIGIT 5000" }],
  [6102, { heard: "200 result=55" }],
  [6103, { sent: 'SAY DIGITS "7" ""' }],
  [6603, { heard: "200 result=0" }],
  [6604, { sent: 'SET VARIABLE "AGI_RHAI_STATUS" "SUCCESS"' }],
  [6605, { heard: "200 result=1" }],
  [6606, { ended: { status: "SUCCESS", commands: 5 } }],
];
const written = (header, lines) =>
  [
    JSON.stringify(HEADER).replace('"seed":0', '"seed":18446744073709551615'),
    ...lines.map(([at, event]) => JSON.stringify({ at, ...event })),
  ]
    .map((line, at) => (at === 0 ? line.replace(/}$/, `${header}}`) : line))
    .join("\n") + "\n";
const recorded = ({ header = "", lines = LINES, text } = {}) =>
  playground.recorded({ recording: written(header, lines), files: files(text) });

const sent = ({ events }) => events.filter(({ is, by_host }) => is === "command" && !by_host).map(({ text }) => text);

test("what the caller did comes as long after the same command as it did then", () => {
  const call = recorded();
  assert.equal(call.script, "games/pin.rhai");
  assert.deepEqual(call.difference, null);
  assert.equal(call.changed, true);
  assert.deepEqual(call.notes, []);
  // The seed is more than a number of JavaScript can be.
  assert.equal(call.seed, "18446744073709551615");
  const options = { callerid: "0815", name: "Ann", extension: "500", args: ["gold"], params: { level: "3" } };
  assert.deepEqual(call.call, options);
  const { script, seed, acts } = call;
  const played = playground.play({ files: files(), script, seed, call: call.call, acts, until: 60_000 });
  assert.deepEqual(sent(played), [
    "ANSWER",
    'GET DATA "pin" 5000 4',
    'STREAM FILE "welcome" ""',
    "WAIT FOR DIGIT 5000",
    'SAY DIGITS "7" ""',
  ]);
  const at = (name) => played.events.find(({ is, text }) => is === "command" && text.startsWith(name)).at;
  // The last of the four keys was pressed 3.787 s after the question, which began 1 s after this one.
  assert.deepEqual(
    acts.map(({ keys }) => keys),
    ["4711", "7"],
  );
  assert.ok(Math.abs(acts[0].at + 300 - at("GET DATA") - 3787) < 30, JSON.stringify(acts));
  assert.ok(Math.abs(acts[1].at - at("WAIT FOR DIGIT") - 1000) < 30, JSON.stringify(acts));
  // That is earlier than it was on the line.
  assert.ok(acts[1].at < 6102 - 200, JSON.stringify(acts));
});

test("where the script of today does something else, it is said, and the keys still come where they belong", () => {
  const text = SCRIPT.replace("let key", 'stream_file("wrong");\nlet key');
  const call = recorded({ text });
  const { difference } = call;
  assert.deepEqual([difference.was, difference.now], ["WAIT FOR DIGIT 5000", 'STREAM FILE "wrong" ""']);
  assert.equal(difference.recorded_at, 5102);
  const { script, seed, acts } = call;
  const played = playground.play({ files: files(text), script, seed, call: call.call, acts, until: 60_000 });
  assert.equal(sent(played).at(-1), 'SAY DIGITS "7" ""');
});

test("a call that ends earlier now departs where it ends", () => {
  const { difference } = recorded({ text: SCRIPT.replace("let key", "exit();\nlet key") });
  assert.deepEqual([difference.was, difference.now], ["WAIT FOR DIGIT 5000", null]);
});

test("without its script, a recording tells the moments of then", () => {
  const call = playground.recorded({ recording: written("", LINES), files: { "other.rhai": "answer();" } });
  assert.equal(call.script, null);
  assert.equal(call.recorded_script, "/srv/games/pin.rhai");
  assert.deepEqual(call.acts, [
    { at: 3500, keys: "4711" },
    { at: 6102, keys: "7" },
  ]);
});

test("a caller who hung up hangs up again; what can't be as it was is said", () => {
  const lines = [
    ...LINES.slice(0, 7),
    [5900, { hangup: "command" }],
    [5901, { request: { function: "http_get", service: "shop", arguments: {} } }],
    [5950, { answer: { value: 5 } }],
  ];
  const call = recorded({ header: ',"redacted":true', lines });
  assert.deepEqual(Object.keys(call.acts[1]).sort(), ["at", "hangs_up"]);
  assert.equal(call.redacted, true);
  assert.equal(call.status, null);
  const notes = call.notes.join("\n");
  for (const said of [/redacted/, /What http_get returned then/, /breaks off/]) assert.match(notes, said);
});

test("a script that fails now says so in one line", () => {
  const { notes, difference } = recorded({ text: SCRIPT.replace("say_digits(key)", "say_digits(keys)") });
  assert.deepEqual(notes, ["Now games/pin.rhai:5 has a fault: unknown variable `keys`"]);
  assert.equal(difference.was, "ANSWER");
});

test("what isn't a recording is refused, with the line that is wrong", () => {
  assert.throws(
    () => playground.recorded({ recording: "hello", files: files() }),
    (error) => error instanceof Refused && /line 1: not a recording/.test(error.message),
  );
  const broken = `${written("", LINES)}{"at": "x"}\n`;
  assert.throws(() => playground.recorded({ recording: broken, files: files() }), /line 15/);
});

test("services answer as they did, in their turn, and the store holds what it held", async () => {
  const script = `answer();
let visits = store_add("visits", 1);
for round in 0..2 {
    try { print(http_get("weather", "now").body); } catch (error) { print(error.kind); }
}
print(sql_row("crm", "select name from people where number = :n", #{ n: visits })?.name);
print(sql_value("crm", "select 1"));
print(run_program("sign", ["x"]).output);
try { mail("office", #{ to: "a@example.com", subject: "Hello", text: "there" }); } catch (error) { print(error.message); }
mail("office", #{ to: "a@example.com", subject: "Hello", text: "there" });
print(board_top("league", 3).len());
say_number(visits);`;
  const calls = [
    { function: "store_add", arguments: { key: "visits", n: 1 } },
    { function: "http_get", service: "weather", arguments: { path: "now" } },
    { function: "http_get", service: "weather", arguments: { path: "now" } },
    {
      function: "sql_row",
      service: "crm",
      arguments: { text: "select name from people where number = :n", values: { n: 42 } },
    },
    { function: "sql_value", service: "crm", arguments: { text: "select 1" } },
    { function: "run_program", service: "sign", arguments: { arguments: ["x"] } },
    { function: "mail", service: "office", arguments: { to: ["a@example.com"], subject: "Hello", text: "there" } },
    { function: "mail", service: "office", arguments: { to: ["a@example.com"], subject: "Hello", text: "there" } },
    { function: "board_top", arguments: { board: "league", count: 3 } },
  ];
  const answers = [
    { value: 42 },
    { failure: { kind: "unavailable", message: "it took longer than 5 s" } },
    { value: { status: 200, ok: true, headers: {}, body: "sunny" } },
    { value: { name: "Ann" } },
    { value: "one" },
    { value: { status: 0, output: "signed", error: "" } },
    { failure: { kind: "failed", message: "the spool is full" } },
    { value: null },
    { value: [{ name: "Ann", score: 35 }, { name: "Ben", score: 7 }] },
  ];
  const lines = [[10, { sent: "ANSWER" }], [12, { heard: "200 result=0" }]];
  calls.forEach((request, index) => {
    lines.push([20 + 10 * index, { request }], [25 + 10 * index, { answer: answers[index] }]);
  });
  lines.push([300, { sent: 'SAY NUMBER 42 ""' }], [900, { heard: "200 result=0" }]);
  lines.push([901, { ended: { status: "SUCCESS", commands: 2 } }]);
  const call = playground.recorded({ recording: written("", lines), files: { "games/pin.rhai": script } });
  assert.deepEqual([call.difference, call.notes], [null, []], JSON.stringify(call.services));
  assert.deepEqual(call.services.store.values, { visits: 41 });
  const request = { files: { "games/pin.rhai": script }, ...call, until: 60_000 };
  const played = playground.play(request);
  const printed = played.events.filter(({ is }) => is === "prints").map(({ text }) => text);
  const heard = ["unavailable", "sunny", "Ann", "one", "signed", "mail: the spool is full", "2"];
  assert.deepEqual(printed, heard, JSON.stringify(played.fault ?? played.events));
  // Without them, it is another call.
  const without = playground.play({ ...request, services: {} });
  assert.notDeepEqual(without.events.filter(({ is }) => is === "prints").map(({ text }) => text), heard);
});
