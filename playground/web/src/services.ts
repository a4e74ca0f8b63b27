// What services answer: the form for an answer, and the store as lines of text.

import { get, setText, visible } from "./dom";
import type { Answer, Request, Store } from "./protocol";
import { keyOf, serviceOf } from "./story";

type Kind = "http" | "sql" | "run";

/** Which requests take an answer from whoever makes the call. */
export function takesAnswer(request: Request): boolean {
  return kindOf(request) !== null;
}

function kindOf({ function: asked }: Request): Kind | null {
  const kind = asked.split("_")[0];
  return kind === "http" || kind === "sql" || kind === "run" ? kind : null;
}

const same = (one: Request, other: Request) => keyOf(one) === keyOf(other);

const answersTo = (answers: Answer[], request: Request) => answers.filter((given) => same(given.request, request));
const others = (answers: Answer[], request: Request) => answers.filter((given) => !same(given.request, request));

/** What the field of the answer holds, by the function: what it is called, and what it holds at first. */
function bodyOf(request: Request): { label: string; first: string } {
  switch (request.function) {
    case "sql_run":
      return { label: "Rows that are changed", first: "1" };
    case "sql_value":
      return { label: "The value, as JSON", first: "1" };
    case "sql_row":
    case "sql_rows":
      return { label: "Rows, as JSON", first: `[${JSON.stringify(columns(String(request.arguments["text"] ?? "")))}]` };
    case "run_program":
      return { label: "What it writes", first: "" };
    default:
      return { label: "Body: a text, or JSON", first: "{}" };
  }
}

/** Guesses the columns of a statement. */
function columns(statement: string): Record<string, string> {
  const list = /^\s*select\s+(.*?)\s+from\s/is.exec(statement)?.[1] ?? "";
  const names = list.split(",").map((column) => /(\w+)\s*$/.exec(column)?.[1] ?? "");
  return Object.fromEntries(names.filter(Boolean).map((name) => [name, ""]));
}

/** The form in which somebody gives the answer to a request. */
export class AnswerForm {
  readonly #dialog = get<HTMLDialogElement>("answer-dialog");
  readonly #how = get<HTMLSelectElement>("answer-how");
  readonly #status = get<HTMLInputElement>("answer-status");
  readonly #body = get<HTMLTextAreaElement>("answer-body");
  readonly #message = get<HTMLInputElement>("answer-message");
  #asked: { request: Request; before: number; answers: Answer[] } | null = null;

  /** `change` takes the answers to all requests. */
  constructor(change: (answers: Answer[]) => void) {
    this.#how.addEventListener("change", () => this.#fit());
    this.#body.addEventListener("input", () => this.#body.setCustomValidity(""));
    get("answer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const asked = this.#asked;
      const answer = asked && this.#read(asked.request);
      if (!asked || answer === undefined) {
        this.#body.reportValidity();
        return;
      }
      this.#dialog.close();
      const { request, before, answers } = asked;
      const own = answersTo(answers, request);
      // The last answer is that of all further requests. From here on, it is another one.
      const kept = own.length === 0 ? [] : Array.from({ length: before }, (_, at) => own[at] ?? own.at(-1));
      const after = own.slice(kept.length + 1);
      change([...others(answers, request), ...kept.filter((one) => one !== undefined), { request, answer }, ...after]);
    });
    get("answer-remove").addEventListener("click", () => {
      this.#dialog.close();
      if (this.#asked) change(others(this.#asked.answers, this.#asked.request));
    });
    get("answer-cancel").addEventListener("click", () => this.#dialog.close());
  }

  /** Shows the form for a request, with the answer that was given; so many of the same came before. */
  open(request: Request, asked: string, before: number, answers: Answer[]): void {
    this.#asked = { request, before, answers };
    const own = answersTo(answers, request);
    const given = own[before] ?? own.at(-1);
    const { label, first } = bodyOf(request);
    setText(get("answer-title"), visible(`What ${serviceOf(request)} answers`));
    setText(get("answer-asked"), visible(asked));
    setText(get("answer-label"), label);
    const answer = given?.answer;
    const { kind, message, status, body, output } = isMap(answer) ? answer : {};
    const failed = typeof kind === "string" && typeof message === "string";
    this.#how.value = failed ? kind : "answers";
    this.#message.value = failed ? message : "it can't be reached";
    this.#status.value = String(status ?? (kindOf(request) === "http" ? 200 : 0));
    const held = kindOf(request) === "http" ? body : kindOf(request) === "run" ? (output ?? answer) : answer;
    this.#body.value = held === undefined || failed ? first : shown(held, kindOf(request) === "sql");
    this.#body.setCustomValidity("");
    get("answer-remove").hidden = given === undefined;
    this.#fit();
    this.#dialog.showModal();
    this.#body.focus();
  }

  #fit(): void {
    const answers = this.#how.value === "answers";
    const isSql = this.#asked !== null && kindOf(this.#asked.request) === "sql";
    get("answer-status-field").hidden = !answers || isSql;
    get("answer-body-field").hidden = !answers;
    get("answer-message-field").hidden = answers;
    this.#body.setCustomValidity("");
  }

