/** What the fold knows of a room and its messages, and what it says that an event did. */

import type { MessageType, NoEffectReason, RoomRole, RoomStatus } from "./contract.gen.js";

/** One member; `since` is when the membership (not the role) began. */
export interface MemberState {
  readonly role: RoomRole;
  readonly since: string;
  readonly name: string | null;
}

/** A room as it stands; `members` by user id. */
export interface RoomState {
  readonly room_id: string;
  readonly name: string;
  readonly title: string | null;
  readonly severity: string | null;
  readonly status: RoomStatus;
  readonly created_by: string;
  readonly created_at: string;
  readonly created_sequence: number;
  readonly members: ReadonlyMap<string, MemberState>;
}

/** One user's reaction; `sequence` is that of the event that added it. */
export interface ReactionState {
  readonly emoji: string;
  readonly user_id: string;
  readonly sequence: number;
  readonly at: string;
}

/** A message as it stands; `reactions` in the order of their adding. */
export interface MessageState {
  readonly message_id: string;
  readonly room_id: string;
  readonly sequence: number;
  readonly sender_id: string;
  readonly message_type: MessageType;
  readonly content: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly reply_to: string | null;
  readonly created_at: string;
  readonly edited_at: string | null;
  readonly deleted_at: string | null;
  readonly version: number;
  readonly reactions: readonly ReactionState[];
}

/**
 * What an event did. `message` and `after` are the message as it stands now, `before` as it stood.
 * `room_changed` has a message where the status changed, `member_changed` no member where the
 * membership ended, `message_erased` no `before` where its events are gone; `no_effect` has a
 * sequence, that of the first event with the id, where this is a repetition of it.
 */
export type Effect =
  | { readonly kind: "room_opened"; readonly room: RoomState }
  | {
      readonly kind: "room_changed";
      readonly room: RoomState;
      readonly message: MessageState | null;
    }
  | {
      readonly kind: "member_changed";
      readonly room: RoomState;
      readonly user_id: string;
      readonly member: MemberState | null;
      readonly message: MessageState;
    }
  | { readonly kind: "message_added"; readonly message: MessageState }
  | {
      readonly kind: "message_changed" | "message_removed";
      readonly before: MessageState;
      readonly after: MessageState;
    }
  | {
      readonly kind: "message_erased";
      readonly before: MessageState | null;
      readonly after: MessageState;
    }
  | {
      readonly kind: "reacted" | "unreacted";
      readonly before: MessageState;
      readonly message: MessageState;
      readonly reaction: ReactionState;
    }
  | {
      readonly kind: "no_effect";
      readonly reason: NoEffectReason;
      readonly sequence: number | null;
    };
