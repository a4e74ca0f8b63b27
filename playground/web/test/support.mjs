// What the tests share: a server for the page, and a browser.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const dist = new URL("../dist/", import.meta.url).pathname;
const TYPES = {
  html: "text/html",
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};

/** Where a browser is: CHROMIUM, or Debian's. */
export const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const page = (name) => `${dist}${name}`;

/** Serves the built page. */
export async function serve(types = TYPES) {
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://localhost").pathname.replace(/\/$/, "/index.html").slice(1);
    if (path.includes("..") || !existsSync(page(path))) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": types[path.split(".").at(-1)] ?? "application/octet-stream" });
    response.end(readFileSync(page(path)));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

export function launch() {
  const args =
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
  return chromium.launch({ executablePath: browserPath, args: args.split(" ") });
}

/** Opens the page, in which nothing may go wrong unseen. */
export async function opened(browser, home, { address = home, options = {}, project, timeout = 10_000 } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(timeout);
  page.problems = [];
  page.on("console", (message) => {
    // What is typed over a selection gets the style that was there, from the browser itself; the editor drops it.
    const isOwn = /Applying inline style/.test(message.text());
    if (message.type() === "error" && !isOwn) page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(error.message));
  page.on("dialog", (dialog) => void dialog.accept());
  if (project) {
    const kept = { shown: project.script, seed: 1, call: {}, ...project };
    // What the page keeps itself is there after a reload.
    await page.addInitScript((text) => {
      if (localStorage.getItem("agi-rhai-playground") === null) localStorage.setItem("agi-rhai-playground", text);
    }, JSON.stringify(kept));
  }
  await page.goto(address);
  return page;
}

export const script = (text, more = {}) => ({ files: { "a.rhai": text, ...more }, script: "a.rhai" });
export const fast = (page) => page.locator("label:has(#pace-fast)").click();
export const transcript = (page) => page.locator("#transcript .words").allTextContents();
export const says = (page, text) => page.locator("#transcript li", { hasText: text }).first().waitFor();
export const hears = (page, text) => page.locator("#hears", { hasText: text }).waitFor();
/** Replaces the text in the editor, as somebody who types it. */
export async function write(page, text) {
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}
/** Closes a page in which nothing went wrong. */
export async function close(page) {
  assert.deepEqual(page.problems, []);
  await page.context().close();
}
