// The page on a folder: a real studio, whose files are edited in the page and on the disk.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { close, launch, page as file, serve } from "./support.mjs";

const built = ["debug", "x86_64-unknown-linux-gnu/debug"]
  .map((place) => new URL(`../../../target/${place}/agi-rhai`, import.meta.url).pathname)
  .filter(existsSync)
  .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
const program = process.env.AGI_RHAI ?? built[0];

let browser;
const folders = [];
const studios = new Set();
before(async () => {
  assert.ok(program, "cargo build makes the program that has the studio");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  for (const studio of studios) studio.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Makes a folder of files. */
function folder(files) {
  const path = mkdtempSync(join(tmpdir(), "agi-rhai-studio-"));
  folders.push(path);
  const at = (name) => join(path, name);
  const write = (name, text) => {
    mkdirSync(dirname(at(name)), { recursive: true });
    // As editors do it: nobody sees half a text.
    writeFileSync(at(".new"), text);
    renameSync(at(".new"), at(name));
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { path, write, read: (name) => readFileSync(at(name), "utf8"), has: (name) => existsSync(at(name)), at };
}

/** Starts a studio of a folder. */
async function start(path, listen = "0") {
  const studio = spawn(program, ["studio", path, "--listen", listen, "--page", file("")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  studios.add(studio);
  let said = "";
  for await (const part of studio.stdout) {
    said += part;
    const address = /http:\S+/.exec(said)?.[0];
    if (!address) continue;
    const stop = () =>
      new Promise((resolve) => {
        studios.delete(studio);
        studio.once("exit", resolve);
        studio.kill("SIGINT");
      });
    return { address, origin: new URL(address).origin, host: new URL(address).host, stop, process: studio };
  }
  throw new Error("the studio doesn't start");
}

const REST = "playground-rest.wasm";
const isExpected = [/Applying inline style/];

/** Opens an address, in a page in which nothing may go wrong unseen. */
async function open(address, { context, lost = false, ...options } = {}) {
  context ??= await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.problems = [];
  page.on("console", (message) => {
    // A server that is away, or has another token, is what some of these are about.
    const isLost =
      lost && /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|401/.test(message.text());
    if (message.type() === "error" && !isLost && !isExpected.some((known) => known.test(message.text()))) {
      page.problems.push(message.text());
    }
  });
  page.on("pageerror", (error) => page.problems.push(error.message));
  page.asked = [];
  page.on("dialog", (dialog) => {
    page.asked.push(dialog.message());
    void dialog.accept();
  });
  await page.goto(address);
  // A studio that ends meanwhile would cut off the rest of the module.
  if (lost && existsSync(file(REST))) {
    await page.waitForFunction(
      (name) =>
        performance.getEntriesByType("resource").some((entry) => entry.name.endsWith(name) && entry.responseEnd),
      REST,
    );
  }
  return page;
}

/** A folder, its studio and the page of that. */
async function opened(files, options) {
  const disk = folder(files);
  const studio = await start(disk.path);
  const page = await open(studio.address, options);
  return { disk, studio, page };
}

const saved = (page, text = "Saved") => page.locator("#save", { hasText: new RegExp(`^${text}$`) }).waitFor();
const tab = (page, name) => page.locator(`#tabs [data-name=${JSON.stringify(name)}]`);
const shown = (page) => page.locator(".cm-content").first();
const text = async (page) => (await shown(page).locator(".cm-line").allTextContents()).join("\n");
const holds = (page, part) => page.locator(".cm-line", { hasText: part }).first().waitFor();
const note = (page, part) => page.locator("#folder-note", { hasText: part }).waitFor();
async function append(page, more) {
  await shown(page).click();
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText(more);
}
async function until(what, holds) {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 500, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const HELLO = { "hello.rhai": 'answer();\nsay("hello");\n', "hello.prompts": "hello: Hello there!\nmore: And more.\n" };

test("an edit is saved to the disk, and an edit on the disk comes into the page", async () => {
  const { disk, studio, page } = await opened(HELLO);
  await holds(page, "answer();");
  await saved(page);
  assert.ok(await page.locator("#save").isDisabled());
  await append(page, 'say("more");\n');
  await saved(page, "Save");
  assert.match(await page.title(), /^● hello\.rhai – agi-rhai-studio-\w+ – agi-rhai studio$/);
  assert.match(await tab(page, "hello.rhai").getAttribute("class"), /is-unsaved/);
  assert.equal(disk.read("hello.rhai"), HELLO["hello.rhai"], "nothing is written before it is saved");
  await page.keyboard.press("Control+s");
  await saved(page);
  assert.equal(disk.read("hello.rhai"), 'answer();\nsay("hello");\nsay("more");\n');
  assert.doesNotMatch(await page.title(), /●/);

  // Before the caret, which stays in its line.
  disk.write("hello.rhai", '// first\nanswer();\nsay("hello");\nsay("more");\n');
  await holds(page, "// first");
  await page.keyboard.insertText("//end");
  assert.equal(await text(page), '// first\nanswer();\nsay("hello");\nsay("more");\n//end');
  await page.locator("#save").click();
  await saved(page);
  assert.equal(disk.read("hello.rhai"), '// first\nanswer();\nsay("hello");\nsay("more");\n//end');
  // Files come and go.
  disk.write("sub/other.rhai", "answer();");
  await page.keyboard.press("Control+p");
  await page
    .locator("#file-list li", { hasText: "sub/other.rhai" })
    .waitFor({ timeout: 500 })
    .catch(async () => {
      await page.locator("#file-filter").fill("other");
      await page.waitForTimeout(800);
      await page.locator("#file-filter").fill("othe");
    });
  await page.locator("#file-list li", { hasText: "sub/other.rhai" }).click();
  await tab(page, "sub/other.rhai").waitFor();
  rmSync(disk.at("sub/other.rhai"));
  await tab(page, "sub/other.rhai").waitFor({ state: "detached" });
  await holds(page, "// first");
  await close(page);
  await studio.stop();
});

test("the token is neither in the address, nor kept when the tab is closed, nor sent elsewhere", async () => {
  const { studio, page } = await opened(HELLO);
  await holds(page, "answer();");
  assert.equal(page.url(), `${studio.origin}/`);
  const token = studio.address.split("=")[1];
  assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage }))).includes(token));
  assert.ok(!(await page.content()).includes(token));
  // A reload needs no address.
  await page.reload();
  await holds(page, "answer();");
  // Another tab has none.
  const other = await open(`${studio.origin}/`, { context: page.context(), lost: true });
  await other.locator("#token-dialog[open]").waitFor();
  assert.match(await other.locator("#token-why").textContent(), /address that agi-rhai studio printed/);
  assert.doesNotMatch(await other.content(), /Hello there/);
  await other.keyboard.press("Escape");
  assert.ok(await other.locator("#token-dialog[open]").isVisible());
  await other.locator("#token").fill("http://127.0.0.1/#token=nonsense");
  await other.keyboard.press("Enter");
  assert.ok(await other.locator("#token-dialog[open]").isVisible());
  await other.locator("#token").fill(studio.address);
  await other.keyboard.press("Enter");
  await holds(other, "answer();");
  assert.deepEqual(other.problems, []);
  await close(page);
  await studio.stop();
});

test("a browser that the studio opens gets the token for its code", async () => {
  const { studio, page } = await opened(HELLO, { lost: true });
  const token = studio.address.split("=")[1];
  const other = await (await browser.newContext()).newPage();
  let code = null;
  await other.route("**/api/enter", (route) => {
    code = route.request().postData();
    return route.fulfill({ json: { token } });
  });
  await other.goto(`${studio.origin}/#code=${"a".repeat(32)}`);
  await holds(other, "answer();");
  assert.equal(code, "a".repeat(32));
  assert.equal(other.url(), `${studio.origin}/`);
  await other.context().close();
  await close(page);
  await studio.stop();
});

test("a folder's script is called as it is written, with what it imports and says", async () => {
  const { disk, studio, page } = await opened({
    "menus/main.rhai": 'import "lib/words" as words;\nanswer();\nwords::greet();\n',
    "menus/lib/words.rhai": 'fn greet() { say("hi"); }\n',
    "menus/main.prompts": "hi: Hi from the library.\nbye: Goodbye.\n",
  });
  await holds(page, "words::greet();");
  assert.match(await tab(page, "menus/main.rhai").textContent(), /called/);
  await page.locator("label:has(#pace-fast)").click();
  await append(page, 'say("unsaved");');
  await page.locator("#call").click();
  const words = page.locator("#transcript .words");
  await words.filter({ hasText: "Hi from the library." }).waitFor();
  await words.filter({ hasText: "unsaved" }).waitFor();
  // An edit on the disk of what it imports is in the call at once.
  disk.write("menus/lib/words.rhai", 'fn greet() { say("bye"); }\n');
  await words.filter({ hasText: "Goodbye." }).waitFor();
  await close(page);
  await studio.stop();
});

test("what was changed in two places is never lost: both texts are offered", async () => {
  const { disk, studio, page } = await opened(HELLO);
  await holds(page, "answer();");
  await append(page, "// mine\n");
  disk.write("hello.rhai", "// theirs\n");
  await note(page, "was changed here and on the disk");
  await page.keyboard.press("Control+s");
  await page.waitForTimeout(300);
  assert.equal(disk.read("hello.rhai"), "// theirs\n", "saving settles no conflict");
  assert.match(await text(page), /mine/);

  // Both beside each other, and a third text made of them.
  await page.locator("#folder-note button", { hasText: "Compare" }).click();
  const sides = page.locator(".compare .cm-content");
  assert.match(await sides.nth(0).textContent(), /theirs/);
  assert.match(await sides.nth(1).textContent(), /mine/);
  assert.equal(await sides.nth(0).getAttribute("contenteditable"), "true");
  await sides.nth(1).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("// both\n");
  await page.locator(".compare button", { hasText: "Save mine" }).click();
  await saved(page);
  assert.equal(disk.read("hello.rhai"), "// both\n");
  assert.equal(await text(page), "// both\n");
  assert.ok(await page.locator("#folder-note").isHidden());

  // Mine.
  await append(page, "// mine again\n");
  disk.write("hello.rhai", "// theirs again\n");
  await page.locator("#folder-note button", { hasText: "Keep mine" }).click();
  await saved(page);
  assert.equal(disk.read("hello.rhai"), "// both\n// mine again\n");

  // Theirs, and the way back.
  await append(page, "// lost?\n");
  disk.write("hello.rhai", "// theirs at last\n");
  await page.locator("#folder-note button", { hasText: "Take the disk’s" }).click();
  await saved(page);
  assert.equal(await text(page), "// theirs at last\n");
  await shown(page).click();
  await page.keyboard.press("Control+z");
  await holds(page, "// lost?");
  await page.keyboard.press("Control+y");
  await saved(page);

  // Deleted there.
  await append(page, "// kept\n");
  rmSync(disk.at("hello.rhai"));
  await note(page, "deleted on the disk");
  await page.locator("#folder-note button", { hasText: "Save it again" }).click();
  await saved(page);
  assert.equal(disk.read("hello.rhai"), "// theirs at last\n// kept\n");

  // Changed to the same text: nothing to settle.
  await append(page, "// same\n");
  disk.write("hello.rhai", "// theirs at last\n// kept\n// same\n");
  await saved(page);
  assert.ok(await page.locator("#folder-note").isHidden());
  await close(page);
  await studio.stop();
});

test("two tabs of one folder see each other's edits", async () => {
  const { disk, studio, page } = await opened(HELLO);
  const other = await open(studio.address, { context: page.context() });
  await Promise.all([holds(page, "answer();"), holds(other, "answer();")]);
  await append(page, "// one\n");
  await page.keyboard.press("Control+s");
  await holds(other, "// one");
  await append(other, "// two\n");
  await other.keyboard.press("Control+s");
  await holds(page, "// two");
  await Promise.all([saved(page), saved(other)]);
  assert.equal(disk.read("hello.rhai"), `${HELLO["hello.rhai"]}// one\n// two\n`);
  assert.deepEqual(other.problems, []);
  await close(page);
  await studio.stop();
});

test("typing goes on while it is saved, again and again", async () => {
  const { disk, studio, page } = await opened(HELLO);
  await holds(page, "answer();");
  await append(page, "// ");
  for (let round = 0; round < 20; round++) {
    await page.keyboard.type(`${round} `, { delay: 5 });
    await page.keyboard.press("Control+s");
  }
  const expected = `${HELLO["hello.rhai"]}// ${[...Array(20).keys()].join(" ")} `;
  await until("all is on the disk", () => disk.read("hello.rhai") === expected);
  await saved(page);
  // Whatever comes back from the disk late.
  await page.waitForTimeout(1200);
  assert.equal(await text(page), expected);
  assert.ok(await page.locator("#folder-note").isHidden());
  await close(page);
  await studio.stop();
});

test("a folder of many files is searched by keyboard", async () => {
  const files = { ...HELLO };
  for (let number = 1; number <= 120; number++) {
    files[`menus/m${number}.rhai`] = `// ${"x".repeat(4000)}\nanswer();\nsay("number ${number}");\n`;
  }
  files["menus/m7.prompts"] = "number-7: The seventh.\n";
  files["menus/m7.rhai"] = 'answer();\nsay("number-7");\n';
  const { studio, page } = await opened(files);
  await holds(page, "answer();");
  await page.keyboard.press("Control+p");
  await page.locator("#file-list li").nth(100).waitFor();
  assert.equal(await page.locator("#file-list li").count(), 123);
  await page.keyboard.type("menus m7");
  await page.locator("#file-list li").nth(12).waitFor({ state: "detached" });
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator("#file-list [aria-selected=true]").textContent(), "menus/m7.rhai");
  await page.keyboard.press("Enter");
  await holds(page, "number-7");
  for (const number of [11, 12, 13, 14, 15, 16]) {
    await page.keyboard.press("Control+p");
    await page.keyboard.type(`m${number}.`);
    await page.keyboard.press("Enter");
    await holds(page, `number ${number}`);
  }
  assert.equal(await page.locator("#tabs [role=tab]").count(), 6);
  await page.keyboard.press("Control+p");
  await page.keyboard.type("nonsense");
  await page.locator("#file-count", { hasText: "No file is called so" }).waitFor();
  await page.keyboard.press("Escape");
  // Only what a script needs goes to the module: it is called as quickly as alone.
  await page.keyboard.press("Control+p");
  await page.keyboard.type("m7.rhai");
  await page.keyboard.press("Enter");
  await page.locator("#call-this").click();
  await page.locator("label:has(#pace-fast)").click();
  await page.locator("#call").click();
  await page.locator("#transcript .words", { hasText: "The seventh." }).waitFor();
  // What was called and shown is kept for the next visit.
  await page.reload();
  await tab(page, "menus/m7.rhai").waitFor();
  assert.match(await tab(page, "menus/m7.rhai").textContent(), /called/);
  await close(page);
  await studio.stop();
});

