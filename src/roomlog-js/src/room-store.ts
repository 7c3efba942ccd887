import type { RoomEvent } from "./contract.gen.js";
import { RoomlogError } from "./errors.js";
import type { PendingItem } from "./items.js";
import type { PassedFrame, Phase } from "./machine/types.js";
import { Overlay } from "./overlay.js";
import { Presence } from "./presence.js";
import { Recording } from "./recording.js";
import { asError, isFinal, loadRoom, pauseBeforeRetry, type RoomReads } from "./room-loader.js";
import type { RoomSnapshot } from "./room-snapshot.js";
import { type LoadedRoom, type RoomMessage, RoomView } from "./room-view.js";
import type { MemberState } from "./states.js";
import { Store } from "./store.js";
import { counts, Unread } from "./unread.js";

/** Where the machine is in a room that is followed. */
export interface Place {
  readonly phase: Phase;
  readonly position: number | null;
  readonly epoch: string | null;
}

export interface RoomStoreHost {
  readonly room_id: string;
  readonly rest: RoomReads;
  readonly lingerMs: number;
  readonly pageSize: number;
  userId(): string | null;
  items(): readonly PendingItem[];
  /** null where the room is not followed. */
  place(): Place | null;
  /** Follow the room, unless that is done already. */
  follow(after: number, epoch: string): void;
  /** The store begins to need the room's events, or does not need them any more. */
  storeWants(wanted: boolean): void;
  /** The snapshot is another one. */
  changed(): void;
}

const NO_MEMBERS: ReadonlyMap<string, MemberState> = new Map();
const NO_MESSAGES: readonly RoomMessage[] = [];
const NONE_GONE: ReadonlySet<string> = new Set();
const MESSAGES_MAX = 100_000;
const MESSAGES_KEPT = 90_000;
const SEARCHED_PER_PAGE = 500;

/**
 * A room's present, for as long as somebody watches it (and a little longer). Loads the newest
 * page, then takes every event; where it finds that one is missing, it loads anew.
 */
export class RoomStore extends Store<RoomSnapshot> {
  readonly #host: RoomStoreHost;
  #active = false;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  /** What belongs to an earlier load is not taken. */
  #generation = 0;
  #view: RoomView | null = null;
  #unread = new Unread(0, 0);
  #covered = 0;
  #loads = 0;
  #epoch: string | null = null;
  #stash: LoadedRoom | null = null;
  #presence = new Presence();
  /** The view stands still: another one is being loaded. */
  #reloading = false;
  readonly #recordings = new Set<Recording>();
  #loadingMore: Promise<void> | null = null;
  readonly #refreshing = new Map<string, number>();
  readonly #overlay = new Overlay();
  #error: RoomlogError | null = null;
  #retryNow = (): void => {};
  #ended = false;

  constructor(host: RoomStoreHost) {
    super();
    this.#host = host;
  }

  /** Whether it needs the room's events. */
  get isActive(): boolean {
    return this.#active;
  }

  /** One message as it is shown; undefined where it is not here. */
  message(message_id: string): RoomMessage | undefined {
    const logged = this.#view?.messages() ?? NO_MESSAGES;
    const shown = this.#overlay.over(logged, this.#host.items(), this.#host.userId());
    return shown.changed.get(message_id) ?? this.#view?.get(message_id);
  }

  /** Get older messages. Rejects with a `RoomlogError`; one call at a time asks. */
  loadMore(limit = this.#host.pageSize): Promise<void> {
    this.#loadingMore ??= this.#loadMore(limit)
      .then(
        () => {
          this.#error = null;
        },
        (error: unknown) => {
          this.#error = asError(error);
          throw this.#error;
        },
      )
      .finally(() => {
        this.#loadingMore = null;
        this.changed();
      });
    this.changed();
    return this.#loadingMore;
  }

