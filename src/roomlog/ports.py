"""What the services need from the outside, as Protocols; `main.py` wires the implementations.

The log's ports speak bytes: what an event says is the contract's business, where it stands is
the log's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from roomlog.core.search_query import SearchQuery
from roomlog_contract.fold import MessageState
from roomlog_contract.resources import MemberResponse, MessageResponse, MessageVersion
from roomlog_contract.types import MessageType, RoomRole, RoomStatus, SearchOrder

EVENT_BYTES_MAX = 1024 * 1024 - 1024
"""An event's stored bytes: what a NATS message takes, less its headers."""

PAGE_BYTES_MAX = 8 * 1024 * 1024
"""What the items of a page come to, and the last of them may exceed: a page is cut there."""


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event about to be appended: its id (also the Nats-Msg-Id) and its exact stored bytes.

    `headers` go along in the log, names and values in plain ASCII without line ends: the trace
    that the event belongs to. They are no part of what the event says.
    """

    event_id: str
    data: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where an event stands in the log, fsynced. `duplicate`: an earlier append put it there."""

    sequence: int
    duplicate: bool = False


class LogEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as read from the log or from its live feed.

    `prev_sequence` is the sequence of the room's event before it, 0 for the first.
    `appended_ns` is JetStream's timestamp in nanoseconds since the Unix epoch.
    """

    sequence: int
    prev_sequence: int
    room_id: str
    data: bytes
    appended_ns: int


class PartitionState(msgspec.Struct, frozen=True):
    """What the log says of one partition: its identity and how far it reaches."""

    partition: int
    stream: str
    epoch: str
    first_sequence: int
    last_sequence: int
    messages: int
    bytes: int
    deleted: int
    created: datetime


class LogUnavailableError(Exception):
    """The log did not take or give what was asked for.

    `outcome_unknown` is true where an append may or may not have happened: the caller must say
    so, and only a retry with the same event ids is safe.
    """

    def __init__(self, detail: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.outcome_unknown = outcome_unknown


class RoomNotEmptyError(Exception):
    """An append that had to be a room's first found events there. Nothing was appended."""


class Feed(Protocol):
    """One room's live events on this node, in order, each once, without a hole.

    The listener given to `EventLog.follow` is called for every event above `position` at the
    time `follow` returned; `position` then moves with what was delivered.
    """

    @property
    def position(self) -> int:
        """The sequence of the last event delivered (or of the room's head when it began)."""
        ...

    async def check(self) -> None:
        """Compare with the log now, and deliver what was missed."""
        ...

    async def settled(self) -> bool:
        """Wait until what the log took before this call has come, at the price of a round trip
        that all feeds share; false where something is known to be missing still, and while the
        log is away or does not answer within a second."""
        ...

    async def close(self) -> None:
        """End the subscription; the listener is not called again."""
        ...


FeedListener = Callable[[Sequence[LogEvent]], None]


