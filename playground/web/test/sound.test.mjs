// What is heard in the page, and when: the samples on their way to the loudspeaker are looked at. And what services answer.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { build } from "esbuild";
import { close, launch, page as file, serve } from "./support.mjs";

const QUIET = 0.002;
const LOUD = 0.03;
/** How long a sound may take to fall silent, in milliseconds: on a busy machine. All sounds looked at last longer. */
const SOON = 800;

let server;
let browser;
before(async () => {
  [server, browser] = [await serve(), await launch()];
});
after(async () => {
  await browser?.close();
  server?.close();
});

/** Taps what goes to the loudspeaker, and notes what the browser's voice is told. */
function tap({ QUIET, SOON }) {
  const connect = AudioNode.prototype.connect;
  const analysers = new Map();
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) {
      if (!analysers.has(to)) analysers.set(to, new AnalyserNode(to.context, { fftSize: 2048 }));
      connect.call(this, analysers.get(to));
    }
    return connect.call(this, to, ...more);
  };
  const started = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when, offset, ...more) {
    started.push({ seconds: this.buffer.duration, offset });
    return start.call(this, when, offset, ...more);
  };
  const spoken = [];
  const voices = ["en-GB", "de-DE", "fr-FR"].map((lang) => ({ lang, localService: lang !== "fr-FR", name: lang }));
  Object.defineProperty(window, "speechSynthesis", {
    value: { getVoices: () => voices, speak: (said) => spoken.push({ ...said }), cancel: () => spoken.push("cancel") },
  });
  window.SpeechSynthesisUtterance = class {
    constructor(text) {
      this.text = text;
    }
  };
  window.heard = {
    contexts: () => analysers.size,
    started,
    spoken,
    /** The loudest of the last 43 ms. */
    peak: () => {
      let peak = 0;
      for (const analyser of analysers.values()) {
        const samples = new Float32Array(analyser.fftSize);
        analyser.getFloatTimeDomainData(samples);
        peak = Math.max(peak, ...samples.map(Math.abs));
      }
      return peak;
    },
    /** The loudest of so many milliseconds. */
    loudest: async (ms) => {
      let loudest = 0;
      for (const end = performance.now() + ms; performance.now() < end;) {
        loudest = Math.max(loudest, window.heard.peak());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return loudest;
    },
    /** Whether it falls silent soon, and stays so for so many milliseconds. */
    silent: async (ms) => {
      for (const end = performance.now() + SOON; performance.now() < end;) {
        if ((await window.heard.loudest(50)) < QUIET) return (await window.heard.loudest(ms)) < QUIET;
      }
      return false;
    },
  };
}

