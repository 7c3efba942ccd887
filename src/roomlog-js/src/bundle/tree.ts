import { sha256 } from "./sha256.js";

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** The tree of RFC 9162 while it grows: the roots of its perfect subtrees, largest first. */
export class Tree {
  size = 0;
  readonly #roots: Uint8Array[] = [];

  /** Add a leaf. */
  append(leaf: Uint8Array): void {
    let root = sha256(LEAF, leaf);
    for (let rest = this.size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      root = sha256(NODE, this.#roots.pop() as Uint8Array, root);
    }
    this.#roots.push(root);
    this.size += 1;
  }

  /** The root of all leaves so far. */
  root(): Uint8Array {
    let root = this.#roots.at(-1) ?? sha256();
    for (const left of this.#roots.slice(0, -1).reverse()) {
      root = sha256(NODE, left, root);
    }
    return root;
  }
}
