import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { difference, type Part } from "../src/panels/diff";

function side(parts: readonly Part[], without: Part["kind"]): string {
  return parts.flatMap(({ kind, text }) => (kind === without ? [] : [text])).join("");
}

describe("differences", () => {
  it("name the words that changed, and no more", () => {
    expect(difference("Rolling back to 4.17.2.", "Rolling back to 4.17.3 now.")).toEqual([
      { kind: "same", text: "Rolling back to 4.17." },
      { kind: "removed", text: "2" },
      { kind: "added", text: "3 now" },
      { kind: "same", text: "." },
    ]);
  });

  it("make the one text of the other", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", ".", "ü", "👍") });
    fc.assert(
      fc.property(text, text, (before, after) => {
        const parts = difference(before, after);
        expect(side(parts, "added")).toBe(before);
        expect(side(parts, "removed")).toBe(after);
        expect(parts.every(({ text: part }) => part !== "")).toBe(true);
      }),
    );
  });

  it("of long texts stay quick", () => {
    const before = Array.from({ length: 9000 }, (_, n) => `word${n}`).join(" ");
    const after = Array.from({ length: 9000 }, (_, n) => `other${n * 7}`).join(" ");
    const began = performance.now();
    const parts = difference(before, after);
    expect(performance.now() - began).toBeLessThan(2000);
    expect(side(parts, "added")).toBe(before);
  });
});
