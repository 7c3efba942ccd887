import type { AckFrame, ClientFrame, ErrorFrame } from "../contract.gen.js";
import { itemEventId } from "../ids.js";
import { type Refs, RETRIED, type Turn, retryMs } from "./turn.js";
import { type Command, IN_FLIGHT_MAX, type InputOf, type StoredItem } from "./types.js";

export const RETRY_TIMER = "retry:";
export const QUEUE_FULL = "queue_full";

export type ItemStatus = "queued" | "sent" | "held" | "acked";

export interface QueueConfig {
  readonly items_max: number;
  /** Whether the shell keeps a persistent queue. */
  readonly persistent: boolean;
  /** Who the user is, where that is known before the first `hello`. */
  readonly user_id: string | null;
}

/** One command, named by room and key. */
export class Item {
  status: ItemStatus = "queued";
  echoed = false;
  asked_ms = 0;
  due_ms = 0;
  steps_aside = false;
  sequence = 0;

  constructor(
    readonly room_id: string,
    readonly key: string,
    public user_id: string | null,
    readonly command: Command,
    public maybe_sent: boolean,
  ) {}

  get name(): string {
    return nameOf(this.room_id, this.key);
  }

  /** Whether it needs the tables. */
  get isChange(): boolean {
    return this.command.type !== "send";
  }

  /** The id of the event that it becomes, where its user is known. */
  get event_id(): string | null {
    return this.user_id === null ? null : itemEventId(this.room_id, this.user_id, this.key);
  }
}

function nameOf(room_id: string, key: string): string {
  return `${room_id} ${key}`;
}

/** All commands that are not in the log, and those whose events have not come yet. */
export class Queue {
  readonly #refs: Refs;
  readonly #config: QueueConfig;
  readonly #items = new Map<string, Item>();
  readonly #acked = new Map<string, Item>();
  readonly #inFlight = new Map<string, Item>();
  readonly #byEventId = new Map<string, Item>();
  user_id: string | null;

  constructor(refs: Refs, config: QueueConfig) {
    this.#refs = refs;
    this.#config = config;
    this.user_id = config.user_id;
  }

  /** Every item, those first that are acked. */
  *[Symbol.iterator](): Iterator<Item> {
    yield* this.#acked.values();
    yield* this.#items.values();
  }

  /** When each command was sent that has no answer yet. */
  *askedMs(): Iterable<number> {
    for (const item of this.#inFlight.values()) {
      yield item.asked_ms;
    }
  }

  // What the user wants

  enqueue(turn: Turn, given: InputOf<"enqueue">): void {
    const { room_id, key, command } = given;
    const name = nameOf(room_id, key);
    if (this.#items.has(name)) {
      return;
    }
    if (this.#items.size >= this.#config.items_max) {
      const detail = `${this.#config.items_max} commands are waiting already`;
      turn.emit({ type: "refused", room_id, key, code: QUEUE_FULL, detail, field: null });
      return;
    }
    this.#drop(this.#acked.get(name));
    this.#acked.delete(name);
    this.#add(new Item(room_id, key, this.user_id, command, false));
    if (this.#config.persistent) {
      turn.emit({ type: "store", item: { room_id, key, user_id: this.user_id, command } });
    }
  }

  restore(turn: Turn, items: readonly StoredItem[]): void {
    for (const { room_id, key, user_id, command } of items) {
      this.#add(new Item(room_id, key, user_id, command, true));
    }
    if (this.user_id !== null) {
      this.belongsTo(turn, this.user_id);
    }
  }

  withdraw(turn: Turn, { room_id, key }: InputOf<"withdraw">): void {
    const item = this.#items.get(nameOf(room_id, key));
    if (item?.status === "queued" && !item.maybe_sent) {
      this.#remove(item);
      turn.emit({ type: "withdrawn", room_id, key });
      this.#forget(turn, item);
    }
  }