async function open({ address = server.address, project, link } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.problems = [];
  page.on("console", (message) => {
    if (message.type() === "error") page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(error.message));
  page.on("dialog", (dialog) => void dialog.accept());
  await page.addInitScript(tap, { QUIET, SOON });
  if (project) {
    const kept = JSON.stringify({ shown: project.script, seed: 1, call: {}, ...project });
    await page.addInitScript(
      (text) => localStorage.getItem("agi-rhai-playground") ?? localStorage.setItem("agi-rhai-playground", text),
      kept,
    );
  }
  await page.goto(link ?? address);
  return page;
}

const script = (text, more = {}) => ({ files: { "a.rhai": text, ...more }, script: "a.rhai" });
const loudest = (page, ms) => page.evaluate((ms) => window.heard.loudest(ms), ms);
const silent = (page, ms) => page.evaluate((ms) => window.heard.silent(ms), ms);
const spoken = (page) =>
  page.evaluate(() =>
    window.heard.spoken.filter((said) => said !== "cancel").map(({ text, lang }) => `${lang} ${text}`),
  );
const says = (page, text) => page.locator("#transcript li", { hasText: text }).first().waitFor();
const fast = (page) => page.locator("label:has(#pace-fast)").click();
const shipped = (name) => new URL(`../../../scripts/${name}`, import.meta.url);
const example = (...names) => Object.fromEntries(names.map((name) => [name, readFileSync(shipped(name), "utf8")]));
const guess = { files: example("guess.rhai", "guess.prompts"), script: "guess.rhai" };
/** How long a shipped recording lasts, in milliseconds. */
const lasts = (name) => (readFileSync(shipped(`sounds/en/${name}.gsm`)).length / 33) * 20;

test("a recording is heard while it is said, and no longer: a key ends it, and so do pause, fast and mute", async () => {
  const page = await open({ project: guess });
  assert.equal(await page.evaluate(() => window.heard.contexts()), 0, "nothing sounds before a click");
  await page.locator("#call").click();
  await page.locator("#sound", { hasText: "guess-welcome" }).waitFor();
  assert.ok((await loudest(page, 500)) > LOUD, "the welcome is heard");
  await page.locator("#sound-how", { hasText: "a recording" }).waitFor();

  await page.locator("#pause").click();
  assert.ok(await silent(page, 400), "in a pause it is silent");
  const before = await page.evaluate(() => window.heard.started.length);
  await page.locator("#pause").click();
  await page.waitForFunction((before) => window.heard.started.length > before, before);
  const resumed = await page.evaluate((before) => window.heard.started[before], before);
  assert.ok(resumed.offset > 0.3, `it goes on where it was, not at ${resumed.offset} s`);
  assert.equal(Math.round(resumed.seconds * 1000), lasts("guess-welcome"));

  await page.locator("#sound", { hasText: "guess-enter" }).waitFor();
  assert.ok((await loudest(page, 500)) > LOUD);
  await page.keyboard.press("5");
  assert.ok(await silent(page, 500), "whoever presses a key hears no prompt");

  // Dragged back into the middle of a prompt, it sounds from there.
  await page.locator("#transcript .at").nth(1).click();
  await page.locator("#timeline-track").press("ArrowRight");
  const count = await page.evaluate(() => window.heard.started.length);
  await page.locator("#pause").click();
  await page.waitForFunction((count) => window.heard.started.length > count, count);
  const { offset, seconds } = await page.evaluate((count) => window.heard.started[count], count);
  assert.equal(Math.round(seconds * 1000), lasts("guess-start"));
  assert.ok(offset > 0.95 && offset < 1.3, `it begins at ${offset} s`);

  await page.locator("#sound-on").uncheck();
  assert.ok(await silent(page, 400), "muted");
  await page.locator("#sound-on").check();
  await fast(page);
  await page.locator("#call").click();
  assert.ok(await silent(page, 500), "fast is silent");
  await close(page);
});

test("sound files are decoded as sox decodes them", async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL("../src/decode.ts", import.meta.url).pathname],
    bundle: true,
    format: "esm",
    write: false,
  });
  const { decode } = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
  );
  const hash = (samples) =>
    createHash("sha256")
      .update(Buffer.from(Int16Array.from(samples, (sample) => sample * 32768).buffer))
      .digest("hex");
  const gsm = decode("a.gsm", readFileSync(shipped("sounds/en/guess-welcome.gsm")));
  assert.deepEqual(
    [gsm.rate, hash(gsm.samples)],
    [8000, "9f385eccb89127372cdc3b3e58b69968d31546ebaf0caee75ffac53159dff886"],
  );
  const all = Uint8Array.from({ length: 256 }, (_, code) => code);
  assert.equal(hash(decode("a.ulaw", all).samples), "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827");
  assert.equal(hash(decode("a.al", all).samples), "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174");
  assert.deepEqual([...decode("a.sln16", Uint8Array.of(0, 64, 0, 192, 7)).samples], [0.5, -0.5]);
  assert.equal(decode("a.wav", all), null);
});

test("prompts last as long as their recordings", async () => {
  const page = await open({ project: guess });
  await page.locator("#call").click();
  await page.locator("#sound", { hasText: "guess-enter" }).waitFor();
  await page.locator("#pause").click();
  const shown = await page.locator("#transcript .at").allTextContents();
  const expected = [0, lasts("guess-welcome"), lasts("guess-welcome") + lasts("guess-start")];
  assert.deepEqual(
    shown.slice(0, 3).map((at) => Number(at.slice(2))),
    expected.map((ms) => Math.floor(ms / 100) / 10),
  );
  await close(page);
});

