import { expect, test } from "vitest";
import { Items } from "../src/items.js";
import type { Command, Settlement } from "../src/machine/types.js";

const ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001";
const SEND: Command = { type: "send", content: "hi" };
const EDIT: Command = { type: "edit", message_id: "m", content: "better" };

function acked(key: string, merged: boolean): Settlement {
  const said = { sequence: 7, message_id: "m", at: "now", duplicate: false };
  return { type: "acked", room_id: ROOM, key, ...said, merged };
}

function refused(key: string): Settlement {
  const why = { code: "version_mismatch", detail: "somebody was faster", field: null };
  return { type: "refused", room_id: ROOM, key, ...why };
}

function shown(items: Items): string[] {
  return items.of(ROOM).map(({ key, status }) => `${key} ${status}`);
}

test("an item shows until its event is delivered, and its answer comes at the ack", async () => {
  const items = new Items(() => {});
  const answer = items.wait(ROOM, "k", SEND);

  expect(shown(items)).toEqual(["k queued"]);
  items.settled(acked("k", false));
  expect(shown(items)).toEqual(["k acked"]);
  await expect(answer).resolves.toEqual({
    ...{ sequence: 7, message_id: "m", at: "now", duplicate: false },
  });
  items.echoed(ROOM, "k");
  expect(shown(items)).toEqual([]);
});

test("an item whose event comes before its answer is not shown twice", async () => {
  const items = new Items(() => {});
  const answer = items.wait(ROOM, "k", SEND);

  items.echoed(ROOM, "k");
  expect(shown(items)).toEqual([]);
  items.settled(acked("k", true));
  await expect(answer).resolves.toMatchObject({ sequence: 7 });
  expect(shown(items)).toEqual([]);
});

test("an edit whose event came without effect shows as refused until dismissed", async () => {
  const items = new Items(() => {});
  const answer = items.wait(ROOM, "k", EDIT);

  items.echoed(ROOM, "k");
  items.settled(refused("k"));
  await expect(answer).rejects.toMatchObject({ code: "version_mismatch" });
  expect(shown(items)).toEqual(["k refused"]);
  expect(items.dismiss(ROOM, "k")?.command).toBe(EDIT);
  expect(shown(items)).toEqual([]);
});

test("only what was refused can be dismissed", () => {
  const items = new Items(() => {});
  void items.wait(ROOM, "k", SEND);

  expect(items.dismiss(ROOM, "k")).toBeUndefined();
  expect(shown(items)).toEqual(["k queued"]);
});

test("all who wait for the same item are told", async () => {
  const items = new Items(() => {});
  const answers = [items.wait(ROOM, "k", SEND), items.wait(ROOM, "k", SEND)];

  items.settled({ type: "withdrawn", room_id: ROOM, key: "k" });

  for (const answer of answers) {
    await expect(answer).rejects.toMatchObject({ code: "withdrawn", maybeSent: false });
  }
});

test("what is kept when the client closes goes on being shown as on its way", async () => {
  const items = new Items(() => {});
  const answer = items.wait(ROOM, "k", SEND);

  const why = { code: "closed_by_user", detail: "", maybe_sent: true };
  items.settled({ type: "unsent", room_id: ROOM, key: "k", ...why, kept: true });

  await expect(answer).rejects.toMatchObject({ code: "closed_by_user", kept: true });
  expect(shown(items)).toEqual(["k queued"]);
});

test("what is not kept is shown as refused, with whether it may be in the log", async () => {
  const items = new Items(() => {});
  const answer = items.wait(ROOM, "k", SEND);

  const why = { code: "closed_by_user", detail: "", maybe_sent: true };
  items.settled({ type: "unsent", room_id: ROOM, key: "k", ...why, kept: false });

  await expect(answer).rejects.toMatchObject({ maybeSent: true, kept: false });
  expect(items.of(ROOM)).toMatchObject([{ status: "refused", error: { maybeSent: true } }]);
});

test("a held item says why and for how long, until the connection is lost", () => {
  const items = new Items(() => {});
  void items.wait(ROOM, "k", SEND);

  const why = { code: "rate_limited", detail: "too fast", retry_after_ms: 1500 };
  items.held({ type: "held", room_id: ROOM, key: "k", ...why });
  expect(items.of(ROOM)).toMatchObject([
    { status: "held", error: { code: "rate_limited", retryAfterMs: 1500 } },
  ]);
  items.connectionLost();
  expect(items.of(ROOM)).toMatchObject([{ status: "queued", error: null }]);
});

test("the oldest of very many refusals are forgotten", () => {
  const items = new Items(() => {});
  for (let n = 0; n < 1005; n += 1) {
    items.wait(ROOM, `k${n}`, SEND).catch(() => {});
    items.settled(refused(`k${n}`));
  }

  expect(shown(items)).toHaveLength(1000);
  expect(shown(items)[0]).toBe("k5 refused");
});

test("each change names its room", () => {
  const told: string[] = [];
  const items = new Items((room_id) => told.push(room_id));
  items.restored([{ room_id: ROOM, key: "k", user_id: null, command: SEND }]);
  items.merged(ROOM, "k");
  items.merged(ROOM, "k");

  expect(told).toEqual([ROOM, ROOM]);
});
