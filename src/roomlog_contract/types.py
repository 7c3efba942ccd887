"""The words and kinds of field that events, frames and resources share."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta

RoomId = Annotated[str, Meta(description="A room's UUID.", extra_json_schema={"format": "uuid"})]
MessageId = Annotated[
    str, Meta(description="A message's UUID.", extra_json_schema={"format": "uuid"})
]
EventId = Annotated[
    str, Meta(description="The event's own UUID.", extra_json_schema={"format": "uuid"})
]
Actor = Annotated[str, Meta(description="The id of the user who did it.")]
Timestamp = Annotated[
    str,
    Meta(
        description="RFC 3339, in UTC with milliseconds.",
        extra_json_schema={"format": "date-time"},
    ),
]
Metadata = Annotated[
    dict[str, Any],
    Meta(
        description="Depends on `message_type`. `image_ref`: `url` (https), `content_type` "
        "(image/*), optional `alt`, `width`, `height`, `size`. `file_ref`: `url` (https), "
        "`filename`, `content_type`, optional `size`, `sha256`. `incident_data`: `kind` and an "
        "object `data`. `system`: `event`. The sender's own fields may stand beside these. "
        "`mentions` is set by the server: the ids of the members whom the text names."
    ),
]


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
