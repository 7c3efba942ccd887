"""One function per command: the facts it makes of a room's state, or why it is refused.

Pure: who acts, the state and the time come as arguments. A fact still lacks its id and salt;
`stamp` puts them on. Every refusal is a RefusedError; then nothing may be appended.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import emoji as emojis
import msgspec
from msgspec import UNSET

from roomlog.core import policy
from roomlog.core.content import UnstorableTextError, clean_text
from roomlog.core.mentions import TooManyMentionsError, find_mentions
from roomlog.core.message_types import HANDLERS
from roomlog.core.policy import Act, Actor
from roomlog_contract import resources as rs
from roomlog_contract import stored as st
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MessageState, RoomState
from roomlog_contract.types import MessageType, RoomRole, RoomStatus

METADATA_DEPTH_MAX = 32
MENTIONS_FIELD = "mentions"
REACTIONS_PER_MESSAGE_MAX = 1000
MEMBERS_MAX = 10_000


class Limits(msgspec.Struct, frozen=True):
    """What the settings allow: sizes in UTF-8 bytes, the edit window in seconds (0: no limit)."""

    text_bytes_max: int = 10_240
    structured_bytes_max: int = 102_400
    edit_window_s: float = 900


class Stamp(msgspec.Struct, frozen=True):
    """What the shell puts on a fact: the event's id, its body's salt, the request's digest."""

    id: str
    salt: str
    digest: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """An event as decided. `fields` are those of the body's struct, all but salt and digest.

    `key`: what its id is made of, with room and actor, where it is not the first of its command;
    without one the id is made of the first one's.
    """

    type: str
    fields: dict[str, Any]
    message_id: str | None = None
    expected_version: int | None = None
    key: str | None = None


def stamp(fact: Fact, room_id: str, actor: str, at: str, mark: Stamp) -> bytes:
    """The bytes to append for a fact."""
    body = st.BODY_TYPES[fact.type](**fact.fields, digest=mark.digest, salt=mark.salt)
    return st.encode_stored(
        type=fact.type,
        id=mark.id,
        room_id=room_id,
        actor=actor,
        at=at,
        body=body,
        message_id=mark.id if fact.type == "message.sent" else fact.message_id,
        expected_version=fact.expected_version,
    )


def create_room(actor: Actor, command: rs.RoomCreate) -> Sequence[Fact]:
    """`room.created`, whose actor becomes commander, and a `member.added` for each other member."""
    opened = Fact(
        "room.created",
        {
            "name": _line(command.name, "name"),
            "title": _line(command.title, "title", empty=True),
            "severity": _line(command.severity, "severity", empty=True),
        },
    )
    roles: dict[str, RoomRole] = {}
    for index, member in enumerate(command.members):
        field = f"members[{index}].user_id"
        user = user_id(member.user_id, field)
        if roles.setdefault(user, member.role) != member.role:
            detail = "is among the members before, with another role"
            raise RefusedError(ErrorCode.INVALID, detail, field=field)
    added = [
        Fact("member.added", {"user_id": user, "role": role})
        for user, role in roles.items()
        if user != actor.user_id
    ]
    return [opened, *added]


def update_room(
    room: RoomState, actor: Actor, command: rs.RoomUpdate, *, keyed: bool = False
) -> Sequence[Fact]:
    """`room.updated` with what really changes.

    Where nothing does, nothing; but under a key an event without effect, so that the key is known.
    """
    policy.require(Act.MANAGE, actor, room)
    asked = {
        "title": command.title
        if command.title is UNSET
        else _line(command.title, "title", empty=True),
        "severity": command.severity
        if command.severity is UNSET
        else _line(command.severity, "severity", empty=True),
        "status": command.status,
    }
    given = {name: value for name, value in asked.items() if value is not UNSET}
    changed = {name: value for name, value in given.items() if value != getattr(room, name)}
    if changed:
        return [Fact("room.updated", changed)]
    return [Fact("room.updated", given)] if keyed else []


def put_member(
    room: RoomState, actor: Actor, user: str, command: rs.MemberUpdate, *, keyed: bool = False
) -> Sequence[Fact]:
    """`member.added` or `member.role_changed`.

    Where the role is that already, nothing; but under a key an event without effect, so that the
    key is known.
    """
    policy.require(Act.MANAGE, actor, room)
    user = user_id(user, "user_id")
    member = room.members.get(user)
    if member is None:
        if len(room.members) >= MEMBERS_MAX:
            raise RefusedError(ErrorCode.INVALID, f"a room has at most {MEMBERS_MAX} members")
        return [Fact("member.added", {"user_id": user, "role": command.role})]
    changed = Fact("member.role_changed", {"user_id": user, "role": command.role})
    if member.role == command.role:
        return [changed] if keyed else []
    _keep_a_commander(room, user, field="role")
    return [changed]


