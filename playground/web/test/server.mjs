// A server of scripts with its studio, and callers of it: what Asterisk sends, line by line.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const target = new URL("../../../target/", import.meta.url).pathname;
const dist = new URL("../dist/", import.meta.url).pathname;

/** Where the program is: AGI_RHAI, or what cargo has built. */
const built = ["x86_64-unknown-linux-gnu/debug", "debug"].map((place) => join(target, place, "agi-rhai"));
export const program = process.env.AGI_RHAI ?? built.find((path) => existsSync(path));

/** Returns a port that is free now. No connection gets it either, so that it is still free when a server comes back. */
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const server = createServer();
    const isFree = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Starts a program, and waits for what it says. */
function start(args, says, cwd) {
  const process = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  return new Promise((resolve, reject) => {
    const hear = (data) => {
      log += data;
      const found = says.exec(log);
      if (found) resolve({ process, found, log: () => log });
    };
    process.stdout.on("data", hear);
    process.stderr.on("data", hear);
    process.on("exit", () => reject(new Error(`it has ended: ${log}`)));
  });
}

const end = (process) =>
  new Promise((resolve) => {
    process.removeAllListeners("exit");
    process.on("exit", resolve);
    process.kill();
    // What still has calls would wait for them.
    setTimeout(() => process.kill("SIGKILL"), 300).unref();
  });

/** Starts a server of these scripts, and its studio as a program of its own. */
export async function serveCalls(scripts, { record = false, port } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "agi-rhai-live-"));
  mkdirSync(join(folder, "scripts"));
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(folder, "scripts", name), text);
  const [control, agi] = [join(folder, "control.sock"), port ?? (await freePort())];
  // The folder is named as people do.
  const options = ["--scripts", "scripts", "--listen", `127.0.0.1:${agi}`, "--control", control];
  const records = record ? ["--record", join(folder, "records")] : [];
  const serve = () => start(["serve", ...options, ...records, "--drain", "0"], / serves /, folder);
  let server = await serve();
  const listen = `127.0.0.1:${await freePort()}`;
  const args = ["studio", "--server", control, "--listen", listen, "--no-open", "--page", dist];
  const studio = await start(args, /http:\S+#token=\S+/);
  return {
    folder,
    scripts: join(folder, "scripts"),
    address: studio.found[0],
    agi,
    call: (script, more) => Caller.of(agi, script, more),
    /** Ends the server, and starts it again later. */
    stop: () => end(server.process),
    again: async () => (server = await serve()),
    end: async () => {
      await Promise.all([end(server.process), end(studio.process)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A call, as Asterisk makes it. */
export class Caller {
  lines = [];
  #waiting = [];

  static async of(port, script, { callerid = "201", name = "unknown", channel = "PJSIP/201-1", extension = "s" } = {}) {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const environment = {
      network: "yes",
      network_script: script,
      request: `agi://127.0.0.1/${script}`,
      channel,
      language: "en",
      type: "PJSIP",
      uniqueid: `1700000000.${port}`,
      version: "22.10.1",
      callerid,
      calleridname: name,
      dnid: "unknown",
      rdnis: "unknown",
      context: "game",
      extension,
      priority: "1",
      enhanced: "0.0",
      accountcode: "",
      threadid: "140211",
    };
    const lines = Object.entries(environment).map(([name, value]) => `agi_${name}: ${value}`);
    const caller = new Caller(socket);
    socket.write(`${lines.join("\n")}\n\n`);
    return caller;
  }

  constructor(socket) {
    this.socket = socket;
    socket.on("error", () => {});
    createInterface({ input: socket }).on("line", (line) => {
      this.lines.push(line);
      for (const look of [...this.#waiting]) look();
    });
  }

  /** Waits for a line from the script that fits, from the next one on, and answers all others before it. */
  async hears(pattern) {
    for (;;) {
      const line = await this.#next();
      if (pattern.test(line)) return line;
      this.reply(line);
    }
  }

  #at = 0;
  async #next() {
    while (this.lines.length <= this.#at) {
      await new Promise((resolve) => {
        const look = () => {
          this.#waiting = this.#waiting.filter((other) => other !== look);
          resolve();
        };
        this.#waiting.push(look);
      });
    }
    return this.lines[this.#at++];
  }

  send(line) {
    this.socket.write(`${line}\n`);
  }

  /** Replies as an Asterisk whose caller only listens. */
  reply(line) {
    const replies = [
      [/^(NOOP|ANSWER|WAIT FOR DIGIT|EXEC|SET CONTEXT)/, "200 result=0"],
      [/^STREAM FILE/, "200 result=0 endpos=8000"],
      [/^GET DATA/, "200 result= (timeout)"],
      [/^GET FULL VARIABLE "agi-rhai/, "200 result=1 (agi-rhai: in step)"],
      [/^GET VARIABLE/, "200 result=0"],
      [/^CHANNEL STATUS/, "200 result=6"],
    ];
    this.send(replies.find(([pattern]) => pattern.test(line))?.[1] ?? "200 result=1");
  }

  /** Plays the call to its end. Returns all its lines. */
  async play() {
    const ended = new Promise((resolve) => this.socket.once("close", resolve));
    const look = () => {
      while (this.#at < this.lines.length) this.reply(this.lines[this.#at++]);
      this.#waiting = [look];
    };
    look();
    await ended;
    return this.lines;
  }

  hangUp() {
    this.socket.destroy();
  }
}
