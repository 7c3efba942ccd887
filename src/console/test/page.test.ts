import { describe, expect, it } from "vitest";
import { byteSize, counted, duration, initials, listOf, nameOf } from "../src/format";
import { stretches } from "../src/panels/highlight";
import { hrefOf, parseRoute } from "../src/routes";
import { claimsOf } from "../src/token";

describe("addresses", () => {
  it.each([
    { view: "rooms" },
    { view: "room", room: "0190-a/b", message: null },
    { view: "room", room: "0190", message: "m 1" },
    { view: "timeline", room: "0190", at: null },
    { view: "timeline", room: "0190", at: 42 },
  ] as const)("lead back to %j", (route) => {
    expect(parseRoute(hrefOf(route))).toEqual(route);
  });

  it.each(["", "#", "#/other", "#token=x"])("%j leads to the rooms", (hash) => {
    expect(parseRoute(hash)).toEqual({ view: "rooms" });
  });

  it("take no moment that is none", () => {
    expect(parseRoute("#/rooms/a/timeline?at=x")).toEqual({
      view: "timeline",
      room: "a",
      at: null,
    });
    expect(parseRoute("#/rooms/%E0%A4%A")).toMatchObject({ room: "%E0%A4%A" });
  });
});

describe("tokens", () => {
  const tokenOf = (claims: object): string =>
    `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;

  it("say whose they are, whatever the alphabet", () => {
    const claims = { sub: "žofie@example.org", name: "Žofie", exp: 7, roles: ["admin", 1] };
    expect(claimsOf(tokenOf(claims))).toEqual({
      sub: "žofie@example.org",
      name: "Žofie",
      roles: ["admin"],
      expires_ms: 7000,
    });
    expect(claimsOf(tokenOf({ sub: "a" }))).toMatchObject({ roles: [], expires_ms: null });
  });

  it.each(["", "nonsense", "a.b.c", tokenOf({}), tokenOf({ sub: "" })])("%j is none", (text) => {
    expect(claimsOf(text)).toBeNull();
  });
});

describe("what was found", () => {
  it("is text, of which some is marked", () => {
    expect(stretches("a &lt;b&gt; &amp;amp; <mark>pool</mark> &#x27;x&#39; &quot;")).toEqual([
      { text: "a <b> &amp; ", marked: false },
      { text: "pool", marked: true },
      { text: " 'x' \"", marked: false },
    ]);
    expect(stretches("<mark>a</mark><mark>b</mark>")).toEqual([
      { text: "a", marked: true },
      { text: "b", marked: true },
    ]);
    expect(stretches("")).toEqual([]);
  });
});

describe("names and numbers", () => {
  it("are as people read them", () => {
    expect([400, 59_000, 61_000, 7_500_000, 90_000_000].map(duration)).toEqual([
      "0.4 s",
      "59 s",
      "1 min 01 s",
      "2 h 05 min",
      "1 d 1 h",
    ]);
    expect([0, 999, 1000, 183_500_800].map(byteSize)).toEqual(["0 B", "999 B", "1.0 KB", "184 MB"]);
    expect(
      [[], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]].map((l) => listOf(l)),
    ).toEqual(["", "a", "a and b", "a, b and c", "a, b and 2 others"]);
    expect([counted(1, "event"), counted(2, "event")]).toEqual(["1 event", "2 events"]);
    expect(["Ana Alves", "ben", "", "x.y@z", "👍 up"].map(initials)).toEqual([
      "AA",
      "B",
      "?",
      "XY",
      "👍U",
    ]);
    const members = new Map([["a@x", { name: "Ana" }]]);
    expect([nameOf("a@x", members), nameOf("b@x", members), nameOf("bot")]).toEqual([
      "Ana",
      "b",
      "bot",
    ]);
  });
});
