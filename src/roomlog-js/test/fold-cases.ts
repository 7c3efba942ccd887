import { readFileSync } from "node:fs";
import type { MessageResponse, RoomEvent, RoomPage, RoomResponse } from "../src/contract.gen.js";
import { Fold } from "../src/fold.js";
import type { LoadedRoom } from "../src/room-view.js";
import type { MessageState, RoomState } from "../src/states.js";

type Json<T> = Omit<T, "members"> & { members: Record<string, unknown> };

export interface FoldCase {
  name: string;
  events: RoomEvent[];
  effects: { kind: string; reason?: string; sequence?: number | null }[];
  room: Json<RoomState> | null;
  messages: MessageState[];
}

const file = new URL("../../../tests/contracts/fold_cases.json", import.meta.url);

/** Histories with what the log's own fold makes of them. */
export const foldCases = JSON.parse(readFileSync(file, "utf8")) as FoldCase[];

export function folded(events: readonly RoomEvent[]): Fold {
  const fold = new Fold();
  for (const event of events) {
    fold.apply(event);
  }
  return fold;
}

export function bySequence(messages: Iterable<MessageState>): MessageState[] {
  return [...messages].sort((a, b) => a.sequence - b.sequence);
}

/** A message as REST tells it; at most `users_max` users of each reaction are named. */
export function asRest(state: MessageState, users_max = 100): MessageResponse {
  const { sequence, reactions, metadata, ...same } = state;
  const emojis = [...new Set(reactions.map((one) => one.emoji))];
  return {
    ...same,
    metadata: { ...metadata },
    sequence_number: sequence,
    content_html: "",
    reactions: emojis.map((emoji) => {
      const users = reactions.filter((one) => one.emoji === emoji).map((one) => one.user_id);
      return { emoji, count: users.length, users: users.slice(0, users_max) };
    }),
  };
}

/** The newest messages below `before`, as REST tells them after these events. */
export function pageOf(
  fold: Fold,
  head: number,
  limit: number,
  before = Number.POSITIVE_INFINITY,
): RoomPage<MessageResponse> {
  const all = bySequence(fold.messages.values()).filter((one) => one.sequence < before);
  const items = all.slice(-limit).reverse();
  return {
    items: items.map((one) => asRest(one)),
    next: items.length < all.length ? "more" : null,
    head,
    epoch: "e",
  };
}

/** The room as REST tells it after these events; the fold must know it. */
export function loadedFrom(fold: Fold, head: number, limit: number): LoadedRoom {
  const { members, created_sequence: _, ...room } = fold.room as RoomState;
  const response: RoomResponse = { ...room, role: null, head, epoch: "e", unread: 0 };
  return {
    room: response,
    members: [...members].map(([user_id, member]) => ({ user_id, ...member })),
    page: pageOf(fold, head, limit),
    unread: { count: 0, head },
  };
}

/** Histories in which a room began and no id comes again: a view does not know older ids. */
export const histories = foldCases
  .map(({ events }) => {
    const ids = new Set<string>();
    return events.filter(({ event }) => !ids.has(event.id) && ids.add(event.id));
  })
  .filter((events) => folded(events).room !== null && events.length > 5);

/** A place in the history at which the room is there. */
export function cutOf(history: readonly RoomEvent[], cut: number): number {
  const begun = history.findIndex((_, n) => folded(history.slice(0, n + 1)).room !== null) + 1;
  return begun + (cut % (history.length - begun + 1));
}

/** As REST tells it, but for HTML and the order of emojis, which a view may not know. */
export function comparable(message: MessageResponse): unknown {
  const all = { logged: true, pending: [], ...message };
  const { content_html: _, logged: __, pending: ___, ...same } = all;
  return { ...same, reactions: [...same.reactions].sort((a, b) => (a.emoji < b.emoji ? -1 : 1)) };
}
