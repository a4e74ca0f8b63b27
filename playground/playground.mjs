// The playground's module as functions: an object goes in, an object comes out.
//
//     const playground = await Playground.load(await fetch("playground.wasm").then(r => r.arrayBuffer()));
//     const { events } = playground.play({ files: { "hello.rhai": "answer();" }, script: "hello.rhai" });
//
// A script that nests too deeply overflows the stack of the machine, and the module is broken from then on. So is it
// after a panic, which would be a bug. Then the function throws a `Crash`, and the next one has a new instance.
//
// A page loads the module in two parts. The first one alone throws `Incomplete` where it needs the rest; a `Playground` of
// both answers everything.

/** The module has crashed. `message` says why, as far as that is known. */
export class Crash extends Error {
  constructor(message, cause) {
    super(message, { cause });
    this.name = "Crash";
    /** Whether a closure uses what is being changed: elsewhere, the script has a fault after 50 ms. */
    this.waits = /can't sleep/.test(message);
    /** Whether the stack was too small. */
    this.overflowed = cause instanceof RangeError || /stack|memory access out of bounds/i.test(String(cause?.message));
  }
}

/** The first part of the module can't answer without the rest. */
export class Incomplete extends Error {
  constructor() {
    super("the rest of the module is needed");
    this.name = "Incomplete";
  }
}

/** Takes the accents off letters, for the module, which has no table of them. */
const withoutAccents = (text) => text.normalize("NFKD").replace(/\p{Mark}/gu, "");

/** A request was refused: it has a wrong value. */
export class Refused extends Error {
  constructor(message) {
    super(message);
    this.name = "Refused";
  }
}

export class Playground {
  #module;
  #rest;
  #exports = null;
  #panic = null;

  /**
   * Takes a compiled module; or its first part, and the rest if it is there already.
   * @param {WebAssembly.Module} module
   * @param {WebAssembly.Module | null} rest
   */
  constructor(module, rest = null) {
    this.#module = module;
    this.#rest = rest;
  }

  /**
   * Compiles the bytes of a module, or of its parts.
   * @param {BufferSource} bytes
   * @param {BufferSource | null} rest
   */
  static async load(bytes, rest = null) {
    return new Playground(await WebAssembly.compile(bytes), rest && (await WebAssembly.compile(rest)));
  }

  #instance() {
    if (!this.#exports) {
      const panicked = (at, length) => {
        this.#panic = this.#take(at, length);
      };
      const without_accents = (at, length) => {
        const [to, size] = this.#give(withoutAccents(this.#take(at, length)));
        return (BigInt(size) << 32n) | BigInt(to);
      };
      const lacking = () => {
        throw new Incomplete();
      };
      // The functions of the rest have numbers, of which only the modules know.
      const placeholder = new Proxy({}, { get: () => lacking });
      const imports = { playground: { panicked, without_accents }, placeholder };
      this.#exports = new WebAssembly.Instance(this.#module, imports).exports;
      // It puts its functions in the places of those.
      if (this.#rest) new WebAssembly.Instance(this.#rest, { primary: this.#exports });
    }
    return this.#exports;
  }

  /** Writes a text to the module's memory: returns where, and how long it is. */
  #give(text) {
    const bytes = new TextEncoder().encode(text);
    const at = this.#exports.allocate(bytes.length) >>> 0;
    new Uint8Array(this.#exports.memory.buffer, at, bytes.length).set(bytes);
    return [at, bytes.length];
  }

  /** Reads a text from the module's memory. */
  #take(at, length) {
    return new TextDecoder().decode(new Uint8Array(this.#exports.memory.buffer, at >>> 0, length));
  }

  /** What the module exports. */
  get exports() {
    return this.#instance();
  }

  /** Drops the instance, and what it remembers: a storm, tests. */
  reset() {
    this.#exports = null;
  }

  /** Returns how much memory the instance has, in bytes. */
  get memory() {
    return this.#exports?.memory.buffer.byteLength ?? 0;
  }

  /** Answers a request to a function, as text. */
  answer(name, text) {
    const exports = this.#instance();
    try {
      const packed = exports.answer(...this.#give(name), ...this.#give(text));
      const [at, length] = [Number(packed & 0xffffffffn), Number(packed >> 32n)];
      const answer = this.#take(at, length);
      exports.free(at, length);
      return answer;
    } catch (error) {
      this.#exports = null;
      if (error instanceof Incomplete) throw error;
      const message = this.#panic ?? String(error?.message ?? error);
      this.#panic = null;
      throw new Crash(message, error);
    }
  }

  #call(name, request) {
    const answer = JSON.parse(this.answer(name, JSON.stringify(request)));
    if (typeof answer === "object" && answer !== null && typeof answer.error === "string") throw new Refused(answer.error);
    return answer;
  }

  /** Plays a call from its start to a moment. */
  play(request) {
    return this.#call("play", request);
  }

  /** Plays a call, and returns it as a test. */
  asTest(request) {
    return this.#call("as_test", request);
  }

  /** Returns a recorded call as a call of today's script. */
  recorded(request) {
    return this.#call("recorded", request);
  }

  /** Begins a storm, and makes some calls. */
  storm(request) {
    return this.#call("storm", request);
  }

  /** Goes on with the storm. */
  stormOn(request) {
    return this.#call("storm_on", request);
  }

  /** Begins with the tests of some files, and runs some. */
  test(request) {
    return this.#call("test", request);
  }

  /** Runs further tests. */
  testOn(request) {
    return this.#call("test_on", request);
  }

  /** Answers a request of an editor. */
  edit(request) {
    return this.#call("edit", request);
  }

  /** Draws a script. */
  graph(request) {
    return this.#call("graph", request);
  }

  /** Returns what the checker finds. */
  check(request) {
    return this.#call("check", request);
  }
}
