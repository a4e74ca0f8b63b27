// The live calls of a real server in the page: found, followed, ended; its recordings played again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";
import { close, launch } from "./support.mjs";
import { serveCalls } from "./server.mjs";

const MENU = `answer();
let key = wait_for_digit(600000);
stream_file("you-pressed");
say_digits(key);
wait_for_digit(600000);
fn on_hangup() { verbose("gone"); }
`;
const PIN = `answer();
let pin = get_data("enter-your-pin", 5000, 4);
if pin == "4711" {
    stream_file("welcome");
} else {
    stream_file("wrong");
}
let more = get_data("anything-else", 5000, 1);
say_digits(more);
`;

const PROMPTS = `enter-your-pin: Please enter your pin.
welcome: Welcome!
wrong: That is wrong.
anything-else: Is there anything else?
`;

let browser;
let server;
before(async () => {
  browser = await launch();
  server = await serveCalls({ "menu.rhai": MENU, "pin.rhai": PIN, "pin.prompts": PROMPTS }, { record: true });
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function open({ at = server, options = {} } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.problems = [];
  page.on("console", (message) => {
    // A server that is away, which is tested, is an error to the browser.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(error.message));
  await page.goto(at.address);
  await page.locator("label:has(#view-live)").click();
  return page;
}
const rows = (page) => page.locator("#live-calls-part .rows .row:not(.over)");
const row = (page, text) => rows(page).filter({ hasText: text });
const cell = (page, text, name) => row(page, text).locator(`.${name}`);
const until = async (what, holds) => {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 15 s: ${what}`);
};

test("a call appears, goes from line to line, and is gone", async () => {
  const page = await open();
  await page.locator("#live-empty", { hasText: "No call is in progress" }).waitFor();
  const caller = await server.call("menu", { callerid: "0171 555", name: "Ann" });
  await caller.hears(/^WAIT FOR DIGIT/);
  await row(page, "0171 555 · Ann").waitFor();
  await cell(page, "Ann", "place").filter({ hasText: "menu.rhai:2" }).waitFor();
  assert.equal(await cell(page, "Ann", "doing").textContent(), "WAIT FOR DIGIT");
  assert.equal(await page.locator("#live-count").textContent(), "1 call");
  caller.send("200 result=53");
  await caller.hears(/^STREAM FILE/);
  await cell(page, "Ann", "place").filter({ hasText: "menu.rhai:3" }).waitFor();
  caller.hangUp();
  await page.locator("#live-count", { hasText: /^0 calls$/ }).waitFor();
  await until("the row is gone", async () => (await page.locator("#live-calls-part .rows .row").count()) === 0);
  await close(page);
});

test("calls are found by number however it is written, by channel, by script and by line", async () => {
  const callers = [
    await server.call("menu", { callerid: "+49 (171) 555-01", channel: "PJSIP/trunk-00000001" }),
    await server.call("menu", { callerid: "030 12345", channel: "PJSIP/desk-00000002" }),
    await server.call("pin", { callerid: "030 99999", channel: "PJSIP/desk-00000003" }),
  ];
  for (const caller of callers) await caller.hears(/^WAIT FOR DIGIT|^GET DATA/);
  const page = await open();
  await until("three calls", async () => (await rows(page).count()) === 3);
  for (const [words, found] of [
    ["4917155501", 1],
    ["+49 171", 1],
    ["trunk", 1],
    ["DESK-00000003", 1],
    ["pin", 1],
    ["menu.rhai:2", 2],
    ["030 menu", 1],
    ["nobody", 0],
    ["", 3],
  ]) {
    await page.locator("#live-filter").fill(words);
    assert.equal(await rows(page).count(), found, words);
    if (words !== "") assert.equal(await page.locator("#live-count").textContent(), `${found} of 3 calls`, words);
  }
  for (const caller of callers) caller.hangUp();
  await close(page);
});

test("the dialogue of a call as it happens, with its lines, which lead to the script; keys are masked", async () => {
  const caller = await server.call("menu", { callerid: "202" });
  await caller.hears(/^WAIT FOR DIGIT/);
  const page = await open();
  await row(page, "202").click();
  await page.locator("#live-detail").waitFor();
  assert.match(await page.locator("#live-who").textContent(), /202/);
  // What it is doing now is there at once; its dialogue from here on.
  await page.locator("#live-place", { hasText: "menu.rhai:2" }).waitFor();
  await page.waitForTimeout(300);
  caller.send("200 result=53");
  await caller.hears(/^STREAM FILE/);
  const sent = page.locator("#live-dialogue li", { hasText: "> STREAM FILE" });
  await sent.waitFor();
  assert.equal(await sent.locator("button").textContent(), "menu.rhai:3");
  const heard = await page.locator("#live-dialogue .heard").first().textContent();
  assert.match(heard, /< 200 result=••/);
  assert.doesNotMatch(await page.locator("#live-detail").textContent(), /=53/);
  await sent.locator("button").click();
  assert.equal(await page.locator("body").getAttribute("data-view"), "script");
  await page.locator(".cm-activeLine", { hasText: 'stream_file("you-pressed")' }).waitFor();
  await page.locator("label:has(#view-live)").click();
  caller.hangUp();
  await page.locator("#live-state", { hasText: "over" }).waitFor();
  await page.keyboard.press("Escape");
  await close(page);
});

test("a call is ended after a question, by keyboard alone", async () => {
  const callers = [await server.call("menu", { callerid: "301" }), await server.call("menu", { callerid: "302" })];
  for (const caller of callers) await caller.hears(/^WAIT FOR DIGIT/);
  const page = await open();
  await row(page, "302").waitFor();
  await page.locator("#live-filter").fill("302");
  await page.locator("#live-filter").press("Tab");
  await until("a row has the focus", async () => {
    await page.keyboard.press("Tab");
    return page.evaluate(() => document.activeElement?.closest(".rows") !== null);
  });
  await page.keyboard.press("Enter");
  await page.locator("#live-end").focus();
  await page.keyboard.press("Enter");
  // The answer that harms nobody has the focus.
  await page.locator("#live-question", { hasText: "302" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForTimeout(400);
  assert.equal(callers[1].lines.at(-1), "WAIT FOR DIGIT 600000");
  await page.locator("#live-end").press("Enter");
  await page.locator("#live-yes").focus();
  await page.keyboard.press("Enter");
  await callers[1].hears(/in step/);
  callers[1].send("200 result=1");
  callers[1].send("200 result=1 (agi-rhai: in step)");
  const lines = await callers[1].play();
  assert.ok(lines.includes('VERBOSE "gone" 1'), lines.join("\n"));
  assert.ok(lines.some((line) => line.includes('"AGI_RHAI_STATUS" "HANGUP"')));
  // The other one goes on.
  assert.equal(callers[0].lines.at(-1), "WAIT FOR DIGIT 600000");
  callers[0].hangUp();
  await close(page);
});

test("what callers send is text, whatever it is", async () => {
  const evil = '<img src=x onerror="document.title=1">\u202e';
  const caller = await server.call("menu", { callerid: "666", name: evil, channel: `Local/<b>x</b>\u200b\u001b[31m` });
  await caller.hears(/^WAIT FOR DIGIT/);
  const page = await open();
  await row(page, "666").click();
  await page.locator("#live-detail").waitFor();
  const [shownName, shownChannel] = [
    /<img src=x onerror="document.title=1">\\u\{202e\}/,
    /<b>x<\/b>\\u\{200b\}\\u\{1b\}/,
  ];
  assert.match(await cell(page, "666", "caller").textContent(), shownName);
  assert.match(await cell(page, "666", "channel").textContent(), shownChannel);
  assert.match(await page.locator("#live-who").textContent(), shownName);
  assert.match(await page.locator(".facts").textContent(), shownName);
  assert.match(await page.locator(".facts").textContent(), shownChannel);
  assert.equal(await page.locator("#pane-live img, #pane-live b").count(), 0);
  assert.notEqual(await page.title(), "1");
  caller.hangUp();
  await close(page);
});

test("a thousand calls: few elements, no jumps while somebody is about to choose", async () => {
  const page = await open();
  const callers = [];
  for (let number = 0; number < 1000; number++) {
    // The first and the last one are so by their time, too.
    if (number === 1 || number === 999) await new Promise((resolve) => setTimeout(resolve, 300));
    callers.push(
      await server.call(number % 4 === 0 ? "pin" : "menu", { callerid: `5${String(number).padStart(4, "0")}` }),
    );
  }
  for (const caller of callers) await caller.hears(/^WAIT FOR DIGIT|^GET DATA/);
  await page.locator("#live-count", { hasText: "1,000 calls" }).waitFor();
  assert.ok((await page.locator("#live-calls-part .rows .row").count()) < 60);
  // The newest comes first, and the other way round.
  const first = () =>
    page.locator("#live-calls-part .rows .row").evaluateAll((rows) => {
      const at = (row) => Number(row.getAttribute("aria-rowindex"));
      return rows.reduce((one, other) => (at(one) < at(other) ? one : other)).querySelector(".caller").textContent;
    });
  await until("the newest is first", async () => (await first()) === "50999");
  await page.locator("#live-order").selectOption("longest");
  assert.equal(await first(), "50000");
  await page.locator("#live-order").selectOption("newest");
  // With the pointer over a row, all rows stay where they are, whoever comes and goes.
  const tenth = page.locator("#live-calls-part .rows .row[aria-rowindex='11'] .caller");
  const target = row(page, await tenth.textContent());
  await target.hover();
  const before = await target.boundingBox();
  const late = await server.call("menu", { callerid: "777" });
  callers[999].hangUp();
  await page.locator("#live-new", { hasText: "1 more" }).waitFor();
  await page.waitForTimeout(1500);
  assert.deepEqual(await target.boundingBox(), before);
  await page.locator("#live-new").click();
  await page.mouse.move(5, 5);
  await until("the new one is first", async () => (await first()) === "777");
  // To the last one by a key.
  await row(page, "777").focus();
  await page.keyboard.press("End");
  await row(page, "50000").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.querySelector(".caller").textContent), "50000");
  late.hangUp();
  for (const caller of callers) caller.hangUp();
  await page.keyboard.press("Home");
  await page.locator("#live-count", { hasText: /^0 calls$/ }).waitFor();
  await close(page);
});

test("calls are counted by line, and what shows that is told", async () => {
  const source = new URL("../src/live-calls.ts", import.meta.url).pathname;
  const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: "esm", write: false });
  const module = `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`;
  const { LiveCalls, lineCounts } = await import(module);
  const live = new LiveCalls((file) => `games/${file}`);
  let told = 0;
  const end = lineCounts.subscribe(() => (told += 1));
  const call = (id, line, more = {}) => ({ id, file: "a.rhai", line, doing: "script", since: 0, commands: 1, ...more });
  live.take("began", {});
  live.take("changes", { now: 5, calls: [call(1, 3), call(2, 3), call(3, 7), call(4, 0)] });
  assert.deepEqual(
    [...lineCounts.in("games/a.rhai")],
    [
      [3, 2],
      [7, 1],
    ],
  );
  live.take("changes", { now: 9, calls: [call(2, 7)], gone: [1] });
  assert.deepEqual([...lineCounts.in("games/a.rhai")], [[7, 2]]);
  assert.equal(lineCounts.at("games/a.rhai", 3), 0);
  assert.equal(told, 3);
  end();
  live.take("problem", { problem: "gone" });
  assert.equal(lineCounts.at("games/a.rhai", 7), 0);
  assert.equal(told, 3);
});

test("calls on the graph: how many are at a node, and the way of one, in the graph of its script", async () => {
  const callers = [
    await server.call("menu", { callerid: "601" }),
    await server.call("menu", { callerid: "602" }),
    await server.call("pin", { callerid: "603" }),
  ];
  for (const caller of callers) await caller.hears(/^WAIT FOR DIGIT|^GET DATA/);
  const page = await open();
  const node = (title) => page.locator(".node", { has: page.locator(".title", { hasText: title }) });
  const count = (title) => node(title).locator(".badge.calls text");
  await row(page, "603").click();
  await page.locator("#live-place", { hasText: "pin.rhai:2" }).waitFor();
  await page.locator("#live-graph").click();
  assert.equal(await page.locator("body").getAttribute("data-view"), "graph");
  const now = page.locator(".node.now");
  await now.filter({ hasText: "Please enter your pin." }).waitFor();
  assert.equal(await count("Please enter your pin.").textContent(), "1");
  assert.match(await now.getAttribute("aria-label"), /, the call is here, 1 call is here/);
  // It goes on.
  callers[2].send("200 result=4711");
  await callers[2].hears(/^STREAM FILE/);
  await now.filter({ hasText: "Welcome!" }).waitFor();
  assert.equal(await node("Please enter your pin.").locator(".badge.calls").count(), 0);
  callers[2].send("200 result=0 endpos=8000");
  await callers[2].hears(/^GET DATA/);
  await now.filter({ hasText: "Is there anything else?" }).waitFor();
  // Another call, of another script, by keys: its graph is there, and the call beside it is counted.
  await page.locator("#view-live").press("Space");
  await page.locator("#live-close").press("Space");
  await row(page, "602").focus();
  await page.keyboard.press("Enter");
  await page.locator("#live-graph").press("Enter");
  await page.locator("#graph-leave", { hasText: /^Call \d+ ✕$/ }).waitFor();
  await until(
    "both are counted",
    async () => (await page.locator(".badge.calls text").allTextContents()).join() === "2",
  );
  await page.locator(".layer-live input").uncheck();
  assert.equal(await page.locator(".badge.calls").count(), 0);
  await page.locator(".layer-live input").check();
  callers[0].send("200 result=53");
  await callers[0].hears(/^STREAM FILE/);
  await until("each is at its node", async () => {
    return (await page.locator(".badge.calls text").allTextContents()).join() === "1,1";
  });
  // It ends, which is told.
  callers[1].hangUp();
  await page.locator("#graph-leave", { hasText: "is over" }).waitFor();
  // The phone's script is back.
  await page.locator("#graph-leave").click();
  assert.equal(await page.locator("#graph-leave").isHidden(), true);
  await until("there is no place of a call", async () => (await now.count()) === 0);
  for (const caller of callers) caller.hangUp();
  await until("they are gone", async () => (await page.locator(".badge.calls").count()) === 0);
  await close(page);
});

test("a server that ends and comes back", async () => {
  const own = await serveCalls({ "menu.rhai": MENU });
  const page = await open({ at: own });
  const caller = await own.call("menu", { callerid: "401" });
  await row(page, "401").waitFor();
  caller.hangUp();
  await own.stop();
  await page.locator("#live-problem", { hasText: /no server is there|has ended|closed/ }).waitFor();
  assert.equal(await rows(page).count(), 0);
  await own.again();
  await until("it is back", () => page.locator("#live-problem").isHidden());
  const other = await own.call("menu", { callerid: "402" });
  await row(page, "402").waitFor();
  other.hangUp();
  await close(page);
  await own.end();
});

test("a recording opens in the timeline, in step with today's script; where that is another one, it says so", async () => {
  const caller = await server.call("pin", { callerid: "08155" });
  await caller.hears(/^GET DATA/);
  await new Promise((resolve) => setTimeout(resolve, 700));
  caller.send("200 result=4711");
  assert.equal(await caller.hears(/^STREAM FILE/), 'STREAM FILE "welcome" ""');
  caller.send("200 result=0 endpos=8000");
  await caller.hears(/^GET DATA/);
  await new Promise((resolve) => setTimeout(resolve, 400));
  caller.send("200 result=7");
  await caller.play();
  const page = await open();
  await page.locator("label:has(#live-records)").click();
  await page.locator("#live-filter").fill("08155");
  const recording = page.locator("#live-records-part .rows .row", { hasText: "08155" });
  await recording.waitFor();
  assert.equal(await recording.locator(".place").textContent(), "pin.rhai");
  assert.equal(await recording.locator(".end").textContent(), "success");
  await recording.click();
  const told = page.locator("#records-told");
  await told.filter({ hasText: "It goes as it did then." }).waitFor();
  assert.match(await told.textContent(), /The script is still the same/);
  const keys = () => page.locator("#lane-keys > *").allTextContents();
  await until("the keys are in the timeline", async () => (await keys()).join("") === "47117");
  await page.locator("#transcript", { hasText: "welcome" }).waitFor();
  assert.equal(await page.locator("#set-callerid").inputValue(), "08155");
  // The script is edited: the same keys, and another call from there on.
  writeFileSync(join(server.scripts, "pin.rhai"), PIN.replace('pin == "4711"', 'pin == "1234"'));
  await until("it is another call", async () => {
    await recording.click();
    await page.waitForTimeout(200);
    return /it is another call/.test(await told.textContent());
  });
  const text = await told.textContent();
  assert.match(text, /The script has changed since/);
  assert.match(text, /then STREAM FILE "welcome" "", now STREAM FILE "wrong" ""/);
  await page.locator("#transcript", { hasText: "wrong" }).waitFor();
  writeFileSync(join(server.scripts, "pin.rhai"), PIN);
  await close(page);
});

test("a server that records nothing says what it takes", async () => {
  const own = await serveCalls({ "menu.rhai": MENU });
  const page = await open({ at: own });
  await page.locator("label:has(#live-records)").click();
  await page.locator("#records-empty", { hasText: "--record DIR" }).waitFor();
  await close(page);
  await own.end();
});

for (const scheme of ["light", "dark"]) {
  test(`axe finds nothing in the live view, ${scheme}`, async () => {
    const caller = await server.call("menu", { callerid: "909" });
    await caller.hears(/^WAIT FOR DIGIT/);
    const page = await open({ options: { colorScheme: scheme } });
    await row(page, "909").click();
    const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
    for (const part of ["calls", "records"]) {
      await page.locator(`label:has(#live-${part})`).click();
      await page.waitForTimeout(300);
      // The policy of the page lets no script in: the tool comes by another way.
      const source = (await import("node:fs")).readFileSync(axe, "utf8");
      await page.evaluate(source);
      const { violations } = await page.evaluate(() =>
        globalThis.axe.run("#pane-live", { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }),
      );
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
        [],
      );
    }
    caller.hangUp();
    await close(page);
  });
}
