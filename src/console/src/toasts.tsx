import { useEffect, useState } from "react";
import { useClient, useRooms } from "roomlog-js/react";
import { hrefOf, useRoute } from "./routes";
import { onSaid } from "./say";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly room: string | null;
}

const SHOWN_MS = 10_000;
const TOASTS_MAX = 4;

/** What concerns the user wherever they are: mentions elsewhere, rooms gained and lost, notices. */
export function Toasts(): React.ReactNode {
  const client = useClient();
  const route = useRoute();
  const { rooms } = useRooms();
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const here = "room" in route ? route.room : null;

  useEffect(() => {
    let count = 0;
    const show = (text: string, room: string | null): void => {
      count += 1;
      const toast = { id: Date.now() + count, text, room };
      setToasts((now) => [...now.slice(-(TOASTS_MAX - 1)), toast]);
      setTimeout(() => setToasts((now) => now.filter((one) => one !== toast)), SHOWN_MS);
    };
    const ends = [
      onSaid((text) => show(text, null)),
      client.on("notice", ({ content }) => show(content, null)),
      client.on("notification", ({ kind, room_id }) => {
        const name = rooms.find((room) => room.room_id === room_id)?.name ?? "a room";
        if (kind === "added") {
          show(`You were added to ${name}`, room_id);
        } else if (kind === "removed") {
          show(`You were removed from ${name}`, null);
        } else if (room_id !== here) {
          show(`You were mentioned in ${name}`, room_id);
        }
      }),
    ];
    return () => ends.forEach((end) => end());
  }, [client, rooms, here]);

  return (
    <div className="toasts" role="status">
      {toasts.map(({ id, text, room }) => (
        <div key={id} className="toast">
          {room === null ? (
            <span>{text}</span>
          ) : (
            <a href={hrefOf({ view: "room", room, message: null })}>{text}</a>
          )}
          <button
            type="button"
            className="icon"
            aria-label="Dismiss"
            onClick={() => setToasts((now) => now.filter((one) => one.id !== id))}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
