import type { ErrorCode, FieldError } from "./contract.gen.js";

/**
 * What a `RoomlogError` may say beside the contract's codes: the client's own words, and the
 * reasons for which it closed.
 */
export type ClientErrorCode =
  | "queue_full"
  | "withdrawn"
  | "abandoned"
  | "reset"
  | "already_followed"
  | "no_answer"
  | "internal"
  | "closed_by_user"
  | "user_changed"
  | "refused"
  | "token_failed";

export interface ErrorDetails {
  readonly status?: number;
  readonly errors?: readonly FieldError[];
  readonly retryAfterMs?: number | null;
  readonly maybeSent?: boolean;
  readonly kept?: boolean;
}

/**
 * What was asked for was not done, or it is not known to be.
 *
 * `code` is what to switch on. `errors` names the fields at fault. `maybeSent`: it may be in the
 * log all the same; the same command under the same key tells. `kept`: it is still in the
 * persistent queue, and sent when a client opens it.
 */
export class RoomlogError extends Error {
  override readonly name = "RoomlogError";
  readonly code: ErrorCode | ClientErrorCode;
  /** The HTTP status, where REST said it. */
  readonly status: number | null;
  readonly errors: readonly FieldError[];
  readonly retryAfterMs: number | null;
  readonly maybeSent: boolean;
  readonly kept: boolean;

  constructor(code: string, detail: string, details: ErrorDetails = {}) {
    super(detail === "" ? code : `${code}: ${detail}`);
    // A newer server may say what this client does not know: it is handed on as it is.
    this.code = code as ErrorCode | ClientErrorCode;
    this.detail = detail;
    this.status = details.status ?? null;
    this.errors = details.errors ?? [];
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.maybeSent = details.maybeSent ?? false;
    this.kept = details.kept ?? false;
  }

  readonly detail: string;
}

/** What failed and why: Node's `fetch` only says that it did, and has the reason as cause. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) {
    return String(error);
  }
  // Where several addresses were tried, there is a code and no message.
  const why = cause.message || ("code" in cause ? String(cause.code) : cause.name);
  return `${String(error)} (${why})`;
}
