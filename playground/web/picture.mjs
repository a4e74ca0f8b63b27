// Takes the picture of the page in the README: `node picture.mjs`, after a build.

import { launch, serve } from "./test/support.mjs";

const server = await serve();
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1400, height: 880 }, deviceScaleFactor: 1.5 });
await page.goto(server.address);
await page.locator("label:has(#pace-fast)").click();
await page.locator("#call").click();
const turn = () => page.locator("[data-hears=yes]").waitFor();
for (const guess of ["50", "25", "37"]) {
  await turn();
  for (const key of `${guess}#`) await page.locator(".key").getByText(key, { exact: true }).click();
}
await turn();
await page.waitForTimeout(500);
await page.screenshot({ path: new URL("../../docs/studio.png", import.meta.url).pathname });
await browser.close();
server.close();
