// The pane of tests in a browser: tests that run after an edit, their failures by line, storms, coverage.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { close, launch, opened, serve } from "./support.mjs";

let server;
let browser;
before(async () => {
  [server, browser] = [await serve(), await launch()];
});
after(async () => {
  await browser?.close();
  server?.close();
});

const SCRIPT = `answer();
let key = menu("main-menu", #{ "1": "sales", "2": "support", "3": "broken" });
if key == "broken" {
    let n = [1][5];
}
if key != () { say(key); }
say("bye");
`;
const PROMPTS =
  "main-menu: For sales press one, for support press two.\nsales: Sales.\nsupport: Support.\nbye: Goodbye.\n";
const TESTS = `fn test_one_is_sales() {
    place_call("a");
    wait_for("main-menu");
    press("1");
    expect_prompt("sales");
    expect_prompt("bye");
}

fn test_two_is_support() {
    print("here we go");
    place_call("a");
    wait_for("main-menu");
    wait(0.5);
    press("2");
    expect_prompt("sales");
}
`;
const files = { "a.rhai": SCRIPT, "a.prompts": PROMPTS, "a.test.rhai": TESTS };

async function open({ files: given = files, shown = "a.rhai", options = {}, view = "tests" } = {}) {
  const project = { files: given, script: "a.rhai", shown };
  const page = await opened(browser, server.address, { project, options, timeout: 20_000 });
  if (view) await page.locator(`label:has(#view-${view})`).click();
  return page;
}

const state = (page, text) => page.locator(".tests-state", { hasText: text }).waitFor();
const row = (page, name) => page.locator(".test", { hasText: name });
const editor = (page) => page.locator(".cm-content");
const activeLine = (page) => page.locator(".cm-activeLine").first().textContent();

test("tests run by themselves, and a failure leads to its line, its print and its call", async () => {
  const page = await open();
  await state(page, "1 failed, 1 passed");
  const failed = row(page, "two is support");
  assert.match(await failed.textContent(), /failed/);
  assert.match(await failed.textContent(), /expected the prompt `sales`, but heard `support`/);
  assert.match(await failed.locator(".printed").textContent(), /here we go/);
  // To the line of the script, then to that of the test, with the message behind it.
  await failed.getByRole("button", { name: "a.rhai:6" }).click();
  await page.waitForFunction(() => document.body.dataset.view === "script");
  assert.match(await activeLine(page), /say\(key\)/);
  await page.locator("label:has(#view-tests)").click();
  await failed.getByRole("button", { name: "a.test.rhai:15" }).click();
  assert.match(await activeLine(page), /expect_prompt\("sales"\);.*expected the prompt/);
  // The call, up to where the test has left it.
  await page.locator("label:has(#view-tests)").click();
  await failed.getByRole("button", { name: "Open the call" }).click();
  await page.locator("#transcript li", { hasText: "Support." }).first().waitFor();
  assert.equal(await page.locator("#lane-keys .key, #lane-keys > *").count(), 1);
  await close(page);
});

test("a test that needs SQL is no failure: it says where it runs", async () => {
  const needs = 'fn test_in_the_database() {\n    set_up_sql("crm", "create table t (a);");\n    place_call("a");\n}\n';
  const passes = TESTS.replace(/fn test_two[^]*/, "");
  const page = await open({ files: { ...files, "a.test.rhai": passes + needs } });
  await state(page, "1 passed, 1 can’t run here");
  await page.locator(".tests-file", { hasText: /need SQL, which isn’t here/ }).waitFor();
  assert.match(await row(page, "in the database").textContent(), /can’t run here/);
  assert.equal(await page.locator(".failure").count(), 0);
  assert.equal(await page.locator(".has-failures").count(), 0);
  await close(page);
});

test("an edit runs the tests again, and the marks of lines follow", async () => {
  const page = await open({ view: "script" });
  await page.locator(".has-failures").waitFor();
  await page.locator(".cm-not-ran").first().waitFor();
  assert.ok((await page.locator(".cm-ran").count()) >= 4);
  await page.getByRole("tab", { name: "a.test.rhai" }).click();
  await page.locator(".cm-failure", { hasText: "expected the prompt" }).waitFor();
  await editor(page).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(TESTS.replace(/expect_prompt\("sales"\);\n}\n$/, 'expect_prompt("support");\n}\n'));
  await page.locator(".has-failures").waitFor({ state: "detached" });
  await page.locator("label:has(#view-tests)").click();
  await state(page, "2 passed");
  await page.locator(".cm-failure").waitFor({ state: "detached" });
  await close(page);
});

test("a fault of the script is marked in the script, too; a mistake in the tests in their file", async () => {
  const broken = TESTS.replace('press("2")', 'press("3")');
  const page = await open({ files: { ...files, "a.test.rhai": broken }, view: "script" });
  await page.locator(".cm-failure", { hasText: /there is no element 5/ }).waitFor();
  await page.getByRole("tab", { name: "a.test.rhai" }).click();
  await editor(page).click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.insertText("fn test_( {\n");
  await page.locator("label:has(#view-tests)").click();
  await state(page, "1 failed");
  await page.locator(".tests-file .failure").getByRole("button", { name: "a.test.rhai:1" }).waitFor();
  await close(page);
});

