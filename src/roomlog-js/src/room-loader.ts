import type { MemberResponse } from "./contract.gen.js";
import { RoomlogError } from "./errors.js";
import type { Rest } from "./rest.js";
import type { LoadedRoom } from "./room-view.js";

/** What is read of a room by REST to show it. */
export type RoomReads = Pick<Rest, "room" | "members" | "messages" | "message">;

const MEMBERS_PER_PAGE = 500;
const UNREAD_TRIES_MAX = 3;

/**
 * The room, its members and its newest page, as of the event at `position` at least (null: as they
 * are). In this order: what tells of a member that is here is on the page then, or still to come.
 */
export async function loadRoom(
  asked: { readonly rest: RoomReads; readonly room_id: string; readonly pageSize: number },
  position: number | null,
): Promise<LoadedRoom> {
  const { rest, room_id, pageSize } = asked;
  const at = position === null ? {} : { min_sequence: position };
  const room = await rest.room(room_id, at);
  const members: MemberResponse[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = { limit: MEMBERS_PER_PAGE };
    const page = await rest.members(room_id, cursor === null ? query : { ...query, cursor });
    members.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  const page = await rest.messages(room_id, { limit: pageSize, ...at });
  if (page.epoch !== room.epoch) {
    throw new RoomlogError("internal", "the log changed while it was read");
  }
  return { room, members, page, unread: await unreadAsOf(rest, room_id, page.head) };
}

/**
 * What is unread, and as of which sequence. A room's count and its head are read one after the
 * other: they belong together where nothing was appended meanwhile, which in all but the busiest
 * rooms is so by the third time.
 */
async function unreadAsOf(
  rest: RoomReads,
  room_id: string,
  head: number,
): Promise<{ count: number; head: number }> {
  let asked = head;
  for (let tries = 1; ; tries += 1) {
    const room = await rest.room(room_id, { min_sequence: asked });
    if (room.head === asked || tries === UNREAD_TRIES_MAX) {
      return { count: room.unread, head: room.head };
    }
    asked = room.head;
  }
}

const PAUSE_MS_BASE = 1000;
const PAUSE_MS_MAX = 30_000;

/** How long to wait before loading is tried again. */
export function pauseBeforeRetry(attempt: number, error: RoomlogError): number {
  const grown_ms = Math.min(PAUSE_MS_MAX, PAUSE_MS_BASE * 2 ** attempt);
  return Math.max(error.retryAfterMs ?? 0, grown_ms * (0.5 + Math.random() / 2));
}

/** Whether trying again would not help. */
export function isFinal(error: RoomlogError): boolean {
  return error.code === "forbidden" || error.code === "not_found";
}

export function asError(error: unknown): RoomlogError {
  return error instanceof RoomlogError ? error : new RoomlogError("internal", String(error));
}
