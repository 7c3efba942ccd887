"""What the handlers' signatures don't say of their operations."""

from typing import Any

import msgspec

from roomlog_contract.errors import ErrorCode

TAGS = {
    "rooms": "Incident rooms, who is in them, and how far the caller has read.",
    "messages": "What is said: sending, reading, searching, editing, deleting, redacting.",
    "reactions": "Emoji on messages.",
    "events": "What happened in a room, as the log has it: in pages, as lines, or as a feed.",
    "proofs": "Signed checkpoints of the log, what proves that it is what they hold it to, and the "
    "audit trail.",
    "presence": "Who is there, and notices to everybody.",
    "operation": "Health and metrics of a worker. No token is asked for.",
}

_GENERAL = (ErrorCode.UNAUTHENTICATED, ErrorCode.NOT_ACCEPTABLE, ErrorCode.INVALID)
_LOG = (ErrorCode.LOG_UNAVAILABLE,)
_TABLES = (*_LOG, ErrorCode.PROJECTION_BEHIND, ErrorCode.DATABASE_UNAVAILABLE)
_IN_ROOM = (ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND)
_BODY = (ErrorCode.TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE)
_KEYED = (ErrorCode.IDEMPOTENCY_MISMATCH,)
# In a room, the event that a key led to may be one that was redacted since.
_KEYED_IN_ROOM = (*_KEYED, ErrorCode.ALREADY_DELETED)
_WRITE = (*_IN_ROOM, *_KEYED_IN_ROOM, *_TABLES)
_LIMITED = (ErrorCode.RATE_LIMITED,)

_FRESH = ("Cache-Control",)
_ONCE = (*_FRESH, "Idempotency-Replayed")
_APPENDED = (*_ONCE, "Roomlog-Projected")
_COUNTED = (*_APPENDED, "RateLimit", "RateLimit-Policy")
_PAGE = (*_FRESH, "Link")

_ANYBODY = "anybody"
_READERS = "members of the room, `auditor` and `admin`"
_AUDITORS = "`auditor` and `admin`"
_SPEAKERS = "the room's commander and responders"
_MANAGERS = "the room's commander and `admin`"

Links = dict[str, dict[str, str]]
_NEW_ROOM = {"room_id": "$response.body#/room_id"}
_NEW_MESSAGE = {"message_id": "$response.body#/message_id"}
_SAME_MEMBER = {"room_id": "$request.path.room_id", "user_id": "$request.path.user_id"}
_SAME_EMOJI = {"message_id": "$request.path.message_id", "emoji": "$request.body#/emoji"}
_VERSIONED = {**_NEW_MESSAGE, "header.If-Match": "$response.header.ETag"}


class Told(msgspec.Struct, frozen=True):
    """An operation's tag, who may, what its success is, which codes it may refuse with (beside
    those of every operation), which headers its success carries, and where one may go from there:
    other operations with their parameters."""

    tag: str
    who: str
    success: str
    refusals: tuple[ErrorCode, ...] = ()
    headers: tuple[str, ...] = _FRESH
    links: Links = {}