def remove_member(room: RoomState, actor: Actor, user: str) -> Sequence[Fact]:
    """`member.removed`. Anybody may leave; nobody leaves a room without a commander."""
    if user != actor.user_id:
        policy.require(Act.MANAGE, actor, room)
    member = room.members.get(user)
    if member is None:
        raise RefusedError(ErrorCode.NOT_FOUND, f"{user} is no member of the room")
    _keep_a_commander(room, user, field="user_id")
    return [Fact("member.removed", {"user_id": user, "role": member.role})]


def _keep_a_commander(room: RoomState, leaving: str, *, field: str) -> None:
    commanders = {u for u, m in room.members.items() if m.role is RoomRole.COMMANDER}
    if commanders == {leaving}:
        raise RefusedError(
            ErrorCode.INVALID,
            "the room's last commander: make somebody else commander first",
            field=field,
        )


def send(room: RoomState, actor: Actor, command: rs.MessageCreate, limits: Limits) -> Fact:
    """`message.sent`."""
    system = command.message_type is MessageType.SYSTEM
    policy.require(Act.SEND_SYSTEM if system else Act.SEND, actor, room)
    if room.status is RoomStatus.CLOSED:
        raise RefusedError(ErrorCode.ROOM_CLOSED, "the room is closed and takes no more messages")
    content = _content(command.content, command.message_type, limits)
    metadata = message_metadata(command.message_type, command.metadata, limits)
    fields: dict[str, Any] = {
        "content": content,
        "message_type": command.message_type,
        "metadata": _with_mentions(metadata, content, room),
    }
    if command.reply_to is not None:
        fields["reply_to"] = uuid(command.reply_to, "reply_to")
    return Fact("message.sent", fields)


def edit(
    room: RoomState,
    message: MessageState,
    actor: Actor,
    command: rs.MessageEdit,
    *,
    expected_version: int | None,
    now: datetime,
    limits: Limits,
) -> Fact:
    """`message.edited`. Whether it has an effect is for the fold to say, at its own place."""
    policy.require(Act.EDIT, actor, room, message)
    _still_there(message)
    age_s = (now - datetime.fromisoformat(message.created_at)).total_seconds()
    if limits.edit_window_s and age_s > limits.edit_window_s:
        raise RefusedError(
            ErrorCode.EDIT_WINDOW_CLOSED,
            f"messages can be edited for {limits.edit_window_s:g} s after they were sent",
        )
    content = _content(command.content, message.message_type, limits)
    fields: dict[str, Any] = {"content": content}
    if command.metadata is not None:
        metadata = message_metadata(message.message_type, command.metadata, limits)
        fields["metadata"] = _with_mentions(metadata, content, room)
    else:
        # What was left out stays as it is; mentions are the content's and go with it.
        metadata = _with_mentions(message.metadata, content, room)
        if metadata != message.metadata:
            fields["metadata"] = metadata
    fields["reason"] = _line(command.reason, "reason", empty=True)
    return Fact("message.edited", fields, message.message_id, expected_version)


def delete(
    room: RoomState,
    message: MessageState,
    actor: Actor,
    command: rs.MessageDelete,
    *,
    expected_version: int | None,
) -> Fact:
    """`message.deleted`: hidden from the present, never from the log."""
    policy.require(Act.DELETE, actor, room, message)
    _still_there(message)
    fields = {"reason": _line(command.reason, "reason", empty=True)}
    return Fact("message.deleted", fields, message.message_id, expected_version)


def react(room: RoomState, message: MessageState, actor: Actor, emoji: str, *, add: bool) -> Fact:
    """`reaction.added` or `reaction.removed`."""
    policy.require(Act.REACT, actor, room)
    _still_there(message)
    new = add and (emoji, actor.user_id) not in message.reactions
    if new and len(message.reactions) >= REACTIONS_PER_MESSAGE_MAX:
        raise RefusedError(
            ErrorCode.INVALID,
            f"a message has at most {REACTIONS_PER_MESSAGE_MAX} reactions",
            field="emoji",
        )
    # What was brought in by an import may be the name of an emoji that Unicode doesn't know:
    # others may join in, and anybody may take theirs back.
    known = any(emoji == given for given, _ in message.reactions)
    fields = {"emoji": emoji if known else reaction_emoji(emoji)}
    return Fact("reaction.added" if add else "reaction.removed", fields, message.message_id)


