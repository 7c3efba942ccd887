import type { Reason, State } from "./machine/types.js";
import { Store } from "./store.js";

export interface ConnectionSnapshot {
  readonly state: State;
  /** Why the client is not connected; null where it is, or is about to be. */
  readonly reason: Reason | null;
  /** Whose the connection is; null until the server said it. */
  readonly userId: string | null;
  /** While `waiting`: when it tries again, in milliseconds since 1970. */
  readonly retryAt: number | null;
}

/** Where the connection stands. */
export class Connection extends Store<ConnectionSnapshot> {
  #snapshot: ConnectionSnapshot;

  constructor(snapshot: ConnectionSnapshot) {
    super();
    this.#snapshot = snapshot;
  }

  set(snapshot: ConnectionSnapshot): void {
    this.#snapshot = snapshot;
    this.changed();
  }

  /** It tries again at this time. */
  waits(until_ms: number): void {
    this.set({ ...this.#snapshot, retryAt: until_ms });
  }

  protected override take(): ConnectionSnapshot {
    return this.#snapshot;
  }
}

/** Whether the server is there in this state. */
export function isConnected(state: State): boolean {
  return state === "replaying" || state === "live";
}
