"""The words that events, frames and resources share."""

from enum import StrEnum


class MessageType(StrEnum):
    """What kind of thing a message says."""

    TEXT = "text"
    IMAGE_REF = "image_ref"
    FILE_REF = "file_ref"
    INCIDENT_DATA = "incident_data"
    SYSTEM = "system"


class SystemEventType(StrEnum):
    """`metadata.event` of a system message."""

    USER_JOINED = "user_joined"
    USER_LEFT = "user_left"
    STATUS_CHANGED = "status_changed"
    MEMBER_ADDED = "member_added"
    MEMBER_REMOVED = "member_removed"
    ROLE_CHANGED = "role_changed"
    NOTICE = "notice"
    IMPORTED = "imported"


class RoomStatus(StrEnum):
    """Where an incident stands; a closed room takes no more messages."""

    OPEN = "open"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"


class RoomRole(StrEnum):
    """What a member may do in one room."""

    COMMANDER = "commander"
    RESPONDER = "responder"
    OBSERVER = "observer"


class SearchOrder(StrEnum):
    """In which order a search gives what it found."""

    NEWEST = "newest"
    RELEVANCE = "relevance"


class GlobalRole(StrEnum):
    """What a token's bearer may do everywhere (`roles` claim)."""

    ADMIN = "admin"
    AUDITOR = "auditor"
    SERVICE = "service"


class NotificationKind(StrEnum):
    """What a notification tells its user of."""

    MENTION = "mention"
    ADDED = "added"
    REMOVED = "removed"