test("files are made, renamed and deleted on the disk", async () => {
  const { disk, studio, page } = await opened({});
  await note(page, "There is no script in this folder yet");
  const name = async (text) => {
    await page.locator("#new-name").fill(text);
    await page.keyboard.press("Enter");
  };
  await page.locator("#add-file").click();
  await name("../out.rhai");
  assert.ok(await page.locator("#new-file[open]").isVisible());
  await name("menus/first.rhai");
  await tab(page, "menus/first.rhai").waitFor();
  assert.equal(disk.read("menus/first.rhai"), "");
  await append(page, "answer();");
  await page.keyboard.press("Control+s");
  await saved(page);
  await append(page, "\n// not saved");
  await page.locator("#rename-file").click();
  await name("second.rhai");
  await tab(page, "second.rhai").waitFor();
  assert.equal(disk.read("second.rhai"), "answer();");
  assert.ok(!disk.has("menus/first.rhai"));
  await saved(page, "Save");
  await page.keyboard.press("Control+s");
  await saved(page);
  assert.equal(disk.read("second.rhai"), "answer();\n// not saved");
  // A name that is taken.
  disk.write("taken.rhai", "taken");
  await page.waitForTimeout(700);
  await page.locator("#rename-file").click();
  await name("taken.rhai");
  assert.ok(await page.locator("#new-file[open]").isVisible());
  await page.locator("#new-cancel").click();
  await page.locator("#remove-file").click();
  await tab(page, "second.rhai").waitFor({ state: "detached" });
  assert.ok(!disk.has("second.rhai"));
  assert.deepEqual(page.asked, ["Delete second.rhai from the disk?"]);
  await close(page);
  await studio.stop();
});

