"""The words for where a client, its rooms and its commands stand."""

from enum import StrEnum

import msgspec


class State(StrEnum):
    """Where the client stands as a whole."""

    CONNECTING = "connecting"
    REPLAYING = "replaying"
    LIVE = "live"
    WAITING = "waiting"
    OFFLINE = "offline"
    CLOSED = "closed"


class Phase(StrEnum):
    """Where one room stands."""

    IDLE = "idle"
    SUBSCRIBING = "subscribing"
    REPLAYING = "replaying"
    LIVE = "live"
    RELOADING = "reloading"
    PAUSED = "paused"
    ENDED = "ended"


class ItemStatus(StrEnum):
    """Where one command stands."""

    QUEUED = "queued"
    SENT = "sent"
    HELD = "held"
    ACKED = "acked"


class ReasonCode(StrEnum):
    """Why the client is `waiting`, `offline` or `closed`."""

    NOT_STARTED = "not_started"
    OFFLINE = "offline"
    CONNECTION_LOST = "connection_lost"
    NO_HELLO = "no_hello"
    NO_PONG = "no_pong"
    NO_ANSWER = "no_answer"
    REPLAY_BROKEN = "replay_broken"
    TOKEN_FAILED = "token_failed"  # noqa: S105 - a code, not a token
    CLOSED_BY_USER = "closed_by_user"
    UNAUTHENTICATED = "unauthenticated"
    USER_CHANGED = "user_changed"
    REFUSED = "refused"


class Reason(msgspec.Struct, frozen=True):
    """Why the client is not connected; `close_code` is null where none was the cause."""

    code: ReasonCode
    close_code: int | None
    detail: str
