// What the events of a call mean for somebody who follows it.

import type { PlayEvent, Played, Request, SoundFile } from "./protocol";

/** A stretch of the call in which something is said, listened to, or waited for. */
export interface Stretch {
  kind: "says" | "listens" | "waits";
  from: number;
  to: number;
  /** `file`, `number`, ..., `beep`, `recording`, `music`; empty if nothing is said. */
  sound: string;
  /** What is said. */
  words: string;
  /** The sound file, or how it is spoken. */
  name: string;
  /** The sounds it consists of. */
  files: SoundFile[];
  /** Which keys are heard: empty for all; null for none. */
  keys: string | null;
  speech: boolean;
  language: string | null;
  /** How long it would last, if that is known. */
  full: number | null;
}

/** A key that was pressed, what the caller has said, or the end of the call by the caller. */
export interface Mark {
  at: number;
  key: string | null;
  /** In place of a key. */
  says?: string;
  fate: "heard" | "ignored" | "dropped";
}

/** A line of the transcript. */
export interface Line {
  at: number;
  /** Which event of the call it is, or after all of them. */
  event: number;
  who: "phone" | "caller" | "script" | "end" | "fault";
  text: string;
  note: string;
  /** What a service was asked, and whether there is no answer yet. */
  request?: Request;
  lacks?: boolean;
  /** How many of the same requests came before. */
  before?: number;
}

/** Something that a service was asked, and whether it failed. */
export interface Asked {
  at: number;
  service: string;
  failed: boolean;
}

/** Where two calls differ first: in the later one, when, and in which event. */
export interface Difference {
  at: number;
  event: number;
}

export interface Story {
  stretches: Stretch[];
  marks: Mark[];
  asked: Asked[];
  lines: Line[];
  /** The commands: from when the script is in which line. */
  places: { at: number; script: string; line: number }[];
  length: number;
  /** Whether the call is over at its length, and doesn't only go on unseen. */
  over: boolean;
}

const KINDS: Record<string, string> = { file: "", beep: "beep", recording: "recording", music: "music" };

/** Tells the story of a call. */
export function tell(played: Played): Story {
  const { events, length } = played;
  const story: Story = {
    stretches: [],
    marks: [],
    asked: [],
    lines: [],
    places: [],
    length,
    over: played.cut !== "until",
  };
  let open: Stretch | null = null;
  let index = 0;
  let asked: Request | null = null;
  /** How often each request was made. */
  const times = new Map<string, number>();
  const jobs: Request[] = [];
  const line = (line: Omit<Line, "event">) => story.lines.push({ ...line, event: index });
  const close = (at: number) => {
    if (open) {
      open.to = at;
      if (open.to > open.from) story.stretches.push(open);
      if (
        open.kind === "listens" &&
        open.to - open.from >= 1000 &&
        !story.marks.some((mark) => mark.at >= open!.from)
      ) {
        const note = `${Math.round((open.to - open.from) / 1000)} s`;
        line({ at, who: "caller", text: "silence", note });
      }
    }
    open = null;
  };
  for (const event of events) {
    index = events.indexOf(event, index);
    const { at } = event;
    switch (event.is) {
      case "prompt": {
        close(at);
        const { sound, keys, speech, language, name, files, lasts: full } = event;
        const words = event.words ?? name;
        open = { kind: "says", from: at, to: at, sound, words, name, files, keys, speech, language, full };
        const note = KINDS[event.sound] ?? event.sound;
        line({ at, who: "phone", text: words, note: note || (event.words === null ? "" : name) });
        break;
      }
      case "listens": {
        const { keys, speech } = event;
        // After a key it goes on listening.
        const before = open as Stretch | null;
        if (before?.kind === "listens" && before.keys === keys && before.speech === speech) break;
        close(at);
        open = { ...SILENCE, kind: "listens", from: at, to: at, keys, speech };
        break;
      }
      case "waits":
        close(at);
        open = { ...SILENCE, kind: "waits", from: at, to: at };
        break;
      case "reply":
        close(at);
        break;
      case "key":
        story.marks.push({ at, key: event.key, fate: event.fate });
        line({ at, who: "caller", text: event.key, note: FATES[event.fate] });
        break;
      case "says":
        story.marks.push({ at, key: null, says: event.text, fate: event.heard ? "heard" : "dropped" });
        line({ at, who: "caller", text: event.text, note: event.heard ? "" : FATES.dropped });
        break;
      case "hangs_up":
        close(at);
        story.marks.push({ at, key: null, fate: "heard" });
        line({ at, who: "caller", text: "hangs up", note: "" });
        break;
      case "command":
        if (!event.by_host) story.places.push({ at, script: event.script, line: event.line });
        break;
      case "asks": {
        // What is listened to is shown by itself.
        if (!event.request) break;
        const service = serviceOf(event.request);
        story.places.push({ at, script: event.script, line: event.line });
        story.asked.push({ at, service, failed: false });
        const note = event.lacks ? `asks ${service}, which has no answer yet` : `asks ${service}`;
        const before = times.get(keyOf(event.request)) ?? 0;
        times.set(keyOf(event.request), before + 1);
        line({ at, who: "script", text: event.text, note, request: event.request, lacks: event.lacks, before });
        asked = event.request;
        break;
      }
      case "answered": {
        const last = story.asked.at(-1);
        if (!asked || !last) break;
        last.failed = event.failed;
        if (!story.lines.at(-1)?.lacks) {
          line({ at, who: "script", text: event.text, note: event.failed ? "fails" : "answers" });
        }
        if (asked.function === "after_call" && !event.failed) jobs.push(asked);
        asked = null;
        break;
      }
      case "prints":
        line({ at, who: "script", text: event.text, note: `prints, line ${event.line}` });
        break;
      case "warns":
        line({ at, who: "script", text: event.text, note: "warning" });
        break;
      default:
    }
  }
  index = events.length;
  close(length);
  if (played.fault) {
    const { message, hint, script, line: where } = played.fault;
    const place = where === null ? script : `${script}, line ${where}`;
    line({ at: length, who: "fault", text: hint ? `${message}: ${hint}` : message, note: place });
  }
  if (played.cut === "commands") {
    const text = "the script sends more commands than anybody could follow";
    line({ at: length, who: "fault", text, note: "" });
  } else if (played.status !== null && played.began > 0) {
    const note = played.goes_on ? `${played.status}, dialplan goes on at ${played.goes_on}` : played.status;
    line({ at: length, who: "end", text: "call ended", note });
    for (const { arguments: job } of jobs) {
      const text = `${String(job["function"])}(${JSON.stringify(job["value"] ?? null)})`;
      line({ at: length, who: "script", text, note: "is left to be done after the call" });
    }
  }
  return story;
}

