/** What a page's browser tells of the network; elsewhere nothing is told. */

interface PageEvents {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
  navigator?: { onLine?: boolean };
  document?: {
    visibilityState?: string;
    addEventListener(type: string, listener: () => void): void;
    removeEventListener(type: string, listener: () => void): void;
  };
}

const page = globalThis as unknown as PageEvents;

/** Whether the device says that it has no network. */
export function isOffline(): boolean {
  return page.navigator?.onLine === false;
}

/** Whether somebody may be looking. */
export function isVisible(): boolean {
  return page.document?.visibilityState !== "hidden";
}

/**
 * Be told when the network comes (or when somebody looks again, after timers may have slept) and
 * when it goes. The answer ends it.
 */
export function watchNetwork(online: () => void, offline: () => void): () => void {
  const looked = (): void => {
    if (isVisible() && !isOffline()) {
      online();
    }
  };
  page.addEventListener?.("online", online);
  page.addEventListener?.("offline", offline);
  page.document?.addEventListener("visibilitychange", looked);
  return () => {
    page.removeEventListener?.("online", online);
    page.removeEventListener?.("offline", offline);
    page.document?.removeEventListener("visibilitychange", looked);
  };
}
