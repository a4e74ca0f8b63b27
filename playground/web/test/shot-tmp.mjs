import { launch, serve } from "./support.mjs";
const server = await serve();
const browser = await launch();
const which = process.argv[2] ?? "base";
for (const [w, h] of [
  [1400, 900],
  [1000, 800],
  [360, 740],
  [3840, 2160],
])
  for (const colorScheme of w === 1400 ? ["light", "dark"] : ["light"]) {
    const ctx = await browser.newContext({ viewport: { width: w, height: h }, colorScheme });
    const page = await ctx.newPage();
    page.on("console", (m) => {
      if (m.type() === "error") console.log("console:", m.text());
    });
    page.on("pageerror", (e) => console.log("pageerror", e.message));
    await page.goto(server.address);
    await page.locator("#findings-count", { hasText: "finds" }).waitFor({ state: "attached" });
    if (which === "base") {
      await page.locator("label:has(#pace-fast)").click();
      await page.locator("#call").click();
      await page.locator("#hears", { hasText: "Listens for" }).waitFor();
    }
    if (which === "values") {
      await page.locator("label:has(#pace-fast)").click();
      await page.locator("#call").click();
      await page.locator("#hears", { hasText: "Listens for" }).waitFor();
      await page.keyboard.press("5");
      await page.waitForTimeout(200);
      await page.locator("label:has(#talk-values)").click();
      await page.locator("#settings").evaluate((e) => (e.open = true));
      if (w < 900) await page.locator("#values").scrollIntoViewIfNeeded();
    }
    if (which === "edit") {
      if (w < 900) await page.locator("label:has(#view-script)").click();
      await page.locator(".cm-line span", { hasText: "best_so_far" }).first().click();
      await page.keyboard.press("F2");
      await page.waitForTimeout(300);
      await page.keyboard.type("say");
      await page.keyboard.press("Enter");
      await page.waitForTimeout(200);
    }
    if (which === "fix") {
      if (w < 900) await page.locator("label:has(#view-script)").click();
      await page.locator(".cm-content").click();
      await page.keyboard.press("Control+Home");
      await page.keyboard.press("End");
      await page.keyboard.insertText('\nsya("another-one"); say("quite-other");\n');
      await page.keyboard.press("ArrowUp");
      await page.waitForTimeout(900);
      await page.keyboard.press("Control+.");
      await page.waitForTimeout(200);
      await page.locator(".found").evaluate((e) => (e.open = true));
    }
    if (which === "speech") {
    await page.locator("label:has(#pace-fast)").click(); await page.locator("#examples").selectOption("directory.rhai");
    await page.locator("#letters").check();
    await page.locator("#call").click(); await page.locator("#hears", { hasText: "speech" }).waitFor(); await page.locator("#words").fill("Ada please"); if (w > 900) await page.keyboard.press("Enter"); await page.waitForTimeout(400);
  }
  if (which === "sig") { if (w<900) await page.locator("label:has(#view-script)").click(); await page.locator(".cm-content").click(); await page.keyboard.press("Control+Home"); await page.keyboard.press("End"); for (let i=0;i<12;i++) await page.keyboard.press("ArrowDown"); await page.keyboard.type('say(get_data("x", '); await page.waitForTimeout(500); }
  if (which === "outline") {
      await page
        .locator("#outline")
        .click({ force: true })
        .catch(() => {});
      await page.waitForTimeout(300);
    }
    if (which === "keys") {
      await page.keyboard.press("F1");
      await page.waitForTimeout(300);
    }
    if (which === "search") {
      if (w < 900) await page.locator("label:has(#view-script)").click();
      await page.locator(".cm-content").click();
      await page.keyboard.press("Control+f");
      await page.keyboard.type("say");
      await page.waitForTimeout(300);
    }
    await page.screenshot({ path: `/tmp/ed-${which}-${w}-${colorScheme}.png` });
    await ctx.close();
  }
await browser.close();
server.close();