def _still_there(message: MessageState) -> None:
    if message.deleted_at is not None:
        raise RefusedError(ErrorCode.ALREADY_DELETED, "the message was deleted")


def user_id(value: str, field: str) -> str:
    """A user's id as stored: any visible text up to USER_ID_BYTES_MAX bytes."""
    if not value.isprintable() or value != value.strip() or not value:
        raise RefusedError(ErrorCode.INVALID, "must be printable text", field=field)
    if len(value.encode()) > rs.USER_ID_BYTES_MAX:
        raise RefusedError(
            ErrorCode.INVALID, f"must be at most {rs.USER_ID_BYTES_MAX} bytes", field=field
        )
    return value


def uuid(value: str, field: str) -> str:
    """A UUID in its canonical text form."""
    try:
        if len(value) == 36:
            return str(UUID(value))
    except ValueError:
        pass
    raise RefusedError(ErrorCode.INVALID, "must be a UUID", field=field)


def reaction_emoji(value: str) -> str:
    """One emoji of Unicode's list, as typed: with or without skin tone, joined ones, flags.

    No names such as `:+1:`: whoever reads would have to know the same names.
    """
    if len(value) > rs.EMOJI_BYTES_MAX or not emojis.is_emoji(value):
        raise RefusedError(ErrorCode.INVALID, "must be one emoji", field="emoji")
    return value


def _line(value: str | None, field: str, *, empty: bool = False) -> str | None:
    if value is None:
        return None
    text = _clean(value, field)
    if not empty and not text.strip():
        raise RefusedError(ErrorCode.INVALID, "must not be empty", field=field)
    return text


def clean_reason(value: str) -> str:
    """A reason that has to be given. Raises RefusedError."""
    text = _line(value, "reason")
    assert text is not None
    return text


def _clean(value: str, field: str) -> str:
    try:
        return clean_text(value)
    except UnstorableTextError as error:
        raise RefusedError(ErrorCode.INVALID, str(error), field=field) from error


def message_text(value: str, field: str, limits: Limits) -> str:
    """A message's text as it is stored: verbatim, within the limit (see `clean_text`)."""
    if limits.text_bytes_max and len(value.encode("utf-8", "replace")) > limits.text_bytes_max:
        raise RefusedError(
            ErrorCode.TOO_LARGE, f"at most {limits.text_bytes_max} bytes", field=field
        )
    return _clean(value, field)


def message_metadata(kind: MessageType, metadata: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The metadata as given, if a message of that kind may carry it."""
    _metadata(metadata, limits)
    HANDLERS[kind](metadata)
    return metadata


def _content(value: str, kind: MessageType, limits: Limits) -> str:
    text = message_text(value, "content", limits)
    if kind is MessageType.TEXT and not text.strip():
        raise RefusedError(ErrorCode.INVALID, "must not be empty", field="content")
    return text


def _with_mentions(metadata: dict[str, Any], content: str, room: RoomState) -> dict[str, Any]:
    """The metadata with the content's own mentions, whatever the client says of them."""
    try:
        mentions = find_mentions(content, room.members)
    except TooManyMentionsError as error:
        raise RefusedError(ErrorCode.INVALID, str(error), field="content") from error
    others = {name: value for name, value in metadata.items() if name != MENTIONS_FIELD}
    return {**others, MENTIONS_FIELD: mentions} if mentions else others


def _metadata(metadata: dict[str, Any], limits: Limits) -> None:
    if not metadata:
        return
    _depth(metadata)
    try:
        size = len(msgspec.json.encode(metadata))
    except (UnicodeEncodeError, OverflowError, ValueError) as error:
        raise RefusedError(ErrorCode.INVALID, "must be storable JSON", field="metadata") from error
    if limits.structured_bytes_max and size > limits.structured_bytes_max:
        raise RefusedError(
            ErrorCode.TOO_LARGE, f"at most {limits.structured_bytes_max} bytes", field="metadata"
        )


def _depth(metadata: dict[str, Any]) -> None:
    level: list[Any] = [metadata]
    for _ in range(METADATA_DEPTH_MAX):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    _storable(key)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _storable(value)
        if not below:
            return
        level = below
    raise RefusedError(
        ErrorCode.INVALID, f"nested deeper than {METADATA_DEPTH_MAX} levels", field="metadata"
    )


def _storable(text: str) -> None:
    # jsonb can hold neither; structured data is refused rather than silently changed.
    try:
        clean_text(text)
    except UnstorableTextError as error:
        raise RefusedError(ErrorCode.INVALID, str(error), field="metadata") from error
