// The recordings of a server, and how one gets into the timeline.

import type { Desk } from "./desk";
import { clock, el, setText, visible } from "./dom";
import { calls, length, who } from "./live";
import { matches } from "./live-calls";
import type { CallOptions, Playable } from "./protocol";
import { Table } from "./table";

interface Recording {
  file: string;
  /** Seconds since 1970. */
  started: number;
  script: string;
  caller: string;
  name: string;
  extension: string;
  channel: string;
  redacted: boolean;
  status: string | null;
  fault: string | null;
  length: number | null;
}

interface Listed {
  count: number;
  calls: Recording[];
}

export interface RecordingsView {
  element: HTMLElement;
  /** Asks for the list. */
  load: () => void;
  draw: () => void;
}

const moment = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" });

/** Returns the options of a call that was recorded, as the page has them. */
function options({ time, dial_status: status, ...call }: Playable["call"]): CallOptions {
  // Seconds mean the same in every zone.
  const shown = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
  return {
    ...call,
    ...(time === undefined ? {} : { time: call.zone === undefined ? shown(time) : String(time) }),
    ...(status === undefined ? {} : { dial_status: [status] }),
  };
}

export function recordingsView(desk: Desk, here: (file: string) => string, filter: HTMLInputElement): RecordingsView {
  const { server } = desk.studio as NonNullable<Desk["studio"]>;
  let listed: Listed = { count: 0, calls: [] };
  let chosen = "";

  const table = new Table<Recording>(
    "Recordings",
    [
      { title: "Began", class: "when", text: ({ started }) => moment.format(started * 1000) },
      { title: "Caller", class: "caller", text: (call) => (call.redacted ? "redacted" : who(call)) },
      { title: "Script", class: "place", text: ({ script }) => visible(here(script)) },
      { title: "Length", class: "number age", text: ({ length: ms }) => (ms === null ? "" : length(ms)) },
      {
        title: "End",
        class: "end",
        text: ({ status, fault }) => visible(fault ?? status?.toLowerCase() ?? "not over, or cut off"),
      },
    ],
    ({ file }) => file,
  );
  table.marks = ({ file, status }) => `${file === chosen ? "chosen" : ""} ${status === "FAILURE" ? "failed" : ""}`;
  table.onChoose = (recording) => void open(recording);
  const count = el("span", { id: "records-count", class: "count", role: "status" });
  const again = el("button", { type: "button", class: "small", id: "records-again" }, "Look again");
  again.addEventListener("click", () => load());
  const empty = el("p", { class: "empty", id: "records-empty", hidden: true });
  const told = el("div", { class: "box new told", id: "records-told", role: "status", hidden: true });
  const element = el(
    "div",
    { class: "live-part", id: "live-records-part" },
    el(
      "div",
      { class: "live-list" },
      el("p", { class: "hint line" }, el("span", {}, "A call is played in the timeline."), count, again),
      told,
      table.element,
      empty,
    ),
  );

  function load(): void {
    server.value("live/recordings").then(
      (value) => {
        listed = value as Listed;
        draw();
      },
      (error: unknown) => {
        listed = { count: 0, calls: [] };
        draw();
        setText(empty, visible(error instanceof Error ? error.message : String(error)));
      },
    );
  }

  function draw(): void {
    const words = filter.value.trim();
    const found = listed.calls.filter(({ file, caller, name, extension, channel, script }) =>
      matches([file, caller, name, extension, channel, here(script)], words),
    );
    table.set(found);
    const { count: all } = listed;
    const newest = all > listed.calls.length ? `the newest ${listed.calls.length} of ` : "";
    setText(count, words === "" ? `${newest}${calls(all)}` : `${found.length} of ${newest}${calls(all)}`);
    empty.hidden = found.length > 0;
    table.element.classList.toggle("none", found.length === 0);
    setText(empty, words === "" ? "No call has been recorded yet." : "No recording fits.");
  }

  async function open(recording: Recording): Promise<void> {
    chosen = recording.file;
    table.draw();
    try {
      const { body } = await server.ask(`live/recordings/${encodeURIComponent(recording.file)}`);
      const text = new TextDecoder().decode(body);
      const playable = await desk.helper.ask("recorded", { recording: text, files: desk.files() });
      if (chosen !== recording.file) return;
      show(recording, playable);
    } catch (error) {
      desk.say(visible(error instanceof Error ? error.message : String(error)));
    }
  }

  function show(recording: Recording, playable: Playable): void {
    const { script, difference, notes, acts, seed, services, changed } = playable;
    const when = moment.format(recording.started * 1000);
    const lines: (string | Node)[] = [];
    if (script === null) {
      lines.push(
        `Its script, ${visible(playable.recorded_script)}, isn’t among these files, so that it can’t be played.`,
      );
    } else {
      const isSame = difference === null;
      lines.push(
        `The call of ${when} is in the timeline. ` +
          (changed === true
            ? "The script has changed since. "
            : changed === false
              ? "The script is still the same. "
              : "") +
          (isSame ? "It goes as it did then." : ""),
      );
      if (difference) {
        const { at, was, now } = difference;
        lines.push(
          `From ${clock(at)} on, it is another call: then ${visible(was)}, now ${now === null ? "it is over" : visible(now)}.`,
        );
      }
    }
    lines.push(...notes.map(visible));
    told.replaceChildren(...lines.map((line) => el("p", {}, line)));
    told.hidden = false;
    if (script === null) return;
    const last = acts.at(-1)?.at ?? 0;
    const position = difference ? Math.min(difference.at, Math.max(last, 0)) : last;
    desk.showCall({ script, seed, call: options(playable.call), services, acts, position });
    if (window.matchMedia("(max-width: 860px)").matches) desk.show("phone");
  }

  return { element, load, draw };
}
