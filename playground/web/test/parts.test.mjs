// The page before the rest of the module is there.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, page as file, serve } from "./support.mjs";

const skip = existsSync(file("playground-rest.wasm")) ? false : "the module isn't divided";
let server;
let browser;
before(async () => {
  [server, browser] = [await serve(), await launch()];
});
after(async () => {
  await browser?.close();
  server?.close();
});

/** Opens the page, whose rest of the module comes when `answer` says so. */
async function open(answer) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  page.setDefaultTimeout(10_000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  await page.route("**/playground-rest.wasm", answer);
  await page.goto(server.address);
  return page;
}

test("calls are played before the rest is there, and what needs it waits", { skip }, async () => {
  let come;
  const comes = new Promise((resolve) => (come = resolve));
  const page = await open(async (route) => {
    await comes;
    await route.continue();
  });
  await page.locator("label:has(#pace-fast)").click();
  await page.locator("#call").click();
  await page.waitForFunction(() => document.getElementById("said").textContent !== "");
  await page.locator("#as-test").click();
  await page.waitForTimeout(500);
  assert.doesNotMatch(await page.locator("#test-text").textContent(), /fn test/);
  come();
  await page.locator("#test-text", { hasText: "place_call" }).waitFor({ state: "attached" });
  assert.deepEqual(page.problems, []);
  await page.close();
});

test("a rest that doesn't come at first is loaded again", { skip }, async () => {
  let asked = 0;
  const page = await open((route) => (asked++ === 0 ? route.abort() : route.continue()));
  await page.locator("#call").click();
  await page.waitForFunction(() => document.getElementById("said").textContent !== "");
  await page.locator("#as-test").click();
  await page.locator("#test-text", { hasText: "place_call" }).waitFor({ state: "attached" });
  assert.equal(asked, 2);
  assert.deepEqual(page.problems, []);
  await page.close();
});
