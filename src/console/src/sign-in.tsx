import { useId, useState } from "react";
import { exactTime } from "./format";
import { type Session, signIn } from "./session";
import { claimsOf } from "./token";

/** The form for a token. `before` is a session that there is already, `offered` a token to begin
 * with, `reason` why it is asked for. */
export function SignIn(props: {
  readonly before: Session | null;
  readonly offered: string;
  readonly reason: string | null;
  readonly onSession: (session: Session) => void;
}): React.ReactNode {
  const { before, offered, reason, onSession } = props;
  const [token, setToken] = useState(offered);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();

  const submit = async (form: React.FormEvent): Promise<void> => {
    form.preventDefault();
    setBusy(true);
    setError(null);
    try {
      onSession(await signIn(token, before));
    } catch (refusal) {
      setError((refusal as Error).message);
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form onSubmit={(form) => void submit(form)} aria-labelledby={`${id}-title`}>
        <h1 id={`${id}-title`}>
          <img src="/favicon.svg" alt="" width="32" height="32" /> roomlog
        </h1>
        <p className="quiet">The message log of incident rooms.</p>
        {reason !== null && <p className="note">{reason}</p>}
        <label htmlFor={`${id}-token`}>Token</label>
        <textarea
          id={`${id}-token`}
          className="token"
          rows={4}
          value={token}
          autoFocus
          autoCapitalize="off"
          autoComplete="off"
          spellCheck={false}
          aria-describedby={`${id}-whose`}
          aria-invalid={error !== null}
          aria-errormessage={error === null ? undefined : `${id}-error`}
          onChange={(change) => {
            setToken(change.target.value);
            setError(null);
          }}
          onKeyDown={(key) => {
            if (key.key === "Enter") {
              void submit(key);
            }
          }}
        />
        <p id={`${id}-whose`} className="quiet whose">
          <Whose token={token} />
        </p>
        <p id={`${id}-error`} className="error" role="alert">
          {error}
        </p>
        <button type="submit" className="primary" disabled={busy || token.trim() === ""}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <p className="quiet fine">
          It is kept in this tab only. <code>roomlog token you@example.org</code> prints one.{" "}
          <a href="#/bundle">Check a bundle</a> without one.
        </p>
      </form>
    </main>
  );
}

function Whose(props: { readonly token: string }): React.ReactNode {
  const claims = claimsOf(props.token.trim());
  if (claims === null) {
    return "Paste the token that you were given.";
  }
  const { sub, roles, expires_ms } = claims;
  const as = roles.length > 0 ? ` (${roles.join(", ")})` : "";
  const until = expires_ms === null ? "" : `, until ${exactTime(expires_ms)}`;
  return `It is that of ${sub}${as}${until}.`;
}
