// What is heard, in step with the call: recordings, tones, and the browser's voice where there is no recording.

import { decode } from "./decode";
import type { Sounds } from "./sounds";
import type { Story, Stretch } from "./story";
import { canSpeak, hush, speak } from "./voice";

/** How far the sound may be from the moment of the call, in seconds, before it is put right. */
const SLACK = 0.2;
/** How far ahead files are fetched, in milliseconds. */
const AHEAD = 40_000;
/** How long a sound takes to fall silent: a cut would click. In seconds. */
const RELEASE = 0.008;
/** How long music on hold is played at most, in seconds. */
const LONGEST_MUSIC = 600;
/** The pitches of the tone of Asterisk's beep, and of the chords that stand in for music on hold. */
const BEEP = 1000;
const CHORDS = [
  [262, 330, 392],
  [220, 262, 330],
  [175, 220, 262],
  [196, 247, 294],
];

/** How a stretch of the call is heard. */
export type How = "recording" | "tone" | "voice" | "nothing";

interface Heard {
  stretch: Stretch;
  /** The moment of the context at which the stretch began. */
  began: number;
  end: (() => void) | null;
}

export class Sound {
  /** Whether there is any. */
  on = true;
  /** How the last stretch was heard. */
  how: How | null = null;
  readonly #sounds: Sounds;
  #context: AudioContext | null = null;
  #heard: Heard | null = null;
  /** Decoded files by path and size; null for those that can't be played. */
  readonly #buffers = new Map<string, AudioBuffer | null>();
  readonly #loading = new Set<string>();