test("what has no recording is spoken, in its language; changed words are, too", async () => {
  const files = {
    "a.rhai":
      'answer();\nsay("hello");\nset_variable("CHANNEL(language)", "de");\nsay("hello");\nsay_number(42);\nwait_for_digit(8000);',
    "a.prompts": "hello: Hello there.\n[de]\nhello: Guten Tag.\n",
  };
  const page = await open({ project: { files, script: "a.rhai" } });
  await page.locator("#call").click();
  await says(page, "Guten Tag.");
  await page.locator("#hears", { hasText: "Listens for" }).waitFor();
  const said = await spoken(page);
  assert.deepEqual(said.slice(0, 2), ["en-GB Hello there.", "de-DE Guten Tag."]);
  assert.match(said[2], /^(de-DE|en-GB) (forty-two|42)/);
  await close(page);

  const changed = {
    ...guess.files,
    "guess.prompts": guess.files["guess.prompts"].replace("Welcome.", "Welcome back."),
  };
  const other = await open({ project: { ...guess, files: changed } });
  await other.locator("#call").click();
  await other.locator("#sound-how", { hasText: "voice" }).waitFor();
  assert.match((await spoken(other))[0], /^en-GB Welcome back\./);
  await other.locator("#sound-how", { hasText: "a recording" }).waitFor();
  await close(other);
});

test("a beep and music are heard as tones", async () => {
  const text = 'answer();\nstream_file("beep");\nwait_for_digit(1500);\nset_music(true);\nwait_for_digit(4000);\n';
  const page = await open({ project: script(text) });
  await page.locator("#call").click();
  await page.locator("#sound-how", { hasText: "a tone" }).waitFor();
  assert.ok((await loudest(page, 300)) > 0.1);
  await close(page);
});

