import type {
  ErrorFrame,
  LiveFrame,
  MessageBroadcastFrame,
  PongFrame,
  SubscribeFrame,
  SubscribedFrame,
  UnsubscribedFrame,
} from "../contract.gen.js";
import { RETRIED, type Refs, type Turn, retryMs } from "./turn.js";
import { type Effect, type InputOf, type Phase, RETRY_MS_DEFAULT } from "./types.js";

export const ROOM_TIMER = "room:";

type Load = Extract<Effect, { type: "load" }>;

const SUBSCRIBED: ReadonlySet<Phase> = new Set(["subscribing", "replaying", "live", "reloading"]);
const HEARS: ReadonlySet<Phase> = new Set(["replaying", "live"]);

/** One room. `position`: nothing is missing up to there; null until that is known. */
export class FollowedRoom {
  readonly room_id: string;
  readonly html: boolean;
  position: number | null;
  epoch: string | null;
  phase: Phase = "idle";
  ref: string | null = null;
  asked_ms = 0;
  load: Load | null = null;
  retrying = false;
  seen: number | null = null;

  constructor(joined: InputOf<"join">) {
    this.room_id = joined.room_id;
    this.html = joined.html;
    this.position = joined.after;
    this.epoch = joined.epoch;
  }

  /** Whether its events are wanted now. */
  get followed(): boolean {
    return this.phase !== "paused" && this.phase !== "ended";
  }

  /** Whether nothing that is wanted is missing. */
  get whole(): boolean {
    return this.phase === "live" || !this.followed;
  }
}

/** What is to be done with an event that came. */
export type Verdict = "next" | "dropped" | "replay_broken";

/** All rooms that were joined, in the order of joining: subscribing, gaps, resets. */
export class Rooms {
  readonly #refs: Refs;
  readonly #rooms = new Map<string, FollowedRoom>();

  constructor(refs: Refs) {
    this.#refs = refs;
  }

  [Symbol.iterator](): IterableIterator<FollowedRoom> {
    return this.#rooms.values();
  }

  get(room_id: string): FollowedRoom | undefined {
    return this.#rooms.get(room_id);
  }

  /** Whether every room that is followed is live. */
  get whole(): boolean {
    for (const room of this) {
      if (!room.whole) {
        return false;
      }
    }
    return true;
  }

  /** Whether commands may go to the room now, on a connection that stands. */
  mayBeSentTo(room_id: string): boolean {
    return this.#rooms.get(room_id)?.whole ?? true;
  }

  /** Whether the event at this sequence is still to be delivered. */
  awaits(room_id: string, sequence: number): boolean {
    const room = this.#rooms.get(room_id);
    return room?.followed === true && (room.position === null || room.position < sequence);
  }

  /** When each `subscribe` was sent that has no answer yet. */
  *askedMs(): Iterable<number> {
    for (const room of this) {
      if (room.phase === "subscribing") {
        yield room.asked_ms;
      }
    }
  }

  // What the user wants

  join(turn: Turn, joined: InputOf<"join">, connected: boolean): void {
    const there = this.#rooms.get(joined.room_id);
    if (there !== undefined && there.phase !== "ended") {
      return;
    }
    const room = new FollowedRoom(joined);
    this.#rooms.set(joined.room_id, room);
    if (connected) {
      this.#subscribe(turn, room);
    }
  }

  leave(turn: Turn, room_id: string, connected: boolean): void {
    const room = this.#rooms.get(room_id);
    this.#rooms.delete(room_id);
    if (room !== undefined && connected) {
      this.#unsubscribe(turn, room);
    }
  }

  pause(turn: Turn, room_id: string, connected: boolean): void {
    const room = this.#rooms.get(room_id);
    if (room?.followed === true) {
      if (connected) {
        this.#unsubscribe(turn, room);
      }
      room.phase = "paused";
    }
  }

  unpause(turn: Turn, room_id: string, connected: boolean): void {
    const room = this.#rooms.get(room_id);
    if (room?.phase === "paused") {
      room.phase = "idle";
      if (connected) {
        this.#subscribe(turn, room);
      }
    }
  }