  /** Returns the answer as a test gives it; undefined if it can't be one, which its field says. */
  #read(request: Request): unknown {
    if (this.#how.value !== "answers") return { kind: this.#how.value, message: this.#message.value };
    const typed = this.#body.value;
    const status = Number(this.#status.value);
    switch (kindOf(request)) {
      case "http":
        return { status, body: json(typed) ?? typed };
      case "run":
        return { status, output: typed };
      default: {
        const value = json(typed);
        const problem =
          value === undefined
            ? "This is no JSON"
            : request.function === "sql_run" && !Number.isInteger(value)
              ? "A whole number"
              : request.function !== "sql_run" && request.function !== "sql_value" && !isRows(value)
                ? 'A list of rows, such as [{ "name": "Ann" }]'
                : "";
        this.#body.setCustomValidity(problem);
        return problem === "" ? value : undefined;
      }
    }
  }
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isRows = (value: unknown) => Array.isArray(value) && value.every(isMap);

/** Reads JSON: undefined if it is none. */
function json(typed: string): unknown {
  try {
    return JSON.parse(typed) as unknown;
  } catch {
    return undefined;
  }
}

/** Writes a value as it is typed: a text without quotes, unless it would be read as something else. */
function shown(value: unknown, always = false): string {
  if (typeof value === "string" && !always && json(value) === undefined) return value;
  return JSON.stringify(value, null, typeof value === "object" ? 1 : 0);
}

// The store as lines, such as `visits = 3`.

function pair(line: string): [string, string] {
  const at = line.indexOf("=");
  if (at < 1) throw new Error(`\`${line.trim()}\` is no line such as \`name = value\``);
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

/** Returns the store as lines: `visits = 3`, `board league: Ann = 35`. */
export function storeText(store: Store | null): string {
  const values = Object.entries(store?.values ?? {}).map(
    ([key, value]) => `${key} = ${shown(value).replaceAll(/\n\s*/g, " ")}`,
  );
  const boards = Object.entries(store?.boards ?? {}).flatMap(([board, entries]) =>
    entries.map(({ name, score }) => `board ${board}: ${String(name)} = ${String(score)}`),
  );
  return [...values, ...boards].join("\n");
}

/** Reads the lines of a store. The error names the first line that is none. */
export function storeIn(lines: string): Store | null {
  const store: Store = { values: {}, boards: {} };
  for (const line of lines.split("\n").filter((line) => line.trim() !== "")) {
    const [, board, entry] = /^\s*board\s+([^:]+):(.*)$/.exec(line) ?? [];
    const [key, typed] = pair(entry ?? line);
    if (board === undefined) {
      store.values[key] = json(typed) ?? typed;
    } else {
      const score = Number(typed);
      if (typed === "" || !Number.isFinite(score)) throw new Error(`\`${line.trim()}\`: a score is a number`);
      (store.boards[board.trim()] ??= []).push({ name: key, score });
    }
  }
  return Object.keys(store.values).length + Object.keys(store.boards).length > 0 ? store : null;
}
