import type {
  MemberResponse,
  MessageBroadcastFrame,
  MessageResponse,
  MessageType,
  MessageVersion,
  PresentUser,
  RoomEvent,
  RoomPage,
  RoomResponse,
  RoomRole,
  RoomStats,
  RoomUpdate,
  SearchHit,
} from "./contract.gen.js";
import { RoomlogError } from "./errors.js";
import { isKnown } from "./events.js";
import type { RequestOptions } from "./http.js";
import type { Ack, Items } from "./items.js";
import type { Command, Effect, Input, PassedFrame } from "./machine/types.js";
import { type OnReset, Reader } from "./reader.js";
import type {
  EventsQuery,
  HistoryQuery,
  Moment,
  PageQuery,
  Rest,
  RoomQuery,
  SearchQuery,
  WriteOptions,
} from "./rest.js";
import { asError } from "./room-loader.js";
import { type Place, RoomStore } from "./room-store.js";

/** Where a room's events begin: after a sequence, seen in this epoch. */
export interface FollowOptions {
  readonly after?: number;
  readonly epoch?: string;
  /** What to do where the log is another one; without it, the loop ends by an error. */
  readonly onReset?: OnReset;
}

/**
 * How a command is given. `key`: its idempotency key, where it is not to be a new one. `signal`:
 * gives up waiting, and the command too where it was never sent.
 */
export interface CommandOptions {
  readonly key?: string;
  readonly signal?: AbortSignal;
}

export interface SendOptions extends CommandOptions {
  readonly message_type?: MessageType;
  readonly metadata?: Record<string, unknown>;
  readonly reply_to?: string | null;
}

export interface ChangeOptions extends CommandOptions {
  readonly reason?: string;
  /** Only if the message is still at this version. */
  readonly expected_version?: number;
}

export interface EditOptions extends ChangeOptions {
  readonly metadata?: Record<string, unknown>;
}

/** What a room needs of its client. */
export interface RoomHost {
  readonly rest: Rest;
  readonly items: Items;
  readonly lingerMs: number;
  /** How many messages are read at once. */
  readonly pageSize: number;
  /** Whether events are to bring `content_html`. */
  readonly html: boolean;
  userId(): string | null;
  give(input: Input): void;
  place(room_id: string): Place | null;
  /** Something that the list of rooms shows may be different. */
  changed(): void;
  command(room_id: string, command: Command, options: CommandOptions): Promise<Ack>;
}

const TYPING_MS = 1000;

/** One room, as its client follows it. Got by `client.room(id)`. */
export class Room implements AsyncIterable<RoomEvent> {
  readonly id: string;
  /** How the room is now; it is followed while somebody is subscribed to this. */
  readonly store: RoomStore;
  readonly #host: RoomHost;
  #reader: Reader | null = null;
  #typed_ms = 0;

  constructor(host: RoomHost, id: string) {
    this.#host = host;
    this.id = id;
    this.store = new RoomStore({
      room_id: id,
      rest: host.rest,
      lingerMs: host.lingerMs,
      pageSize: host.pageSize,
      userId: () => host.userId(),
      items: () => host.items.of(id),
      place: () => this.#place(),
      follow: (after, epoch) => this.#follow(after, epoch),
      changed: () => host.changed(),
      storeWants: (wanted) => (wanted ? this.#storeBegins() : this.#leaveIfUnused()),
    });
  }

  // Events

  /**
   * Begin to follow the room after a sequence. Throws a `RoomlogError` `already_followed` where it
   * is followed already. `client.room(id, { after })` calls this.
   */
  follow({ after, epoch, onReset }: FollowOptions): void {
    if (this.#place() !== null) {
      throw new RoomlogError("already_followed", "leave the room before following it elsewhere");
    }
    this.#reader = this.#newReader(after ?? null, onReset ?? null);
    this.#follow(after ?? null, epoch ?? null);
  }

  /**
   * The room's events, in order, each once. A loop that ends keeps its place: the next one goes on
   * from there. It ends by a `RoomlogError`: `reset`, or the code with which the room ended or the
   * client closed; and without one when the user closes the client or leaves the room.
   */
  [Symbol.asyncIterator](): AsyncIterator<RoomEvent, undefined> {
    if (this.#reader === null) {
      this.#reader = this.#newReader(null, null);
      this.#follow(null, null);
    }
    return this.#reader;
  }

  /**
   * How far a loop has come, and in which log: keep both when an event is handled, and follow from
   * there next time. null where no event came yet.
   */
  get position(): number | null {
    return this.#reader?.position ?? null;
  }

  get epoch(): string | null {
    return this.#place()?.epoch ?? null;
  }

  /** Follow it no longer: loops end, and the store begins anew when it is next subscribed to. */
  leave(): void {
    this.#reader?.end();
    this.#reader = null;
    this.store.stop();
    this.#leaveIfUnused();
  }

  // Commands: each resolves at the ack, through any outage, or rejects with a RoomlogError

  send(content: string, options: SendOptions = {}): Promise<Ack> {
    const { message_type, metadata, reply_to } = options;
    return this.#command(
      { type: "send", content, ...given({ message_type, metadata, reply_to }) },
      options,
    );
  }

