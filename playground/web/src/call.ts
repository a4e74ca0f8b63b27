// A call in progress. It is run again from its start whenever something changes, with all that the caller did.

import { type Client, NoAnswer } from "./client";
import type { Act, CallOptions, Files, Played, PlayRequest, Seed, Services } from "./protocol";
import { type Difference, type Story, firstDifference, nextTurn, stretchAt, tell } from "./story";
import { type Place, Turns, momentOf, placeOf } from "./turns";

/** How far a call is run beyond its moment, in milliseconds. */
const HORIZON = 60_000;
/** A call never goes further than this. */
const LONGEST = 3_600_000;
/** How long a caller takes to answer when the call runs as fast as it goes. */
const REACTION = 300;
/** Two keys are never pressed in the same moment. */
const BETWEEN = 20;
/** How far apart keys are that are given together. */
const TOGETHER = 100;

/** What is called, and how. */
export interface Setup {
  files: Files;
  script: string;
  seed: Seed;
  call: CallOptions;
  services: Services;
}

export type Pace = "real" | "fast";

/** What the phone does: there is no call yet, it runs, it is stopped in time, it is over. */
export type Phase = "idle" | "running" | "paused" | "ended";

export class Call {
  phase: Phase = "idle";
  pace: Pace = "real";
  /** The moment at which the caller is. */
  position = 0;
  played: Played | null = null;
  story: Story | null = null;
  /** Why the text of the script can't be called now. The call goes on with the last one that could. */
  problem: { text: string; line: number | null; script: string } | null = null;
  /** When the text first makes a difference to the call as it was before it was edited. */
  difference: Difference | null = null;

  readonly #client: Client;
  readonly #setup: () => Setup;
  readonly #changed: (isAnswer?: boolean) => void;
  /** What the caller did: one key each, from where it belongs once that is known, so that an edit leaves it there. */
  #acts: { act: Act; place: Place | null; happens: boolean }[] = [];
  /** Whether there was an edit: until then, everything is done at the moment at which it was done. */
  #isEdited = false;
  /** Where the caller is while the script is edited. */
  #place: Place | null = null;
  #before: Played | null = null;
  #dropBefore = false;
  #asking = 0;
  #until = 0;
  /** In the fast pace: to the first turn of the caller from this moment. */
  #skipFrom: number | null = null;
  #last = 0;

  constructor(client: Client, setup: () => Setup, changed: (isAnswer?: boolean) => void) {
    this.#client = client;
    this.#setup = setup;
    this.#changed = changed;
  }

  /** What the caller does in this call, at its moments. */
  get acts(): Act[] {
    return this.#acts.filter(({ happens }) => happens).map(({ act }) => act);
  }

  /** Calls, from the beginning. */
  begin(): void {
    this.#acts = [];
    this.#isEdited = false;
    this.position = 0;
    this.phase = "running";
    this.played = this.story = this.problem = null;
    this.#forget();
    this.#skipFrom = this.pace === "fast" ? 0 : null;
    this.#run();
  }

  /** Shows a call that was made elsewhere, at this moment. */
  show(acts: Act[], position: number): void {
    const single = acts.flatMap((act) =>
      [...(act.keys ?? " ")].map((key, index) =>
        act.keys === undefined ? { ...act } : { at: act.at + index * TOGETHER, keys: key },
      ),
    );
    single.sort((one, other) => one.at - other.at);
    this.#isEdited = false;
    this.#acts = single.map((act) => ({ act, place: null, happens: true }));
    this.position = position;
    this.phase = "paused";
    this.#forget();
    this.#run();
  }

  /** There is no call any more. */
  drop(): void {
    this.#client.cancel();
    this.phase = "idle";
    this.position = 0;
    this.#acts = [];
    this.played = this.story = this.problem = null;
    this.#forget();
    this.#changed();
  }

  /** Presses a key now. What was done later is undone. */
  press(key: string): boolean {
    return this.#act({ at: this.position, keys: key });
  }

  /** Says something now. */
  speak(text: string): boolean {
    return this.#act({ at: this.position, says: text });
  }

  hangUp(): boolean {
    return this.#act({ at: this.position, hangs_up: true });
  }

