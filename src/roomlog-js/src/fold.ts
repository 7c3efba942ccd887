/**
 * The one fold: what each event of a room did.
 *
 * The same as `roomlog_contract/fold.py`, event for event; `tests/contracts/fold_cases.json` holds
 * the two together. It judges only what the log itself knows: a second event with the same id, an
 * edit, deletion or reaction of an unknown or deleted message, an edit whose `expected_version` is
 * not the current one, and what repeats the state as it is, have no effect.
 *
 * States are never changed in place: what is another object says something else, and what is the
 * same object says the same.
 */

import type {
  Envelope,
  MemberAdded,
  MemberRemoved,
  MemberRoleChanged,
  MessageDeleted,
  MessageEdited,
  MessageRedacted,
  MessageSent,
  NoEffectReason,
  ReactionAdded,
  ReactionRemoved,
  RoomCreated,
  RoomEvent,
  RoomUpdated,
  SystemEventType,
} from "./contract.gen.js";
import type { Effect, MemberState, MessageState, ReactionState, RoomState } from "./states.js";

/**
 * The fold over one room's events, in sequence order.
 *
 * `room`, `messages` and `seen` (event id to sequence) start empty for a fold of a whole room. A
 * caller that folds on from a kept state fills in, before `apply`, the room and every message and
 * id that the coming events name; what is missing counts as never having been.
 */
export class Fold {
  room: RoomState | null;
  readonly messages = new Map<string, MessageState>();
  readonly seen = new Map<string, number>();

  constructor(room: RoomState | null = null) {
    this.room = room;
  }

  /** Say what the event does, and take it into the state. Call in sequence order. */
  apply(logged: RoomEvent): Effect {
    const first = this.seen.get(logged.event.id);
    if (first !== undefined) {
      return noEffect("repeated_id", first);
    }
    this.seen.set(logged.event.id, logged.sequence);
    const effect = this.#judge(logged);
    this.#take(effect);
    return effect;
  }

  #judge(logged: RoomEvent): Effect {
    const event = logged.event;
    switch (event.type) {
      case "room.created":
        return created(this.room, logged, event);
      case "room.updated":
        return this.room === null ? noEffect("unknown_room") : updated(this.room, logged, event);
      case "member.added":
      case "member.role_changed":
      case "member.removed":
        return this.room === null ? noEffect("unknown_room") : member(this.room, logged, event);
    }
    if (this.room === null) {
      return noEffect("unknown_room");
    }
    const message = this.messages.get(event.message_id) ?? null;
    switch (event.type) {
      case "message.sent":
        return { kind: "message_added", message: sent(logged, event) };
      case "message.edited":
      case "message.deleted":
        return changed(message, logged, event);
      case "message.redacted": {
        const envelope = JSON.parse(event.redacted_envelope) as Envelope;
        // A fold that begins later finds a hole there, and must know the id all the same.
        if (!this.seen.has(envelope.id)) {
          this.seen.set(envelope.id, event.redacted_sequence);
        }
        return redacted(message, logged, event, envelope);
      }
      case "reaction.added":
      case "reaction.removed":
        return reaction(message, logged, event);
    }
  }

  #take(effect: Effect): void {
    switch (effect.kind) {
      case "room_opened":
        this.room = effect.room;
        break;
      case "room_changed":
      case "member_changed":
        this.room = effect.room;
        if (effect.message !== null) {
          this.messages.set(effect.message.message_id, effect.message);
        }
        break;
      case "message_added":
      case "reacted":
      case "unreacted":
        this.messages.set(effect.message.message_id, effect.message);
        break;
      case "message_changed":
      case "message_removed":
      case "message_erased":
        this.messages.set(effect.after.message_id, effect.after);
        break;
      case "no_effect":
        break;
    }
  }
}

function noEffect(reason: NoEffectReason, sequence: number | null = null): Effect {
  return { kind: "no_effect", reason, sequence };
}

