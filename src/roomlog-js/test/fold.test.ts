import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { RoomEvent } from "../src/contract.gen.js";
import { Fold } from "../src/fold.js";
import type { Effect, MessageState, RoomState } from "../src/states.js";

type Json<T> = Omit<T, "members"> & { members: Record<string, unknown> };

interface Case {
  name: string;
  events: RoomEvent[];
  effects: { kind: string; reason?: string; sequence?: number | null }[];
  room: Json<RoomState> | null;
  messages: MessageState[];
}

const file = new URL("../../../tests/contracts/fold_cases.json", import.meta.url);
const cases = JSON.parse(readFileSync(file, "utf8")) as Case[];

function told(effect: Effect): unknown {
  return effect.kind === "no_effect" ? effect : { kind: effect.kind };
}

function bySequence(messages: Iterable<MessageState>): MessageState[] {
  return [...messages].sort((a, b) => a.sequence - b.sequence);
}

describe("the fold comes to what the log's own fold comes to", () => {
  test.each(cases)("$name", ({ events, effects, room, messages }) => {
    const fold = new Fold();

    expect(events.map((event) => told(fold.apply(event)))).toEqual(effects);
    const { members, ...rest } = fold.room ?? { members: new Map() };
    expect(fold.room && { ...rest, members: Object.fromEntries(members) }).toEqual(room);
    expect(bySequence(fold.messages.values())).toEqual(messages);
  });
});

test("a state that was handed out is never changed by what comes after", () => {
  for (const { events } of cases) {
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
  for (const { events } of cases) {
    const fold = new Fold();
    for (const event of events) {
      fold.apply(event);
      const before = new Map(fold.messages);
      expect(fold.apply(event)).toMatchObject({ kind: "no_effect", reason: "repeated_id" });
      expect(fold.messages).toEqual(before);
    }
  }
});
