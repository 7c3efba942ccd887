"""The audit trail: who read, exported or redacted what by a right over all rooms, and what was
found wrong with the log. Records are facts of a stream of their own, never of a room."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from roomlog_contract.types import GlobalRole, Timestamp

TRAIL_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""Stands for the trail where the trees ask for a room's id. No room has it: RFC 9562, 5.10."""


class RecordKind(StrEnum):
    """What was done. A kind is two words, as an event's type is."""

    ROOMS_LISTED = "rooms.listed"
    ROOM_READ = "room.read"
    MEMBERS_READ = "members.read"
    STATS_READ = "stats.read"
    PRESENCE_READ = "presence.read"
    HISTORY_READ = "history.read"
    MESSAGE_READ = "message.read"
    VERSIONS_READ = "versions.read"
    REACTIONS_READ = "reactions.read"
    SEARCHED = "messages.searched"
    EVENTS_READ = "events.read"
    FOLLOWED = "room.followed"
    PROVED = "room.proved"
    EXPORTED = "room.exported"
    REPLAYED = "room.replayed"
    VISIBILITY_ASKED = "visibility.asked"
    REDACTED = "message.redacted"
    VERIFICATION_FAILED = "verification.failed"


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record. `at` is when it was appended for, by the clock of whoever appended it.

    `until` stands in records of reading: up to then the same user may have read the same again,
    without another record. `past`: what was read was the room as of a moment. `detail` says in
    words what the other fields don't.
    """

    sequence: Annotated[int, Meta(description="Its place in the trail: 1, 2, 3, without holes.")]
    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    kind: RecordKind
    actor: Annotated[
        str,
        Meta(
            description="The id of the user who did it; `operator:` and a login name for who used "
            "the command line, `roomlog` for what the servers found by themselves."
        ),
    ]
    roles: list[GlobalRole] = []
    at: Timestamp
    until: Timestamp | None = None
    room_id: Annotated[str | None, Meta(extra_json_schema={"format": "uuid"})] = None
    message_id: Annotated[str | None, Meta(extra_json_schema={"format": "uuid"})] = None
    past: bool = False
    detail: str | None = None
