import type { AnyEvent, RoomEvent } from "roomlog-js";
import { describe, expect, it } from "vitest";
import { advanced } from "../src/timeline/playback";
import { Story } from "../src/timeline/story";

const BEGIN = Date.parse("2030-01-31T12:00:00Z");
const ANA = "ana@example.org";

function logged(
  sequence: number,
  second: number,
  event: Omit<AnyEvent, "id" | "actor">,
): RoomEvent {
  return {
    sequence,
    prev_sequence: 0,
    room_id: "r",
    at: new Date(BEGIN + second * 1000).toISOString(),
    event: { id: `e${sequence}`, actor: ANA, ...event } as AnyEvent,
  };
}

function sent(sequence: number, second: number, content: string): RoomEvent {
  const event = { type: "message.sent", id: `e${sequence}`, message_id: `e${sequence}`, content };
  return logged(sequence, second, { ...event, message_type: "text" } as AnyEvent);
}

const EVENTS: RoomEvent[] = [
  logged(2, 0, { type: "room.created", name: "checkout", status: "open" } as AnyEvent),
  sent(3, 10, "the pool is full"),
  sent(5, 8, "by a clock that is behind"),
  logged(7, 20, { type: "message.edited", message_id: "e3", content: "the disk" } as AnyEvent),
  logged(8, 30, {
    type: "message.edited",
    message_id: "e3",
    content: "too late",
    expected_version: 3,
  } as AnyEvent),
  logged(9, 40, { type: "room.updated", status: "mitigated" } as AnyEvent),
  logged(12, 600, { type: "message.deleted", message_id: "e3", reason: "wrong" } as AnyEvent),
  logged(13, 610, {
    type: "member.added",
    user_id: "ben@example.org",
    role: "observer",
  } as AnyEvent),
];

function story(): Story {
  const made = new Story();
  made.take(EVENTS.slice(0, 3));
  made.take(EVENTS.slice(1));
  return made;
}

describe("a story", () => {
  it("has each event once, at times that never go back", () => {
    const { sequences, times_ms } = story();
    expect(sequences).toEqual(EVENTS.map(({ sequence }) => sequence));
    expect(times_ms.map((time) => (time - BEGIN) / 1000)).toEqual([
      0, 10, 10, 20, 30, 40, 600, 610,
    ]);
  });

  it("finds moments by time, and times by moment", () => {
    const told = story();
    expect(told.sequenceAt(BEGIN - 1)).toBe(0);
    expect(told.sequenceAt(BEGIN + 10_000)).toBe(5);
    expect(told.sequenceAt(BEGIN + 19_999)).toBe(5);
    expect(told.sequenceAt(BEGIN + 9_999_999)).toBe(13);
    expect(told.timeAt(9)).toBe(BEGIN + 40_000);
    expect(told.timeAt(10)).toBe(BEGIN + 40_000);
    expect(told.timeAt(0)).toBe(BEGIN);
    expect([told.stepped(5, 1), told.stepped(5, -1), told.stepped(2, -1)]).toEqual([7, 3, 2]);
    expect(told.stepped(13, 1)).toBe(13);
  });

  it("marks what changed, and only what the fold says had an effect", () => {
    const told = story();
    expect(told.marks.map(({ sequence, kind }) => [sequence, kind])).toEqual([
      [7, "edit"],
      [9, "status"],
      [12, "delete"],
      [13, "member"],
    ]);
    expect(told.markBeside(7, 1)?.sequence).toBe(9);
    expect(told.markBeside(7, -1)).toBeNull();
    expect(told.markBeside(12, 1)).toBeNull();
    expect(told.markBeside(99, -1)?.sequence).toBe(12);
  });

  it("knows how the incident stood and what a message said", () => {
    const told = story();
    expect([told.statusAt(1), told.statusAt(8), told.statusAt(9)]).toEqual([
      null,
      "open",
      "mitigated",
    ]);
    expect(told.statusSpans()).toEqual([
      { status: "open", from_ms: BEGIN, to_ms: BEGIN + 40_000 },
      { status: "mitigated", from_ms: BEGIN + 40_000, to_ms: null },
    ]);
    expect(told.versions("e3").map(({ content, deleted }) => [content, deleted])).toEqual([
      ["the pool is full", false],
      ["the disk", false],
      ["", true],
    ]);
    expect(told.versions("e3", 11)).toHaveLength(2);
    expect(told.versions("e3")[2]?.reason).toBe("wrong");
    expect(told.versions("unknown")).toEqual([]);
  });

  it("forgets what a redacted message said", () => {
    const told = story();
    const redacted_envelope = JSON.stringify({
      id: "e3",
      type: "message.sent",
      actor: ANA,
      at: EVENTS[1]?.at,
    });
    told.take([
      logged(20, 700, {
        type: "message.redacted",
        message_id: "e3",
        redacted_sequence: 3,
        redacted_envelope,
      } as AnyEvent),
    ]);
    expect(told.versions("e3")).toEqual([]);
    expect(told.marks.map(({ sequence, kind }) => [sequence, kind])).toEqual([
      [9, "status"],
      [13, "member"],
      [20, "redact"],
    ]);
    expect(JSON.stringify(told.marks)).not.toContain("the disk");
    expect([...told.erased]).toEqual([["e3", 20]]);
  });

  it("counts its events over time", () => {
    expect(story().density(61)).toHaveLength(61);
    expect(
      story()
        .density(61)
        .reduce((sum, count) => sum + count),
    ).toBe(EVENTS.length);
    expect(story().density(61).slice(0, 4)).toEqual([1, 2, 1, 1]);
    expect(new Story().density(3)).toEqual([0, 0, 0]);
  });
});

describe("playing", () => {
  const as_it_was = { speed: 10, longest_pause_ms: Number.POSITIVE_INFINITY };

  it("goes on as time does, as fast as wished, to the end", () => {
    expect(advanced(story(), BEGIN, 500, as_it_was)).toBe(BEGIN + 5000);
    expect(advanced(story(), BEGIN, 9_999_999, as_it_was)).toBe(BEGIN + 610_000);
  });

  it("goes over what is too long of a silence", () => {
    const skipping = { speed: 10, longest_pause_ms: 1500 };
    expect(advanced(story(), BEGIN + 40_000, 100, skipping)).toBe(BEGIN + 586_000);
    expect(advanced(story(), BEGIN + 595_000, 100, skipping)).toBe(BEGIN + 596_000);
    expect(advanced(story(), BEGIN + 10_000, 100, skipping)).toBe(BEGIN + 11_000);
  });
});
