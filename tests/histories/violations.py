"""What can be wrong with a history."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """One for each promise."""

    LOG_HOLE = "log_hole"
    ACKED_LOST = "acked_lost"
    ACK_UNTRUE = "ack_untrue"
    DOUBLED = "doubled"
    ALTERED = "altered"
    INVENTED = "invented"
    FAILED_APPENDED = "failed_appended"
    REFUSED_EFFECT = "refused_effect"
    REAL_TIME = "real_time"
    CLIENT_ORDER = "client_order"
    RECEIVER_HOLE = "receiver_hole"
    RECEIVER_DISORDER = "receiver_disorder"
    RECEIVER_CHANGED = "receiver_changed"
    RECEIVER_INVENTED = "receiver_invented"
    READ_STALE = "read_stale"
    READ_DIFFERS = "read_differs"
    VIEW_DIFFERS = "view_differs"
    TABLES_DIFFER = "tables_differ"
    NOT_VERIFIED = "not_verified"


class Violation(msgspec.Struct, frozen=True):
    """A broken promise, in a room, in words."""

    kind: Kind
    room: str
    detail: str
