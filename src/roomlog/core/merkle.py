"""Merkle trees as in RFC 9162 (certificate transparency): hashes, growing, proofs, verification.

A tree of `size` leaves is known by its root. Every proof is a list of roots of ranges of leaves;
which ranges, is said here, and whoever stores the hashes looks their roots up: a range falls into
perfect subtrees, each a node that never changes once its last leaf is there. A node's `level` is
the height of its subtree (0: a leaf), its `place` the number of nodes before it in its level.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""


class Range(NamedTuple):
    """The leaves from `begin` up to and without `end`."""

    begin: int
    end: int


class Node(NamedTuple):
    """A perfect subtree: the 2 ** `level` leaves from `place` * 2 ** `level` on."""

    level: int
    place: int


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of what joins two subtrees (RFC 9162, 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


class RightEdge:
    """A tree as far as growing needs it: the perfect subtrees that its size falls into, largest
    first. That is one hash for each 1 in the size's binary form, however many leaves there are."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if not 0 <= size <= SIZE_MAX or len(hashes) != size.bit_count():
            raise ValueError(f"{len(hashes)} hashes are no edge of a tree of {size} leaves")
        self.size = size
        self.hashes = list(hashes)

    def append(self, hashed: bytes) -> list[tuple[Node, bytes]]:
        """Add a leaf by its hash. Returns the nodes above the leaves that it has completed."""
        completed: list[tuple[Node, bytes]] = []
        below, place, level = self.hashes, self.size, 0
        while place & 1:
            hashed = node_hash(below.pop(), hashed)
            place >>= 1
            level += 1
            completed.append((Node(level, place), hashed))
        below.append(hashed)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return range_root(self.hashes) if self.hashes else EMPTY_ROOT


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a perfect subtree by the hashes of all its nodes of one level."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a tree by the hashes of all its leaves."""
    edge = RightEdge()
    for hashed in hashes:
        edge.append(hashed)
    return edge.root()


def range_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a range by the hashes of its `subtrees`, of which there must be one at least."""
    root = hashes[-1]
    for hashed in reversed(hashes[:-1]):
        root = node_hash(hashed, root)
    return root


def subtrees(leaves: Range) -> list[Node]:
    """The perfect subtrees that a range falls into, in order."""
    found: list[Node] = []
    begin, end = leaves
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        found.append(Node(level, begin >> level))
        begin += 1 << level
    return found


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose roots prove that the leaf at `index` is in the tree of `size` leaves, in
    the order of the proof (RFC 9162, 2.1.3.1). Raises ValueError where there is no such leaf."""
    if not 0 <= index < size <= SIZE_MAX:
        raise ValueError(f"a tree of {size} leaves has none at {index}")
    found: list[Range] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append(Range(middle, end))
            end = middle
        else:
            found.append(Range(begin, middle))
            begin = middle
    found.reverse()
    return found


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges whose roots prove that the tree of `old` leaves is the beginning of that of
    `new`, in the order of the proof (RFC 9162, 2.1.4.1). There is nothing to prove, and the proof
    is empty, where `old` is 0 or `new`. Raises ValueError where `old` is above `new`."""
    if not 0 <= old <= new <= SIZE_MAX:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {new}")
    if not old:
        return []
    found: list[Range] = []
    begin, end = 0, new
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            found.append(Range(middle, end))
            end = middle
        else:
            found.append(Range(begin, middle))
            begin = middle
    if begin:
        # The old tree's last part; where the old tree is a whole subtree, its root is known.
        found.append(Range(begin, end))
    found.reverse()
    return found


def verify_inclusion(
    hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether `proof` shows that the leaf of hash `hashed` is at `index` in the tree of `size`
    leaves with that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size <= SIZE_MAX:
        return False
    place, last = index, size - 1
    for sibling in proof:
        if not last:
            return False
        if place & 1 or place == last:
            hashed = node_hash(sibling, hashed)
            while place and not place & 1:
                place >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        place >>= 1
        last >>= 1
    return not last and hashed == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether `proof` shows that the tree of `old` leaves and `old_root` is the beginning of that
    of `new` leaves and `new_root` (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new <= SIZE_MAX:
        return False
    if not old or old == new:
        known = EMPTY_ROOT if not old else new_root
        return not proof and old_root == known
    # A whole subtree is not repeated in the proof.
    hashes = [old_root, *proof] if not old & (old - 1) else list(proof)
    if not hashes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while place and not place & 1:
                place >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        place >>= 1
        last >>= 1
    return not last and first == old_root and second == new_root


def _split(count: int) -> int:
    """The largest power of two below `count`, which is above 1."""
    return 1 << ((count - 1).bit_length() - 1)
