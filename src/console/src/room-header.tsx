import { useState } from "react";
import type { RoomMessage, RoomState, RoomStatus } from "roomlog-js";
import { ROOM_STATUS_VALUES } from "roomlog-js";
import { useClient } from "roomlog-js/react";
import { Avatar } from "./parts/avatar";
import { SeverityBadge, STATUS_NAMES, StatusBadge } from "./parts/badges";
import { Icon, type IconName } from "./parts/icon";
import { useRoomView } from "./room-context";

export type PanelShown =
  | { readonly kind: "none" | "people" | "search" | "changes" }
  | { readonly kind: "versions"; readonly of: RoomMessage };

export const NO_PANEL: PanelShown = { kind: "none" };

/** The room's name and how the incident stands, who is here, and what else can be shown. */
export function RoomHeader(props: {
  readonly info: RoomState;
  /** As of the moment that is shown, where that is not now. */
  readonly status: RoomStatus;
  readonly mayChange: boolean;
  readonly onList: () => void;
  readonly children: React.ReactNode;
}): React.ReactNode {
  const { info, status, mayChange, onList, children } = props;
  return (
    <header className="room-header">
      <button
        type="button"
        className="icon to-list"
        aria-label="Rooms"
        title="Rooms"
        onClick={onList}
      >
        <Icon name="menu" />
      </button>
      <div className="names">
        <h1>{info.name}</h1>
        {info.title !== null && (
          <p className="title" title={info.title}>
            {info.title}
          </p>
        )}
      </div>
      <SeverityBadge severity={info.severity} />
      {mayChange ? (
        <StatusChoice roomId={info.room_id} status={status} />
      ) : (
        <StatusBadge status={status} />
      )}
      <div className="tools">{children}</div>
    </header>
  );
}

function StatusChoice(props: {
  readonly roomId: string;
  readonly status: RoomStatus;
}): React.ReactNode {
  const { roomId, status } = props;
  const client = useClient();
  const [wanted, setWanted] = useState<RoomStatus | null>(null);
  const [error, setError] = useState<string | null>(null);
  const change = async (next: RoomStatus): Promise<void> => {
    setWanted(next);
    setError(null);
    try {
      await client.rest.updateRoom(roomId, { status: next });
    } catch (refusal) {
      setError((refusal as Error).message);
    }
    setWanted(null);
  };
  return (
    <>
      <select
        className="badge status"
        data-status={wanted ?? status}
        aria-label="Status"
        value={wanted ?? status}
        disabled={wanted !== null}
        onChange={(choice) => void change(choice.target.value as RoomStatus)}
      >
        {ROOM_STATUS_VALUES.map((one) => (
          <option key={one} value={one}>
            {STATUS_NAMES[one]}
          </option>
        ))}
      </select>
      {error !== null && (
        <span className="error" role="alert">
          {error}
        </span>
      )}
    </>
  );
}

const AVATARS_MAX = 4;

/** Who is here now, as a few pictures; it opens the list of people. */
export function PeopleButton(props: {
  readonly open: boolean;
  readonly onClick: () => void;
}): React.ReactNode {
  const { open, onClick } = props;
  const { members, online } = useRoomView();
  const here = [...online];
  return (
    <button
      type="button"
      className="here"
      aria-expanded={open}
      title="People"
      onClick={onClick}
    >
      <span className="visually-hidden">People, here now: </span>
      <span className="avatars" aria-hidden="true">
        {here.slice(0, AVATARS_MAX).map((user) => (
          <Avatar key={user} userId={user} members={members} online />
        ))}
      </span>
      <span className="number">{here.length}</span>
    </button>
  );
}

export function ToolButton(props: {
  readonly name: string;
  readonly icon: IconName;
  readonly open: boolean;
  readonly onClick: () => void;
}): React.ReactNode {
  const { name, icon, open, onClick } = props;
  return (
    <button
      type="button"
      className="icon tool"
      aria-expanded={open}
      aria-label={name}
      title={name}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

