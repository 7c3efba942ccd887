"""An example of every frame and of every event: the structs themselves, so that none can be
wrong or out of date."""

from typing import Any, NamedTuple

import msgspec

from roomlog_contract import events as ev
from roomlog_contract import frames as fr
from roomlog_contract.errors import ErrorCode
from roomlog_contract.types import MessageType, NotificationKind, RoomRole, RoomStatus

_ROOM = "01998a31-5f00-7c41-9b1e-3d0f6a2c8e01"
_MESSAGE = "01998a32-77d4-7a90-8c55-b1f20e6d4a02"
_KEY = "01998a32-77c0-7e18-a4d3-52c9e8f01b03"
_EPOCH = "01998a2f-0a11-7d6c-b7f8-90e1c4d25504"
_CONNECTION = "01998a31-9c3e-7b05-8f62-7ad1e0935b05"
_EVENT = "01998a33-10e8-7f2b-9d47-c86b5a1f3e06"
_ADA, _BEN, _CLEO = "ada@example.org", "ben@example.org", "cleo@example.org"
_AT = "2026-01-31T09:15:02.417Z"
_ENVELOPE = (
    f'{{"v":1,"type":"message.sent","id":"{_MESSAGE}","room_id":"{_ROOM}","actor":"{_ADA}",'
    f'"at":"{_AT}","message_id":"{_MESSAGE}",'
    '"commit":"3f7c1c1b6f3a0d0c5e4b8a9f2d6e7c8091a2b3c4d5e6f708192a3b4c5d6e7f80"}'
)
_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGFAZXhhbXBsZS5vcmcifQ.c2lnbmF0dXJl"  # noqa: S105


class Example(NamedTuple):
    """One frame as an example; `summary` says what its name does not."""

    name: str
    summary: str | None
    frame: msgspec.Struct


def said(frame: msgspec.Struct) -> dict[str, Any]:
    """A frame as JSON says it."""
    return msgspec.to_builtins(frame)


def _event(name: str, summary: str | None, event: ev.Event) -> Example:
    broadcast = fr.MessageBroadcast(
        room_id=_ROOM, sequence=4212, prev_sequence=4207, at=_AT, event=event
    )
    return Example(name, summary, broadcast)


_CLIENT: dict[type[msgspec.Struct], tuple[Example, ...]] = {
    fr.Subscribe: (
        Example("live", "from now on", fr.Subscribe(room_id=_ROOM, ref="s1")),
        Example(
            "resume",
            "everything after a sequence, then live",
            fr.Subscribe(room_id=_ROOM, ref="s2", after=4207, epoch=_EPOCH, html=True),
        ),
    ),
    fr.Unsubscribe: (Example("leave", "by its mark", fr.Unsubscribe(room_id=_ROOM, ref="u1")),),
    fr.Send: (
        Example(
            "text",
            "to the connection's own room",
            fr.Send(ref="m1", content="Checkout answers **502** since 14:02", idempotency_key=_KEY),
        ),
        Example(
            "incident_data",
            "of another type, as a reply",
            fr.Send(
                ref="m2",
                room_id=_ROOM,
                content="checkout 502 rate 19.7 %",
                message_type=MessageType.INCIDENT_DATA,
                metadata={"kind": "alert", "data": {"service": "checkout", "rate": 0.197}},
                reply_to=_MESSAGE,
            ),
        ),
    ),
    fr.Edit: (
        Example(
            "edit",
            "only if nobody was faster",
            fr.Edit(
                ref="e1",
                message_id=_MESSAGE,
                content="Checkout answers **502** since 14:01",
                reason="one minute earlier",
                expected_version=4212,
            ),
        ),
    ),
    fr.Delete: (
        Example(
            "delete",
            "with a reason",
            fr.Delete(ref="d1", message_id=_MESSAGE, reason="pasted into the wrong window"),
        ),
    ),
    fr.React: (Example("react", None, fr.React(ref="r1", message_id=_MESSAGE, emoji="👀")),),
    fr.Unreact: (Example("undo", None, fr.Unreact(ref="r2", message_id=_MESSAGE, emoji="👀")),),
    fr.Typing: (Example("typing", None, fr.Typing(room_id=_ROOM, active=True)),),
    fr.Seen: (Example("seen", None, fr.Seen(room_id=_ROOM, sequence=4212)),),
    fr.Ping: (Example("ping", None, fr.Ping(ref="p1")),),
    fr.Auth: (Example("renew", None, fr.Auth(ref="a1", token=_TOKEN)),),
}

