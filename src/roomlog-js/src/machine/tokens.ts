import type { AuthenticatedFrame, ErrorFrame } from "../contract.gen.js";
import type { Refs, Turn } from "./turn.js";
import {
  TOKEN_MARGIN_MS_MAX,
  TOKEN_RETRY_MS,
  TOKEN_TIMER_MS_MAX,
  TOKEN_TIMER_MS_MIN,
} from "./types.js";

export const TOKEN_TIMER = "token";

/** A token and when it ends, in milliseconds since 1970; null where that is unknown. */
export interface Token {
  readonly token: string;
  readonly expires_at_ms: number | null;
}

/** The token of the connection: fetched, renewed in band before it expires, refused. */
export class Tokens {
  readonly #refs: Refs;
  #current: Token | null = null;
  #next: Token | null = null;
  #auth: { readonly ref: string; readonly token: Token } | null = null;
  #refused: string | null = null;
  #refusals = 0;

  constructor(refs: Refs) {
    this.#refs = refs;
  }

  fetch(turn: Turn): void {
    turn.emit({ type: "fetch_token" });
  }

  /** Whether this very token was refused by the server. */
  wasRefused(token: Token): boolean {
    return token.token === this.#refused;
  }

  /** A socket is opened with it. */
  opens(turn: Turn, token: Token): void {
    this.#current = token;
    this.#next = null;
    this.#auth = null;
    turn.emit({ type: "open_socket", token: token.token });
  }

  /** To be sent once there is a `hello`. */
  keep(token: Token): void {
    this.#next = token;
  }

  /** `hello` came: the connection's token is a good one. */
  connected(turn: Turn): void {
    this.#refused = null;
    this.#refusals = 0;
    this.#setTimer(turn);
    if (this.#next !== null) {
      this.renew(turn, this.#next);
    }
  }

  /** Send it where it is another than the connection's. */
  renew(turn: Turn, token: Token): void {
    this.#next = null;
    if (this.#current !== null && token.token === this.#current.token) {
      this.#setTimer(turn);
      return;
    }
    this.#auth = { ref: this.#refs.next("auth"), token };
    const frame = { type: "auth", ref: this.#auth.ref, token: token.token } as const;
    turn.emit({ type: "send", frame });
  }

  authenticated(turn: Turn, frame: AuthenticatedFrame): void {
    if (this.#auth !== null && this.#auth.ref === frame.ref) {
      this.#current = this.#auth.token;
      this.#auth = null;
      this.#setTimer(turn);
    }
  }

  /** An `error` that may answer an `auth`: the old token still counts. */
  refused(frame: ErrorFrame): void {
    if (this.#auth !== null && this.#auth.ref === frame.ref) {
      this.#auth = null;
    }
  }

  /** No token came while the connection stands. */
  failed(turn: Turn): void {
    turn.emit({ type: "set_timer", timer: TOKEN_TIMER, after_ms: TOKEN_RETRY_MS });
  }

  /** The server closed with 4501; whether another token is worth trying. */
  turnedAway(): boolean {
    this.#refused = this.#current === null ? null : this.#current.token;
    this.#refusals += 1;
    return this.#refusals === 1;
  }

  /** The user brings a new token after the client was closed for the old one. */
  reopened(): void {
    this.#refusals = 0;
  }

  #setTimer(turn: Turn): void {
    const expires_at_ms = this.#current?.expires_at_ms ?? null;
    if (expires_at_ms === null) {
      return;
    }
    const left_ms = expires_at_ms - turn.at_ms;
    const margin_ms = Math.min(TOKEN_MARGIN_MS_MAX, Math.floor(left_ms / 4));
    const after_ms = Math.min(left_ms - margin_ms, TOKEN_TIMER_MS_MAX);
    if (after_ms >= TOKEN_TIMER_MS_MIN) {
      turn.emit({ type: "set_timer", timer: TOKEN_TIMER, after_ms });
    }
  }
}
