import type { Story } from "./story";

export const SPEEDS = [1, 2, 5, 10, 25, 50, 100] as const;
export type Speed = (typeof SPEEDS)[number];

/** A silence that takes longer than this to play is gone over, where that is wished. */
const SILENCE_MS_MAX = 1500;
const BEFORE_NEXT_MS = 500;

/**
 * Where the playing is after `passed_ms` before the screen, at `speed` times the speed of what
 * happened. `skip` goes over long silences to a little before what comes next.
 */
export function advanced(
  story: Story,
  time_ms: number,
  passed_ms: number,
  { speed, skip }: { readonly speed: number; readonly skip: boolean },
): number {
  let next = time_ms + passed_ms * speed;
  if (skip) {
    const index = story.indexAt(story.sequenceAt(next));
    const coming_ms = story.times_ms[index];
    if (coming_ms !== undefined && coming_ms - next > SILENCE_MS_MAX * speed) {
      next = coming_ms - BEFORE_NEXT_MS * speed;
    }
  }
  return Math.min(next, story.ends_ms);
}
