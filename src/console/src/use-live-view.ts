import { useMemo } from "react";
import type { Room, RoomMessage } from "roomlog-js";
import { useClient, usePresence, useRoom } from "roomlog-js/react";
import type { Writing } from "./composer/composer";
import type { RoomView } from "./room-context";
import type { PanelShown } from "./room-header";
import { hrefOf } from "./routes";
import { copyAddress } from "./say";
import { useSession } from "./session-context";

interface Setters {
  readonly setWriting: (writing: Writing) => void;
  readonly setDraft: (draft: string) => void;
  readonly setPanel: (panel: PanelShown) => void;
  readonly setRemoving: (message: RoomMessage) => void;
  readonly setRedacting: (message: RoomMessage) => void;
}

/** What the room's messages need to know, the same object as long as it says the same. */
export function useLiveView(
  room: Room,
  show: (message_id: string) => void,
  setters: Setters,
): RoomView {
  const { claims } = useSession();
  const client = useClient();
  const { members, role } = useRoom(room.id);
  const present = usePresence(room.id);
  const { setWriting, setDraft, setPanel, setRemoving, setRedacting } = setters;
  return useMemo(() => {
    const userId = client.connection.getSnapshot().userId ?? claims.sub;
    return {
      userId,
      members,
      online: new Set(present),
      role,
      canWrite: role === "commander" || role === "responder",
      canDelete: role === "commander" || claims.roles.includes("admin"),
      canRedact: claims.roles.includes("admin"),
      isPast: false,
      find: (id) => room.store.message(id),
      onFound: room.store.subscribe,
      actions: {
        reply: (to) => setWriting({ kind: "reply", to }),
        edit: (of) => {
          setWriting({ kind: "edit", of });
          setDraft(of.content);
        },
        remove: setRemoving,
        redact: setRedacting,
        react: (message, emoji) => {
          const mine = message.reactions.some(
            (one) => one.emoji === emoji && one.users.includes(userId),
          );
          const command = mine
            ? room.unreact(message.message_id, emoji)
            : room.react(message.message_id, emoji);
          command.catch(() => {}); // the list shows how it ends
        },
        versions: (of) => setPanel({ kind: "versions", of }),
        copyLink: ({ message_id }) => {
          void copyAddress(hrefOf({ view: "room", room: room.id, message: message_id }));
        },
        show,
        retry: (key) => room.retry(key),
        dismiss: (key) => room.dismiss(key),
      },
    };
  }, [
    room,
    show,
    client,
    claims,
    members,
    role,
    present,
    setWriting,
    setDraft,
    setPanel,
    setRemoving,
    setRedacting,
  ]);
}
