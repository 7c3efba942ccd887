import type { RoomMessage } from "./room-view.js";

/** Whether a message counts as unread to this user, where they have not seen it. */
export function counts(message: RoomMessage, user_id: string | null): boolean {
  return (
    message.logged &&
    message.sender_id !== user_id &&
    message.message_type !== "system" &&
    message.deleted_at === null
  );
}

/**
 * How many messages of others above the read marker there are: what REST counted, as of a
 * sequence, and what came since.
 */
export class Unread {
  #base: number;
  #head: number;
  #seen = 0;

  constructor(base: number, head: number) {
    this.#base = base;
    this.#head = head;
  }

  /** The user has seen everything up to here. */
  see(sequence: number, messages: readonly RoomMessage[], user_id: string | null): void {
    if (sequence <= this.#seen) {
      return;
    }
    this.#seen = sequence;
    const oldest = messages[0]?.sequence_number ?? 0;
    if (sequence >= this.#head) {
      this.#base = 0;
    } else if (oldest <= sequence) {
      const left = messages.filter(
        (one) => one.sequence_number > sequence && one.sequence_number <= this.#head,
      );
      this.#base = Math.min(this.#base, left.filter((one) => counts(one, user_id)).length);
    }
  }

  count(messages: readonly RoomMessage[], user_id: string | null): number {
    const from = Math.max(this.#head, this.#seen);
    let count = this.#base;
    for (let n = messages.length - 1; n >= 0; n -= 1) {
      const message = messages[n];
      if (message === undefined || message.sequence_number <= from) {
        break;
      }
      count += counts(message, user_id) ? 1 : 0;
    }
    return count;
  }
}
