import { useCallback, useEffect, useState } from "react";
import type { Room } from "roomlog-js";
import { useRoom } from "roomlog-js/react";
import { Story } from "./story";

export interface StoryHook {
  readonly story: Story;
  /** Rises whenever the story has more. */
  readonly version: number;
  /** Whether it is here up to the room's head. */
  readonly isWhole: boolean;
  /** How much of it is here, 0 to 1. */
  readonly share: number;
  readonly error: string | null;
  readonly retry: () => void;
}

const PAGE_EVENTS = 500;

/** The room's story, read from the log page after page, and further as the room goes on. */
export function useStory(room: Room): StoryHook {
  const { position, info } = useRoom(room.id);
  const [story] = useState(() => new Story());
  const [version, setVersion] = useState(0);
  const [attempt, setAttempt] = useState(0);
  const [error, setError] = useState<string | null>(null);
  const head = position ?? 0;

  useEffect(() => {
    if (story.head >= head) {
      return;
    }
    const giveUp = new AbortController();
    const read = async (): Promise<void> => {
      setError(null);
      while (story.head < head) {
        const query = { after: story.head, limit: PAGE_EVENTS, signal: giveUp.signal };
        const { items } = await room.events(query);
        if (giveUp.signal.aborted || items.length === 0) {
          return;
        }
        story.take(items);
        setVersion((now) => now + 1);
      }
    };
    read().catch((failure: unknown) => {
      if (!giveUp.signal.aborted) {
        setError((failure as Error).message);
      }
    });
    return () => giveUp.abort();
  }, [room, story, head, attempt]);

  const retry = useCallback(() => setAttempt((now) => now + 1), []);
  const first = info?.created_sequence ?? 0;
  const share = head <= first ? 1 : Math.min(1, Math.max(0, story.head - first) / (head - first));
  return { story, version, isWhole: story.head >= head, share, error, retry };
}
