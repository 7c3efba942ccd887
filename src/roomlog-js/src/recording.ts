import type { RoomEvent } from "./contract.gen.js";

const EVENTS_MAX = 10_000;

/** The events that come while something is being read, to be folded into what was read. */
export class Recording {
  #events: RoomEvent[] = [];
  /** More came than are kept: what was read cannot be brought up to now. */
  overflowed = false;

  get events(): readonly RoomEvent[] {
    return this.#events;
  }

  push(event: RoomEvent): void {
    if (this.#events.length >= EVENTS_MAX) {
      this.#events = [];
      this.overflowed = true;
    }
    this.#events.push(event);
  }
}
