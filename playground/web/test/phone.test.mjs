// Time travel and what is set up: keys stay with their questions when the script is edited, words are said, values shown.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { close, fast, hears, launch, opened, says, script, serve, transcript, write } from "./support.mjs";

let server;
let browser;
before(async () => {
  [server, browser] = [await serve(), await launch()];
});
after(async () => {
  await browser?.close();
  server?.close();
});

const open = (how) => opened(browser, server.address, how);
const seconds = (page) =>
  page
    .locator("#clock")
    .textContent()
    .then((text) => Number(text.split(":")[1]));
const marks = (page) => page.locator(".mark").allTextContents();

const ASKS = `answer();
say("short");
let a = ask("one", #{ max: 1, first: 5 });
let b = ask("two", #{ max: 1, first: 5 });
say(\`\${a} \${b}\`);
say("bye");
`;
const LONG = ASKS.replace("short", "long");
const PROMPTS =
  "short: Hi.\nlong: A text that takes quite a while to say, much longer than a caller takes to answer anything.\n" +
  "one: One?\ntwo: Two?\nbye: Bye.\n";
const asks = script(ASKS, { "a.prompts": PROMPTS });

/** Calls, and answers both questions. */
async function answer(page) {
  await fast(page);
  await page.locator("#call").click();
  await hears(page, "Listens for");
  await page.keyboard.press("4");
  await page.locator("#transcript li", { hasText: "Two?" }).waitFor();
  await page.keyboard.press("7");
  await says(page, "call ended");
}

test("keys stay with their questions when a prompt before them gets longer or shorter", async () => {
  const page = await open({ project: asks });
  await answer(page);
  const before = await transcript(page);
  assert.deepEqual(
    before.filter((text) => /^\d$/.test(text)),
    ["4", "7"],
  );
  const end = await seconds(page);
  await write(page, LONG);
  await says(page, "A text that takes");
  await says(page, "call ended");
  const after = await transcript(page);
  assert.deepEqual(
    after,
    before.map((text) => (text === "Hi." ? PROMPTS.split("\n")[1].slice(6) : text)),
  );
  assert.equal(await page.locator("#transcript .is-lost").count(), 0);
  assert.ok((await seconds(page)) > end + 2, "the call is longer");
  // The first difference is the prompt that has changed.
  assert.equal(await page.locator("#transcript .is-first .words").textContent(), after[0]);
  await write(page, ASKS);
  await says(page, "Hi.");
  await says(page, "call ended");
  assert.deepEqual(await transcript(page), before);
  assert.equal(await seconds(page), end);
  await page.locator("#changed").waitFor({ state: "hidden" });
  await close(page);
});

