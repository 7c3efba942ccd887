import { useEffect, useRef, useState } from "react";
import type { RoomMessage } from "roomlog-js";
import { nameOf } from "./format";
import { useRoomView } from "./room-context";

const CHARS_MAX = 300;
/** Then it is taken away: what was deleted must not be left standing here. */
const SAID_MS = 5000;

/** Says what others say as it comes, for who does not see it. */
export function Announcer(props: { readonly messages: readonly RoomMessage[] }): React.ReactNode {
  const { messages } = props;
  const { members, userId } = useRoomView();
  const [said, setSaid] = useState("");
  const newest = messages.findLast((message) => message.logged);
  const heard = useRef(newest?.sequence_number ?? 0);
  useEffect(() => {
    if (newest === undefined || newest.sequence_number <= heard.current) {
      return;
    }
    heard.current = newest.sequence_number;
    if (newest.sender_id !== userId) {
      const text = newest.content.slice(0, CHARS_MAX);
      setSaid(`${nameOf(newest.sender_id, members)}: ${text}`);
    }
  }, [newest, members, userId]);
  useEffect(() => {
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div className="visually-hidden" aria-live="polite">
      {said}
    </div>
  );
}
