import { createContext, useContext } from "react";
import type { MemberState, RoomMessage, RoomRole } from "roomlog-js";

/** What can be done with a room's messages by whoever looks at them. */
export interface MessageActions {
  reply(message: RoomMessage): void;
  edit(message: RoomMessage): void;
  remove(message: RoomMessage): void;
  redact(message: RoomMessage): void;
  react(message: RoomMessage, emoji: string): void;
  versions(message: RoomMessage): void;
  copyLink(message: RoomMessage): void;
  /** Put a message into sight. */
  show(message_id: string): void;
  /** Of something that was refused. */
  retry(key: string): void;
  dismiss(key: string): void;
}

export interface RoomView {
  readonly userId: string;
  readonly members: ReadonlyMap<string, MemberState>;
  readonly online: ReadonlySet<string>;
  readonly role: RoomRole | null;
  /** Whether the reader may say something here now: not in the past, not as an observer. */
  readonly canWrite: boolean;
  /** Whether messages of others may be deleted too. */
  readonly canDelete: boolean;
  /** Whether what messages said may be removed for good. */
  readonly canRedact: boolean;
  /** Whether this is the past, in which what deleted messages had said is at hand. */
  readonly isPast: boolean;
  readonly actions: MessageActions;
  /** A message by its id, where it is at hand. */
  readonly find: (message_id: string) => RoomMessage | undefined;
  /** Calls back whenever `find` may give something else; returns what ends that. */
  readonly onFound: (listener: () => void) => () => void;
}

export const RoomContext = createContext<RoomView | null>(null);

export function useRoomView(): RoomView {
  const view = useContext(RoomContext);
  if (view === null) {
    throw new Error("no room is shown here");
  }
  return view;
}
