import type {
  BroadcastResponse,
  MemberResponse,
  MessageCreate,
  MessageDelete,
  MessageRedact,
  MessageEdit,
  MessageResponse,
  MessageType,
  MessageVersion,
  Page,
  PresentUser,
  ReactionCount,
  RoomCreate,
  RoomEvent,
  RoomPage,
  RoomResponse,
  RoomRole,
  RoomStats,
  RoomUpdate,
  SearchHit,
  SearchOrder,
} from "./contract.gen.js";
import type { Http, HttpRequest, RequestOptions } from "./http.js";
import { uuid7 } from "./ids.js";

/** A page goes on by `cursor`, which is the `next` of the page before. */
export interface PageQuery extends RequestOptions {
  readonly limit?: number;
  readonly cursor?: string | null;
}

/** `min_sequence`: the answer reflects at least the room's event at this sequence. */
export interface RoomQuery extends RequestOptions {
  readonly min_sequence?: number;
}

export interface MessageFilter extends PageQuery, RoomQuery {
  /** Sequences, exclusive; `after` reads oldest first. */
  readonly before?: number;
  readonly after?: number;
  readonly before_timestamp?: string;
  readonly type?: MessageType;
  readonly sender?: string;
}

export interface Moment {
  /** A sequence or a time (RFC 3339): as it stood then. */
  readonly as_of?: number | string;
}

export type HistoryQuery = MessageFilter & Moment;

export interface SearchQuery extends MessageFilter, Moment {
  readonly order?: SearchOrder;
}

export interface EventsQuery extends PageQuery, RoomQuery {
  readonly after?: number;
}

/** `key` is the write's idempotency key; one is made where none is given. */
export interface WriteOptions extends RequestOptions {
  readonly key?: string;
}

export interface VersionedWriteOptions extends WriteOptions {
  /** Only if the message is still at this version. */
  readonly expected_version?: number;
}

/**
 * Every path of the REST interface. All methods reject with a `RoomlogError`, or with the reason of
 * the `signal` that ended them.
 */
export class Rest {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  // Rooms and members

  rooms(query: PageQuery = {}): Promise<Page<RoomResponse>> {
    return this.#get("/api/rooms", query);
  }

  room(room_id: string, query: RoomQuery & Moment = {}): Promise<RoomResponse> {
    return this.#get(roomPath(room_id), query);
  }

  createRoom(room: RoomCreate, options: WriteOptions = {}): Promise<RoomResponse> {
    return this.#write("POST", "/api/rooms", room, options);
  }

  updateRoom(
    room_id: string,
    change: RoomUpdate,
    options: WriteOptions = {},
  ): Promise<RoomResponse> {
    return this.#write("PATCH", roomPath(room_id), change, options);
  }

  members(
    room_id: string,
    query: PageQuery & RoomQuery & Moment = {},
  ): Promise<RoomPage<MemberResponse>> {
    return this.#get(`${roomPath(room_id)}/members`, query);
  }

  setMember(
    room_id: string,
    user_id: string,
    role: RoomRole,
    options: WriteOptions = {},
  ): Promise<MemberResponse> {
    return this.#write("PUT", memberPath(room_id, user_id), { role }, options);
  }

  removeMember(room_id: string, user_id: string, options: WriteOptions = {}): Promise<void> {
    return this.#write("DELETE", memberPath(room_id, user_id), undefined, options);
  }

  markRead(room_id: string, sequence: number, options: WriteOptions = {}): Promise<void> {
    return this.#write("PUT", `${roomPath(room_id)}/read-marker`, { sequence }, options);
  }

  // Messages

  messages(room_id: string, query: HistoryQuery = {}): Promise<RoomPage<MessageResponse>> {
    return this.#get(`${roomPath(room_id)}/messages`, query);
  }

  message(
    room_id: string,
    message_id: string,
    query: RoomQuery & Moment = {},
  ): Promise<MessageResponse> {
    return this.#get(`${roomPath(room_id)}/messages/${encodeURIComponent(message_id)}`, query);
  }

  versions(
    room_id: string,
    message_id: string,
    query: PageQuery & RoomQuery = {},
  ): Promise<RoomPage<MessageVersion>> {
    const path = `${roomPath(room_id)}/messages/${encodeURIComponent(message_id)}/history`;
    return this.#get(path, query);
  }

