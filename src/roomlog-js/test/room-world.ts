import type {
  MemberResponse,
  MessageResponse,
  RoomEvent,
  RoomPage,
  RoomResponse,
} from "../src/contract.gen.js";
import { RoomlogError } from "../src/errors.js";
import type { RoomReads } from "../src/room-loader.js";
import { type Place, RoomStore } from "../src/room-store.js";
import { asRest, folded, loadedFrom, pageOf } from "./fold-cases.js";

interface Question {
  /** Answer with what there is now, and let the answer travel. */
  read(): void;
  /** The answer arrives: what was read, else what there is now. */
  answer(): void;
  refuse(): void;
}

/**
 * A room whose log grows, whose events are delivered, and whose questions by REST are answered,
 * each when the test says so.
 */
export class RoomWorld implements RoomReads {
  readonly store: RoomStore;
  readonly questions: Question[] = [];
  readonly #history: readonly RoomEvent[];
  #appended: number;
  #delivered: number | null = null;
  #followed = false;
  #position: number | null = null;

  /** `begun`: how many events there are at first. */
  constructor(history: readonly RoomEvent[], begun: number, pageSize: number) {
    this.#history = history;
    this.#appended = begun;
    this.store = new RoomStore({
      ...{ room_id: "r", rest: this, lingerMs: 0, pageSize },
      userId: () => null,
      items: () => [],
      place: () => this.#place(),
      follow: (after) => this.follow(after),
      storeWants: () => {},
      changed: () => {},
    });
    this.store.subscribe(() => {});
  }

  get log(): readonly RoomEvent[] {
    return this.#history.slice(0, this.#appended);
  }

  get head(): number {
    return this.log.at(-1)?.sequence ?? 0;
  }

  #place(): Place | null {
    return this.#followed ? { phase: "live", position: this.#position, epoch: "e" } : null;
  }

  /** Somebody follows the room from here (null: from where it is when that is taken in). */
  follow(after: number | null): void {
    if (!this.#followed) {
      this.#followed = true;
      this.#position = after;
      if (after !== null) {
        this.#delivered = this.log.filter((one) => one.sequence <= after).length;
      }
    }
  }

  append(count: number): void {
    this.#appended = Math.min(this.#history.length, this.#appended + count);
  }

  deliver(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const event = this.#delivered === null ? undefined : this.log[this.#delivered];
      if (event !== undefined && this.#delivered !== null) {
        this.#delivered += 1;
        this.#position = event.sequence;
        this.store.deliver(event);
      }
    }
  }

  /** All was delivered, and the server says so. */
  live(): void {
    if (this.#followed) {
      this.#delivered ??= this.#appended;
    }
    if (this.#delivered === this.#appended) {
      this.#position = this.head;
      this.store.roomLive(this.head);
    }
  }

  room(): Promise<RoomResponse> {
    return this.#ask(() => loadedFrom(folded(this.log), this.head, 1).room);
  }

  members(): Promise<RoomPage<MemberResponse>> {
    return this.#ask(() => {
      const items = [...loadedFrom(folded(this.log), this.head, 1).members];
      return { items, next: null, head: this.head, epoch: "e" };
    });
  }

  messages(
    _room_id: string,
    query: { limit?: number; before?: number } = {},
  ): Promise<RoomPage<MessageResponse>> {
    return this.#ask(() => pageOf(folded(this.log), this.head, query.limit ?? 50, query.before));
  }

  message(_room_id: string, message_id: string): Promise<MessageResponse> {
    return this.#ask(() => {
      const state = folded(this.log).messages.get(message_id);
      if (state === undefined) {
        throw new RoomlogError("not_found", "no such message");
      }
      return asRest(state);
    });
  }

  #ask<T>(answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let tell: (() => void) | null = null;
      const read = (): void => {
        try {
          const told = answer();
          tell ??= () => resolve(told);
        } catch (error) {
          tell ??= () => reject(error);
        }
      };
      this.questions.push({
        read,
        answer: () => {
          read();
          tell?.();
        },
        refuse: () => reject(new RoomlogError("no_answer", "the network is away")),
      });
    });
  }
}
