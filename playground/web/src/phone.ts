// The phone: what is said, what is listened for, the keypad, and the transcript.

import type { Call } from "./call";
import { clock, el, get, keep, setText, visible } from "./dom";
import { takesAnswer } from "./services";
import { type Difference, FATES, type Line, type Story, stretchAt } from "./story";

const LETTERS: Record<string, string> = {
  2: "abc",
  3: "def",
  4: "ghi",
  5: "jkl",
  6: "mno",
  7: "pqrs",
  8: "tuv",
  9: "wxyz",
};
const NAMES: Record<string, string> = { "*": "star", "#": "pound" };

/** What does something of its own when space is pressed. */
const TAKES_SPACE = "button, input, summary, a[href]";

export class Phone {
  readonly #call: Call;
  readonly #keys = new Map<string, HTMLButtonElement>();
  readonly #said = get("said");
  readonly #sound = get("sound");
  readonly #hears = get("hears");
  readonly #clock = get("clock");
  readonly #pressed = get("pressed");
  readonly #transcript = get("transcript");
  readonly #callButton = get<HTMLButtonElement>("call");
  readonly #hangUp = get<HTMLButtonElement>("hang-up");
  readonly #pause = get<HTMLButtonElement>("pause");
  readonly #skip = get<HTMLButtonElement>("skip");
  readonly #progress = get("progress");
  readonly #speaks = get("speaks");
  readonly #words = get<HTMLInputElement>("words");
  /** Where a line was said, when it is gone to. */
  onSeek: (at: number) => void = () => {};
  /** A service is to answer something, or something else. */
  onAnswer: (line: Line) => void = () => {};
  #follows = true;
  #shown: { story: Story | null; difference: Difference | null; count: number } = {
    story: null,
    difference: null,
    count: -1,
  };

  constructor(call: Call) {
    this.#call = call;
    for (const key of "123A456B789C*0#D") {
      const name = NAMES[key] ?? key;
      const button = el("button", { type: "button", class: "key", "aria-label": name, "data-digit": key });
      button.classList.toggle("letter", key >= "A");
      button.append(el("b", { "data-letters": LETTERS[key] ?? "" }, key));
      button.addEventListener("pointerdown", (event) => {
        if (event.button === 0) this.press(key);
      });
      // From the keyboard, or a screen reader.
      button.addEventListener("click", (event) => {
        if (event.detail === 0) this.press(key);
      });
      this.#keys.set(key, button);
      get("keypad").append(button);
    }
    const letters = get<HTMLInputElement>("letters");
    letters.addEventListener("change", () => get("keypad").classList.toggle("has-letters", letters.checked));
    this.#speaks.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#words.value.trim();
      if (text === "" || !call.speak(text)) return;
      this.#words.value = "";
    });
    this.#words.addEventListener("blur", () => this.move());
    this.#callButton.addEventListener("click", () => call.begin());
    this.#hangUp.addEventListener("click", () => call.hangUp());
    this.#pause.addEventListener("click", () => (call.phase === "running" ? call.pause() : call.resume()));
    this.#skip.addEventListener("click", () => call.skip());
    for (const pace of ["real", "fast"] as const) {
      get<HTMLInputElement>(`pace-${pace}`).addEventListener("change", () => call.setPace(pace));
    }
    this.#transcript.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.#transcript;
      this.#follows = scrollTop + clientHeight > scrollHeight - 24;
    });
    document.addEventListener("keydown", (event) => this.#typed(event));
  }

  press(key: string): void {
    const button = this.#keys.get(key);
    if (!button) return;
    const taken = this.#call.press(key);
    button.classList.remove("is-pressed", "is-refused");
    // So that the animation begins anew.
    void button.offsetWidth;
    button.classList.add(taken ? "is-pressed" : "is-refused");
  }

  /** Keys of the keyboard are keys of the phone, except where one writes. */
  #typed(event: KeyboardEvent): void {
    if (event.altKey || event.defaultPrevented) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "Enter") this.#call.begin();
      return;
    }
    const path = event.composedPath();
    const writes = path.some(
      (target) =>
        target instanceof HTMLElement &&
        (target.isContentEditable ||
          ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) ||
          target.tagName === "DIALOG") &&
        !(target instanceof HTMLInputElement && target.type === "radio"),
    );
    if (writes) return;
    if (this.#keys.has(event.key)) {
      event.preventDefault();
      if (!event.repeat) this.press(event.key);
    } else if (event.key === "Escape" && this.#call.phase !== "idle") {
      this.#call.hangUp();
    } else if (event.key === " " && !path.some((target) => target instanceof Element && target.matches(TAKES_SPACE))) {
      event.preventDefault();
      if (this.#call.phase === "running") this.#call.pause();
      else this.#call.resume();
    }
  }

  /** Draws what changes with a call. */
  draw(): void {
    const { phase, story, problem, pace } = this.#call;
    document.body.dataset["phase"] = phase;
    const live = phase === "running" || phase === "paused";
    setText(this.#callButton, phase === "idle" ? "Call" : "Call again");
    this.#hangUp.disabled = !live;
    this.#pause.disabled = !live || (pace === "fast" && phase === "running");
    setText(this.#pause, phase === "paused" ? "Go on" : "Pause");
    this.#skip.disabled = !live;
    get<HTMLInputElement>(`pace-${pace}`).checked = true;
    const box = get("problem");
    box.hidden = !problem;
    if (problem) {
      const place = problem.line === null ? "" : `${problem.script}, line ${problem.line}: `;
      setText(box, visible(`${place}${problem.text}${story ? ". The call goes on with the text before." : ""}`));
    }
    const difference = get("changed");
    difference.hidden = this.#call.difference === null || problem !== null;
    if (this.#call.difference !== null)
      setText(difference, `The edit makes a difference from ${clock(this.#call.difference.at)} on.`);
    this.move();
  }

  /** Draws what changes with time. */
  move(): void {
    const { position, story, phase } = this.#call;
    setText(this.#clock, clock(position));
    const stretch = story ? stretchAt(story, position) : null;
    const over = story !== null && story.over && position >= story.length;
    const past = story?.lines.filter(({ at }) => at <= position) ?? [];
    const last = past.findLast(({ who }) => who === "phone");
    const ended = phase === "ended" || over;
    if (phase === "idle") setText(this.#said, "");
    else setText(this.#said, visible(stretch?.kind === "says" ? stretch.words : (last?.text ?? "")));
    this.#said.classList.toggle("is-past", stretch?.kind !== "says");
    const name = stretch?.kind === "says" && stretch.words !== stretch.name ? stretch.name : "";
    setText(this.#sound, visible(name));
    const part =
      stretch?.kind === "says" && stretch.to > stretch.from
        ? (position - stretch.from) / (stretch.full ?? stretch.to - stretch.from)
        : 0;
    this.#progress.style.transform = `scaleX(${Math.min(1, part)})`;
    const keys = stretch?.keys ?? null;
    // Somebody who writes is not interrupted: the keyboard would be the phone's in the middle of a word.
    const writes = document.activeElement === this.#words || this.#words.value !== "";
    this.#speaks.hidden = ended || phase === "idle" || !(stretch?.speech || writes);
    setText(this.#hears, this.#hearing(ended, keys, stretch?.speech ?? false));
    document.body.dataset["hears"] = (keys === null && !stretch?.speech) || ended ? "no" : "yes";
    for (const [key, button] of this.#keys) {
      button.classList.toggle("is-heard", !ended && keys !== null && (keys === "" || keys.includes(key)));
    }
    const pressed = past.findLast(({ who }) => who === "caller");
    const key = pressed && pressed.text.length === 1 && position - pressed.at < 2500 ? pressed : null;
    setText(this.#pressed, key ? `${key.text}${key.note ? `: ${key.note}` : ""}` : "");
    this.#pressed.classList.toggle("is-lost", key?.note === FATES.dropped || key?.note === FATES.ignored);
    this.#lines(past);
  }

  #hearing(ended: boolean, keys: string | null, speech: boolean): string {
    if (this.#call.phase === "idle") return "Not in a call";
    if (ended) return "The call is over";
    if (!this.#call.story) return "Ringing …";
    if (keys === null) return speech ? "Listens for speech" : "No key is heard now";
    const which = keys === "" ? "any key" : [...keys].join(" ");
    return `Listens for ${which}${speech ? ", or speech" : ""}`;
  }

  #lines(past: Line[]): void {
    const { difference, story } = this.#call;
    const shown = { story, difference, count: past.length };
    const { story: before, difference: mark, count: had } = this.#shown;
    if (before === story && mark === difference && had === shown.count) return;
    this.#shown = shown;
    const key = ({ at, event, who, text, note }: Line) =>
      `${at} ${who} ${text} ${note} ${difference !== null && event >= difference.event ? "new" : ""}`;
    const count = this.#transcript.childElementCount;
    const first = past.findIndex(({ event }) => difference !== null && event >= difference.event);
    keep(
      this.#transcript,
      past,
      (line) => key(line) + (past[first] === line ? " first" : ""),
      (line) => {
        const { at, event, who, text, note } = line;
        const changed = difference !== null && event >= difference.event;
        const button = el("button", { type: "button", class: "at", "aria-label": `Go to ${clock(at)}` }, clock(at));
        button.addEventListener("click", () => this.onSeek(at));
        const words = el("span", { class: "words" }, visible(text));
        const item = el(
          "li",
          { class: `by-${who}${changed ? " is-new" : ""}${past[first] === line ? " is-first" : ""}` },
          button,
          words,
        );
        if (who === "caller" && note !== "" && text.length === 1) item.classList.add("is-lost");
        if (note !== "") item.append(el("small", {}, visible(note)));
        if (line.request && takesAnswer(line.request)) {
          const answer = el("button", { type: "button", class: "answer" }, line.lacks ? "Answer …" : "Change …");
          answer.addEventListener("click", () => this.onAnswer(line));
          item.append(answer);
        }
        return item;
      },
    );
    if (this.#follows && this.#transcript.childElementCount !== count)
      this.#transcript.scrollTop = this.#transcript.scrollHeight;
  }
}
