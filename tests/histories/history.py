"""What a run of a fault test wrote down: who asked for what and when, what they were told, what
each saw, and in the end the log and the tables.

Times are seconds of one monotonic clock. All of it is data: `checker` says whether it is true.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from roomlog_contract.events import RoomEvent


class Outcome(StrEnum):
    """How a write ended for who asked. REFUSED: a last answer, and it had no effect. FAILED: told
    that nothing was appended. UNKNOWN: no last answer."""

    ACKED = "acked"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Act(StrEnum):
    """What is asked for."""

    CREATE = "create"
    SEND = "send"
    EDIT = "edit"
    DELETE = "delete"
    REACT = "react"
    UNREACT = "unreact"


class Write(msgspec.Struct):
    """One write under one idempotency key, from its first sending to its last answer.

    `content` is what is said, or the emoji; `about` the message. `sequence` and `message_id` are
    the ack's. `in_order`: its client promises the order of its own commands in a room.
    `projected`: the answer said that the tables have it.
    """

    client: str
    user: str
    room: str
    act: Act
    key: str
    begun_s: float
    content: str = ""
    about: str = ""
    expected_version: int | None = None
    ended_s: float | None = None
    outcome: Outcome = Outcome.UNKNOWN
    code: str = ""
    sequence: int = 0
    message_id: str = ""
    duplicate: bool = False
    in_order: bool = False
    projected: bool = False
    attempts: int = 1


class Seen(msgspec.Struct):
    """An event as a receiver got it."""

    sequence: int
    prev_sequence: int
    at: str
    event: dict[str, Any]


class Stream(msgspec.Struct):
    """What one receiver saw of a room, over however many connections: everything after `after`.

    `whole`: it was followed until the end, and must have everything.
    """

    client: str
    room: str
    after: int
    events: list[Seen] = []
    resumes: int = 0
    whole: bool = False


class Read(msgspec.Struct):
    """A page of messages by REST. `items` are the answer's, without `content_html`; `as_of` and
    `before` what was asked for."""

    client: str
    room: str
    begun_s: float
    ended_s: float
    head: int
    items: list[dict[str, Any]]
    limit: int
    min_sequence: int = 0
    before: int | None = None
    as_of: int | None = None


class View(msgspec.Struct):
    """A client's whole picture of a room at the sequence that it says it is at: messages as
    `shown`, members by id."""

    client: str
    room: str
    sequence: int
    messages: dict[str, dict[str, Any]]
    members: dict[str, str]
    status: str


class Tables(msgspec.Struct):
    """The tables' rows at the end, and what `projections verify` said of them. A checkpoint for
    each partition."""

    messages: list[dict[str, Any]] = []
    reactions: list[tuple[str, str, str]] = []
    edits: list[tuple[str, int]] = []
    members: list[tuple[str, str, str]] = []
    checkpoints: list[int] = msgspec.field(default_factory=lambda: [0])
    verified: bool = False
    detail: str = ""


class History(msgspec.Struct):
    """A run. `log` is all of the log's streams, one partition after the other, each from after its
    `begins_after` on and in its order, other runs' rooms too; `about` says how the run was made.
    `besides` are rooms of which only the place in the log is judged."""

    about: dict[str, Any] = {}
    begins_after: list[int] = msgspec.field(default_factory=lambda: [0])
    writes: list[Write] = []
    streams: list[Stream] = []
    reads: list[Read] = []
    views: list[View] = []
    besides: list[str] = []
    log: list[RoomEvent] = []
    tables: Tables | None = None

    def partition_of(self, room: str) -> int:
        """Where a room's events lie."""
        return crc32(room.encode()) % len(self.begins_after)

    def partitions(self) -> list[list[RoomEvent]]:
        """The log, by partition."""
        parts: list[list[RoomEvent]] = [[] for _ in self.begins_after]
        for event in self.log:
            parts[self.partition_of(event.room_id)].append(event)
        return parts

    def save(self, path: Path) -> None:
        """Keep it, to be looked at and checked again."""
        path.write_bytes(msgspec.json.encode(self))


def load(path: Path) -> History:
    """A history that was kept."""
    return msgspec.json.decode(path.read_bytes(), type=History)
