// The studio's server: what it is asked, with the token of the page's address, and what it tells by itself.

const KEY = "agi-rhai-token";
/** How long nothing may come over a stream, in milliseconds: the server sends something every few seconds. */
const SILENCE = 20_000;
/** How long to wait before asking again a server that doesn't answer. */
const PAUSES = [500, 1000, 2000, 4000];

/** What the server has refused, and why. */
export class Refused extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>) {
    super(typeof body["error"] === "string" ? body["error"] : `the studio answers with ${status}`);
    this.name = "Refused";
    this.status = status;
    this.body = body;
  }
}

/** Whether the server answers, and knows the token. */
export type Reach = "there" | "gone" | "locked";

export interface Answered {
  status: number;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

/** Whether this page comes from a studio, which marks it. */
export const isStudio = document.documentElement.hasAttribute("data-studio");

/** Takes the token out of the address, so that it is neither seen nor copied with that; or the code of a browser that
 * was opened by the studio. */
function fromAddress(what: "token" | "code"): string | null {
  const [, name, value] = /^#(token|code)=([0-9a-f]{32})$/.exec(location.hash) ?? [];
  if (value === undefined || name !== what) return null;
  history.replaceState(null, "", location.pathname);
  return value;
}

export class Server {
  #token: string | null;
  #reach: Reach = "gone";
  #entered: Promise<void> = Promise.resolve();
  /** What waits for the server to be back, or for another token. */
  readonly #waiting = new Set<() => void>();
  /** Another tab that was opened with a new token tells it to those that have an old one. */
  readonly #tabs = new BroadcastChannel("agi-rhai-studio");

  onReach: (reach: Reach) => void = () => {};
  #isReached: () => void = () => {};
  /** Comes when the server answers and knows the token, for the first time. */
  readonly reached = new Promise<void>((resolve) => (this.#isReached = resolve));

  constructor() {
    const given = fromAddress("token");
    const code = fromAddress("code");
    this.#token = given ?? sessionStorage.getItem(KEY);
    this.#tabs.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (this.#reach !== "there" && typeof data === "string" && /^[0-9a-f]{32}$/.test(data)) this.#take(data);
    });
    if (given !== null) this.enter(given);
    if (code !== null) this.#entered = this.#exchange(code);
    window.addEventListener("hashchange", () => {
      const token = fromAddress("token");
      if (token !== null) this.enter(token);
    });
  }

  /** Gets the token for a code. */
  async #exchange(code: string): Promise<void> {
    try {
      const response = await fetch("/api/enter", { method: "POST", body: code, credentials: "omit" });
      const { token } = (await response.json()) as { token?: string };
      if (token !== undefined) this.enter(token);
    } catch {
      // The page asks for the address.
    }
  }

  /** Takes another token, for this tab and for those that wait for one. */
  enter(token: string): void {
    this.#take(token);
    this.#tabs.postMessage(token);
  }

  #take(token: string): void {
    this.#token = token;
    sessionStorage.setItem(KEY, token);
    for (const go of [...this.#waiting]) go();
  }

  #has(reach: Reach): void {
    if (reach === this.#reach) return;
    this.#reach = reach;
    this.onReach(reach);
    if (reach !== "there") return;
    this.#isReached();
    for (const go of [...this.#waiting]) go();
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    await this.#entered;
    if (this.#token === null) {
      this.#has("locked");
      throw new Refused(401, { error: "there is no token" });
    }
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${this.#token}`);
    let response: Response;
    try {
      const address = new URL(`/api/${path}`, location.origin);
      response = await fetch(address, { ...init, headers, cache: "no-store", redirect: "error", credentials: "omit" });
    } catch (error) {
      if (!init.signal?.aborted) this.#has("gone");
      throw error;
    }
    this.#has(response.status === 401 ? "locked" : "there");
    return response;
  }

  /** Asks for something. Throws `Refused` if the server refuses it, and something else if it isn't there. */
  async ask(path: string, init: RequestInit = {}): Promise<Answered> {
    const response = await this.#fetch(path, init);
    const body = new Uint8Array(await response.arrayBuffer());
    if (response.ok) return { status: response.status, headers: response.headers, body };
    let value: unknown = null;
    try {
      value = JSON.parse(new TextDecoder().decode(body));
    } catch {
      // Not from the studio.
    }
    throw new Refused(response.status, (value ?? {}) as Record<string, unknown>);
  }

  /** Asks for a value. */
  async value(path: string, init: RequestInit = {}): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode((await this.ask(path, init)).body));
  }

  /** Takes events, again and again if the server goes and comes. Returns what ends that. */
  events(path: string, take: (name: string, value: unknown) => void): () => void {
    const end = new AbortController();
    void this.#follow(path, take, end.signal);
    return () => end.abort();
  }

  async #follow(path: string, take: (name: string, value: unknown) => void, ended: AbortSignal): Promise<void> {
    for (let tries = 0; !ended.aborted;) {
      try {
        await this.#read(path, ended, (name, value) => {
          tries = 0;
          take(name, value);
        });
      } catch {
        // The server has gone, or refuses.
      }
      if (ended.aborted) return;
      if (this.#reach === "there") this.#has("gone");
      await this.#pause(PAUSES[Math.min(tries, PAUSES.length - 1)] ?? 0);
      tries += 1;
    }
  }

  /** Waits for some time, or until there is another token; without one that is known, for that. */
  #pause(time: number): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        window.clearTimeout(timer);
        this.#waiting.delete(go);
        resolve();
      };
      const timer = this.#reach === "locked" ? 0 : window.setTimeout(go, time);
      this.#waiting.add(go);
    });
  }

  async #read(path: string, ended: AbortSignal, take: (name: string, value: unknown) => void): Promise<void> {
    const silent = new AbortController();
    const signal = AbortSignal.any([ended, silent.signal]);
    let timer = window.setTimeout(() => silent.abort(), SILENCE);
    try {
      const response = await this.#fetch(path, { signal });
      if (!response.ok || !response.body) throw new Refused(response.status, {});
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        window.clearTimeout(timer);
        timer = window.setTimeout(() => silent.abort(), SILENCE);
        text += value;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          const lines = text.slice(0, end).split("\n");
          const field = (name: string) => lines.find((line) => line.startsWith(name))?.slice(name.length);
          const data = field("data: ");
          if (data !== undefined) take(field("event: ") ?? "message", JSON.parse(data));
        }
      }
    } finally {
      window.clearTimeout(timer);
    }
  }
}
