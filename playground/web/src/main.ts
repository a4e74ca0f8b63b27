// The page.

import { recordings as shippedSizes, samples } from "samples";
import { asTest } from "./as-test";
import { Call } from "./call";
import { Client } from "./client";
import { type View, desk as makeDesk } from "./desk";
import { el, get, setText, visible } from "./dom";
import { Editor } from "./editor";
import { FilesView } from "./files";
import { Findings } from "./findings";
import { Folder } from "./folder";
import { graphPane } from "./graph";
import { keyboardHelp } from "./keys";
import { livePane } from "./live";
import { loadModule, startWorker } from "./load";
import { Phone } from "./phone";
import {
  NONE,
  type Project,
  example,
  firstScript,
  fromLink,
  keepOfFolder,
  needed,
  ofFolder,
  putAside,
  store,
  stored,
  storedBefore,
  toLink,
} from "./project";
import { Server, isStudio } from "./server";
import { AnswerForm, storeIn, storeText } from "./services";
import { Setup } from "./setup";
import { Sound } from "./sound";
import { type Given, SoundPanel } from "./sound-panel";
import { Sounds, placeOf, shipped } from "./sounds";
import { placeAt, stretchAt } from "./story";
import { testsPane } from "./tests";
import { Timeline } from "./timeline";
import { Values } from "./values";
import { zonesIn } from "./zones";

const FIRST = "guess.rhai";

const module = loadModule();
module.catch((error: unknown) => say(`The module can't be loaded: ${String(error)}`));

// One for the call and one for the editor: a script that computes for long doesn't keep the checker waiting.
const player = new Client(module, startWorker);
const helper = new Client(module, startWorker);

let project: Project = isStudio ? NONE : (stored() ?? example(samples, FIRST));
let drawing = false;

// In a studio, the files are those of a folder.
const server = isStudio ? new Server() : null;
const folder = server && new Folder(server, () => project.files);
const studio = server && folder && { server, folder };
const filesView = server && folder && new FilesView(server, folder, { project: () => project, show, write });

