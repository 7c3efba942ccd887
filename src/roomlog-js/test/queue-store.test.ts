// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { StoredItem } from "../src/machine/types.js";
import { MemoryQueue, type QueueStore, WebStorageQueue } from "../src/queue-store.js";

const ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001";

function item(key: string, content = key): StoredItem {
  return { room_id: ROOM, key, user_id: null, command: { type: "send", content } };
}

beforeEach(() => localStorage.clear());
afterEach(() => vi.useRealTimers());

describe.each<[string, () => QueueStore]>([
  ["MemoryQueue", () => new MemoryQueue()],
  ["WebStorageQueue", () => new WebStorageQueue(localStorage, "ada")],
])("%s", (_, create) => {
  test("gives what was put, in that order, without what was removed", async () => {
    const queue = create();
    const items = Array.from({ length: 30 }, (_, n) => item(`k${n}`));
    for (const one of items) {
      await queue.put(one);
    }
    await queue.remove(ROOM, "k3");
    await queue.remove(ROOM, "k29");
    await queue.remove("another room", "k4");

    const left = items.filter((one) => one.key !== "k3" && one.key !== "k29");
    expect(await queue.load()).toEqual(left);
  });

  test("is empty when all is removed", async () => {
    const queue = create();
    await queue.put(item("k"));
    await queue.remove(ROOM, "k");

    expect(await queue.load()).toEqual([]);
  });
});

test("what is in the storage outlasts whoever put it there, under its own name only", () => {
  new WebStorageQueue(localStorage, "ada").put(item("k", "漢字 🚒"));

  expect(new WebStorageQueue(localStorage, "ada").load()).toEqual([item("k", "漢字 🚒")]);
  expect(new WebStorageQueue(localStorage, "bob").load()).toEqual([]);
});

test("two pages put in turn, and each gives all in the order of time", () => {
  vi.useFakeTimers();
  const pages = [new WebStorageQueue(localStorage, "a"), new WebStorageQueue(localStorage, "a")];
  for (let n = 0; n < 6; n += 1) {
    pages[n % 2]?.put(item(`k${n}`));
    vi.advanceTimersByTime(1);
  }

  expect(pages[0]?.load().map((one) => one.key)).toEqual(["k0", "k1", "k2", "k3", "k4", "k5"]);
});

test("what others put into the storage is left alone, and what is damaged is passed over", () => {
  localStorage.setItem("roomlog:ada:000-damaged", "{");
  localStorage.setItem("roomlog:ada:001-strange", '{"room_id": "r"}');
  localStorage.setItem("settings", "dark");
  const queue = new WebStorageQueue(localStorage, "ada");
  queue.put(item("k"));

  expect(queue.load()).toEqual([item("k")]);
  queue.remove(ROOM, "k");
  expect(localStorage.getItem("settings")).toBe("dark");
});
