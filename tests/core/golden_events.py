"""What the golden files were made of: for each event type, every field set, and as few as can be.

The files beside it are the stored bytes of version 1 and can never change: a log out there is
full of such bytes. A new version of an event gets new files; these stay, and are read by way of
the upcasters.
"""

from pathlib import Path
from typing import Any

from roomlog_contract import stored as st
from roomlog_contract.types import MessageType, RoomRole, RoomStatus

GOLDEN = Path(__file__).parent / "golden"
PLACE = (42, 41)
"""Sequence and prev_sequence of the readers' view in the files."""

_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SALT = "000102030405060708090a0b0c0d0e0f"
_ID = "3d1b8a52-51f3-5c77-9b0e-2f4f0c8a7d11"
_TARGET = "0192f0c1-2b3c-7d4e-8f50-617283940002"
_LAST = {"digest": _DIGEST, "salt": _SALT}
_ODD_TEXT = 'a<b> "quoted" \\ back, tab\there,\nnew line, ,"body":{} é 漢字 🚒 \u2028 \x7f end'
_ENVELOPE = (
    '{"v":1,"type":"message.sent","id":"' + _TARGET + '","room_id":'
    '"0192f0c1-2b3c-7d4e-8f50-617283940001","actor":"rob@example.org",'
    '"at":"2026-01-31T09:15:00.000Z","message_id":"' + _TARGET + '",'
    '"commit":"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}'
)

_BODIES: dict[str, tuple[st.Body, dict[str, Any]]] = {
    "room.created full": (
        st.RoomCreatedBody(
            name="payments",
            title="Payments are slow",
            severity="high",
            status=RoomStatus.MITIGATED,
            **_LAST,
        ),
        {},
    ),
    "room.created minimal": (st.RoomCreatedBody(name="payments", salt=_SALT), {}),
    "room.updated full": (
        st.RoomUpdatedBody(
            title="Payments are back", severity="low", status=RoomStatus.RESOLVED, **_LAST
        ),
        {},
    ),
    "room.updated cleared": (st.RoomUpdatedBody(title=None, severity=None, salt=_SALT), {}),
    "room.updated minimal": (st.RoomUpdatedBody(salt=_SALT), {}),
    "member.added full": (
        st.MemberBody(user_id="rob@example.org", role=RoomRole.RESPONDER, name="Rob", **_LAST),
        {},
    ),
    "member.added minimal": (
        st.MemberBody(user_id="rob@example.org", role=RoomRole.OBSERVER, salt=_SALT),
        {},
    ),
    "member.removed full": (
        st.MemberBody(user_id="rob@example.org", role=RoomRole.RESPONDER, name="Rob", **_LAST),
        {},
    ),
    "member.removed minimal": (st.MemberBody(user_id="rob@example.org", salt=_SALT), {}),
    "member.role_changed full": (
        st.MemberBody(user_id="rob@example.org", role=RoomRole.COMMANDER, name="Rob", **_LAST),
        {},
    ),
    "member.role_changed minimal": (
        st.MemberBody(user_id="rob@example.org", role=RoomRole.RESPONDER, salt=_SALT),
        {},
    ),
    "message.sent full": (
        st.MessageSentBody(
            content=_ODD_TEXT,
            message_type=MessageType.INCIDENT_DATA,
            metadata={"kind": "metric", "data": {"p99_ms": 1234.5, "n": 7, "ok": False, "x": None}},
            reply_to=_TARGET,
            **_LAST,
        ),
        {"message_id": _ID},
    ),
    "message.sent minimal": (
        st.MessageSentBody(content="ok", message_type=MessageType.TEXT, salt=_SALT),
        {"message_id": _ID},
    ),
    "message.edited full": (
        st.MessageEditedBody(
            content="checkout is very slow", metadata={"seen": [1, 2]}, reason="typo", **_LAST
        ),
        {"message_id": _TARGET, "expected_version": 17},
    ),
    "message.edited minimal": (
        st.MessageEditedBody(content="checkout is very slow", salt=_SALT),
        {"message_id": _TARGET},
    ),
    "message.deleted full": (
        st.MessageDeletedBody(reason="a customer's name", **_LAST),
        {"message_id": _TARGET, "expected_version": 17},
    ),
    "message.deleted minimal": (st.MessageDeletedBody(salt=_SALT), {"message_id": _TARGET}),
    "message.redacted full": (
        st.MessageRedactedBody(
            redacted_sequence=17, redacted_envelope=_ENVELOPE, reason="a secret", **_LAST
        ),
        {"message_id": _TARGET},
    ),
    "message.redacted minimal": (
        st.MessageRedactedBody(redacted_sequence=17, redacted_envelope=_ENVELOPE, salt=_SALT),
        {"message_id": _TARGET},
    ),
    "reaction.added full": (st.ReactionBody(emoji="👍🏽", **_LAST), {"message_id": _TARGET}),
    "reaction.added minimal": (
        st.ReactionBody(emoji="eyes", salt=_SALT),
        {"message_id": _TARGET},
    ),
    "reaction.removed full": (st.ReactionBody(emoji="👍🏽", **_LAST), {"message_id": _TARGET}),
    "reaction.removed minimal": (
        st.ReactionBody(emoji="eyes", salt=_SALT),
        {"message_id": _TARGET},
    ),
}

NAMES = list(_BODIES)


def encoded(name: str) -> bytes:
    """The stored bytes of a golden event, encoded now."""
    body, more = _BODIES[name]
    return st.encode_stored(
        type=name.split(maxsplit=1)[0],
        id=_ID,
        room_id="0192f0c1-2b3c-7d4e-8f50-617283940001",
        actor="ada@example.org",
        at="2026-01-31T09:16:00.125Z",
        body=body,
        **more,
    )


def stored_file(name: str) -> Path:
    """Where its bytes of version 1 are kept."""
    return GOLDEN / f"{name.replace(' ', '.')}.v1.json"


def reader_file(name: str) -> Path:
    """Where what readers see of it is kept."""
    return GOLDEN / f"{name.replace(' ', '.')}.v1.reader.json"
