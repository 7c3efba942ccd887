/** The client of roomlog. `roomlog-js/react` has hooks over it. */

export type { BundleSource } from "./bundle/lines.js";
export type { BundleCode, BundleVerdict } from "./bundle/verdict.js";
export { type BundleOptions, verifyBundle } from "./bundle/verify-bundle.js";
export { type ClientEvents, type Report, RoomlogClient } from "./client.js";
export { type Connection, type ConnectionSnapshot, isConnected } from "./connection.js";
export * from "./contract.gen.js";
export { type ClientErrorCode, RoomlogError } from "./errors.js";
export { Fold, isToldOfChange } from "./fold.js";
export type { Fetch, RequestOptions } from "./http.js";
export { uuid7 } from "./ids.js";
export type { Ack, PendingItem } from "./items.js";
export type { Command, Reason, Settlement, State, StoredItem } from "./machine/types.js";
export type { ClientOptions } from "./options.js";
export type { OnReset, Reset } from "./reader.js";
export { MemoryQueue, type QueueStore, WebStorageQueue } from "./queue-store.js";
export type * from "./rest.js";
export type {
  ChangeOptions,
  CommandOptions,
  EditOptions,
  FollowOptions,
  Room,
  SendOptions,
} from "./room.js";
export type { RoomList, RoomListSnapshot } from "./room-list.js";
export type { RoomSnapshot } from "./room-snapshot.js";
export type { RoomStore } from "./room-store.js";
export { asHtml, type RoomMessage } from "./room-view.js";
export type { WebSocketConstructor, WebSocketLike } from "./socket.js";
export * from "./states.js";
export type { ReadableStore } from "./store.js";
export type { TokenOption } from "./token-source.js";