  /**
   * The id of the first message that the user has not seen, loaded with all after it; null where
   * there is none. Rejects with a `RoomlogError`.
   */
  async findFirstUnread(): Promise<string | null> {
    for (;;) {
      const { unread, messages, hasMore } = this.getSnapshot();
      if (unread === 0) {
        return null;
      }
      const unseen = messages.filter((one) => counts(one, this.#host.userId()));
      if (unseen.length >= unread || !hasMore) {
        return unseen[Math.max(0, unseen.length - unread)]?.message_id ?? null;
      }
      await this.loadMore(SEARCHED_PER_PAGE);
    }
  }

  /** Load the room anew, after it ended or whenever there is doubt. */
  reload(): void {
    if (this.#active) {
      void this.#load();
    }
  }

  // What the room hears

  deliver(event: RoomEvent): void {
    for (const recording of this.#recordings) {
      recording.push(event);
    }
    if (this.#view !== null && !this.#reloading) {
      this.#take(this.#view, event);
    }
  }

  /** Nothing was missed up to here. */
  roomLive(position: number): void {
    if (this.#view !== null && !this.#reloading && position > this.#covered) {
      void this.#load();
    }
    this.changed();
  }

  ended(error: RoomlogError): void {
    this.#generation += 1;
    this.#reloading = false;
    this.#ended = true;
    this.#error = error;
    this.#presence.ended();
    this.changed();
  }

  /** Read the page that `reset` will show. Rejects with a `RoomlogError`. */
  async loadForReset(position: number, epoch: string): Promise<void> {
    this.#stash = null;
    const loaded = await loadRoom(this.#host, position);
    if (loaded.page.epoch !== epoch) {
      const detail = `the page is of epoch ${loaded.page.epoch}, not ${epoch}`;
      throw new RoomlogError("projection_behind", detail);
    }
    this.#stash = loaded;
  }

  reset(): void {
    const stash = this.#stash;
    this.#stash = null;
    if (stash === null) {
      this.reload();
    } else if (this.#active) {
      this.#generation += 1;
      this.#begin(stash, []);
    }
  }

  passed(frame: PassedFrame): void {
    if (this.#presence.passed(frame)) {
      this.changed();
    }
  }

  connectionChanged(connected: boolean): void {
    if (connected) {
      this.#retryNow();
    } else {
      this.#presence.connectionLost();
    }
    this.changed();
  }

  /** What is on its way for the room is something else now. */
  itemsChanged(): void {
    this.changed();
  }

  /** The user has seen everything up to here. */
  seen(sequence: number): void {
    this.#unread.see(sequence, this.#view?.messages() ?? NO_MESSAGES, this.#host.userId());
    this.changed();
  }

  // As a store

  protected override watched(): void {
    clearTimeout(this.#lingering);
    if (!this.#active) {
      this.#active = true;
      this.#host.storeWants(true);
      void this.#load();
    }
  }

  protected override unwatched(): void {
    this.#lingering = setTimeout(() => this.stop(), this.#host.lingerMs);
  }

  /** Let everything go. Whoever still listens begins it anew by listening again. */
  stop(): void {
    clearTimeout(this.#lingering);
    if (!this.#active) {
      return;
    }
    this.#active = this.#ended = this.#reloading = false;
    this.#generation += 1;
    this.#view = this.#error = this.#stash = null;
    this.#presence = new Presence();
    this.#refreshing.clear();
    this.#retryNow();
    this.changed();
    this.#host.storeWants(false);
  }

  protected override take(): RoomSnapshot {
    const view = this.#view;
    const room = view?.room ?? null;
    const members = room?.members ?? NO_MEMBERS;
    const logged = view?.messages() ?? NO_MESSAGES;
    const userId = this.#host.userId();
    const { online, typing, role } = this.#presence;
    const begun = view === null ? "loading" : "ready";
    return {
      status: this.#ended ? "ended" : begun,
      error: this.#error,
      room,
      members,
      role: members.get(userId ?? "")?.role ?? role,
      messages: this.#overlay.over(logged, this.#host.items(), userId).messages,
      gone: view?.gone ?? NONE_GONE,
      loads: this.#loads,
      hasMore: view?.hasMore ?? false,
      loadingMore: this.#loadingMore !== null,
      online,
      typing,
      unread: view === null ? 0 : this.#unread.count(logged, userId),
      live: begun === "ready" && this.#isLive,
      position: view === null ? null : this.#covered,
      epoch: this.#epoch,
    };
  }

  get #isLive(): boolean {
    return !this.#ended && !this.#reloading && this.#host.place()?.phase === "live";
  }

  protected override changed(): void {
    super.changed();
    this.#host.changed();
  }

  // Loading and folding

  async #load(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    this.#retryNow();
    this.#reloading = true;
    this.#ended = false;
    for (let attempt = 0; generation === this.#generation; attempt += 1) {
      try {
        const position = this.#host.place()?.position ?? null;
        const read = await this.#recorded(() => loadRoom(this.#host, position));
        if (generation === this.#generation) {
          this.#begin(read.result, read.recording.events);
          this.#host.follow(read.result.page.head, read.result.page.epoch);
        }
        return;
      } catch (error) {
        if (generation === this.#generation) {
          await this.#loadFailed(asError(error), attempt);
        }
      }
    }
  }

  async #loadFailed(error: RoomlogError, attempt: number): Promise<void> {
    if (isFinal(error)) {
      this.ended(error);
      return;
    }
    this.#error = error;
    this.changed();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseBeforeRetry(attempt, error));
      this.#retryNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #begin(loaded: LoadedRoom, recent: readonly RoomEvent[]): void {
    const view = new RoomView(loaded);
    this.#view = view;
    this.#loads += 1;
    this.#reloading = false;
    this.#covered = loaded.page.head;
    this.#epoch = loaded.page.epoch;
    this.#unread = new Unread(loaded.unread.count, loaded.unread.head);
    this.#error = null;
    this.#refreshing.clear();
    for (const event of recent) {
      this.#take(view, event);
    }
    this.changed();
  }

  #take(view: RoomView, event: RoomEvent): void {
    if (this.#reloading || event.sequence <= this.#covered) {
      return;
    }
    if (event.prev_sequence > this.#covered) {
      void this.#load();
      return;
    }
    this.#covered = event.sequence;
    const unsure = view.apply(event);
    const about = "message_id" in event.event ? event.event.message_id : null;
    if (unsure !== null || (about !== null && this.#refreshing.has(about))) {
      this.#refresh(unsure ?? about ?? "", event.sequence);
    }
    if (view.size > MESSAGES_MAX) {
      view.trim(MESSAGES_KEPT);
    }
    this.changed();
  }

  /** Load a message again, as of this sequence at least. */
  #refresh(message_id: string, sequence: number): void {
    const running = this.#refreshing.has(message_id);
    this.#refreshing.set(message_id, sequence);
    if (!running) {
      const generation = this.#generation;
      void this.#refreshOnce(message_id, generation).catch((error: unknown) => {
        const refusal = asError(error);
        // An event that had no effect made no message.
        if (generation === this.#generation && refusal.code !== "not_found") {
          this.#error = refusal;
          this.changed();
        }
        this.#refreshing.delete(message_id);
      });
    }
  }

  async #refreshOnce(message_id: string, generation: number): Promise<void> {
    const min_sequence = this.#refreshing.get(message_id) ?? 0;
    const { rest, room_id } = this.#host;
    const message = await rest.message(room_id, message_id, { min_sequence });
    if (generation !== this.#generation) {
      return;
    }
    if ((this.#refreshing.get(message_id) ?? 0) > min_sequence) {
      await this.#refreshOnce(message_id, generation);
      return;
    }
    this.#refreshing.delete(message_id);
    this.#view?.replace(message, min_sequence);
    this.changed();
  }

  async #loadMore(limit: number): Promise<void> {
    const view = this.#view;
    if (view === null || !view.hasMore) {
      return;
    }
    const { rest, room_id } = this.#host;
    const query = { limit, before: view.oldest, min_sequence: this.#covered };
    const { result: page, recording } = await this.#recorded(() => rest.messages(room_id, query));
    if (view !== this.#view) {
      return;
    }
    if (recording.overflowed) {
      return this.#load();
    }
    view.prepend(page);
    const added = new Set(page.items.map((message) => message.message_id));
    // What came meanwhile passed these messages by, because they were not here.
    for (const { event, ...place } of recording.events) {
      if ("message_id" in event && added.has(event.message_id)) {
        view.apply({ event, ...place });
      }
    }
  }

  /** The result of some work, and the events that came while it was under way. */
  async #recorded<T>(work: () => Promise<T>): Promise<{ result: T; recording: Recording }> {
    const recording = new Recording();
    this.#recordings.add(recording);
    try {
      return { result: await work(), recording };
    } finally {
      this.#recordings.delete(recording);
    }
  }
}
