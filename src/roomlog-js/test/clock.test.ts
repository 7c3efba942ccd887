import { afterEach, expect, test, vi } from "vitest";
import { Clock } from "../src/clock.js";

afterEach(() => vi.useRealTimers());

test("the time goes on where the machine's clock is set back, and jumps with it ahead", () => {
  vi.useFakeTimers({ now: 1_000_000 });
  const clock = new Clock();
  expect(clock.now()).toBe(1_000_000);

  vi.setSystemTime(400_000);
  expect(clock.now()).toBe(1_000_000);
  vi.setSystemTime(400_250);
  expect(clock.now()).toBe(1_000_250);
  vi.setSystemTime(900_000);
  expect(clock.now()).toBe(1_500_000);
});
