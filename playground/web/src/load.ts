// Where the module and the worker's text come from: files beside the page, or the page itself when it is one file.

/** Starts a worker. */
export function startWorker(): Worker {
  const inlined = document.getElementById("inlined-worker");
  if (!inlined) return new Worker(new URL("worker.js", document.baseURI));
  const url = URL.createObjectURL(new Blob([inlined.textContent ?? ""], { type: "text/javascript" }));
  return new Worker(url);
}

/** The module: a first part, with which calls are played, and what brings the rest of it. */
export interface Program {
  first: WebAssembly.Module;
  rest: (() => Promise<WebAssembly.Module>) | null;
}

/** Loads the module, and the rest of it after that. */
export async function loadModule(): Promise<Program> {
  const first = await (inlined() ?? compiled("playground.wasm"));
  const isWhole = WebAssembly.Module.imports(first).every(({ module }) => module !== "placeholder");
  if (isWhole) return { first, rest: null };
  let loading: Promise<WebAssembly.Module> | null = null;
  const rest = () => {
    loading ??= compiled("playground-rest.wasm");
    // Who needs it tries again.
    loading.catch(() => (loading = null));
    return loading;
  };
  void rest();
  return { first, rest };
}

/** Compiles the module that is in the page. */
function inlined(): Promise<WebAssembly.Module> | null {
  const inlined = document.getElementById("inlined-module");
  if (!inlined) return null;
  const letters = atob((inlined.textContent ?? "").trim());
  const packed = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  inlined.remove();
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).arrayBuffer().then((bytes) => WebAssembly.compile(bytes));
}

async function compiled(name: string): Promise<WebAssembly.Module> {
  const response = await fetch(new URL(name, document.baseURI));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  // Many small servers don't know the type that compiling while it is loaded needs.
  if (response.headers.get("Content-Type") === "application/wasm") {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}