function created(room: RoomState | null, logged: RoomEvent, event: RoomCreated): Effect {
  if (room !== null) {
    return noEffect("room_exists");
  }
  const commander: MemberState = { role: "commander", since: logged.at, name: null };
  return {
    kind: "room_opened",
    room: {
      room_id: logged.room_id,
      name: event.name,
      title: event.title ?? null,
      severity: event.severity ?? null,
      status: event.status,
      created_by: event.actor,
      created_at: logged.at,
      created_sequence: logged.sequence,
      members: new Map([[event.actor, commander]]),
    },
  };
}

function updated(room: RoomState, logged: RoomEvent, event: RoomUpdated): Effect {
  const after: RoomState = {
    ...room,
    title: event.title === undefined ? room.title : event.title,
    severity: event.severity === undefined ? room.severity : event.severity,
    status: event.status ?? room.status,
  };
  if (after.status !== room.status) {
    const facts = { status: after.status, previous_status: room.status };
    return {
      kind: "room_changed",
      room: after,
      message: system(logged, "status_changed", facts),
    };
  }
  if (after.title === room.title && after.severity === room.severity) {
    return noEffect("unchanged");
  }
  return { kind: "room_changed", room: after, message: null };
}

function member(
  room: RoomState,
  logged: RoomEvent,
  event: MemberAdded | MemberRoleChanged | MemberRemoved,
): Effect {
  const before = room.members.get(event.user_id);
  if (event.type === "member.removed") {
    return before === undefined ? noEffect("unchanged") : removed(room, logged, event, before);
  }
  if (before === undefined) {
    return event.type === "member.added" ? added(room, logged, event) : noEffect("unchanged");
  }
  if (before.role === event.role) {
    return noEffect("unchanged");
  }
  const facts = { user_id: event.user_id, role: event.role, previous_role: before.role };
  const message = system(logged, "role_changed", facts);
  return withMember(room, event.user_id, { ...before, role: event.role }, message);
}

function added(room: RoomState, logged: RoomEvent, event: MemberAdded): Effect {
  const user = event.user_id;
  const joined = user === event.actor;
  const facts = { user_id: user, role: event.role };
  const message = system(logged, joined ? "user_joined" : "member_added", facts);
  const after = { role: event.role, since: logged.at, name: event.name ?? null };
  return withMember(room, user, after, message);
}

function removed(
  room: RoomState,
  logged: RoomEvent,
  event: MemberRemoved,
  before: MemberState,
): Effect {
  const user = event.user_id;
  const left = user === event.actor;
  const facts = { user_id: user, role: before.role };
  const message = system(logged, left ? "user_left" : "member_removed", facts);
  return withMember(room, user, null, message);
}

function withMember(
  room: RoomState,
  user: string,
  after: MemberState | null,
  message: MessageState,
): Effect {
  const members = new Map(room.members);
  if (after === null) {
    members.delete(user);
  } else {
    members.set(user, after);
  }
  return {
    kind: "member_changed",
    room: { ...room, members },
    user_id: user,
    member: after,
    message,
  };
}

function system(
  logged: RoomEvent,
  event: SystemEventType,
  facts: Record<string, unknown>,
): MessageState {
  const metadata = { event, ...facts };
  return {
    message_id: logged.event.id,
    room_id: logged.room_id,
    sequence: logged.sequence,
    sender_id: logged.event.actor,
    message_type: "system",
    content: toldOf(logged.event.actor, metadata) ?? "",
    metadata,
    reply_to: null,
    created_at: logged.at,
    edited_at: null,
    deleted_at: null,
    version: logged.sequence,
    reactions: [],
  };
}

/** What a message says that is made of a change of members or status; null where there is none. */
function toldOf(actor: string, metadata: Record<string, unknown>): string | null {
  const { event, user_id, role, status, previous_status } = metadata;
  switch (event) {
    case "status_changed":
      return `${actor} changed the status from ${String(previous_status)} to ${String(status)}`;
    case "role_changed":
      return `${actor} made ${String(user_id)} ${String(role)}`;
    case "member_added":
      return `${actor} added ${String(user_id)} as ${String(role)}`;
    case "member_removed":
      return `${actor} removed ${String(user_id)}`;
    case "user_joined":
      return `${String(user_id)} joined`;
    case "user_left":
      return `${String(user_id)} left`;
    default:
      return null;
  }
}

