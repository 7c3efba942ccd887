import { useEffect, useState } from "react";
import type { PendingItem, RoomMessage } from "roomlog-js";
import { useRoomView } from "../room-context";

const BEING: Readonly<Record<PendingItem["command"]["type"], string>> = {
  send: "Sending…",
  edit: "Saving the edit…",
  delete: "Deleting…",
  react: "Reacting…",
  unreact: "Taking the reaction back…",
};

const NOT: Readonly<Record<PendingItem["command"]["type"], string>> = {
  send: "Not sent",
  edit: "Not edited",
  delete: "Not deleted",
  react: "Reaction not added",
  unreact: "Reaction not taken back",
};

/** What is on its way for a message, and what was refused, with what can be done about it. */
export function Pending(props: { readonly message: RoomMessage }): React.ReactNode {
  const { pending } = props.message;
  return pending.map((item) => <Item key={item.key} item={item} />);
}

function Item(props: { readonly item: PendingItem }): React.ReactNode {
  const { key, command, status, error } = props.item;
  const { actions } = useRoomView();
  if (status === "refused") {
    return (
      <p className="refused">
        <span>
          {NOT[command.type]}: {error?.detail ?? "it was refused"}.
          {command.type === "edit" && <q>{command.content.slice(0, 300)}</q>}
        </span>
        <button type="button" onClick={() => actions.retry(key)}>
          Try again
        </button>
        <button type="button" onClick={() => actions.dismiss(key)}>
          Discard
        </button>
      </p>
    );
  }
  if (status === "acked" || status === "echoed") {
    return null;
  }
  const isQuick = command.type === "react" || command.type === "unreact";
  if (isQuick && status === "queued") {
    return null;
  }
  return (
    <Late>
      <p className="pending">
        <span className="clock" aria-hidden="true" />
        {status === "held" ? `Waiting: ${error?.detail ?? "refused for now"}` : BEING[command.type]}
      </p>
    </Late>
  );
}

const LATE_MS = 500;

/** What is there only if it takes a while: most commands are done before anybody could read it. */
function Late(props: { readonly children: React.ReactNode }): React.ReactNode {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LATE_MS);
    return () => clearTimeout(timer);
  }, []);
  return isLate ? props.children : null;
}
