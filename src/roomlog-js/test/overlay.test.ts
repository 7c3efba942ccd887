import { expect, test } from "vitest";
import { RoomlogError } from "../src/errors.js";
import { itemEventId } from "../src/ids.js";
import type { PendingItem } from "../src/items.js";
import type { Command } from "../src/machine/types.js";
import { Overlay, withPending } from "../src/overlay.js";
import type { RoomMessage } from "../src/room-view.js";

const ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001";
const ADA = "ada@example.org";
const BOB = "bob@example.org";
const AT = "2026-01-31T09:15:00.000Z";

function message(changes: Partial<RoomMessage> = {}): RoomMessage {
  return {
    ...{ message_id: "m", room_id: ROOM, sequence_number: 5, sender_id: ADA, version: 5 },
    ...{ message_type: "text", content: "slow", content_html: "<p>slow</p>", metadata: {} },
    ...{ reply_to: null, created_at: AT, edited_at: null, deleted_at: null },
    ...{ reactions: [], logged: true, pending: [] },
    ...changes,
  };
}

function item(command: Command, status: PendingItem["status"] = "queued"): PendingItem {
  const error = status === "refused" ? new RoomlogError("forbidden", "no") : null;
  return { room_id: ROOM, key: "k", command, status, error, at: AT };
}

test("without anything on its way the list is the very same", () => {
  const messages = [message()];

  expect(withPending(messages, [], ADA).messages).toBe(messages);
});

test("a message on its way stands behind the others, under the id that it will have", () => {
  const sent = item({ type: "send", content: "a <b>\n& c" });
  const { messages } = withPending([message()], [sent], ADA);

  expect(messages[1]).toMatchObject({
    message_id: itemEventId(ROOM, ADA, "k"),
    sender_id: ADA,
    content: "a <b>\n& c",
    content_html: "<p>a &lt;b&gt;<br>&amp; c</p>",
    logged: false,
    pending: [sent],
  });
});

test("as long as nobody knows the user, a message on its way goes by its key", () => {
  const { messages } = withPending([], [item({ type: "send", content: "hi" })], null);

  expect(messages).toMatchObject([{ message_id: "k", sender_id: "" }]);
});

test("an edit on its way shows, and a refused one does not, but is told", () => {
  const edit: Command = { type: "edit", message_id: "m", content: "fast", metadata: { n: 1 } };

  expect(withPending([message()], [item(edit)], ADA).messages).toMatchObject([
    { content: "fast", content_html: "<p>fast</p>", metadata: { n: 1 }, edited_at: AT, version: 5 },
  ]);
  expect(withPending([message()], [item(edit, "refused")], ADA).messages).toMatchObject([
    { content: "slow", pending: [{ status: "refused", error: { code: "forbidden" } }] },
  ]);
});

test("a deletion on its way hides, and what comes behind it changes nothing", () => {
  const deletion = item({ type: "delete", message_id: "m" });
  const edit = item({ type: "edit", message_id: "m", content: "too late" });
  const { messages } = withPending([message()], [deletion, edit], ADA);

  expect(messages).toMatchObject([
    { content: "", content_html: "", deleted_at: AT, pending: [deletion, edit] },
  ]);
});

test("a reaction on its way is counted once, and one taken back no more", () => {
  const there = { emoji: "👍", count: 1, users: [BOB] };
  const react = item({ type: "react", message_id: "m", emoji: "👍" });
  const unreact = item({ type: "unreact", message_id: "m", emoji: "👍" });
  const reactions = (items: PendingItem[], user: string): unknown =>
    withPending([message({ reactions: [there] })], items, user).messages[0]?.reactions;

  expect(reactions([react, react], ADA)).toEqual([{ emoji: "👍", count: 2, users: [BOB, ADA] }]);
  expect(reactions([react], BOB)).toEqual([there]);
  expect(reactions([unreact], BOB)).toEqual([]);
  expect(reactions([unreact], ADA)).toEqual([there]);
  expect(reactions([react, unreact], ADA)).toEqual([there]);
});

test("what is on its way for a message that is itself on its way shows there", () => {
  const sent = item({ type: "send", content: "hi" });
  const message_id = itemEventId(ROOM, ADA, "k");
  const edit = item({ type: "edit", message_id, content: "hello" });
  const { messages, changed } = withPending([], [sent, edit], ADA);

  expect(messages).toMatchObject([{ content: "hello", logged: false, pending: [sent, edit] }]);
  expect(changed.get(message_id)).toBe(messages[0]);
});

test("an overlay gives the same list until something is different", () => {
  const overlay = new Overlay();
  const logged = [message()];
  const items = [item({ type: "edit", message_id: "m", content: "fast" })];
  const first = overlay.over(logged, items, ADA);

  expect(overlay.over(logged, [...items], ADA)).toBe(first);
  expect(overlay.over([...logged], items, ADA)).not.toBe(first);
  expect(overlay.over(logged, [], ADA).messages).toBe(logged);
});