const sounds = new Sounds(() => project, samples, shipped(shippedSizes), studio);
const withOthers = (texts: Record<string, string>) => ({
  ...texts,
  ...sounds.files(texts),
  ...zonesIn([...Object.values(texts), JSON.stringify(project.call)]),
});
const files = () => withOthers(project.files);
const filesFor = (...names: string[]) => withOthers(needed(project.files, ...names));
const setup = () => ({
  files: filesFor(project.script),
  script: project.script,
  seed: project.seed,
  call: project.call,
  services: { answers: project.answers, store: project.store },
});
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
const values = new Values(call);
const sound = new Sound(sounds);
const editor = new Editor(get("editor"), {
  ask(method, params, slot) {
    // Any file may use a name.
    const given = /rename|references/i.test(method) ? files() : filesFor(project.shown);
    return helper.ask("edit", { files: given, file: project.shown, method, params }, slot);
  },
  changed: (name, text) => {
    project.files[name] = text;
    changed();
  },
  text: (name) => (Object.hasOwn(project.files, name) ? project.files[name] : undefined),
  show: (name) => {
    if (!isWide.matches) setView("script");
    show(name);
  },
  say,
});
const findings = new Findings(new Client(module, startWorker), { files, shown: () => project.shown, goTo });
editor.onChecked = (name, found) => findings.take(name, found);
editor.onCall = () => call.begin();
phone.onSeek = (at) => call.seek(at);
const desk = makeDesk({
  studio,
  call,
  helper,
  client: () => new Client(module, startWorker),
  project: () => project,
  files,
  goTo,
  showCall({ script, seed, call: options, services: { answers, store }, acts, position }) {
    Object.assign(project, { script, seed, call: options, answers, store });
    fillIn();
    drawTabs();
    keepIt();
    call.show(acts, position);
  },
  write,
  say,
  mark: (marks) => editor.mark(marks),
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

/** Shows what changes with time beside the phone and the timeline: the line of the script, and the sound. */
function moved(): void {
  const place = call.phase === "idle" || !call.story ? null : placeAt(call.story, call.position);
  const over = call.phase === "ended";
  const line = place && place.script === project.shown && !over ? place.line : null;
  const mark = `${project.shown} ${line}`;
  if (mark !== marked) {
    marked = mark;
    editor.markLine(line);
  }
  values.move();
  const story = call.phase === "running" && call.pace === "real" ? call.story : null;
  if (story) sound.prepare(story, call.position);
  sound.play(story && stretchAt(story, call.position), call.position, project.call.language ?? "en");
  soundPanel.show();
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
  if (folder) keepOfFolder(folder.about.folder, project);
  else if (!isLinked) store(project);
}

/** Takes a text of a file, as if it had been typed. */
function write(file: string, text: string): void {
  project.files[file] = text;
  editor.forget(file);
  if (project.shown === file) show(file);
  else drawTabs();
  changed();
}

function changed(delay = 120): void {
  if (isLinked) {
    isLinked = false;
    putAside();
    offerEarlier();
  }
  // The address would bring back what there was before the edit.
  if (location.hash !== "") history.replaceState(null, "", "#");
  filesView?.draw();
  editor.check(200);
  window.clearTimeout(timer);
  timer = window.setTimeout(() => {
    keepIt();
    call.edited();
    desk.tell("edited");
  }, delay);
}

// Files.

const tabs = get("tabs");
const tabNames = () => filesView?.tabs() ?? Object.keys(project.files);

function drawTabs(): void {
  tabs.replaceChildren(
    ...tabNames().map((name) => {
      const isShown = name === project.shown;
      const tab = el(
        "button",
        {
          type: "button",
          role: "tab",
          "aria-selected": String(isShown),
          "aria-controls": "editor",
          tabindex: isShown ? 0 : -1,
          "data-name": name,
        },
        visible(name),
      );
      if (name === project.script)
        tab.append(el("span", { class: "called", title: "This script is called" }, "called"));
      tab.addEventListener("click", () => show(name));
      return tab;
    }),
  );
  const isNone = project.shown === "";
  get<HTMLButtonElement>("remove-file").disabled = isNone || (!folder && project.shown === project.script);
  get<HTMLButtonElement>("rename-file").disabled = isNone;
  get<HTMLButtonElement>("call-this").hidden = !isCalled(project.shown) || project.shown === project.script;
  filesView?.draw();
}

tabs.addEventListener("keydown", (event) => {
  const names = tabNames();
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
  if (!folder) document.title = `${project.script} – agi-rhai playground`;
  desk.tell("edited");
}

/** Shows a line of a file in the editor. */
function goTo(file: string, line: number): void {
  if (!Object.hasOwn(project.files, file)) return;
  if (!isWide.matches) setView("script");
  if (file !== project.shown) show(file);
  editor.goTo(line);
}

/** Whether a file is a script that can be called: no test, and no table. */
const isCalled = (name: string) => name.endsWith(".rhai") && !name.endsWith(".test.rhai");

// One dialog for a new file, and for the new name of one.
const dialog = get<HTMLDialogElement>("new-file");
const nameField = get<HTMLInputElement>("new-name");
let renamed: string | null = null;

function askName(of: string | null): void {
  renamed = of;
  setText(get("new-title"), of === null ? "New file" : `Rename ${visible(of)}`);
  setText(get("new-submit"), of === null ? "Add" : "Rename");
  nameField.value = of ?? "";
  dialog.showModal();
}
get("add-file").addEventListener("click", () => askName(null));
get("rename-file").addEventListener("click", () => askName(project.shown));
nameField.addEventListener("input", () => nameField.setCustomValidity(""));
get("new-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = nameField.value.trim();
  if (name === renamed) return dialog.close();
  const problem = !/^(?:[\w-][\w.-]*\/)*[\w-]+(?:\.[\w-]+)*\.(?:rhai|prompts|phrases)$/.test(name)
    ? "A name of letters, digits, - and _ that ends in .rhai, .test.rhai, .prompts or .phrases"
    : Object.hasOwn(project.files, name)
      ? "There is such a file"
      : renamed !== null && renamed === project.script && !isCalled(name)
        ? "The script that is called must stay one: its name ends in .rhai"
        : "";
  nameField.setCustomValidity(problem);
  if (nameField.reportValidity()) void take(name, renamed);
});

/** Makes a file, or gives one another name. */
async function take(name: string, old: string | null): Promise<void> {
  const refused = folder && (old === null ? await folder.create(name) : await folder.rename(old, name));
  if (refused) {
    nameField.setCustomValidity(refused);
    nameField.reportValidity();
    return;
  }
  dialog.close();
  if (old === null) project.files[name] = "";
  else {
    // It keeps its place among the tabs.
    const named = Object.entries(project.files).map(([file, text]) => [file === old ? name : file, text]);
    project.files = Object.fromEntries(named);
    editor.forget(old);
    say(`${old} is ${name} now`, () => void take(old, name));
    filesView?.renamed(old, name);
    if (project.script === old) project.script = name;
  }
  if (project.script === "" && isCalled(name)) project.script = name;
  show(name);
  changed();
}

get("new-cancel").addEventListener("click", () => dialog.close());
get("remove-file").addEventListener("click", () => void remove(project.shown));

async function remove(name: string): Promise<void> {
  if (folder && !window.confirm(`Delete ${visible(name)} from the disk?`)) return;
  const refused = folder && (await folder.remove(name));
  if (refused) {
    say(`${visible(name)} is not deleted: ${visible(refused)}`);
    return;
  }
  const before = project.files;
  const text = before[name] ?? "";
  project.files = { ...before };
  drop(name);
  changed();
  say(`${name} is removed`, () => {
    // Back in its place. What was written since stays.
    const order = [...new Set([...Object.keys(before), ...Object.keys(project.files)])];
    const now: Record<string, string> = { ...project.files, [name]: text };
    project.files = Object.fromEntries(order.flatMap((file) => (file in now ? [[file, now[file] ?? ""]] : [])));
    show(name);
    changed();
  });
}

/** Forgets a file. */
function drop(name: string): void {
  delete project.files[name];
  editor.forget(name);
  if (name === project.script) {
    project.script = firstScript(project.files);
    call.drop();
  }
  if (name === project.shown) show(project.script || (Object.keys(project.files).sort()[0] ?? ""));
}

get("call-this").addEventListener("click", () => {
  project.script = project.shown;
  drawTabs();
  call.drop();
  keepIt();
});

// Examples.

const examples = get<HTMLSelectElement>("examples");
for (const name of Object.keys(samples).filter((name) => /^[^.]+\.rhai$/.test(name))) {
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

const form = new Setup(get("setup"), (options, seed) => {
  project.call = options;
  if (seed !== null) project.seed = seed;
  changed(300);
});
const storeField = get<HTMLTextAreaElement>("stored");
function fillIn(): void {
  form.fill(project.call, project.seed);
  storeField.value = storeText(project.store);
  storeField.setCustomValidity("");
}

storeField.addEventListener("input", () => {
  try {
    project.store = storeIn(storeField.value);
    storeField.setCustomValidity("");
    changed(300);
  } catch (error) {
    storeField.setCustomValidity(error instanceof Error ? error.message : String(error));
  }
});
storeField.addEventListener("change", () => storeField.reportValidity());
get("keep-store").addEventListener("click", () => {
  if (!call.played?.store || !call.story?.over) {
    say("No call has left a store yet");
    return;
  }
  project.store = storeIn(storeText(call.played.store));
  fillIn();
  keepIt();
  say("The next call finds the store as this one leaves it");
});

// What services answer.

const answers = new AnswerForm((given) => {
  project.answers = given;
  changed(0);
});
phone.onAnswer = ({ request, text, before }) => {
  if (request) answers.open(request, text, before ?? 0, project.answers);
};

// Where there is room, it is in sight.
if (window.innerWidth >= 1320 && window.innerHeight >= 860) get<HTMLDetailsElement>("settings").open = true;

// Links, tests.

function say(text: string, undo?: () => void): void {
  const notice = get("notice");
  notice.replaceChildren(visible(text));
  notice.hidden = false;
  if (undo) {
    const button = el("button", { type: "button" }, "Undo");
    button.addEventListener("click", () => {
      notice.hidden = true;
      undo();
    });
    notice.append(button);
  }
  window.clearTimeout(Number(notice.dataset["timer"]));
  notice.dataset["timer"] = String(window.setTimeout(() => (notice.hidden = true), undo ? 15_000 : 6000));
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

asTest(desk, (text, what, otherwise) => void copy(text, what, otherwise));

// Sound files by the dialog, or dropped onto the page.

async function addSounds(given: Given[]): Promise<void> {
  const added: string[] = [];
  try {
    for (const { file, path } of given) added.push(await sounds.add(file, placeOf(path)));
    say(added.length === 1 ? `${added[0]} is played now` : `${added.length} sound files are played now`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
  if (added.length > 0) changed(0);
  soundPanel.show();
}
const soundPanel = new SoundPanel(sound, sounds, addSounds, (path) => {
  void sounds.remove(path).then(() => {
    changed(0);
    soundPanel.show();
  });
});
if (folder) folder.onSounds = () => call.edited();
else void sounds.tidy([stored(), storedBefore()]).catch(() => undefined);

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

get("outline").addEventListener("click", () => editor.outline());
keyboardHelp();

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

if (folder) {
  let isOpen = false;
  folder.onTexts = (texts) => {
    if (!isOpen) {
      isOpen = true;
      const found = [...texts].filter((entry): entry is [string, string] => entry[1] !== null);
      open(ofFolder(folder.about.folder, Object.fromEntries(found)));
      return;
    }
    for (const [name, text] of texts) {
      if (text === null) drop(name);
      else {
        project.files[name] = text;
        editor.update(name, text);
      }
    }
    drawTabs();
    changed();
  };
  folder.onChange = () => filesView?.draw();
  show("");
  fit();
  folder.open();
} else {
  window.addEventListener("hashchange", () => void openLink());
  void openLink().then((opened) => {
    if (!opened) open(project);
    fit();
  });
}
requestAnimationFrame(frame);
