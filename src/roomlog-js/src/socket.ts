import { CLOSE_CODE } from "./contract.gen.js";

/** The parts of a WebSocket that are used: the platform's has them, and that of `ws`. */
export interface WebSocketLike {
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { code: number; reason: string }) => void,
  ): void;
  addEventListener(type: "error", listener: () => void): void;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** `ws` has it: end the connection without waiting for the peer. */
  terminate?(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface SocketListener {
  opened(): void;
  /** Each frame's text, which holds one or more lines of JSON. */
  text(text: string): void;
  closed(code: number, reason: string): void;
}

const SUBPROTOCOL = "roomlog.v1";
const TOKEN_SUBPROTOCOL = "roomlog.bearer.";
const CLOSING_MS_MAX = 3000;
const ABNORMAL = 1006;
/** What a subprotocol may hold (RFC 9110, section 5.6.2); a JWT is within it. */
const TOKEN_SHAPE = /^[\w!#$%&'*+.^`|~-]+$/;

/** One connection. After `close`, its listener hears nothing more. */
export class Socket {
  readonly #socket: WebSocketLike | null;
  #listener: SocketListener | null;

  constructor(
    WebSocket: WebSocketConstructor,
    url: string,
    token: string,
    listener: SocketListener,
  ) {
    this.#listener = listener;
    this.#socket = this.#open(WebSocket, url, token);
  }

  #open(WebSocket: WebSocketConstructor, url: string, token: string): WebSocketLike | null {
    if (!TOKEN_SHAPE.test(token)) {
      // No server would take it, and no browser send it.
      queueMicrotask(() => this.#ended(CLOSE_CODE.UNAUTHENTICATED, "the token is none"));
      return null;
    }
    let socket: WebSocketLike;
    try {
      socket = new WebSocket(url, [SUBPROTOCOL, TOKEN_SUBPROTOCOL + token]);
    } catch (error) {
      // An address that is none, or that the page may not open.
      queueMicrotask(() => this.#ended(ABNORMAL, String(error)));
      return null;
    }
    socket.addEventListener("open", () => this.#listener?.opened());
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") {
        this.#listener?.text(data);
      }
    });
    socket.addEventListener("close", ({ code, reason }) => this.#ended(code, reason));
    socket.addEventListener("error", () => {
      // `close` follows, and says all that may be known.
    });
    return socket;
  }

  send(text: string): void {
    try {
      this.#socket?.send(text);
    } catch {
      // It is closing: `closed` follows.
    }
  }

  close(code: number, reason: string): void {
    this.#listener = null;
    const socket = this.#socket;
    if (socket === null) {
      return;
    }
    socket.close(code, reason);
    if (socket.terminate !== undefined) {
      const timer = setTimeout(() => socket.terminate?.(), CLOSING_MS_MAX);
      socket.addEventListener("close", () => clearTimeout(timer));
    }
  }

  #ended(code: number, reason: string): void {
    const listener = this.#listener;
    this.#listener = null;
    listener?.closed(code, reason);
  }
}
