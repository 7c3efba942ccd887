import { memo, useState, useSyncExternalStore } from "react";
import type { RoomMessage } from "roomlog-js";
import { exactTime, nameOf, timeOf } from "../format";
import { Avatar } from "../parts/avatar";
import { Icon } from "../parts/icon";
import { useRoomView } from "../room-context";
import { ActionRow, type Offer } from "./action-row";
import { EmojiPicker } from "./emoji-picker";
import { MessageBody } from "./message-body";
import { Pending } from "./pending";
import { Reactions } from "./reactions";
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
  const { userId, members, online, isPast, canRedact } = useRoomView();
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
        {message.reply_to !== null && <ReplyTo message_id={message.reply_to} />}
        <MessageBody message={message} />
        <div className="after">
          {message.edited_at !== null && deleted_at === null && <Edited message={message} />}
          <Reactions message={message} />
        </div>
        <Pending message={message} />
      </div>
      {(deleted_at === null || isPast || canRedact) && message.logged && (
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

function ReplyTo(props: { readonly message_id: string }): React.ReactNode {
  const { message_id } = props;
  const { find, onFound, members, actions } = useRoomView();
  // What is quoted goes with what was said.
  const answered = useSyncExternalStore(onFound, () => find(message_id));
  const text =
    answered === undefined
      ? "an earlier message"
      : answered.deleted_at === null
        ? answered.content
        : "a deleted message";
  return (
    <button type="button" className="reply-to" onClick={() => actions.show(message_id)}>
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

function Actions(props: {
  readonly message: RoomMessage;
  readonly picks: boolean;
  readonly onPicks: (picks: boolean) => void;
}): React.ReactNode {
  const { message, picks, onPicks } = props;
  const { userId, canWrite, canDelete, canRedact, isPast, actions } = useRoomView();
  const own = message.sender_id === userId;
  // Of what was deleted, what it had said can be removed still.
  const there = message.deleted_at === null || isPast;
  const offered: readonly Offer[] = [
    { name: "Reply", icon: "reply", may: there && canWrite, act: () => actions.reply(message) },
    { name: "Edit", icon: "edit", may: there && canWrite && own, act: () => actions.edit(message) },
    { name: "Versions", icon: "history", may: there, act: () => actions.versions(message) },
    { name: "Copy link", icon: "link", may: there, act: () => actions.copyLink(message) },
    {
      name: "Delete",
      icon: "remove",
      may: there && ((canWrite && own) || canDelete),
      act: () => actions.remove(message),
    },
    { name: "Redact…", icon: "redact", may: canRedact, act: () => actions.redact(message) },
  ];
  return (
    <ActionRow
      offered={offered}
      before={
        there &&
        canWrite && (
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
        )
      }
      after={
        picks && (
          <EmojiPicker
            onPicked={(emoji) => {
              onPicks(false);
              actions.react(message, emoji);
            }}
            onClose={() => onPicks(false)}
          />
        )
      }
    />
  );
}
