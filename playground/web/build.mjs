// Builds the page: `dist/` for a web server, and in it `playground.html`, the same page as one file.

import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { crates } from "./crates.mjs";

const here = (path) => new URL(path, import.meta.url).pathname;
const module = here("../target/playground.wasm");
if (!existsSync(module)) {
  console.error("There is no ../target/playground.wasm: run ../build first.");
  process.exit(1);
}

const samples = Object.fromEntries(
  readdirSync(here("../../scripts/"))
    .filter((name) => /\.(rhai|prompts|phrases)$/.test(name))
    .sort()
    .map((name) => [name, readFileSync(here(`../../scripts/${name}`), "utf8")]),
);
// Their recordings, which are fetched when they are played.
const recordings = Object.fromEntries(
  ["de", "en"].flatMap((language) => {
    const folder = `sounds/${language}`;
    const names = readdirSync(here(`../../scripts/${folder}`)).filter((name) => name.endsWith(".gsm"));
    return names.sort().map((name) => [`${folder}/${name}`, statSync(here(`../../scripts/${folder}/${name}`)).size]);
  }),
);
const withSamples = {
  name: "samples",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^samples$/ }, () => ({ path: "samples", namespace: "samples" }));
    onLoad({ filter: /.*/, namespace: "samples" }, () => ({
      contents: `export const samples = ${JSON.stringify(samples)}, recordings = ${JSON.stringify(recordings)};`,
    }));
  },
};

// The licences of the packages that are in the page, and of the crates that are in the module.
const packages = new Set();
const licences = () => [
  ...[...packages].sort().map((name) => {
    const folder = here(`node_modules/${name}/`);
    const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
    const { version, license } = JSON.parse(readFileSync(`${folder}package.json`, "utf8"));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(folder + file, "utf8") : ""}`;
  }),
  ...crates().map(({ name, licence, source, text }) => `${name} (${licence})\n${source}\n\n${text}\n`),
];

// The folder stays: Cargo looks at it when it builds the program that has the page.
const dist = here("dist/");
for (const name of readdirSync(dist)) {
  if (name !== ".gitignore") rmSync(`${dist}${name}`, { recursive: true });
}
const bundled = async (entry, name) => {
  const options = {
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
  };
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: [here(entry)],
    plugins: [withSamples],
    write: false,
    metafile: true,
    absWorkingDir: here("."),
    outdir: dist,
  });
  for (const input of Object.keys(metafile.inputs)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name !== undefined) packages.add(name);
  }
  writeFileSync(`${dist}${name}`, outputFiles[0].contents);
  return outputFiles[0].text;
};
const page = readFileSync(here("index.html"), "utf8");
const script = await bundled("src/main.ts", "page.js");
const worker = await bundled("src/worker.ts", "worker.js");
const style = await bundled("style.css", "style.css");
const icon = "icon.svg";
const notices = licences().join(`\n${"-".repeat(80)}\n\n`);
writeFileSync(`${dist}licences.txt`, notices);
copyFileSync(here(icon), `${dist}${icon}`);
// The module in its two parts, if it is divided.
const [first, rest] = ["first", "rest"].map((part) => here(`../target/playground.${part}.wasm`));
const isDivided = existsSync(rest);
copyFileSync(isDivided ? first : module, `${dist}playground.wasm`);
if (isDivided) copyFileSync(rest, `${dist}playground-rest.wasm`);
for (const path of Object.keys(recordings)) cpSync(here(`../../scripts/${path}`), `${dist}${path}`);

const policy = (parts) =>
  Object.entries(parts)
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
const common = { "default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "img-src": "'self' data:" };
const hosted = policy({
  ...common,
  "script-src": "'self' 'wasm-unsafe-eval'",
  "style-src": "'self'",
  "connect-src": "'self'",
  "worker-src": "'self'",
});
const put = (text, values) => text.replace(/<!-- (\w+) -->/g, (_, name) => values[name]);
writeFileSync(
  `${dist}index.html`,
  put(page, {
    policy: `<meta http-equiv="Content-Security-Policy" content="${hosted}" />`,
    style: '<link rel="stylesheet" href="style.css" /><link rel="icon" href="icon.svg" />',
    script: '<script src="page.js" defer></script>',
  }),
);

// One file. What is in a script can't hold its end tag.
const safe = (text) => text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const inlined = safe(script);
const single = policy({
  ...common,
  "script-src": `${hash(inlined)} 'wasm-unsafe-eval' blob:`,
  "style-src": hash(style),
  "worker-src": "blob:",
});
const packed = gzipSync(readFileSync(module), { level: 9 }).toString("base64");
writeFileSync(
  `${dist}playground.html`,
  put(page, {
    policy: `<meta http-equiv="Content-Security-Policy" content="${single}" />`,
    style: `<style>${style}</style>`,
    script:
      `<script type="text/plain" id="inlined-module">${packed}</script>` +
      `<script type="text/plain" id="licences">${safe(notices)}</script>` +
      `<script type="text/plain" id="inlined-worker">${safe(worker)}</script><script>${inlined}</script>`,
  }),
);

let total = 0;
const wasm = readdirSync(dist).filter((name) => name.endsWith(".wasm"));
for (const name of ["index.html", "page.js", "worker.js", "style.css", icon, ...wasm]) {
  const bytes = readFileSync(`${dist}${name}`);
  const small = brotliCompressSync(bytes).length;
  total += small;
  console.log(
    `${name.padEnd(16)} ${(bytes.length / 1024).toFixed(0).padStart(6)} KB, ${(small / 1024).toFixed(1)} KB brotli`,
  );
}
console.log(`all that is loaded: ${(total / 1024).toFixed(0)} KB brotli`);
const alone = readFileSync(`${dist}playground.html`).length;
console.log(`playground.html, which is all of it in one file: ${(alone / 1024).toFixed(0)} KB`);