  constructor(sounds: Sounds) {
    this.#sounds = sounds;
    // In the background a call stands still.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.silence();
    });
  }

  /** Browsers play nothing before somebody has pressed something: this is called when that happens. */
  allow(): void {
    if (this.on) this.#open();
  }

  #open(): void {
    this.#context ??= new AudioContext({ latencyHint: "interactive" });
    if (this.#context.state === "suspended") void this.#context.resume();
  }

  /** Fetches what will be heard soon. */
  prepare(story: Story, at: number): void {
    if (!this.#context || !this.on) return;
    for (const { kind, from, to, files } of story.stretches) {
      if (kind !== "says" || to < at || from > at + AHEAD) continue;
      for (const { path } of files) if (path !== null) this.#buffer(path);
    }
  }

  /** Has a stretch heard at a moment of the call, or nothing. */
  play(stretch: Stretch | null, at: number, language: string): void {
    const context = this.#context;
    if (!stretch || stretch.kind !== "says" || !context || !this.on || document.hidden) {
      this.silence();
      return;
    }
    const offset = (at - stretch.from) / 1000;
    const began = context.currentTime - offset;
    const heard = this.#heard;
    if (heard && isSame(heard.stretch, stretch)) {
      // A voice can't be moved: it says what it says.
      const isInStep = this.how === "voice" ? began < heard.began + 2 : Math.abs(began - heard.began) < SLACK;
      if (isInStep && began > heard.began - 2) return;
    }
    this.silence();
    const buffers = this.#recorded(stretch);
    // They are on their way.
    if (buffers === "later") return;
    this.#heard = { stretch, began, end: null };
    if (buffers) {
      this.how = "recording";
      this.#heard.end = this.#start(context, buffers, offset);
    } else if (stretch.sound === "beep" || stretch.sound === "music") {
      this.how = "tone";
      const seconds = stretch.sound === "beep" ? (stretch.to - stretch.from) / 1000 : LONGEST_MUSIC;
      this.#heard.end = tone(context, stretch.sound === "beep" ? [[BEEP]] : CHORDS, offset, seconds);
    } else if (stretch.sound === "recording") {
      this.how = null;
    } else {
      this.#speak(stretch, offset, language);
    }
  }

  /** Ends what is heard. */
  silence(): void {
    if (!this.#heard) return;
    this.#heard.end?.();
    if (this.how === "voice") hush();
    this.#heard = null;
    this.how = null;
  }

  /** Plays a file by itself. */
  async sample(path: string): Promise<void> {
    this.#open();
    this.silence();
    const buffer = await this.#load(path);
    if (this.#context && buffer) this.#start(this.#context, [buffer], 0);
  }

  #speak(stretch: Stretch, offset: number, language: string): void {
    const spoken = stretch.language ?? language;
    this.how = canSpeak(spoken) ? "voice" : "nothing";
    // From the middle of a prompt, the words of its rest are said.
    const known = stretch.words === stretch.name ? stretch.name.replace(/^.*\//, "") : stretch.words;
    const words = known.replaceAll(/[-_/]/g, " ").split(/\s+/);
    const whole = (stretch.full ?? stretch.to - stretch.from) / 1000;
    const said = whole > 0 ? Math.floor((words.length * offset) / whole) : 0;
    const rest = words.slice(offset > SLACK ? said : 0);
    if (this.how === "voice" && rest.length > 0) speak(rest.join(" "), spoken, (whole * rest.length) / words.length);
  }

  /** Returns the recordings of a stretch: null if there are none of a part of it. */
  #recorded(stretch: Stretch): AudioBuffer[] | "later" | null {
    if (stretch.files.length === 0) return null;
    const buffers = stretch.files.map(({ path }) => (path === null ? null : this.#buffer(path)));
    if (buffers.includes(null)) return null;
    return buffers.includes("later") ? "later" : (buffers as AudioBuffer[]);
  }

  #buffer(path: string): AudioBuffer | "later" | null {
    const key = this.#key(path);
    const known = this.#buffers.get(key);
    if (known !== undefined) return known;
    void this.#load(path);
    return "later";
  }

  #key(path: string): string {
    return `${path} ${this.#sounds.sizes()[path]}`;
  }

  async #load(path: string): Promise<AudioBuffer | null> {
    const key = this.#key(path);
    const known = this.#buffers.get(key);
    if (known !== undefined) return known;
    if (this.#loading.has(key) || !this.#context) return null;
    this.#loading.add(key);
    let buffer: AudioBuffer | null = null;
    try {
      const decoded = decode(path, await this.#sounds.bytes(path));
      if (decoded && decoded.samples.length > 0) {
        buffer = this.#context.createBuffer(1, decoded.samples.length, decoded.rate);
        buffer.copyToChannel(decoded.samples, 0);
      }
    } catch {
      // It is spoken instead.
    }
    this.#loading.delete(key);
    this.#buffers.set(key, buffer);
    return buffer;
  }

  /** Plays one after the other, from this moment of all of them. */
  #start(context: AudioContext, buffers: AudioBuffer[], offset: number): () => void {
    const out = new GainNode(context);
    out.connect(context.destination);
    let at = context.currentTime - offset;
    for (const buffer of buffers) {
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(out);
      const skipped = Math.max(0, context.currentTime - at);
      if (skipped < buffer.duration) source.start(Math.max(at, context.currentTime), skipped);
      at += buffer.duration;
    }
    return () => release(context, out);
  }
}

function isSame(one: Stretch, other: Stretch): boolean {
  return one.from === other.from && one.name === other.name && one.words === other.words && one.sound === other.sound;
}

function release(context: AudioContext, out: GainNode): void {
  out.gain.setValueAtTime(1, context.currentTime);
  out.gain.linearRampToValueAtTime(0, context.currentTime + RELEASE);
  window.setTimeout(() => out.disconnect(), RELEASE * 1000 + 20);
}

/** Sounds chords softly, two seconds each, for the rest of so many seconds. */
function tone(context: AudioContext, chords: number[][], offset: number, seconds: number): () => void {
  const out = new GainNode(context);
  out.connect(context.destination);
  const [now, length] = [context.currentTime, chords.length > 1 ? 2 : seconds];
  for (let from = Math.floor(offset / length) * length; from < seconds; from += length) {
    const chord = chords[Math.round(from / length) % chords.length] ?? [];
    const [begins, ends] = [Math.max(now, now + from - offset), now + Math.min(from + length, seconds) - offset];
    if (ends <= begins) continue;
    const swell = new GainNode(context, { gain: 0 });
    swell.connect(out);
    swell.gain.setValueAtTime(0, begins);
    swell.gain.linearRampToValueAtTime(0.3 / chord.length, begins + Math.min(0.02, (ends - begins) / 2));
    swell.gain.setValueAtTime(0.3 / chord.length, Math.max(begins + 0.02, ends - 0.02));
    swell.gain.linearRampToValueAtTime(0, ends);
    for (const frequency of chord) {
      const source = new OscillatorNode(context, { frequency });
      source.connect(swell);
      source.start(begins);
      source.stop(ends);
    }
  }
  return () => release(context, out);
}
