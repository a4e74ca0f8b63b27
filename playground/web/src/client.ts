// Asks the module in a worker, and gets over what happens to it there.

import type { Program } from "./load";
import type { FromWorker, Functions, Question, ToWorker } from "./protocol";

/** How long an answer may take, in milliseconds. A script that computes too long is stopped by the module itself. */
const PATIENCE = 8000;

/** Why there is no answer. */
export class NoAnswer extends Error {
  /** Whether nobody waits for it any more. */
  readonly cancelled: boolean;

  constructor(message: string, cancelled = false) {
    super(message);
    this.name = "NoAnswer";
    this.cancelled = cancelled;
  }
}

interface Pending {
  message: Question;
  resolve: (answer: unknown) => void;
  reject: (error: NoAnswer) => void;
  /** Those that ask again under this name want the last answer only. */
  slot: string | null;
}

/** A module in a worker, which answers one question after the other. */
export class Client {
  readonly #program: Promise<Program>;
  #rest: WebAssembly.Module | null = null;
  readonly #start: () => Worker;
  #worker: Worker | null = null;
  #asked: Pending | null = null;
  #queue: Pending[] = [];
  #timer = 0;
  #next = 1;

  constructor(program: Promise<Program>, start: () => Worker) {
    this.#program = program;
    this.#start = start;
  }

  /** Asks for an answer. A question in a slot takes the place of one that waits there. */
  ask<F extends keyof Functions>(
    name: F,
    request: Functions[F]["request"],
    slot: string | null = null,
  ): Promise<Functions[F]["answer"]> {
    return new Promise<unknown>((resolve, reject) => {
      if (slot !== null) {
        for (const waiting of this.#queue.filter((waiting) => waiting.slot === slot)) {
          waiting.reject(new NoAnswer("asked again", true));
        }
        this.#queue = this.#queue.filter((waiting) => waiting.slot !== slot);
      }
      const message = { id: this.#next++, name, request: JSON.stringify(request) };
      this.#queue.push({ message, resolve, reject, slot });
      void this.#go();
    }) as Promise<Functions[F]["answer"]>;
  }

  /** Gives up all that was asked, and the worker with it. */
  cancel(why = "cancelled", cancelled = true): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(new NoAnswer(why, cancelled));
    if (!this.#asked) return;
    this.#worker?.terminate();
    this.#worker = null;
    this.#end((asked) => asked.reject(new NoAnswer(why, cancelled)));
  }

  async #go(): Promise<void> {
    if (this.#asked) return;
    const asked = this.#queue.shift();
    if (!asked) return;
    this.#asked = asked;
    let program: Program;
    try {
      program = await this.#program;
    } catch (error) {
      this.#end((asked) => asked.reject(new NoAnswer(`the module can't be loaded: ${String(error)}`)));
      return;
    }
    // Cancelled meanwhile.
    if (this.#asked !== asked) return;
    if (!this.#worker) {
      const worker = this.#start();
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#answered(data);
      worker.onerror = (event) => this.cancel(`the worker has failed: ${event.message}`, false);
      worker.postMessage({ module: program.first, rest: this.#rest } satisfies ToWorker);
      this.#worker = worker;
    }
    this.#send(asked);
  }

  #send(asked: Pending): void {
    this.#timer = window.setTimeout(() => this.cancel("it computes for too long", false), PATIENCE);
    this.#worker?.postMessage(asked.message);
  }

  /** Asks again, with the whole module. */
  async #complete(asked: Pending): Promise<void> {
    window.clearTimeout(this.#timer);
    try {
      const { first, rest } = await this.#program;
      this.#rest = rest && (await rest());
      // Cancelled meanwhile.
      if (this.#asked !== asked) return;
      this.#worker?.postMessage({ module: first, rest: this.#rest } satisfies ToWorker);
      this.#send(asked);
    } catch (error) {
      if (this.#asked !== asked) return;
      this.#end((asked) => asked.reject(new NoAnswer(`the rest of the module can't be loaded: ${String(error)}`)));
    }
  }

  #answered(data: FromWorker): void {
    if (data.id !== this.#asked?.message.id) return;
    if ("incomplete" in data) {
      void this.#complete(this.#asked);
      return;
    }
    if ("crash" in data) {
      const { message, overflowed, waits } = data.crash;
      const why = overflowed
        ? "it nests too deeply for a browser: a function that calls itself, or a value in itself?"
        : waits
          ? "a closure uses what is being changed by its caller: give it a copy"
          : `the playground has broken, which is a bug of it: ${message}`;
      this.#end((asked) => asked.reject(new NoAnswer(why)));
      return;
    }
    const answer: unknown = JSON.parse(data.answer);
    const refusal = (answer as { error?: unknown } | null)?.error;
    this.#end((asked) => {
      if (typeof refusal === "string") asked.reject(new NoAnswer(refusal));
      else asked.resolve(answer);
    });
  }

  #end(how: (asked: Pending) => void): void {
    window.clearTimeout(this.#timer);
    const asked = this.#asked;
    this.#asked = null;
    if (asked) how(asked);
    void this.#go();
  }
}
