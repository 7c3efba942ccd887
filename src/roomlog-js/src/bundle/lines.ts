/** Lines of bytes, read as they are asked for. */

import { joined } from "./format.js";

/** A file or what else gives bytes. */
export type BundleSource = Blob | Uint8Array | AsyncIterable<Uint8Array>;

const NEWLINE = 0x0a;

export class Lines {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(source: BundleSource) {
    this.#chunks = chunksOf(source)[Symbol.asyncIterator]();
  }

  /** Bytes up to a newline and with it, but at most `bytes_max`; fewer only at the end. */
  async read(bytes_max: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let left = bytes_max;
    while (left > 0 && (await this.#hasMore())) {
      const newline = this.#chunk.indexOf(NEWLINE, this.#at);
      const end = newline < 0 ? this.#chunk.length : newline + 1;
      const part = this.#chunk.subarray(this.#at, Math.min(end, this.#at + left));
      this.#at += part.length;
      left -= part.length;
      parts.push(part);
      if (part.at(-1) === NEWLINE) {
        break;
      }
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : joined(...parts);
  }

  async #hasMore(): Promise<boolean> {
    while (this.#at >= this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done === true) {
        return false;
      }
      this.#chunk = next.value;
      this.#at = 0;
    }
    return true;
  }
}

async function* chunksOf(source: BundleSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    yield source;
  } else if (source instanceof Blob) {
    const reader = source.stream().getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield value;
    }
  } else {
    yield* source;
  }
}
