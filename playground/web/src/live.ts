// The live calls of a server, the dialogue of one, and recordings, which are played again through today's script.

import type { Desk } from "./desk";
import { clock, el, get, setText, visible } from "./dom";
import { follow } from "./graph";
import { LiveCalls, type LiveCall, type Order, matches, sorted } from "./live-calls";
import { recordingsView } from "./recordings";
import { Table } from "./table";

/** How long a call that is over stays in sight, in milliseconds. */
const LINGER = 4000;
/** How many lines of a dialogue are kept. */
const LINES = 1000;

/** Where the server has its files. */
interface About {
  scripts: string;
  /** The same folder as dialogues name it. */
  named: string;
  recordings: string | null;
}

/** Writes a length of time: `0:42`, `1:02:03`. */
export function length(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number: number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Writes a number of calls. */
export const calls = (count: number) => `${count.toLocaleString("en")} call${count === 1 ? "" : "s"}`;

/** Who calls, as far as that is known. */
export function who({ caller, name }: { caller: string; name: string }): string {
  return visible([caller, name].filter((text) => text !== "").join(" · ") || "withheld");
}

export function livePane(desk: Desk): void {
  if (!desk.studio) return;
  const { server } = desk.studio;
  // Without the token there is no answer; it may come later.
  const parts = server.reached.then(() => server.value("")) as Promise<{ parts: string[] }>;
  void parts.then(
    ({ parts }) => parts.includes("live") && begin(desk),
    () => desk.say("The studio doesn’t say whether it has live calls: reload the page"),
  );
}

function begin(desk: Desk): void {
  const { server, folder } = desk.studio as NonNullable<Desk["studio"]>;
  let about: About | null = null;

  /** Returns the name that a file of the server has in the studio's folder. */
  const here = (file: string): string => {
    if (file === "" || about === null) return file;
    const own = `${about.named}/`;
    const within = file.startsWith(own) ? file.slice(own.length) : file;
    const path = within.startsWith("/") ? within : `${about.scripts}/${within}`;
    // A folder may have other names; then files are those of the same names in the server's folder.
    for (const place of [`${folder.about.folder}/`, `${about.scripts}/`]) {
      if (place !== "/" && path.startsWith(place)) return path.slice(place.length);
    }
    return file;
  };
  const live = new LiveCalls(here);
  const button = get<HTMLInputElement>("view-live");
  (button.closest("label") as HTMLElement).hidden = false;

  // The head: calls or recordings, what is looked for, in which order.

  const choice = (id: string, text: string, checked: boolean) =>
    el("label", {}, el("input", { type: "radio", name: "live-part", id, checked }), el("span", {}, text));
  const callsChoice = choice("live-calls", "Calls now", true);
  const recordsChoice = choice("live-records", "Recordings", false);
  const parts = el(
    "fieldset",
    { class: "switch" },
    el("legend", { class: "hidden" }, "Show calls or recordings"),
    callsChoice,
    recordsChoice,
  );
  const filter = el("input", {
    type: "search",
    id: "live-filter",
    placeholder: "Number, channel or script",
    "aria-label": "Find by number, channel or script",
    autocomplete: "off",
    spellcheck: "false",
  });
  const order = el(
    "select",
    { id: "live-order", "aria-label": "Order of the calls" },
    el("option", { value: "newest" }, "Newest first"),
    el("option", { value: "longest" }, "Longest first"),
    el("option", { value: "waiting" }, "Longest in a line first"),
  );
  const count = el("span", { id: "live-count", class: "count", role: "status" });
  const fresh = el("button", { type: "button", id: "live-new", class: "small", hidden: true });
  const note = el("p", { id: "live-problem", class: "box bad", role: "alert", hidden: true });
  const head = el("div", { class: "live-head" }, parts, filter, order, el("span", { class: "counts" }, count, fresh));

  // The list.

  const table = new Table<LiveCall>(
    "Live calls",
    [
      { title: "Caller", class: "caller", text: who },
      { title: "Line", class: "place", text: place },
      { title: "Doing", class: "doing", text: ({ ended, doing }) => (ended === undefined ? doing : "over") },
      {
        title: "For",
        class: "number for",
        text: ({ ended, since }) => (ended === undefined ? length(live.now() - since) : ""),
      },
      {
        title: "Age",
        class: "number age",
        text: ({ began, ended }) => (ended === undefined ? length(live.now() - began) : ""),
      },
      { title: "Channel", class: "channel", text: ({ channel }) => visible(channel) },
    ],
    ({ id }) => String(id),
  );
  table.marks = ({ id, ended }) => `${ended === undefined ? "" : "over"} ${id === shownId ? "chosen" : ""}`;
  table.onChoose = ({ id }) => open(id);
  const empty = el("p", { class: "empty", id: "live-empty" });
  const list = el("div", { class: "live-list" }, table.element, empty);
  const detail = el("section", { class: "live-detail", id: "live-detail", "aria-label": "Call", hidden: true });
  const callsPart = el("div", { class: "live-part", id: "live-calls-part" }, list, detail);
  const records = recordingsView(desk, here, filter);
  records.element.hidden = true;
  const pane = get("pane-live");
  pane.append(head, note, callsPart, records.element);

  function place({ file, line, script }: LiveCall): string {
    return visible(file === "" ? script : `${file}:${line}`);
  }

  /** The calls in the list, in their order. */
  let listed: LiveCall[] = [];

  const found = () => {
    const words = filter.value.trim();
    const all = [...live.byId.values()];
    if (words === "") return all;
    return all.filter(({ id, caller, name, extension, channel, script, file, line }) =>
      matches([String(id), caller, name, extension, channel, script, `${file}:${line}`], words),
    );
  };

  /** Puts the list in order. While somebody is about to choose a row, all stay where they are. */
  function arrange(always = false): void {
    const now = found();
    if (!always && table.isHeld && listed.length > 0) {
      const known = new Map(now.map((call) => [call.id, call]));
      listed = listed.map(
        (call) => known.get(call.id) ?? live.byId.get(call.id) ?? { ...call, ended: call.ended ?? 0 },
      );
      const shown = new Set(listed.map(({ id }) => id));
      const others = now.filter(({ id, ended }) => !shown.has(id) && ended === undefined);
      fresh.hidden = others.length === 0;
      setText(fresh, `${others.length} more`);
    } else {
      live.forget(LINGER, shownId);
      listed = sorted(found(), order.value as Order);
      fresh.hidden = true;
    }
    table.set(listed);
    tellCount();
  }

  function tellCount(): void {
    const all = live.count();
    const shown = listed.filter(({ ended }) => ended === undefined).length;
    const words = filter.value.trim();
    const said = !live.isKnown ? "" : words === "" ? calls(all) : `${shown.toLocaleString("en")} of ${calls(all)}`;
    setText(count, said);
    const isEmpty = live.isKnown && listed.length === 0;
    empty.hidden = !isEmpty;
    setText(empty, words === "" ? "No call is in progress. One appears here as soon as it begins." : "No call fits.");
    table.element.classList.toggle("none", isEmpty);
  }

  // One call.

  let shownId: number | null = null;
  let stop = () => {};
  const heading = el("h2", { id: "live-who" });
  const facts = el("dl", { class: "facts" });
  const at = el("button", { type: "button", class: "small link", id: "live-place" });
  const onGraph = el("button", { type: "button", class: "small", id: "live-graph" }, "On the graph");
  const end = el("button", { type: "button", class: "stop small", id: "live-end" }, "End the call …");
  const close = el("button", { type: "button", class: "small", id: "live-close" }, "Close");
  const dialogue = el("ol", { id: "live-dialogue", "aria-label": "Dialogue with Asterisk", tabindex: 0 });
  const state = el("p", { id: "live-state", role: "status" });
  const values = new Map<string, HTMLElement>();
  for (const name of ["Number", "Name", "Dialled", "Script", "Channel", "Asterisk", "Doing", "Age", "Commands"]) {
    const value = el("dd");
    values.set(name, value);
    facts.append(el("div", {}, el("dt", {}, name), value));
  }
  detail.append(
    el("header", {}, heading, el("span", { class: "buttons" }, end, close)),
    facts,
    el("p", { class: "at" }, "Now at ", at, " ", onGraph),
    el("p", { class: "hint" }, "The dialogue from here on: > to Asterisk, < from it. Keys are masked."),
    dialogue,
    state,
  );
  let shown: LiveCall | null = null;

  function open(id: number): void {
    if (id === shownId) return;
    stop();
    shownId = id;
    shown = live.byId.get(id) ?? null;
    dialogue.replaceChildren();
    setText(state, "");
    detail.hidden = false;
    callsPart.classList.add("has-detail");
    const began = performance.now();
    let isOver = false;
    const end = server.events(`live/calls/${id}`, (name, value) => {
      if (name === "line") add(String(value), performance.now() - began);
      else if (name === "over") {
        isOver = true;
        setText(state, "The call is over.");
        end();
      } else if (name === "problem") {
        const { problem } = value as { problem: string };
        if (!isOver) setText(state, `There is no more of it: ${visible(problem)}`);
        end();
      }
    });
    stop = end;
    tellCall();
    table.draw();
  }

  function shut(): void {
    stop();
    stop = () => {};
    shownId = shown = null;
    follow(null);
    detail.hidden = true;
    callsPart.classList.remove("has-detail");
    table.draw();
    table.focus();
  }

  /** Adds a line of the dialogue: `> COMMAND    [file:line]`, `< reply`, or how the call has ended. */
  function add(text: string, ms: number): void {
    const isAtEnd = dialogue.scrollHeight - dialogue.scrollTop - dialogue.clientHeight < 40;
    const [, sent, file, line] = /^> (.*) {4}\[(.*):(\d+)\]$/s.exec(text) ?? [];
    const heard = text.startsWith("< ") ? text.slice(2) : undefined;
    const kind = sent !== undefined ? "sent" : heard !== undefined ? "heard" : "said";
    const item = el("li", { class: kind }, el("time", {}, clock(ms)));
    item.append(el("span", { class: "text" }, visible(sent !== undefined ? `> ${sent}` : text)));
    if (sent !== undefined && file !== undefined) {
      const name = here(file);
      const to = el("button", { type: "button", class: "small link" }, visible(`${name}:${line}`));
      to.addEventListener("click", () => desk.goTo(name, Number(line)));
      item.append(to);
    }
    dialogue.append(item);
    while (dialogue.children.length > LINES) dialogue.firstElementChild?.remove();
    if (isAtEnd) dialogue.scrollTop = dialogue.scrollHeight;
  }

  const followed = (call: LiveCall) => ({ ...call, script: here(call.script), isOver: call.ended !== undefined });

  function tellCall(): void {
    if (shownId === null) return;
    const call = live.byId.get(shownId) ?? shown;
    if (!call) return;
    shown = call;
    const isOver = call.ended !== undefined || !live.byId.has(call.id);
    setText(heading, `Call ${call.id} · ${who(call)}`);
    detail.setAttribute("aria-label", `Call ${call.id}`);
    const say = (name: string, text: string) => setText(values.get(name) as HTMLElement, visible(text || "–"));
    say("Number", call.caller || "withheld");
    say("Name", call.name);
    say("Dialled", call.extension);
    say("Script", call.script);
    say("Channel", call.channel);
    say("Asterisk", call.peer);
    say("Commands", String(call.commands));
    say("Doing", isOver ? "over" : `${call.doing} for ${length(live.now() - call.since)}`);
    say("Age", isOver ? "over" : length(live.now() - call.began));
    setText(at, visible(call.file === "" ? "its beginning" : `${call.file}:${call.line}`));
    at.disabled = onGraph.disabled = call.file === "";
    end.disabled = isOver;
  }
  at.addEventListener("click", () => {
    if (shown) desk.goTo(shown.file, shown.line);
  });
  onGraph.addEventListener("click", () => {
    if (!shown) return;
    follow(followed(shown));
    desk.show("graph");
  });
  close.addEventListener("click", shut);
  detail.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
  });

  // Ending a call.

  const question = el("h2", { id: "live-question" });
  const yes = el("button", { type: "submit", class: "stop", id: "live-yes" }, "End the call");
  const no = el("button", { type: "button", id: "live-no" }, "Let it go on");
  const form = el(
    "form",
    { method: "dialog" },
    question,
    el("p", {}, "It ends as if the caller had hung up: on_hangup of its script runs, and the dialplan goes on."),
    el("div", { class: "buttons" }, yes, no),
  );
  const dialog = el("dialog", { id: "live-dialog", "aria-labelledby": "live-question" }, form);
  document.body.append(dialog);
  let ending: number | null = null;
  end.addEventListener("click", () => {
    if (!shown) return;
    ending = shown.id;
    setText(question, `End call ${shown.id} of ${who(shown)}?`);
    dialog.showModal();
    no.focus();
  });
  no.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    if (ending === null) return;
    server.value(`live/calls/${ending}`, { method: "DELETE" }).then(
      (answer) => desk.say(visible(String((answer as { said: string }).said))),
      (error: unknown) => desk.say(visible(error instanceof Error ? error.message : String(error))),
    );
  });

  // What happens.

  const isInSight = () => desk.view() === "live" && !callsPart.hidden && !document.hidden;
  let drawing = false;
  const draw = () => {
    if (drawing || !isInSight()) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      note.hidden = live.problem === null;
      setText(note, live.problem === null ? "" : visible(live.problem));
      if (!live.isKnown || listed.length === 0) arrange();
      else {
        // Those that stay are drawn as they are now; the order is made once a second.
        listed = listed.map((call) => live.byId.get(call.id) ?? call);
        table.set(listed);
        tellCount();
      }
      tellCall();
    });
  };
  const watch = () =>
    server.events("live/calls", (name, value) => {
      if (name === "began" && about === null) void ask();
      live.take(name, value);
      if (name === "problem") listed = [];
      const followable = shownId === null ? undefined : live.byId.get(shownId);
      if (followable) follow(followed(followable), false);
      draw();
    });
  // Files have the names of the studio's folder, which has to be known first.
  const ask = () =>
    server
      .value("live")
      .then((value) => (about = value as About))
      .catch(() => {});
  let isWatching = false;
  const start = () => {
    if (isWatching || !folder.isLoaded) return;
    isWatching = true;
    void ask().then(watch);
  };
  start();
  desk.on("edited", start);
  window.setInterval(() => {
    if (!isInSight()) return;
    arrange();
    tellCall();
  }, 1000);
  const again = () => {
    if (recordsShown()) records.draw();
    else {
      table.toTop();
      arrange(true);
    }
  };
  filter.addEventListener("input", again);
  order.addEventListener("change", again);
  fresh.addEventListener("click", () => {
    table.toTop();
    arrange(true);
  });
  const recordsShown = () => (recordsChoice.firstElementChild as HTMLInputElement).checked;
  parts.addEventListener("change", () => {
    const isRecords = recordsShown();
    callsPart.hidden = isRecords;
    order.hidden = isRecords;
    records.element.hidden = !isRecords;
    (count.parentElement as HTMLElement).hidden = isRecords;
    if (isRecords) records.load();
    else arrange(true);
  });
  desk.on("viewed", (view) => {
    if (view !== "live") return;
    arrange(true);
    tellCall();
  });
}