test("while the studio is away nothing is lost, and it goes on when it is back", async () => {
  const { disk, studio, page } = await opened(HELLO, { lost: true });
  await holds(page, "answer();");
  await studio.stop();
  await note(page, "doesn’t answer");
  await append(page, "// written meanwhile\n");
  await page.keyboard.press("Control+s");
  await saved(page, "Save");
  assert.match(await text(page), /written meanwhile/);

  // Started anew, with another token: the page asks for the address.
  const again = await start(disk.path, studio.host);
  await page.locator("#token-dialog[open]").waitFor();
  assert.match(await page.locator("#token-why").textContent(), /started anew/);
  await page.locator("#token").fill(again.address);
  await page.keyboard.press("Enter");
  await page.locator("#token-dialog[open]").waitFor({ state: "detached" });
  assert.match(await text(page), /written meanwhile/);
  await page.keyboard.press("Control+s");
  await saved(page);
  assert.match(disk.read("hello.rhai"), /written meanwhile/);

  // A tab that is opened with the new address tells the old one.
  await again.stop();
  const third = await start(disk.path, studio.host);
  await page.locator("#token-dialog[open]").waitFor();
  const other = await open(third.address, { context: page.context(), lost: true });
  await holds(other, "answer();");
  await page.locator("#token-dialog[open]").waitFor({ state: "detached" });
  disk.write("hello.rhai", "// after all\n");
  await Promise.all([holds(page, "// after all"), holds(other, "// after all")]);

  // A studio of another folder, at the same address: nothing of this one is written there.
  await append(page, "// of this folder\n");
  await third.stop();
  const elsewhere = folder({ "hello.rhai": "// elsewhere\n" });
  const fourth = await start(elsewhere.path, studio.host);
  await page.locator("#token").fill(fourth.address);
  await page.keyboard.press("Enter");
  await note(page, "has another folder now");
  // A tab without edits goes there.
  await holds(other, "// elsewhere");
  await page.keyboard.press("Control+s");
  await saved(page, "Save");
  assert.match(await text(page), /of this folder/);
  assert.equal(elsewhere.read("hello.rhai"), "// elsewhere\n");
  await close(page);
  await fourth.stop();
});

