/** The timeline plays a room by the rules of `roomlog audit replay`: both are tried on one file. */

import { readFileSync } from "node:fs";
import type { RoomEvent } from "roomlog-js";
import { describe, expect, it } from "vitest";
import { advanced } from "../src/timeline/playback";
import { Story } from "../src/timeline/story";

interface Play {
  readonly speed: number;
  readonly longest_pause_ms: number;
  readonly from: number;
  readonly to: number | null;
  readonly shown: readonly (readonly [number, number])[];
}

interface Moment {
  readonly as_of: number;
  readonly status: string | null;
  /** By message id; null where it is deleted or redacted by then. */
  readonly said: Readonly<Record<string, string | null>>;
}

interface ReplayCase {
  readonly name: string;
  readonly events: readonly Pick<RoomEvent, "sequence" | "at" | "event">[];
  readonly plays: readonly Play[];
  readonly marks: readonly (readonly [number, string])[];
  readonly moments: readonly Moment[];
}

const file = new URL("../../../tests/contracts/replay_cases.json", import.meta.url);
const cases = JSON.parse(readFileSync(file, "utf8")) as ReplayCase[];
const FRAME_MS = 1;
const WHOLE_MS = 60_000;

function storyOf({ events }: ReplayCase): Story {
  const story = new Story();
  story.take(events.map((event) => ({ ...event, prev_sequence: 0, room_id: "r" })));
  return story;
}

/** What the page shows when somebody presses play at that moment, and when, frame by frame. */
function played(story: Story, play: Play): [number, number][] {
  const begin = Math.max(play.from, story.first);
  const isShown = (sequence: number): boolean =>
    sequence >= begin && (play.to === null || sequence <= play.to);
  let time_ms = story.timeAt(begin);
  const shown: [number, number][] = [];
  let last = begin - 1;
  for (let now_ms = 0; now_ms <= WHOLE_MS; now_ms += FRAME_MS) {
    // The moment where it begins is shown; those beside it on the line come with it.
    const sequence = story.sequenceAt(time_ms);
    for (const one of story.sequences) {
      if (one > last && one <= sequence && isShown(one)) {
        shown.push([one, now_ms]);
      }
    }
    last = Math.max(last, sequence);
    time_ms = advanced(story, time_ms, FRAME_MS, play);
  }
  return shown;
}

describe.each(cases)("$name", (one) => {
  it.each(one.plays)("plays from $from, $speed times as fast", (play) => {
    const expected = play.shown.map(([sequence]) => sequence);
    const shown = played(storyOf(one), play);

    expect(shown.map(([sequence]) => sequence)).toEqual(expected);
    for (const [n, [, due_ms]] of play.shown.entries()) {
      // A screen shows it with the first frame that comes when it is due.
      const late_ms = (shown[n]?.[1] ?? 0) - due_ms;
      expect(late_ms).toBeGreaterThanOrEqual(0);
      expect(late_ms).toBeLessThanOrEqual(FRAME_MS * play.shown.length);
    }
  });

  it("marks what changed", () => {
    const { marks } = storyOf(one);

    expect(marks.map(({ sequence, kind }) => [sequence, kind])).toEqual(one.marks);
  });

  it.each(one.moments)("stands at $as_of as the fold says", ({ as_of, status, said }) => {
    const story = storyOf(one);
    const ids = one.events.flatMap(({ event }) => ("message_id" in event ? event.message_id : []));
    const found: Record<string, string | null> = {};
    for (const id of new Set(ids)) {
      const last = story.versions(id, as_of).at(-1);
      const redacted = story.erased.get(id);
      if (last !== undefined) {
        found[id] = last.deleted ? null : last.content;
      } else if (redacted !== undefined && redacted <= as_of) {
        found[id] = null;
      }
    }

    expect(story.statusAt(as_of)).toBe(status);
    expect(found).toEqual(said);
  });
});
