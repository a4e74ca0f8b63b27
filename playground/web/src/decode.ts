// Sound files as Asterisk plays them, to samples.

import { decodeGsm } from "./gsm";

export interface Decoded {
  rate: number;
  samples: Float32Array<ArrayBuffer>;
}

/** What the formats without a header are read by, and the rate of their samples. */
const RAW: Record<string, [(bytes: Uint8Array) => ArrayLike<number>, number]> = {
  gsm: [decodeGsm, 8000],
  ...named("ulaw ul mu pcm", (bytes) => Int16Array.from(bytes, ulaw), 8000),
  ...named("alaw al", (bytes) => Int16Array.from(bytes, alaw), 8000),
  ...named("sln slin raw", linear, 8000),
  ...named("sln16 slin16", linear, 16_000),
  ...named("sln48 slin48", linear, 48_000),
};

/** The endings of the files that Asterisk plays, and that are played here. */
export const FORMATS = [...Object.keys(RAW), "wav", "wav16"];

/** Returns the ending of a name. */
export const ending = (path: string) => /\.([^./]+)$/.exec(path)?.[1] ?? "";

/** Decodes a sound file: null if it has another format than its name says. */
export function decode(path: string, bytes: Uint8Array): Decoded | null {
  const raw = RAW[ending(path)];
  if (raw) return { rate: raw[1], samples: floats(raw[0](bytes)) };
  return wav(bytes);
}

/** Returns a WAV file of 8 kHz, mono, 16 bits: the only one that Asterisk plays. */
export function encodeWav(samples: Float32Array): Uint8Array<ArrayBuffer> {
  const file = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at: number, text: string) =>
    [...text].forEach((letter, index) => file.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  file.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  [16, 0].forEach((value, index) => file.setUint16(16 + index * 2, value, true));
  [1, 1].forEach((value, index) => file.setUint16(20 + index * 2, value, true));
  file.setUint32(24, 8000, true);
  file.setUint32(28, 16_000, true);
  [2, 16].forEach((value, index) => file.setUint16(32 + index * 2, value, true));
  text(36, "data");
  file.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, index) => {
    file.setInt16(44 + index * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  });
  return new Uint8Array(file.buffer);
}

function named<T>(endings: string, read: T, rate: number): Record<string, [T, number]> {
  return Object.fromEntries(endings.split(" ").map((ending) => [ending, [read, rate]]));
}

function floats(samples: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from(samples, (sample) => sample / 32768);
}

function linear(bytes: Uint8Array): Int16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length - (bytes.length % 2));
  return Int16Array.from({ length: view.byteLength / 2 }, (_, at) => view.getInt16(at * 2, true));
}

function ulaw(byte: number): number {
  const code = ~byte & 0xff;
  const size = ((((code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84;
  return code & 0x80 ? -size : size;
}

function alaw(byte: number): number {
  const code = byte ^ 0x55;
  const exponent = (code & 0x70) >> 4;
  const low = ((code & 0x0f) << 4) + 8;
  const size = exponent === 0 ? low : (low + 0x100) << (exponent - 1);
  return code & 0x80 ? size : -size;
}

/** Reads a WAV file of 16 bits, mono. */
function wav(bytes: Uint8Array): Decoded | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || text(0) !== "RIFF") return null;
  let rate = 0;
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    const from = at + 8;
    if (text(at) === "fmt " && from + 16 <= bytes.length) {
      const [format, channels, bits] = [from, from + 2, from + 14].map((at) => view.getUint16(at, true));
      if (format !== 1 || channels !== 1 || bits !== 16) return null;
      rate = view.getUint32(from + 4, true);
    } else if (text(at) === "data" && rate > 0) {
      return { rate, samples: floats(linear(bytes.subarray(from, from + length))) };
    }
    at = from + length + (length % 2);
  }
  return null;
}
