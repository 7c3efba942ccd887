import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { MessageResponse, RoomEvent } from "../src/contract.gen.js";
import { RoomlogError } from "../src/errors.js";
import { asRest, bySequence, comparable, cutOf, folded, histories } from "./fold-cases.js";
import { RoomWorld } from "./room-world.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

/** Everything is answered, delivered and read back to the beginning. */
async function finish(world: RoomWorld): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    while (world.questions.length > 0) {
      world.questions.shift()?.answer();
      await settle();
    }
    world.deliver(1000);
    world.live();
    await vi.advanceTimersByTimeAsync(60_000);
    const { status, live, hasMore, loadingMore } = world.store.getSnapshot();
    if (status === "ready" && live && world.questions.length === 0) {
      if (!hasMore) {
        return;
      }
      if (!loadingMore) {
        void world.store.loadMore().catch(() => {});
      }
    }
  }
  throw new Error(`it does not settle: ${JSON.stringify(world.store.getSnapshot().error)}`);
}

function expected(world: RoomWorld): unknown[] {
  return bySequence(folded(world.log).messages.values()).map((one) => comparable(asRest(one)));
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("append"), count: fc.nat(4) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("deliver"), count: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("answer"), count: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("read"), count: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse"), count: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("load more"), count: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("live"), count: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait"), count: fc.nat(40_000) }) },
);

async function take(world: RoomWorld, { do: what, count }: { do: string; count: number }) {
  switch (what) {
    case "append":
      world.append(count);
      break;
    case "deliver":
      world.deliver(count);
      break;
    case "read":
      world.questions[count % world.questions.length]?.read();
      break;
    case "answer":
      world.questions.splice(count % world.questions.length, 1)[0]?.answer();
      break;
    case "refuse":
      world.questions.splice(count % world.questions.length, 1)[0]?.refuse();
      break;
    case "load more":
      void world.store.loadMore(count + 1).catch(() => {});
      break;
    case "live":
      world.live();
      break;
    case "wait":
      await vi.advanceTimersByTimeAsync(count);
  }
  await settle();
}

const begin = fc.record({
  nth: fc.nat(histories.length - 1),
  cut: fc.nat(60),
  pageSize: fc.integer({ min: 1, max: 6 }),
  // Whether the room is followed before the store begins, and from how far back.
  followed: fc.oneof(fc.constant("not"), fc.constant("live"), fc.nat(10)),
  loaded: fc.boolean(),
});

test("whenever events and answers come, the store shows what the fold says", async () => {
  const steps = fc.array(step, { maxLength: 60 });
  const property = fc.asyncProperty(begin, steps, async (begun, taken) => {
    const history = histories[begun.nth] ?? [];
    const world = new RoomWorld(history, cutOf(history, begun.cut), begun.pageSize);
    if (typeof begun.followed === "number") {
      world.follow(world.log.at(-1 - begun.followed)?.sequence ?? 0);
    } else if (begun.followed === "live") {
      world.follow(null);
    }
    await settle();
    while (begun.loaded && world.questions.length > 0) {
      await take(world, { do: "answer", count: 0 });
    }
    for (const one of taken) {
      await take(world, one);
    }
    await finish(world);
    const { messages, position } = world.store.getSnapshot();
    expect(messages.map(comparable)).toEqual(expected(world));
    expect(position).toBe(world.head);
    world.store.stop();
  });
  await fc.assert(property, { numRuns: 300 });
});

async function ready(count = 20): Promise<RoomWorld> {
  const history = histories.find((one) => one.length > 25) ?? [];
  const world = new RoomWorld(history, Math.max(cutOf(history, 0), count), 3);
  while (world.questions.length > 0) {
    world.questions.shift()?.answer();
    await settle();
  }
  return world;
}

const AT = "2026-01-31T09:15:00.000Z";