  seen(turn: Turn, given: InputOf<"seen">, connected: boolean): void {
    const room = this.#rooms.get(given.room_id);
    if (room === undefined || (room.seen !== null && given.sequence <= room.seen)) {
      return;
    }
    room.seen = given.sequence;
    if (connected && HEARS.has(room.phase)) {
      this.#tellSeen(turn, room);
    }
  }

  /** On a connection that stands. */
  typing(turn: Turn, given: InputOf<"typing">): void {
    const room = this.#rooms.get(given.room_id);
    if (room !== undefined && HEARS.has(room.phase)) {
      const frame = { type: "typing", room_id: room.room_id, active: given.active } as const;
      turn.emit({ type: "send", frame });
    }
  }

  // The connection

  /** Subscribe to all that are followed. */
  connected(turn: Turn): void {
    for (const room of this) {
      if (room.followed) {
        this.#subscribe(turn, room);
      }
    }
  }

  /** The connection is gone, and every timer with it. */
  lost(): void {
    for (const room of this) {
      room.ref = null;
      room.load = null;
      room.retrying = false;
      if (room.followed) {
        room.phase = "idle";
      }
    }
  }

  /** Try again what failed for now. */
  timer(turn: Turn, room_id: string): void {
    const room = this.#rooms.get(room_id);
    if (room === undefined || !room.retrying) {
      return;
    }
    room.retrying = false;
    if (room.phase === "reloading" && room.load !== null) {
      this.#load(turn, room, room.load.epoch, room.load.position);
    } else if (room.phase === "idle") {
      this.#subscribe(turn, room);
    }
  }

  /** Subscribe anew where the head says that something was missed. */
  pong(turn: Turn, frame: PongFrame): void {
    for (const room of this) {
      if (room.phase === "live" && room.position !== null) {
        const head = frame.heads[room.room_id];
        if (head === undefined || head > room.position) {
          this.#subscribe(turn, room);
        }
      }
    }
  }

  // What the server says of a room

  subscribed(turn: Turn, frame: SubscribedFrame): void {
    const room = this.#rooms.get(frame.room_id);
    if (room?.phase !== "subscribing" || frame.ref !== room.ref) {
      return;
    }
    turn.emit({ type: "pass", frame });
    if (frame.resumed) {
      room.epoch = frame.epoch;
      room.phase = "replaying";
      this.#tellSeen(turn, room);
    } else if (room.position === null) {
      room.epoch = frame.epoch;
      room.position = frame.head;
      this.#live(turn, room, frame.head);
      this.#tellSeen(turn, room);
    } else {
      room.phase = "reloading";
      this.#load(turn, room, frame.epoch, frame.head);
    }
  }

  event(turn: Turn, frame: MessageBroadcastFrame): Verdict {
    const room = this.#rooms.get(frame.room_id);
    if (room === undefined || !HEARS.has(room.phase) || room.position === null) {
      return "dropped";
    }
    if (frame.sequence <= room.position) {
      return "dropped";
    }
    if (frame.prev_sequence > room.position) {
      if (room.phase === "replaying") {
        return "replay_broken";
      }
      this.#subscribe(turn, room);
      return "dropped";
    }
    room.position = frame.sequence;
    return "next";
  }

  live(turn: Turn, frame: LiveFrame): void {
    const room = this.#rooms.get(frame.room_id);
    if (room?.phase === "replaying" && room.position !== null) {
      room.position = Math.max(room.position, frame.sequence);
      this.#live(turn, room, room.position);
    }
  }

  unsubscribed(turn: Turn, frame: UnsubscribedFrame): void {
    const room = this.#rooms.get(frame.room_id);
    if (frame.ref == null && room !== undefined && SUBSCRIBED.has(room.phase)) {
      this.#end(turn, room, frame.code, frame.detail);
    }
  }

