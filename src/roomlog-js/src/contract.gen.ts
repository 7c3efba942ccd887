// Made from the contract's structs by tests/javascript/contract_types.py: never edited by hand.

/** What kind of thing a message says. */
export const MESSAGE_TYPE_VALUES = [
  "text",
  "image_ref",
  "file_ref",
  "incident_data",
  "system",
] as const;
export type MessageType = (typeof MESSAGE_TYPE_VALUES)[number];

/** `metadata.event` of a system message. */
export const SYSTEM_EVENT_TYPE_VALUES = [
  "user_joined",
  "user_left",
  "status_changed",
  "member_added",
  "member_removed",
  "role_changed",
  "notice",
  "imported",
] as const;
export type SystemEventType = (typeof SYSTEM_EVENT_TYPE_VALUES)[number];

/** Where an incident stands; a closed room takes no more messages. */
export const ROOM_STATUS_VALUES = [
  "open",
  "mitigated",
  "resolved",
  "closed",
] as const;
export type RoomStatus = (typeof ROOM_STATUS_VALUES)[number];

/** What a member may do in one room. */
export const ROOM_ROLE_VALUES = [
  "commander",
  "responder",
  "observer",
] as const;
export type RoomRole = (typeof ROOM_ROLE_VALUES)[number];

/** In which order a search gives what it found. */
export const SEARCH_ORDER_VALUES = [
  "newest",
  "relevance",
] as const;
export type SearchOrder = (typeof SEARCH_ORDER_VALUES)[number];

/** What a token's bearer may do everywhere (`roles` claim). */
export const GLOBAL_ROLE_VALUES = [
  "admin",
  "auditor",
  "service",
] as const;
export type GlobalRole = (typeof GLOBAL_ROLE_VALUES)[number];

/** What a notification tells its user of. */
export const NOTIFICATION_KIND_VALUES = [
  "mention",
  "added",
  "removed",
] as const;
export type NotificationKind = (typeof NOTIFICATION_KIND_VALUES)[number];

/** Stable names of everything that can be refused. Clients switch on these, never on prose. */
export const ERROR_CODE_VALUES = [
  "unauthenticated",
  "forbidden",
  "not_found",
  "method_not_allowed",
  "not_acceptable",
  "room_closed",
  "already_deleted",
  "edit_window_closed",
  "version_mismatch",
  "too_large",
  "unsupported_media_type",
  "invalid",
  "idempotency_mismatch",
  "unknown_type",
  "rate_limited",
  "spam",
  "log_unavailable",
  "projection_behind",
  "database_unavailable",
] as const;
export type ErrorCode = (typeof ERROR_CODE_VALUES)[number];

/** Why an event changed nothing. */
export const NO_EFFECT_REASON_VALUES = [
  "repeated_id",
  "unknown_room",
  "room_exists",
  "unchanged",
  "unknown_message",
  "message_deleted",
  "version_mismatch",
  "reaction_repeated",
  "reaction_unknown",
] as const;
export type NoEffectReason = (typeof NO_EFFECT_REASON_VALUES)[number];

export const NAME_CHARS_MAX = 200;

export const TITLE_CHARS_MAX = 500;

export const SEVERITY_CHARS_MAX = 32;

export const USER_ID_BYTES_MAX = 254;

export const REASON_CHARS_MAX = 1000;

export const EMOJI_BYTES_MAX = 64;

export const IDEMPOTENCY_KEY_BYTES_MAX = 200;

export const MEMBERS_PER_CREATE_MAX = 200;

export const PAGE_LIMIT_DEFAULT = 50;

export const PAGE_LIMIT_MAX = 500;

export const REF_BYTES_MAX = 200;

export const TOKEN_BYTES_MAX = 8192;

/**
 * WebSocket close codes: 4000-4499 reconnect and resume, 4500-4999 do not. Those below 4000 are RFC
 * 6455's.
 */