test("a question that is gone takes its key with it, and brings it back", async () => {
  const page = await open({ project: asks });
  await answer(page);
  const before = await transcript(page);
  await write(page, ASKS.replace(/let b = .*\n/, "let b = 0;\n"));
  await page.locator(".mark", { hasText: "7" }).waitFor({ state: "detached" });
  assert.deepEqual(await marks(page), ["4"]);
  assert.equal(await page.locator("#transcript .is-lost").count(), 0);
  await write(page, ASKS);
  await page.locator(".mark", { hasText: "7" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#timeline-track").focus();
  await page.keyboard.press("End");
  await says(page, "call ended");
  assert.deepEqual(await transcript(page), before);
  await close(page);
});

test("a caller who is asked stays at the question while the script is edited", async () => {
  const page = await open({ project: asks });
  await fast(page);
  await page.locator("#call").click();
  await hears(page, "Listens for");
  await page.keyboard.press("4");
  await page.locator("#transcript li", { hasText: "Two?" }).waitFor();
  const at = await seconds(page);
  await write(page, LONG);
  await says(page, "A text that takes");
  await hears(page, "Listens for");
  assert.ok((await seconds(page)) > at + 2);
  assert.equal(await page.locator("#said").textContent(), "Two?");
  // What is pressed now answers this question, and leaves the key before.
  await page.getByRole("button", { name: "7", exact: true }).click();
  await says(page, "call ended");
  assert.deepEqual(
    (await transcript(page)).filter((text) => /^\d$/.test(text)),
    ["4", "7"],
  );
  await close(page);
});

test("links and tests of an edited call have the keys where they are now", async () => {
  const page = await open({ project: asks });
  await answer(page);
  await write(page, LONG);
  await says(page, "A text that takes");
  await says(page, "call ended");
  const lines = await transcript(page);
  await page.locator("#link").click();
  await page.waitForFunction(() => location.hash.length > 20);
  const other = await opened(browser, page.url());
  await says(other, "call ended");
  assert.deepEqual(await transcript(other), lines);
  await close(other);
  await page.locator("#as-test").click();
  await page.locator("#test-text", { hasText: "place_call" }).waitFor();
  const text = await page.locator("#test-text").textContent();
  const steps = [...text.matchAll(/^\s+(?:expect_prompt|wait_for|press)\w*\("([^"]*)"/gm)].map(([, what]) => what);
  assert.ok(steps.indexOf("4") > steps.indexOf("one") && steps.indexOf("one") >= 0, text);
  assert.ok(steps.indexOf("7") > steps.indexOf("two") && steps.indexOf("two") > steps.indexOf("4"), text);
  await close(page);
});

test("words are said where speech is listened for", async () => {
  const text = 'answer();\nlet said = listen("how", #{ first: 6 });\nprint(`heard ${said.text}`);\nsay("bye");\n';
  const page = await open({ project: script(text, { "a.prompts": "how: How are you?\nbye: Bye.\n" }) });
  const field = page.getByRole("textbox", { name: "What the caller says" });
  assert.equal(await field.isVisible(), false);
  const size = () => page.locator(".display").evaluate((box) => box.getBoundingClientRect().height);
  const height = await size();
  await fast(page);
  await page.locator("#call").click();
  await hears(page, "speech");
  await field.fill("very well 5");
  assert.equal(await size(), height);
  await page.keyboard.press("Enter");
  await says(page, "very well 5");
  await page.locator("#transcript .by-script", { hasText: "heard" }).first().waitFor();
  await page.locator(".mark", { hasText: "“very well 5”" }).waitFor();
  assert.equal((await page.locator("#transcript .by-script", { hasText: "very well 5" }).count()) > 0, true);
  await says(page, "call ended");
  await page.locator("#link").click();
  await page.waitForFunction(() => location.hash.length > 20);
  const other = await opened(browser, page.url());
  await says(other, "very well 5");
  await close(other);
  await close(page);
});

test("the keys A to D are there for whoever needs them", async () => {
  const text = 'answer();\nlet key = menu("one", #{ "A": "a", "2": "b" });\nprint(`got ${key}`);\n';
  const page = await open({ project: script(text, { "a.prompts": "one: One?\n" }) });
  await fast(page);
  await page.locator("#call").click();
  await hears(page, "Listens for");
  assert.equal(await page.locator("[data-digit=A]").isVisible(), false);
  await page.locator("#letters").check();
  await page.locator("[data-digit=A]").click();
  await says(page, "got a");
  await page.locator("#call").click();
  await page.locator("#transcript li", { hasText: "got" }).waitFor({ state: "detached" });
  await hears(page, "Listens for");
  await page.keyboard.press("Shift+A");
  await says(page, "got a");
  await close(page);
});

test("values are shown as they are at the moment", async () => {
  const text = `answer();
fn count(n) { set_variable("SEEN", n); say("one", "5"); }
let total = 1;
count(7);
total = 2;
database_put("best", "ada", "12");
say("two", "5");
set_variable("SEEN", "");
say("bye");
`;
  const page = await open({ project: script(text, { "a.prompts": PROMPTS }) });
  await page.locator("label:has(#talk-values)").click();
  await page.locator("#values", { hasText: "The values of a call" }).waitFor();
  await fast(page);
  await page.locator("#call").click();
  await page.locator("#lane-says .bar").first().waitFor();
  const track = page.locator("#timeline-track");
  await track.focus();
  await page.keyboard.press("Home");
  const value = (title, name) =>
    page
      .locator("#values table", { hasText: title })
      .locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) })
      .locator("td");
  const is = async (title, name, text) => {
    await value(title, name)
      .filter({ hasText: new RegExp(`^${text}$`) })
      .waitFor();
  };
  await is("count()", "n", "7");
  await is("The script", "total", "1");
  await is("Variables of the channel", "SEEN", "7");
  assert.equal(await value("AstDB", "best/ada").count(), 0);
  const bar = page.locator("#lane-says .bar", { hasText: "Two?" });
  await bar.click();
  await is("The script", "total", "2");
  await is("AstDB", "best/ada", "12");
  assert.equal(await page.locator("#values table", { hasText: "count()" }).count(), 0);
  assert.ok(await page.locator("#values .is-new").count());
  // Back again, they are what they were.
  await track.focus();
  await page.keyboard.press("Home");
  await is("The script", "total", "1");
  assert.equal(await value("AstDB", "best/ada").count(), 0);
  await page.locator("label:has(#talk-lines)").click();
  await says(page, "One?");
  await close(page);
});

test("variables, AstDB and all else of the call are set up, kept, and refused in words", async () => {
  const text = `answer();
print(\`level \${get_variable("LEVEL")}, best \${database_get("coin", "200")}, to \${env.agi_dnid}\`);
print(\`dial \${dial("PJSIP/1", 20)}\`);
`;
  const page = await open({ project: script(text) });
  await fast(page);
  await page.locator("#settings summary").first().click();
  if (!(await page.locator("#set-variables").isVisible())) await page.locator("#settings summary").first().click();
  await page.locator("#set-variables").fill("LEVEL=3\nX = 4");
  await page.locator("#set-database").fill("coin/200=heads");
  await page.locator("#settings details summary").click();
  await page.locator("#set-dnid").fill("0800");
  await page.locator("#set-dial_status").fill("BUSY");
  await page.waitForTimeout(400);
  await page.locator("#call").click();
  await says(page, "level 3, best heads, to 0800");
  await page
    .locator("#transcript li", { hasText: /dial .*BUSY/i })
    .first()
    .waitFor();
  // All of it is in a link.
  await page.locator("#link").click();
  await page.waitForFunction(() => location.hash.length > 20);
  const other = await opened(browser, page.url());
  await other.locator("#call").click();
  await says(other, "level 3, best heads, to 0800");
  assert.equal(await other.locator("#set-variables").inputValue(), "LEVEL=3\nX=4");
  assert.equal(await other.locator("#set-dial_status").inputValue(), "BUSY");
  await close(other);
  await page.locator("#set-variables").fill("LEVEL");
  assert.equal(
    await page.locator("#set-variables").evaluate((field) => field.validationMessage),
    "Line 1 must be name=value",
  );
  await page.locator("#set-variables").fill("");
  await page.locator("#set-database").fill("coin=1");
  await page.locator("#call").click();
  await page.locator("#problem", { hasText: "must be a family and a key" }).waitFor();
  await close(page);
});
