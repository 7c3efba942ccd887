import { describe, expect, it } from "vitest";
import { completed, matching, mentionables, mentionAt } from "../src/composer/mentions";

const MEMBERS = new Map([
  ["ana@example.org", { name: "Ana Alves" }],
  ["ben@a.example", { name: null }],
  ["ben@b.example", { name: null }],
  ["room@example.org", { name: null }],
]);

describe("mentions", () => {
  it.each([
    ["@", ""],
    ["hello @an", "an"],
    ["(@ana", "ana"],
    ["hello @ana@exa", "ana@exa"],
    ["**@b", "b"],
  ])("begin in %j", (text, begun) => {
    expect(mentionAt(text, text.length)).toBe(begun);
  });

  it.each(["ana@exa", "hello @ana ", "/@x", "x", "a.@b", "@ana, "])("do not begin in %j", (text) => {
    expect(mentionAt(text, text.length)).toBeNull();
  });

  it("are written by the local part where it means one member alone", () => {
    expect(mentionables(MEMBERS).map(({ written }) => written)).toEqual([
      "ana",
      "ben@a.example",
      "ben@b.example",
      "room@example.org",
      "room",
    ]);
  });

  it("are found by the beginning of a name or an address, and by what these contain", () => {
    const all = mentionables(MEMBERS);
    expect(matching(all, "al").map(({ id }) => id)).toEqual(["ana@example.org"]);
    expect(matching(all, "b.ex").map(({ id }) => id)).toEqual(["ben@b.example"]);
    expect(matching(all, "zzz")).toEqual([]);
    expect(matching(all, "")).toHaveLength(5);
  });

  it("are completed where the caret is", () => {
    const [ana] = matching(mentionables(MEMBERS), "an");
    expect(ana && completed("hi @an and you", 6, ana)).toEqual({ text: "hi @ana and you", caret: 8 });
    expect(ana && completed("@a", 2, ana)).toEqual({ text: "@ana ", caret: 5 });
  });
});