export const CLOSE_CODE = {
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  NOT_UTF8: 1007,
  TOO_LARGE: 1009,
  INTERNAL_ERROR: 1011,
  RESTART: 1012,
  TOO_SLOW: 4000,
  POSITION_LOST: 4001,
  HEARTBEAT: 4008,
  RATE_LIMITED: 4029,
  MALFORMED: 4500,
  UNAUTHENTICATED: 4501,
  ORIGIN: 4502,
  NOT_A_MEMBER: 4503,
  NO_SUCH_ROOM: 4504,
} as const;

/** The types of events that there are. */
export const EVENT_TYPE_VALUES = [
  "room.created",
  "room.updated",
  "member.added",
  "member.role_changed",
  "member.removed",
  "message.sent",
  "message.edited",
  "message.deleted",
  "message.redacted",
  "reaction.added",
  "reaction.removed",
] as const;

/** The room began; its actor is its first commander. */
export interface RoomCreated {
  type: "room.created";
  id: string;
  actor: string;
  name: string;
  title?: string | null;
  severity?: string | null;
  status: RoomStatus;
}

/** The fields that are set were changed; null clears one. */
export interface RoomUpdated {
  type: "room.updated";
  id: string;
  actor: string;
  title?: string | null;
  severity?: string | null;
  status?: RoomStatus;
}

/** Somebody is a member now; `name` is the one that others see, where known. */
export interface MemberAdded {
  type: "member.added";
  id: string;
  actor: string;
  user_id: string;
  role: RoomRole;
  name?: string | null;
}

/** A member has another role. */
export interface MemberRoleChanged {
  type: "member.role_changed";
  id: string;
  actor: string;
  user_id: string;
  role: RoomRole;
}

/** Somebody is no member any more. `role` is the one that was lost, where known. */
export interface MemberRemoved {
  type: "member.removed";
  id: string;
  actor: string;
  user_id: string;
  role?: RoomRole | null;
}

/**
 * A message was sent; its id is the event's own. `content` is as typed. `content_html`, the same
 * rendered and safe to put into a page, is there only for who asked for it.
 */
export interface MessageSent {
  type: "message.sent";
  id: string;
  actor: string;
  message_id: string;
  message_type: MessageType;
  content: string;
  content_html?: string;
  metadata?: Record<string, unknown>;
  reply_to?: string | null;
}

/**
 * A message says something else now. `metadata` left out leaves the message's as it was. With
 * `expected_version`, the edit has no effect on a message at another version.
 */
export interface MessageEdited {
  type: "message.edited";
  id: string;
  actor: string;
  message_id: string;
  content: string;
  content_html?: string;
  metadata?: Record<string, unknown> | null;
  reason?: string | null;
  expected_version?: number | null;
}

/** A message was deleted: a tombstone is left. `expected_version` as of an edit. */
export interface MessageDeleted {
  type: "message.deleted";
  id: string;
  actor: string;
  message_id: string;
  reason?: string | null;
  expected_version?: number | null;
}

/** What the event at `redacted_sequence` said is gone; its envelope is kept here. */
export interface MessageRedacted {
  type: "message.redacted";
  id: string;
  actor: string;
  message_id: string;
  redacted_sequence: number;
  redacted_envelope: string;
  reason?: string | null;
}

/** The actor reacted to a message with an emoji. */
export interface ReactionAdded {
  type: "reaction.added";
  id: string;
  actor: string;
  message_id: string;
  emoji: string;
}

/** The actor took a reaction back. */
export interface ReactionRemoved {
  type: "reaction.removed";
  id: string;
  actor: string;
  message_id: string;
  emoji: string;
}

/** Any event, flattened for readers. */
export type AnyEvent =
  | RoomCreated
  | RoomUpdated
  | MemberAdded
  | MemberRoleChanged
  | MemberRemoved
  | MessageSent
  | MessageEdited
  | MessageDeleted
  | MessageRedacted
  | ReactionAdded
  | ReactionRemoved;

