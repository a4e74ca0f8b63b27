// A call as a test of its script: shown, copied, added to the file of tests.

import { NoAnswer } from "./client";
import type { Desk } from "./desk";
import { get, setText, visible } from "./dom";

/** Returns the file of the tests of a script. */
export function testsOf(script: string): string {
  return `${script.replace(/\.rhai$/, "")}.test.rhai`;
}

/** Adds a test to the tests of a script, under a name that no other has, and shows it. */
export function addTest(desk: Desk, script: string, test: string): void {
  const file = testsOf(script);
  const { files } = desk.project();
  const before = Object.hasOwn(files, file) ? (files[file] ?? "") : "";
  const name = /^fn (test_\w+)\(/m.exec(test)?.[1];
  let text = test.trimEnd();
  if (name !== undefined) {
    let other = name;
    for (let count = 2; before.includes(`fn ${other}(`); count++) other = `${name}_${count}`;
    text = text.replace(`fn ${name}(`, `fn ${other}(`);
  }
  const start = before.trim() === "" ? "" : `${before.trimEnd()}\n\n`;
  desk.write(file, `${start}${text}\n`);
  const line = `${start}${text.slice(0, Math.max(0, text.indexOf("fn test_")))}`.split("\n").length;
  desk.goTo(file, line);
  desk.say(`Added to ${file}`);
}

/** The button that makes a test of the call in the timeline, and its dialog. */
export function asTest(desk: Desk, copy: (text: string, what: string, otherwise: string) => void): void {
  const dialog = get<HTMLDialogElement>("test-dialog");
  const add = get<HTMLButtonElement>("test-add");
  let written: { script: string; text: string } | null = null;
  get("as-test").addEventListener("click", () => {
    const { call } = desk;
    if (call.phase === "idle") return desk.say("There is no call yet");
    const until = call.story?.over ? call.story.length + 1000 : Math.floor(call.position);
    const request = call.request(Math.max(1, until));
    desk.helper.ask("as_test", request).then(
      ({ text, fault }) => {
        written = text === null ? null : { script: request.script, text };
        setText(get("test-text"), visible(text ?? fault?.rendered ?? ""));
        setText(add, `Add to ${visible(testsOf(request.script))}`);
        add.disabled = written === null;
        dialog.showModal();
      },
      (error: unknown) => {
        if (!(error instanceof NoAnswer && error.cancelled))
          desk.say(error instanceof Error ? error.message : String(error));
      },
    );
  });
  add.addEventListener("click", () => {
    dialog.close();
    if (written) addTest(desk, written.script, written.text);
  });
  get("test-copy").addEventListener("click", () => {
    copy(get("test-text").textContent ?? "", "Test", "Select the text to copy it");
  });
  get("test-close").addEventListener("click", () => dialog.close());
}
