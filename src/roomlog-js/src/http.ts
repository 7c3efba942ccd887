import type { Problem } from "./contract.gen.js";
import { RoomlogError, reasonOf } from "./errors.js";
import type { TokenSource } from "./token-source.js";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How a single request may be given up, or made to show at least an event. */
export interface RequestOptions {
  readonly signal?: AbortSignal;
}

export interface HttpParts {
  /** What paths are put behind: no slash at its end. */
  readonly baseUrl: string;
  readonly fetch: Fetch;
  readonly tokens: TokenSource;
  /** How long answers of 429 and 503, and a network that fails, are put up with. */
  readonly patienceMs: number;
}

export interface HttpRequest extends RequestOptions {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: object | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const TRY_MS_MAX = 30_000;
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 5000;
const UNAUTHENTICATED = 401;
const RETRIED_STATUS: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/**
 * Asks the server by REST. What failed for now is tried again for a while; so every write must
 * bear an `Idempotency-Key`.
 */
export class Http {
  readonly #parts: HttpParts;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  /** The answer's JSON (undefined where it has none). Rejects with a `RoomlogError`. */
  async ask<T>(request: HttpRequest): Promise<T> {
    const answer = await this.answer(request);
    const text = await told(answer.text());
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The successful answer itself. Rejects with a `RoomlogError`. */
  async answer(request: HttpRequest): Promise<Response> {
    const began_ms = Date.now();
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await this.#try(request);
      if (!(outcome instanceof RoomlogError)) {
        return outcome;
      }
      request.signal?.throwIfAborted();
      if (outcome.status === UNAUTHENTICATED && !renewed) {
        renewed = true;
        await this.#token(true);
        continue;
      }
      const pause_ms = pauseBefore(attempt + 1, outcome.retryAfterMs);
      const patient = Date.now() + pause_ms - began_ms <= this.#parts.patienceMs;
      if (!patient || (outcome.status !== null && !RETRIED_STATUS.has(outcome.status))) {
        throw outcome;
      }
      await pause(pause_ms, request.signal);
    }
  }

  async #try(request: HttpRequest): Promise<Response | RoomlogError> {
    const { method, path, query, body, headers, signal } = request;
    const late = AbortSignal.timeout(TRY_MS_MAX);
    const init: RequestInit = {
      method,
      headers: {
        Accept: "application/json",
        Authorization: `Bearer ${await this.#token(false)}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      cache: "no-store",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    let answer: Response;
    try {
      answer = await this.#parts.fetch(this.#parts.baseUrl + path + queryText(query), init);
    } catch (error) {
      return new RoomlogError("no_answer", reasonOf(error));
    }
    return answer.ok ? answer : refusal(answer);
  }

  async #token(renew: boolean): Promise<string> {
    const { tokens } = this.#parts;
    try {
      return (await (renew ? tokens.fetch() : tokens.current())).token;
    } catch (error) {
      throw new RoomlogError("token_failed", String(error));
    }
  }
}

async function told(text: Promise<string>): Promise<string> {
  try {
    return await text;
  } catch (error) {
    throw new RoomlogError("no_answer", reasonOf(error), { maybeSent: true });
  }
}

async function refusal(answer: Response): Promise<RoomlogError> {
  const { status } = answer;
  const after_s = Number.parseFloat(answer.headers.get("Retry-After") ?? "");
  const retryAfterMs = Number.isFinite(after_s) ? after_s * 1000 : null;
  let problem: Partial<Problem> = {};
  try {
    problem = (await answer.json()) as Partial<Problem>;
  } catch {
    // A proxy's page, or a fault: the status has to do.
  }
  const code = problem.code ?? (status === UNAUTHENTICATED ? "unauthenticated" : "internal");
  const detail = problem.detail ?? `HTTP ${status}`;
  return new RoomlogError(code, detail, { status, retryAfterMs, errors: problem.errors ?? [] });
}

/** The query of these fields; what is null or undefined is left out. */
function queryText(fields: object | undefined): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields ?? {}) as [string, unknown][]) {
    if (value !== null && value !== undefined && name !== "signal") {
      query.set(name, String(value));
    }
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function pauseBefore(attempt: number, least_ms: number | null): number {
  const grown_ms = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** attempt);
  return Math.max(least_ms ?? 0, Math.random() * grown_ms);
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
  signal?.throwIfAborted();
}
