/**
 * SHA-256 (FIPS 180-4), at once. Web Crypto's own answers by a promise from another thread, which
 * for the four hashes of each event of a bundle takes a thousand times as long as the hashing.
 */

// Of whole numbers with a sign, as the engine's bit operations give them: twice as fast.
const K = new Int32Array(64);
const INITIAL = new Int32Array(8);

// The first 32 bits of the fractional parts of the roots of the first primes (4.2.2 and 5.3.3).
for (let n = 0, candidate = 2; n < 64; candidate += 1) {
  let isPrime = true;
  for (let factor = 2; factor * factor <= candidate; factor += 1) {
    isPrime &&= candidate % factor !== 0;
  }
  if (isPrime) {
    K[n] = ((candidate ** (1 / 3) % 1) * 2 ** 32) | 0;
    if (n < 8) {
      INITIAL[n] = ((candidate ** 0.5 % 1) * 2 ** 32) | 0;
    }
    n += 1;
  }
}

const words = new Int32Array(64);

/** The hash of these bytes, one part after the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = new Uint8Array(Math.ceil((size + 9) / 64) * 64);
  let at = 0;
  for (const part of parts) {
    padded.set(part, at);
    at += part.length;
  }
  padded[at] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(size / 2 ** 29));
  view.setUint32(padded.length - 4, size * 8);
  const state = INITIAL.slice();
  for (let block = 0; block < padded.length; block += 64) {
    compress(state, view, block);
  }
  const hash = new DataView(new ArrayBuffer(32));
  state.forEach((word, n) => {
    hash.setInt32(n * 4, word);
  });
  return new Uint8Array(hash.buffer);
}

function compress(state: Int32Array, view: DataView, block: number): void {
  const w = words as unknown as number[];
  const k = K as unknown as number[];
  for (let n = 0; n < 16; n += 1) {
    w[n] = view.getInt32(block + n * 4);
  }
  for (let n = 16; n < 64; n += 1) {
    const before15 = w[n - 15] as number;
    const before2 = w[n - 2] as number;
    const s0 = rotated(before15, 7) ^ rotated(before15, 18) ^ (before15 >>> 3);
    const s1 = rotated(before2, 17) ^ rotated(before2, 19) ^ (before2 >>> 10);
    w[n] = ((w[n - 16] as number) + s0 + (w[n - 7] as number) + s1) | 0;
  }
  const before = state as unknown as number[];
  let a = before[0] as number;
  let b = before[1] as number;
  let c = before[2] as number;
  let d = before[3] as number;
  let e = before[4] as number;
  let f = before[5] as number;
  let g = before[6] as number;
  let h = before[7] as number;
  for (let n = 0; n < 64; n += 1) {
    const s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const one = (h + s1 + ((e & f) ^ (~e & g)) + (k[n] as number) + (w[n] as number)) | 0;
    const s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  before[0] = ((before[0] as number) + a) | 0;
  before[1] = ((before[1] as number) + b) | 0;
  before[2] = ((before[2] as number) + c) | 0;
  before[3] = ((before[3] as number) + d) | 0;
  before[4] = ((before[4] as number) + e) | 0;
  before[5] = ((before[5] as number) + f) | 0;
  before[6] = ((before[6] as number) + g) | 0;
  before[7] = ((before[7] as number) + h) | 0;
}

function rotated(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
