import type { RoomResponse } from "./contract.gen.js";
import type { RoomlogError } from "./errors.js";
import { isVisible } from "./network.js";
import type { Rest } from "./rest.js";
import { asError } from "./room-loader.js";
import { Store } from "./store.js";

export interface RoomListSnapshot {
  readonly status: "loading" | "ready";
  readonly rooms: readonly RoomResponse[];
  /** Why reading them failed last; null where it did not. */
  readonly error: RoomlogError | null;
}

/** The user's rooms, at most so many pages of them. Rejects with a `RoomlogError`. */
export async function allRooms(
  rest: Rest,
  pages_max = Number.POSITIVE_INFINITY,
): Promise<RoomResponse[]> {
  const rooms: RoomResponse[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < pages_max; pages += 1) {
    const page = await rest.rooms({ limit: PAGE_ROOMS, cursor });
    rooms.push(...page.items);
    cursor = page.next;
    if (cursor === null) {
      break;
    }
  }
  return rooms;
}

function same<T extends object>(one: T, other: T): boolean {
  return Object.entries(one).every(([name, value]) => other[name as keyof T] === value);
}

const PAGE_ROOMS = 500;
const PAGES_MAX = 20;
const REFRESH_MS = 30_000;
const SOON_MS = 200;

/**
 * The user's rooms with what is unread in each. While somebody watches, it is read again when the
 * connection comes back, when a notification tells of something, and every 30 s. A room whose
 * store is watched tells of itself at once, by `amend`.
 */
export class RoomList extends Store<RoomListSnapshot> {
  readonly #rest: Rest;
  readonly #amend: (room: RoomResponse) => RoomResponse;
  #rooms: readonly RoomResponse[] = [];
  #shown: RoomListSnapshot = { status: "loading", rooms: [], error: null };
  #status: "loading" | "ready" = "loading";
  #error: RoomlogError | null = null;
  #reading: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(rest: Rest, amend: (room: RoomResponse) => RoomResponse) {
    super();
    this.#rest = rest;
    this.#amend = amend;
  }

  /** Read the list now. Never rejects: `error` tells. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      this.#later(REFRESH_MS);
    });
    return this.#reading;
  }

  /** Something happened that the list shows: read it soon, if anybody watches. */
  outdated(): void {
    this.#later(SOON_MS);
  }

  /** A room may tell something else of itself. */
  amended(): void {
    const before = this.#shown;
    if (this.isWatched && this.take() !== before) {
      this.changed();
    }
  }

  protected override watched(): void {
    void this.refresh();
  }

  protected override unwatched(): void {
    clearTimeout(this.#timer);
  }

  /** Rooms, and the whole, are the same objects as long as they say the same. */
  protected override take(): RoomListSnapshot {
    const before = this.#shown;
    const rooms = this.#rooms.map((room, n) => {
      const amended = this.#amend(room);
      const then = before.rooms[n];
      return then !== undefined && same(amended, then) ? then : amended;
    });
    const unchanged = same(rooms, before.rooms) && rooms.length === before.rooms.length;
    const status = this.#status;
    const error = this.#error;
    if (!unchanged || status !== before.status || error !== before.error) {
      this.#shown = { status, error, rooms: unchanged ? before.rooms : rooms };
    }
    return this.#shown;
  }

  #later(after_ms: number): void {
    clearTimeout(this.#timer);
    if (this.isWatched) {
      this.#timer = setTimeout(() => {
        if (isVisible()) {
          void this.refresh();
        } else {
          this.#later(REFRESH_MS);
        }
      }, after_ms);
    }
  }

  async #read(): Promise<void> {
    try {
      this.#rooms = await allRooms(this.#rest, PAGES_MAX);
      this.#status = "ready";
      this.#error = null;
    } catch (error) {
      this.#error = asError(error);
    }
    this.changed();
  }
}