/** An event at its place in a room's log, over REST (JSON, NDJSON, SSE). `at` is RFC 3339. */
export interface RoomEvent {
  sequence: number;
  prev_sequence: number;
  room_id: string;
  at: string;
  event: AnyEvent;
}

/** What a redaction keeps of an event, as far as the fold reads it. */
export interface Envelope {
  id: string;
  type: string;
  actor: string;
  at: string;
}

/**
 * Subscribe to a room: live, or after a replay of everything after a sequence. Where there is a
 * subscription already, this one takes its place.
 */
export interface SubscribeFrame {
  type: "subscribe";
  room_id?: string | null;
  ref?: string | null;
  after?: number | null;
  epoch?: string | null;
  html?: boolean;
}

/** End a subscription. */
export interface UnsubscribeFrame {
  type: "unsubscribe";
  room_id?: string | null;
  ref?: string | null;
}

/**
 * Send a message; the answer comes when it is on disk. `content` is kept as typed. What `metadata`
 * must hold depends on `message_type`.
 */
export interface SendFrame {
  type: "send";
  ref: string;
  room_id?: string | null;
  content: string;
  message_type?: MessageType;
  metadata?: Record<string, unknown>;
  reply_to?: string | null;
  idempotency_key?: string | null;
}

/** Change what a message of one's own says. `metadata` left out stays as it was. */
export interface EditFrame {
  type: "edit";
  ref: string;
  room_id?: string | null;
  message_id: string;
  content: string;
  metadata?: Record<string, unknown> | null;
  reason?: string | null;
  expected_version?: number | null;
  idempotency_key?: string | null;
}

/** Leave a tombstone of a message. */
export interface DeleteFrame {
  type: "delete";
  ref: string;
  room_id?: string | null;
  message_id: string;
  reason?: string | null;
  expected_version?: number | null;
  idempotency_key?: string | null;
}

/** React to a message with one emoji of Unicode's list, as a character. */
export interface ReactFrame {
  type: "react";
  ref: string;
  room_id?: string | null;
  message_id: string;
  emoji: string;
  idempotency_key?: string | null;
}

/** Take one's own reaction back. */
export interface UnreactFrame {
  type: "unreact";
  ref: string;
  room_id?: string | null;
  message_id: string;
  emoji: string;
  idempotency_key?: string | null;
}

/** Say that one types, again every second or two, or (`active` false) types no more. */
export interface TypingFrame {
  type: "typing";
  room_id?: string | null;
  ref?: string | null;
  active: boolean;
}

/** The last sequence that the client has handled; moves the read marker, never back. */
export interface SeenFrame {
  type: "seen";
  room_id?: string | null;
  ref?: string | null;
  sequence: number;
}

/** Ask for the head of every subscribed room. */
export interface PingFrame {
  type: "ping";
  ref?: string | null;
}

/** Go on with a new token of the same user. Without a `ref`, only a refusal is answered. */
export interface AuthFrame {
  type: "auth";
  ref?: string | null;
  token: string;
}

/** What a client may say. */
export type ClientFrame =
  | SubscribeFrame
  | UnsubscribeFrame
  | SendFrame
  | EditFrame
  | DeleteFrame
  | ReactFrame
  | UnreactFrame
  | TypingFrame
  | SeenFrame
  | PingFrame
  | AuthFrame;

/**
 * The connection stands. Protocol pings come every `heartbeat_seconds`. `limits` tells what one
 * message and one connection may hold (0: no limit): `text_bytes`, `structured_bytes`,
 * `commands_in_flight`, `subscriptions`.
 */
export interface HelloFrame {
  type: "hello";
  connection_id: string;
  user_id: string;
  server_time: string;
  heartbeat_seconds: number;
  limits: Record<string, number>;
}

/** A renewed token was taken; the answer to an `auth` with a `ref`. */
export interface AuthenticatedFrame {
  type: "authenticated";
  ref: string;
  expires_at: string;
}