  /** Whether the error answers a `subscribe`; where it does, it is taken in. */
  refused(turn: Turn, frame: ErrorFrame): boolean {
    if (frame.ref == null) {
      return false;
    }
    const room = [...this].find((one) => one.ref === frame.ref);
    if (room === undefined) {
      return false;
    }
    if (room.phase === "subscribing") {
      if (RETRIED.has(frame.code)) {
        room.phase = "idle";
        this.#retry(turn, room, retryMs(frame.retry_after));
      } else {
        this.#end(turn, room, frame.code, frame.detail);
      }
    }
    return true;
  }

  // What REST says of a room

  /** Begin anew from what was loaded; whether that was asked for. */
  loaded(turn: Turn, given: InputOf<"loaded">): boolean {
    const room = this.#rooms.get(given.room_id);
    if (room === undefined || room.load?.load !== given.load) {
      return false;
    }
    const { room_id, epoch, position } = room.load;
    room.position = position;
    room.epoch = epoch;
    room.load = null;
    room.seen = null;
    turn.emit({ type: "reset", room_id, epoch, position });
    return true;
  }

  /** Subscribe from where `loaded` left the room. */
  beginAnew(turn: Turn, room_id: string): void {
    const room = this.#rooms.get(room_id);
    if (room !== undefined) {
      this.#subscribe(turn, room);
    }
  }

  loadFailed(turn: Turn, given: InputOf<"load_failed">): void {
    const room = this.#rooms.get(given.room_id);
    if (room === undefined || room.load?.load !== given.load || room.retrying) {
      return;
    }
    if (given.code === "forbidden" || given.code === "not_found") {
      this.#unsubscribe(turn, room);
      this.#end(turn, room, given.code, given.detail);
    } else {
      this.#retry(turn, room, given.retry_after_ms ?? RETRY_MS_DEFAULT);
    }
  }

  // Steps

  #subscribe(turn: Turn, room: FollowedRoom): void {
    room.phase = "subscribing";
    room.ref = this.#refs.next("sub");
    room.asked_ms = turn.at_ms;
    const frame: SubscribeFrame = { type: "subscribe", room_id: room.room_id, ref: room.ref };
    if (room.position !== null) {
      frame.after = room.position;
    }
    if (room.epoch !== null) {
      frame.epoch = room.epoch;
    }
    if (room.html) {
      frame.html = true;
    }
    turn.emit({ type: "send", frame });
  }

  #unsubscribe(turn: Turn, room: FollowedRoom): void {
    if (room.retrying) {
      room.retrying = false;
      turn.emit({ type: "cancel_timer", timer: ROOM_TIMER + room.room_id });
    }
    if (SUBSCRIBED.has(room.phase)) {
      const ref = this.#refs.next("unsub");
      turn.emit({ type: "send", frame: { type: "unsubscribe", room_id: room.room_id, ref } });
    }
    room.ref = null;
    room.load = null;
  }

  #live(turn: Turn, room: FollowedRoom, position: number): void {
    room.phase = "live";
    turn.emit({ type: "room_live", room_id: room.room_id, position });
  }

  #tellSeen(turn: Turn, room: FollowedRoom): void {
    if (room.seen !== null) {
      const frame = { type: "seen", room_id: room.room_id, sequence: room.seen } as const;
      turn.emit({ type: "send", frame });
    }
  }

  #load(turn: Turn, room: FollowedRoom, epoch: string, position: number): void {
    const load = this.#refs.next("load");
    room.load = { type: "load", room_id: room.room_id, load, epoch, position };
    turn.emit(room.load);
  }

  #retry(turn: Turn, room: FollowedRoom, wait_ms: number): void {
    room.retrying = true;
    const timer = ROOM_TIMER + room.room_id;
    turn.emit({ type: "set_timer", timer, after_ms: turn.spread(wait_ms) });
  }

  #end(turn: Turn, room: FollowedRoom, code: string, detail: string): void {
    room.phase = "ended";
    room.ref = null;
    room.load = null;
    turn.emit({ type: "room_ended", room_id: room.room_id, code, detail });
  }
}
