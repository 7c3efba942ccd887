import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MessageResponse, RoomEvent } from "../src/contract.gen.js";
import { RoomView } from "../src/room-view.js";
import {
  asRest,
  bySequence,
  comparable,
  cutOf,
  folded,
  histories,
  loadedFrom,
  pageOf,
} from "./fold-cases.js";

function headOf(events: readonly RoomEvent[]): number {
  return events.at(-1)?.sequence ?? 0;
}

const place = fc.record({
  nth: fc.nat(histories.length - 1),
  cut: fc.nat(60),
  ahead: fc.nat(6),
  limit: fc.integer({ min: 1, max: 12 }),
});

describe("a page and the events after it are the room as a fold has it", () => {
  test("also where the page shows events that come only after it", () => {
    fc.assert(
      fc.property(place, ({ nth, cut, ahead, limit }) => {
        const history = histories[nth] ?? [];
        const at = cutOf(history, cut);
        const read = history.slice(0, Math.min(history.length, at + ahead));
        const loaded = loadedFrom(folded(read), headOf(history.slice(0, at)), limit);
        const view = new RoomView({ ...loaded, unread: { count: 0, head: headOf(read) } });
        const oldest = view.hasMore ? view.oldest : 0;
        const whole = folded(history);
        for (const event of history.slice(at)) {
          const unsure = whole.messages.get(view.apply(event) ?? "");
          if (unsure !== undefined) {
            view.replace(asRest(unsure), headOf(history));
          }
        }
        const expected = bySequence(whole.messages.values()).filter((m) => m.sequence >= oldest);
        expect(view.messages().map(comparable)).toEqual(
          expected.map((one) => comparable(asRest(one))),
        );
        const { created_sequence: _, ...room } = view.room;
        expect(whole.room).toMatchObject(room);
      }),
      { numRuns: 200 },
    );
  });

  test("and so are older pages that are read later", () => {
    fc.assert(
      fc.property(place, fc.nat(60), ({ nth, cut, limit }, later) => {
        const history = histories[nth] ?? [];
        const at = cutOf(history, cut);
        const view = new RoomView(
          loadedFrom(folded(history.slice(0, at)), headOf(history.slice(0, at)), limit),
        );
        const readAt = at + (later % (history.length - at + 1));
        history.slice(at, readAt).forEach((event) => view.apply(event));
        const older = folded(history.slice(0, readAt));
        while (view.hasMore) {
          view.prepend(pageOf(older, headOf(history.slice(0, readAt)), 3, view.oldest));
        }
        history.slice(readAt).forEach((event) => view.apply(event));
        expect(view.messages().map(comparable)).toEqual(
          bySequence(folded(history).messages.values()).map((one) => comparable(asRest(one))),
        );
      }),
      { numRuns: 200 },
    );
  });
});

test("what did not change is the same object as before", () => {
  const history = histories[0] ?? [];
  const half = Math.ceil(history.length / 2);
  const view = new RoomView(loadedFrom(folded(history.slice(0, half)), 0, 100));
  for (const event of history.slice(half)) {
    const before = new Map(view.messages().map((one) => [one.message_id, one]));
    view.apply(event);
    for (const message of view.messages()) {
      const then = before.get(message.message_id);
      if (then !== undefined && JSON.stringify(then) === JSON.stringify(message)) {
        expect(message).toBe(then);
      }
    }
  }
});

const ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001";
const AT = "2026-01-31T09:15:00.000Z";

function logged(sequence: number, event: RoomEvent["event"]): RoomEvent {
  return { sequence, prev_sequence: sequence - 1, room_id: ROOM, at: AT, event };
}

function busyRoom(count: number): RoomEvent[] {
  const named = { name: "r", status: "open" } as const;
  const created = { type: "room.created", id: "c", actor: "ada", ...named } as const;
  const told = { message_type: "text", content: "hi" } as const;
  const sent = { type: "message.sent", id: "m", actor: "ada", message_id: "m", ...told } as const;
  return [
    logged(1, created),
    logged(2, sent),
    ...Array.from({ length: count }, (_, n) =>
      logged(3 + n, {
        ...{ type: "reaction.added", id: `r${n}`, actor: `user ${n}` },
        ...{ message_id: "m", emoji: "👍" },
      }),
    ),
  ];
}

test("a reaction of one who was counted without a name is not judged here", () => {
  const events = busyRoom(150);
  const loaded = loadedFrom(folded(events), 152, 10);
  const page = { ...loaded.page, items: loaded.page.items.map((m) => withoutNames(m, 100)) };
  const view = new RoomView({ ...loaded, page });
  const removed = { type: "reaction.removed", message_id: "m", emoji: "👍" } as const;

  expect(view.get("m")?.reactions).toMatchObject([{ count: 150 }]);
  expect(view.apply(logged(153, { ...removed, id: "x", actor: "user 120" }))).toBe("m");
  expect(view.apply(logged(154, { ...removed, id: "y", actor: "user 5" }))).toBeNull();
  expect(view.get("m")?.reactions).toMatchObject([{ count: 149 }]);
});

function withoutNames(message: MessageResponse, users_max: number): MessageResponse {
  const reactions = message.reactions.map(({ emoji, count, users }) => ({
    ...{ emoji, count, users: users.slice(0, users_max) },
  }));
  return { ...message, reactions };
}

test("an event of a type that is not known changes nothing", () => {
  const events = busyRoom(1);
  const view = new RoomView(loadedFrom(folded(events), 3, 10));
  const before = view.messages();

  view.apply(logged(4, { type: "message.pinned", id: "p", actor: "ada" } as never));

  expect(view.messages()).toBe(before);
});

test("the oldest go when there are too many, and can be read again", () => {
  const history = histories.find((one) => folded(one).messages.size > 6) ?? [];
  const view = new RoomView(loadedFrom(folded(history), headOf(history), 100));
  const all = view.messages().map((one) => one.message_id);

  view.trim(3);

  expect(view.messages().map((one) => one.message_id)).toEqual(all.slice(-3));
  expect(view.hasMore).toBe(true);
  view.prepend(pageOf(folded(history), headOf(history), 100, view.oldest));
  expect(view.messages().map((one) => one.message_id)).toEqual(all);
});

test("what was deleted or redacted is known to be gone, also where it is not here", () => {
  const view = new RoomView(loadedFrom(folded(histories[0]?.slice(0, 1) ?? []), 1, 5));
  const gone = { type: "message.deleted", message_id: "far back", reason: null } as const;
  const other = { type: "reaction.added", message_id: "another", emoji: "👀" } as const;
  const before = view.gone;

  view.apply(logged(101, { ...gone, id: "x", actor: "ada" }));
  const after = view.gone;
  view.apply(logged(102, { ...other, id: "y", actor: "ada" }));

  expect([...before]).toEqual([]);
  expect([...after]).toEqual(["far back"]);
  expect(view.gone).toBe(after);
});
