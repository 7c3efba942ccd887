import { expect, test, vi } from "vitest";
import { Store } from "../src/store.js";

class Counter extends Store<{ readonly count: number }> {
  #count = 0;
  readonly told: string[] = [];

  add(): void {
    this.#count += 1;
    this.changed();
  }

  protected override take(): { readonly count: number } {
    return { count: this.#count };
  }

  protected override watched(): void {
    this.told.push("watched");
  }

  protected override unwatched(): void {
    this.told.push("unwatched");
  }
}

test("a snapshot is the same object until something changes", () => {
  const counter = new Counter();
  const before = counter.getSnapshot();

  expect(counter.getSnapshot()).toBe(before);
  counter.add();
  expect(counter.getSnapshot()).toEqual({ count: 1 });
  expect(counter.getSnapshot()).not.toBe(before);
});

test("listeners are told once for all that changed in one go", async () => {
  const counter = new Counter();
  const listener = vi.fn();
  const end = counter.subscribe(listener);

  counter.add();
  counter.add();
  await Promise.resolve();
  expect(listener).toHaveBeenCalledTimes(1);
  end();
  counter.add();
  await Promise.resolve();
  expect(listener).toHaveBeenCalledTimes(1);
});

test("a store knows its first and its last listener, also where one listens twice", () => {
  const counter = new Counter();
  const listener = (): void => {};
  const first = counter.subscribe(listener);
  const second = counter.subscribe(listener);
  first();
  first();
  expect(counter.isWatched).toBe(true);
  second();

  expect(counter.told).toEqual(["watched", "unwatched"]);
});
