// Prints the sizes of the module and of its parts, as they are and as a server sends them, and says which are too large.

import { existsSync, readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** How large the files may be by brotli, in KB. A page waits for the first part, and for the whole where it is undivided. */
const LIMITS = { "playground.wasm": 1030, "playground.first.wasm": 640, "playground.rest.wasm": 470 };

/** Returns the sizes of each file in bytes, and what is too large. */
export function sizes() {
  const all = Object.entries(LIMITS).map(([name, limit]) => {
    const path = new URL(`target/${name}`, import.meta.url);
    if (!existsSync(path)) return [];
    const raw = readFileSync(path);
    const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } };
    const [gzip, brotli] = [gzipSync(raw, { level: 9 }), brotliCompressSync(raw, best)];
    const kilobytes = ({ length }) => Math.round(length / 1024);
    const fault =
      kilobytes(brotli) > limit
        ? `${name} has ${kilobytes(brotli)} KB by brotli, and may have ${limit}: playground/README.md tells what has ` +
          "helped. Leave out what isn't needed, or raise the limit in playground/sizes.mjs"
        : null;
    return [{ name, raw: kilobytes(raw), gzip: kilobytes(gzip), brotli: kilobytes(brotli), fault }];
  });
  return all.flat();
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const { name, raw, gzip, brotli } of sizes()) {
    console.log(`target/${name}: ${raw} KB raw, ${gzip} KB gzip, ${brotli} KB brotli`);
  }
}
