/** Hooks over the client. Each is `useSyncExternalStore` over one of its stores, and no more. */

import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
} from "react";
import type { RoomlogClient } from "../client.js";
import type { ConnectionSnapshot } from "../connection.js";
import type { ReactionCount } from "../contract.gen.js";
import type { Ack } from "../items.js";
import type { ChangeOptions, EditOptions, Room, SendOptions } from "../room.js";
import type { RoomListSnapshot } from "../room-list.js";
import type { RoomSnapshot } from "../room-snapshot.js";
import type { RoomMessage } from "../room-view.js";
import type { ReadableStore } from "../store.js";

const ClientContext = createContext<RoomlogClient | null>(null);

/** Gives the client to all hooks below, and connects it. Closing it is its owner's to do. */
export function RoomlogProvider(props: {
  readonly client: RoomlogClient;
  readonly children?: ReactNode;
}): ReactNode {
  const { client, children } = props;
  useEffect(() => {
    client.connect();
  }, [client]);
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** The client of the `RoomlogProvider` above. Throws where there is none. */
export function useClient(): RoomlogClient {
  const client = useContext(ClientContext);
  if (client === null) {
    throw new Error("no <RoomlogProvider> above");
  }
  return client;
}

/** A part of a store's snapshot; it must be the same object as long as it says the same. */
function usePart<T, Part>(store: ReadableStore<T>, part: (snapshot: T) => Part): Part {
  const get = (): Part => part(store.getSnapshot());
  return useSyncExternalStore(store.subscribe, get, get);
}

function useRoomPart<Part>(room_id: string, part: (snapshot: RoomSnapshot) => Part): Part {
  return usePart(useClient().room(room_id).store, part);
}

/** Where the connection stands, and `connect`, which tries again now. */
export function useConnection(): ConnectionSnapshot & { readonly connect: () => void } {
  const client = useClient();
  const snapshot = usePart(client.connection, (now) => now);
  const connect = useCallback(() => client.connect(), [client]);
  return useMemo(() => ({ ...snapshot, connect }), [snapshot, connect]);
}

/** The user's rooms with what is unread in each, and `refresh`. */
export function useRooms(): RoomListSnapshot & { readonly refresh: () => void } {
  const { roomList } = useClient();
  const snapshot = usePart(roomList, (now) => now);
  const refresh = useCallback(() => void roomList.refresh(), [roomList]);
  return useMemo(() => ({ ...snapshot, refresh }), [snapshot, refresh]);
}

export interface RoomHook
  extends Pick<
    RoomSnapshot,
    "status" | "error" | "members" | "role" | "live" | "position" | "epoch"
  > {
  /** What can be done with it. */
  readonly room: Room;
  /** Its name, title, severity, status …; null until it is loaded. */
  readonly info: RoomSnapshot["room"];
}

/** A room, which is followed as long as this is mounted. */
export function useRoom(room_id: string): RoomHook {
  const room = useClient().room(room_id);
  const snapshot = usePart(room.store, (now) => now);
  return useMemo(() => {
    const { status, error, room: info, members, role, live, position, epoch } = snapshot;
    return { room, status, error, info, members, role, live, position, epoch };
  }, [room, snapshot]);
}

export interface MessagesHook
  extends Pick<RoomSnapshot, "status" | "error" | "hasMore" | "loadingMore"> {
  /** Oldest first; behind those of the log, those that are on their way. */
  readonly messages: readonly RoomMessage[];
  /** Ids of what was deleted or redacted since the room was loaded, whether it is here or not. */
  readonly gone: ReadonlySet<string>;
  /** How often the room was loaded: what was read before may not be as it was. */
  readonly loads: number;
  /** Get older ones; where that fails, `error` tells. */
  readonly loadMore: (limit?: number) => Promise<void>;
  readonly send: (content: string, options?: SendOptions) => Promise<Ack>;
  readonly edit: (message_id: string, content: string, options?: EditOptions) => Promise<Ack>;
  readonly remove: (message_id: string, options?: ChangeOptions) => Promise<Ack>;
  /** Of a refused item, by its key. */
  readonly retry: (key: string) => void;
  readonly dismiss: (key: string) => void;
}

/**
 * A room's messages as they stand, live, with those on their way, and what can be done with them.
 * How each command ended shows in the list; its promise may be ignored.
 */
export function useMessages(room_id: string): MessagesHook {
  const room = useClient().room(room_id);
  const messages = usePart(room.store, (now) => now.messages);
  const gone = usePart(room.store, (now) => now.gone);
  const loads = usePart(room.store, (now) => now.loads);
  const status = usePart(room.store, (now) => now.status);
  const error = usePart(room.store, (now) => now.error);
  const hasMore = usePart(room.store, (now) => now.hasMore);
  const loadingMore = usePart(room.store, (now) => now.loadingMore);
  const actions = useMemo(
    () => ({
      loadMore: (limit?: number) => room.store.loadMore(limit).catch(() => {}),
      send: (content: string, options?: SendOptions) => shown(room.send(content, options)),
      edit: (message_id: string, content: string, options?: EditOptions) =>
        shown(room.edit(message_id, content, options)),
      remove: (message_id: string, options?: ChangeOptions) =>
        shown(room.delete(message_id, options)),
      retry: (key: string) => room.retry(key),
      dismiss: (key: string) => room.dismiss(key),
    }),
    [room],
  );
  return useMemo(
    () => ({ messages, gone, loads, status, error, hasMore, loadingMore, ...actions }),
    [messages, gone, loads, status, error, hasMore, loadingMore, actions],
  );
}

/** `mine`: the user is among those who reacted so. */
export interface Reaction extends ReactionCount {
  readonly mine: boolean;
}

const NO_REACTIONS: readonly ReactionCount[] = [];

/** The reactions of a message, and `toggle`, which adds the user's or takes it back. */
export function useReactions(
  room_id: string,
  message_id: string,
): { readonly reactions: readonly Reaction[]; readonly toggle: (emoji: string) => Promise<Ack> } {
  const client = useClient();
  const room = client.room(room_id);
  const counted = usePart(
    room.store,
    () => room.store.message(message_id)?.reactions ?? NO_REACTIONS,
  );
  const userId = usePart(client.connection, (now) => now.userId);
  return useMemo(() => {
    const reactions = counted.map((one) => ({
      ...one,
      mine: userId !== null && one.users.includes(userId),
    }));
    const toggle = (emoji: string): Promise<Ack> => {
      const mine = reactions.some((one) => one.emoji === emoji && one.mine);
      return shown(mine ? room.unreact(message_id, emoji) : room.react(message_id, emoji));
    };
    return { reactions, toggle };
  }, [counted, userId, room, message_id]);
}

/** The user ids of who is in the room now. */
export function usePresence(room_id: string): readonly string[] {
  return useRoomPart(room_id, (now) => now.online);
}

/** The user ids of all others who type, and `setTyping`, to be called with each key. */
export function useTyping(room_id: string): {
  readonly users: readonly string[];
  readonly setTyping: (active: boolean) => void;
} {
  const client = useClient();
  const room = client.room(room_id);
  const typing = usePart(room.store, (now) => now.typing);
  const userId = usePart(client.connection, (now) => now.userId);
  return useMemo(
    () => ({
      users: typing.filter((user) => user !== userId),
      setTyping: (active: boolean) => room.typing(active),
    }),
    [typing, userId, room],
  );
}

/** How much the user has not seen, and `markSeen`: up to a sequence, or all that is here. */
export function useUnread(room_id: string): {
  readonly unread: number;
  readonly markSeen: (sequence?: number) => void;
} {
  const room = useClient().room(room_id);
  const unread = usePart(room.store, (now) => now.unread);
  const markSeen = useCallback(
    (sequence?: number) => {
      const upTo = sequence ?? room.store.getSnapshot().position;
      if (upTo !== null) {
        room.seen(upTo);
      }
    },
    [room],
  );
  return useMemo(() => ({ unread, markSeen }), [unread, markSeen]);
}

/** A promise that may be ignored, because the list shows how it ends. */
function shown(answer: Promise<Ack>): Promise<Ack> {
  answer.catch(() => {});
  return answer;
}
