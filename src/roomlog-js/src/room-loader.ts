import type { MemberResponse } from "./contract.gen.js";
import { RoomlogError } from "./errors.js";
import type { Rest } from "./rest.js";
import type { LoadedRoom } from "./room-view.js";

const MEMBERS_PER_PAGE = 500;
export const PAGE_MESSAGES = 100;

/**
 * The room, its members and its newest page, as of the event at `position` at least (null: as they
 * are). In this order: what tells of a member that is here is on the page then, or still to come.
 */
export async function loadRoom(
  rest: Rest,
  room_id: string,
  position: number | null,
): Promise<LoadedRoom> {
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
  const page = await rest.messages(room_id, { limit: PAGE_MESSAGES, ...at });
  if (page.epoch !== room.epoch) {
    throw new RoomlogError("internal", "the log changed while it was read");
  }
  return { room, members, page };
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