/**
 * A subscription has begun. `resumed`: everything after `after` follows, then `live`. Where it is
 * false after an `after`, the log is another one than the client thinks: it goes on live from
 * `head`, and the client starts anew from REST. `role` is null for who reads without being a
 * member. `online` names the users who are connected to the room.
 */
export interface SubscribedFrame {
  type: "subscribed";
  room_id: string;
  epoch: string;
  head: number;
  role: RoomRole | null;
  resumed: boolean;
  online: string[];
  ref?: string;
}

/**
 * A subscription has ended. `code` is `unsubscribed` where that was asked for, and `forbidden`
 * where the membership ended.
 */
export interface UnsubscribedFrame {
  type: "unsubscribed";
  room_id: string;
  code: string;
  detail: string;
  ref?: string | null;
}

/**
 * An event at its place in the room: what everyone who is connected receives. `prev_sequence` is
 * the sequence of the room's event before it. Whoever has last seen a lower one has missed
 * something, and resumes.
 */
export interface MessageBroadcastFrame {
  type: "event";
  room_id: string;
  sequence: number;
  prev_sequence: number;
  at: string;
  event: AnyEvent;
}

/** The replay is over, and nothing was missed up to `sequence`. */
export interface LiveFrame {
  type: "live";
  room_id: string;
  sequence: number;
}

/**
 * The command's event is fsynced in the log at `sequence`, and had its effect. `duplicate`: nothing
 * new was appended, or what was asked for was so already.
 */
export interface AckFrame {
  type: "ack";
  ref: string;
  room_id: string;
  sequence: number;
  message_id: string;
  at: string;
  duplicate: boolean;
}

/**
 * A command was refused, and changed nothing unless `detail` says that this is unknown. `ref` and
 * `room_id` are the command's, where it had them. `field` is a dotted path. `retry_after` is in
 * seconds.
 */
export interface ErrorFrame {
  type: "error";
  ref?: string | null;
  room_id?: string | null;
  code: ErrorCode;
  detail: string;
  field?: string | null;
  retry_after?: number | null;
}

/** A user came to the room (`joined`) or went (`left`): one of the two is there. */
export interface PresenceFrame {
  type: "presence";
  room_id: string;
  joined?: string | null;
  left?: string | null;
}

/** The ids of all who type in the room now. */
export interface TypingUsersFrame {
  type: "typing";
  room_id: string;
  users: string[];
}

/** To one user, in whichever rooms: mentioned, added or removed by the event at `sequence`. */
export interface NotificationFrame {
  type: "notification";
  kind: NotificationKind;
  room_id: string;
  sequence: number;
}

/** To everybody, from an administrator or a service. Kept nowhere. */
export interface NoticeFrame {
  type: "notice";
  content: string;
}

/** `heads`: every subscribed room's head, by the room's id. */
export interface PongFrame {
  type: "pong";
  heads: Record<string, number>;
  ref?: string;
}

/** What a server may say. */
export type ServerFrame =
  | HelloFrame
  | AuthenticatedFrame
  | SubscribedFrame
  | UnsubscribedFrame
  | MessageBroadcastFrame
  | LiveFrame
  | AckFrame
  | ErrorFrame
  | PresenceFrame
  | TypingUsersFrame
  | NotificationFrame
  | NoticeFrame
  | PongFrame;

/** Somebody who is a member from the beginning. */
export interface NewMember {
  user_id: string;
  role: RoomRole;
}

/** A room to be; its creator is a member without being named. */
export interface RoomCreate {
  name: string;
  title?: string | null;
  severity?: string | null;
  members?: NewMember[];
}

/** What is left out stays; null clears title or severity. */
export interface RoomUpdate {
  title?: string | null;
  severity?: string | null;
  status?: RoomStatus;
}

/** The role that a member has from now on. */
export interface MemberUpdate {
  role: RoomRole;
}

/** The last sequence that the caller has read: at most the room's head. */
export interface ReadMarkerUpdate {
  sequence: number;
}

/** A message to be sent. A text may not be blank. */
export interface MessageCreate {
  content: string;
  message_type?: MessageType;
  metadata?: Record<string, unknown>;
  reply_to?: string | null;
}

