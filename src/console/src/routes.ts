/** Where the reader is, as the part of the address behind `#`: the server never hears of it. */

import { useSyncExternalStore } from "react";

export type Route =
  | { readonly view: "rooms" }
  | { readonly view: "bundle" }
  | { readonly view: "room"; readonly room: string; readonly message: string | null }
  | { readonly view: "timeline"; readonly room: string; readonly at: number | null };

const ROOM = /^#\/rooms\/([^/?]+)(\/timeline)?(?:\?(.*))?$/u;
const ROOMS: Route = { view: "rooms" };
const BUNDLE: Route = { view: "bundle" };

export function parseRoute(hash: string): Route {
  if (hash === hrefOf(BUNDLE)) {
    return BUNDLE;
  }
  const found = ROOM.exec(hash);
  const room = found?.[1];
  if (found === null || room === undefined) {
    return ROOMS;
  }
  const query = new URLSearchParams(found[3] ?? "");
  if (found[2] === undefined) {
    return { view: "room", room: decoded(room), message: query.get("message") };
  }
  const at = Number.parseInt(query.get("at") ?? "", 10);
  return { view: "timeline", room: decoded(room), at: Number.isSafeInteger(at) ? at : null };
}

export function hrefOf(route: Route): string {
  switch (route.view) {
    case "rooms":
      return "#/";
    case "bundle":
      return "#/bundle";
    case "room": {
      const message = route.message === null ? "" : `?message=${encodeURIComponent(route.message)}`;
      return `#/rooms/${encodeURIComponent(route.room)}${message}`;
    }
    case "timeline": {
      const at = route.at === null ? "" : `?at=${route.at}`;
      return `#/rooms/${encodeURIComponent(route.room)}/timeline${at}`;
    }
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function go(route: Route): void {
  window.location.hash = hrefOf(route);
}

let last: { hash: string; route: Route } | null = null;

function current(): Route {
  const { hash } = window.location;
  if (last?.hash !== hash) {
    last = { hash, route: parseRoute(hash) };
  }
  return last.route;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, current);
}
