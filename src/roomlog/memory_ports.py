"""What is remembered beside the log, in small key-value buckets, as Protocols.

None of it is conversation, and none but snapshots can be made again from the log. Every method raises
LogUnavailableError when NATS is away.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class ReadMarkers(Protocol):
    """How far each user has read each room."""

    async def get(self, user_id: str) -> Mapping[str, int]:
        """All of a user's markers: room id to sequence."""
        ...

    async def advance(self, user_id: str, room_id: str, sequence: int) -> None:
        """Move a marker forward; one that is further already stays, whoever moved it."""
        ...


class Claim(msgspec.Struct, frozen=True):
    """A request that was made under an idempotency key.

    `digest` tells which request the key belongs to. `finished`: what it asked for was done.
    """

    digest: str
    finished: bool


class RequestMemory(Protocol):
    """Idempotency keys of writes that leave no event in the log, kept for ever."""

    async def find(self, request_id: str) -> Claim | None:
        """What is known of a request; None where nobody made one."""
        ...

    async def claim(self, request_id: str, digest: str) -> Claim:
        """Remember a request under an id made of who asks and the key; of several, the first."""
        ...

    async def finish(self, request_id: str, digest: str) -> None:
        """What a claimed request asked for is done."""
        ...


class KeyMarks(Protocol):
    """Up to which moment each user has used idempotency keys ahead of their time."""

    async def get(self, user_id: str) -> int:
        """The user's mark in milliseconds since the Unix epoch, 0 where there is none."""
        ...

    async def advance(self, user_id: str, moment_ms: int) -> int:
        """Move a mark forward; where it stands then, which may be further."""
        ...


class NameStore(Protocol):
    """The name that each user's tokens bore last."""

    async def get(self, user_ids: Sequence[str]) -> Mapping[str, str]:
        """The names of these users, by user; who has none is left out."""
        ...

    async def put(self, user_id: str, name: str) -> None:
        """Keep a name in place of the one before."""
        ...


class RoomSnapshot(msgspec.Struct, frozen=True):
    """A room's state (the fold's, encoded) as it stood at `sequence` of `epoch`."""

    epoch: str
    sequence: int
    state: bytes


class SnapshotStore(Protocol):
    """Room states for workers that start cold, also while PostgreSQL is away: the newest of a room
    under its id, and waypoints of its past, under `<id>.<sequence>.<changes>`. They can be made
    again from the log."""

    async def get(self, key: str) -> RoomSnapshot | None:
        """The snapshot there, or None."""
        ...

    async def put(self, key: str, snapshot: RoomSnapshot) -> None:
        """Keep this one in place of what was there."""
        ...
