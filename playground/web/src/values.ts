// Values at the moment of the call: the variables of the script, those of the channel, and AstDB.

import type { Call } from "./call";
import { el, get, keep, visible } from "./dom";
import type { PlayEvent, Played } from "./protocol";

/** A value, and whether it is what has changed last. */
interface Value {
  name: string;
  value: string;
  isNew: boolean;
}

/** Values that belong together. */
interface Group {
  title: string;
  values: Value[];
}

/** Returns the values after so many events. */
function after(events: PlayEvent[], count: number): Group[] {
  const frames = new Map<string, Map<string, [string, number]>>();
  const channel = new Map<string, [string, number]>();
  const stored = new Map<string, [string, number]>();
  // What changes at the start of the call is how it begins.
  let last = 0;
  for (const event of events.slice(0, count)) {
    const { at } = event;
    if (event.is === "frames") {
      const before = new Map(frames);
      frames.clear();
      event.frames.forEach(({ function: name, variables }, depth) => {
        const title = name ?? "The script";
        // A function that calls itself is there several times.
        const key = `${depth} ${title}`;
        const had = before.get(key);
        const now = variables.map(([variable, shown]): [string, [string, number]] => {
          const value = shown === "" ? "()" : shown;
          const known = had?.get(variable);
          return [variable, known?.[0] === value ? known : [value, at]];
        });
        frames.set(key, new Map(now));
      });
    } else if (event.is === "variable") change(channel, event.name, event.value, at);
    else if (event.is === "stored") change(stored, event.key.replace(/^\//, ""), event.value, at);
    else continue;
    last = at;
  }
  const group = (title: string, values: Map<string, [string, number]>): Group => ({
    title,
    values: [...values].map(([name, [value, at]]) => ({ name, value, isNew: at === last && last > 0 })),
  });
  const sorted = (values: Map<string, [string, number]>) => new Map([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
  return [
    ...[...frames].reverse().map(([key, values]) => group(key.slice(key.indexOf(" ") + 1), values)),
    group("Variables of the channel", sorted(channel)),
    group("AstDB", sorted(stored)),
  ].filter(({ values }) => values.length > 0);
}

function change(values: Map<string, [string, number]>, name: string, value: string | null, at: number): void {
  if (value === null) values.delete(name);
  else values.set(name, [value, at]);
}

export class Values {
  readonly #call: Call;
  readonly #box = get("values");
  readonly #switch = get<HTMLInputElement>("talk-values");
  #shown: { played: Played | null; count: number } = { played: null, count: -1 };

  constructor(call: Call) {
    this.#call = call;
    for (const id of ["talk-lines", "talk-values"]) get(id).addEventListener("change", () => this.move());
  }

  /** Draws what changes with time. */
  move(): void {
    const isShown = this.#switch.checked;
    this.#box.hidden = !isShown;
    get("transcript").hidden = isShown;
    if (!isShown) return;
    const { played, position } = this.#call;
    const events = played?.events ?? [];
    const later = events.findIndex(({ at }) => at > position);
    const count = later < 0 ? events.length : later;
    if (this.#shown.played === played && this.#shown.count === count) return;
    this.#shown = { played, count };
    const groups = after(events, count);
    this.#box.classList.toggle("is-empty", groups.length === 0);
    keep(this.#box, groups.length > 0 ? groups : [null], JSON.stringify, (group) =>
      group ? this.#group(group) : el("p", {}, "The values of a call are shown here, as they are at its moment."),
    );
  }

  #group({ title, values }: Group): HTMLElement {
    const rows = values.map(({ name, value, isNew }) =>
      el(
        "tr",
        { class: isNew ? "is-new" : null },
        el("th", { scope: "row" }, visible(name)),
        el("td", {}, visible(value)),
      ),
    );
    return el("table", {}, el("caption", {}, visible(title)), el("tbody", {}, ...rows));
  }
}
