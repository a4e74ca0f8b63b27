// What the tests share: a server for the page, and a browser.

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
