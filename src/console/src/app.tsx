import { useCallback, useState } from "react";
import { RoomlogProvider, useConnection } from "roomlog-js/react";
import { CheckBundle } from "./check-bundle";
import { useRoute } from "./routes";
import { keptSession, type Session, signOut, tokenFromAddress } from "./session";
import { SessionContext } from "./session-context";
import { Shell } from "./shell";
import { SignIn } from "./sign-in";

const ENDED_BY_TOKEN: ReadonlySet<string> = new Set(["unauthenticated", "token_failed"]);

/** The whole page: signing in, and what is behind it. */
export function App(): React.ReactNode {
  const [session, setSession] = useState(keptSession);
  const [offered, setOffered] = useState(tokenFromAddress);
  const begin = useCallback((next: Session) => {
    setOffered("");
    setSession((before) => {
      if (before !== null && before.client !== next.client) {
        before.client.close();
      }
      return next;
    });
  }, []);
  const end = useCallback(() => {
    setSession((before) => {
      if (before !== null) {
        signOut(before);
      }
      return null;
    });
  }, []);
  const { view } = useRoute();
  if (view === "bundle") {
    return <CheckBundle />;
  }
  if (session === null || offered !== "") {
    return <SignIn before={session} offered={offered} reason={null} onSession={begin} />;
  }
  return (
    <RoomlogProvider client={session.client} key={session.claims.sub}>
      <SessionContext value={{ claims: session.claims, end }}>
        <SignedIn session={session} onSession={begin} />
      </SessionContext>
    </RoomlogProvider>
  );
}

function SignedIn(props: {
  readonly session: Session;
  readonly onSession: (session: Session) => void;
}): React.ReactNode {
  const { session, onSession } = props;
  const { state, reason } = useConnection();
  if (state === "closed" && reason !== null && ENDED_BY_TOKEN.has(reason.code)) {
    const text = "Your token does not hold any more. What you wrote is kept: bring a new one.";
    return <SignIn before={session} offered="" reason={text} onSession={onSession} />;
  }
  return <Shell />;
}
