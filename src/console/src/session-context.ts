import { createContext, useContext } from "react";
import type { Claims } from "./token";

export interface SessionHook {
  readonly claims: Claims;
  /** Sign out. */
  readonly end: () => void;
}

export const SessionContext = createContext<SessionHook | null>(null);

export function useSession(): SessionHook {
  const session = useContext(SessionContext);
  if (session === null) {
    throw new Error("nobody is signed in here");
  }
  return session;
}
