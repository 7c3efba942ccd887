import type { StoredItem } from "./machine/types.js";

/**
 * Where items on their way are kept, so that they outlast the client. What `put` and `remove` do
 * is durable when they return, or when their promise resolves. What throws or rejects is reported,
 * and the item is on its way all the same.
 */
export interface QueueStore {
  /** All items, in the order in which they were put. */
  load(): readonly StoredItem[] | Promise<readonly StoredItem[]>;
  put(item: StoredItem): void | Promise<void>;
  remove(room_id: string, key: string): void | Promise<void>;
}

/** Keeps items in memory: they outlast a client, not the page or process. */
export class MemoryQueue implements QueueStore {
  readonly #items = new Map<string, StoredItem>();

  load(): readonly StoredItem[] {
    return [...this.#items.values()];
  }

  put(item: StoredItem): void {
    this.#items.set(`${item.room_id} ${item.key}`, item);
  }

  remove(room_id: string, key: string): void {
    this.#items.delete(`${room_id} ${key}`);
  }
}

const COUNT_DIGITS = 8;
const TIME_DIGITS = 15;

/**
 * Keeps items in a page's `localStorage` (or `sessionStorage`), under keys that begin with
 * `roomlog:<name>:`. One user on one server has one name. Pages that share it send each other's
 * items too when they open; that is harmless, because each has its key.
 */
export class WebStorageQueue implements QueueStore {
  readonly #storage: Storage;
  readonly #prefix: string;
  #count = 0;

  constructor(storage: Storage, name: string) {
    this.#storage = storage;
    this.#prefix = `roomlog:${name}:`;
  }

  load(): readonly StoredItem[] {
    return this.#entries().map(([, item]) => item);
  }

  put(item: StoredItem): void {
    // In order of time, also among pages; and of putting, within this one.
    this.#count += 1;
    const time = String(Date.now()).padStart(TIME_DIGITS, "0");
    const count = String(this.#count).padStart(COUNT_DIGITS, "0");
    const mark = Math.random().toString(36).slice(2);
    this.#storage.setItem(`${this.#prefix}${time}-${count}-${mark}`, JSON.stringify(item));
  }

  remove(room_id: string, key: string): void {
    for (const [place, item] of this.#entries()) {
      if (item.room_id === room_id && item.key === key) {
        this.#storage.removeItem(place);
      }
    }
  }

  #entries(): [string, StoredItem][] {
    const places: string[] = [];
    for (let n = 0; n < this.#storage.length; n += 1) {
      const place = this.#storage.key(n);
      if (place?.startsWith(this.#prefix) === true) {
        places.push(place);
      }
    }
    return places.sort().flatMap((place): [string, StoredItem][] => {
      const item = parsed(this.#storage.getItem(place));
      return item === null ? [] : [[place, item]];
    });
  }
}

function parsed(text: string | null): StoredItem | null {
  try {
    const item = JSON.parse(text ?? "null") as Partial<StoredItem> | null;
    return item !== null && item.room_id && item.key && item.command
      ? { user_id: null, room_id: item.room_id, key: item.key, ...item, command: item.command }
      : null;
  } catch {
    return null;
  }
}