/**
 * What a message says from now on. A text may not be blank; metadata that is left out stays, and
 * what is given must be that of the message's type.
 */
export interface MessageEdit {
  content: string;
  metadata?: Record<string, unknown> | null;
  reason?: string | null;
}

/** Why a message is deleted; it stays in the log. */
export interface MessageDelete {
  reason?: string | null;
}

/**
 * Why what a message said is removed for good. The reason stays on record: it must not repeat what
 * is to be removed.
 */
export interface MessageRedact {
  reason: string;
}

/** One emoji of Unicode's list, as a character and not as a name. */
export interface ReactionRequest {
  emoji: string;
}

/** What everybody who is connected is told. */
export interface BroadcastRequest {
  content: string;
}

/** A notice on its way to every connection. */
export interface BroadcastResponse {
  notice_id: string;
  content: string;
}

/**
 * Somebody who is online or types; `role` is null for who is no member, `name` where none is known.
 */
export interface PresentUser {
  user_id: string;
  name: string | null;
  role: RoomRole | null;
}

/** Who is there, or who types. */
export interface PresenceResponse {
  users: PresentUser[];
}

/**
 * A room. `role` is the caller's own, null for auditors and admins who are no members; `unread`
 * counts messages of others above the read marker.
 */
export interface RoomResponse {
  room_id: string;
  name: string;
  title: string | null;
  severity: string | null;
  status: RoomStatus;
  created_by: string;
  created_at: string;
  role: RoomRole | null;
  head: number;
  epoch: string;
  unread: number;
}

/**
 * A member of a room. `name` is the one that the member's tokens bore last, null where none did.
 */
export interface MemberResponse {
  user_id: string;
  name: string | null;
  role: RoomRole;
  since: string;
}

/** One emoji on one message; `users` in the order in which they reacted. */
export interface ReactionCount {
  emoji: string;
  count: number;
  users: string[];
}

/** All reactions to a message. */
export interface ReactionResponse {
  reactions: ReactionCount[];
}

/**
 * A message as it stands. `version` is the sequence of the event that last changed what it says; a
 * deleted one is a tombstone with empty content.
 */
export interface MessageResponse {
  message_id: string;
  room_id: string;
  sequence_number: number;
  sender_id: string;
  message_type: MessageType;
  content: string;
  content_html: string;
  metadata: Record<string, unknown>;
  reply_to: string | null;
  created_at: string;
  edited_at: string | null;
  deleted_at: string | null;
  version: number;
  reactions: ReactionCount[];
}

/**
 * A message that was found; `highlight` is a part of its text as HTML, safe for a page, whose only
 * element is `mark`.
 */
export interface SearchHit {
  message: MessageResponse;
  highlight: string;
}

/** How many messages of a user stand. */
export interface UserCount {
  user_id: string;
  messages: number;
}

/**
 * A room in numbers. Deleted messages count as deletions only; `by_user` names the busiest, `users`
 * counts all who sent what stands.
 */
export interface RoomStats {
  room_id: string;
  messages: number;
  by_type: Partial<Record<MessageType, number>>;
  by_user: UserCount[];
  users: number;
  edits: number;
  deletions: number;
  reactions: number;
  head: number;
  epoch: string;
}

/** What a message said from `version` (a sequence) on. */
export interface MessageVersion {
  version: number;
  content: string;
  edited_by: string;
  edited_at: string;
  reason: string | null;
}

/** A page outside a room; `next` goes back as `cursor=`. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** A page within a room, with the room's head and the log's epoch. */
export interface RoomPage<T> {
  items: T[];
  next: string | null;
  head: number;
  epoch: string;
}

/** What is wrong with one field of a request; `field` is a dotted path. */
export interface FieldError {
  field: string;
  detail: string;
}

/** An RFC 9457 problem with roomlog's stable `code`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: ErrorCode;
  detail: string;
  errors?: FieldError[];
}
