/** What can be subscribed to and read: `useSyncExternalStore` takes it as it is. */
export interface ReadableStore<T> {
  /** Be told of changes, soon after they happen; the answer ends it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** How it stands: the same object until something changes. */
  readonly getSnapshot: () => T;
}

/**
 * A store whose snapshot is made when it is asked for. Listeners are told once for all that
 * happens in one turn of the event loop's microtasks.
 */
export abstract class Store<T> implements ReadableStore<T> {
  readonly #listeners = new Set<() => void>();
  #snapshot: T | undefined;
  #telling = false;

  readonly subscribe = (listener: () => void): (() => void) => {
    // Its own function each time: the same listener may be there twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    if (this.#listeners.size === 1) {
      this.watched();
    }
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) {
        this.unwatched();
      }
    };
  };

  readonly getSnapshot = (): T => {
    this.#snapshot ??= this.take();
    return this.#snapshot;
  };

  /** Whether anybody listens. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Something is different now. */
  protected changed(): void {
    this.#snapshot = undefined;
    if (!this.#telling && this.#listeners.size > 0) {
      this.#telling = true;
      queueMicrotask(() => {
        this.#telling = false;
        for (const listener of [...this.#listeners]) {
          listener();
        }
      });
    }
  }

  /** Make a snapshot of how it stands. */
  protected abstract take(): T;

  /** The first listener came. */
  protected watched(): void {}

  /** The last listener went. */
  protected unwatched(): void {}
}