_SERVER: dict[type[msgspec.Struct], tuple[Example, ...]] = {
    fr.Hello: (
        Example(
            "hello",
            None,
            fr.Hello(
                connection_id=_CONNECTION,
                user_id=_ADA,
                server_time=_AT,
                heartbeat_seconds=30,
                limits={
                    "text_bytes": 10_240,
                    "structured_bytes": 102_400,
                    "commands_in_flight": 64,
                    "subscriptions": 256,
                },
            ),
        ),
    ),
    fr.Authenticated: (
        Example("renewed", None, fr.Authenticated(ref="a1", expires_at="2026-01-31T21:15:00.000Z")),
    ),
    fr.Subscribed: (
        Example(
            "resumed",
            "everything after `after` follows",
            fr.Subscribed(
                room_id=_ROOM,
                epoch=_EPOCH,
                head=4212,
                role=RoomRole.RESPONDER,
                resumed=True,
                online=[_ADA, _BEN],
                ref="s2",
            ),
        ),
        Example(
            "live",
            "of an auditor, who is no member",
            fr.Subscribed(
                room_id=_ROOM, epoch=_EPOCH, head=4212, role=None, resumed=False, online=[_CLEO]
            ),
        ),
    ),
    fr.Unsubscribed: (
        Example(
            "asked",
            "as asked",
            fr.Unsubscribed(room_id=_ROOM, code="unsubscribed", detail="as asked", ref="u1"),
        ),
        Example(
            "removed",
            "on `/ws`",
            fr.Unsubscribed(
                room_id=_ROOM, code=ErrorCode.FORBIDDEN.value, detail="membership ended"
            ),
        ),
    ),
    fr.MessageBroadcast: (
        _event(
            "room_created",
            "the first of a room",
            ev.RoomCreated(
                id=_EVENT,
                actor=_ADA,
                name="checkout-errors",
                title="Checkout answers one request in five with 502",
                severity="sev1",
                status=RoomStatus.OPEN,
            ),
        ),
        _event(
            "room_updated",
            "a new status, and no title any more",
            ev.RoomUpdated(id=_EVENT, actor=_ADA, title=None, status=RoomStatus.MITIGATED),
        ),
        _event(
            "member_added",
            None,
            ev.MemberAdded(
                id=_EVENT, actor=_ADA, user_id=_BEN, role=RoomRole.RESPONDER, name="Ben"
            ),
        ),
        _event(
            "member_role_changed",
            None,
            ev.MemberRoleChanged(id=_EVENT, actor=_ADA, user_id=_BEN, role=RoomRole.COMMANDER),
        ),
        _event(
            "member_removed",
            None,
            ev.MemberRemoved(id=_EVENT, actor=_ADA, user_id=_BEN, role=RoomRole.RESPONDER),
        ),
        _event(
            "message_sent",
            "as who asked for `html` gets it",
            ev.MessageSent(
                id=_MESSAGE,
                actor=_ADA,
                message_id=_MESSAGE,
                message_type=MessageType.TEXT,
                content="@ben Checkout answers **502** since 14:02",
                content_html="<p>@ben Checkout answers <strong>502</strong> since 14:02</p>\n",
                metadata={"mentions": [_BEN]},
            ),
        ),
        _event(
            "message_edited",
            None,
            ev.MessageEdited(
                id=_EVENT,
                actor=_ADA,
                message_id=_MESSAGE,
                content="@ben Checkout answers **502** since 14:01",
                reason="one minute earlier",
            ),
        ),
        _event(
            "message_deleted",
            None,
            ev.MessageDeleted(
                id=_EVENT, actor=_ADA, message_id=_MESSAGE, reason="pasted into the wrong window"
            ),
        ),
        _event(
            "message_redacted",
            "what was sent at 4207 is gone from the log",
            ev.MessageRedacted(
                id=_EVENT,
                actor=_CLEO,
                message_id=_MESSAGE,
                redacted_sequence=4207,
                redacted_envelope=_ENVELOPE,
                reason="held a password",
            ),
        ),
        _event(
            "reaction_added",
            None,
            ev.ReactionAdded(id=_EVENT, actor=_BEN, message_id=_MESSAGE, emoji="👀"),
        ),
        _event(
            "reaction_removed",
            None,
            ev.ReactionRemoved(id=_EVENT, actor=_BEN, message_id=_MESSAGE, emoji="👀"),
        ),
    ),
    fr.Live: (Example("live", None, fr.Live(room_id=_ROOM, sequence=4212)),),
    fr.Ack: (
        Example(
            "sent",
            "on disk",
            fr.Ack(
                ref="m1",
                room_id=_ROOM,
                sequence=4212,
                message_id=_MESSAGE,
                at=_AT,
                duplicate=False,
            ),
        ),
    ),
    fr.Error: (
        Example(
            "refused",
            "a field of a command is wrong",
            fr.Error(
                ref="m1",
                room_id=_ROOM,
                code=ErrorCode.INVALID,
                detail="must not be empty",
                field="content",
            ),
        ),
        Example(
            "later",
            "try again after that many seconds",
            fr.Error(
                ref="m2",
                room_id=_ROOM,
                code=ErrorCode.RATE_LIMITED,
                detail="at most 10 messages a second",
                retry_after=0.1,
            ),
        ),
    ),
    fr.Presence: (
        Example("joined", None, fr.Presence(room_id=_ROOM, joined=_BEN)),
        Example("left", None, fr.Presence(room_id=_ROOM, left=_BEN)),
    ),
    fr.TypingUsers: (Example("typing", None, fr.TypingUsers(room_id=_ROOM, users=[_ADA, _BEN])),),
    fr.Notification: (
        Example(
            "mention",
            None,
            fr.Notification(kind=NotificationKind.MENTION, room_id=_ROOM, sequence=4212),
        ),
    ),
    fr.Notice: (
        Example("notice", None, fr.Notice(content="The log moves to another disk at 18:00 UTC.")),
    ),
    fr.Pong: (Example("pong", None, fr.Pong(heads={_ROOM: 4212}, ref="p1")),),
}

EXAMPLES = {**_CLIENT, **_SERVER}
