import type { RoomRole } from "./contract.gen.js";
import type { RoomlogError } from "./errors.js";
import type { RoomMessage } from "./room-view.js";
import type { MemberState, RoomState } from "./states.js";

/** A room as it is now. */
export interface RoomSnapshot {
  /** `ended`: it may not be read (any more); `error` says why. */
  readonly status: "loading" | "ready" | "ended";
  /** Why it ended, or why loading it, or more of it, failed last. */
  readonly error: RoomlogError | null;
  readonly room: RoomState | null;
  /** By user id. */
  readonly members: ReadonlyMap<string, MemberState>;
  /** The user's own role; null for who is no member. */
  readonly role: RoomRole | null;
  /** Oldest first; behind those of the log, those that are on their way. */
  readonly messages: readonly RoomMessage[];
  /** Ids of what was deleted or redacted since the room was loaded, whether it is here or not. */
  readonly gone: ReadonlySet<string>;
  /** How often the room was loaded: what was read before may not be as it was. */
  readonly loads: number;
  /** Whether the log has older ones. */
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  /** User ids. */
  readonly online: readonly string[];
  readonly typing: readonly string[];
  /** Messages of others that the user has not seen. */
  readonly unread: number;
  /** Whether nothing is missing, as far as can be known. */
  readonly live: boolean;
  /** The sequence up to which everything is here. */
  readonly position: number | null;
  readonly epoch: string | null;
}