function logged(sequence: number, event: object): RoomEvent {
  const place = { sequence, prev_sequence: sequence - 1, room_id: "r", at: AT };
  return { ...place, event: { id: `e${sequence}`, actor: "ada", ...event } } as RoomEvent;
}

test("an edit that comes while an older page is on its way is not lost on that page", async () => {
  const said = { message_type: "text", content: "slow" };
  const events = [
    logged(1, { type: "room.created", name: "incident", status: "open" }),
    ...[2, 3, 4, 5].map((n) => logged(n, { type: "message.sent", message_id: `e${n}`, ...said })),
    logged(6, { type: "message.edited", message_id: "e2", content: "fast" }),
  ];
  const world = new RoomWorld(events, 5, 2);
  await settle();
  while (world.questions.length > 0) {
    world.questions.shift()?.answer();
    await settle();
  }
  const page = world.store.loadMore();
  world.questions[0]?.read();
  world.append(1);
  world.deliver(1);
  world.questions.shift()?.answer();
  await page;

  expect(world.store.message("e2")).toMatchObject({ content: "fast", version: 6 });
});

test("a room that may not be read ends, and can be loaded again", async () => {
  const world = await ready();
  world.store.ended(new RoomlogError("forbidden", "membership ended"));
  expect(world.store.getSnapshot()).toMatchObject({
    ...{ status: "ended", live: false, error: { code: "forbidden" } },
  });

  world.store.reload();
  await finish(world);
  expect(world.store.getSnapshot()).toMatchObject({ status: "ready", error: null });
});

test("a reset shows the page that was loaded for it", async () => {
  const world = await ready();
  const loaded = world.store.loadForReset(world.head, "e");
  while (world.questions.length > 0) {
    world.questions.shift()?.answer();
    await settle();
  }
  await loaded;
  const before = world.store.getSnapshot().messages;
  world.store.reset();

  const { messages, status } = world.store.getSnapshot();
  expect(status).toBe("ready");
  expect(messages).not.toBe(before);
  expect(world.questions).toHaveLength(0);
});

test("a page of another log is none, and a reset without a page loads one", async () => {
  const world = await ready();
  const loaded = world.store.loadForReset(world.head, "another epoch");
  const refused = expect(loaded).rejects.toMatchObject({ code: "projection_behind" });
  while (world.questions.length > 0) {
    world.questions.shift()?.answer();
    await settle();
  }
  await refused;
  world.store.reset();
  await settle();

  expect(world.questions).toHaveLength(1);
  await finish(world);
  expect(world.store.getSnapshot().messages.map(comparable)).toEqual(expected(world));
});

test("a failed page is told, and the next try gets it", async () => {
  const world = await ready();
  const page = world.store.loadMore();
  expect(world.store.getSnapshot().loadingMore).toBe(true);
  world.questions.shift()?.refuse();

  await expect(page).rejects.toMatchObject({ code: "no_answer" });
  expect(world.store.getSnapshot()).toMatchObject({
    ...{ loadingMore: false, error: { code: "no_answer" } },
  });
  const again = world.store.loadMore();
  world.questions.shift()?.answer();
  await again;
  expect(world.store.getSnapshot()).toMatchObject({ loadingMore: false, error: null });
});

test("the connection coming back is a reason to try again at once", async () => {
  const history = histories[0] ?? [];
  const world = new RoomWorld(history, cutOf(history, 0), 3);
  world.questions.shift()?.refuse();
  await settle();
  expect(world.store.getSnapshot()).toMatchObject({
    ...{ status: "loading", error: { code: "no_answer" } },
  });
  expect(world.questions).toHaveLength(0);

  world.store.connectionChanged(true);
  await settle();
  expect(world.questions).toHaveLength(1);
});

test("a store that nobody watches any more lets everything go", async () => {
  const world = await ready();
  const { store } = world;
  store.stop();

  expect(store.isActive).toBe(false);
  expect(store.getSnapshot()).toMatchObject({
    ...{ status: "loading", messages: [] as MessageResponse[], live: false, position: null },
  });
});
