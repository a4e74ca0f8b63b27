// The page.

import { samples } from "samples";
import { Call } from "./call";
import { Client, NoAnswer } from "./client";
import { type View, desk as makeDesk } from "./desk";
import { el, get, setText, visible } from "./dom";
import { Editor } from "./editor";
import { graphPane } from "./graph";
import { livePane } from "./live";
import { loadModule, startWorker } from "./load";
import { Phone } from "./phone";
import { type Project, example, fromLink, putAside, store, stored, storedBefore, toLink } from "./project";
import type { CallOptions } from "./protocol";
import { placeAt, stretchAt } from "./story";
import { testsPane } from "./tests";
import { Timeline } from "./timeline";
import { Voice } from "./voice";
import { zonesIn } from "./zones";

const FIRST = "guess.rhai";

const module = loadModule();
module.catch((error: unknown) => say(`The module can't be loaded: ${String(error)}`));

// One for the call and one for the editor: a script that computes for long doesn't keep the checker waiting.
const player = new Client(module, startWorker);
const helper = new Client(module, startWorker);

let project: Project = stored() ?? example(samples, FIRST);
let drawing = false;

const files = () => ({ ...project.files, ...zonesIn(Object.values(project.files)) });
const setup = () => ({ files: files(), script: project.script, seed: project.seed, call: project.call });
const call = new Call(player, setup, (isAnswer = false) => {
  // What somebody waits for is there in this frame. For all else, once a frame is enough.
  if (isAnswer) {
    draw();
    return;
  }
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
});
const phone = new Phone(call);
const timeline = new Timeline(call);
const voice = new Voice();
const editor = new Editor(
  get("editor"),
  (method, params, slot) => helper.ask("edit", { files: files(), file: project.shown, method, params }, slot),
  (name, text) => {
    project.files[name] = text;
    changed();
  },
);
editor.onCall = () => call.begin();
phone.onSeek = (at) => call.seek(at);
const desk = makeDesk({
  call,
  helper,
  client: () => new Client(module, startWorker),
  project: () => project,
  files,
  goTo,
  showCall({ script, seed, call: options, acts, position }) {
    Object.assign(project, { script, seed, call: options });
    fillIn();
    drawTabs();
    keepIt();
    call.show(acts, position);
  },
  write(file, text) {
    project.files[file] = text;
    editor.forget(file);
    if (project.shown === file) show(file);
    else drawTabs();
    changed();
  },
  say,
  view: () => document.body.dataset["view"] as View,
  show: setView,
});
editor.onCaret = (name, line) => desk.tell("caret", name, line);

let marked: string | null = null;

function draw(): void {
  phone.draw();
  timeline.draw();
  moved();
}

/** Shows what changes with time beside the phone and the timeline: the line of the script, and the voice. */
function moved(): void {
  const place = call.phase === "idle" || !call.story ? null : placeAt(call.story, call.position);
  const over = call.phase === "ended";
  const line = place && place.script === project.shown && !over ? place.line : null;
  const mark = `${project.shown} ${line}`;
  if (mark !== marked) {
    marked = mark;
    editor.markLine(line);
  }
  const isHeard = call.phase === "running" && call.pace === "real" && call.story;
  voice.say(isHeard && call.story ? stretchAt(call.story, call.position) : null);
  desk.tell("moved");
}

function frame(now: number): void {
  if (call.tick(now)) {
    phone.move();
    timeline.move();
    moved();
  }
  requestAnimationFrame(frame);
}

// Edits, kept and played soon after.

let timer = 0;

/** Whether the project is somebody's link, as it came. Then the one of the last visit stays where it is kept. */
let isLinked = false;

function keepIt(): void {
  if (!isLinked) store(project);
}

function changed(delay = 120): void {
  if (isLinked) {
    isLinked = false;
    putAside();
    offerEarlier();
  }
  // The address would bring back what there was before the edit.
  if (location.hash !== "") history.replaceState(null, "", "#");
  window.clearTimeout(timer);
  timer = window.setTimeout(() => {
    store(project);
    call.edited();
    desk.tell("edited");
  }, delay);
}

// Files.

const tabs = get("tabs");