test("names and texts are only texts", async () => {
  const hostile = '<img src=x onerror="document.title=1">.rhai';
  const turned = "a\u202eiahr.rhai";
  const { disk, studio, page } = await opened({
    ...HELLO,
    [hostile]: "// </script><script>document.title = 2</script>\n",
    [turned]: "answer();",
    "__proto__.rhai": "answer(); // proto\n",
    "bytes.rhai": Buffer.from([0xff]),
  });
  await holds(page, "answer();");
  await page.keyboard.press("Control+p");
  await page.locator("#file-list li", { hasText: "<img" }).waitFor();
  const listed = await page.locator("#file-list li").allTextContents();
  assert.ok(listed.includes(hostile), listed.join("\n"));
  assert.ok(
    listed.some((name) => name.startsWith("a\\u{202e}iahr.rhai")),
    listed.join("\n"),
  );
  assert.ok(listed.some((name) => /^bytes\.rhai.*isn't text in UTF-8/.test(name)));
  await page.locator("#file-list li", { hasText: "bytes" }).click({ force: true });
  assert.ok(await page.locator("#file-dialog[open]").isVisible(), "what can't be shown is not opened");
  await page.keyboard.type("<img");
  await page.keyboard.press("Enter");
  await holds(page, "</script>");
  await append(page, "// mine");
  disk.write(hostile, "// <b>theirs</b>");
  await note(page, "<img src=x");
  await page.locator("#folder-note button", { hasText: "Compare" }).click();
  await page.locator(".compare h2", { hasText: "<img" }).waitFor();
  await page.locator(".compare button", { hasText: "Save mine" }).click();
  await saved(page);
  assert.equal(disk.read(hostile), "// </script><script>document.title = 2</script>\n// mine");
  assert.equal(await page.locator("main img, dialog img, .compare b:text('theirs')").count(), 0);
  await page.keyboard.press("Control+p");
  await page.keyboard.type("__proto__");
  await page.keyboard.press("Enter");
  await holds(page, "// proto");
  await close(page);
  await studio.stop();
});

test("lines end as they did", async () => {
  const { disk, studio, page } = await opened({ "a.rhai": "answer();\r\n// one\r\n" });
  await holds(page, "// one");
  await saved(page);
  await append(page, "// two\n");
  await page.keyboard.press("Control+s");
  await saved(page);
  assert.equal(disk.read("a.rhai"), "answer();\r\n// one\r\n// two\r\n");
  await page.waitForTimeout(800);
  await saved(page);
  await close(page);
  await studio.stop();
});

test("another site in the same browser gets nothing, not even a frame of the page", async () => {
  const { disk, studio, page } = await opened(HELLO);
  await holds(page, "answer();");
  const token = studio.address.split("=")[1];
  const foreign = await serve();
  const evil = await page.context().newPage();
  // Without the policy of the page that stands in for the other site.
  await evil.route(`${foreign.address}evil`, (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><title>evil</title>" }),
  );
  await evil.goto(`${foreign.address}evil`);
  const tried = await evil.evaluate(
    async ([origin, token]) => {
      const tries = {};
      const attempt = async (name, path, init) => {
        try {
          const response = await fetch(`${origin}${path}`, init);
          tries[name] = `${response.type} ${response.status} ${(await response.text()).length}`;
        } catch (error) {
          tries[name] = String(error.name);
        }
      };
      const headers = { Authorization: `Bearer ${token}` };
      await attempt("read", "/api/files", { headers });
      await attempt("write", "/api/files/hello.rhai", { method: "PUT", headers, body: "evil" });
      await attempt("blind", "/api/enter", { method: "POST", mode: "no-cors", body: "x" });
      await attempt("page", "/", {});
      for (const [name, path] of Object.entries({ script: "/page.js", frame: "/" })) {
        tries[name] = await new Promise((resolve) => {
          const element = document.createElement(name === "frame" ? "iframe" : "script");
          element.src = `${origin}${path}`;
          element.onload = () => {
            try {
              resolve(name === "frame" ? (element.contentDocument?.body.textContent ?? "unseen") : "loaded");
            } catch {
              resolve("unseen");
            }
          };
          element.onerror = () => resolve("blocked");
          document.documentElement.append(element);
        });
      }
      return tries;
    },
    [studio.origin, token],
  );
  for (const name of ["read", "write", "blind", "page"])
    assert.equal(tried[name], "TypeError", `${name}: ${tried[name]}`);
  assert.equal(tried.script, "blocked");
  assert.ok(
    evil.frames().every((frame) => !frame.url().startsWith(studio.origin)),
    "the page is in a frame",
  );
  assert.equal(disk.read("hello.rhai"), HELLO["hello.rhai"]);
  await evil.close();
  foreign.close();
  await close(page);
  await studio.stop();
});

test("what shows the folder is accessible, and fits every screen in light and dark", async () => {
  const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  const { disk, studio, page } = await opened({
    ...HELLO,
    "a-script-with-quite-a-long-name-in-it.rhai": "say(1);",
    "menus/deep/er/other.rhai": "answer();",
  });
  await holds(page, "answer();");
  await append(page, "// mine");
  disk.write("hello.rhai", "// theirs");
  await note(page, "was changed here");
  const check = async (what) => {
    const found = await page.evaluate(async () => {
      const { violations } = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    });
    assert.deepEqual(found, [], what);
    const width = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.ok(width <= 0, `${what}: ${width} px too wide`);
  };
  // The page's policy lets no script in; the browser's own console may.
  await page.evaluate(readFileSync(axe, "utf8"));
  for (const [width, height] of [
    [360, 740],
    [1000, 800],
    [1400, 900],
    [3840, 2160],
  ]) {
    await page.setViewportSize({ width, height });
    if (width < 861) await page.locator("label:has(#view-script)").click();
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      const shot = async (what) => {
        await check(`${what} ${width} ${colorScheme}`);
        if (process.env.SHOTS) {
          await page.screenshot({ path: join(process.env.SHOTS, `studio-${what}-${width}-${colorScheme}.png`) });
        }
      };
      await shot("conflict");
      await page.keyboard.press("Control+p");
      await page.locator("#file-dialog[open]").waitFor();
      await shot("files");
      await page.keyboard.press("Escape");
      await page.locator("#folder-note button", { hasText: "Compare" }).click();
      await page.locator(".compare[open]").waitFor();
      await shot("compare");
      await page.locator(".compare button", { hasText: "Cancel" }).click();
    }
  }
  await close(page);
  await studio.stop();
});
