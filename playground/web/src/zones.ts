// Time zones for the module, which has none: the browser knows them, and they are written as zone files.

const FROM = Date.UTC(2000, 0, 1) / 1000;
const TO = Date.UTC(2037, 11, 31) / 1000;
const STEP = 20 * 86_400;

const made = new Map<string, string | null>();

/** Returns the zones that a text names, as files in Base64. */
export function zonesIn(texts: string[]): Record<string, { base64: string }> {
  const files: Record<string, { base64: string }> = {};
  for (const text of texts) {
    for (const [, name] of text.matchAll(/"([A-Z][A-Za-z_]{1,20}\/[A-Za-z_/+-]{2,40})"/g)) {
      const base64 = name === undefined ? null : zone(name);
      if (base64 !== null) files[`zoneinfo/${name}`] = { base64 };
    }
  }
  return files;
}

function zone(name: string): string | null {
  let base64 = made.get(name);
  if (base64 === undefined) {
    base64 = write(name);
    made.set(name, base64);
  }
  return base64;
}

function write(name: string): string | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch {
    return null;
  }
  // "GMT+01:00", or only "GMT".
  const offset = (seconds: number): number => {
    const part = format.formatToParts(seconds * 1000).find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours, minutes] = /GMT([+-])(\d+):(\d+)/.exec(part) ?? [];
    return sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
  };
  const offsets = [offset(FROM)];
  const changes: { at: number; to: number }[] = [];
  let before = offset(FROM);
  for (let at = FROM; at < TO; at += STEP) {
    const after = offset(at + STEP);
    if (after === before) continue;
    let [low, high] = [at, at + STEP];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    if (!offsets.includes(after)) offsets.push(after);
    changes.push({ at: high, to: offsets.indexOf(after) });
    before = after;
  }
  const least = Math.min(...offsets);
  const bytes: number[] = [];
  const number = (value: number, size: number) => {
    for (let byte = size - 1; byte >= 0; byte--) bytes.push(Math.floor(value / 256 ** byte) & 0xff);
  };
  // Twice, as RFC 8536 wants it: with times of 4 bytes, and of 8.
  for (const size of [4, 8]) {
    bytes.push(...[..."TZif2"].map((letter) => letter.charCodeAt(0)), ...Array<number>(15).fill(0));
    for (const count of [0, 0, 0, changes.length, offsets.length, 4]) number(count, 4);
    for (const { at } of changes) number(at, size);
    for (const { to } of changes) bytes.push(to);
    for (const value of offsets) {
      number(value, 4);
      bytes.push(value > least ? 1 : 0, 0);
    }
    bytes.push(..."-00".split("").map((letter) => letter.charCodeAt(0)), 0);
  }
  bytes.push(10, 10);
  return btoa(String.fromCharCode(...bytes));
}
