from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import merkle, room_tree
from roomlog.core.room_tree import RoomHead, RoomTree
from tests.core import naive_tree


def _leaves(count: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(count)]


@given(s.lists(s.integers(0, 300), max_size=4))
def test_a_tree_grown_in_any_pieces_stores_the_nodes_of_the_definition(pieces: list[int]):
    leaves = _leaves(sum(pieces))
    size, edge, begin = 0, b"", 0
    stored: dict[merkle.Node, bytes] = {}
    for count in pieces:
        tree = RoomTree(size, edge)
        for leaf in leaves[begin : begin + count]:
            for found in tree.append(merkle.leaf_hash(leaf)):
                stored[found.node] = found.hashed
        size, edge, begin = tree.size, tree.edge, begin + count

    assert RoomTree(size, edge).root() == naive_tree.root(leaves)
    assert stored == {
        merkle.Node(8, place): naive_tree.root(leaves[place * 256 : place * 256 + 256])
        for place in range(len(leaves) // 256)
    }


def test_nodes_between_are_made_of_stored_ones_of_one_tile():
    assert room_tree.span_of(merkle.Node(0, 5)) == (0, 5, 6)
    assert room_tree.span_of(merkle.Node(7, 3)) == (0, 384, 512)
    assert room_tree.span_of(merkle.Node(8, 3)) == (8, 3, 4)
    assert room_tree.span_of(merkle.Node(10, 3)) == (8, 12, 16)


@given(s.integers(0, 40), s.integers(0, 1 << 40))
def test_a_span_covers_what_its_node_covers_and_lies_within_a_tile(level: int, place: int):
    span = room_tree.span_of(merkle.Node(level, place))

    assert span.begin << span.level == place << level
    assert span.end << span.level == (place + 1) << level
    assert span.begin // 256 == (span.end - 1) // 256


@pytest.mark.parametrize(("size", "edge"), [(1, b""), (1, b"x" * 31), (2, b"x" * 64), (-1, b"")])
def test_an_edge_that_does_not_fit_is_refused(size: int, edge: bytes):
    with pytest.raises(ValueError, match="edge"):
        RoomTree(size, edge)


def test_the_leaf_of_a_head_is_room_size_and_root_in_the_order_of_the_rooms():
    later = RoomHead("f0000000-0000-4000-8000-000000000001", 1, b"\x01" * 32)
    first = RoomHead("00000000-0000-4000-8000-000000000002", 258, b"\x02" * 32)

    assert room_tree.heads_in_order([later, first]) == [first, later]
    assert (
        room_tree.head_leaf(first)
        == UUID(first.room_id).bytes + b"\x00\x00\x00\x00\x00\x00\x01\x02" + b"\x02" * 32
    )


def test_origins_name_the_log_the_room_and_the_place():
    assert room_tree.room_origin("a.example/log", "e1", "r1") == "a.example/log/e1/rooms/r1"
    assert room_tree.heads_origin("a.example/log", "e1", [5]) == "a.example/log/e1/heads/5"
    assert room_tree.heads_origin("a.example/log", "e1", [5, 0]) == "a.example/log/e1/heads/5-0"
