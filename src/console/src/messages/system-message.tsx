import type { RoomMessage, RoomStatus } from "roomlog-js";
import { isToldOfChange, ROOM_STATUS_VALUES } from "roomlog-js";
import { exactTime, nameOf, timeOf } from "../format";
import { StatusBadge } from "../parts/badges";
import { Icon, type IconName } from "../parts/icon";
import { useRoomView } from "../room-context";
import { ActionRow, type Offer } from "./action-row";
import { Reactions } from "./reactions";

interface Facts {
  readonly event?: unknown;
  readonly status?: unknown;
  readonly user_id?: unknown;
  readonly role?: unknown;
}

/** What the room itself tells: who came and went, and how the incident stands. */
export function SystemMessage(props: {
  readonly message: RoomMessage;
  readonly marked: boolean;
}): React.ReactNode {
  const { message, marked } = props;
  const { message_id, sequence_number, created_at } = message;
  const { event } = message.metadata as Facts;
  return (
    <article
      data-row={message_id}
      data-sequence={sequence_number}
      className={marked ? "system marked" : "system"}
      data-event={String(event)}
      tabIndex={-1}
      aria-label={`Told at ${timeOf(created_at)}`}
    >
      <div className="gutter">
        <Icon name={iconOf(event)} />
      </div>
      <div className="said">
        <p>
          <Told message={message} />{" "}
          <time dateTime={created_at} title={exactTime(created_at)}>
            {timeOf(created_at)}
          </time>
        </p>
        <Reactions message={message} />
      </div>
      {!isToldOfChange(message) && <Removals message={message} />}
    </article>
  );
}

/** What was sent as a system message can be taken away as any other; it can't be changed. Once it
 * is deleted nothing tells it from a change of members or status, of which none can be redacted. */
function Removals(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  const { canDelete, canRedact, isPast, actions } = useRoomView();
  const there = message.deleted_at === null;
  const offered: readonly Offer[] = [
    {
      name: "Delete",
      icon: "remove",
      may: (there || isPast) && canDelete,
      act: () => actions.remove(message),
    },
    {
      name: "Redact…",
      icon: "redact",
      may: there && canRedact,
      act: () => actions.redact(message),
    },
  ];
  if (!message.logged || offered.every(({ may }) => !may)) {
    return null;
  }
  return <ActionRow offered={offered} />;
}

function iconOf(event: unknown): IconName {
  if (event === "status_changed") {
    return "flag";
  }
  return event === "notice" || event === "imported" ? "data" : "people";
}

function Told(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  const { members } = useRoomView();
  const { event, status, user_id, role } = message.metadata as Facts;
  const actor = nameOf(message.sender_id, members);
  const user = typeof user_id === "string" ? nameOf(user_id, members) : "somebody";
  if (!isToldOfChange(message)) {
    // Whatever kind of event it says it is, it may say anything.
    return message.deleted_at === null ? message.content : "This message was deleted.";
  }
  switch (event) {
    case "status_changed":
      return isStatus(status) ? (
        <>
          {actor} changed the status to <StatusBadge status={status} />
        </>
      ) : (
        message.content
      );
    case "user_joined":
      return `${user} joined`;
    case "user_left":
      return `${user} left`;
    case "member_added":
      return `${actor} added ${user} as ${String(role)}`;
    case "member_removed":
      return `${actor} removed ${user}`;
    case "role_changed":
      return `${actor} made ${user} ${String(role)}`;
    default:
      return message.content;
  }
}

function isStatus(value: unknown): value is RoomStatus {
  return ROOM_STATUS_VALUES.some((status) => status === value);
}
