import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ListWindow } from "../src/messages/window";

const VIEWPORT_PX = 600;

interface Line {
  readonly key: string;
  readonly estimate: number;
  readonly holds: boolean;
}

const lines = (from: number, to: number): Line[] =>
  Array.from({ length: to - from }, (_, n) => ({
    key: `m${from + n}`,
    estimate: 40,
    holds: (from + n) % 10 !== 0,
  }));

/** Where a row is seen, below the upper edge of the viewport. */
const seenAt = (list: ListWindow, key: string): number =>
  list.offsetOf(list.indexOf(key) ?? -1) - list.top;

function opened(rows: readonly Line[]): ListWindow {
  const list = new ListWindow(true);
  list.resize(VIEWPORT_PX);
  list.setRows(rows);
  return list;
}

describe("the window on a long list", () => {
  it("begins at the end, and stays there as rows come", () => {
    const list = opened(lines(0, 1000));
    expect(list.top).toBe(1000 * 40 - VIEWPORT_PX);
    list.setRows(lines(0, 1010));
    list.measure([["m1009", 300]]);
    expect(list.top).toBe(list.height - VIEWPORT_PX);
    expect(list.isAtEnd).toBe(true);
  });

  it("keeps what is read where it is, whatever happens above and below", () => {
    const step = fc.oneof(
      fc.record({ older: fc.integer({ min: 1, max: 200 }) }),
      fc.record({ newer: fc.integer({ min: 1, max: 20 }) }),
      fc.record({
        row: fc.integer({ min: 0, max: 299 }),
        height: fc.integer({ min: 10, max: 400 }),
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 500, max: 8000 }), fc.array(step), (top, steps) => {
        let [first, end] = [1000, 1300];
        const list = opened(lines(first, end));
        list.scrolledTo(top);
        const { first: index } = list.visible();
        const held =
          lines(first, end)
            .slice(index)
            .find(({ holds }) => holds)?.key ?? "";
        const before = seenAt(list, held);
        for (const one of steps) {
          if ("older" in one) {
            first -= one.older;
          } else if ("newer" in one) {
            end += one.newer;
          } else if (`m${1000 + one.row}` !== held) {
            list.measure([[`m${1000 + one.row}`, one.height]]);
          }
          list.setRows(lines(first, end));
        }
        // The end of the list may not be left behind: there the place has to give way.
        if (list.top < list.height - VIEWPORT_PX) {
          expect(seenAt(list, held)).toBeCloseTo(before, 6);
        }
      }),
    );
  });

  it("has all that is seen, and little more", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40_000 })), (tops) => {
        const list = opened(lines(0, 1000));
        let span = list.span({ first: 0, end: 0 });
        for (const top of tops) {
          list.scrolledTo(top);
          span = list.span(span);
          const seen = list.visible();
          expect(span.first).toBeLessThanOrEqual(seen.first);
          expect(span.end).toBeGreaterThanOrEqual(seen.end);
          expect(span.end - span.first).toBeLessThan(120);
        }
      }),
    );
  });

  it("shows a row that is looked for, also before its height is known", () => {
    const list = opened(lines(0, 1000));
    expect(list.show("m500", 200)).toBe(true);
    expect(seenAt(list, "m500")).toBe(200);
    list.measure([["m499", 400]]);
    expect(seenAt(list, "m500")).toBe(200);
    expect(list.show("nobody", 0)).toBe(false);
    list.showEnd();
    expect(list.top).toBe(list.height - VIEWPORT_PX);
  });

  it("of nothing is empty", () => {
    const list = opened([]);
    expect([list.top, list.height, list.span({ first: 0, end: 0 })]).toEqual([
      0,
      0,
      { first: 0, end: 0 },
    ]);
    expect(list.visible()).toEqual({ first: 0, end: 0 });
  });
});
