"""The trees of a log: one for each room, and one over the heads of all rooms.

A room's tree grows with its events, in the order of the log. The tree over the heads is made anew
for a place in the log: its leaves are the rooms' heads there, in the order of the rooms' ids, so
that it names each room once, and two neighbours show that no room lies between them.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from roomlog.core.merkle import HASH_BYTES, Node, RightEdge, leaf_hash
from roomlog.core.signed_note import NoteError
from roomlog_contract.trail import TRAIL_ID

_ORIGIN = re.compile(
    r"(.+)/([^/]+)/(?:trail|rooms/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|heads/([0-9]{1,19}(?:-[0-9]{1,19})*))"
)

TILE_LEVELS = 8
"""Of a room's nodes those at multiples of this level are stored; those between are made again
from at most 2 ** 8 of them."""
TILE_WIDTH = 1 << TILE_LEVELS


class RoomHead(msgspec.Struct, frozen=True):
    """How many leaves a room's tree has, and its root."""

    room_id: str
    size: int
    root: bytes


def head_leaf(head: RoomHead) -> bytes:
    """The leaf of a room's head: the room's id (16 bytes), size (8 bytes, big-endian), root."""
    return UUID(head.room_id).bytes + head.size.to_bytes(8, "big") + head.root


def heads_in_order(heads: Iterable[RoomHead]) -> list[RoomHead]:
    """Heads as the tree over them has them."""
    return sorted(heads, key=lambda head: UUID(head.room_id).bytes)


def heads_hashes(heads: Sequence[RoomHead]) -> list[bytes]:
    """The leaf hashes of the tree over heads that are in order."""
    return [leaf_hash(head_leaf(head)) for head in heads]


def room_origin(name: str, epoch: str, room_id: str) -> str:
    """The origin of a room's tree, under the name of the key that signs for it; of TRAIL_ID, that
    of the audit trail's."""
    if room_id == TRAIL_ID:
        return f"{name}/{epoch}/trail"
    return f"{name}/{epoch}/rooms/{room_id}"


def heads_origin(name: str, epoch: str, sequences: Sequence[int]) -> str:
    """The origin of the tree over all heads as of these sequences, one for each partition.

    Each place in the log is a tree of its own: such trees do not grow, they are made anew.
    """
    return f"{name}/{epoch}/heads/{'-'.join(str(sequence) for sequence in sequences)}"


class Origin(msgspec.Struct, frozen=True):
    """An origin taken apart: of a room's tree (TRAIL_ID: the audit trail's), or, without a room,
    of the tree over all heads as of `sequences`."""

    name: str
    epoch: str
    room_id: str | None = None
    sequences: tuple[int, ...] = ()


def parse_origin(text: str) -> Origin:
    """Take an origin apart. Raises NoteError where it is of none of these trees."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise NoteError(f"{text!r} is not the origin of a room, of all rooms or of the audit trail")
    name, epoch, room_id, sequences = found.groups()
    if sequences is not None:
        return Origin(name, epoch, None, tuple(map(int, sequences.split("-"))))
    return Origin(name, epoch, room_id or TRAIL_ID)


class TileNode(msgspec.Struct, frozen=True):
    """A node that is stored: its place and its hash."""

    node: Node
    hashed: bytes


class Span(NamedTuple):
    """Stored nodes of one level, from place `begin` up to and without `end`."""

    level: int
    begin: int
    end: int


def span_of(node: Node) -> Span:
    """The stored nodes that a node is made of (`merkle.subtree_root`); they lie in one tile."""
    above = node.level % TILE_LEVELS
    return Span(node.level - above, node.place << above, (node.place + 1) << above)


class RoomTree:
    """One room's tree while it grows."""

    __slots__ = ("_edge",)

    def __init__(self, size: int = 0, edge: bytes = b"") -> None:
        """Take a tree up where `edge` left it. Raises ValueError where the two do not fit."""
        hashes = [edge[at : at + HASH_BYTES] for at in range(0, len(edge), HASH_BYTES)]
        if any(len(one) != HASH_BYTES for one in hashes):
            raise ValueError("an edge is made of whole hashes")
        self._edge = RightEdge(size, hashes)

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self._edge.size

    @property
    def edge(self) -> bytes:
        """What is needed to go on, as bytes."""
        return b"".join(self._edge.hashes)

    def root(self) -> bytes:
        """The root as it stands."""
        return self._edge.root()

    def append(self, hashed: bytes) -> list[TileNode]:
        """Add a leaf by its hash; returns the nodes to be stored that it completes."""
        return [
            TileNode(node, found)
            for node, found in self._edge.append(hashed)
            if not node.level % TILE_LEVELS
        ]
