import { RoomlogError } from "./errors.js";
import type { Command, Effect, Settlement, StoredItem } from "./machine/types.js";

/** What the log says of a command: its event is on disk, at `sequence`. */
export interface Ack {
  readonly sequence: number;
  readonly message_id: string;
  readonly at: string;
  /** Nothing new was appended: a repeated key, a reaction that was there already. */
  readonly duplicate: boolean;
}

/**
 * A command on its way, or one that was refused and waits for `retry` or `dismiss`. `acked`: it is
 * in the log, and its event is about to come; `echoed`: its event came before its answer. `error`:
 * why it is held, or was refused.
 */
export interface PendingItem {
  readonly room_id: string;
  readonly key: string;
  readonly command: Command;
  readonly status: "queued" | "held" | "acked" | "echoed" | "refused";
  readonly error: RoomlogError | null;
  /** When it was enqueued, RFC 3339 by this machine's clock. */
  readonly at: string;
}

interface Waiter {
  resolve(ack: Ack): void;
  reject(error: unknown): void;
}

const REFUSED_MAX = 1000;

/** All commands on their way, who waits for each, and those that were refused. */
export class Items {
  readonly #items = new Map<string, PendingItem>();
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #changed: (room_id: string) => void;

  /** `changed` is told of each room whose items are others now. */
  constructor(changed: (room_id: string) => void) {
    this.#changed = changed;
  }

  /** The room's items whose events have not come, in the order of enqueueing. */
  of(room_id: string): PendingItem[] {
    return [...this.#items.values()].filter(
      (item) => item.room_id === room_id && item.status !== "echoed",
    );
  }

  get(room_id: string, key: string): PendingItem | undefined {
    return this.#items.get(nameOf(room_id, key));
  }

  /** A promise of how the item ends; call it before the item is enqueued. */
  wait(room_id: string, key: string, command: Command): Promise<Ack> {
    const name = nameOf(room_id, key);
    if (!this.#items.has(name) || this.#items.get(name)?.status === "refused") {
      this.#put({ room_id, key, command, status: "queued", error: null, at: now() });
    }
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(name) ?? [];
      waiters.push({ resolve, reject });
      this.#waiters.set(name, waiters);
    });
  }

  /** Items of an earlier run; nobody waits for them. */
  restored(items: readonly StoredItem[]): void {
    for (const { room_id, key, command } of items) {
      this.#put({ room_id, key, command, status: "queued", error: null, at: now() });
    }
  }

  /** Strike out an item that was refused; the item, where it was. */
  dismiss(room_id: string, key: string): PendingItem | undefined {
    const item = this.get(room_id, key);
    if (item?.status !== "refused") {
      return undefined;
    }
    this.#strike(room_id, key);
    return item;
  }

  held(effect: Extract<Effect, { type: "held" }>): void {
    const { room_id, key, code, detail, retry_after_ms } = effect;
    const error = new RoomlogError(code, detail, { retryAfterMs: retry_after_ms });
    this.#change(room_id, key, { status: "held", error });
  }

  /** The item's event was delivered. Its answer may be still to come, and may be a refusal. */
  echoed(room_id: string, key: string): void {
    if (this.get(room_id, key)?.status === "acked") {
      this.#strike(room_id, key);
    } else {
      this.#change(room_id, key, { status: "echoed", error: null });
    }
  }

  /** The acked item's event is shown already, or will not be. */
  merged(room_id: string, key: string): void {
    this.#strike(room_id, key);
  }

  /** The connection is gone: what was held will be sent with the rest. */
  connectionLost(): void {
    for (const { room_id, key, status } of [...this.#items.values()]) {
      if (status === "held") {
        this.#change(room_id, key, { status: "queued", error: null });
      }
    }
  }

  settled(effect: Settlement): void {
    const { room_id, key } = effect;
    switch (effect.type) {
      case "acked": {
        const { sequence, message_id, at, duplicate, merged } = effect;
        if (merged) {
          this.#strike(room_id, key);
        } else {
          this.#change(room_id, key, { status: "acked", error: null });
        }
        this.#answer(room_id, key, (one) => one.resolve({ sequence, message_id, at, duplicate }));
        return;
      }
      case "withdrawn":
        this.#strike(room_id, key);
        return this.#fail(room_id, key, new RoomlogError("withdrawn", "never sent"));
      case "refused": {
        const { code, detail, field } = effect;
        const errors = field === null ? [] : [{ field, detail }];
        return this.#refuse(room_id, key, new RoomlogError(code, detail, { errors }));
      }
      case "unsent": {
        const { code, detail, maybe_sent: maybeSent, kept } = effect;
        const error = new RoomlogError(code, detail, { maybeSent, kept });
        if (kept && code !== "user_changed") {
          return this.#fail(room_id, key, error);
        }
        return this.#refuse(room_id, key, error);
      }
    }
  }

  #refuse(room_id: string, key: string, error: RoomlogError): void {
    this.#change(room_id, key, { status: "refused", error });
    const refused = [...this.#items.values()].filter((item) => item.status === "refused");
    for (const oldest of refused.slice(0, Math.max(0, refused.length - REFUSED_MAX))) {
      this.#strike(oldest.room_id, oldest.key);
    }
    this.#fail(room_id, key, error);
  }

  #fail(room_id: string, key: string, error: RoomlogError): void {
    this.#answer(room_id, key, (one) => one.reject(error));
  }

  #answer(room_id: string, key: string, tell: (waiter: Waiter) => void): void {
    const name = nameOf(room_id, key);
    const waiters = this.#waiters.get(name) ?? [];
    this.#waiters.delete(name);
    waiters.forEach(tell);
  }

  #put(item: PendingItem): void {
    const name = nameOf(item.room_id, item.key);
    this.#items.delete(name);
    this.#items.set(name, item);
    this.#changed(item.room_id);
  }

  #change(room_id: string, key: string, change: Pick<PendingItem, "status" | "error">): void {
    const item = this.get(room_id, key);
    if (item !== undefined) {
      this.#items.set(nameOf(room_id, key), { ...item, ...change });
      this.#changed(room_id);
    }
  }

  #strike(room_id: string, key: string): void {
    if (this.#items.delete(nameOf(room_id, key))) {
      this.#changed(room_id);
    }
  }
}

function nameOf(room_id: string, key: string): string {
  return `${room_id} ${key}`;
}

function now(): string {
  return new Date().toISOString();
}