test("one's own sounds are played, last as long as they do, and are there after a reload", async () => {
  const page = await open({
    project: script('answer(); say("mine"); say("other");', { "a.prompts": "mine: This is me.\nother: Another.\n" }),
  });
  // One second of 44.1 kHz stereo, which Asterisk couldn't play.
  const wav = Buffer.alloc(44 + 44_100 * 4);
  wav.write("RIFF");
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  [16, 0].forEach((value, at) => wav.writeUInt16LE(value, 16 + at * 2));
  [1, 2].forEach((value, at) => wav.writeUInt16LE(value, 20 + at * 2));
  wav.writeUInt32LE(44_100, 24);
  wav.writeUInt32LE(44_100 * 4, 28);
  [4, 16].forEach((value, at) => wav.writeUInt16LE(value, 32 + at * 2));
  wav.write("data", 36);
  wav.writeUInt32LE(44_100 * 4, 40);
  for (let at = 0; at < 44_100 * 2; at++) wav.writeInt16LE(Math.round(12_000 * Math.sin((at >> 1) / 10)), 44 + at * 2);
  await page.locator("#recordings summary").click();
  await page.locator("#sound-files").setInputFiles({ name: "mine.wav", mimeType: "audio/wav", buffer: wav });
  await page.locator("#recorded", { hasText: "mine.wav" }).waitFor();
  const heard = async () => {
    await page.locator("#call").click();
    await page.locator("#sound-how", { hasText: "a recording" }).waitFor();
    assert.ok((await loudest(page, 500)) > LOUD);
    await says(page, "Another.");
    assert.match(await page.locator("#transcript .at").nth(1).textContent(), /^0:01\.0/);
  };
  await heard();
  await page.locator("#link").click();
  await page.waitForFunction(() => location.hash.length > 10);
  const link = page.url();
  await page.goto(server.address);
  await page.reload();
  await page.locator("#recordings summary").click();
  await page.locator("#recorded", { hasText: "mine.wav" }).waitFor();
  await heard();
  // Whoever gets the link has the lengths, and the browser's voice.
  const other = await open({ link });
  await other.locator("#call").click();
  await says(other, "Another.");
  assert.match(await other.locator("#transcript .at").nth(1).textContent(), /^0:01\.0/);
  assert.match((await spoken(other))[0], /This is me/);
  await close(other);

  // Dropped: µ-law as Asterisk plays it, half a second.
  const bytes = Array.from({ length: 4000 }, (_, at) => (at % 8 < 4 ? 0x10 : 0x90));
  await page.evaluate((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "other.ulaw"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, bytes);
  await page.locator("#recorded", { hasText: "other.ulaw" }).waitFor();
  await page.getByRole("button", { name: "Play other.ulaw" }).click();
  assert.ok((await loudest(page, 300)) > LOUD);
  await page.getByRole("button", { name: "Remove other.ulaw" }).click();
  await page.getByRole("button", { name: "Remove mine.wav" }).click();
  await page.locator("#recorded", { hasText: "None" }).waitFor();
  await close(page);
});

test("the page in one file speaks, since it has no recordings, and its calls last as long", async () => {
  const page = await open({ address: `file://${file("playground.html")}` });
  await page.locator("#call").click();
  await page.locator("#sound", { hasText: "guess-start" }).waitFor();
  assert.match((await spoken(page))[0], /Welcome\. Can you guess/);
  const at = await page.locator("#transcript .at").nth(1).textContent();
  assert.equal(Number(at.slice(2)), Math.floor(lasts("guess-welcome") / 100) / 10);
  await close(page);
});

test("the same request is answered otherwise from the second time on", async () => {
  const text = `answer();
for round in 0..3 { say_number(http_get("shop", "open").body); }`;
  const page = await open({ project: { files: { "a.rhai": text }, script: "a.rhai" } });
  await fast(page);
  await page.locator("#call").click();
  const said = (numbers) =>
    page.waitForFunction((numbers) => {
      const words = [...document.querySelectorAll("#transcript .by-phone .words")];
      return words.map((one) => one.textContent).join() === numbers;
    }, numbers);
  const answer = async (button, body) => {
    await button.click();
    await page.locator("#answer-body").fill(body);
    await page.locator("#answer-form .go").click();
  };
  await answer(page.getByRole("button", { name: "Answer …" }).first(), "3");
  await said("3,3,3");
  await answer(page.getByRole("button", { name: "Change …" }).nth(1), "5");
  await said("3,5,5");
  await answer(page.getByRole("button", { name: "Change …" }).nth(2), "7");
  await said("3,5,7");
  await page.getByRole("button", { name: "Change …" }).nth(1).click();
  assert.equal(await page.locator("#answer-body").inputValue(), "5");
  await page.locator("#answer-remove").click();
  await says(page, "which has no answer yet");
  await close(page);
});

test("a service is answered by whoever makes the call: the same keys go on with it, and so do links and tests", async () => {
  const page = await open({ project: { files: example("weather.rhai", "weather.prompts"), script: "weather.rhai" } });
  await fast(page);
  await page.locator("#call").click();
  await page.locator("#hears", { hasText: "Listens for" }).waitFor();
  for (const key of "90210") await page.keyboard.press(key);
  await says(page, "which has no answer yet");
  await says(page, "call ended");
  assert.ok(!(await page.locator("#transcript").textContent()).includes("weather-it-is"));
  await page.getByRole("button", { name: "Answer …" }).click();
  await page.locator("#answer-title", { hasText: "What weather answers" }).waitFor();
  await page.locator("#answer-body").fill('{ "main": { "temp": 71.6 }, "weather": [{ "id": 800 }] }');
  await page.locator("#answer-form .go").click();
  await says(page, "weather-it-is");
  await page.locator("#changed", { hasText: "makes a difference" }).waitFor();
  await page.locator("#transcript .words", { hasText: /^72$/ }).waitFor();
  assert.ok((await page.locator(".ask", { hasText: "weather" }).count()) > 0, "the timeline shows who is asked");

  await page.locator("#as-test").click();
  await page.locator("#test-text", { hasText: "answer_http" }).waitFor();
  assert.match(
    await page.locator("#test-text").textContent(),
    /answer_http\("weather", #\{ body: #\{ main: #\{ temp: 71\.6 \}/,
  );
  await page.locator("#test-close").click();
  await page.locator("#link").click();
  await page.waitForFunction(() => location.hash.length > 10);
  const other = await open({ link: page.url() });
  await says(other, "weather-it-is");
  await close(other);

  await page.getByRole("button", { name: "Change …" }).click();
  await page.locator("#answer-how").selectOption("failed");
  await page.locator("#answer-message").fill("status 500");
  await page.locator("#answer-form .go").click();
  await says(page, "failed: status 500");
  await page.locator(".ask.failed").waitFor();
  await close(page);
});

test("rows of a database have to be rows", async () => {
  const page = await open({
    project: script('answer();\nlet rows = sql_rows("crm", "select name, age from people");\nprint(rows[0].name);\n'),
  });
  await fast(page);
  await page.locator("#call").click();
  await page.getByRole("button", { name: "Answer …" }).click();
  assert.equal(await page.locator("#answer-body").inputValue(), '[{"name":"","age":""}]');
  await page.locator("#answer-body").fill("{ name: 1 }");
  await page.locator("#answer-form .go").click();
  assert.match(await page.locator("#answer-body").evaluate((field) => field.validationMessage), /no JSON/);
  await page.locator("#answer-body").fill('[{ "name": "Ann" }]');
  await page.locator("#answer-form .go").click();
  await page.locator("#transcript .by-script", { hasText: "prints, line 3" }).waitFor();
  assert.match(await page.locator("#transcript").textContent(), /Ann/);
  await close(page);
});

test("the store keeps what was put there, for the next call, too; jobs are listed", async () => {
  const text =
    'answer();\nlet visits = store_add("visits", 1);\nboard_put("league", "Ann", visits);\nprint(`visit ${visits} of ${get_variable("LEVEL")}, best ${board_top("league", 1)[0].score}`);\nafter_call(Fn("tidy"), #{ n: visits });\nfn tidy(value) {}\n';
  const page = await open({ project: script(text) });
  await fast(page);
  await page.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));
  await page.locator("#set-variables").fill("LEVEL = 3");
  await page.locator("#stored").fill("visits = 41\nboard league: Ann = 7");
  await page.waitForTimeout(500);
  await page.locator("#call").click();
  await says(page, "visit 42 of 3, best 42");
  await says(page, "is left to be done after the call");
  await page.locator("#keep-store").click();
  assert.equal(await page.locator("#stored").inputValue(), "visits = 42\nboard league: Ann = 42");
  await page.locator("#call").click();
  await says(page, "visit 43");
  await page.locator("#stored").fill("visits");
  assert.match(await page.locator("#stored").evaluate((field) => field.validationMessage), /no line such as/);
  await close(page);
});

