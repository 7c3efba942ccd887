import type {
  AnyEvent,
  MemberResponse,
  MessageResponse,
  ReactionCount,
  RoomEvent,
  RoomPage,
  RoomResponse,
} from "./contract.gen.js";
import { isKnown } from "./events.js";
import { Fold } from "./fold.js";
import type { PendingItem } from "./items.js";
import type { Effect, MemberState, MessageState, ReactionState, RoomState } from "./states.js";

/**
 * A message as it is shown. `logged`: it is in the log; else `sequence_number` and `version` are 0
 * and `message_id` is the one that it will have, as far as that is known. `pending`: what is on its
 * way for it, and what was refused.
 */
export interface RoomMessage extends MessageResponse {
  readonly logged: boolean;
  readonly pending: readonly PendingItem[];
}

/** A room as REST said that it is, read in the order of these fields. */
export interface LoadedRoom {
  readonly room: RoomResponse;
  readonly members: readonly MemberResponse[];
  /** Newest first. */
  readonly page: RoomPage<MessageResponse>;
  /**
   * What the user had not seen, as of a sequence; nothing of what was read before shows an event
   * above it.
   */
  readonly unread: { readonly count: number; readonly head: number };
}

interface Entry {
  state: MessageState;
  html: string;
  /** Reactions that REST counted without naming their users, by emoji. */
  hidden: ReadonlyMap<string, number>;
  /** What was loaded shows every event up to here. */
  as_of: number;
  shown: RoomMessage | null;
}

const SEEN_MAX = 10_000;
const GONE_MAX = 1000;
const NOTHING_PENDING: readonly PendingItem[] = [];
const NONE_HIDDEN: ReadonlyMap<string, number> = new Map();

/**
 * The newest part of a room's messages, without gaps: what was loaded by REST, and every event
 * since, folded. Pure: what it cannot know by itself it names, to be loaded again.
 *
 * Pages may show events that are delivered after them. Taking an event twice changes nothing.
 */
export class RoomView {
  readonly #fold: Fold;
  readonly #entries = new Map<string, Entry>();
  #order: string[] = [];
  /** As it was listed last; null where it must be made anew. */
  #listed: readonly RoomMessage[] | null = null;
  /** What is not yet in that list as it is now. */
  readonly #unlisted = new Set<Entry>();
  #hasMore: boolean;
  #gone: ReadonlySet<string> = new Set();
  /** Up to here the room may have been loaded as it is only later. */
  readonly #certainFrom: number;

  constructor(loaded: LoadedRoom) {
    this.#fold = new Fold(roomState(loaded.room, loaded.members));
    this.#hasMore = loaded.page.next !== null;
    this.#certainFrom = loaded.unread.head;
    this.#add(loaded.page);
  }

  /** The room as it stands. */
  get room(): RoomState {
    // The fold begins with one, and no event takes a room away.
    return this.#fold.room as RoomState;
  }

  /** Whether the log has older messages. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** The sequence of the oldest message that is here; 0 where there is none. */
  get oldest(): number {
    return this.#entries.get(this.#order[0] ?? "")?.state.sequence ?? 0;
  }

  /** Ids of messages that were deleted or redacted by an event, also of those that are not here. */
  get gone(): ReadonlySet<string> {
    return this.#gone;
  }

  get size(): number {
    return this.#order.length;
  }

  /** All messages that are here, oldest first. */
  messages(): readonly RoomMessage[] {
    if (this.#listed === null) {
      const entries = this.#order.flatMap((id) => this.#entries.get(id) ?? []);
      this.#listed = entries.map(shown);
    } else if (this.#unlisted.size > 0) {
      // Copying a long list is quick; making it anew is not.
      const listed = this.#listed.slice();
      for (const entry of this.#unlisted) {
        const place = placeOf(listed, entry.state.sequence);
        const there = listed[place]?.message_id === entry.state.message_id;
        listed.splice(place, there ? 1 : 0, shown(entry));
      }
      this.#listed = listed;
    }
    this.#unlisted.clear();
    return this.#listed;
  }

  get(message_id: string): RoomMessage | undefined {
    const entry = this.#entries.get(message_id);
    return entry && shown(entry);
  }

  /** Take in older messages, read with `before` the oldest one. */
  prepend(page: RoomPage<MessageResponse>): void {
    this.#hasMore = page.next !== null;
    this.#add(page);
  }

