import fc from "fast-check";
import type { RoomMessage } from "roomlog-js";
import { describe, expect, it } from "vitest";
import { Offsets } from "../src/messages/offsets";
import { estimatedHeight, rowsOf } from "../src/messages/rows";

const AT = Date.parse("2030-01-31T12:00:00Z");

function said(n: number, minute: number, sender = "ana@example.org"): RoomMessage {
  return {
    message_id: `m${n}`,
    room_id: "r",
    sequence_number: n,
    sender_id: sender,
    message_type: "text",
    content: `message ${n}`,
    content_html: `<p>message ${n}</p>`,
    metadata: {},
    reply_to: null,
    created_at: new Date(AT + minute * 60_000).toISOString(),
    edited_at: null,
    deleted_at: null,
    version: n,
    reactions: [],
    logged: true,
    pending: [],
  };
}

describe("rows", () => {
  it("begin with the day, and each day anew", () => {
    const rows = rowsOf([said(1, 0), said(2, 1), said(3, 24 * 60)], null);
    expect(rows.map((row) => row.kind)).toEqual([
      "top",
      "day",
      "message",
      "message",
      "day",
      "message",
    ]);
  });

  it("go on where the same sender goes on within five minutes", () => {
    const others = said(4, 3, "ben@example.org");
    const rows = rowsOf([said(1, 0), said(2, 1), said(3, 9), others], null);
    const messages = rows.flatMap((row) => (row.kind === "message" ? [row.goesOn] : []));
    expect(messages).toEqual([false, true, false, false]);
  });

  it("have the line above the first that is unread, whose sender is named again", () => {
    const rows = rowsOf([said(1, 0), said(2, 0)], "m2");
    expect(rows.map((row) => row.key)).toEqual(["top", "day m1", "m1", "unread", "m2"]);
    expect(rows[4]).toMatchObject({ goesOn: false });
  });

  it("are expected to be taller the more they say", () => {
    const [, , short, long] = rowsOf([said(1, 0), { ...said(2, 1), content: "x\n".repeat(9) }], null);
    expect(short && long && estimatedHeight(long) > estimatedHeight(short)).toBe(true);
  });
});

describe("offsets", () => {
  const heights = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 200 });

  it("are the sums of the heights before, also after some changed", () => {
    fc.assert(
      fc.property(heights, fc.array(fc.tuple(fc.nat(199), fc.integer({ min: 0, max: 900 }))),
        (given, changes) => {
          const offsets = new Offsets(given);
          const now = [...given];
          for (const [index, height] of changes.filter(([n]) => n < given.length)) {
            offsets.set(index, height);
            now[index] = height;
          }
          let sum = 0;
          now.forEach((height, index) => {
            expect(offsets.of(index)).toBe(sum);
            sum += height;
          });
          expect(offsets.total).toBe(sum);
        }),
    );
  });

  it("lead back to their rows", () => {
    fc.assert(
      fc.property(heights, fc.nat(100_000), (given, offset) => {
        const offsets = new Offsets(given);
        const index = offsets.at(offset);
        if (offset < offsets.total) {
          expect(offsets.of(index)).toBeLessThanOrEqual(offset);
          expect(offsets.of(index + 1)).toBeGreaterThan(offset);
        } else {
          expect(index).toBe(given.length - 1);
        }
      }),
    );
  });

  it("of nothing are nothing", () => {
    const none = new Offsets([]);
    expect([none.total, none.at(5), none.of(3)]).toEqual([0, 0, 0]);
  });
});
