import type { NoticeFrame, NotificationFrame, RoomCreate, RoomResponse } from "./contract.gen.js";
import { Connection, isConnected } from "./connection.js";
import { Driver, type ToldEffect } from "./driver.js";
import { RoomlogError } from "./errors.js";
import { Http } from "./http.js";
import { uuid7 } from "./ids.js";
import { type Ack, Items, type PendingItem } from "./items.js";
import type { Command, Effect, Settlement, StoredItem } from "./machine/types.js";
import { isOffline, watchNetwork } from "./network.js";
import { type ClientOptions, type Configuration, configured } from "./options.js";
import type { QueueStore } from "./queue-store.js";
import { Rest, type WriteOptions } from "./rest.js";
import { type CommandOptions, type FollowOptions, Room, type RoomHost } from "./room.js";
import { allRooms, RoomList } from "./room-list.js";
import type { Place } from "./room-store.js";
import { TokenSource } from "./token-source.js";

/** An error that belongs to no command. */
export interface Report {
  readonly code: string;
  readonly detail: string;
  readonly room_id: string | null;
}

/** What `client.on` tells of. `settled` is how a command ended, restored ones too. */
export interface ClientEvents {
  readonly notification: NotificationFrame;
  readonly notice: NoticeFrame;
  readonly settled: Settlement & { readonly command: Command | null };
  readonly report: Report;
}

const COMMAND_BYTES_MAX = 1_000_000;

type Listeners = { [Name in keyof ClientEvents]: Set<(told: ClientEvents[Name]) => void> };

