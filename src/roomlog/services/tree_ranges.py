"""Roots of ranges of a room's leaves, from the hashes that are stored."""

from collections.abc import Sequence

from roomlog.core.merkle import Node, Range, range_root, subtree_root, subtrees
from roomlog.core.room_tree import TILE_LEVELS, Span, span_of
from roomlog.tree_ports import TreeReader


class MissingHashesError(Exception):
    """The stored tree lacks hashes that it should have: it is being made anew, or damaged."""


async def range_roots(trees: TreeReader, room_id: str, ranges: Sequence[Range]) -> list[bytes]:
    """The roots of ranges, none of them empty, of the leaves that a room's tree has.

    A read for each tile that they touch: at most two for every eight levels of the tree. Raises
    MissingHashesError, DatabaseUnavailableError.
    """
    nodes = [subtrees(one) for one in ranges]
    spans = [span_of(node) for several in nodes for node in several]
    stored: dict[Node, bytes] = {}
    for span in _joined(spans):
        hashes = await trees.hashes(room_id, span)
        if len(hashes) != span.end - span.begin:
            raise MissingHashesError(f"room {room_id}: of {span} there are {len(hashes)} hashes")
        stored.update(
            (Node(span.level, span.begin + at), hashed) for at, hashed in enumerate(hashes)
        )
    return [range_root([_root(node, stored) for node in several]) for several in nodes]


def _root(node: Node, stored: dict[Node, bytes]) -> bytes:
    level, begin, end = span_of(node)
    return subtree_root([stored[Node(level, place)] for place in range(begin, end)])


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Spans of the same tile as one, with what lies between them."""
    tiles: dict[tuple[int, int], Span] = {}
    for span in spans:
        key = span.level, span.begin >> TILE_LEVELS
        found = tiles.get(key, span)
        tiles[key] = Span(span.level, min(found.begin, span.begin), max(found.end, span.end))
    return list(tiles.values())