  /** Take in a message that was loaded because `apply` named it. */
  replace(message: MessageResponse, as_of: number): void {
    const entry = entryOf(message, as_of);
    if (!this.#entries.has(message.message_id)) {
      this.#insert(entry.state, entry.html, as_of);
    }
    if (as_of >= (this.#entries.get(message.message_id)?.as_of ?? Number.POSITIVE_INFINITY)) {
      this.#put(message.message_id, entry);
    }
  }

  /** Let go of the oldest messages, so that at most this many stay. */
  trim(size_max: number): void {
    const gone = this.#order.splice(0, Math.max(0, this.#order.length - size_max));
    this.#listed = null;
    for (const id of gone) {
      this.#entries.delete(id);
      this.#fold.messages.delete(id);
    }
    this.#hasMore ||= gone.length > 0;
  }

  /**
   * Take in the room's next event. The answer names a message that must be loaded (again), because
   * only the server knows whether the event changed it, or made it.
   */
  apply(logged: RoomEvent): string | null {
    const event = logged.event;
    if (!isKnown(event)) {
      return null;
    }
    if (event.type === "message.deleted" || event.type === "message.redacted") {
      this.#remember(event.message_id);
    }
    if (isAboutMessage(event)) {
      const entry = this.#entries.get(event.message_id);
      // What is not here will show the event when it is loaded.
      if (entry === undefined ? !isRedaction(event) : logged.sequence <= entry.as_of) {
        return null;
      }
      if (entry !== undefined && isUnsure(entry, event)) {
        return event.message_id;
      }
    } else if (this.#entries.has(event.id)) {
      this.#foldRoom(logged);
      return null;
    } else if (event.type !== "message.sent" && logged.sequence <= this.#certainFrom) {
      this.#foldRoom(logged);
      return event.id;
    }
    this.#take(this.#fold.apply(logged), logged);
    this.#forgetIds();
    return null;
  }

  #remember(message_id: string): void {
    if (!this.#gone.has(message_id)) {
      this.#gone = new Set([...this.#gone, message_id].slice(-GONE_MAX));
    }
  }

  /** The room changes; the message that tells of it is not judged here. */
  #foldRoom(logged: RoomEvent): void {
    const { id, type } = logged.event;
    const there = this.#fold.messages.get(id);
    if (type !== "message.sent") {
      this.#fold.apply(logged);
    }
    if (there === undefined) {
      this.#fold.messages.delete(id);
    } else {
      this.#fold.messages.set(id, there);
    }
  }

  #take(effect: Effect, { sequence, event }: RoomEvent): void {
    switch (effect.kind) {
      case "message_added":
      case "room_changed":
      case "member_changed":
        if (effect.message !== null) {
          this.#insert(effect.message, htmlOf(event, effect.message.content), sequence);
        }
        break;
      case "message_changed":
        this.#change(effect.after, htmlOf(event, effect.after.content));
        break;
      case "message_erased":
        if (effect.before === null) {
          this.#insert(effect.after, "", sequence);
        }
        this.#change(effect.after, "", NONE_HIDDEN);
        break;
      case "message_removed":
        this.#change(effect.after, "", NONE_HIDDEN);
        break;
      case "reacted":
      case "unreacted":
        this.#change(effect.message);
        break;
      case "room_opened":
      case "no_effect":
        break;
    }
  }

  #insert(state: MessageState, html: string, as_of: number): void {
    if (this.#hasMore && state.sequence < this.oldest) {
      // It is one of those that are not here, and comes when they are read.
      this.#fold.messages.delete(state.message_id);
      return;
    }
    const after = this.#order.findLastIndex((id) => {
      const there = this.#entries.get(id);
      return there !== undefined && there.state.sequence < state.sequence;
    });
    this.#order.splice(after + 1, 0, state.message_id);
    const entry = { state, html, hidden: NONE_HIDDEN, as_of, shown: null };
    this.#put(state.message_id, entry);
  }

  #change(state: MessageState, html?: string, hidden?: Entry["hidden"]): void {
    const entry = this.#entries.get(state.message_id);
    if (entry !== undefined) {
      entry.state = state;
      entry.html = html ?? entry.html;
      entry.hidden = hidden ?? entry.hidden;
      entry.shown = null;
      this.#unlisted.add(entry);
    }
  }

  #add(page: RoomPage<MessageResponse>): void {
    const fresh = page.items.filter((message) => !this.#entries.has(message.message_id));
    for (const message of fresh) {
      this.#put(message.message_id, entryOf(message, page.head));
    }
    this.#listed = null;
    this.#order = [...fresh.map((message) => message.message_id).reverse(), ...this.#order];
  }

  #put(message_id: string, entry: Entry): void {
    const there = this.#entries.get(message_id);
    if (there !== undefined) {
      this.#unlisted.delete(there);
    }
    this.#entries.set(message_id, entry);
    this.#fold.messages.set(message_id, entry.state);
    this.#unlisted.add(entry);
  }

  /** Ids are remembered as long as they may come again, which is for a moment. */
  #forgetIds(): void {
    const { seen } = this.#fold;
    while (seen.size > SEEN_MAX) {
      for (const oldest of seen.keys()) {
        seen.delete(oldest);
        break;
      }
    }
  }
}