/** A client of roomlog that is whole again by itself after any outage. */
export class RoomlogClient {
  /** Every REST path, as a method. */
  readonly rest: Rest;
  /** Where the connection stands. */
  readonly connection: Connection;
  /** The user's rooms, with what is unread. */
  readonly roomList: RoomList;
  readonly #configuration: Configuration;
  readonly #tokens: TokenSource;
  readonly #items: Items;
  readonly #driver: Driver;
  readonly #rooms = new Map<string, Room>();
  readonly #host: RoomHost;
  readonly #listeners: Listeners = {
    notification: new Set(),
    notice: new Set(),
    settled: new Set(),
    report: new Set(),
  };
  #restoring: Promise<void> | null = null;
  #unwatch: (() => void) | null = null;

  constructor(options: ClientOptions) {
    const configuration = configured(options);
    const { baseUrl, fetch, patienceMs, queue, queueMax, userId } = configuration;
    this.#configuration = configuration;
    this.#tokens = new TokenSource(options.token);
    this.rest = new Rest(new Http({ baseUrl, fetch, patienceMs, tokens: this.#tokens }));
    this.#items = new Items((room_id) => this.#rooms.get(room_id)?.store.itemsChanged());
    this.#driver = new Driver({
      socketUrl: configuration.socketUrl,
      WebSocket: configuration.WebSocket,
      tokens: this.#tokens,
      queue,
      config: { queue_max: queueMax, persistent: queue !== null, user_id: userId },
      tell: (effect) => this.#take(effect),
      waits: (until_ms) => this.connection.waits(until_ms),
    });
    const { state, reason } = this.#driver.machine;
    this.connection = new Connection({ state, reason, userId, retryAt: null });
    this.roomList = new RoomList(this.rest, (room) => this.#amended(room));
    this.#host = this.#roomHost();
    if (queue !== null) {
      this.#restore(queue);
    }
  }

  /** Start, or try again now. */
  connect(): void {
    this.#unwatch ??= watchNetwork(
      () => this.#driver.give({ type: "online" }),
      () => this.#driver.give({ type: "offline" }),
    );
    this.#afterRestoring(() => {
      this.#driver.give({ type: "connect" });
      if (isOffline()) {
        this.#driver.give({ type: "offline" });
      }
    });
  }

  /** End it. What is on its way is told `unsent`; `connect` begins again. */
  close(): void {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#afterRestoring(() => this.#driver.give({ type: "close" }));
  }

  /** Bring a new token. Where the client closed for want of one, it connects. */
  setToken(token: string): void {
    this.#driver.give({ type: "token", ...this.#tokens.bring(token) });
  }

  /**
   * A room; the same object each time. With `after`, its events are followed from there at once,
   * for `for await`. Throws a `RoomlogError` `already_followed` where it is followed already.
   */
  room(id: string, options: FollowOptions = {}): Room {
    const room_id = id.toLowerCase();
    let room = this.#rooms.get(room_id);
    if (room === undefined) {
      room = new Room(this.#host, room_id);
      this.#rooms.set(room_id, room);
    }
    if (options.after !== undefined) {
      room.follow(options);
    }
    return room;
  }

  /** All rooms of the user. Rejects with a `RoomlogError`. */
  rooms(): Promise<RoomResponse[]> {
    return allRooms(this.rest);
  }

  /** Create a room; the user becomes its commander. Rejects with a `RoomlogError`. */
  createRoom(room: RoomCreate, options: WriteOptions = {}): Promise<RoomResponse> {
    return this.rest.createRoom(room, options);
  }

  /** Be told; the answer ends it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (told: ClientEvents[Name]) => void,
  ): () => void {
    const listeners: Set<typeof listener> = this.#listeners[name];
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  #tell<Name extends keyof ClientEvents>(name: Name, told: ClientEvents[Name]): void {
    const listeners: Set<(told: ClientEvents[Name]) => void> = this.#listeners[name];
    for (const listener of [...listeners]) {
      // A listener that throws is its owner's to see, and stops nobody else.
      queueMicrotask(() => listener(told));
    }
  }

  // Commands

  async #command(room_id: string, command: Command, options: CommandOptions): Promise<Ack> {
    const { signal, key = uuid7(Date.now()) } = options;
    if (this.#restoring !== null) {
      await this.#restoring;
    }
    if (signal?.aborted === true) {
      throw new RoomlogError("withdrawn", "never sent");
    }
    refuseUnsendable(command, this.#items.get(room_id, key));
    const answer = this.#items.wait(room_id, key, command);
    this.#driver.give({ type: "enqueue", room_id, key, command });
    return signal === undefined ? answer : this.#unlessAborted(answer, room_id, key, signal);
  }

  #unlessAborted(
    answer: Promise<Ack>,
    room_id: string,
    key: string,
    signal: AbortSignal,
  ): Promise<Ack> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#driver.give({ type: "withdraw", room_id, key });
        this.#driver.afterwards(() => {
          // Where it was withdrawn, the answer says so.
          if (this.#items.get(room_id, key) !== undefined) {
            reject(new RoomlogError("abandoned", "on its way all the same", { maybeSent: true }));
          }
        });
      };
      signal.addEventListener("abort", giveUp, { once: true });
      answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
    });
  }

  /** What an earlier run left goes before anything new. */
  #restore(queue: QueueStore): void {
    try {
      const items = queue.load();
      if (!(items instanceof Promise)) {
        this.#restored(items);
        return;
      }
      this.#restoring = items
        .then(
          (loaded) => this.#restored(loaded),
          (error: unknown) => this.#notRestored(error),
        )
        .then(() => {
          this.#restoring = null;
        });
    } catch (error) {
      this.#notRestored(error);
    }
  }

  #restored(items: readonly StoredItem[]): void {
    this.#items.restored(items);
    this.#driver.give({ type: "restore", items });
  }

  #notRestored(error: unknown): void {
    const detail = `the persistent queue failed: ${String(error)}`;
    // Told when whoever made the client can have said that they listen.
    queueMicrotask(() => this.#tell("report", { code: "internal", detail, room_id: null }));
  }

  /** At once, unless the persistent queue has still to be read. */
  #afterRestoring(work: () => void): void {
    if (this.#restoring === null) {
      work();
    } else {
      void this.#restoring.then(work);
    }
  }

  // What comes of it

  #take(effect: ToldEffect): void {
    switch (effect.type) {
      case "state":
        return this.#stateChanged(effect);
      case "deliver":
        this.#rooms.get(effect.frame.room_id)?.deliver(effect.frame);
        if (effect.key !== null) {
          this.#items.echoed(effect.frame.room_id, effect.key);
        }
        return;
      case "pass":
        return this.#passed(effect);
      case "merged":
        return this.#items.merged(effect.room_id, effect.key);
      case "held":
        return this.#items.held(effect);
      case "acked":
      case "refused":
      case "unsent":
      case "withdrawn": {
        const command = this.#items.get(effect.room_id, effect.key)?.command ?? null;
        this.#items.settled(effect);
        return this.#tell("settled", { ...effect, command });
      }
      case "room_live":
        return this.#rooms.get(effect.room_id)?.live(effect.position);
      case "room_ended":
        return this.#rooms.get(effect.room_id)?.ended(effect.code, effect.detail);
      case "load":
        void this.#rooms.get(effect.room_id)?.load(effect);
        return;
      case "reset":
        return this.#rooms.get(effect.room_id)?.reset(effect);
      case "report": {
        const { code, detail, room_id } = effect;
        return this.#tell("report", { code, detail, room_id });
      }
    }
  }

  #stateChanged({ state, reason }: Extract<Effect, { type: "state" }>): void {
    const userId = this.#host.userId();
    const connected = isConnected(state);
    if (connected !== isConnected(this.connection.getSnapshot().state)) {
      if (connected) {
        this.roomList.outdated();
      } else {
        this.#items.connectionLost();
      }
    }
    this.connection.set({ state, reason, userId, retryAt: null });
    for (const room of this.#rooms.values()) {
      room.store.connectionChanged(connected);
      if (state === "closed" && reason !== null) {
        const byUser = reason.code === "closed_by_user";
        room.closed(byUser ? null : new RoomlogError(reason.code, reason.detail));
      }
    }
  }

  #passed({ frame }: Extract<Effect, { type: "pass" }>): void {
    switch (frame.type) {
      case "notification":
        if (frame.kind === "added") {
          this.#rooms.get(frame.room_id)?.store.reload();
        }
        this.roomList.outdated();
        return this.#tell("notification", frame);
      case "notice":
        return this.#tell("notice", frame);
      default:
        return this.#rooms.get(frame.room_id)?.passed(frame);
    }
  }

  /** The list shows of a room that is watched what its store shows. */
  #amended(room: RoomResponse): RoomResponse {
    const store = this.#rooms.get(room.room_id)?.store;
    if (store?.isActive !== true) {
      return room;
    }
    const { room: now, unread, role, status } = store.getSnapshot();
    if (now === null || status !== "ready") {
      return room;
    }
    const { title, severity, status: stands } = now;
    return { ...room, title, severity, status: stands, role: role ?? room.role, unread };
  }

  #roomHost(): RoomHost {
    const { machine } = this.#driver;
    return {
      rest: this.rest,
      items: this.#items,
      lingerMs: this.#configuration.lingerMs,
      html: this.#configuration.html,
      pageSize: this.#configuration.pageSize,
      userId: () => machine.queue.user_id,
      give: (input) => this.#driver.give(input),
      place: (room_id): Place | null => machine.rooms.get(room_id) ?? null,
      changed: () => this.roomList.amended(),
      command: (room_id, command, options) => this.#command(room_id, command, options),
    };
  }
}

/** Throws a `RoomlogError` for what the server would not even read, or not take as meant. */
function refuseUnsendable(command: Command, there: PendingItem | undefined): void {
  const size_bytes = new TextEncoder().encode(JSON.stringify(command)).length;
  if (size_bytes > COMMAND_BYTES_MAX) {
    const detail = `${size_bytes} bytes, of which ${COMMAND_BYTES_MAX} can be sent`;
    throw new RoomlogError("too_large", detail);
  }
  const underWay = there !== undefined && there.status !== "refused";
  if (underWay && JSON.stringify(there.command) !== JSON.stringify(command)) {
    const detail = "another command is on its way under this key";
    throw new RoomlogError("idempotency_mismatch", detail);
  }
}
