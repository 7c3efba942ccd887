"""What each error code and each close code means to whoever is told it, and what to do then.

The documentation says the same in the same words.
"""

from typing import NamedTuple

from roomlog_contract.errors import CloseCode, ErrorCode


class Meaning(NamedTuple):
    """When a code is told, and what its receiver does about it."""

    when: str
    what_to_do: str


ERROR_MEANINGS: dict[ErrorCode, Meaning] = {
    ErrorCode.UNAUTHENTICATED: Meaning(
        "the token is missing, malformed, expired, or signed with another key", "get a new token"
    ),
    ErrorCode.FORBIDDEN: Meaning(
        "the user's roles don't allow it in this room", "ask the room's commander"
    ),
    ErrorCode.NOT_FOUND: Meaning("no such room, message, member or path", "check the id"),
    ErrorCode.METHOD_NOT_ALLOWED: Meaning(
        "the path doesn't take this method; `Allow` says which it takes", "correct the request"
    ),
    ErrorCode.NOT_ACCEPTABLE: Meaning(
        "`Accept` takes none of what the path gives", "accept `application/json`"
    ),
    ErrorCode.ROOM_CLOSED: Meaning(
        "the room's status is `closed`", "have it reopened, or use another room"
    ),
    ErrorCode.ALREADY_DELETED: Meaning(
        "the message was deleted, or what was written under this key has been redacted",
        "nothing: it is gone",
    ),
    ErrorCode.EDIT_WINDOW_CLOSED: Meaning(
        "the message is older than the edit window", "send a correction as a new message"
    ),
    ErrorCode.VERSION_MISMATCH: Meaning(
        "the message is not at the version that `If-Match` or `expected_version` names",
        "read it again, decide anew",
    ),
    ErrorCode.TOO_LARGE: Meaning(
        "a text, metadata or request body is above its limit", "make it smaller; see limits"
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Meaning(
        "a request body that is not `application/json`", "set `Content-Type`"
    ),
    ErrorCode.INVALID: Meaning(
        "a field, parameter or header is wrong; `errors` names it", "correct it"
    ),
    ErrorCode.IDEMPOTENCY_MISMATCH: Meaning(
        "the key was used for another request", "use a new key for a new request"
    ),
    ErrorCode.UNKNOWN_TYPE: Meaning("a frame whose `type` does not exist", "correct the frame"),
    ErrorCode.RATE_LIMITED: Meaning(
        "too many messages, changes or connections in too short a time; see rates",
        "wait `Retry-After`",
    ),
    ErrorCode.SPAM: Meaning(
        "the same text again and again, or a flood of mentions or of a newcomer's links; "
        "`detail` says which (spam guard)",
        "say it once; wait `Retry-After`",
    ),
    ErrorCode.LOG_UNAVAILABLE: Meaning(
        "the log did not take or give it; where the outcome is unknown, `detail` says so",
        "retry with the same idempotency key: that is safe",
    ),
    ErrorCode.PROJECTION_BEHIND: Meaning(
        "the tables have not come far enough to answer truly", "retry after `Retry-After`"
    ),
    ErrorCode.DATABASE_UNAVAILABLE: Meaning(
        "PostgreSQL did not answer; sending, live delivery and resuming go on",
        "retry after `Retry-After`",
    ),
}

CLOSE_MEANINGS: dict[int, Meaning] = {
    CloseCode.GOING_AWAY: Meaning("the server is going away", "reconnect with jitter, resume"),
    CloseCode.PROTOCOL_ERROR: Meaning(
        "the client broke the WebSocket protocol", "correct the client"
    ),
    CloseCode.NOT_UTF8: Meaning("a text frame was not UTF-8", "correct the client"),
    CloseCode.TOO_LARGE: Meaning("a frame was too large", "send smaller frames"),
    CloseCode.INTERNAL_ERROR: Meaning(
        "a fault of the server's own", "reconnect with a growing delay"
    ),
    CloseCode.RESTART: Meaning("the server restarts", "reconnect with jitter, resume"),
    CloseCode.TOO_SLOW: Meaning(
        "too slow: more was waiting for this connection than its limit",
        "resume from the last sequence",
    ),
    CloseCode.POSITION_LOST: Meaning("the server lost its position in the log", "resume"),
    CloseCode.HEARTBEAT: Meaning("no answer to the heartbeat", "resume"),
    CloseCode.RATE_LIMITED: Meaning(
        "the user connected too often within a minute, or the worker has as many connections as "
        "it takes; `retry_after` is in the reason",
        "wait, then resume",
    ),
    CloseCode.MALFORMED: Meaning(
        "malformed frames, repeatedly; or the query's `after` is no sequence", "correct the client"
    ),
    CloseCode.UNAUTHENTICATED: Meaning(
        "the token is missing, invalid or expired", "connect with a new token"
    ),
    CloseCode.ORIGIN: Meaning(
        "the page's origin is not allowed", "add it to `ROOMLOG_ALLOWED_ORIGINS`"
    ),
    CloseCode.NOT_A_MEMBER: Meaning(
        "not a member, or the membership ended", "ask the room's commander"
    ),
    CloseCode.NO_SUCH_ROOM: Meaning("no such room", "check the id"),
}
