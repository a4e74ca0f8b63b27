// Prints the sizes of a file: as it is, and as a server sends it.

import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const file = process.argv[2];
const bytes = readFileSync(file);
const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
const sizes = { raw: bytes, gzip: gzipSync(bytes, { level: 9 }), brotli: brotliCompressSync(bytes, best) };
const shown = Object.entries(sizes).map(([name, { length }]) => `${Math.round(length / 1024)} KB ${name}`);
console.log(`${file}: ${shown.join(", ")}`);
