import { type RefObject, useCallback, useEffect, useState } from "react";
import type { Room, RoomMessage } from "roomlog-js";
import { useClient } from "roomlog-js/react";
import type { ListHandle } from "./messages/windowed-list";
import { go } from "./routes";

const MARKED_MS = 2500;
const PAGE_MESSAGES = 500;
/** What lies further back is shown as of its own time. */
const PAGES_MAX = 8;

/**
 * Puts messages into sight: `show` loads back to one, the list is scrolled to it, and it is
 * `marked` for a moment. `asked` is the one that the address names.
 */
export function useShownMessage(
  room: Room,
  messages: readonly RoomMessage[],
  list: RefObject<ListHandle | null>,
  asked: string | null,
): { readonly marked: string | null; readonly show: (message_id: string) => void } {
  const client = useClient();
  const [target, setTarget] = useState<string | null>(null);
  const [marked, setMarked] = useState<string | null>(null);

  const show = useCallback(
    (message_id: string) => {
      const find = async (): Promise<void> => {
        for (let pages = 0; room.store.message(message_id) === undefined; pages += 1) {
          if (pages === PAGES_MAX || !room.store.getSnapshot().hasMore) {
            const { sequence_number } = await client.rest.message(room.id, message_id);
            go({ view: "timeline", room: room.id, at: sequence_number });
            return;
          }
          await room.store.loadMore(PAGE_MESSAGES);
        }
        setTarget(message_id);
      };
      // A message that is not there, or a server that is away, leaves the reader where they are.
      find().catch(() => {});
    },
    [client, room],
  );

  useEffect(() => {
    if (asked !== null) {
      show(asked);
    }
  }, [asked, show]);

  useEffect(() => {
    if (target !== null && list.current?.show(target) === true) {
      setTarget(null);
      setMarked(target);
      requestAnimationFrame(() => list.current?.element(target)?.focus({ preventScroll: true }));
    }
  }, [target, messages, list]);

  useEffect(() => {
    if (marked === null) {
      return;
    }
    const timer = setTimeout(() => setMarked(null), MARKED_MS);
    return () => clearTimeout(timer);
  }, [marked]);
  return { marked, show };
}
