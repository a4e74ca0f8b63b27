// The pane of tests: the tests of the project, which run after each edit; storms; and the lines that either reaches.

import { addTest } from "./as-test";
import { type Client, NoAnswer } from "./client";
import type { Desk } from "./desk";
import { clock, el, get, keep, setText, visible } from "./dom";
import { overlay } from "./graph";
import type { LineMarks } from "./marks";
import type { Fault, Problem, Ran, TestCall, TestFailure, TestName, TestResult } from "./protocol";

/** How long after an edit the tests run, and after the page is there. */
const [AFTER_EDIT, AFTER_START] = [350, 1500];
/** How long a part of tests or of a storm may take, so that what is shown moves. */
const PART = 90;
const FEW_CALLS = 500;

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
const keyOf = ({ file, name }: TestName) => `${file}::${name}`;
const wide = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** What came of a test, also if the module gave no result. */
interface Outcome {
  state: "passed" | "failed" | "absent";
  message: string;
  length: number;
  failure: TestFailure | null;
  call: TestCall | null;
}

export function testsPane(desk: Desk): void {
  const found = new Lines(desk);
  const pane = get("pane-tests");
  const body = el("div", { class: "tests-body" });
  const suite = new Suite(desk, found);
  const storm = new StormPart(desk, found);
  body.append(suite.element, el("div", { class: "tests-side" }, storm.element, found.element));
  pane.append(suite.bar, body);
}

/** What tests and storms know of the lines of scripts: for the editor, the graph, and the list of files. */
class Lines {
  readonly #desk: Desk;
  readonly #list = el("ul", { class: "coverage", "aria-label": "Lines that tests run" });
  readonly #none = el("p", { class: "quiet" }, "Nothing has run yet.");
  readonly element = el(
    "section",
    { "aria-label": "Coverage" },
    el("h2", {}, "Lines run by tests"),
    this.#none,
    this.#list,
  );
  #coverage: Ran["coverage"] = [];
  /** Where tests failed, and where a storm found a problem. */
  #failures: [string, number, string][] = [];
  #problems: [string, number, string][] = [];
  /** Whether the text is another one since the tests ran. The marks in the editor move with it. */
  #isOld = false;