  search(room_id: string, q: string, query: SearchQuery = {}): Promise<RoomPage<SearchHit>> {
    const asked = { q, ...query };
    return this.#get(`${roomPath(room_id)}/messages/search`, asked);
  }

  sendMessage(
    room_id: string,
    message: MessageCreate,
    options: WriteOptions = {},
  ): Promise<MessageResponse> {
    return this.#write("POST", `${roomPath(room_id)}/messages`, message, options);
  }

  editMessage(
    message_id: string,
    edit: MessageEdit,
    options: VersionedWriteOptions = {},
  ): Promise<MessageResponse> {
    return this.#write("PATCH", messagePath(message_id), edit, options);
  }

  deleteMessage(
    message_id: string,
    deletion: MessageDelete = {},
    options: VersionedWriteOptions = {},
  ): Promise<MessageResponse> {
    return this.#write("DELETE", messagePath(message_id), deletion, options);
  }

  /** Remove for good what a message said. For `admin` only; the answer is its tombstone. */
  redactMessage(
    message_id: string,
    redaction: MessageRedact,
    options: WriteOptions = {},
  ): Promise<MessageResponse> {
    return this.#write("POST", `${messagePath(message_id)}/redact`, redaction, options);
  }

  // Reactions

  async reactions(message_id: string, query: RoomQuery = {}): Promise<ReactionCount[]> {
    const path = `${messagePath(message_id)}/reactions`;
    return (await this.#get<{ reactions: ReactionCount[] }>(path, query)).reactions;
  }

  async addReaction(
    message_id: string,
    emoji: string,
    options: WriteOptions = {},
  ): Promise<ReactionCount[]> {
    const path = `${messagePath(message_id)}/reactions`;
    return (await this.#write<Reactions>("POST", path, { emoji }, options)).reactions;
  }

  async removeReaction(
    message_id: string,
    emoji: string,
    options: WriteOptions = {},
  ): Promise<ReactionCount[]> {
    const path = `${messagePath(message_id)}/reactions/${encodeURIComponent(emoji)}`;
    return (await this.#write<Reactions>("DELETE", path, undefined, options)).reactions;
  }

  // The log, and what goes on

  events(room_id: string, query: EventsQuery = {}): Promise<RoomPage<RoomEvent>> {
    return this.#get(`${roomPath(room_id)}/events`, query);
  }

  stats(room_id: string, query: RoomQuery = {}): Promise<RoomStats> {
    return this.#get(`${roomPath(room_id)}/stats`, query);
  }

  async online(room_id: string, options: RequestOptions = {}): Promise<PresentUser[]> {
    return (await this.#get<Users>(`${roomPath(room_id)}/online`, options)).users;
  }

  async typing(room_id: string, options: RequestOptions = {}): Promise<PresentUser[]> {
    return (await this.#get<Users>(`${roomPath(room_id)}/typing`, options)).users;
  }

  broadcast(content: string, options: WriteOptions = {}): Promise<BroadcastResponse> {
    return this.#write("POST", "/api/broadcast", { content }, options);
  }

  // Steps

  #get<T>(path: string, query: RequestOptions & object): Promise<T> {
    const { signal } = query;
    const request = { method: "GET", path, query } as const;
    return this.#http.ask<T>(signal === undefined ? request : { ...request, signal });
  }

  #write<T>(
    method: HttpRequest["method"],
    path: string,
    body: unknown,
    options: VersionedWriteOptions,
  ): Promise<T> {
    const { key, expected_version, signal } = options;
    const headers: Record<string, string> = { "Idempotency-Key": key ?? uuid7(Date.now()) };
    if (expected_version !== undefined) {
      headers["If-Match"] = `"${expected_version}"`;
    }
    const request = { method, path, body, headers };
    return this.#http.ask<T>(signal === undefined ? request : { ...request, signal });
  }
}

interface Reactions {
  reactions: ReactionCount[];
}

interface Users {
  users: PresentUser[];
}

function roomPath(room_id: string): string {
  return `/api/rooms/${encodeURIComponent(room_id)}`;
}

function memberPath(room_id: string, user_id: string): string {
  return `${roomPath(room_id)}/members/${encodeURIComponent(user_id)}`;
}

function messagePath(message_id: string): string {
  return `/api/messages/${encodeURIComponent(message_id)}`;
}
