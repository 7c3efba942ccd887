import { useCallback, useEffect, useRef, useState } from "react";
import { advanced, LONGEST_PAUSE_MS, type Speed } from "./playback";
import type { Story } from "./story";

export interface Playback {
  /** Where the playing is, in milliseconds since 1970. */
  readonly time_ms: number;
  /** The moment there. */
  readonly sequence: number;
  readonly isPlaying: boolean;
  readonly speed: Speed;
  readonly skip: boolean;
  readonly toggle: () => void;
  readonly setSpeed: (speed: Speed) => void;
  readonly setSkip: (skip: boolean) => void;
  /** Go to a moment, and stop there. */
  readonly goTo: (sequence: number) => void;
  readonly goToTime: (time_ms: number) => void;
}

interface Place {
  readonly time_ms: number;
  readonly sequence: number;
}

/** The moment that is shown, and playing from there. It begins at `at`, or else at the end. */
export function usePlayback(story: Story, at: number | null, head: number): Playback {
  const [place, setPlace] = useState<Place | null>(null);
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<Speed>(10);
  const [skip, setSkip] = useState(true);
  const longest_pause_ms = skip ? LONGEST_PAUSE_MS : Number.POSITIVE_INFINITY;
  const how = useRef({ speed, longest_pause_ms });
  how.current = { speed, longest_pause_ms };
  // As long as nobody went anywhere, the place is where the address says, or the end.
  const sequence = place?.sequence ?? at ?? head;
  const time_ms = place?.time_ms ?? story.timeAt(sequence);

  const goTo = useCallback(
    (next: number) => {
      setPlaying(false);
      setPlace({ time_ms: story.timeAt(next), sequence: next });
    },
    [story],
  );
  const goToTime = useCallback(
    (next_ms: number) => {
      setPlaying(false);
      setPlace({ time_ms: next_ms, sequence: Math.max(story.first, story.sequenceAt(next_ms)) });
    },
    [story],
  );
  const toggle = useCallback(() => {
    setPlaying((now) => !now);
    // At the end there is nothing left to play: it begins anew.
    setPlace((now) => {
      const from = now?.time_ms ?? time_ms;
      return from >= story.ends_ms && !isPlaying
        ? { time_ms: story.begins_ms, sequence: story.first }
        : { time_ms: from, sequence: now?.sequence ?? sequence };
    });
  }, [story, isPlaying, time_ms, sequence]);

  useEffect(() => {
    if (!isPlaying) {
      return;
    }
    let before_ms = performance.now();
    let frame = 0;
    const step = (now_ms: number): void => {
      const passed_ms = Math.max(0, now_ms - before_ms);
      before_ms = now_ms;
      setPlace((now) => {
        const next_ms = advanced(story, now?.time_ms ?? story.begins_ms, passed_ms, how.current);
        return { time_ms: next_ms, sequence: Math.max(story.first, story.sequenceAt(next_ms)) };
      });
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, story]);

  // Whoever follows a link to another moment of this room goes there.
  const asked = useRef(at);
  useEffect(() => {
    if (at !== null && at !== asked.current) {
      goTo(at);
    }
    asked.current = at;
  }, [at, goTo]);

  const isOver = place !== null && place.time_ms >= story.ends_ms;
  useEffect(() => {
    if (isPlaying && isOver) {
      setPlaying(false);
    }
  }, [isPlaying, isOver]);
  return {
    ...{ time_ms, sequence, isPlaying, speed, skip },
    ...{ toggle, setSpeed, setSkip, goTo, goToTime },
  };
}
