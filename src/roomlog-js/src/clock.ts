/**
 * The time in milliseconds since 1970 as this machine has it, but never going back: where somebody
 * sets the clock back, it goes on from where it was. (A monotonic clock would stand still while
 * the machine sleeps, and tokens don't.)
 */
export class Clock {
  #offset_ms = 0;
  #last_ms = 0;

  now(): number {
    const now_ms = Date.now() + this.#offset_ms;
    if (now_ms < this.#last_ms) {
      this.#offset_ms += this.#last_ms - now_ms;
    } else {
      this.#last_ms = now_ms;
    }
    return this.#last_ms;
  }
}
