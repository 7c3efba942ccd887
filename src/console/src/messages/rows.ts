import type { RoomMessage } from "roomlog-js";
import { dayNumber } from "../format";

/** What stands in the list: messages, the days that they fall on, where the unread begin, and at
 * the top that there is more, or that there is none. */
export type Row =
  | { readonly kind: "top"; readonly key: "top" }
  | { readonly kind: "day"; readonly key: string; readonly at: string }
  | { readonly kind: "unread"; readonly key: string }
  | {
      readonly kind: "message";
      readonly key: string;
      readonly message: RoomMessage;
      /** It goes on where the sender's last one ended: no name and no picture again. */
      readonly goesOn: boolean;
    };

/** What is worked out once for a message, however often the rows of a long room are made. */
interface Known {
  readonly at_ms: number;
  readonly day: number;
  /** About how tall its text and what belongs to it is. */
  readonly said_px: number;
}

const known = new WeakMap<RoomMessage, Known>();

function knownOf(message: RoomMessage): Known {
  let facts = known.get(message);
  if (facts === undefined) {
    const at_ms = Date.parse(message.created_at);
    facts = { at_ms, day: dayNumber(at_ms), said_px: saidHeight(message) };
    known.set(message, facts);
  }
  return facts;
}

const GOES_ON_MS = 5 * 60_000;
const LINE_CHARS = 90;
const LINE_PX = 21;
const HEAD_PX = 29;
const CARD_PX = 92;

/**
 * The rows of a room's messages, oldest first. `firstUnread` is the id of the message above which
 * the line stands.
 */
export function rowsOf(messages: readonly RoomMessage[], firstUnread: string | null): Row[] {
  const rows: Row[] = [{ kind: "top", key: "top" }];
  let before: RoomMessage | null = null;
  for (const message of messages) {
    const isNewDay = before === null || knownOf(before).day !== knownOf(message).day;
    if (isNewDay) {
      rows.push({ kind: "day", key: `day ${message.message_id}`, at: message.created_at });
    }
    const isFirstUnread = message.message_id === firstUnread;
    if (isFirstUnread) {
      rows.push({ kind: "unread", key: "unread" });
    }
    const goesOn = before !== null && !isNewDay && !isFirstUnread && follows(before, message);
    rows.push({ kind: "message", key: message.message_id, message, goesOn });
    before = message;
  }
  return rows;
}

function follows(before: RoomMessage, message: RoomMessage): boolean {
  return (
    before.sender_id === message.sender_id &&
    before.message_type !== "system" &&
    message.message_type !== "system" &&
    message.reply_to === null &&
    knownOf(message).at_ms - knownOf(before).at_ms < GOES_ON_MS
  );
}

/** About how tall a row is, in pixels, until it is measured. */
export function estimatedHeight(row: Row): number {
  if (row.kind !== "message") {
    return 38;
  }
  const { message, goesOn } = row;
  if (message.message_type === "system") {
    return 30;
  }
  return (goesOn ? 5 : HEAD_PX) + knownOf(message).said_px;
}

function saidHeight(message: RoomMessage): number {
  let lines = 0;
  for (const line of message.content.split("\n", 60)) {
    lines += 1 + Math.floor(line.length / LINE_CHARS);
  }
  const card = message.message_type === "text" || message.deleted_at !== null ? 0 : CARD_PX;
  const reactions = message.reactions.length > 0 ? 32 : 0;
  return Math.max(1, lines) * LINE_PX + card + reactions;
}