  constructor(desk: Desk) {
    this.#desk = desk;
    desk.on("edited", () => {
      this.#isOld = true;
      [this.#failures, this.#problems] = [[], []];
      overlay("storm", null);
    });
  }

  ofTests(coverage: Ran["coverage"], failures: [string, number, string][]): void {
    this.#coverage = coverage.filter(([file]) => !file.endsWith(".test.rhai"));
    this.#failures = failures;
    this.#isOld = false;
    const layer = new Map<string, number>();
    for (const [file, lines] of this.#coverage)
      for (const [line, ran] of lines) layer.set(`${file}:${line}`, ran ? 1 : 0);
    overlay("tests", layer.size > 0 ? layer : null);
    this.#mark();
    this.#draw();
  }

  ofStorm(problems: Problem[], unreached: [string, number, string][]): void {
    this.#problems = problems.map(({ fault }) => [fault.script, fault.line ?? 1, fault.message]);
    const layer = new Map<string, number | string>(unreached.map(([file, line]) => [`${file}:${line}`, 0]));
    for (const [file, line, message] of this.#problems) layer.set(`${file}:${line}`, message);
    overlay("storm", layer.size > 0 ? layer : null);
    this.#mark();
  }

  /** Marks the lines in the editor. */
  #mark(): void {
    const marks = new Map<string, LineMarks>();
    const of = (file: string) => {
      const known = marks.get(file) ?? { ran: [], failures: [] };
      marks.set(file, known);
      return known;
    };
    if (!this.#isOld) for (const [file, lines] of this.#coverage) of(file).ran = lines;
    for (const [file, line, text] of [...this.#failures, ...this.#problems]) {
      const known = of(file).failures;
      if (!known.some((failure) => failure[0] === line && failure[1] === text)) known.push([line, text]);
    }
    this.#desk.mark(marks);
  }

  #draw(): void {
    this.#none.hidden = this.#coverage.length > 0;
    this.#list.replaceChildren(
      ...this.#coverage.map(([file, lines]) => {
        const missing = lines.filter(([, ran]) => !ran).map(([line]) => line);
        const ran = lines.length - missing.length;
        const percent = lines.length === 0 ? 100 : Math.floor((ran / lines.length) * 100);
        const name = el("button", { type: "button", class: "plain" }, visible(file));
        name.addEventListener("click", () => this.#desk.goTo(file, missing[0] ?? 1));
        const row = el(
          "li",
          {},
          name,
          el("span", { class: "count" }, `${percent} %, ${ran} of ${lines.length} lines`),
          el("meter", { min: 0, max: 100, value: percent, "aria-label": `Lines of ${visible(file)} that tests run` }),
        );
        if (missing.length > 0)
          row.append(
            places(
              this.#desk,
              missing.map((line): [string, number] => [file, line]),
            ),
          );
        return row;
      }),
    );
  }
}

/** Lines to go to, those next to each other as one. */
function places(desk: Desk, lines: [string, number][], withFile = false): HTMLElement {
  const groups: { file: string; first: number; last: number }[] = [];
  for (const [file, line] of lines) {
    const last = groups.at(-1);
    if (last && last.file === file && line - last.last <= 1) last.last = line;
    else groups.push({ file, first: line, last: line });
  }
  const shown = groups.slice(0, 60).map(({ file, first, last }) => {
    const text = first === last ? `${first}` : `${first}–${last}`;
    return lineButton(desk, file, first, withFile ? `${file}:${text}` : text, `Line ${first} of ${file}`);
  });
  return el("div", { class: "places" }, el("span", {}, "Not run:"), ...shown);
}

function lineButton(desk: Desk, file: string, line: number, text: string, label?: string): HTMLElement {
  const button = el("button", { type: "button", class: "small line" }, visible(text));
  if (label !== undefined) button.setAttribute("aria-label", visible(label));
  button.addEventListener("click", () => desk.goTo(file, line));
  return button;
}

function show(desk: Desk, call: TestCall): void {
  desk.showCall({ ...call, position: call.length + 1 });
  if (window.matchMedia("(max-width: 860px)").matches) desk.show("phone");
  if (!call.alone) {
    desk.say(
      "In the test, something stands in for parts of the dialplan, or services are slow. Here it isn’t so, and the call may go otherwise.",
    );
  }
}

// Tests.

class Suite {
  readonly #desk: Desk;
  readonly #lines: Lines;
  readonly #client: Client;
  readonly #state = el("span", { class: "tests-state", role: "status" }, "");
  readonly #progress = el("progress", { max: 1, value: 0, "aria-label": "Tests that have run" });
  readonly #run = el("button", { type: "button", class: "small" }, "Run the tests");
  readonly #auto = el("input", { type: "checkbox", checked: true });
  readonly #files = el("div", { class: "tests-files" });
  readonly #empty = el("div", { class: "quiet" });
  readonly bar = el(
    "div",
    { class: "tests-bar" },
    this.#run,
    el("label", { class: "check" }, this.#auto, " after each edit"),
    this.#state,
    this.#progress,
  );
  readonly element = el("section", { class: "tests-list", "aria-label": "Tests" }, this.#empty, this.#files);
  #tests: TestName[] = [];
  #faults: [string, Fault][] = [];
  readonly #outcomes = new Map<string, Outcome>();
  #coverage: Ran["coverage"] = [];
  #timer = 0;
  #runs = 0;
  #drawing = false;
  #took = 0;
  #isRunning = false;

  constructor(desk: Desk, lines: Lines) {
    this.#desk = desk;
    this.#lines = lines;
    this.#client = desk.client();
    this.#run.addEventListener("click", () => this.#begin());
    this.#auto.addEventListener("change", () => {
      if (this.#auto.checked) this.#begin();
    });
    desk.on("edited", () => this.#later(AFTER_EDIT));
    this.#later(AFTER_START);
    this.#draw();
  }

  #later(delay: number): void {
    window.clearTimeout(this.#timer);
    this.#stop();
    if (!this.#auto.checked) return;
    this.#timer = window.setTimeout(() => this.#begin(), performance.now() < AFTER_START ? AFTER_START : delay);
  }

  #stop(): void {
    this.#runs++;
    this.#isRunning = false;
    this.#client.cancel();
  }

  #begin(): void {
    window.clearTimeout(this.#timer);
    this.#stop();
    void this.#go(this.#runs);
  }

  async #go(run: number): Promise<void> {
    const files = this.#desk.files();
    const tests = Object.keys(this.#desk.project().files).filter((name) => name.endsWith(".test.rhai"));
    this.#outcomes.clear();
    this.#coverage = [];
    this.#tests = [];
    this.#faults = [];
    if (tests.length === 0) {
      this.#lines.ofTests([], []);
      this.#draw();
      return;
    }
    this.#isRunning = true;
    const began = performance.now();
    const { seed } = this.#desk.project();
    const client = this.#client;
    // Where it goes on after a test that has broken the module, and how many are run at a time.
    let from = 0;
    let size = 1;
    for (let isNew = true; ;) {
      const started = performance.now();
      let ran: Ran;
      try {
        ran = isNew
          ? await client.ask("test", { files, tests, seed, from, count: from === 0 ? 0 : size })
          : await client.ask("test_on", { files, count: size });
      } catch (error) {
        if (run !== this.#runs || (error instanceof NoAnswer && error.cancelled)) return;
        const test = this.#tests[from];
        const message = error instanceof Error ? error.message : String(error);
        if (!test) {
          this.#isRunning = false;
          this.#desk.say(message);
          this.#draw();
          return;
        }
        // Of several, it isn't known which one it was.
        if (size === 1) {
          this.#outcomes.set(keyOf(test), { state: "failed", message, length: 0, failure: null, call: null });
          from++;
          if (from >= this.#tests.length) break;
        }
        [size, isNew] = [1, true];
        continue;
      }
      if (run !== this.#runs) return;
      isNew = false;
      this.#tests = ran.tests;
      this.#faults = ran.faults;
      for (const result of ran.results) this.#outcomes.set(keyOf(result), outcome(result));
      from += ran.results.length;
      if (ran.coverage.length > 0) this.#coverage = ran.coverage;
      this.#took = performance.now() - began;
      this.#drawSoon();
      if (ran.left === 0) break;
      const took = performance.now() - started;
      size = took < PART / 3 ? Math.min(size * 2, 32) : took > PART ? Math.max(1, size >> 1) : size;
    }
    this.#isRunning = false;
    this.#took = performance.now() - began;
    this.#lines.ofTests(this.#coverage, this.#failures());
    this.#draw();
  }

  /** Returns the lines of tests and scripts where something failed. */
  #failures(): [string, number, string][] {
    const lines: [string, number, string][] = this.#faults.map(([file, fault]) => [
      file,
      fault.line ?? 1,
      fault.message,
    ]);
    for (const { state, failure } of this.#outcomes.values()) {
      if (state !== "failed" || !failure) continue;
      const { in_test: test, of_script: script } = failure;
      lines.push([test.script, test.line ?? 1, failure.message]);
      if (script?.line) lines.push([script.script, script.line, script.message]);
    }
    return lines;
  }

  #drawSoon(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const outcomes = [...this.#outcomes.values()];
    const number = (state: Outcome["state"]) => outcomes.filter((outcome) => outcome.state === state).length;
    const [failed, passed, absent] = [number("failed") + this.#faults.length, number("passed"), number("absent")];
    const total = this.#tests.length;
    const text = [
      failed > 0 ? `${failed} failed` : "",
      passed > 0 || failed + absent === 0 ? `${passed} passed` : "",
      absent > 0 ? `${absent} can’t run here` : "",
      this.#isRunning ? `${total - outcomes.length} to run` : wide(this.#took),
    ];
    const isThere = total > 0 || this.#faults.length > 0;
    setText(this.#state, isThere ? text.filter(Boolean).join(", ") : "");
    this.#state.dataset["worst"] = failed > 0 ? "bad" : passed > 0 ? "good" : "";
    this.#progress.max = Math.max(1, total);
    this.#progress.value = outcomes.length;
    this.#progress.classList.toggle("idle", !this.#isRunning);
    const tab = get("view-tests").closest("label");
    tab?.classList.toggle("has-failures", failed > 0);
    this.#empty.hidden = isThere || this.#isRunning;
    if (!this.#empty.hidden) this.#offer();
    this.#files.replaceChildren(...this.#groups());
  }

  /** Says how to begin, if there is no test. */
  #offer(): void {
    const { script } = this.#desk.project();
    const stem = script.replace(/\.rhai$/, "");
    const text = `fn test_nothing_goes_wrong() {\n    place_call("${stem.split("/").at(-1)}");\n    expect_end();\n}\n`;
    const begin = el("button", { type: "button", class: "small" }, `Write a first test of ${visible(script)}`);
    begin.addEventListener("click", () => addTest(this.#desk, script, text));
    this.#empty.replaceChildren(
      el(
        "p",
        {},
        "There are no tests yet. They are functions test_… in a file whose name ends in .test.rhai; a call becomes one by the button As a test.",
      ),
      begin,
    );
  }

  #groups(): HTMLElement[] {
    const files = new Set([...this.#faults.map(([file]) => file), ...this.#tests.map(({ file }) => file)]);
    return [...files].map((file) => {
      const tests = this.#tests.filter((test) => test.file === file);
      const fault = this.#faults.find(([name]) => name === file)?.[1];
      const list = el("ul", { "aria-label": `Tests in ${visible(file)}` }, ...tests.map((test) => this.#row(test)));
      const group = el("section", { class: "tests-file", "aria-label": visible(file) }, el("h2", {}, visible(file)));
      const isAbsent = (test: TestName) => this.#outcomes.get(keyOf(test))?.state === "absent";
      if (tests.some(isAbsent))
        group.append(
          el("p", { class: "quiet" }, "Tests marked with – need SQL, which isn’t here: agi-rhai test runs them."),
        );
      if (fault) group.append(details(this.#desk, fault.message, fault, null, null, [], fault.rendered, null));
      group.append(list);
      return group;
    });
  }

  #row(test: TestName): HTMLElement {
    const outcome = this.#outcomes.get(keyOf(test));
    const state = outcome?.state ?? "waits";
    const sign = { waits: "·", passed: "✓", failed: "✗", absent: "–" }[state];
    const word = { waits: "not run yet", passed: "passed", failed: "failed", absent: "can’t run here" }[state];
    const name = el("button", { type: "button", class: "plain" }, visible(test.name.replaceAll("_", " ")));
    name.addEventListener("click", () => this.#desk.goTo(test.file, test.line ?? 1));
    const row = el(
      "li",
      { class: `test ${state}` },
      el("span", { class: "sign", "aria-hidden": "true" }, sign),
      name,
      el("span", { class: "hidden" }, `, ${word}`),
    );
    if (!outcome) return row;
    const { call, failure } = outcome;
    if (state === "passed" && call) {
      const open = el(
        "button",
        { type: "button", class: "small line", title: "Opens the call in the timeline" },
        clock(outcome.length),
      );
      open.setAttribute("aria-label", `${clock(outcome.length)}, open the call of ${visible(test.name)}`);
      open.addEventListener("click", () => show(this.#desk, call));
      row.append(open);
    }
    if (state === "failed") {
      const place = failure?.in_test ?? null;
      row.append(
        details(
          this.#desk,
          outcome.message,
          place,
          failure?.of_script ?? null,
          failure?.position ?? null,
          failure?.printed ?? [],
          failure?.rendered ?? "",
          call,
        ),
      );
    }
    return row;
  }
}

function outcome({ passed, failure, length, call }: TestResult): Outcome {
  const state = passed ? "passed" : failure?.lacks_sql ? "absent" : "failed";
  return { state, message: failure?.message ?? "", length, failure, call };
}

function details(
  desk: Desk,
  message: string,
  inTest: Fault | null,
  ofScript: Fault | null,
  position: Fault | null,
  printed: string[],
  rendered: string,
  call: TestCall | null,
): HTMLElement {
  const box = el("div", { class: "failure" }, el("p", {}, visible(message)));
  if (ofScript && !message.includes(ofScript.message)) box.append(el("p", {}, visible(ofScript.message)));
  if (inTest?.hint) box.append(el("p", { class: "quiet" }, visible(inTest.hint)));
  const buttons = el("div", { class: "row" });
  for (const place of [inTest, ofScript ?? position]) {
    if (place?.line) buttons.append(lineButton(desk, place.script, place.line, `${place.script}:${place.line}`));
  }
  if (call) {
    const open = el("button", { type: "button", class: "small" }, "Open the call");
    open.addEventListener("click", () => show(desk, call));
    buttons.append(open);
  }
  box.append(buttons);
  if (printed.length > 0)
    box.append(el("pre", { class: "printed", "aria-label": "Printed by the test" }, visible(printed.join("\n"))));
  if (rendered !== "") {
    const report = el("details", {}, el("summary", {}, "Report"), el("pre", { tabindex: 0 }, visible(rendered)));
    box.append(report);
  }
  return box;
}

// Storms.

class StormPart {
  readonly #desk: Desk;
  readonly #lines: Lines;
  readonly #client: Client;
  readonly #calls = el("input", {
    id: "storm-calls",
    inputmode: "numeric",
    pattern: "\\d{1,6}",
    value: FEW_CALLS,
    size: 6,
  });
  readonly #start = el("button", { type: "button", class: "small" }, "Start a storm");
  readonly #progress = el("progress", { max: FEW_CALLS, value: 0, "aria-label": "Calls of the storm", class: "idle" });
  readonly #state = el("p", { class: "quiet", role: "status" });
  readonly #list = el("ul", { class: "problems", "aria-label": "Problems that the storm found" });
  readonly #unreached = el("div", {});
  readonly element = el(
    "section",
    { class: "storm", "aria-label": "Storm" },
    el("h2", {}, "Storm"),
    el(
      "div",
      { class: "row" },
      this.#start,
      el("label", { for: "storm-calls" }, "with"),
      this.#calls,
      el("span", {}, "calls"),
    ),
    this.#progress,
    this.#state,
    this.#list,
    this.#unreached,
  );
  #script = "";
  #seed = 0;
  #runs = 0;
  #isRunning = false;

  constructor(desk: Desk, lines: Lines) {
    this.#desk = desk;
    this.#lines = lines;
    this.#client = desk.client();
    setText(
      this.#state,
      "Calls that hang up at every step, press wrong keys, say nothing: each problem with the shortest call that shows it.",
    );
    this.#start.addEventListener("click", () => {
      if (this.#isRunning) this.#stop("stopped");
      else void this.#go();
    });
    desk.on("edited", () => {
      if (this.#isRunning) this.#stop("stopped by an edit");
      this.element.classList.toggle("stale", this.#list.children.length > 0);
    });
  }

  #stop(why: string): void {
    this.#runs++;
    this.#client.cancel();
    this.#end(`${this.#state.textContent ?? ""}, ${why}`);
  }

  #end(text: string): void {
    this.#isRunning = false;
    setText(this.#start, "Start a storm");
    this.#progress.classList.add("idle");
    setText(this.#state, text);
  }

  async #go(): Promise<void> {
    const wanted = Number(this.#calls.value);
    const isNumber = Number.isSafeInteger(wanted) && wanted > 0 && wanted <= 100_000;
    this.#calls.setCustomValidity(isNumber ? "" : "A number of calls from 1 to 100000");
    if (!this.#calls.reportValidity()) return;
    const run = ++this.#runs;
    const { script, call, answers, store } = this.#desk.project();
    const services = { answers, store };
    const files = this.#desk.files();
    this.#script = script;
    this.#isRunning = true;
    this.#seed++;
    setText(this.#start, "Stop");
    this.element.classList.remove("stale");
    this.#list.replaceChildren();
    this.#unreached.replaceChildren();
    this.#progress.max = wanted;
    this.#progress.value = 0;
    this.#progress.classList.remove("idle");
    try {
      let size = Math.min(10, wanted);
      let found = await this.#client.ask("storm", { files, script, seed: this.#seed, call, services, calls: size });
      for (;;) {
        if (run !== this.#runs) return;
        if (found.fault) return this.#end(`There is no storm: ${visible(found.fault.message)}`);
        this.#progress.value = found.calls;
        const reached = found.lines - found.unreached.length;
        const problems = found.problems.length === 0 ? "no problem" : count(found.problems.length, "problem");
        const text = `${problems} in ${count(found.calls, "call")} of ${visible(script)}, ${reached} of ${found.lines} lines reached`;
        setText(this.#state, text);
        keep(
          this.#list,
          found.problems,
          ({ test }) => test,
          (problem) => this.#problem(problem),
        );
        if (found.calls >= wanted) {
          const unreached = found.unreached.map(([file, line]): [string, number] => [file, line]);
          if (unreached.length > 0) this.#unreached.replaceChildren(places(this.#desk, unreached, true));
          this.#lines.ofStorm(found.problems, found.unreached);
          return this.#end(text);
        }
        const started = performance.now();
        size = Math.min(size, wanted - found.calls);
        found = await this.#client.ask("storm_on", { files, calls: size });
        const took = performance.now() - started;
        size = took < PART / 2 ? size * 2 : took > PART * 2 ? Math.max(1, size >> 1) : size;
      }
    } catch (error) {
      if (run !== this.#runs || (error instanceof NoAnswer && error.cancelled)) return;
      this.#end(`The storm has ended: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #problem({ fault, test }: Problem): HTMLElement {
    const open = el("button", { type: "button", class: "small" }, "Open the call");
    const script = this.#script;
    open.addEventListener("click", () => void this.#open(script, test));
    const add = el("button", { type: "button", class: "small" }, "Make a test of it");
    add.addEventListener("click", () => addTest(this.#desk, script, test));
    const buttons = el("div", { class: "row" });
    if (fault.line) buttons.append(lineButton(this.#desk, fault.script, fault.line, `${fault.script}:${fault.line}`));
    buttons.append(open, add);
    const box = el("div", { class: "failure" }, el("p", {}, visible(fault.message)), buttons);
    if (fault.hint) box.firstElementChild?.after(el("p", { class: "quiet" }, visible(fault.hint)));
    return el("li", {}, box);
  }

  /** Shows the call of a problem, which is written down as a test. */
  async #open(script: string, test: string): Promise<void> {
    const file = `${script.slice(0, script.lastIndexOf("/") + 1)}storm.test.rhai`;
    const files = { ...this.#desk.files(), [file]: test };
    try {
      const ran = await this.#desk.helper.ask("test", { files, tests: [file], seed: 1, from: 0, count: 1 });
      const call = ran.results[0]?.call;
      if (call) show(this.#desk, call);
      else this.#desk.say("This problem has no call to show");
    } catch (error) {
      if (!(error instanceof NoAnswer && error.cancelled))
        this.#desk.say(error instanceof Error ? error.message : String(error));
    }
  }
}
