import { sha256 } from "./notes.js";

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** The tree of RFC 9162 while it grows: the roots of its perfect subtrees, largest first. */
export class Tree {
  size = 0;
  readonly #roots: Uint8Array[] = [];

  /** Add a leaf. */
  async append(leaf: Uint8Array): Promise<void> {
    let root = await sha256(LEAF, leaf);
    for (let rest = this.size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      root = await sha256(NODE, this.#roots.pop() as Uint8Array, root);
    }
    this.#roots.push(root);
    this.size += 1;
  }

  /** The root of all leaves so far. */
  async root(): Promise<Uint8Array> {
    let root = this.#roots.at(-1) ?? (await sha256());
    for (const left of this.#roots.slice(0, -1).reverse()) {
      root = await sha256(NODE, left, root);
    }
    return root;
  }
}
