"""What proves the log. Hashes and roots are in standard base64, as in C2SP's checkpoints."""

from typing import Annotated

import msgspec
from msgspec import Meta

Hash = Annotated[str, Meta(description="32 bytes in base64.")]
Hashes = Annotated[
    list[str], Meta(description="The proof's hashes in the order of RFC 9162, each in base64.")
]
Size = Annotated[int, Meta(description="How many leaves the tree has.", ge=0)]
Origin = Annotated[str, Meta(description="Names the tree: one log of one epoch.")]
Note = Annotated[
    str, Meta(description="The signed checkpoint: to be kept elsewhere, exactly as it is.")
]


class AuditKey(msgspec.Struct, frozen=True):
    """A key that signs checkpoints, or did (`current` false). `key` is as C2SP tools read it."""

    name: str
    key: str
    current: bool


class AuditKeys(msgspec.Struct, frozen=True):
    """All keys that checkpoints of this log may be signed with."""

    keys: list[AuditKey]


class RoomCheckpoint(msgspec.Struct, frozen=True):
    """The head of a room's tree, signed. `sequence` is that of its last leaf."""

    room_id: str
    epoch: str
    sequence: int
    origin: Origin
    size: Size
    root: Hash
    note: Note


class InclusionProof(msgspec.Struct, frozen=True):
    """That the event at `sequence` is leaf `index` of the tree with that size and root."""

    room_id: str
    sequence: int
    index: int
    leaf_hash: Hash
    size: Size
    root: Hash
    hashes: Hashes


class ConsistencyProof(msgspec.Struct, frozen=True):
    """That the tree of `from_size` leaves is the beginning of that of `to_size`."""

    room_id: str
    from_size: Size
    from_root: Hash
    to_size: Size
    to_root: Hash
    hashes: Hashes


class LogCheckpoint(msgspec.Struct, frozen=True):
    """The head of the tree over all rooms' heads, signed: the rooms as they stood at `sequences`,
    one for each partition."""

    epoch: str
    sequences: list[int]
    origin: Origin
    size: Size
    root: Hash
    note: Note


class HeadProof(msgspec.Struct, frozen=True):
    """That a room's head was leaf `index` of the tree over all rooms' heads at `sequences`."""

    room_id: str
    room_size: Size
    room_root: Hash
    sequences: list[int]
    index: int
    size: Size
    root: Hash
    hashes: Hashes