class EventLog(Protocol):
    """The log: truth of everything. Every method raises LogUnavailableError when it is away."""

    @property
    def epoch(self) -> str:
        """The identity of the log, from the streams' metadata."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions the epoch has."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the connection is up as far as is known."""
        ...

    def partition_of(self, room_id: str) -> int:
        """crc32(room_id) % partitions."""
        ...

    def begin_append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> asyncio.Future[list[Appended]]:
        """Take in an append, behind those before it; the future is what `append` returns or
        raises. Where not even that is possible it raises at once, and nothing was appended."""
        ...

    def require_place(self, room_id: str) -> None:
        """Raise LogUnavailableError where too much waits already for an append to the room to be
        taken in. Whoever asks this first spares itself the work."""
        ...

    async def append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> list[Appended]:
        """Append `events` to the room, all or none, in order; return when they are fsynced.

        One event goes with what else waits (group commit). Several are one atomic batch of
        their own, at most 512. `first` demands that the room has no event yet.

        An event whose id was appended within the duplicate window is not appended again: its
        result names the first one's sequence with `duplicate` true. Raises RoomNotEmptyError
        (nothing appended) and LogUnavailableError (see `outcome_unknown`): also when the queue
        is full or the deadline passed. Retries under way inside the deadline are the
        implementation's business and keep the order of appends to a room.
        """
        ...

    def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """The room's events after sequence `after`, oldest first, in batches, to the log's end.

        With `up_to`, events above that sequence are left out. The first event's
        `prev_sequence` is that of the room's event before it, wherever that lies.
        """
        ...

    async def read_part(
        self, room_id: str, *, after: int, up_to: int, bytes_max: int, linked: bool = False
    ) -> Sequence[LogEvent]:
        """The first of what `read` gives, about `bytes_max` bytes of it but one event at least;
        nothing where there is none. Nothing is read ahead.

        `linked` says that `after` is an event of the room, which need not be looked up then.
        """
        ...

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        """The sequence of the room's newest event (at or below `up_to`), 0 where there is none."""
        ...

    async def sequence_at(self, room_id: str, moment: datetime) -> int:
        """The sequence of the room's last event appended at or before that time, 0 for none."""
        ...

    async def last_sequences(self, room_ids: Sequence[str]) -> Mapping[str, int]:
        """The newest events of many rooms; rooms without events are left out."""
        ...

    async def event_at(self, room_id: str, sequence: int) -> LogEvent | None:
        """The room's event at exactly that sequence; None where that is not one of the room's."""
        ...

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        """That event's stored bytes, in half the time: the one before it is not looked up."""
        ...

    def read_partition(
        self, partition: int, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """All events of a partition after `after`, oldest first, in batches, to the log's end.

        `prev_sequence` is not filled in here (0).
        """
        ...

    async def partition_state(self, partition: int) -> PartitionState:
        """What the stream says of itself now."""
        ...

    async def follow(self, room_id: str, listener: FeedListener) -> Feed:
        """Begin delivering the room's live events to `listener` (called on the event loop)."""
        ...

    def on_reset(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when the log turned out not to be the one it was (new epoch)."""
        ...


class Clock(Protocol):
    """The wall clock, to be replaced where time itself is under test."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        ...


class DatabaseUnavailableError(Exception):
    """PostgreSQL did not answer. Reads and what depends on them fail; the log is not touched."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a partition's projection has committed.

    `current_at`: at that moment the tables showed everything that the log held (or, while it
    catches up, the append time of the last event projected). `event_hash` is the SHA-256 of the
    event there, None before the first.
    """

    partition: int
    epoch: str
    sequence: int
    current_at: datetime
    dead: int
    event_hash: bytes | None = None


class EventRecord(msgspec.Struct, frozen=True):
    """What the projection remembers of an event by its id.

    `outcome` is "applied", or the fold's NoEffectReason of an event that changed nothing, or
    "dead" for one that could not be projected.
    """

    event_id: str
    room_id: str
    sequence: int
    outcome: str


class MessageQuery(msgspec.Struct, frozen=True):
    """A page of a room's messages: newest first, or with `after` oldest first.

    `before` and `after` are exclusive sequences; `limit` rows at most are returned. `as_of`: the
    messages as they stood right after that sequence; of redacted ones, their tombstones.
    """

    room_id: str
    limit: int
    before: int | None = None
    after: int | None = None
    before_timestamp: datetime | None = None
    message_type: MessageType | None = None
    sender_id: str | None = None
    as_of: int | None = None


class MessagePage(NamedTuple):
    """Messages in order; `more` tells whether others follow."""

    items: list[MessageResponse]
    more: bool


class SearchPlace(msgspec.Struct, frozen=True):
    """Where a search goes on: after this sequence. By relevance, after this rank and sequence,
    among the messages from `lowest` on, ranked by what they said at `head`."""

    sequence: int
    rank: int = 0
    head: int = 0
    lowest: int = 0


class FoundMessage(msgspec.Struct, frozen=True):
    """A message that was found. `marked` is the beginning of its content with
    `core.highlight`'s marks round what matched by its stem, None where nothing can."""

    message: MessageResponse
    marked: str | None


class FoundPage(msgspec.Struct, frozen=True):
    """A page of a search; `following` is None at its end."""

    hits: list[FoundMessage]
    following: SearchPlace | None


class RoomNumbers(msgspec.Struct, frozen=True):
    """A room counted: `by_user` with the busiest first, `users` those who sent what stands."""

    messages: int
    by_type: Mapping[str, int]
    by_user: Sequence[tuple[str, int]]
    users: int
    edits: int
    deletions: int
    reactions: int


class RoomPosition(NamedTuple):
    """A room's place in the order of creation. Partitions give the same sequences: hence the id."""

    created_sequence: int = 0
    room_id: str = "00000000-0000-0000-0000-000000000000"


class RoomRow(msgspec.Struct, frozen=True):
    """A room as the tables have it, seen by one user (`role` None where no member)."""

    room_id: str
    name: str
    title: str | None
    severity: str | None
    status: RoomStatus
    created_by: str
    created_at: str
    created_sequence: int
    role: RoomRole | None
    unread: int


class ReadModel(Protocol):
    """The tables, read only. Every method raises DatabaseUnavailableError within a few seconds."""

    async def answers(self) -> None:
        """Return if the tables answered a moment ago, else when they answer now."""
        ...

    async def checkpoint(self, partition: int) -> Checkpoint | None:
        """The partition's checkpoint; None before anything was projected."""
        ...

    async def find_event(self, event_id: str) -> EventRecord | None:
        """What is known of an event by its id."""
        ...

    async def message(self, message_id: str, *, as_of: int | None = None) -> MessageResponse | None:
        """One message as it stands, or as it stood right after sequence `as_of`."""
        ...

    async def message_state(self, message_id: str) -> tuple[MessageState | None, int]:
        """The message as the fold sees it, and the checkpoint it stands for (one snapshot)."""
        ...

    async def messages(self, query: MessageQuery, /) -> MessagePage:
        """A page of messages with their reactions. Once it has PAGE_BYTES_MAX, no more are added."""
        ...

    async def search(
        self,
        query: MessageQuery,
        sought: SearchQuery,
        order: SearchOrder,
        at: SearchPlace | None,
        /,
    ) -> FoundPage:
        """Messages that match, of those that `query` names, with their reactions.

        Newest first (oldest first with `after`); by relevance, the best of the newest 500 that
        match. Pages that follow each other by their `SearchPlace` neither skip nor repeat.
        """
        ...

    async def room_numbers(self, room_id: str, *, users_max: int) -> RoomNumbers:
        """What there is in a room, counted; `by_user` names `users_max` at most."""
        ...

    async def versions(self, message_id: str, *, after: int, limit: int) -> list[MessageVersion]:
        """What a message said, oldest first, versions above sequence `after` only.

        A deletion is a last version with empty content; what was deleted is in those before it.
        """
        ...

    async def rooms(
        self,
        user_id: str,
        *,
        all_rooms: bool,
        markers: Mapping[str, int],
        after: RoomPosition,
        limit: int,
    ) -> list[RoomRow]:
        """Rooms in order of creation, those after `after`.

        Only the user's own unless `all_rooms`. `unread` counts messages of others, not deleted
        and not of type system, above the user's marker (0 where there is none).
        """
        ...

    async def room(
        self, room_id: str, user_id: str, *, marker: int, up_to: int | None = None
    ) -> RoomRow | None:
        """One room, seen by that user. `up_to`: `unread` as it was right after that sequence."""
        ...

    async def room_changes(self, room_id: str, *, up_to: int) -> list[int]:
        """The sequences, rising, of what changed the room or members up to there; redactions too."""
        ...

    async def often_changed_rooms(self, changes_min: int) -> list[str]:
        """The rooms with at least so many of these changes."""
        ...

    async def room_head(self, room_id: str, epoch: str) -> int:
        """The sequence of the room's last event that the tables have, 0 where there is none, or
        where they are those of another epoch. They may be further than that, where an event
        repeats an id: it leaves no trace in them."""
        ...

    async def members(self, room_id: str, *, after: str, limit: int) -> list[MemberResponse]:
        """Members in order of user id, those above `after`."""
        ...
