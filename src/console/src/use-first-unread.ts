import { useCallback, useEffect, useState } from "react";
import type { Room, RoomMessage } from "roomlog-js";
import { useUnread } from "roomlog-js/react";

export interface FirstUnread {
  /** How many were unread when the room was opened, as long as they were not looked at. */
  readonly count: number;
  /** The first of them, above which the line stands; null where none is, or it is not loaded. */
  readonly id: string | null;
  /** Load back to it; its id. */
  readonly find: () => Promise<string | null>;
  readonly lookedAt: () => void;
}

interface Opened {
  readonly count: number;
  readonly id: string | null;
}

/**
 * What was unread when the room was opened: reading moves the marker on at once, but the line
 * stays where the reader had been.
 */
export function useFirstUnread(
  room: Room,
  messages: readonly RoomMessage[],
  isReady: boolean,
  userId: string,
): FirstUnread {
  const { unread } = useUnread(room.id);
  const [opened, setOpened] = useState<Opened | null>(null);
  const [isLookedAt, setLookedAt] = useState(false);
  useEffect(() => {
    if (opened === null && isReady) {
      setOpened({ count: unread, id: unreadId(messages, unread, userId) });
    }
  }, [opened, isReady, unread, messages, userId]);
  const find = useCallback(async () => {
    const id = opened?.id ?? (await loadedBack(room, opened?.count ?? 0, userId));
    setOpened((now) => (now === null ? null : { ...now, id }));
    return id;
  }, [opened, room, userId]);
  const lookedAt = useCallback(() => setLookedAt(true), []);
  return { count: isLookedAt ? 0 : (opened?.count ?? 0), id: opened?.id ?? null, find, lookedAt };
}

const PAGE_MESSAGES = 500;

async function loadedBack(room: Room, count: number, userId: string): Promise<string | null> {
  for (;;) {
    const { messages, hasMore } = room.store.getSnapshot();
    const id = unreadId(messages, count, userId);
    if (id !== null || !hasMore) {
      return id;
    }
    await room.store.loadMore(PAGE_MESSAGES);
  }
}

/** The id of the message from which on `count` of others stand; null where there are fewer. */
function unreadId(messages: readonly RoomMessage[], count: number, userId: string): string | null {
  let left = count;
  for (let n = messages.length - 1; n >= 0 && left > 0; n -= 1) {
    const message = messages[n];
    if (message !== undefined && counts(message, userId)) {
      left -= 1;
      if (left === 0) {
        return message.message_id;
      }
    }
  }
  return null;
}

function counts(message: RoomMessage, userId: string): boolean {
  const { logged, sender_id, message_type, deleted_at } = message;
  return logged && sender_id !== userId && message_type !== "system" && deleted_at === null;
}
