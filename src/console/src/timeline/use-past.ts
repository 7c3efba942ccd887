import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { MessageResponse, Room, RoomMessage } from "roomlog-js";

export interface Past {
  /** The moment that is shown; it follows the one that was asked for. */
  readonly sequence: number;
  /** Oldest first. */
  readonly messages: readonly RoomMessage[];
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  readonly loadMore: () => Promise<void>;
  readonly find: (message_id: string) => RoomMessage | undefined;
  readonly error: string | null;
}

/** Messages that were redacted, each with the sequence of its redaction, in order. */
type Erased = ReadonlyMap<string, number>;

interface Page {
  readonly sequence: number;
  readonly messages: readonly RoomMessage[];
  readonly next: string | null;
}

const PAGE_MESSAGES = 80;
const MORE_MESSAGES = 250;
const PAGES_KEPT = 60;
const NONE: Page = { sequence: 0, messages: [], next: null };
const NOTHING_PENDING: RoomMessage["pending"] = [];

/**
 * The room as it stood right after the event at `sequence`, by the server's own word (`as_of`).
 * While the moment moves faster than the server answers, the latest one is asked for next.
 * What was `erased` is in the past no more: pages that had it are dropped at once, and read anew.
 */
export function usePast(room: Room, sequence: number, erased: Erased): Past {
  const [page, setPage] = useState(NONE);
  const [error, setError] = useState<string | null>(null);
  const [loadingMore, setLoadingMore] = useState(false);
  const kept = useRef(new Map<number, Page>());
  const wanted = useRef(sequence);
  const { size } = erased;
  const asking = useRef(false);
  const gone = useRef(new AbortController());

  const follow = useCallback(async () => {
    if (asking.current) {
      return;
    }
    asking.current = true;
    const { signal } = gone.current;
    let shown = -1;
    while (shown !== wanted.current && !signal.aborted) {
      const target = wanted.current;
      try {
        const there = kept.current.get(target) ?? (await read(room, target, erased, signal));
        if (hasErased(there, erased)) {
          kept.current.delete(target);
          continue; // it was on its way when that was redacted
        }
        keep(kept.current, there);
        setPage(there);
        setError(null);
      } catch (failure) {
        if (!signal.aborted) {
          setError((failure as Error).message);
        }
      }
      shown = target;
    }
    asking.current = false;
  }, [room, erased]);

  useEffect(() => {
    gone.current = new AbortController();
    return () => {
      gone.current.abort();
      asking.current = false;
    };
  }, []);
  useEffect(() => {
    if (size > 0) {
      kept.current = new Map([...kept.current].filter(([, there]) => !hasErased(there, erased)));
      setPage((now) => (hasErased(now, erased) ? NONE : now));
    }
    wanted.current = sequence;
    void follow();
  }, [sequence, erased, size, follow]);

  const loadMore = useCallback(async () => {
    if (page.next === null) {
      return;
    }
    setLoadingMore(true);
    try {
      const { items, next } = await room.history({ cursor: page.next, limit: MORE_MESSAGES });
      const longer = {
        ...page,
        messages: [...items.map(shownAs).reverse(), ...page.messages],
        next,
      };
      if (!hasErased(longer, erased)) {
        keep(kept.current, longer);
        setPage((now) => (now === page ? longer : now));
      }
    } catch (failure) {
      setError((failure as Error).message);
    }
    setLoadingMore(false);
  }, [room, page, erased]);
  const byId = useMemo(() => new Map(page.messages.map((one) => [one.message_id, one])), [page]);
  const find = useCallback((message_id: string) => byId.get(message_id), [byId]);
  const { messages, next } = page;
  const hasMore = next !== null;
  return { sequence: page.sequence, messages, hasMore, loadingMore, loadMore, find, error };
}

function hasErased({ messages }: Page, erased: Erased): boolean {
  return (
    erased.size > 0 &&
    messages.some((one) => one.deleted_at === null && erased.has(one.message_id))
  );
}

async function read(
  room: Room,
  sequence: number,
  erased: Erased,
  signal: AbortSignal,
): Promise<Page> {
  if (sequence <= 0) {
    return NONE;
  }
  const min_sequence = [...erased.values()].pop() ?? 0;
  const query = { as_of: sequence, limit: PAGE_MESSAGES, min_sequence, signal };
  const { items, next } = await room.history(query);
  return { sequence, messages: items.map(shownAs).reverse(), next };
}

function keep(pages: Map<number, Page>, page: Page): void {
  pages.delete(page.sequence);
  pages.set(page.sequence, page);
  const [oldest] = pages.keys();
  if (pages.size > PAGES_KEPT && oldest !== undefined) {
    pages.delete(oldest);
  }
}

function shownAs(message: MessageResponse): RoomMessage {
  return { ...message, logged: true, pending: NOTHING_PENDING };
}
