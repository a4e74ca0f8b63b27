// The form of the call: who calls, and what there is before. The options are those of `place_call` in tests.

import { el } from "./dom";
import type { CallOptions, Seed } from "./protocol";

type Kind = "text" | "time" | "number" | "list" | "map" | "word";

interface Row {
  name: keyof CallOptions;
  label: string;
  kind: Kind;
  hint?: string;
  /** The values there are. */
  words?: string[];
  /** Whether it is among those that are rarely needed. */
  rare?: boolean;
}

const ROWS: Row[] = [
  { name: "callerid", label: "Caller id", kind: "text", hint: "100, or withheld" },
  { name: "name", label: "Caller’s name", kind: "text" },
  { name: "extension", label: "Extension", kind: "text", hint: "s" },
  { name: "args", label: "Arguments", kind: "list", hint: "gold, 42" },
  { name: "language", label: "Language", kind: "text", hint: "en" },
  { name: "time", label: "Begins at", kind: "time" },
  { name: "variables", label: "Variables of the channel", kind: "map", hint: "LEVEL=3\nCALLERID(name)=Ada" },
  { name: "database", label: "AstDB", kind: "map", hint: "coin/200=heads" },
  { name: "params", label: "Parameters of the address", kind: "map", hint: "level=3", rare: true },
  { name: "missing", label: "Sounds that are missing", kind: "list", hint: "coin-won", rare: true },
  { name: "context", label: "Context", kind: "text", hint: "default", rare: true },
  { name: "dnid", label: "Number that was dialled", kind: "text", rare: true },
  { name: "zone", label: "Time zone of the server", kind: "text", hint: "UTC", rare: true },
  { name: "state", label: "Channel", kind: "word", words: ["ring", "up"], rare: true },
  { name: "voice", label: "A recording hears", kind: "word", words: ["speaks", "silent", "absent"], rare: true },
  { name: "dial_status", label: "A dial ends with", kind: "list", hint: "BUSY, ANSWER", rare: true },
  { name: "ring_seconds", label: "A dial rings, seconds", kind: "number", hint: "0", rare: true },
  { name: "dial_seconds", label: "A dial lasts, seconds", kind: "number", hint: "0", rare: true },
  { name: "gone_at", label: "Gone at command", kind: "number", rare: true },
];

type Value = string | number | string[] | Record<string, string>;

/** Reads a seed: null if it is none. */
export function asSeed(value: unknown): Seed | null {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : null;
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value) || BigInt(value) >= 2n ** 64n) return null;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Reads the options of a call that somebody else may have written. */
export function options(value: unknown): CallOptions {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const read: Record<string, Value> = {};
  for (const { name, kind } of ROWS) {
    const option = given[name];
    if (kind === "list" && typeof option === "string") read[name] = [option];
    else if (kind === "list" && Array.isArray(option)) read[name] = option.filter((item) => typeof item === "string");
    else if (kind === "map" && typeof option === "object" && option !== null && !Array.isArray(option)) {
      const entries = Object.entries(option as Record<string, unknown>);
      read[name] = Object.fromEntries(entries.map(([key, item]) => [key, String(item)]));
    } else if (kind === "number" && typeof option === "number") read[name] = option;
    else if (!["list", "map", "number"].includes(kind) && typeof option === "string") read[name] = option;
  }
  return read;
}

function shown({ kind, name }: Row, value: Value | undefined): string {
  if (value === undefined) return "";
  if (name === "callerid" && value === "") return "withheld";
  if (kind === "list") return (value as string[]).join(", ");
  if (kind === "map")
    return Object.entries(value)
      .map(([key, item]) => `${key}=${item}`)
      .join("\n");
  return kind === "time" ? String(value).replace(" ", "T") : String(value);
}

function given({ kind, name }: Row, text: string): Value | undefined {
  // A caller who withholds the number: the option is there, and empty.
  if (name === "callerid" && text.toLowerCase() === "withheld") return "";
  if (text === "") return undefined;
  switch (kind) {
    case "list":
      return text.split(",").map((item) => item.trim());
    case "map":
      return Object.fromEntries(
        text.split("\n").flatMap((line) => {
          const at = line.indexOf("=");
          return at > 0 ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()]] : [];
        }),
      );
    case "number":
      return Number.isFinite(Number(text)) ? Number(text) : undefined;
    case "time":
      return text.replace("T", " ");
    default:
      return text;
  }
}

/** The form. */
export class Setup {
  readonly #fields = new Map<string, HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>();
  readonly #seed = el("input", { id: "set-seed", inputmode: "numeric", pattern: "\\d*" });
  #opened: HTMLDetailsElement | null = null;

  constructor(form: HTMLElement, changed: (call: CallOptions, seed: Seed | null) => void) {
    const rare = el("div", { class: "fields" });
    for (const row of ROWS) {
      const field = this.#field(row);
      this.#fields.set(row.name, field);
      const label = el("label", { class: row.kind === "map" ? "wide" : null }, row.label, " ", field);
      if (row.kind === "map") field.addEventListener("input", () => check(field as HTMLTextAreaElement));
      (row.rare ? rare : form).append(label);
    }
    this.#opened = el("details", { class: "wide" }, el("summary", {}, "More"), rare);
    form.append(el("label", {}, "Seed of chance ", this.#seed), this.#opened);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => changed(this.#read(), this.#seedGiven()));
  }

  #field({ kind, name, hint, words }: Row) {
    const id = `set-${name}`;
    if (kind === "word") {
      return el(
        "select",
        { id },
        el("option", { value: "" }, `as usual`),
        ...words!.map((word) => el("option", {}, word)),
      );
    }
    if (kind === "map") return el("textarea", { id, rows: 2, placeholder: hint, spellcheck: "false" });
    if (kind === "time") return el("input", { id, type: "datetime-local" });
    return el("input", { id, placeholder: hint, inputmode: kind === "number" ? "numeric" : null });
  }

  #read(): CallOptions {
    const call: Record<string, Value> = {};
    for (const row of ROWS) {
      const value = given(row, this.#fields.get(row.name)!.value.trim());
      if (value !== undefined) call[row.name] = value;
    }
    return call;
  }

  #seedGiven(): Seed | null {
    return asSeed(this.#seed.value.trim());
  }

  /** Shows these options. */
  fill(call: CallOptions, seed: Seed): void {
    for (const row of ROWS) {
      const field = this.#fields.get(row.name)!;
      field.value = shown(row, call[row.name]);
      if (row.kind === "map") check(field as HTMLTextAreaElement);
    }
    this.#seed.value = String(seed);
    if (ROWS.some(({ name, rare }) => rare && call[name] !== undefined)) this.#opened!.open = true;
  }
}

/** Says which line isn't a name and a value. */
function check(field: HTMLTextAreaElement): void {
  const lines = field.value.split("\n");
  const wrong = lines.findIndex((line) => line.trim() !== "" && line.indexOf("=") < 1);
  const is = field.id === "set-database" ? "family/key=value" : "name=value";
  field.setCustomValidity(wrong < 0 ? "" : `Line ${wrong + 1} must be ${is}`);
  field.setAttribute("aria-invalid", String(wrong >= 0));
  field.title = wrong < 0 ? "" : field.validationMessage;
}