type AboutMessage = Extract<
  AnyEvent,
  {
    type:
      | ("message.edited" | "message.deleted" | "message.redacted")
      | ("reaction.added" | "reaction.removed");
  }
>;

function isAboutMessage(event: AnyEvent): event is AboutMessage {
  return "message_id" in event && event.type !== "message.sent";
}

/** A redaction makes a tombstone also of what is not there any more. */
function isRedaction(event: AnyEvent): boolean {
  return event.type === "message.redacted";
}

/** Whether the reaction may be one of those that were counted without their users. */
function isUnsure(entry: Entry, event: AboutMessage): boolean {
  if (event.type !== "reaction.added" && event.type !== "reaction.removed") {
    return false;
  }
  const { emoji, actor } = event;
  const known = entry.state.reactions.some((one) => one.emoji === emoji && one.user_id === actor);
  return entry.hidden.has(emoji) && !known;
}

function roomState(room: RoomResponse, members: readonly MemberResponse[]): RoomState {
  const { room_id, name, title, severity, status, created_by, created_at } = room;
  return {
    ...{ room_id, name, title, severity, status, created_by, created_at, created_sequence: 0 },
    members: new Map(
      members.map(({ user_id, role, since, name: called }): [string, MemberState] => [
        user_id,
        { role, since, name: called },
      ]),
    ),
  };
}

function entryOf(message: MessageResponse, as_of: number): Entry {
  const { content_html, sequence_number, reactions, ...same } = message;
  const hidden = reactions
    .filter(({ count, users }) => count > users.length)
    .map(({ emoji, count, users }): [string, number] => [emoji, count - users.length]);
  const state: MessageState = {
    ...same,
    sequence: sequence_number,
    reactions: reactions.flatMap(({ emoji, users }) =>
      users.map((user_id): ReactionState => ({ emoji, user_id, sequence: 0, at: "" })),
    ),
  };
  return {
    state,
    html: content_html,
    hidden: hidden.length > 0 ? new Map(hidden) : NONE_HIDDEN,
    as_of,
    shown: null,
  };
}

function shown(entry: Entry): RoomMessage {
  const { state, html, hidden } = entry;
  if (entry.shown === null) {
    // Field by field, because there are very many of them.
    entry.shown = {
      message_id: state.message_id,
      room_id: state.room_id,
      sequence_number: state.sequence,
      sender_id: state.sender_id,
      message_type: state.message_type,
      content: state.content,
      content_html: html,
      metadata: state.metadata as Record<string, unknown>,
      reply_to: state.reply_to,
      created_at: state.created_at,
      edited_at: state.edited_at,
      deleted_at: state.deleted_at,
      version: state.version,
      reactions: counted(state.reactions, hidden),
      logged: true,
      pending: NOTHING_PENDING,
    };
  }
  return entry.shown;
}

/** Where a message of this sequence is in a list, or would be. */
function placeOf(messages: readonly RoomMessage[], sequence: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle]?.sequence_number ?? 0) < sequence) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function counted(
  reactions: readonly ReactionState[],
  hidden: ReadonlyMap<string, number>,
): ReactionCount[] {
  const users = new Map<string, string[]>();
  for (const { emoji, user_id } of reactions) {
    const there = users.get(emoji);
    if (there === undefined) {
      users.set(emoji, [user_id]);
    } else {
      there.push(user_id);
    }
  }
  return [...users].map(([emoji, named]) => ({
    emoji,
    count: named.length + (hidden.get(emoji) ?? 0),
    users: named,
  }));
}

function htmlOf(event: AnyEvent, content: string): string {
  const html = "content_html" in event ? event.content_html : undefined;
  return html ?? asHtml(content);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Plain text as HTML that says the same: for what the server has not rendered (yet). */
export function asHtml(text: string): string {
  const escaped = text.replaceAll(/[&<>"']/g, (found) => ESCAPES[found] ?? found);
  return text === "" ? "" : `<p>${escaped.replaceAll("\n", "<br>")}</p>`;
}