export const FATES = { heard: "", ignored: "not listened for", dropped: "not heard" };

const SILENCE = { sound: "", words: "", name: "", files: [], keys: null, speech: false, language: null, full: null };

/** The services that have no name of their own. */
const NAMELESS: Record<string, string> = {
  store: "the store",
  board: "the store",
  after: "the store",
  call: "Asterisk",
};

/** Returns the same text for the same requests. */
export const keyOf = ({ function: asked, service, arguments: all, timeout }: Request) =>
  JSON.stringify([asked, service ?? "", Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)), timeout ?? null]);

/** Returns who is asked. */
export function serviceOf({ function: asked, service }: Request): string {
  return service ?? NAMELESS[asked.split("_")[0] ?? ""] ?? asked;
}

/** Returns the stretch of this moment. */
export function stretchAt(story: Story, at: number): Stretch | null {
  return story.stretches.findLast((stretch) => stretch.from <= at && at < stretch.to) ?? null;
}

/** Returns the line of the script that runs at this moment. */
export function placeAt(story: Story, at: number): { script: string; line: number } | null {
  return story.places.findLast((place) => place.at <= at) ?? null;
}

/** Returns from when the script listens in silence, at this moment or later; or when the call ends; null if neither. */
export function nextTurn(story: Story, after: number): Stretch | number | null {
  const turn = story.stretches.find((stretch) => stretch.kind === "listens" && stretch.to > after);
  return turn ?? (story.over ? story.length : null);
}

/** Returns when two calls differ first for those who hear them; null if they don't. */
export function firstDifference(before: Played, after: Played): Difference | null {
  const [one, other] = [before, after].map(heard) as [Moment[], Moment[]];
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const [a, b] = [one[index], other[index]];
    if (a?.text === b?.text) continue;
    // Beyond the moment up to which it was run, there is nothing to compare.
    if (!a && before.cut === "until" && (b?.at ?? 0) > before.length) return null;
    if (!b && after.cut === "until" && (a?.at ?? 0) > after.length) return null;
    const at = Math.min(a?.at ?? Infinity, b?.at ?? Infinity);
    return { at, event: b?.event ?? after.events.length };
  }
  return null;
}

interface Moment {
  at: number;
  event: number;
  text: string;
}

function heard(played: Played): Moment[] {
  const text = (event: PlayEvent): string | null => {
    switch (event.is) {
      case "prompt":
        return `prompt ${event.name} ${event.words ?? ""} ${event.keys ?? "no"} ${event.speech}`;
      case "listens":
        return `listens ${event.keys ?? "no"} ${event.speech}`;
      case "key":
        return `key ${event.key} ${event.fate}`;
      case "says":
        return `says ${event.text} ${event.heard}`;
      case "hangs_up":
        return "hangs up";
      default:
        return null;
    }
  };
  const moments = played.events.flatMap((event, index) => {
    const said = text(event);
    return said === null ? [] : [{ at: event.at, event: index, text: said }];
  });
  if (played.cut !== "until") {
    const end = `ends ${played.status ?? ""} ${played.cut ?? ""} ${played.fault?.message ?? ""} ${played.goes_on ?? ""}`;
    moments.push({ at: played.length, event: played.events.length, text: end });
  }
  return moments;
}
