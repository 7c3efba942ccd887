import { useEffect, useState } from "react";
import { useConnection } from "roomlog-js/react";

/** Tells where the connection is not live, and offers to try again. */
export function ConnectionStatus(): React.ReactNode {
  const { state, reason, retryAt, connect } = useConnection();
  const left_s = useSecondsUntil(state === "waiting" ? retryAt : null);
  const shown = useSettled(state);
  if (shown === "live" || shown === "replaying") {
    return <div role="status" className="visually-hidden">Connected</div>;
  }
  return (
    <div role="status" className={`connection ${shown}`}>
      <span className="dot" aria-hidden="true" />
      <span>{told(shown, left_s)}</span>
      {reason !== null && shown !== "offline" && <span className="why">{reason.detail}</span>}
      {(shown === "waiting" || shown === "closed") && (
        <button type="button" onClick={connect}>
          Try now
        </button>
      )}
    </div>
  );
}

function told(state: string, left_s: number | null): string {
  switch (state) {
    case "offline":
      return "Offline. What you write is kept, and sent when the network is back.";
    case "waiting":
      return left_s === null || left_s === 0
        ? "Reconnecting…"
        : `Not connected. Trying again in ${left_s} s; what you write is kept.`;
    case "closed":
      return "Disconnected.";
    default:
      return "Connecting…";
  }
}

const SETTLES_MS = 700;

/** The state, once it has lasted a moment: a blink of the network is nobody's concern. */
function useSettled(state: string): string {
  const [settled, setSettled] = useState("live");
  useEffect(() => {
    const timer = setTimeout(() => setSettled(state), state === "live" ? 0 : SETTLES_MS);
    return () => clearTimeout(timer);
  }, [state]);
  return settled;
}

function useSecondsUntil(until_ms: number | null): number | null {
  const [now_ms, setNow] = useState(Date.now);
  useEffect(() => {
    if (until_ms === null) {
      return;
    }
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [until_ms]);
  return until_ms === null ? null : Math.max(0, Math.ceil((until_ms - now_ms) / 1000));
}
