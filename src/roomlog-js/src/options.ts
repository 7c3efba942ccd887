import type { Fetch } from "./http.js";
import { QUEUE_MAX } from "./machine/types.js";
import type { QueueStore } from "./queue-store.js";
import type { WebSocketConstructor } from "./socket.js";
import { claimsOf, type TokenOption } from "./token-source.js";

export interface ClientOptions {
  /** The server's base URL; `""` is the page's own origin. */
  readonly url: string;
  /** The token, or a function that gets one whenever one is needed. */
  readonly token: TokenOption;
  /** The WebSocket to use, where the platform has none: that of `ws` in Node 20. */
  readonly WebSocket?: WebSocketConstructor;
  /** Used in place of the platform's `fetch`. */
  readonly fetch?: Fetch;
  /** Keeps commands on their way, so that they outlast the client. */
  readonly queue?: QueueStore;
  /** How many commands may be on their way; 1,000 where it is not said. */
  readonly queueMax?: number;
  /** Who the user is, where that is known before the server says it. */
  readonly userId?: string;
  /** Whether events bring `content_html`, which stores show; true where it is not said. */
  readonly html?: boolean;
  /** How long a room is still followed when nobody watches its store any more; 10 s. */
  readonly lingerMs?: number;
  /** How many messages a store loads at first, and then each time; 100, at most 500. */
  readonly pageSize?: number;
  /** How long REST goes on asking a server that is away or has too much to do; 20 s. */
  readonly patienceMs?: number;
}

export interface Configuration {
  readonly baseUrl: string;
  readonly socketUrl: () => string;
  readonly WebSocket: WebSocketConstructor;
  readonly fetch: Fetch;
  readonly queue: QueueStore | null;
  readonly queueMax: number;
  readonly userId: string | null;
  readonly html: boolean;
  readonly lingerMs: number;
  readonly pageSize: number;
  readonly patienceMs: number;
}

const LINGER_MS = 10_000;
const PAGE_SIZE = 100;
const PATIENCE_MS = 20_000;

/** What the options mean here. Throws a TypeError where they cannot work. */
export function configured(options: ClientOptions): Configuration {
  const page = globalThis as unknown as {
    location?: { href: string };
    WebSocket?: WebSocketConstructor;
  };
  const WebSocket = options.WebSocket ?? page.WebSocket;
  if (WebSocket === undefined) {
    throw new TypeError("there is no WebSocket here: give one, such as that of the package ws");
  }
  const base = new URL(options.url === "" ? "/" : options.url, page.location?.href);
  const path = base.pathname.replace(/\/$/, "");
  const scheme = base.protocol === "https:" ? "wss:" : "ws:";
  const socketUrl = `${scheme}//${base.host}${path}/ws`;
  return {
    baseUrl: `${base.protocol}//${base.host}${path}`,
    socketUrl: () => socketUrl,
    WebSocket,
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    queue: options.queue ?? null,
    queueMax: options.queueMax ?? QUEUE_MAX,
    userId: options.userId ?? ownerOf(options.token),
    html: options.html ?? true,
    lingerMs: options.lingerMs ?? LINGER_MS,
    pageSize: options.pageSize ?? PAGE_SIZE,
    patienceMs: options.patienceMs ?? PATIENCE_MS,
  };
}

/** Whose token it is, where that can be told without getting one. */
function ownerOf(token: TokenOption): string | null {
  return typeof token === "string" ? claimsOf(token).sub : null;
}
