import { Offsets } from "./offsets";

/** A place that stays where it is while rows around it change: a row, and how far below the
 * viewport's upper edge it begins. */
interface Anchor {
  readonly key: string;
  readonly below: number;
}

export interface Span {
  readonly first: number;
  /** One beyond the last. */
  readonly end: number;
}

interface Measured {
  readonly key: string;
  readonly estimate: number;
  /** Whether the place can be held by it: it stays when others come before it. */
  readonly holds: boolean;
}

const OVERSCAN_PX = 900;
const RESERVE_PX = 400;
const AT_END_PX = 6;

/**
 * Which rows of a long list are there, and where: all but those about the viewport are empty
 * space. Holds the reader's place (or the list's end, where they are there) while rows come, go
 * and turn out taller than was thought. Knows no DOM: sizes come in, positions go out.
 */
export class ListWindow {
  #rows: readonly Measured[] = [];
  #offsets = new Offsets([]);
  #indexes = new Map<string, number>();
  readonly #heights = new Map<string, number>();
  #anchor: Anchor | null = null;
  #scrolled_px = 0;
  #viewport_px = 0;
  #atEnd: boolean;

  constructor(atEnd: boolean) {
    this.#atEnd = atEnd;
  }

  /** Whether the reader is at the list's end, where what is new comes into sight by itself. */
  get isAtEnd(): boolean {
    return this.#atEnd;
  }

  get height(): number {
    return this.#offsets.total;
  }

  /** The list is another one now. */
  setRows(rows: readonly Measured[]): void {
    if (rows === this.#rows) {
      return;
    }
    this.#rows = rows;
    this.#indexes = new Map(rows.map(({ key }, index) => [key, index]));
    this.#offsets = new Offsets(rows.map(({ key, estimate }) => this.#heights.get(key) ?? estimate));
    if (this.#anchor !== null && !this.#indexes.has(this.#anchor.key)) {
      this.#anchor = null;
    }
  }

  /** How tall some rows are; whether anything is different now. */
  measure(heights: readonly (readonly [string, number])[]): boolean {
    let changed = false;
    for (const [key, height] of heights) {
      const index = this.#indexes.get(key);
      this.#heights.set(key, height);
      if (index !== undefined && this.#offsets.height(index) !== height) {
        this.#offsets.set(index, height);
        changed = true;
      }
    }
    return changed;
  }

  /** How much of the list is seen; whether it is different now. */
  resize(viewport_px: number): boolean {
    const changed = viewport_px !== this.#viewport_px;
    this.#viewport_px = viewport_px;
    return changed;
  }

  /** The reader has scrolled. */
  scrolledTo(top_px: number): void {
    this.#scrolled_px = top_px;
    this.#atEnd = top_px + this.#viewport_px >= this.height - AT_END_PX;
    let index = this.#offsets.at(top_px);
    while (this.#rows[index]?.holds === false) {
      index += 1;
    }
    const row = this.#rows[index];
    this.#anchor =
      row === undefined ? null : { key: row.key, below: this.#offsets.of(index) - top_px };
  }

  /** Put a row into sight, so far below the upper edge; false where it is not in the list. */
  show(key: string, below: number): boolean {
    if (!this.#indexes.has(key)) {
      return false;
    }
    this.#atEnd = false;
    this.#anchor = { key, below };
    return true;
  }

  showEnd(): void {
    this.#atEnd = true;
  }

  /** Where the list has to be scrolled to, for the reader to be where they were. */
  get top(): number {
    const furthest = Math.max(0, this.height - this.#viewport_px);
    if (this.#atEnd) {
      return furthest;
    }
    const index = this.#anchor === null ? undefined : this.#indexes.get(this.#anchor.key);
    const wanted =
      this.#anchor === null || index === undefined
        ? this.#scrolled_px
        : this.#offsets.of(index) - this.#anchor.below;
    return Math.max(0, Math.min(wanted, furthest));
  }

  offsetOf(index: number): number {
    return this.#offsets.of(index);
  }

  indexOf(key: string): number | undefined {
    return this.#indexes.get(key);
  }

  /** The rows that have to be there; the same ones as long as these reach far enough. */
  span(before: Span): Span {
    const top = this.top;
    const bottom = top + this.#viewport_px;
    const enough =
      before.end <= this.#rows.length &&
      before.first < before.end &&
      (before.first === 0 || this.#offsets.of(before.first) <= top - RESERVE_PX) &&
      (before.end === this.#rows.length || this.#offsets.of(before.end) >= bottom + RESERVE_PX);
    if (enough) {
      return before;
    }
    const first = this.#offsets.at(Math.max(0, top - OVERSCAN_PX));
    const end = Math.min(this.#rows.length, this.#offsets.at(bottom + OVERSCAN_PX) + 1);
    return { first, end };
  }

  /** The rows that are at least partly seen. */
  visible(): Span {
    const top = this.top;
    const end = this.#offsets.at(Math.max(top, top + this.#viewport_px - 1)) + 1;
    return { first: this.#offsets.at(top), end: Math.min(end, this.#rows.length) };
  }
}
