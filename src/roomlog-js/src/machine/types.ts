/**
 * What goes into the machine and what comes out of it; docs/client/specification.md says what each
 * means. All of it is data, named as in the specification.
 */

import type {
  ClientFrame,
  DeleteFrame,
  EditFrame,
  MessageBroadcastFrame,
  NoticeFrame,
  NotificationFrame,
  PresenceFrame,
  ReactFrame,
  SendFrame,
  ServerFrame,
  SubscribedFrame,
  TypingUsersFrame,
  UnreactFrame,
} from "../contract.gen.js";

export const BACKOFF_BASE_MS = 1000;
export const BACKOFF_MAX_MS = 30_000;
export const BACKOFF_ATTEMPTS_MAX = 5;
export const OPENING_MS = 20_000;
export const PONG_MS_MAX = 10_000;
export const ANSWER_MS_MAX = 120_000;
export const TOKEN_MARGIN_MS_MAX = 60_000;
export const TOKEN_TIMER_MS_MAX = 86_400_000;
export const TOKEN_TIMER_MS_MIN = 1000;
export const TOKEN_RETRY_MS = 10_000;
export const RETRY_MS_DEFAULT = 1000;
export const IN_FLIGHT_MAX = 32;
export const QUEUE_MAX = 1000;

export type State = "connecting" | "replaying" | "live" | "waiting" | "offline" | "closed";

/** Why the client is not connected; `close_code` is null where no close code was the cause. */
export interface Reason {
  readonly code: string;
  readonly close_code: number | null;
  readonly detail: string;
}

export type Phase =
  | "idle"
  | "subscribing"
  | "replaying"
  | "live"
  | "reloading"
  | "paused"
  | "ended";

type Bare<F> = Omit<F, "ref" | "room_id" | "idempotency_key">;

/** A command: its frame without what the machine adds when it sends it. */
export type Command =
  | Bare<SendFrame>
  | Bare<EditFrame>
  | Bare<DeleteFrame>
  | Bare<ReactFrame>
  | Bare<UnreactFrame>;

/** A command on its way, as it is kept; `user_id` is null until the client knows whose it is. */
export interface StoredItem {
  readonly room_id: string;
  readonly key: string;
  readonly user_id: string | null;
  readonly command: Command;
}

export type Input =
  | { readonly type: "connect" }
  | { readonly type: "close" }
  | { readonly type: "online" }
  | { readonly type: "offline" }
  | { readonly type: "token"; readonly token: string; readonly expires_at_ms: number | null }
  | { readonly type: "token_failed"; readonly detail: string }
  | { readonly type: "opened" }
  | { readonly type: "closed"; readonly code: number; readonly reason: string }
  | { readonly type: "frame"; readonly frame: ServerFrame }
  | { readonly type: "timer"; readonly timer: string }
  | {
      readonly type: "join";
      readonly room_id: string;
      readonly after: number | null;
      readonly epoch: string | null;
      readonly html: boolean;
    }
  | { readonly type: "leave" | "pause" | "unpause"; readonly room_id: string }
  | { readonly type: "loaded"; readonly room_id: string; readonly load: string }
  | {
      readonly type: "load_failed";
      readonly room_id: string;
      readonly load: string;
      readonly code: string;
      readonly detail: string;
      readonly retry_after_ms: number | null;
    }
  | { readonly type: "restore"; readonly items: readonly StoredItem[] }
  | {
      readonly type: "enqueue";
      readonly room_id: string;
      readonly key: string;
      readonly command: Command;
    }
  | { readonly type: "withdraw"; readonly room_id: string; readonly key: string }
  | { readonly type: "typing"; readonly room_id: string; readonly active: boolean }
  | { readonly type: "seen"; readonly room_id: string; readonly sequence: number };

export type InputOf<Type extends Input["type"]> = Extract<Input, { type: Type }>;

/** How an item ended: whoever waits for it is told, once. */
export type Settlement =
  | {
      readonly type: "acked";
      readonly room_id: string;
      readonly key: string;
      readonly sequence: number;
      readonly message_id: string;
      readonly at: string;
      readonly duplicate: boolean;
      readonly merged: boolean;
    }
  | {
      readonly type: "refused";
      readonly room_id: string;
      readonly key: string;
      readonly code: string;
      readonly detail: string;
      readonly field: string | null;
    }
  | {
      readonly type: "unsent";
      readonly room_id: string;
      readonly key: string;
      readonly code: string;
      readonly detail: string;
      readonly maybe_sent: boolean;
      readonly kept: boolean;
    }
  | { readonly type: "withdrawn"; readonly room_id: string; readonly key: string };

/** Frames that are handed on as they came. */
export type PassedFrame =
  | SubscribedFrame
  | PresenceFrame
  | TypingUsersFrame
  | NotificationFrame
  | NoticeFrame;

export type Effect =
  | { readonly type: "state"; readonly state: State; readonly reason: Reason | null }
  | { readonly type: "fetch_token" }
  | { readonly type: "open_socket"; readonly token: string }
  | { readonly type: "close_socket"; readonly code: number; readonly reason: string }
  | { readonly type: "send"; readonly frame: ClientFrame }
  | { readonly type: "set_timer"; readonly timer: string; readonly after_ms: number }
  | { readonly type: "cancel_timer"; readonly timer: string }
  | { readonly type: "cancel_timers" }
  | {
      readonly type: "deliver";
      readonly frame: MessageBroadcastFrame;
      readonly key: string | null;
    }
  | { readonly type: "merged"; readonly room_id: string; readonly key: string }
  | { readonly type: "pass"; readonly frame: PassedFrame }
  | { readonly type: "room_live"; readonly room_id: string; readonly position: number }
  | {
      readonly type: "room_ended";
      readonly room_id: string;
      readonly code: string;
      readonly detail: string;
    }
  | {
      readonly type: "load";
      readonly room_id: string;
      readonly load: string;
      readonly epoch: string;
      readonly position: number;
    }
  | {
      readonly type: "reset";
      readonly room_id: string;
      readonly epoch: string;
      readonly position: number;
    }
  | Settlement
  | {
      readonly type: "held";
      readonly room_id: string;
      readonly key: string;
      readonly code: string;
      readonly detail: string;
      readonly retry_after_ms: number;
    }
  | { readonly type: "store"; readonly item: StoredItem }
  | { readonly type: "forget"; readonly room_id: string; readonly key: string }
  | {
      readonly type: "report";
      readonly code: string;
      readonly detail: string;
      readonly room_id: string | null;
    };
