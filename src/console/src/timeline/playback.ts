import type { Story } from "./story";

export const SPEEDS = [1, 2, 5, 10, 25, 50, 100] as const;
export type Speed = (typeof SPEEDS)[number];

/** How long a silence takes at most, where that is wished. */
export const LONGEST_PAUSE_MS = 1500;

export interface PlaybackRate {
  /** How many times as fast as it happened. */
  readonly speed: number;
  /** A silence that would take longer before the screen takes as long as this. */
  readonly longest_pause_ms: number;
}

/**
 * Where the playing is after `passed_ms` before the screen. The rules are those of `roomlog audit
 * replay`; `tests/contracts/replay_cases.json` holds the two together.
 */
export function advanced(
  story: Story,
  time_ms: number,
  passed_ms: number,
  { speed, longest_pause_ms }: PlaybackRate,
): number {
  const coming_ms = story.times_ms[story.indexAt(story.sequenceAt(time_ms))] ?? story.ends_ms;
  // What is too long of a silence is gone over at its beginning.
  const from_ms = Math.max(time_ms, coming_ms - longest_pause_ms * speed);
  return Math.min(from_ms + passed_ms * speed, story.ends_ms);
}