  #act(act: Act): boolean {
    if (this.phase === "idle" || this.phase === "ended" || (this.story?.over && this.position >= this.story.length)) {
      return false;
    }
    this.#acts = this.#acts.filter(({ act, happens }) => happens && act.at <= this.position);
    const last = this.#acts.at(-1)?.act;
    act.at = Math.floor(Math.max(this.position, last ? last.at + BETWEEN : 0));
    this.#acts.push({ act, place: null, happens: true });
    this.position = act.at;
    this.phase = "running";
    this.#forget();
    this.#skipFrom = this.pace === "fast" ? act.at : null;
    this.#run();
    return true;
  }

  /** Goes to a moment, and stays there. */
  seek(at: number): void {
    if (!this.story || this.phase === "idle") return;
    this.position = Math.max(0, Math.min(at, this.story.length));
    this.#place = null;
    this.phase = "paused";
    this.#skipFrom = null;
    this.#further();
    this.#changed();
  }

  pause(): void {
    if (this.phase !== "running") return;
    this.phase = "paused";
    this.#changed();
  }

  /** Goes on from this moment. */
  resume(): void {
    if (this.phase !== "paused") return;
    if (this.story?.over && this.position >= this.story.length) return;
    this.phase = "running";
    if (this.pace === "fast") this.skip();
    this.#changed();
  }

  /** Lets the time pass until the caller is listened to in silence. */
  skip(): void {
    if (this.phase === "idle" || this.phase === "ended") return;
    this.phase = "running";
    // What is listened to now is over by then.
    const now = this.story && stretchAt(this.story, this.position);
    this.#skipFrom = now?.kind === "listens" ? now.to : this.position;
    this.#skip();
    this.#changed();
  }

  setPace(pace: Pace): void {
    this.pace = pace;
    if (pace === "fast" && this.phase === "running") {
      this.#skipFrom = this.position;
      this.#skip();
    }
    this.#changed();
  }

  /** The script, or the set-up of the call, is another one: the same keys go through it. */
  edited(): void {
    if (this.phase === "idle") return;
    this.#isEdited = true;
    if (!this.#place && this.played && this.#asking === 0) this.#place = placeOf(this.played.events, this.position);
    if (!this.#before) this.#before = this.played;
    this.#dropBefore = false;
    this.#run();
  }

  /** Time passes. Returns whether it did. */
  tick(now: number): boolean {
    // A page in the background gets no ticks: the call waits for it.
    const passed = Math.min(now - this.#last, 250);
    this.#last = now;
    if (this.phase !== "running" || this.pace === "fast" || !this.story) return false;
    this.position = Math.min(this.position + passed, this.story.length);
    if (this.#asking === 0) this.#place = null;
    else if (this.#place) this.#place.after += passed;
    this.#further();
    if (this.#isOver()) {
      this.phase = "ended";
      this.#changed();
    }
    return true;
  }

  /** Returns what a request to the module says of this call. */
  request(until: number): PlayRequest {
    const acts = this.#acts.map(({ act, place }) =>
      place && this.#isEdited ? { ...act, ...place.turn, at: place.after } : act,
    );
    return { ...this.#setup(), acts, until };
  }

  /** Looks when the caller did what, and to which turn it belongs. */
  #follow({ events }: Played): void {
    const turns = new Turns();
    const left = this.#acts.values();
    for (const event of events) {
      turns.take(event);
      if (event.is !== "key" && event.is !== "says" && event.is !== "hangs_up") continue;
      const { value: done } = left.next();
      if (!done) break;
      if (this.#isEdited) done.act.at = event.at;
      done.happens = true;
      done.place ??= turns.place(event.at);
    }
    for (const missing of left) missing.happens = false;
  }

  #isOver(): boolean {
    return Boolean(this.story?.over) && this.position >= (this.story?.length ?? 0);
  }

  /** What was there before an edit is compared with no longer: the caller goes on with the new text. */
  #forget(): void {
    this.difference = null;
    this.#place = null;
    this.#before = null;
    this.#dropBefore = true;
  }

  /** Runs the call further if its horizon comes near. */
  #further(): void {
    if (!this.story || this.story.over || this.#asking > 0 || this.problem) return;
    if (this.position > this.story.length - HORIZON / 2 && this.#until < LONGEST) this.#run();
  }

  #run(horizon = HORIZON): void {
    const last = this.#acts.at(-1)?.act.at ?? 0;
    this.#until = Math.min(Math.floor(Math.max(this.position, last)) + horizon, LONGEST);
    const asked = ++this.#asking;
    this.#client.ask("play", this.request(this.#until), "play").then(
      (played) => {
        if (asked === this.#asking) this.#has(played);
      },
      (error: unknown) => {
        if (asked !== this.#asking || (error instanceof NoAnswer && error.cancelled)) return;
        this.#asking = 0;
        this.problem = { text: error instanceof Error ? error.message : String(error), line: null, script: "" };
        if (!this.played) this.phase = "ended";
        this.#changed();
      },
    );
    this.#changed();
  }

  #has(played: Played): void {
    this.#asking = 0;
    if (played.began === 0 && played.fault) {
      const { message, line, script } = played.fault;
      this.problem = { text: message, line, script };
      if (!this.played) this.phase = "ended";
      this.#changed(true);
      return;
    }
    this.problem = null;
    this.played = played;
    this.story = tell(played);
    this.#follow(played);
    if (this.#place) {
      // It is kept until the caller goes on: the next edit may lead back to it.
      this.position = Math.min(momentOf(played.events, this.#place) ?? this.position, this.story.length);
    }
    if (this.#dropBefore) this.#before = null;
    this.difference = this.#before ? firstDifference(this.#before, played) : null;
    if (this.phase === "ended" && !this.#isOver()) {
      // An edit has made the call longer: it goes on.
      this.phase = "running";
      if (this.pace === "fast") this.#skipFrom = this.position;
    }
    this.#skip();
    if (this.story.over) {
      if (this.phase === "running" && this.position >= this.story.length) this.phase = "ended";
      this.position = Math.min(this.position, this.story.length);
    }
    this.#further();
    this.#changed(true);
  }

  #skip(): void {
    if (this.#skipFrom === null || !this.story || this.#asking > 0) return;
    let turn = nextTurn(this.story, this.#skipFrom);
    // Who has spoken waits for what is said to it.
    const last = this.#acts.at(-1)?.act;
    if (last?.says !== undefined && turn !== null && typeof turn !== "number" && turn.from <= last.at) {
      turn = nextTurn(this.story, turn.to);
    }
    if (turn === null) {
      // Nothing within the horizon: further, a few times as far each time.
      if (this.#until < LONGEST) this.#run((this.#until - this.position) * 4);
      return;
    }
    const { from, to } = typeof turn === "number" ? { from: turn, to: turn } : turn;
    const answers = Math.min(Math.max(from, this.#skipFrom) + REACTION, typeof turn === "number" ? to : to - 1);
    this.#skipFrom = this.#place = null;
    this.position = Math.min(answers, this.story.length);
    if (this.#isOver()) this.phase = "ended";
    this.#further();
  }
}
