/** Who is signed in: a token, kept for as long as the tab lives, and the client that speaks with it. */

import { RoomlogClient, RoomlogError, WebStorageQueue } from "roomlog-js";
import { type Claims, claimsOf } from "./token";

export interface Session {
  readonly claims: Claims;
  readonly client: RoomlogClient;
}

const TOKEN = "roomlog.token";

function sessionOf(token: string, claims: Claims): Session {
  const { sub } = claims;
  // Messages on their way outlast the tab: they are sent when the same user signs in again.
  const queue = new WebStorageQueue(localStorage, `console:${sub}`);
  return { claims, client: new RoomlogClient({ url: "", token, queue, userId: sub }) };
}

/** The session that this tab had before it was loaded anew; null where it had none. */
export function keptSession(): Session | null {
  const token = sessionStorage.getItem(TOKEN);
  const claims = token === null ? null : claimsOf(token);
  return token === null || claims === null ? null : sessionOf(token, claims);
}

/**
 * A session with this token, once the server has taken it. A session that there is already goes
 * on, where it is the same user's. Rejects with an Error that says what is wrong.
 */
export async function signIn(text: string, before: Session | null): Promise<Session> {
  const token = text.trim();
  const claims = claimsOf(token);
  if (claims === null) {
    throw new Error("This is not a token: three parts with dots between them are expected.");
  }
  const session = sessionOf(token, claims);
  try {
    await session.client.rest.rooms({ limit: 1 });
  } catch (error) {
    throw new Error(refusalOf(error));
  }
  sessionStorage.setItem(TOKEN, token);
  if (before !== null && before.claims.sub === claims.sub) {
    before.client.setToken(token);
    before.client.connect();
    return { claims, client: before.client };
  }
  return session;
}

/** End the session. What was not sent yet stays, and is sent when the user signs in again. */
export function signOut(session: Session): void {
  sessionStorage.removeItem(TOKEN);
  session.client.close();
}

function refusalOf(error: unknown): string {
  if (!(error instanceof RoomlogError)) {
    return String(error);
  }
  switch (error.code) {
    case "unauthenticated":
      return `The server does not take this token: ${error.detail}`;
    case "no_answer":
      return "The server does not answer. Try again when it is back.";
    default:
      return `The server answers: ${error.detail}`;
  }
}

/** A token that the address brought along (`#token=…`); it is taken out of the address. */
export function tokenFromAddress(): string {
  const found = /^#token=([\w.-]+)$/u.exec(window.location.hash);
  if (found === null) {
    return "";
  }
  window.history.replaceState(null, "", window.location.pathname);
  return found[1] ?? "";
}
