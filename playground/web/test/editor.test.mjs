// The editor: what it knows from the language server, edits over several files, files themselves, the keys.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { close, launch, opened, script, serve, write } from "./support.mjs";

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
const files = (page) => page.evaluate(() => JSON.parse(localStorage.getItem("agi-rhai-playground")).files);
/** Waits until a file that is kept has this text. */
const kept = (page, name, text) =>
  page.waitForFunction(
    ([name, text]) => JSON.parse(localStorage.getItem("agi-rhai-playground")).files[name] === text,
    [name, text],
  );
const shown = (page, name) => page.locator("#tabs [aria-selected=true]", { hasText: name }).waitFor();
/** Puts the caret before a word of the text that is shown. */
async function at(page, word, nth = 0) {
  const text = (await page.locator(".cm-line").allTextContents()).join("\n");
  let from = -1;
  for (let count = 0; count <= nth; count++) from = text.indexOf(word, from + 1);
  assert.ok(from >= 0, `there is no ${word}`);
  const lines = text.slice(0, from).split("\n");
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+Home");
  for (let line = 1; line < lines.length; line++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Home");
  await page.keyboard.press("Home");
  for (let column = 0; column < lines.at(-1).length; column++) await page.keyboard.press("ArrowRight");
}
const caret = (page) =>
  page.evaluate(() => document.querySelector("#editor").shadowRoot.querySelector(".cm-activeLine").textContent);

const MAIN = 'import "lib" as lib;\nanswer();\nlib::greet("Ada");\nlib::greet("Bob");\n';
const LIB = 'fn greet(name) {\n    say("hello-world");\n    print(`To ${name}`);\n}\n';
const two = { files: { "main.rhai": MAIN, "lib.rhai": LIB }, script: "main.rhai" };

test("a function is renamed in all files, refused in words, and undone everywhere", async () => {
  const page = await open({ project: two });
  await at(page, "greet");
  await page.keyboard.press("F2");
  const field = page.getByRole("textbox", { name: "New name of greet" });
  await field.waitFor();
  assert.equal(await field.inputValue(), "greet");
  // What the server refuses, it says.
  await page.keyboard.type("say");
  await page.keyboard.press("Enter");
  await page.locator(".cm-rename p", { hasText: "every script already has a function `say`" }).waitFor();
  await field.fill("welcome");
  await page.keyboard.press("Enter");
  await kept(page, "lib.rhai", LIB.replace("greet", "welcome"));
  await kept(page, "main.rhai", MAIN.replaceAll("greet", "welcome"));
  await page.locator("#notice", { hasText: "greet is welcome now, 3 times in 2 files" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await kept(page, "lib.rhai", LIB);
  await kept(page, "main.rhai", MAIN);
  // In a file that was not shown, the edit can be undone by itself.
  await at(page, "greet");
  await page.keyboard.press("F2");
  await field.fill("meet");
  await page.keyboard.press("Enter");
  await kept(page, "lib.rhai", LIB.replace("greet", "meet"));
  await page.getByRole("tab", { name: "lib.rhai" }).click();
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+z");
  await kept(page, "lib.rhai", LIB);
  // What has no name to change.
  await at(page, "say");
  await page.keyboard.press("F2");
  await page.locator(".cm-told", { hasText: "`say` isn't defined in this script, so it cannot be renamed" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".cm-told").waitFor({ state: "detached" });
  await close(page);
});

test("definitions are led to, and back, by keys and by mouse", async () => {
  const page = await open({ project: two });
  await at(page, "greet", 1);
  await page.keyboard.press("F12");
  await shown(page, "lib.rhai");
  assert.equal(await caret(page), "fn greet(name) {");
  await page.keyboard.press("Alt+ArrowLeft");
  await shown(page, "main.rhai");
  assert.equal(await caret(page), 'lib::greet("Bob");');
  await page
    .locator(".cm-line", { hasText: "Ada" })
    .locator("span", { hasText: "greet" })
    .click({ modifiers: ["Control"] });
  await shown(page, "lib.rhai");
  await page.keyboard.press("Alt+ArrowLeft");
  await shown(page, "main.rhai");
  await at(page, "answer");
  await page.keyboard.press("F12");
  await page.locator(".cm-told", { hasText: "nothing in these files defines this" }).waitFor();
  await close(page);
});

test("the places where a name is used are listed, and each is gone to", async () => {
  const page = await open({ project: { ...two, shown: "lib.rhai" } });
  await at(page, "greet");
  await page.keyboard.press("Shift+F12");
  const list = page.getByRole("listbox", { name: "3 places" });
  await list.waitFor();
  assert.deepEqual(await list.locator("li").allTextContents(), [
    "fn greet(name) {lib.rhai, line 1",
    'lib::greet("Ada");main.rhai, line 3',
    'lib::greet("Bob");main.rhai, line 4',
  ]);
  await page.keyboard.type("bob");
  assert.equal(await list.locator("li").count(), 1);
  await page.keyboard.press("Enter");
  await shown(page, "main.rhai");
  assert.equal(await caret(page), 'lib::greet("Bob");');
  // The keyboard is the editor's again.
  await page.keyboard.press("Control+Home");
  await page.keyboard.insertText("// Here.\n");
  await kept(page, "main.rhai", `// Here.\n${MAIN}`);
  await close(page);
});

test("fixes change a word, and add a prompt to its table", async () => {
  const text = 'answer();\nsya("old");\nsay("new-one");\n';
  const page = await open({ project: script(text, { "a.prompts": "old: Old.\n" }) });
  await page.locator(".cm-lintRange-error", { hasText: "sya" }).waitFor();
  await at(page, "sya");
  await page.locator(".cm-bulb").waitFor();
  await page.keyboard.press("Control+.");
  const menu = page.getByRole("menu", { name: "Fixes" });
  await menu.waitFor();
  assert.deepEqual(await menu.getByRole("menuitem").allTextContents(), [
    "Change to say",
    "Allow it here (unknown-function)",
  ]);
  await page.keyboard.press("Enter");
  await kept(page, "a.rhai", text.replace("sya", "say"));
  // From the lightbulb, in another file.
  await at(page, "new-one");
  await page.locator(".cm-bulb").click();
  await menu.getByRole("menuitem", { name: "Add it to a.prompts" }).click();
  await kept(page, "a.prompts", "old: Old.\nnew-one: \n");
  await page.locator("#findings-count", { hasText: "finds nothing" }).waitFor();
  // From the finding itself.
  await at(page, 'say("old")');
  await page.keyboard.insertText("let idle = 1; ");
  await page.locator(".cm-lintRange-warning", { hasText: "idle" }).hover();
  await page.locator(".cm-diagnosticAction", { hasText: "Allow it here (unused-variable)" }).click();
  await page.locator(".cm-line", { hasText: "// agi-rhai: allow(unused-variable)" }).waitFor();
  await at(page, "answer");
  await page.keyboard.press("Control+.");
  await page.locator(".cm-told", { hasText: "there is no fix for this line" }).waitFor();
  await close(page);
});

test("the findings of all files are counted, and listed by file", async () => {
  const project = script('answer();\nsay("one");\n', {
    "a.prompts": "one: One.\nidle: Idle.\n",
    "b.rhai": "anser();\n",
    "b.test.rhai": 'fn test_b() { plac_call("b"); }\n',
  });
  const page = await open({ project });
  await page.locator("#findings-count", { hasText: "in 3 files" }).waitFor();
  await page.locator(".found summary").click();
  const titles = await page.locator("#findings .file").allTextContents();
  assert.deepEqual(
    titles.map((title) => title.replace(/\d.*/, "")),
    ["a.prompts", "b.rhai", "b.test.rhai"],
  );
  await page.locator("#findings button", { hasText: "anser" }).click();
  await shown(page, "b.rhai");
  // The file that is shown comes first.
  await page.waitForFunction(() => document.querySelector("#findings .file").textContent.startsWith("b.rhai"));
  await write(page, "answer();\n");
  await page.locator("#findings-count", { hasText: "in 2 files" }).waitFor();
  await close(page);
});

test("tables have completion, explanations, and their own findings", async () => {
  const project = script('answer();\nsay("one");\nsay("two");\n', { "a.prompts": "two: Two.\n" });
  const page = await open({ project: { ...project, shown: "a.prompts" } });
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("on");
  await page.keyboard.press("Control+Space");
  await page.locator(".cm-tooltip-autocomplete li[aria-selected]", { hasText: "one" }).waitFor();
  await page.waitForTimeout(150);
  await page.keyboard.press("Enter");
  await page.locator(".cm-line", { hasText: /^one/ }).waitFor();
  await write(page, "two: Two.\none: One.\nno colon here\n");
  await page.locator(".cm-lintRange-error").waitFor();
  await page.locator("#findings-count", { hasText: "1 error" }).waitFor();
  // A script knows what its prompts say.
  await write(page, "two: Two.\none: One.\n");
  await page.getByRole("tab", { name: "a.rhai" }).click();
  await page.locator(".cm-line span", { hasText: '"one"' }).hover();
  await page.locator(".cm-help", { hasText: "One." }).waitFor();
  await close(page);
});

test("what a file has is listed and gone to, folded, searched, and made a comment", async () => {
  const text =
    "answer();\nlet total = 0;\nfn first(a, b) {\n    say(a);\n    say(b);\n}\nfn second() {\n    say(1);\n}\n";
  const page = await open({ project: script(text) });
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+Shift+o");
  const list = page.getByRole("listbox", { name: "Functions and variables of a.rhai" });
  await list.waitFor();
  assert.deepEqual(await list.locator("li span").allTextContents(), ["total", "fn first(a, b)", "fn second()"]);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  assert.equal(await caret(page), "fn second() {");
  await page.keyboard.press("Control+Shift+BracketLeft");
  await page.locator(".cm-foldPlaceholder").waitFor();
  assert.equal(await page.locator(".cm-line", { hasText: "say(1)" }).count(), 0);
  await page.locator(".cm-closed:visible").click();
  await page.locator(".cm-line", { hasText: "say(1)" }).waitFor();
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+f");
  await page.keyboard.type("say");
  await page.locator(".cm-searchMatch").nth(2).waitFor();
  await page.keyboard.press("Escape");
  await at(page, "let total");
  await page.keyboard.press("Control+/");
  await kept(page, "a.rhai", text.replace("let total", "// let total"));
  await page.keyboard.press("Control+/");
  await kept(page, "a.rhai", text);
  // The mouse has the same.
  await page.locator("#outline").click();
  await list.locator("li", { hasText: "first" }).click();
  assert.equal(await caret(page), "fn first(a, b) {");
  await close(page);
});

test("the parameters of a function are shown while one writes them", async () => {
  const page = await open({ project: script("answer();\n") });
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("get_data(");
  await page.locator(".cm-signature b", { hasText: /^file/ }).waitFor();
  await page.keyboard.type('"beep",');
  await page.locator(".cm-signature b", { hasText: /^ms/ }).waitFor();
  // The first one closes the completions.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.locator(".cm-signature").waitFor({ state: "detached" });
  await close(page);
});

test("files are renamed and removed, and both is undone", async () => {
  const page = await open({ project: { ...two, shown: "lib.rhai" } });
  await page.locator("#rename-file").click();
  const name = page.locator("#new-name");
  assert.equal(await name.inputValue(), "lib.rhai");
  await name.fill("main.rhai");
  await page.keyboard.press("Enter");
  assert.equal(await name.evaluate((field) => field.validationMessage), "There is such a file");
  await name.fill("helper.rhai");
  await page.keyboard.press("Enter");
  await shown(page, "helper.rhai");
  assert.deepEqual(await page.getByRole("tab").allTextContents(), ["main.rhaicalled", "helper.rhai"]);
  await page.getByRole("button", { name: "Undo" }).click();
  await shown(page, "lib.rhai");
  await page.locator("#remove-file").click();
  await page.getByRole("tab", { name: "lib.rhai" }).waitFor({ state: "detached" });
  await page.locator("#notice", { hasText: "lib.rhai is removed" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await shown(page, "lib.rhai");
  await kept(page, "lib.rhai", LIB);
  // The script that is called stays one.
  await page.getByRole("tab", { name: "main.rhai" }).click();
  await page.locator("#rename-file").click();
  await name.fill("main.prompts");
  await page.keyboard.press("Enter");
  assert.match(await name.evaluate((field) => field.validationMessage), /must stay one/);
  await name.fill("first.rhai");
  await page.keyboard.press("Enter");
  await page.locator("#tabs [aria-selected=true]", { hasText: "first.rhaicalled" }).waitFor();
  await close(page);
});

test("examples have their tests, and tests are files as others", async () => {
  const page = await open();
  await page.getByRole("tab", { name: "guess.test.rhai" }).click();
  await page.locator(".cm-line", { hasText: "place_call" }).first().waitFor();
  assert.equal(await page.locator("#call-this").isVisible(), false);
  await page.locator(".cm-line span", { hasText: "place_call" }).first().hover();
  await page.locator(".cm-help").waitFor();
  await page.locator("#add-file").click();
  await page.locator("#new-name").fill("own.test.rhai");
  await page.keyboard.press("Enter");
  await shown(page, "own.test.rhai");
  assert.ok("guess.test.rhai" in (await files(page)));
  await close(page);
});

test("keys lead from finding to finding, and to a line", async () => {
  const page = await open({ project: script("answer();\nsya(1);\nsay(1);\nsya(2);\n") });
  await page.locator(".cm-lintRange-error").nth(1).waitFor();
  await page.locator(".cm-content").focus();
  await page.keyboard.press("F8");
  assert.equal(await caret(page), "sya(1);");
  await page.keyboard.press("F8");
  assert.equal(await caret(page), "sya(2);");
  await page.keyboard.press("Shift+F8");
  assert.equal(await caret(page), "sya(1);");
  await page.keyboard.press("Control+Alt+g");
  await page.locator(".cm-dialog input").fill("3");
  await page.keyboard.press("Enter");
  await page.waitForTimeout(100);
  assert.equal(await caret(page), "say(1);");
  await close(page);
});

test("all keys are in a dialog", async () => {
  const page = await open({ project: script("answer();\n") });
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Keys" });
  await dialog.getByText("go to the definition").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  // Where one writes, it is a letter.
  await page.locator(".cm-content").focus();
  await page.keyboard.type("?");
  await page.locator(".cm-line", { hasText: "?" }).waitFor();
  assert.equal(await dialog.isVisible(), false);
  await page.keyboard.press("F1");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#keys-help").click();
  await dialog.waitFor();
  await close(page);
});

test("lists, fields and dialogs have names, roles and contrast, in light and dark", async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const colorScheme of ["light", "dark"]) {
    const options = { colorScheme, reducedMotion: "reduce" };
    const page = await open({ project: script('sya(1);\nfn f() {\n    say("x");\n}\n'), options });
    const check = async (what) => {
      const found = await page.evaluate(async (text) => {
        new Function(text)();
        const { violations } = await window.axe.run(document);
        const told = ({ html, failureSummary }) => html.slice(0, 120) + failureSummary;
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(told).join("; ")}`);
      }, axe);
      assert.deepEqual(found, [], `${what}, ${colorScheme}`);
    };
    await page.locator(".cm-lintRange-error").waitFor();
    await page.locator(".found summary").click();
    await at(page, "sya");
    await page.locator(".cm-bulb").waitFor();
    await page.keyboard.press("Control+.");
    await page.getByRole("menu").waitFor();
    await check("fixes");
    await page.keyboard.press("Escape");
    await at(page, "f()");
    await page.keyboard.press("F2");
    await page.locator(".cm-rename").waitFor();
    await check("a name");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+f");
    await page.locator(".cm-search").waitFor();
    await check("search");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+Shift+o");
    await page.getByRole("listbox").waitFor();
    await check("functions");
    await page.keyboard.press("Escape");
    await page.keyboard.press("F1");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await check("keys");
    await close(page);
  }
});
