import { useEffect, useRef } from "react";
import type { Room } from "roomlog-js";
import { useRoom } from "roomlog-js/react";
import type { SeenMessages } from "./messages/message-list";

const PAUSE_MS = 400;

/** Moves the read marker to what the reader has had before them, while the page is looked at. */
export function useSeen(room: Room, seen: SeenMessages | null): void {
  const { position } = useRoom(room.id);
  const marked = useRef(0);
  const upTo = seen === null ? 0 : seen.isAtEnd ? (position ?? 0) : seen.last;
  useEffect(() => {
    const mark = (): void => {
      if (document.visibilityState === "visible" && upTo > marked.current) {
        marked.current = upTo;
        room.seen(upTo);
      }
    };
    const timer = setTimeout(mark, PAUSE_MS);
    document.addEventListener("visibilitychange", mark);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", mark);
    };
  }, [room, upTo]);
}
