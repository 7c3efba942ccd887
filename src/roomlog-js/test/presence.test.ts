import { expect, test } from "vitest";
import { Presence } from "../src/presence.js";

const ADA = "ada@example.org";
const BOB = "bob@example.org";

function subscribed(online: string[]): Parameters<Presence["passed"]>[0] {
  const told = { room_id: "r", epoch: "e", head: 5, role: "observer", resumed: true } as const;
  return { type: "subscribed", ...told, online };
}

test("who comes and goes is told, once", () => {
  const presence = new Presence();
  presence.passed(subscribed([ADA]));
  const before = presence.online;

  expect(presence.passed({ type: "presence", room_id: "r", joined: ADA })).toBe(false);
  expect(presence.online).toBe(before);
  expect(presence.passed({ type: "presence", room_id: "r", joined: BOB })).toBe(true);
  expect(presence.online).toEqual([ADA, BOB]);
  expect(presence.passed({ type: "presence", room_id: "r", left: ADA })).toBe(true);
  expect(presence.passed({ type: "presence", room_id: "r", left: ADA })).toBe(false);
  expect(presence.online).toEqual([BOB]);
});

test("a subscription tells all anew, and who types does not outlast a connection", () => {
  const presence = new Presence();
  presence.passed({ type: "typing", room_id: "r", users: [BOB] });
  presence.connectionLost();
  expect(presence.typing).toEqual([]);

  presence.passed({ type: "typing", room_id: "r", users: [BOB] });
  presence.passed(subscribed([BOB]));
  expect([presence.online, presence.typing, presence.role]).toEqual([[BOB], [], "observer"]);
});

test("what is not about presence is not its own", () => {
  expect(new Presence().passed({ type: "notice", content: "hi" })).toBe(false);
});
