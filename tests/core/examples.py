"""One small room, its people and its events, for pure tests to begin from."""

from datetime import UTC, datetime, timedelta
from typing import Any

from roomlog.core.policy import Actor
from roomlog_contract import events as ev
from roomlog_contract.fold import MemberState, MessageState, ReactionState, RoomState
from roomlog_contract.types import GlobalRole, MessageType, RoomRole, RoomStatus

ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001"
MESSAGE = "0192f0c1-2b3c-7d4e-8f50-617283940002"
NOW = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
AT = "2026-01-31T09:15:00.000Z"

COMMANDER = Actor("ada@example.org")
RESPONDER = Actor("rob@example.org")
OBSERVER = Actor("oda@example.org")
STRANGER = Actor("sam@example.org")
ADMIN = Actor("adm@example.org", roles=frozenset({GlobalRole.ADMIN}))
AUDITOR = Actor("aud@example.org", roles=frozenset({GlobalRole.AUDITOR}))
SERVICE = Actor("bot@example.org", roles=frozenset({GlobalRole.SERVICE}))


def a_room(**changes: Any) -> RoomState:
    """An open room with a commander, a responder and an observer."""
    fields: dict[str, Any] = {
        "room_id": ROOM,
        "name": "payments",
        "title": "Payments are slow",
        "severity": "high",
        "status": RoomStatus.OPEN,
        "created_by": COMMANDER.user_id,
        "created_at": AT,
        "created_sequence": 1,
        "members": {
            COMMANDER.user_id: MemberState(RoomRole.COMMANDER, AT),
            RESPONDER.user_id: MemberState(RoomRole.RESPONDER, AT),
            OBSERVER.user_id: MemberState(RoomRole.OBSERVER, AT),
        },
    }
    return RoomState(**(fields | changes))


def a_message(**changes: Any) -> MessageState:
    """A text of the responder's, sent at AT with sequence 5."""
    fields: dict[str, Any] = {
        "message_id": MESSAGE,
        "room_id": ROOM,
        "sequence": 5,
        "sender_id": RESPONDER.user_id,
        "message_type": MessageType.TEXT,
        "content": "checkout is slow",
        "metadata": {},
        "reply_to": None,
        "created_at": AT,
        "edited_at": None,
        "deleted_at": None,
        "version": 5,
        "reactions": {},
    }
    return MessageState(**(fields | changes))


def a_deleted_message() -> MessageState:
    return a_message(content="", deleted_at=AT, version=6)


def a_reaction(sequence: int = 6) -> ReactionState:
    return ReactionState(sequence, AT)


def logged(sequence: int, event: ev.Event, *, prev_sequence: int = 0) -> ev.RoomEvent:
    """`event` at its place in the room; a second passes with each sequence."""
    at = (NOW + timedelta(seconds=sequence)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return ev.RoomEvent(sequence, prev_sequence, ROOM, at, event)
