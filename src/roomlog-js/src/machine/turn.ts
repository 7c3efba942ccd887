import type { Effect } from "./types.js";
import { RETRY_MS_DEFAULT } from "./types.js";

/** Codes of what is refused for now only: the same again, a little later, may do. */
export const RETRIED: ReadonlySet<string> = new Set([
  "rate_limited",
  "log_unavailable",
  "projection_behind",
  "database_unavailable",
]);

/** What one input brings (`at_ms` since 1970, `chance` in [0, 1)) and what comes of it. */
export class Turn {
  readonly effects: Effect[] = [];

  constructor(
    readonly at_ms: number,
    readonly chance: number,
  ) {}

  /** Add to what the shell has to do. */
  emit(...effects: Effect[]): void {
    this.effects.push(...effects);
  }

  /** A random part of a duration, in whole milliseconds. */
  shareOf(limit_ms: number): number {
    return Math.floor(this.chance * limit_ms);
  }

  /** A given delay and up to half of it more, so that not all come back at once. */
  spread(retry_ms: number): number {
    return retry_ms + Math.floor((this.chance * retry_ms) / 2);
  }
}

/** Makes the marks by which answers are known: one counter for the client's whole life. */
export class Refs {
  #count = 0;

  /** A mark that was not used before. */
  next(kind: "sub" | "unsub" | "auth" | "cmd" | "load"): string {
    this.#count += 1;
    return `${kind}-${this.#count}`;
  }
}

/** What an `error` frame says about trying again, in milliseconds. */
export function retryMs(retry_after_s: number | null | undefined): number {
  return retry_after_s == null ? RETRY_MS_DEFAULT : Math.ceil(retry_after_s * 1000);
}
