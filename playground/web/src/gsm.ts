// GSM 06.10, full rate: the format in which Asterisk's own sounds come. A frame of 33 bytes holds 160 samples.

export const FRAME = 33;
export const SAMPLES = 160;

/** The least of the ranges of the coded ratios, what is taken off them, and the inverse of their steps. */
const RATIOS = [
  [-32, 0, 13107],
  [-32, 0, 13107],
  [-16, 2048, 13107],
  [-16, -2560, 13107],
  [-8, 94, 19223],
  [-8, -1792, 17476],
  [-4, -341, 31454],
  [-4, -1144, 29708],
] as const;
const RATIO_BITS = [6, 6, 5, 5, 4, 4, 3, 3];
const GAINS = [3277, 11469, 21299, 32767];
const MANTISSAS = [18431, 20479, 22527, 24575, 26623, 28671, 30719, 32767];
/** The ratios move from those of the last frame to those of this one: up to which sample, and their share. */
const STEPS: [number, (before: number, now: number) => number][] = [
  [13, (before, now) => clip(clip((before >> 2) + (now >> 2)) + (before >> 1))],
  [27, (before, now) => clip((before >> 1) + (now >> 1))],
  [40, (before, now) => clip(clip((before >> 2) + (now >> 2)) + (now >> 1))],
  [SAMPLES, (_, now) => now],
];

const clip = (value: number) => (value > 32767 ? 32767 : value < -32768 ? -32768 : value);
const times = (one: number, other: number) => clip((one * other + 16384) >> 15);

/** Decodes whole frames to samples of 16 bits. What follows the last one is left out. */
export function decodeGsm(bytes: Uint8Array): Int16Array<ArrayBuffer> {
  const frames = Math.floor(bytes.length / FRAME);
  const samples = new Int16Array(frames * SAMPLES);
  // What was excited last, of which a part is repeated, and 40 samples more.
  const past = new Int32Array(160);
  const lattice = new Int32Array(9);
  let before = new Int32Array(8);
  let lag = 40;
  let last = 0;
  for (let frame = 0; frame < frames; frame++) {
    let bit = frame * FRAME * 8 + 4;
    const read = (count: number) => {
      let value = 0;
      for (let end = bit + count; bit < end; bit++)
        value = (value << 1) | (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
      return value;
    };
    const now = new Int32Array(8);
    RATIOS.forEach(([least, offset, inverse], at) => {
      const ratio = times(inverse, clip(((read(RATIO_BITS[at] ?? 0) + least) << 10) - (offset << 1)));
      now[at] = clip(ratio + ratio);
    });
    const excited = new Int32Array(SAMPLES);
    for (let part = 0; part < SAMPLES; part += 40) {
      const coded = read(7);
      if (coded >= 40 && coded <= 120) lag = coded;
      const gain = GAINS[read(2)] ?? 0;
      const grid = read(2);
      const pulses = pulsesOf(read(6), () => read(3));
      for (let at = 0; at < 40; at++) {
        const repeated = times(gain, past[120 + at - lag] ?? 0);
        const pulse = (at - grid) % 3 === 0 && at >= grid ? (pulses[(at - grid) / 3] ?? 0) : 0;
        excited[part + at] = past[120 + at] = clip(pulse + repeated);
      }
      past.copyWithin(0, 40);
    }
    let at = 0;
    for (const [end, step] of STEPS) {
      const reflections = now.map((ratio, index) => reflection(step(before[index] ?? 0, ratio)));
      for (; at < end; at++) {
        let sample = excited[at] ?? 0;
        for (let index = 7; index >= 0; index--) {
          const own = reflections[index] ?? 0;
          const held = lattice[index] ?? 0;
          sample = clip(sample - times(own, held));
          lattice[index + 1] = clip(held + times(own, sample));
        }
        lattice[0] = sample;
        last = clip(sample + times(last, 28180));
        samples[frame * SAMPLES + at] = clip(last + last) & ~7;
      }
    }
    before = now;
  }
  return samples;
}

/** Returns the 13 pulses of a part, from the logarithm of the largest and their codes. */
function pulsesOf(largest: number, code: () => number): number[] {
  let exponent = largest > 15 ? (largest >> 3) - 1 : 0;
  let mantissa = largest - (exponent << 3);
  if (mantissa === 0) {
    [exponent, mantissa] = [-4, 7];
  } else {
    while (mantissa <= 7) {
      mantissa = (mantissa << 1) | 1;
      exponent--;
    }
    mantissa -= 8;
  }
  const shift = 6 - exponent;
  const half = shift > 0 ? 1 << (shift - 1) : 0;
  const factor = MANTISSAS[mantissa] ?? 0;
  return Array.from({ length: 13 }, () => clip(times(factor, ((code() << 1) - 7) << 12) + half) >> shift);
}

/** Returns the reflection coefficient that a ratio of areas means. */
function reflection(ratio: number): number {
  const size = Math.min(Math.abs(ratio), 32767);
  const value = size < 11059 ? size << 1 : size < 20070 ? size + 11059 : clip((size >> 2) + 26112);
  return ratio < 0 ? -value : value;
}