test("what is said is understood", async () => {
  const page = await open({
    project: script(
      'answer();\nlet answer = menu("ask", #{ "1": #{ words: ["sales"], then: "s" } });\nprint(`chose ${answer}`);\n',
      {
        "a.prompts": "ask: Say sales.\n",
      },
    ),
  });
  await fast(page);
  await page.locator("#call").click();
  await page.locator("#hears", { hasText: "speech" }).waitFor();
  await page.locator("#words").fill("sales");
  await page.locator("#words").press("Enter");
  await says(page, "chose s");
  await close(page);
});

test("every shipped script is called in the page without a fault of the page", async () => {
  const page = await open();
  await fast(page);
  const names = await page
    .locator("#examples option")
    .evaluateAll((options) => options.map(({ value }) => value).filter((value) => value.endsWith(".rhai")));
  assert.ok(names.length >= 18, names.join(", "));
  for (const name of names) {
    await page.locator("#examples").selectOption(name);
    await page.locator("#call").click();
    await page.locator("#transcript li").first().waitFor();
    await page.locator("#problem").waitFor({ state: "hidden" });
    assert.ok(!(await page.locator("#transcript").textContent()).includes("without the feature"), name);
    assert.equal(await page.locator("#transcript .by-fault").count(), 0, name);
  }
  await close(page);
});
