import { describe, expect, test } from "vitest";
import { Fold, isToldOfChange } from "../src/fold.js";
import type { Effect } from "../src/states.js";
import { bySequence, foldCases } from "./fold-cases.js";

function told(effect: Effect): unknown {
  return effect.kind === "no_effect" ? effect : { kind: effect.kind };
}

describe("the fold comes to what the log's own fold comes to", () => {
  test.each(foldCases)("$name", ({ events, effects, room, messages }) => {
    const fold = new Fold();

    expect(events.map((event) => told(fold.apply(event)))).toEqual(effects);
    const { members, ...rest } = fold.room ?? { members: new Map() };
    expect(fold.room && { ...rest, members: Object.fromEntries(members) }).toEqual(room);
    expect(bySequence(fold.messages.values())).toEqual(messages);
  });
});

test("a state that was handed out is never changed by what comes after", () => {
  for (const { events } of foldCases) {
    const fold = new Fold();
    const kept: [unknown, string][] = [];
    for (const event of events) {
      fold.apply(event);
      for (const state of [fold.room, ...fold.messages.values()]) {
        kept.push([state, JSON.stringify(state)]);
      }
    }
    for (const [state, then] of kept) {
      expect(JSON.stringify(state)).toBe(then);
    }
  }
});

test("an event that comes again changes nothing", () => {
  for (const { events } of foldCases) {
    const fold = new Fold();
    for (const event of events) {
      fold.apply(event);
      const before = new Map(fold.messages);
      expect(fold.apply(event)).toMatchObject({ kind: "no_effect", reason: "repeated_id" });
      expect(fold.messages).toEqual(before);
    }
  }
});

test("what is made of changes of members and status is known from what was sent", () => {
  const kinds = new Set<unknown>();
  for (const { events } of foldCases) {
    const fold = new Fold();
    for (const event of events) {
      const { type } = event.event;
      const before = new Set(fold.messages.keys());
      fold.apply(event);
      for (const [id, message] of fold.messages) {
        if (before.has(id)) {
          continue;
        }
        const isOfChange = type.startsWith("member.") || type === "room.updated";
        expect(isToldOfChange(message)).toBe(isOfChange);
        if (isOfChange) {
          kinds.add(message.metadata["event"]);
          const more = { ...message.metadata, note: "hunter2" };
          expect(isToldOfChange({ ...message, metadata: more })).toBe(false);
          expect(isToldOfChange({ ...message, content: "hunter2" })).toBe(false);
          expect(isToldOfChange({ ...message, metadata: {}, content: "" })).toBe(false);
        }
      }
    }
  }
  expect(kinds.size).toBe(6);
});
