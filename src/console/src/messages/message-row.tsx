import { memo, useState } from "react";
import type { RoomMessage } from "roomlog-js";
import { exactTime, listOf, nameOf, timeOf } from "../format";
import { Avatar } from "../parts/avatar";
import { Icon } from "../parts/icon";
import { useRoomView } from "../room-context";
import { EmojiPicker } from "./emoji-picker";
import { MessageBody } from "./message-body";
import { Pending } from "./pending";
import { SystemMessage } from "./system-message";

interface Shown {
  readonly message: RoomMessage;
  readonly goesOn: boolean;
  /** It was looked for, or has just changed. */
  readonly marked: boolean;
}

/** One message: who said it and when, what it says, what was said to it, and what can be done. */
export const MessageRow = memo(function MessageRow(props: Shown): React.ReactNode {
  const { message, goesOn, marked } = props;
  const { userId, members, online, isPast } = useRoomView();
  const [picks, setPicks] = useState(false);
  const { message_id, sender_id, created_at, message_type, deleted_at } = message;
  const name = nameOf(sender_id, members);
  if (message_type === "system") {
    return <SystemMessage message={message} marked={marked} />;
  }
  const classes = [
    "message",
    goesOn ? "goes-on" : "",
    marked ? "marked" : "",
    mentions(message, userId) ? "mentions-me" : "",
    message.logged ? "" : "unsent",
    picks ? "open" : "",
  ];
  return (
    <article
      data-row={message_id}
      data-sequence={message.sequence_number}
      className={classes.filter((one) => one !== "").join(" ")}
      tabIndex={-1}
      aria-label={`${name}, ${timeOf(created_at)}`}
    >
      <div className="gutter">
        {goesOn ? (
          <time dateTime={created_at} title={exactTime(created_at)}>
            {timeOf(created_at)}
          </time>
        ) : (
          <Avatar userId={sender_id} members={members} online={online.has(sender_id)} />
        )}
      </div>
      <div className="said">
        {!goesOn && <Head message={message} />}
        <ReplyTo message={message} />
        <MessageBody message={message} />
        <div className="after">
          {message.edited_at !== null && deleted_at === null && <Edited message={message} />}
          <Reactions message={message} />
        </div>
        <Pending message={message} />
      </div>
      {(deleted_at === null || isPast) && message.logged && (
        <Actions message={message} picks={picks} onPicks={setPicks} />
      )}
    </article>
  );
});

function mentions(message: RoomMessage, userId: string): boolean {
  const { mentions: ids } = message.metadata as { mentions?: unknown };
  return (
    Array.isArray(ids) &&
    message.sender_id !== userId &&
    (ids.includes(userId) || ids.includes("@room"))
  );
}

function Head(props: { readonly message: RoomMessage }): React.ReactNode {
  const { sender_id, created_at } = props.message;
  const { members } = useRoomView();
  const member = members.get(sender_id);
  return (
    <header>
      <strong title={sender_id}>{nameOf(sender_id, members)}</strong>
      {member?.role === "commander" && <span className="role">commander</span>}
      <time dateTime={created_at} title={exactTime(created_at)}>
        {timeOf(created_at)}
      </time>
    </header>
  );
}

function ReplyTo(props: { readonly message: RoomMessage }): React.ReactNode {
  const { reply_to } = props.message;
  const { find, members, actions } = useRoomView();
  if (reply_to === null) {
    return null;
  }
  const answered = find(reply_to);
  const text =
    answered === undefined
      ? "an earlier message"
      : answered.deleted_at === null
        ? answered.content
        : "a deleted message";
  return (
    <button type="button" className="reply-to" onClick={() => actions.show(reply_to)}>
      <Icon name="reply" />
      <span className="visually-hidden">In reply to </span>
      {answered !== undefined && <b>{nameOf(answered.sender_id, members)}</b>}
      <span className="quoted">{text.slice(0, 200)}</span>
    </button>
  );
}

function Edited(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  const { actions } = useRoomView();
  const { edited_at, logged } = message;
  return (
    <button
      type="button"
      className="edited"
      disabled={!logged}
      title={edited_at === null ? "" : exactTime(edited_at)}
      onClick={() => actions.versions(message)}
    >
      edited
    </button>
  );
}

function Reactions(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  const { userId, members, canWrite, actions } = useRoomView();
  if (message.reactions.length === 0) {
    return null;
  }
  return (
    <ul className="reactions" aria-label="Reactions">
      {message.reactions.map(({ emoji, count, users }) => {
        const names = listOf(
          users.map((user) => (user === userId ? "you" : nameOf(user, members))),
          6,
        );
        return (
          <li key={emoji}>
            <button
              type="button"
              className="reaction"
              aria-pressed={users.includes(userId)}
              disabled={!canWrite || message.deleted_at !== null}
              title={`${names} reacted with ${emoji}`}
              onClick={() => actions.react(message, emoji)}
            >
              <span>{emoji}</span> {count}
              <span className="visually-hidden"> from {names}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function Actions(props: {
  readonly message: RoomMessage;
  readonly picks: boolean;
  readonly onPicks: (picks: boolean) => void;
}): React.ReactNode {
  const { message, picks, onPicks } = props;
  const { userId, canWrite, canDelete, actions } = useRoomView();
  const own = message.sender_id === userId;
  const offered = [
    { name: "Reply", icon: "reply", may: canWrite, act: () => actions.reply(message) },
    { name: "Edit", icon: "edit", may: canWrite && own, act: () => actions.edit(message) },
    { name: "Versions", icon: "history", may: true, act: () => actions.versions(message) },
    { name: "Copy link", icon: "link", may: true, act: () => actions.copyLink(message) },
    {
      name: "Delete",
      icon: "remove",
      may: (canWrite && own) || canDelete,
      act: () => actions.remove(message),
    },
  ] as const;
  return (
    <div className="actions" role="group" aria-label="What can be done with this message">
      {canWrite && (
        <button
          type="button"
          className="icon"
          title="React"
          aria-label="React"
          aria-expanded={picks}
          data-act="react"
          onClick={() => onPicks(!picks)}
        >
          <Icon name="smile" />
        </button>
      )}
      {offered.map(
        ({ name, icon, may, act }) =>
          may && (
            <button
              key={name}
              type="button"
              className="icon"
              title={name}
              aria-label={name}
              data-act={name.toLowerCase()}
              onClick={act}
            >
              <Icon name={icon} />
            </button>
          ),
      )}
      {picks && (
        <EmojiPicker
          onPicked={(emoji) => {
            onPicks(false);
            actions.react(message, emoji);
          }}
          onClose={() => onPicks(false)}
        />
      )}
    </div>
  );
}