  /** From now on it is known whose commands these are; others' are set aside. */
  belongsTo(turn: Turn, user_id: string): void {
    this.user_id = user_id;
    for (const item of [...this.#items.values()]) {
      if (item.user_id === null) {
        item.user_id = user_id;
        this.#add(item);
      } else if (item.user_id !== user_id) {
        this.#remove(item);
        this.#unsent(turn, item, "user_changed", "a command of another user's", true);
      }
    }
  }

  // The connection

  /** The connection is gone: what was on its way may or may not have arrived. */
  lost(): void {
    this.#inFlight.clear();
    for (const item of this.#items.values()) {
      item.status = "queued";
    }
  }

  /** Tell everybody who waits; without a persistent queue, give up what is left. */
  close(turn: Turn, code: string, detail: string): void {
    for (const item of [...this.#items.values()]) {
      if (!this.#config.persistent) {
        this.#remove(item);
      }
      this.#unsent(turn, item, code, detail, this.#config.persistent);
    }
  }

  /** Send what may be sent: one for each room at a time, in order. */
  send(turn: Turn, mayBeSentTo: (room_id: string) => boolean): void {
    if (this.#items.size === 0) {
      return;
    }
    const done = new Set<string>();
    for (const item of this.#inFlight.values()) {
      done.add(item.room_id);
    }
    const waiting = new Set<string>();
    for (const item of this.#items.values()) {
      const { room_id } = item;
      if (this.#inFlight.size >= IN_FLIGHT_MAX) {
        return;
      }
      if (done.has(room_id) || (waiting.has(room_id) && item.isChange)) {
        continue;
      }
      if (item.status === "held" && item.steps_aside) {
        waiting.add(room_id);
        continue;
      }
      done.add(room_id);
      if (item.status === "queued" && mayBeSentTo(room_id)) {
        this.#send(turn, item);
      }
    }
  }

  /** What was held in the room and is due may go again. */
  timer(turn: Turn, room_id: string): void {
    for (const item of this.#held(room_id)) {
      if (item.due_ms <= turn.at_ms) {
        item.status = "queued";
      }
    }
    this.#setTimer(turn, room_id);
  }

  // What the server says

  /** The key of the item whose event this is, where it is one of ours. */
  event(event_id: string): string | null {
    const item = this.#byEventId.get(event_id);
    if (item === undefined || item.echoed) {
      return null;
    }
    if (item.status === "acked") {
      this.#acked.delete(item.name);
      this.#drop(item);
    }
    item.echoed = true;
    return item.key;
  }

  /** `awaited`: its event is still to be delivered, as far as the room's position says. */
  acked(turn: Turn, frame: AckFrame, awaited: boolean): void {
    const item = this.#inFlight.get(frame.ref);
    if (item === undefined) {
      return;
    }
    this.#inFlight.delete(frame.ref);
    const { room_id, key } = item;
    const { sequence, message_id, at, duplicate } = frame;
    const merged = item.echoed || !awaited;
    turn.emit({ type: "acked", room_id, key, sequence, message_id, at, duplicate, merged });
    this.#forget(turn, item);
    this.#items.delete(item.name);
    if (merged) {
      this.#drop(item);
    } else {
      item.status = "acked";
      item.sequence = sequence;
      this.#acked.set(item.name, item);
    }
  }

  /** Whether the error answers a command; where it does, it is taken in. */
  refused(turn: Turn, frame: ErrorFrame): boolean {
    const item = frame.ref == null ? undefined : this.#inFlight.get(frame.ref);
    if (item === undefined) {
      return false;
    }
    this.#inFlight.delete(frame.ref ?? "");
    const { room_id, key } = item;
    const { code, detail } = frame;
    if (RETRIED.has(code)) {
      const retry_after_ms = turn.spread(retryMs(frame.retry_after));
      item.status = "held";
      item.due_ms = turn.at_ms + retry_after_ms;
      item.steps_aside = item.isChange && code === "database_unavailable";
      turn.emit({ type: "held", room_id, key, code, detail, retry_after_ms });
      this.#setTimer(turn, room_id);
    } else {
      this.#remove(item);
      const field = frame.field ?? null;
      turn.emit({ type: "refused", room_id, key, code, detail, field });
      this.#forget(turn, item);
    }
    return true;
  }

  /** Let go what is acked and whose event is not to be waited for any more. */
  merge(turn: Turn, awaits: (room_id: string, sequence: number) => boolean): void {
    for (const item of [...this.#acked.values()]) {
      if (!awaits(item.room_id, item.sequence)) {
        this.#merge(turn, item);
      }
    }
  }

  /** The room began anew: no event of what was acked is to come. */
  reset(turn: Turn, room_id: string): void {
    for (const item of [...this.#acked.values()]) {
      if (item.room_id === room_id) {
        this.#merge(turn, item);
      }
    }
  }

  // Steps

  #add(item: Item): void {
    this.#items.set(item.name, item);
    if (item.event_id !== null) {
      this.#byEventId.set(item.event_id, item);
    }
  }

  #remove(item: Item): void {
    this.#items.delete(item.name);
    this.#drop(item);
  }

  #drop(item: Item | undefined): void {
    if (item !== undefined && item.event_id !== null) {
      this.#byEventId.delete(item.event_id);
    }
  }

  #forget(turn: Turn, { room_id, key }: Item): void {
    if (this.#config.persistent) {
      turn.emit({ type: "forget", room_id, key });
    }
  }

  #unsent(turn: Turn, item: Item, code: string, detail: string, kept: boolean): void {
    const { room_id, key, maybe_sent } = item;
    turn.emit({ type: "unsent", room_id, key, code, detail, maybe_sent, kept });
  }

  #merge(turn: Turn, item: Item): void {
    this.#acked.delete(item.name);
    this.#drop(item);
    turn.emit({ type: "merged", room_id: item.room_id, key: item.key });
  }

  #send(turn: Turn, item: Item): void {
    const ref = this.#refs.next("cmd");
    item.status = "sent";
    item.maybe_sent = true;
    item.asked_ms = turn.at_ms;
    this.#inFlight.set(ref, item);
    const frame: ClientFrame = {
      ...item.command,
      ref,
      room_id: item.room_id,
      idempotency_key: item.key,
    };
    turn.emit({ type: "send", frame });
  }

  #held(room_id: string): Item[] {
    return [...this.#items.values()].filter(
      (item) => item.status === "held" && item.room_id === room_id,
    );
  }

  #setTimer(turn: Turn, room_id: string): void {
    const due_ms = Math.min(...this.#held(room_id).map((item) => item.due_ms));
    if (Number.isFinite(due_ms)) {
      const after_ms = Math.max(0, due_ms - turn.at_ms);
      turn.emit({ type: "set_timer", timer: RETRY_TIMER + room_id, after_ms });
    }
  }
}
