// Where the module and the worker's text come from: files beside the page, or the page itself when it is one file.

/** Starts a worker. */
export function startWorker(): Worker {
  const inlined = document.getElementById("inlined-worker");
  if (!inlined) return new Worker(new URL("worker.js", document.baseURI));
  const url = URL.createObjectURL(new Blob([inlined.textContent ?? ""], { type: "text/javascript" }));
  return new Worker(url);
}

/** Compiles the module. */
export async function loadModule(): Promise<WebAssembly.Module> {
  const inlined = document.getElementById("inlined-module");
  if (inlined) {
    const letters = atob((inlined.textContent ?? "").trim());
    const packed = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    inlined.remove();
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return WebAssembly.compile(await new Response(unpacked).arrayBuffer());
  }
  const response = await fetch(new URL("playground.wasm", document.baseURI));
  if (!response.ok) throw new Error(`playground.wasm: ${response.status}`);
  // Many small servers don't know the type that compiling while it is loaded needs.
  if (response.headers.get("Content-Type") === "application/wasm") {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}