function drawTabs(): void {
  tabs.replaceChildren(
    ...Object.keys(project.files).map((name) => {
      const isShown = name === project.shown;
      const tab = el(
        "button",
        {
          type: "button",
          role: "tab",
          "aria-selected": String(isShown),
          "aria-controls": "editor",
          tabindex: isShown ? 0 : -1,
        },
        visible(name),
      );
      if (name === project.script)
        tab.append(el("span", { class: "called", title: "This script is called" }, "called"));
      tab.addEventListener("click", () => show(name));
      return tab;
    }),
  );
  get<HTMLButtonElement>("remove-file").disabled = project.shown === project.script;
  get<HTMLButtonElement>("call-this").hidden = !project.shown.endsWith(".rhai") || project.shown === project.script;
}

tabs.addEventListener("keydown", (event) => {
  const names = Object.keys(project.files);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = names[(names.indexOf(project.shown) + step + names.length) % names.length];
  if (next !== undefined) show(next);
  tabs.querySelector<HTMLElement>("[aria-selected=true]")?.focus();
});

function show(name: string): void {
  project.shown = name;
  drawTabs();
  editor.show(name, project.files[name] ?? "");
  marked = null;
  moved();
  keepIt();
}

function open(next: Project): void {
  project = next;
  editor.clear();
  call.drop();
  fillIn();
  show(project.shown);
  document.title = `${project.script} – agi-rhai playground`;
  desk.tell("edited");
}

/** Shows a line of a file in the editor. */
function goTo(file: string, line: number): void {
  if (!Object.hasOwn(project.files, file)) return;
  if (!isWide.matches) setView("script");
  if (file !== project.shown) show(file);
  editor.goTo(line);
}

const dialog = get<HTMLDialogElement>("new-file");
const nameField = get<HTMLInputElement>("new-name");
get("add-file").addEventListener("click", () => {
  nameField.value = "";
  dialog.showModal();
});
nameField.addEventListener("input", () => nameField.setCustomValidity(""));
get("new-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = nameField.value.trim();
  const problem = !/^[\w-]+(?:\.[\w-]+)*\.(?:rhai|prompts|phrases)$/.test(name)
    ? "A name of letters, digits, - and _ that ends in .rhai, .prompts or .phrases"
    : Object.hasOwn(project.files, name)
      ? "There is such a file"
      : "";
  nameField.setCustomValidity(problem);
  if (!nameField.reportValidity()) return;
  dialog.close();
  project.files[name] = "";
  show(name);
  changed();
});
get("new-cancel").addEventListener("click", () => dialog.close());
get("remove-file").addEventListener("click", () => {
  const name = project.shown;
  if (name === project.script || !window.confirm(`Remove ${name}?`)) return;
  delete project.files[name];
  editor.forget(name);
  show(project.script);
  changed();
});
get("call-this").addEventListener("click", () => {
  project.script = project.shown;
  drawTabs();
  call.drop();
  keepIt();
});

// Findings.

editor.onFindings = (found) => {
  const list = get("findings");
  const errors = found.filter(({ severity }) => severity === "error").length;
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const others = found.length - errors;
  const texts = [errors > 0 ? count(errors, "error") : "", others > 0 ? count(others, "warning") : ""].filter(Boolean);
  setText(get("findings-count"), texts.length > 0 ? texts.join(", ") : "The checker finds nothing");
  get("findings-count").dataset["worst"] = errors > 0 ? "error" : others > 0 ? "warning" : "none";
  list.replaceChildren(
    ...found.slice(0, 50).map(({ line, severity, message }) => {
      const button = el(
        "button",
        { type: "button", class: severity },
        el("b", {}, `${line}`),
        visible(message.replaceAll("\n", ": ")),
      );
      button.addEventListener("click", () => editor.goTo(line));
      return el("li", {}, button);
    }),
  );
};

// Examples.

const examples = get<HTMLSelectElement>("examples");
for (const name of Object.keys(samples).filter((name) => name.endsWith(".rhai"))) {
  examples.append(el("option", { value: name }, name));
}

function offerEarlier(): void {
  const isThere = examples.querySelector("[value=earlier]");
  if (!isThere && storedBefore()) examples.append(el("option", { value: "earlier" }, "What you had before the link"));
}
offerEarlier();
examples.addEventListener("change", () => {
  const name = examples.value;
  examples.value = "";
  if (!name) return;
  const earlier = name === "earlier" ? storedBefore() : null;
  const isEdited = Object.entries(project.files).some(([file, text]) => samples[file] !== text);
  if (isEdited && !window.confirm(`Open ${name}? What was edited here is lost.`)) return;
  isLinked = false;
  if (location.hash !== "") history.replaceState(null, "", "#");
  open(earlier ?? example(samples, name));
});

