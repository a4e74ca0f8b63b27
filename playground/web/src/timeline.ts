// The call over time: what is said and listened for, keys, the hangup; and the moment at which the caller is.

import type { Call } from "./call";
import { clock, el, get, keep, visible } from "./dom";
import type { Asked, Mark, Story, Stretch } from "./story";

/** The least width of a second, in pixels. */
const LEAST = 5;
/** What is shown of the time after the caller's moment, in milliseconds. */
const AHEAD = 15_000;

/** Keys that are shown together. */
interface Group {
  at: number;
  keys: string;
  fate: Mark["fate"];
  /** What the mark is, if it isn't keys. */
  says: string | null;
}

export class Timeline {
  readonly #call: Call;
  readonly #scroll = get("timeline-scroll");
  readonly #track = get("timeline-track");
  readonly #says = get("lane-says");
  readonly #listens = get("lane-listens");
  readonly #asks = get("lane-asks");
  readonly #keys = get("lane-keys");
  readonly #ticks = get("lane-ticks");
  readonly #head = get("playhead");
  readonly #future = get("future");
  readonly #difference = get("difference");
  #story: Story | null = null;
  #scale = 0;
  #span = 0;

  constructor(call: Call) {
    this.#call = call;
    this.#track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#track.setPointerCapture(event.pointerId);
      this.#track.focus({ preventScroll: true });
      this.#to(event);
    });
    this.#track.addEventListener("pointermove", (event) => {
      if (this.#track.hasPointerCapture(event.pointerId)) this.#to(event);
    });
    this.#track.addEventListener("keydown", (event) => {
      const steps: Record<string, number> = {
        ArrowLeft: -1000,
        ArrowRight: 1000,
        ArrowDown: -1000,
        ArrowUp: 1000,
        PageDown: -10_000,
        PageUp: 10_000,
      };
      const step = steps[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (step !== undefined) call.seek(call.position + step);
      else if (event.key === "Home") call.seek(0);
      else if (event.key === "End") call.seek(this.#end());
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.draw()).observe(this.#scroll);
  }

  /** The last moment of interest: the end of the call, or of what was done in it. */
  #end(): number {
    const { story, acts, position } = this.#call;
    if (!story) return 0;
    return story.over ? story.length : Math.max(position, acts.at(-1)?.at ?? 0);
  }

  #to(event: PointerEvent): void {
    if (this.#scale === 0) return;
    const at = (event.clientX - this.#track.getBoundingClientRect().left) / this.#scale;
    this.#call.seek(Math.min(at, this.#span));
  }

  /** Draws all of it. */
  draw(): void {
    const { story, position, acts, difference } = this.#call;
    const width = this.#scroll.clientWidth;
    const shown = story
      ? Math.min(story.length, Math.max(position, acts.at(-1)?.at ?? 0, difference?.at ?? 0) + AHEAD)
      : 0;
    // It grows in steps, so that it doesn't creep while time passes.
    const span = story
      ? Math.max(20_000, story.over && shown === story.length ? shown : Math.ceil(shown / 20_000) * 20_000)
      : 20_000;
    const scale = Math.max((width - 16) / span, LEAST / 1000);
    if (story !== this.#story || scale !== this.#scale || span !== this.#span) {
      const rescaled = scale !== this.#scale;
      this.#story = story;
      this.#scale = scale;
      this.#span = span;
      this.#track.style.width = `${Math.max(width - 16, span * scale)}px`;
      if (rescaled)
        for (const lane of [this.#says, this.#listens, this.#asks, this.#keys, this.#ticks]) lane.replaceChildren();
      const within = (story?.stretches ?? []).filter(({ from }) => from < span);
      const key = ({ kind, from, to, words, keys, speech }: Stretch) =>
        `${kind} ${from} ${to} ${keys} ${speech} ${words}`;
      keep(
        this.#says,
        within.filter(({ kind }) => kind === "says"),
        key,
        (stretch) => this.#bar(stretch, stretch.words),
      );
      keep(
        this.#listens,
        within.filter(({ keys, speech, kind }) => keys !== null || speech || kind === "waits"),
        key,
        (stretch) => this.#bar(stretch, ""),
      );
      keep(this.#asks, this.#requests(story, span), JSON.stringify, (asked) => this.#request(asked));
      keep(this.#keys, this.#groups(story, span), JSON.stringify, (group) => this.#mark(group));
      const step = [1, 2, 5, 10, 20, 30, 60].find((step) => step * 1000 * scale >= 54) ?? 120;
      const ticks = Array.from({ length: Math.floor(span / (step * 1000)) + 1 }, (_, index) => index * step);
      keep(this.#ticks, ticks, String, (second) => {
        const tick = el("span", { class: "tick" }, clock(second * 1000).replace(/\.0$/, ""));
        tick.style.left = `${second * 1000 * scale}px`;
        return tick;
      });
    }
    this.#difference.hidden = difference === null;
    if (difference !== null)
      this.#difference.style.transform = `translateX(${Math.min(difference.at, span) * scale}px)`;
    this.move();
  }

  /** Draws the moment. */
  move(): void {
    const { story, position, phase } = this.#call;
    if (position + AHEAD / 3 > this.#span && this.#span < (story?.length ?? 0)) {
      this.draw();
      return;
    }
    const x = position * this.#scale;
    this.#head.style.transform = `translateX(${x}px)`;
    this.#head.hidden = phase === "idle";
    this.#future.style.transform = `translateX(${x}px)`;
    const end = this.#end();
    const { ariaValueMax, ariaValueNow } = this.#track;
    const [max, now] = [String(Math.round(end / 1000)), String(Math.round(position / 1000))];
    if (ariaValueMax !== max) this.#track.ariaValueMax = max;
    if (ariaValueNow !== now) {
      this.#track.ariaValueNow = now;
      this.#track.ariaValueText = `${clock(position)} of ${clock(end)}`;
    }
    const { scrollLeft, clientWidth } = this.#scroll;
    if (phase === "running" && (x < scrollLeft || x > scrollLeft + clientWidth - 60)) {
      this.#scroll.scrollLeft = x - clientWidth / 3;
    }
  }

  #bar(stretch: Stretch, text: string): HTMLElement {
    const { kind, from, to, keys, speech } = stretch;
    const bar = el("span", { class: `bar ${kind === "says" && text === "" ? "during" : kind}` }, visible(text));
    const heard = keys === null ? (speech ? "speech" : "nothing") : `${keys || "any key"}${speech ? " or speech" : ""}`;
    bar.title = visible(`${clock(from)} ${text || (kind === "waits" ? "nothing is heard" : `listens for ${heard}`)}`);
    bar.style.left = `${from * this.#scale}px`;
    bar.style.width = `${Math.max(2, (Math.min(to, this.#span) - from) * this.#scale - 1)}px`;
    return bar;
  }

  /** Puts requests to services together that would cover each other. */
  #requests(story: Story | null, span: number): (Asked & { count: number })[] {
    const shown: (Asked & { count: number })[] = [];
    for (const asked of story?.asked ?? []) {
      if (asked.at >= span) break;
      const last = shown.at(-1);
      const isNear = last && (asked.at - last.at) * this.#scale < 24 + 7 * last.service.length;
      if (last && isNear) Object.assign(last, { count: last.count + 1, failed: last.failed || asked.failed });
      else shown.push({ ...asked, count: 1 });
    }
    return shown;
  }

  #request({ at, service, failed, count }: Asked & { count: number }): HTMLElement {
    const name = visible(service) + (count > 1 ? ` +${count - 1}` : "");
    const chip = el("span", { class: failed ? "ask failed" : "ask" }, name);
    chip.title = `${clock(at)} asks ${name}${failed ? ", which fails" : ""}`;
    chip.style.left = `${at * this.#scale}px`;
    return chip;
  }

  /** Puts keys together that would cover each other. */
  #groups(story: Story | null, span: number): Group[] {
    const groups: Group[] = [];
    for (const { at, key, says, fate } of story?.marks ?? []) {
      if (at >= span) break;
      const last = groups.at(-1);
      const isNear = last && (at - last.at) * this.#scale < 8 + 9 * last.keys.length;
      if (last && isNear && last.fate === fate && key !== null && last.says === null) last.keys += key;
      else groups.push({ at, keys: key ?? "", fate, says: key === null ? (says ?? "") : null });
    }
    return groups;
  }

  #mark({ at, keys, fate, says }: Group): HTMLElement {
    const hangsUp = says === "";
    const what = hangsUp ? "hangs up" : says === null ? keys : `“${visible(says)}”`;
    const mark = el("span", { class: `mark ${hangsUp ? "hangup" : fate}` }, what);
    mark.title = `${clock(at)} ${what}${fate === "heard" ? "" : ", not heard"}`;
    mark.style.left = `${at * this.#scale}px`;
    return mark;
  }
}
