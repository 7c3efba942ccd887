import type { RoomEvent, RoomPage } from "./contract.gen.js";
import { RoomlogError } from "./errors.js";

/** What a reader needs of its room. */
export interface ReaderRoom {
  /** Slow down: false where others need the events now, so that they will go on coming. */
  pause(): boolean;
  unpause(): void;
  /** How far the room's events were delivered; null where that is not known yet. */
  position(): number | null;
  events(after: number, min_sequence: number): Promise<RoomPage<RoomEvent>>;
}

/** The room began anew: this log is not the continuation of what the loop has seen. */
export interface Reset {
  readonly epoch: string;
  readonly position: number;
}

/** Called in the loop's order; the events after `position` follow when it is done. */
export type OnReset = (reset: Reset) => void | Promise<void>;

const FULL = 1000;
const LOW = 250;

interface Waiting {
  resolve(result: IteratorResult<RoomEvent, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A room's events for a loop: in order, each once, however slow the loop is. At most `FULL` are
 * kept; then the room pauses, or, where its store needs the events, the rest is read from the log
 * by REST when the loop has come that far.
 */
export class Reader implements AsyncIterableIterator<RoomEvent, undefined> {
  readonly #room: ReaderRoom;
  readonly #waiting: Waiting[] = [];
  #buffer: RoomEvent[] = [];
  #cursor: number | null;
  #paused = false;
  #behind = false;
  #resets = 0;
  #reset: Reset | null = null;
  readonly #onReset: OnReset | null;
  #failure: RoomlogError | null = null;
  #done = false;

  constructor(room: ReaderRoom, after: number | null, onReset: OnReset | null) {
    this.#room = room;
    this.#cursor = after;
    this.#onReset = onReset;
  }

  /** The sequence of the last event that the loop was given; null where nothing is known. */
  get position(): number | null {
    return this.#cursor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Take the room's next event. */
  push(event: RoomEvent): void {
    if (this.#done || this.#behind) {
      return;
    }
    const waiting = this.#buffer.length === 0 ? this.#waiting.shift() : undefined;
    if (waiting !== undefined) {
      this.#cursor = event.sequence;
      waiting.resolve({ value: event, done: false });
      return;
    }
    this.#buffer.push(event);
    if (this.#buffer.length >= FULL && !this.#paused) {
      this.#paused = this.#room.pause();
      if (!this.#paused) {
        this.#letGo();
      }
    }
  }

  /** Others need the events now: the room may not be paused any more. */
  stopPausing(): void {
    if (this.#paused) {
      this.#paused = false;
      this.#letGo();
      this.#room.unpause();
    }
  }

  /** The room began anew. Without `onReset` the loop ends by an error, and may be begun again. */
  reset(reset: Reset): void {
    this.#resets += 1;
    this.#buffer = [];
    this.#behind = false;
    this.#cursor = reset.position;
    if (this.#onReset === null) {
      this.fail(new RoomlogError("reset", "the log is another one: read the room anew"));
      return;
    }
    this.#reset = reset;
    const waiting = this.#waiting.splice(0);
    for (const one of waiting) {
      this.next().then(one.resolve, one.reject);
    }
  }

  /** The loop ends by this error when it has taken what there is. */
  fail(error: RoomlogError): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#failure = error;
    } else {
      waiting.reject(error);
    }
  }

  /** The loop ends when it has taken what there is. */
  end(): void {
    this.#done = true;
    for (const waiting of this.#waiting.splice(0)) {
      waiting.resolve({ value: undefined, done: true });
    }
  }

  async next(): Promise<IteratorResult<RoomEvent, undefined>> {
    while (this.#reset !== null) {
      const reset = this.#reset;
      // Where it throws, the loop ends, and the next one hears of it all the same.
      await this.#onReset?.(reset);
      if (this.#reset === reset) {
        this.#reset = null;
      }
    }
    while (this.#behind && this.#buffer.length === 0 && !this.#done) {
      await this.#catchUp();
    }
    const event = this.#buffer.shift();
    if (this.#paused && this.#buffer.length <= LOW) {
      this.#paused = false;
      this.#room.unpause();
    }
    if (event !== undefined) {
      this.#cursor = event.sequence;
      return { value: event, done: false };
    }
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
    if (this.#done) {
      return { value: undefined, done: true };
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  /** Leaving the loop keeps its place: the next loop goes on from there. */
  return(): Promise<IteratorResult<RoomEvent, undefined>> {
    return Promise.resolve({ value: undefined, done: true });
  }

  #letGo(): void {
    this.#cursor ??= this.#buffer[0]?.prev_sequence ?? this.#room.position();
    this.#buffer = [];
    this.#behind = true;
  }

  /** Read from the log what was let go. */
  async #catchUp(): Promise<void> {
    // Events that come from now on are kept: whatever came before is in the page.
    this.#behind = false;
    const resets = this.#resets;
    const position = this.#room.position() ?? 0;
    let page: RoomPage<RoomEvent>;
    try {
      page = await this.#room.events(this.#cursor ?? 0, position);
    } catch (error) {
      if (resets === this.#resets) {
        this.#letGo();
      }
      throw error;
    }
    if (resets !== this.#resets) {
      return;
    }
    const last = page.items.at(-1)?.sequence ?? position;
    const later = this.#buffer.filter((event) => event.sequence > last);
    this.#behind ||= page.next !== null;
    this.#buffer = this.#behind ? page.items : [...page.items, ...later];
  }
}
