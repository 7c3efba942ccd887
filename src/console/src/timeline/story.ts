import { type AnyEvent, Fold, type RoomEvent, type RoomStatus } from "roomlog-js";

/** What kind of thing a mark stands for. */
export type MarkKind = "edit" | "delete" | "redact" | "status" | "member";

/** A change that the timeline marks. */
export interface Mark {
  readonly sequence: number;
  /** Milliseconds since 1970; on the story's own line of time, which never goes back. */
  readonly at_ms: number;
  readonly kind: MarkKind;
  readonly actor: string;
  /** What changed: a message's id, or for members theirs. */
  readonly about: string;
  readonly detail: string;
}

/** A message as it said at one time. */
export interface Version {
  readonly sequence: number;
  readonly at: string;
  readonly by: string;
  readonly content: string;
  readonly deleted: boolean;
  readonly reason: string | null;
}

/** A stretch of time in which the incident had one status. */
export interface StatusSpan {
  readonly status: RoomStatus;
  readonly from_ms: number;
  /** null: it still has. */
  readonly to_ms: number | null;
}

interface StatusChange {
  readonly sequence: number;
  readonly at_ms: number;
  readonly status: RoomStatus;
}

/**
 * A room's whole course, made of all its events: where each lies in time, and which of them
 * changed what had been said or how the incident stood. What an event did is the fold's word.
 *
 * Moments are sequences. Each has a time: that of its event, or of the latest one before it where
 * clocks or imports disagree, so that time never goes back.
 */
export class Story {
  readonly sequences: number[] = [];
  readonly times_ms: number[] = [];
  readonly marks: Mark[] = [];
  readonly statuses: StatusChange[] = [];
  /** Redacted messages, each with the redaction's sequence, in order. */
  readonly erased = new Map<string, number>();
  readonly #fold = new Fold();
  readonly #versions = new Map<string, Version[]>();

  get isEmpty(): boolean {
    return this.sequences.length === 0;
  }

  get first(): number {
    return this.sequences[0] ?? 0;
  }

  get head(): number {
    return this.sequences[this.sequences.length - 1] ?? 0;
  }

  get begins_ms(): number {
    return this.times_ms[0] ?? 0;
  }

  get ends_ms(): number {
    return this.times_ms[this.times_ms.length - 1] ?? 0;
  }

  /** Take the next events, in the order of the log; those that are here already are passed over. */
  take(events: readonly RoomEvent[]): void {
    for (const event of events) {
      if (event.sequence > this.head) {
        this.#take(event);
      }
    }
  }

  /** How many events lie at or before this moment. */
  indexAt(sequence: number): number {
    return countUpTo(this.sequences, sequence);
  }

  /** The moment at this time: the last event that had come by then; 0 before the first. */
  sequenceAt(time_ms: number): number {
    return this.sequences[countUpTo(this.times_ms, time_ms) - 1] ?? 0;
  }

  /** When the moment was; the beginning where it lies before the first event. */
  timeAt(sequence: number): number {
    return this.times_ms[this.indexAt(sequence) - 1] ?? this.begins_ms;
  }

  /** The moment some events later, or earlier. */
  stepped(sequence: number, by: number): number {
    const index = this.indexAt(sequence) - 1 + by;
    const kept = Math.max(0, Math.min(index, this.sequences.length - 1));
    return this.sequences[kept] ?? 0;
  }

  /** The mark after (or before) this moment, members left out; null where there is none. */
  markBeside(sequence: number, direction: 1 | -1): Mark | null {
    const marks = this.marks.filter(({ kind }) => kind !== "member");
    if (direction === 1) {
      return marks.find((mark) => mark.sequence > sequence) ?? null;
    }
    return marks.findLast((mark) => mark.sequence < sequence) ?? null;
  }

  statusAt(sequence: number): RoomStatus | null {
    return this.statuses.findLast((change) => change.sequence <= sequence)?.status ?? null;
  }

  statusSpans(): StatusSpan[] {
    return this.statuses.map(({ status, at_ms }, n) => ({
      status,
      from_ms: at_ms,
      to_ms: this.statuses[n + 1]?.at_ms ?? null,
    }));
  }

  /** What a message said, oldest first, up to a moment. A redacted message has said nothing. */
  versions(message_id: string, upTo = this.head): Version[] {
    return (this.#versions.get(message_id) ?? []).filter(({ sequence }) => sequence <= upTo);
  }

  /** How many events fall into each of `count` equal parts of the time that the story takes. */
  density(count: number): number[] {
    const counts = new Array<number>(count).fill(0);
    const length_ms = Math.max(1, this.ends_ms - this.begins_ms);
    for (const time_ms of this.times_ms) {
      const place = Math.floor(((time_ms - this.begins_ms) / length_ms) * count);
      const kept = Math.min(place, count - 1);
      counts[kept] = (counts[kept] ?? 0) + 1;
    }
    return counts;
  }

  #take(event: RoomEvent): void {
    const at_ms = Math.max(Date.parse(event.at), this.ends_ms);
    this.sequences.push(event.sequence);
    this.times_ms.push(at_ms);
    const effect = this.#fold.apply(event);
    const mark = (kind: MarkKind, about: string, detail: string): void => {
      const { sequence, event: told } = event;
      this.marks.push({ sequence, at_ms, kind, actor: told.actor, about, detail });
    };
    const { sequence } = event;
    switch (effect.kind) {
      case "room_opened":
        this.statuses.push({ sequence, at_ms, status: effect.room.status });
        return;
      case "room_changed":
        if (effect.message !== null) {
          this.statuses.push({ sequence, at_ms, status: effect.room.status });
          mark("status", effect.room.room_id, effect.room.status);
        }
        return;
      case "member_changed":
        mark("member", effect.user_id, memberChange(event.event));
        return;
      case "message_added": {
        const { message_id, content } = effect.message;
        this.#said(message_id, event, content, false);
        return;
      }
      case "message_changed":
        this.#said(effect.after.message_id, event, effect.after.content, false);
        mark("edit", effect.after.message_id, effect.after.content);
        return;
      case "message_removed":
        this.#said(effect.after.message_id, event, "", true);
        mark("delete", effect.after.message_id, effect.before.content);
        return;
      case "message_erased":
        this.#forget(effect.after.message_id, sequence);
        mark("redact", effect.after.message_id, "");
        return;
      default:
    }
  }

  /** What changed a redacted message is as if it had never been, as for who reads it all now. */
  #forget(message_id: string, sequence: number): void {
    this.#versions.delete(message_id);
    const kept = this.marks.filter(
      ({ kind, about }) => about !== message_id || (kind !== "edit" && kind !== "delete"),
    );
    this.marks.splice(0, this.marks.length, ...kept);
    this.erased.set(message_id, sequence);
  }

  #said(message_id: string, logged: RoomEvent, content: string, deleted: boolean): void {
    const { event, sequence, at } = logged;
    const reason = "reason" in event ? (event.reason ?? null) : null;
    const versions = this.#versions.get(message_id) ?? [];
    versions.push({ sequence, at, by: event.actor, content, deleted, reason });
    this.#versions.set(message_id, versions);
  }
}

function memberChange(event: AnyEvent): string {
  switch (event.type) {
    case "member.added":
      return `added as ${event.role}`;
    case "member.role_changed":
      return `made ${event.role}`;
    default:
      return "removed";
  }
}

/** How many of these rising numbers are at or below the limit. */
function countUpTo(rising: readonly number[], limit: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] ?? 0) <= limit) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
