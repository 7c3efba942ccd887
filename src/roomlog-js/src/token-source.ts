import type { Token } from "./machine/tokens.js";

/** A token, or a function that gets one. */
export type TokenOption = string | (() => string | Promise<string>);

const FETCH_MS_MAX = 30_000;
const FRESH_MS_MIN = 5000;

/** Where tokens come from. Whoever asks at the same time gets the same one. */
export class TokenSource {
  #option: TokenOption;
  #brought: Token | null = null;
  #latest: Token | null = null;
  #fetching: Promise<Token> | null = null;

  constructor(option: TokenOption) {
    this.#option = option;
  }

  /** A token that is good for now, as far as its expiry tells. Rejects as `fetch` does. */
  async current(): Promise<Token> {
    const latest = this.#latest;
    const until_ms = latest?.expires_at_ms ?? Number.POSITIVE_INFINITY;
    return latest !== null && until_ms - Date.now() > FRESH_MS_MIN ? latest : this.fetch();
  }

  /** A new token; rejects with what the function threw, or where it takes too long. */
  fetch(): Promise<Token> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  /** Take one that the user brings: it is what the next `fetch` answers with. */
  bring(token: string): Token {
    const brought = { token, expires_at_ms: claimsOf(token).expires_at_ms };
    if (typeof this.#option === "string") {
      this.#option = token;
    } else {
      this.#brought = brought;
    }
    this.#latest = brought;
    return brought;
  }

  async #fetch(): Promise<Token> {
    const brought = this.#brought;
    if (brought !== null) {
      this.#brought = null;
      return brought;
    }
    const token =
      typeof this.#option === "string" ? this.#option : await inTime(this.#option(), FETCH_MS_MAX);
    this.#latest = { token, expires_at_ms: claimsOf(token).expires_at_ms };
    return this.#latest;
  }
}

async function inTime<T>(work: T | Promise<T>, limit_ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no token within ${limit_ms} ms`)), limit_ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a JWT says of itself, unverified; null where it says nothing, or is none. */
export function claimsOf(token: string): { sub: string | null; expires_at_ms: number | null } {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (one) => one.charCodeAt(0)));
    const { sub, exp } = JSON.parse(text) as { sub?: unknown; exp?: unknown };
    return {
      sub: typeof sub === "string" ? sub : null,
      expires_at_ms: typeof exp === "number" ? Math.floor(exp * 1000) : null,
    };
  } catch {
    return { sub: null, expires_at_ms: null };
  }
}
