/** Ids: a UUIDv7 for each new key, and the UUIDv5 by which an item's event is known (RFC 9562). */

/** A new UUIDv7 at this time (milliseconds since 1970): a fresh key needs no look-up. */
export function uuid7(at_ms: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let n = 0; n < 6; n += 1) {
    bytes[n] = Math.floor(at_ms / 2 ** (8 * (5 - n))) % 256;
  }
  return marked(bytes, 7);
}

/** The id of the event that the item `(room_id, key)` of this user becomes. */
export function itemEventId(room_id: string, user_id: string, key: string): string {
  return uuid5(room_id, `${[...user_id].length}:${user_id}${key}`);
}

/** The UUIDv5 of a name (as UTF-8) in a namespace. */
export function uuid5(namespace: string, name: string): string {
  const text = new TextEncoder().encode(name);
  const data = new Uint8Array(16 + text.length);
  data.set(bytesOf(namespace));
  data.set(text, 16);
  return marked(sha1(data).slice(0, 16), 5);
}

function bytesOf(uuid: string): Uint8Array {
  const pairs = uuid.replaceAll("-", "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}

function marked(bytes: Uint8Array, version: number): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * SHA-1 (RFC 3174). Platforms have it only as a promise and only in secure contexts; names need it
 * at once and anywhere, and nothing here relies on its strength.
 */
function sha1(data: Uint8Array): Uint8Array {
  const blocks = Math.ceil((data.length + 9) / 64);
  const padded = new DataView(new ArrayBuffer(blocks * 64));
  data.forEach((byte, n) => {
    padded.setUint8(n, byte);
  });
  padded.setUint8(data.length, 0x80);
  padded.setUint32(blocks * 64 - 8, Math.floor(data.length / 2 ** 29));
  padded.setUint32(blocks * 64 - 4, data.length << 3);
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const words = new Uint32Array(80);
  for (let block = 0; block < blocks; block += 1) {
    digest(state, words, padded, block * 64);
  }
  const result = new DataView(new ArrayBuffer(20));
  state.forEach((word, n) => {
    result.setUint32(4 * n, word);
  });
  return new Uint8Array(result.buffer);
}

function digest(state: Uint32Array, words: Uint32Array, data: DataView, at: number): void {
  const word = (n: number): number => words[n] ?? 0;
  for (let n = 0; n < 80; n += 1) {
    words[n] =
      n < 16
        ? data.getUint32(at + 4 * n)
        : rotated(word(n - 3) ^ word(n - 8) ^ word(n - 14) ^ word(n - 16), 1);
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
  for (let n = 0; n < 80; n += 1) {
    const sum = rotated(a, 5) + mixed(n, b, c, d) + e + word(n);
    [a, b, c, d, e] = [sum >>> 0, a, rotated(b, 30), c, d];
  }
  [a, b, c, d, e].forEach((value, n) => {
    state[n] = (state[n] ?? 0) + value;
  });
}

function mixed(round: number, b: number, c: number, d: number): number {
  if (round < 20) {
    return ((b & c) | (~b & d)) + 0x5a827999;
  }
  if (round < 40) {
    return (b ^ c ^ d) + 0x6ed9eba1;
  }
  return round < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc : (b ^ c ^ d) + 0xca62c1d6;
}

function rotated(word: number, bits: number): number {
  return ((word << bits) | (word >>> (32 - bits))) >>> 0;
}