// The set-up of the call.

const FIELDS = ["callerid", "name", "extension", "language"] as const;
const field = (name: string) => get<HTMLInputElement>(`set-${name}`);

function fillIn(): void {
  for (const name of FIELDS) field(name).value = project.call[name] ?? "";
  field("args").value = (project.call.args ?? []).join(", ");
  field("time").value = (project.call.time ?? "").replace(" ", "T");
  field("seed").value = String(project.seed);
}

get("setup").addEventListener("input", () => {
  const options: CallOptions = {};
  for (const name of FIELDS) {
    const text = field(name).value.trim();
    if (text !== "") options[name] = text;
  }
  // A caller who withholds the number: the option is there, and empty.
  if (field("callerid").value.trim().toLowerCase() === "withheld") options.callerid = "";
  const args = field("args").value.trim();
  if (args !== "") options.args = args.split(",").map((arg) => arg.trim());
  if (field("time").value !== "") options.time = field("time").value.replace("T", " ");
  project.call = options;
  const seed = Number(field("seed").value);
  if (Number.isSafeInteger(seed) && seed >= 0) project.seed = seed;
  changed(300);
});

// Where there is room, it is in sight.
if (window.innerWidth >= 1320 && window.innerHeight >= 860) get<HTMLDetailsElement>("settings").open = true;

// Links, tests, the voice.

function say(text: string): void {
  const notice = get("notice");
  notice.textContent = text;
  notice.hidden = false;
  window.clearTimeout(Number(notice.dataset["timer"]));
  notice.dataset["timer"] = String(window.setTimeout(() => (notice.hidden = true), 6000));
}

async function copy(text: string, what: string, otherwise: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    say(otherwise);
  }
}

get("link").addEventListener("click", () => {
  void toLink({ ...project, acts: call.acts, position: Math.floor(call.position) }).then((hash) => {
    history.replaceState(null, "", `#${hash}`);
    return copy(location.href, "Link", "The link is in the address bar");
  });
});

const testDialog = get<HTMLDialogElement>("test-dialog");
get("as-test").addEventListener("click", () => {
  if (call.phase === "idle") {
    say("There is no call yet");
    return;
  }
  const until = call.story?.over ? call.story.length + 1000 : Math.floor(call.position);
  helper.ask("as_test", call.request(Math.max(1, until))).then(
    ({ text, fault }) => {
      setText(get("test-text"), visible(text ?? fault?.rendered ?? ""));
      testDialog.showModal();
    },
    (error: unknown) => {
      if (!(error instanceof NoAnswer && error.cancelled)) say(String(error instanceof Error ? error.message : error));
    },
  );
});
get("test-copy").addEventListener(
  "click",
  () => void copy(get("test-text").textContent ?? "", "Test", "Select the text to copy it"),
);
get("test-close").addEventListener("click", () => testDialog.close());

const voiceBox = get<HTMLInputElement>("voice");
voiceBox.addEventListener("change", () => {
  voice.on = voiceBox.checked;
  voice.silence();
});

// One view is shown, and the phone beside it where there is room. On a large screen the script stays beside all others.

const VIEWS: View[] = ["phone", "script", "graph", "tests", "live"];
const isNarrow = window.matchMedia("(max-width: 860px)");
const isWide = window.matchMedia("(min-width: 2200px)");

function setView(view: View): void {
  get<HTMLInputElement>(`view-${view}`).checked = true;
  document.body.dataset["view"] = view;
  draw();
  desk.tell("viewed", view);
}

for (const view of VIEWS) get(`view-${view}`).addEventListener("change", () => setView(view));
const fit = () => {
  if (!isNarrow.matches && document.body.dataset["view"] === "phone") setView("script");
};
isNarrow.addEventListener("change", fit);

for (const pane of [graphPane, testsPane, livePane]) pane(desk);

async function openLink(): Promise<boolean> {
  const hash = location.hash.slice(1);
  if (hash === "") return false;
  const shared = await fromLink(hash);
  if (!shared) {
    say("This link holds no script");
    return false;
  }
  const { acts, position, ...linked } = shared;
  isLinked = true;
  open(linked);
  if (acts.length > 0 || position > 0) call.show(acts, position);
  return true;
}

window.addEventListener("hashchange", () => void openLink());
void openLink().then((opened) => {
  if (!opened) open(project);
  fit();
});
requestAnimationFrame(frame);
