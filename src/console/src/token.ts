/** What a token says of itself. Whether it holds is the server's to judge. */

export interface Claims {
  readonly sub: string;
  readonly name: string | null;
  readonly roles: readonly string[];
  /** Milliseconds since 1970. */
  readonly expires_ms: number | null;
}

/** The claims of a JWT; null for what is none. */
export function claimsOf(token: string): Claims | null {
  try {
    const [, payload = ""] = token.split(".");
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    const said = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const { sub, name, roles, exp } = said as {
      sub?: unknown;
      name?: unknown;
      roles?: unknown;
      exp?: unknown;
    };
    if (typeof sub !== "string" || sub === "") {
      return null;
    }
    return {
      sub,
      name: typeof name === "string" ? name : null,
      roles: Array.isArray(roles) ? roles.filter((role) => typeof role === "string") : [],
      expires_ms: typeof exp === "number" ? exp * 1000 : null,
    };
  } catch {
    return null;
  }
}
