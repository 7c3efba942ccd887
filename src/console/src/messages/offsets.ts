/** Where rows begin, of heights that become known one after another: a Fenwick tree of heights. */
export class Offsets {
  readonly count: number;
  readonly #heights: Float64Array;
  readonly #sums: Float64Array;

  constructor(heights: ArrayLike<number>) {
    this.count = heights.length;
    this.#heights = Float64Array.from(heights);
    this.#sums = new Float64Array(this.count + 1);
    for (let n = 1; n <= this.count; n += 1) {
      this.#sums[n] = (this.#sums[n] ?? 0) + (this.#heights[n - 1] ?? 0);
      const parent = n + (n & -n);
      if (parent <= this.count) {
        this.#sums[parent] = (this.#sums[parent] ?? 0) + (this.#sums[n] ?? 0);
      }
    }
  }

  get total(): number {
    return this.of(this.count);
  }

  height(index: number): number {
    return this.#heights[index] ?? 0;
  }

  /** Where row `index` begins; `count` gives the end of the last. */
  of(index: number): number {
    let sum = 0;
    for (let n = Math.min(index, this.count); n > 0; n -= n & -n) {
      sum += this.#sums[n] ?? 0;
    }
    return sum;
  }

  set(index: number, height: number): void {
    const difference = height - this.height(index);
    if (difference === 0) {
      return;
    }
    this.#heights[index] = height;
    for (let n = index + 1; n <= this.count; n += n & -n) {
      this.#sums[n] = (this.#sums[n] ?? 0) + difference;
    }
  }

  /** The row that lies at this offset: the first one that ends below it, the last at the end. */
  at(offset: number): number {
    let index = 0;
    let left = offset;
    for (let step = highestBit(this.count); step > 0; step >>= 1) {
      const next = index + step;
      const sum = this.#sums[next] ?? 0;
      if (next <= this.count && sum <= left) {
        index = next;
        left -= sum;
      }
    }
    return Math.max(0, Math.min(index, this.count - 1));
  }
}

function highestBit(value: number): number {
  return value === 0 ? 0 : 1 << (31 - Math.clz32(value));
}