test("a storm shows its progress, and a problem opens in the timeline and becomes a test", async () => {
  const page = await open();
  await state(page, "1 failed, 1 passed");
  await page.getByRole("button", { name: "Start a storm" }).click();
  await page.locator(".problems .failure").first().waitFor();
  await page
    .locator(".storm .quiet", { hasText: /1 problem in 500 calls of a\.rhai, \d+ of \d+ lines reached/ })
    .waitFor();
  await page.locator(".problems").getByRole("button", { name: "a.rhai:4" }).click();
  await page.locator(".cm-failure", { hasText: /there is no element 5/ }).waitFor();
  await page.locator("label:has(#view-tests)").click();
  await page.locator(".problems").getByRole("button", { name: "Open the call" }).click();
  await page.locator("#transcript li", { hasText: "3" }).first().waitFor();
  await page.locator("#transcript", { hasText: /there is no element 5/ }).waitFor();
  await page.locator(".problems").getByRole("button", { name: "Make a test of it" }).click();
  await page.waitForFunction(() => document.body.dataset.view === "script");
  assert.match(await activeLine(page), /^fn test_\w+\(\) \{/);
  await page.locator("label:has(#view-tests)").click();
  await state(page, "2 failed, 1 passed");
  await close(page);
});

test("a storm is stopped, by its button and by an edit", async () => {
  const page = await open();
  await page.locator("#storm-calls").fill("100000");
  await page.getByRole("button", { name: "Start a storm" }).click();
  await page.locator(".storm .quiet", { hasText: "lines reached" }).waitFor();
  await page.locator(".storm progress:not(.idle)").waitFor();
  await page.waitForFunction(() => document.querySelector(".storm progress").value > 20);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.locator(".storm .quiet", { hasText: ", stopped" }).waitFor();
  const before = await page.locator(".storm progress").evaluate((bar) => bar.value);
  await page.waitForTimeout(300);
  assert.equal(await page.locator(".storm progress").evaluate((bar) => bar.value), before);
  await close(page);
});

test("a call becomes a test in the file of tests, under a name of its own", async () => {
  const page = await open({ files: { "a.rhai": SCRIPT, "a.prompts": PROMPTS }, view: "script" });
  const add = async () => {
    await page.locator("#as-test").click();
    await page.getByRole("button", { name: "Add to a.test.rhai" }).click();
    await page.locator("#test-dialog").waitFor({ state: "hidden" });
  };
  await page.locator("label:has(#pace-fast)").click();
  await page.locator("#call").click();
  await page.locator("#transcript li").first().waitFor();
  await page.locator('#keypad button:has-text("1")').first().click();
  await page.locator("#transcript li", { hasText: "Sales." }).first().waitFor();
  await add();
  await page.getByRole("tab", { name: "a.test.rhai" }).waitFor();
  await add();
  const text = await page.evaluate(() => JSON.parse(localStorage.getItem("agi-rhai-playground")).files["a.test.rhai"]);
  const names = [...text.matchAll(/^fn (test_\w+)\(/gm)].map(([, name]) => name);
  assert.equal(new Set(names).size, 2, text);
  await page.locator("label:has(#view-tests)").click();
  await state(page, "2 passed");
  await close(page);
});

test("without tests the pane says how to begin, and writes the first one", async () => {
  const page = await open({ files: { "a.rhai": SCRIPT, "a.prompts": PROMPTS } });
  await page.getByRole("button", { name: "Write a first test of a.rhai" }).click();
  await page.locator("label:has(#view-tests)").click();
  await state(page, "1 passed");
  await page.locator(".coverage", { hasText: /a\.rhai.*\d+ %/ }).waitFor();
  await close(page);
});

test("a test that never ends, or breaks the module, costs only itself", async () => {
  const more = `fn test_loops() { loop {} }\nfn test_nests() { nest(0); }\nfn nest(n) { 1 + nest(n + 1) }\n`;
  const page = await open({ files: { ...files, "a.test.rhai": more + TESTS } });
  await page.locator(".tests-state", { hasText: "3 failed, 1 passed" }).waitFor({ timeout: 60_000 });
  assert.match(await row(page, "loops").textContent(), /endless loop/);
  await close(page);
});

test("hostile texts are shown as texts", async () => {
  const evil = `fn test_x() { print("<img src=x onerror=alert(1)>\\u202e"); expect(false, "<script>alert(1)</script>"); }\n`;
  const page = await open({ files: { "a.rhai": SCRIPT, "a.test.rhai": evil } });
  await state(page, "1 failed");
  assert.match(await page.locator(".failure p").first().textContent(), /<script>alert\(1\)<\/script>/);
  assert.match(await page.locator(".printed").textContent(), /<img src=x onerror=alert\(1\)>\\u\{202e\}/);
  assert.equal(await page.locator("#pane-tests :is(img, script)").count(), 0);
  await close(page);
});

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const [width, height] of [
  [360, 780],
  [1000, 800],
  [1400, 900],
  [3840, 2160],
]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`at ${width} x ${height}, ${colorScheme}, the pane fits and is accessible`, async () => {
      const page = await open({ options: { viewport: { width, height }, colorScheme, bypassCSP: true } });
      await state(page, "1 failed, 1 passed");
      await page.locator("#storm-calls").fill("60");
      await page.getByRole("button", { name: "Start a storm" }).click();
      await page.locator(".storm .quiet", { hasText: "60 calls" }).waitFor();
      const wide = await page.evaluate(() => {
        const pane = document.querySelector(".tests-body");
        return [pane.scrollWidth - pane.clientWidth, document.documentElement.scrollWidth - innerWidth];
      });
      assert.deepEqual(wide, [0, 0]);
      await page.addScriptTag({ content: axe });
      const { violations } = await page.evaluate(() => globalThis.axe.run("#pane-tests"));
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`),
        [],
      );
      await close(page);
    });
  }
}

test("the pane is used by keys alone", async () => {
  const page = await open();
  await state(page, "1 failed, 1 passed");
  await page.getByRole("button", { name: "Run the tests" }).focus();
  for (let step = 0; step < 30; step++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement?.textContent)) === "Open the call") break;
  }
  await page.keyboard.press("Enter");
  await page.locator("#transcript li", { hasText: "Support." }).first().waitFor();
  await close(page);
});
