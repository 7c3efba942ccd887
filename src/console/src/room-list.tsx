import { useEffect, useState } from "react";
import type { RoomResponse } from "roomlog-js";
import { useRooms } from "roomlog-js/react";
import { counted } from "./format";
import { KeysHelp } from "./keys-help";
import { Avatar } from "./parts/avatar";
import { STATUS_NAMES } from "./parts/badges";
import { Icon } from "./parts/icon";
import { go, hrefOf } from "./routes";
import { useSession } from "./session-context";
import { chooseNextTheme, useTheme } from "./theme";

/** The user's rooms, those with something unread first, and what concerns the page as a whole. */
export function RoomList(props: {
  readonly chosen: string | null;
  readonly onChosen: () => void;
}): React.ReactNode {
  const { chosen, onChosen } = props;
  const { rooms, status, error, refresh } = useRooms();
  const [sought, setSought] = useState("");
  const shown = sorted(rooms.filter((room) => matches(room, sought)));
  useRoomKeys(shown, chosen);
  useUnreadInTitle(rooms, chosen);
  return (
    <nav className="rooms" aria-label="Rooms">
      <header>
        <img src="/favicon.svg" alt="" width="24" height="24" />
        <strong>roomlog</strong>
      </header>
      {rooms.length > 7 && (
        <input
          type="search"
          className="filter"
          aria-label="Filter rooms"
          placeholder="Filter rooms"
          value={sought}
          onChange={(change) => setSought(change.target.value)}
        />
      )}
      <ul>
        {shown.map((room) => (
          <RoomItem key={room.room_id} room={room} chosen={chosen} onChosen={onChosen} />
        ))}
      </ul>
      {status === "ready" && rooms.length === 0 && (
        <p className="quiet empty">
          You are in no room yet. Who commands one can add you; <code>POST /api/rooms</code> opens
          one.
        </p>
      )}
      {status === "loading" && error === null && <p className="quiet empty">Reading the rooms…</p>}
      {error !== null && (
        <p className="error empty" role="alert">
          The rooms can't be read: {error.detail}{" "}
          <button type="button" onClick={refresh}>
            Try again
          </button>
        </p>
      )}
      <Footer />
    </nav>
  );
}

function RoomItem(props: {
  readonly room: RoomResponse;
  readonly chosen: string | null;
  readonly onChosen: () => void;
}): React.ReactNode {
  const { room, chosen, onChosen } = props;
  const { room_id, name, title, severity, status, unread } = room;
  return (
    <li>
      <a
        href={hrefOf({ view: "room", room: room_id, message: null })}
        aria-current={room_id === chosen ? "page" : undefined}
        className={unread > 0 ? "unread" : undefined}
        onClick={onChosen}
      >
        <span className="status-dot" data-status={status} />
        <span className="name">{name}</span>
        <span className="visually-hidden">, {STATUS_NAMES[status]}</span>
        {severity !== null && <span className="severity">{severity}</span>}
        {unread > 0 && (
          <span className="count">
            <span aria-hidden="true">{unread > 999 ? "999+" : unread}</span>
            <span className="visually-hidden">, {counted(unread, "unread message")}</span>
          </span>
        )}
        {title !== null && <span className="title">{title}</span>}
      </a>
    </li>
  );
}

function Footer(): React.ReactNode {
  const { claims, end } = useSession();
  const theme = useTheme();
  const [helps, setHelps] = useState(false);
  return (
    <footer>
      <Avatar userId={claims.sub} />
      <span className="whoami" title={claims.sub}>
        {claims.name ?? claims.sub}
        {claims.roles.length > 0 && <span className="quiet"> {claims.roles.join(", ")}</span>}
      </span>
      <button
        type="button"
        className="icon"
        title={`Colours: ${theme}`}
        aria-label={`Colours: ${theme}. Change`}
        onClick={chooseNextTheme}
      >
        <Icon name="theme" />
      </button>
      <button
        type="button"
        className="icon"
        title="Keys"
        aria-label="Keys"
        onClick={() => setHelps(true)}
      >
        <Icon name="keys" />
      </button>
      <button
        type="button"
        className="icon"
        title="Sign out"
        aria-label="Sign out"
        onClick={end}
      >
        <Icon name="out" />
      </button>
      {helps && <KeysHelp onClose={() => setHelps(false)} />}
    </footer>
  );
}

function matches(room: RoomResponse, sought: string): boolean {
  const text = `${room.name} ${room.title ?? ""} ${room.severity ?? ""}`.toLowerCase();
  return text.includes(sought.trim().toLowerCase());
}

const RANK = { open: 0, mitigated: 1, resolved: 2, closed: 3 } as const;

/** What is under way first, and of that the newest. */
function sorted(rooms: readonly RoomResponse[]): RoomResponse[] {
  return rooms.toSorted(
    (one, other) =>
      RANK[one.status] - RANK[other.status] ||
      other.created_at.localeCompare(one.created_at) ||
      one.name.localeCompare(other.name),
  );
}

/** Alt with an arrow goes to the room above or below. */
function useRoomKeys(rooms: readonly RoomResponse[], chosen: string | null): void {
  useEffect(() => {
    const onKey = (key: KeyboardEvent): void => {
      const step = key.key === "ArrowDown" ? 1 : key.key === "ArrowUp" ? -1 : 0;
      if (step === 0 || !key.altKey || key.ctrlKey || key.metaKey) {
        return;
      }
      const index = rooms.findIndex((room) => room.room_id === chosen);
      const next = rooms[index + step];
      if (next !== undefined) {
        key.preventDefault();
        go({ view: "room", room: next.room_id, message: null });
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [rooms, chosen]);
}

function useUnreadInTitle(rooms: readonly RoomResponse[], chosen: string | null): void {
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  const name = rooms.find((room) => room.room_id === chosen)?.name;
  useEffect(() => {
    const count = unread > 0 ? `(${unread}) ` : "";
    document.title = `${count}${name === undefined ? "" : `${name} · `}roomlog`;
  }, [unread, name]);
}