OPERATIONS: dict[str, Told] = {
    "create_room": Told(
        "rooms",
        _ANYBODY,
        "The room.",
        (*_BODY, *_KEYED, *_LOG, ErrorCode.DATABASE_UNAVAILABLE),
        (*_APPENDED, "Location"),
        {
            "get_room": _NEW_ROOM,
            "update_room": _NEW_ROOM,
            "list_members": _NEW_ROOM,
            "put_member": _NEW_ROOM,
            "send_message": _NEW_ROOM,
            "list_messages": _NEW_ROOM,
            "list_events": _NEW_ROOM,
        },
    ),
    "list_rooms": Told(
        "rooms", _ANYBODY, "A page of rooms.", (*_LOG, ErrorCode.DATABASE_UNAVAILABLE), _PAGE
    ),
    "get_room": Told("rooms", _READERS, "The room.", (*_IN_ROOM, *_TABLES)),
    "get_stats": Told("rooms", _READERS, "The room in numbers.", (*_IN_ROOM, *_TABLES)),
    "update_room": Told("rooms", _MANAGERS, "The room as it is now.", (*_WRITE, *_BODY), _APPENDED),
    "put_read_marker": Told(
        "rooms", _READERS, "It is noted.", (*_IN_ROOM, *_BODY, *_KEYED, *_LOG), _ONCE
    ),
    "list_members": Told("rooms", _READERS, "A page of members.", (*_IN_ROOM, *_TABLES), _PAGE),
    "put_member": Told(
        "rooms",
        _MANAGERS,
        "The member as they are now.",
        (*_WRITE, *_BODY),
        _APPENDED,
        {"remove_member": _SAME_MEMBER},
    ),
    "remove_member": Told(
        "rooms", f"{_MANAGERS}; anybody may leave", "The membership has ended.", _WRITE, _APPENDED
    ),
    "send_message": Told(
        "messages",
        f"{_SPEAKERS}; `system` messages are for `service` and `admin`",
        "The message.",
        (*_WRITE, *_BODY, *_LIMITED, ErrorCode.ROOM_CLOSED, ErrorCode.SPAM),
        (*_COUNTED, "Location", "ETag"),
        {
            "get_message": {**_NEW_ROOM, **_NEW_MESSAGE},
            "get_history": {**_NEW_ROOM, **_NEW_MESSAGE},
            "edit_message": _VERSIONED,
            "delete_message": _VERSIONED,
            "redact_message": _NEW_MESSAGE,
            "add_reaction": _NEW_MESSAGE,
            "list_reactions": _NEW_MESSAGE,
        },
    ),
    "list_messages": Told(
        "messages", _READERS, "A page of messages.", (*_IN_ROOM, *_TABLES), _PAGE
    ),
    "search_messages": Told(
        "messages", _READERS, "A page of what was found.", (*_IN_ROOM, *_TABLES), _PAGE
    ),
    "get_message": Told(
        "messages",
        _READERS,
        "The message.",
        (*_IN_ROOM, *_TABLES),
        (*_FRESH, "ETag"),
        {"edit_message": _VERSIONED, "delete_message": _VERSIONED},
    ),
    "get_history": Told(
        "messages",
        f"{_READERS}; of a deleted message `auditor` and `admin` only",
        "A page of versions.",
        (*_IN_ROOM, *_TABLES),
        _PAGE,
    ),
    "edit_message": Told(
        "messages",
        "its author, while a member and within the edit window",
        "The message right after the edit.",
        (
            *(*_WRITE, *_BODY, *_LIMITED, ErrorCode.SPAM),
            *(ErrorCode.EDIT_WINDOW_CLOSED, ErrorCode.VERSION_MISMATCH),
        ),
        (*_COUNTED, "ETag"),
    ),
    "delete_message": Told(
        "messages",
        "its author while a member, the room's commander, and `admin`",
        "The message's tombstone.",
        (*_WRITE, *_BODY, *_LIMITED, ErrorCode.VERSION_MISMATCH),
        (*_COUNTED, "ETag"),
    ),
    "redact_message": Told(
        "messages",
        "`admin`",
        "What is left of the message: its tombstone.",
        (*_WRITE, *_BODY),
        (*_APPENDED, "ETag"),
    ),
    "add_reaction": Told(
        "reactions",
        _SPEAKERS,
        "All reactions to the message.",
        (*_WRITE, *_BODY, *_LIMITED),
        _COUNTED,
        {"remove_reaction": _SAME_EMOJI},
    ),
    "remove_reaction": Told(
        "reactions", _SPEAKERS, "All reactions to the message.", (*_WRITE, *_LIMITED), _COUNTED
    ),
    "list_reactions": Told(
        "reactions", _READERS, "All reactions to the message.", (*_IN_ROOM, *_TABLES)
    ),
    "list_events": Told(
        "events",
        _READERS,
        "The events: a page, all of them as lines, or a feed that goes on.",
        (*_IN_ROOM, *_LOG, *_LIMITED),
        (*_PAGE, "Roomlog-Epoch", "X-Accel-Buffering"),
    ),
    "room_checkpoint": Told("proofs", _READERS, "The signed head.", (*_IN_ROOM, *_TABLES)),
    "inclusion": Told("proofs", _READERS, "The proof.", (*_IN_ROOM, *_TABLES)),
    "consistency": Told("proofs", _READERS, "The proof.", (*_IN_ROOM, *_TABLES)),
    "head_inclusion": Told("proofs", _AUDITORS, "The proof.", (*_IN_ROOM, *_TABLES)),
    "log_checkpoint": Told("proofs", _AUDITORS, "The signed head.", (*_IN_ROOM, *_TABLES)),
    "audit_keys": Told("proofs", _ANYBODY, "The keys."),
    "list_records": Told(
        "proofs", "`admin`", "A page of records.", (ErrorCode.FORBIDDEN, *_LOG), _PAGE
    ),
    "trail_checkpoint": Told("proofs", _AUDITORS, "The signed head.", (*_IN_ROOM, *_TABLES)),
    "trail_inclusion": Told("proofs", _AUDITORS, "The proof.", (*_IN_ROOM, *_TABLES)),
    "trail_consistency": Told("proofs", _AUDITORS, "The proof.", (*_IN_ROOM, *_TABLES)),
    "get_online": Told("presence", _READERS, "Who is there.", (*_IN_ROOM, *_LOG)),
    "get_typing": Told("presence", _READERS, "Who types.", (*_IN_ROOM, *_LOG)),
    "broadcast": Told(
        "presence",
        "`service` and `admin`",
        "The notice is on its way.",
        (*_BODY, *_KEYED, ErrorCode.FORBIDDEN, *_LOG),
        _ONCE,
    ),
    "livez": Told("operation", _ANYBODY, "The process answers."),
    "readyz": Told("operation", _ANYBODY, "Everything that sending needs is there."),
    "metrics": Told("operation", _ANYBODY, "Metrics in Prometheus's text format.", headers=()),
}


def refusals(operation_id: str, *, token: bool) -> list[ErrorCode]:
    """The codes that an operation may answer; those of every one that asks for a `token` too."""
    told = OPERATIONS[operation_id].refusals
    return [*_GENERAL, *told] if token else [*told]


def links(operation_id: str) -> dict[str, Any]:
    """Where one may go from an operation's success."""
    return {
        target: {"operationId": target, "parameters": parameters}
        for target, parameters in OPERATIONS[operation_id].links.items()
    }
