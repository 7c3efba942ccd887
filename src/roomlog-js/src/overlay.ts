import { itemEventId } from "./ids.js";
import type { PendingItem } from "./items.js";
import { asHtml, type RoomMessage } from "./room-view.js";

interface Shown {
  readonly messages: readonly RoomMessage[];
  /** Those that are not as the log has them, by id. */
  readonly changed: ReadonlyMap<string, RoomMessage>;
}

/**
 * The messages as their user means them to be: with edits, deletions and reactions that are on
 * their way, and behind them the messages that are. What was refused changes nothing, and stands
 * in `pending` with its error. `user_id` is null as long as nobody knows it.
 */
export function withPending(
  messages: readonly RoomMessage[],
  items: readonly PendingItem[],
  user_id: string | null,
): Shown {
  const changed = new Map<string, RoomMessage>();
  if (items.length === 0) {
    return { messages, changed };
  }
  const sends = items.flatMap((item) => pendingMessage(item, user_id));
  const changes = new Map<string, PendingItem[]>();
  for (const item of items) {
    if (item.command.type !== "send") {
      const { message_id } = item.command;
      changes.set(message_id, [...(changes.get(message_id) ?? []), item]);
    }
  }
  const all = [...messages, ...sends].map((message) => {
    const own = changes.get(message.message_id) ?? [];
    const after = own.reduce((before, item) => change(before, item, user_id), message);
    if (after !== message || !message.logged) {
      changed.set(message.message_id, after);
    }
    return after;
  });
  return { messages: all, changed };
}

/** The same, made anew only where something is different. */
export class Overlay {
  #logged: readonly RoomMessage[] | null = null;
  #items: readonly PendingItem[] = [];
  #user_id: string | null = null;
  #shown: Shown = withPending([], [], null);

  over(
    logged: readonly RoomMessage[],
    items: readonly PendingItem[],
    user_id: string | null,
  ): Shown {
    const before = this.#items;
    const same = items.length === before.length && items.every((one, n) => one === before[n]);
    if (!same || logged !== this.#logged || user_id !== this.#user_id) {
      this.#logged = logged;
      this.#items = items;
      this.#user_id = user_id;
      this.#shown = withPending(logged, items, user_id);
    }
    return this.#shown;
  }
}

function pendingMessage(item: PendingItem, user_id: string | null): RoomMessage[] {
  const { room_id, key, command, at } = item;
  if (command.type !== "send") {
    return [];
  }
  return [
    {
      message_id: user_id === null ? key : itemEventId(room_id, user_id, key),
      room_id,
      sequence_number: 0,
      sender_id: user_id ?? "",
      message_type: command.message_type ?? "text",
      content: command.content,
      content_html: asHtml(command.content),
      metadata: command.metadata ?? {},
      reply_to: command.reply_to ?? null,
      created_at: at,
      edited_at: null,
      deleted_at: null,
      version: 0,
      reactions: [],
      logged: false,
      pending: [item],
    },
  ];
}

function change(message: RoomMessage, item: PendingItem, user_id: string | null): RoomMessage {
  const { command, at } = item;
  const after = { ...message, pending: [...message.pending, item] };
  if (item.status === "refused" || message.deleted_at !== null) {
    return after;
  }
  switch (command.type) {
    case "edit":
      return {
        ...after,
        content: command.content,
        content_html: asHtml(command.content),
        metadata: command.metadata ?? message.metadata,
        edited_at: at,
      };
    case "delete":
      return { ...after, content: "", content_html: "", metadata: {}, deleted_at: at };
    case "react":
      return user_id === null ? after : reacted(after, command.emoji, user_id);
    case "unreact":
      return user_id === null ? after : unreacted(after, command.emoji, user_id);
    case "send":
      return after;
  }
}

function reacted(message: RoomMessage, emoji: string, user_id: string): RoomMessage {
  const there = message.reactions.find((one) => one.emoji === emoji);
  if (there?.users.includes(user_id) === true) {
    return message;
  }
  const { count, users } = there ?? { count: 0, users: [] };
  const after = { emoji, count: count + 1, users: [...users, user_id] };
  const reactions =
    there === undefined
      ? [...message.reactions, after]
      : message.reactions.map((one) => (one === there ? after : one));
  return { ...message, reactions };
}

function unreacted(message: RoomMessage, emoji: string, user_id: string): RoomMessage {
  const reactions = message.reactions.flatMap((one) => {
    if (one.emoji !== emoji || !one.users.includes(user_id)) {
      return [one];
    }
    const users = one.users.filter((user) => user !== user_id);
    return one.count > 1 ? [{ emoji, count: one.count - 1, users }] : [];
  });
  return { ...message, reactions };
}
