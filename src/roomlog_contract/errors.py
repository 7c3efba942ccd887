"""The stable error codes, and how a refusal is told (RFC 9457 over REST, `error` over WebSocket)."""

from enum import StrEnum

import msgspec


class ErrorCode(StrEnum):
    """Stable names of everything that can be refused. Clients switch on these, never on prose."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    ROOM_CLOSED = "room_closed"
    ALREADY_DELETED = "already_deleted"
    EDIT_WINDOW_CLOSED = "edit_window_closed"
    VERSION_MISMATCH = "version_mismatch"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID = "invalid"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    UNKNOWN_TYPE = "unknown_type"
    RATE_LIMITED = "rate_limited"
    SPAM = "spam"
    LOG_UNAVAILABLE = "log_unavailable"
    PROJECTION_BEHIND = "projection_behind"
    DATABASE_UNAVAILABLE = "database_unavailable"


HTTP_STATUS: dict[ErrorCode, int] = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.NOT_ACCEPTABLE: 406,
    ErrorCode.ROOM_CLOSED: 409,
    ErrorCode.ALREADY_DELETED: 409,
    ErrorCode.EDIT_WINDOW_CLOSED: 403,
    ErrorCode.VERSION_MISMATCH: 412,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.INVALID: 422,
    ErrorCode.IDEMPOTENCY_MISMATCH: 422,
    ErrorCode.UNKNOWN_TYPE: 422,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.SPAM: 429,
    ErrorCode.LOG_UNAVAILABLE: 503,
    ErrorCode.PROJECTION_BEHIND: 503,
    ErrorCode.DATABASE_UNAVAILABLE: 503,
}


class CloseCode:
    """WebSocket close codes: 4000-4499 reconnect and resume, 4500-4999 do not.

    Those below 4000 are RFC 6455's.
    """

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NOT_UTF8 = 1007
    TOO_LARGE = 1009
    INTERNAL_ERROR = 1011
    RESTART = 1012
    TOO_SLOW = 4000
    POSITION_LOST = 4001
    HEARTBEAT = 4008
    RATE_LIMITED = 4029
    MALFORMED = 4500
    UNAUTHENTICATED = 4501
    ORIGIN = 4502
    NOT_A_MEMBER = 4503
    NO_SUCH_ROOM = 4504


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request; `field` is a dotted path."""

    field: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem with roomlog's stable `code`."""

    type: str
    title: str
    status: int
    code: ErrorCode
    detail: str
    errors: list[FieldError] = []


class RefusedError(Exception):
    """A command or a question was refused; nothing was changed unless `outcome_unknown`.

    `retry_after_s` says when trying again makes sense. The caller turns this into a Problem or
    an `error` frame and never adds to its meaning.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = [FieldError(field, detail)] if field else []
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return HTTP_STATUS[self.code]
