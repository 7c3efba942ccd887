import { expect, test } from "vitest";
import type { RoomMessage } from "../src/room-view.js";
import { Unread } from "../src/unread.js";

const ADA = "ada@example.org";
const BOB = "bob@example.org";

function message(sequence_number: number, changes: Partial<RoomMessage> = {}): RoomMessage {
  return {
    ...{ message_id: `m${sequence_number}`, room_id: "r", sequence_number, sender_id: BOB },
    ...{ version: 5, message_type: "text", content: "hi", content_html: "", metadata: {} },
    ...{ reply_to: null, created_at: "", edited_at: null, deleted_at: null },
    ...{ reactions: [], logged: true, pending: [] },
    ...changes,
  };
}

test("what was counted and what came since are unread; own, system and deleted are not", () => {
  const messages = [
    message(4),
    message(5),
    message(6, { sender_id: ADA }),
    message(7, { message_type: "system" }),
    message(8, { deleted_at: "now" }),
    message(9),
  ];

  expect(new Unread(7, 5).count(messages, ADA)).toBe(8);
});

test("seeing a message leaves those behind it", () => {
  const unread = new Unread(3, 5);
  const messages = [3, 4, 5, 6, 7].map((n) => message(n));

  unread.see(4, messages, ADA);
  expect(unread.count(messages, ADA)).toBe(3);
  unread.see(6, messages, ADA);
  expect(unread.count(messages, ADA)).toBe(1);
  unread.see(5, messages, ADA);
  expect(unread.count(messages, ADA)).toBe(1);
  unread.see(7, messages, ADA);
  expect(unread.count(messages, ADA)).toBe(0);
  expect(unread.count([...messages, message(8)], ADA)).toBe(1);
});

test("seeing what is further back than the list goes changes nothing that is known", () => {
  const unread = new Unread(30, 50);
  const messages = [48, 49, 50].map((n) => message(n));

  unread.see(20, messages, ADA);

  expect(unread.count(messages, ADA)).toBe(30);
});
