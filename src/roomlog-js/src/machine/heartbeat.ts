import type { Turn } from "./turn.js";
import { PONG_MS_MAX } from "./types.js";

export const HEARTBEAT_TIMER = "heartbeat";
export const PONG_TIMER = "pong";

/** Whether the connection still lives: a `ping` each heartbeat, and something heard in time. */
export class Heartbeat {
  #period_ms = 0;
  #pinged = false;
  #heard = false;

  /** `hello` came. */
  begin(turn: Turn, heartbeat_seconds: number): void {
    this.#period_ms = Math.ceil(heartbeat_seconds * 1000);
    this.#pinged = false;
    this.#setTimer(turn);
  }

  /** The timer fired. */
  beat(turn: Turn): void {
    this.ping(turn);
    this.#setTimer(turn);
  }

  /** Ask for the heads, where no answer is awaited already. */
  ping(turn: Turn): void {
    if (!this.#pinged) {
      this.#pinged = true;
      this.#heard = false;
      turn.emit({ type: "send", frame: { type: "ping" } });
      this.#awaitPong(turn);
    }
  }

  /** Anything came. */
  heard(): void {
    this.#heard = true;
  }

  pong(turn: Turn): void {
    this.#pinged = false;
    turn.emit({ type: "cancel_timer", timer: PONG_TIMER });
  }

  /** No `pong` in time; whether the connection lives all the same, so that it is waited for on. */
  late(turn: Turn): boolean {
    const lives = this.#heard;
    if (lives) {
      this.#heard = false;
      this.#awaitPong(turn);
    }
    return lives;
  }

  #setTimer(turn: Turn): void {
    turn.emit({ type: "set_timer", timer: HEARTBEAT_TIMER, after_ms: this.#period_ms });
  }

  #awaitPong(turn: Turn): void {
    const after_ms = Math.min(this.#period_ms, PONG_MS_MAX);
    turn.emit({ type: "set_timer", timer: PONG_TIMER, after_ms });
  }
}
