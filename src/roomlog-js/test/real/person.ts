import { WebSocket } from "ws";
import {
  MemoryQueue,
  type MessageResponse,
  type Room,
  type RoomEvent,
  RoomlogClient,
  RoomlogError,
  type RoomSnapshot,
} from "../../src/index.js";
import { eventually, tokenOf } from "./server.js";

/**
 * Somebody who follows a room through a proxy, by the store and by a loop, writes into it, and now
 * and then begins their client anew, with nothing kept but the queue and their place.
 */
export class Person {
  readonly seen: RoomEvent[] = [];
  /** What was sent, in this order. */
  readonly texts: string[] = [];
  readonly #queue = new MemoryQueue();
  readonly #url: string;
  readonly #room_id: string;
  readonly user_id: string;
  #client: RoomlogClient;
  #room: Room;
  #unsubscribe: () => void;
  #failure: unknown = null;

  constructor(user_id: string, room_id: string, url: string) {
    this.user_id = user_id;
    this.#room_id = room_id;
    this.#url = url;
    [this.#client, this.#room, this.#unsubscribe] = this.#begin();
  }

  #begin(): [RoomlogClient, Room, () => void] {
    const client = new RoomlogClient({
      url: this.#url,
      token: tokenOf(this.user_id),
      WebSocket,
      queue: this.#queue,
      lingerMs: 0,
      pageSize: 5,
    });
    client.connect();
    const room = client.room(this.#room_id, { after: this.seen.at(-1)?.sequence ?? 0 });
    void this.#follow(room);
    return [client, room, room.store.subscribe(() => {})];
  }

  async #follow(room: Room): Promise<void> {
    try {
      for await (const { event, ...place } of room) {
        // The store asks for HTML, which the log does not hold.
        const { content_html: _, ...told } = { content_html: "", ...event };
        this.seen.push({ ...place, event: told as RoomEvent["event"] });
      }
    } catch (error) {
      this.#failure = error;
    }
  }

  get store(): RoomSnapshot {
    return this.#room.store.getSnapshot();
  }

  /** Whether nothing of theirs is on its way. */
  get settled(): boolean {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    const { status, messages } = this.store;
    const items = messages.flatMap((message) => message.pending);
    return status === "ready" && items.every((item) => item.status === "refused");
  }

  /** Messages that one may do something to. */
  get targets(): readonly MessageResponse[] {
    return this.store.messages.filter((message) => message.message_type !== "system");
  }

  send(): void {
    const text = `${this.user_id} says ${this.texts.length}`;
    this.texts.push(text);
    this.#run((room) => room.send(text));
  }

  edit(message_id: string): void {
    this.#run((room) => room.edit(message_id, `${this.user_id} edits it`));
  }

  delete(message_id: string): void {
    this.#run((room) => room.delete(message_id));
  }

  react(message_id: string, emoji: string): void {
    this.#run((room) => room.react(message_id, emoji));
  }

  unreact(message_id: string, emoji: string): void {
    this.#run((room) => room.unreact(message_id, emoji));
  }

  #run(command: (room: Room) => Promise<unknown>): void {
    // A refusal is an answer too; a client that was closed keeps what it had on its way.
    command(this.#room).catch((error: unknown) => {
      if (!(error instanceof RoomlogError)) {
        this.#failure = error;
      }
    });
  }

  setOnline(online: boolean): void {
    globalThis.dispatchEvent(new Event(online ? "online" : "offline"));
  }

  /** Begin anew, as after the page was closed. */
  restart(): void {
    this.close();
    [this.#client, this.#room, this.#unsubscribe] = this.#begin();
  }

  /** Look further back. */
  loadMore(): void {
    this.#room.store.loadMore().catch(() => {});
  }

  /** Look at the room no longer, and again. */
  async lookAway(): Promise<void> {
    this.#unsubscribe();
    await eventually(() => !this.#room.store.isActive);
    this.#unsubscribe = this.#room.store.subscribe(() => {});
  }

  close(): void {
    this.#unsubscribe();
    this.#client.close();
  }

  async loadAll(): Promise<void> {
    while (this.store.hasMore) {
      await this.#room.store.loadMore(7);
    }
  }

  describe(): string {
    const { messages, ...rest } = this.store;
    const pending = messages.flatMap((message) => message.pending);
    const connection = this.#client.connection.getSnapshot();
    const { live, position, status, error } = rest;
    return JSON.stringify({ connection, live, position, status, error, pending }, null, 1);
  }

  /** The messages of the log as the store shows them. */
  shown(): MessageResponse[] {
    return this.store.messages.map(Person.comparable);
  }

  /** Without what REST and a fold may tell in another way: order of reactions, system HTML. */
  static comparable(this: void, message: MessageResponse): MessageResponse {
    const { message_id, room_id, sequence_number, sender_id, message_type, content } = message;
    const { content_html, metadata, reply_to, created_at, edited_at, deleted_at } = message;
    const reactions = message.reactions
      .map(({ emoji, count, users }) => ({ emoji, count, users: [...users].sort() }))
      .sort((a, b) => a.emoji.localeCompare(b.emoji));
    return {
      ...{ message_id, room_id, sequence_number, sender_id, message_type, content },
      ...{ metadata, reply_to, created_at, edited_at, deleted_at, reactions },
      version: message.version,
      content_html: message_type === "system" ? "" : content_html,
    };
  }
}