  edit(message_id: string, content: string, options: EditOptions = {}): Promise<Ack> {
    const { metadata, reason, expected_version } = options;
    return this.#command(
      { type: "edit", message_id, content, ...given({ metadata, reason, expected_version }) },
      options,
    );
  }

  delete(message_id: string, options: ChangeOptions = {}): Promise<Ack> {
    const { reason, expected_version } = options;
    return this.#command(
      { type: "delete", message_id, ...given({ reason, expected_version }) },
      options,
    );
  }

  react(message_id: string, emoji: string, options: CommandOptions = {}): Promise<Ack> {
    return this.#command({ type: "react", message_id, emoji }, options);
  }

  unreact(message_id: string, emoji: string, options: CommandOptions = {}): Promise<Ack> {
    return this.#command({ type: "unreact", message_id, emoji }, options);
  }

  /** Give a refused item anew, under a new key. Does nothing where there is no such item. */
  retry(key: string): void {
    const item = this.#host.items.dismiss(this.id, key);
    if (item !== undefined) {
      // Whoever shows the items sees how it ends.
      this.#command(item.command, {}).catch(() => {});
    }
  }

  /** Show a refused item no longer. */
  dismiss(key: string): void {
    this.#host.items.dismiss(this.id, key);
  }

  /**
   * The user types, or does no more. Call it as often as you like; it is told once a second, while
   * connected.
   */
  typing(active: boolean): void {
    const now_ms = Date.now();
    if (!active || now_ms - this.#typed_ms >= TYPING_MS) {
      this.#typed_ms = active ? now_ms : 0;
      this.#host.give({ type: "typing", room_id: this.id, active });
    }
  }

  /** The user has seen everything up to here: moves the read marker, never back. */
  seen(sequence: number): void {
    this.#host.give({ type: "seen", room_id: this.id, sequence });
    this.store.seen(sequence);
  }

  // Reads

  history(query: HistoryQuery = {}): Promise<RoomPage<MessageResponse>> {
    return this.#host.rest.messages(this.id, query);
  }

  search(q: string, query: SearchQuery = {}): Promise<RoomPage<SearchHit>> {
    return this.#host.rest.search(this.id, q, query);
  }

  versions(
    message_id: string,
    query: PageQuery & RoomQuery = {},
  ): Promise<RoomPage<MessageVersion>> {
    return this.#host.rest.versions(this.id, message_id, query);
  }

  events(query: EventsQuery = {}): Promise<RoomPage<RoomEvent>> {
    return this.#host.rest.events(this.id, query);
  }

  members(query: PageQuery & RoomQuery & Moment = {}): Promise<RoomPage<MemberResponse>> {
    return this.#host.rest.members(this.id, query);
  }

  info(query: RoomQuery & Moment = {}): Promise<RoomResponse> {
    return this.#host.rest.room(this.id, query);
  }

  stats(query: RoomQuery = {}): Promise<RoomStats> {
    return this.#host.rest.stats(this.id, query);
  }

  online(options: RequestOptions = {}): Promise<PresentUser[]> {
    return this.#host.rest.online(this.id, options);
  }

  /** How many messages of others the user has not seen. */
  async unread(query: RoomQuery = {}): Promise<number> {
    return (await this.info(query)).unread;
  }

  // Changes of the room

  /**
   * Remove for good what a message said, as `admin`: from the log itself. The reason stays on
   * record. The answer is what is left, a tombstone.
   */
  redact(message_id: string, reason: string, options: WriteOptions = {}): Promise<MessageResponse> {
    return this.#host.rest.redactMessage(message_id, { reason }, options);
  }

  update(change: RoomUpdate, options: WriteOptions = {}): Promise<RoomResponse> {
    return this.#host.rest.updateRoom(this.id, change, options);
  }

  setMember(user_id: string, role: RoomRole, options: WriteOptions = {}): Promise<MemberResponse> {
    return this.#host.rest.setMember(this.id, user_id, role, options);
  }

  removeMember(user_id: string, options: WriteOptions = {}): Promise<void> {
    return this.#host.rest.removeMember(this.id, user_id, options);
  }

  // What the client hears of it

  /** @internal */
  deliver({ sequence, prev_sequence, room_id, at, event }: MessageBroadcastFrame): void {
    const logged = { sequence, prev_sequence, room_id, at, event };
    if (isKnown(event)) {
      this.#reader?.push(logged);
    }
    this.store.deliver(logged);
  }

  /** @internal */
  passed(frame: PassedFrame): void {
    this.store.passed(frame);
  }

  /** @internal */
  live(position: number): void {
    this.store.roomLive(position);
  }

  /** @internal */
  ended(code: string, detail: string): void {
    const error = new RoomlogError(code, detail);
    this.#reader?.fail(error);
    this.store.ended(error);
  }

  /** @internal */
  async load({ load, epoch, position }: Extract<Effect, { type: "load" }>): Promise<void> {
    const { id: room_id } = this;
    try {
      if (this.store.isActive) {
        await this.store.loadForReset(position, epoch);
      }
      this.#host.give({ type: "loaded", room_id, load });
    } catch (error) {
      const { code, detail, retryAfterMs: retry_after_ms } = asError(error);
      this.#host.give({ type: "load_failed", room_id, load, code, detail, retry_after_ms });
    }
  }

  /** @internal */
  reset({ epoch, position }: Extract<Effect, { type: "reset" }>): void {
    this.#reader?.reset({ epoch, position });
    this.store.reset();
  }

  /** @internal `error` is null where the user closed the client. */
  closed(error: RoomlogError | null): void {
    if (error === null) {
      this.#reader?.end();
      this.#reader = null;
    } else {
      this.#reader?.fail(error);
    }
  }

  // Steps

  #command(command: Command, { key, signal }: CommandOptions): Promise<Ack> {
    return this.#host.command(this.id, command, given({ key, signal }));
  }

  #newReader(after: number | null, onReset: OnReset | null): Reader {
    return new Reader(
      {
        pause: () => this.#pause(),
        unpause: () => this.#host.give({ type: "unpause", room_id: this.id }),
        position: () => this.#place()?.position ?? null,
        events: (from, min_sequence) => this.events({ after: from, limit: 500, min_sequence }),
      },
      after,
      onReset,
    );
  }

  #pause(): boolean {
    if (this.store.isActive) {
      return false;
    }
    this.#host.give({ type: "pause", room_id: this.id });
    return true;
  }

  #place(): Place | null {
    const place = this.#host.place(this.id);
    return place === null || place.phase === "ended" ? null : place;
  }

  #follow(after: number | null, epoch: string | null): void {
    if (this.#place() === null) {
      const { html } = this.#host;
      this.#host.give({ type: "join", room_id: this.id, after, epoch, html });
    }
  }

  #storeBegins(): void {
    this.#reader?.stopPausing();
  }

  #leaveIfUnused(): void {
    if (this.#reader === null && !this.store.isActive && this.#host.place(this.id) !== null) {
      this.#host.give({ type: "leave", room_id: this.id });
    }
  }
}

/** The fields that are given: what is left out is not there, rather than undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