const FACTS: Readonly<Record<string, readonly string[]>> = {
  status_changed: ["status", "previous_status"],
  role_changed: ["user_id", "role", "previous_role"],
};

/** Whether a system message says no more than a change of members or status does: nobody sent it,
 * or what was sent tells nothing else. What says more can be deleted and redacted. */
export function isToldOfChange(
  message: Pick<MessageState, "message_type" | "sender_id" | "content" | "metadata">,
): boolean {
  const { message_type, sender_id, content, metadata } = message;
  const facts = FACTS[String(metadata["event"])] ?? ["user_id", "role"];
  return (
    message_type === "system" &&
    content === toldOf(sender_id, metadata) &&
    Object.keys(metadata).length === facts.length + 1 &&
    facts.every((fact) => typeof metadata[fact] === "string")
  );
}

function sent(logged: RoomEvent, event: MessageSent): MessageState {
  return {
    message_id: event.id,
    room_id: logged.room_id,
    sequence: logged.sequence,
    sender_id: event.actor,
    message_type: event.message_type,
    content: event.content,
    metadata: event.metadata ?? {},
    reply_to: event.reply_to ?? null,
    created_at: logged.at,
    edited_at: null,
    deleted_at: null,
    version: logged.sequence,
    reactions: [],
  };
}

function changed(
  message: MessageState | null,
  logged: RoomEvent,
  event: MessageEdited | MessageDeleted,
): Effect {
  if (message === null) {
    return noEffect("unknown_message");
  }
  if (message.deleted_at !== null) {
    return noEffect("message_deleted");
  }
  if (event.expected_version != null && event.expected_version !== message.version) {
    return noEffect("version_mismatch");
  }
  if (event.type === "message.edited") {
    const after: MessageState = {
      ...message,
      content: event.content,
      metadata: event.metadata ?? message.metadata,
      edited_at: logged.at,
      version: logged.sequence,
    };
    return { kind: "message_changed", before: message, after };
  }
  const after: MessageState = {
    ...message,
    content: "",
    metadata: {},
    deleted_at: logged.at,
    version: logged.sequence,
  };
  return { kind: "message_removed", before: message, after };
}

function redacted(
  before: MessageState | null,
  logged: RoomEvent,
  event: MessageRedacted,
  envelope: Envelope,
): Effect {
  // The result must be the same whether the erased events were read (a fold that was there) or
  // are holes by now (a fold that begins later): all that the message gathered meanwhile goes.
  if (envelope.type !== "message.sent") {
    return noEffect("unchanged");
  }
  const after: MessageState = {
    message_id: event.message_id,
    room_id: logged.room_id,
    sequence: event.redacted_sequence,
    sender_id: envelope.actor,
    message_type: "text",
    content: "",
    metadata: {},
    reply_to: null,
    created_at: envelope.at,
    edited_at: null,
    deleted_at: logged.at,
    version: logged.sequence,
    reactions: [],
  };
  return { kind: "message_erased", before, after };
}

function reaction(
  message: MessageState | null,
  logged: RoomEvent,
  event: ReactionAdded | ReactionRemoved,
): Effect {
  if (message === null) {
    return noEffect("unknown_message");
  }
  if (message.deleted_at !== null) {
    return noEffect("message_deleted");
  }
  const of = (one: ReactionState): boolean =>
    one.emoji === event.emoji && one.user_id === event.actor;
  const there = message.reactions.find(of);
  if (event.type === "reaction.added") {
    if (there !== undefined) {
      return noEffect("reaction_repeated");
    }
    const added: ReactionState = {
      emoji: event.emoji,
      user_id: event.actor,
      sequence: logged.sequence,
      at: logged.at,
    };
    const after = { ...message, reactions: [...message.reactions, added] };
    return { kind: "reacted", before: message, message: after, reaction: added };
  }
  if (there === undefined) {
    return noEffect("reaction_unknown");
  }
  const after = { ...message, reactions: message.reactions.filter((one) => !of(one)) };
  return { kind: "unreacted", before: message, message: after, reaction: there };
}
