"""RFC 9162's trees, held to its own recursive definitions and to published vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import merkle
from roomlog.core.merkle import Range, RightEdge
from tests.core import naive_tree

# The leaves and hashes that the reference implementation of RFC 6962 is tested with.
_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
_PATH_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
_PROOF_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]


def _leaves(count: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(count)]


def _grown(leaves: list[bytes]) -> RightEdge:
    edge = RightEdge()
    for leaf in leaves:
        edge.append(merkle.leaf_hash(leaf))
    return edge


def _roots(leaves: list[bytes], ranges: list[Range]) -> list[bytes]:
    """Roots of ranges from their perfect subtrees, as a store of nodes finds them."""
    found: list[bytes] = []
    for one in ranges:
        nodes = merkle.subtrees(one)
        assert [at for node in nodes for at in _covered(node)] == list(range(*one))
        found.append(
            merkle.range_root(
                [
                    merkle.subtree_root([merkle.leaf_hash(leaves[at]) for at in _covered(node)])
                    for node in nodes
                ]
            )
        )
    return found


def _covered(node: merkle.Node) -> range:
    return range(node.place << node.level, (node.place + 1) << node.level)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_are_published(size: int):
    assert _grown(_LEAVES[:size]).root().hex() == _ROOTS[size]


def test_an_inclusion_proof_is_that_which_is_published():
    proof = _roots(_LEAVES, merkle.inclusion_ranges(0, 8))

    assert [one.hex() for one in proof] == _PATH_0_OF_8


def test_a_consistency_proof_is_that_which_is_published():
    proof = _roots(_LEAVES, merkle.consistency_ranges(6, 8))

    assert [one.hex() for one in proof] == _PROOF_6_TO_8


@given(s.integers(0, 70))
def test_a_grown_tree_has_the_root_of_the_definition(size: int):
    leaves = _leaves(size)

    assert _grown(leaves).root() == naive_tree.root(leaves)


@given(s.integers(0, 70), s.integers(0, 70))
def test_a_tree_taken_up_from_its_edge_grows_as_if_it_had_never_stopped(first: int, then: int):
    leaves = _leaves(first + then)
    edge = _grown(leaves[:first])
    taken_up = RightEdge(edge.size, edge.hashes)
    for leaf in leaves[first:]:
        taken_up.append(merkle.leaf_hash(leaf))

    assert (taken_up.size, taken_up.hashes) == (len(leaves), _grown(leaves).hashes)


@given(s.integers(1, 70))
def test_every_node_that_a_leaf_completes_is_told_once(size: int):
    leaves = _leaves(size)
    edge = RightEdge()
    told = {node: hashed for leaf in leaves for node, hashed in edge.append(merkle.leaf_hash(leaf))}

    complete = {
        merkle.Node(level, place) for level in range(1, 8) for place in range(size >> level)
    }
    assert set(told) == complete
    for node, hashed in told.items():
        assert hashed == naive_tree.root([leaves[at] for at in _covered(node)])


@given(s.data())
def test_an_inclusion_proof_is_that_of_the_definition_and_verifies(data: s.DataObject):
    size = data.draw(s.integers(1, 70))
    index = data.draw(s.integers(0, size - 1))
    leaves = _leaves(size)
    proof = _roots(leaves, merkle.inclusion_ranges(index, size))

    assert proof == naive_tree.path(index, leaves)
    hashed, root = merkle.leaf_hash(leaves[index]), naive_tree.root(leaves)
    assert merkle.verify_inclusion(hashed, index, size, proof, root)


@given(s.data())
def test_a_consistency_proof_is_that_of_the_definition_and_verifies(data: s.DataObject):
    new = data.draw(s.integers(1, 70))
    old = data.draw(s.integers(1, new))
    leaves = _leaves(new)
    proof = _roots(leaves, merkle.consistency_ranges(old, new))

    assert proof == (naive_tree.proof(old, leaves) if old < new else [])
    roots = naive_tree.root(leaves[:old]), naive_tree.root(leaves)
    assert merkle.verify_consistency(old, new, proof, *roots)


@given(s.data())
def test_no_other_leaf_index_size_proof_or_root_passes_for_an_inclusion(data: s.DataObject):
    size = data.draw(s.integers(1, 40))
    index = data.draw(s.integers(0, size - 1))
    leaves = _leaves(size)
    proof, root = naive_tree.path(index, leaves), naive_tree.root(leaves)
    hashed = merkle.leaf_hash(leaves[index])

    other = data.draw(s.integers(0, size).filter(lambda n: n != index))
    assert not merkle.verify_inclusion(hashed, other, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    assert not merkle.verify_inclusion(hashed, index, size, proof, b"\x00" * 32)
    assert not merkle.verify_inclusion(hashed, index, size, [*proof, root], root)
    for at in range(len(proof)):
        assert not merkle.verify_inclusion(hashed, index, size, proof[:at], root)
        wrong = [*proof[:at], b"\x00" * 32, *proof[at + 1 :]]
        assert not merkle.verify_inclusion(hashed, index, size, wrong, root)


@given(s.data())
def test_no_other_tree_or_proof_passes_for_a_consistency(data: s.DataObject):
    new = data.draw(s.integers(2, 40))
    old = data.draw(s.integers(1, new - 1))
    leaves = _leaves(new)
    changed_at = data.draw(s.integers(0, old - 1))
    changed = [*leaves[:changed_at], b"changed", *leaves[changed_at + 1 :]]
    proof = naive_tree.proof(old, leaves)
    old_root, new_root = naive_tree.root(leaves[:old]), naive_tree.root(leaves)

    # The operator's best attempt: true proofs of a tree in which one old leaf was changed.
    forged = naive_tree.proof(old, changed)
    forged_root = naive_tree.root(changed)
    assert not merkle.verify_consistency(old, new, forged, old_root, forged_root)
    assert not merkle.verify_consistency(old, new, proof, old_root, forged_root)
    assert not merkle.verify_consistency(old, new, [*proof, new_root], old_root, new_root)
    for at in range(len(proof)):
        assert not merkle.verify_consistency(old, new, proof[:at], old_root, new_root)


def test_an_empty_tree_is_the_beginning_of_any_and_every_tree_of_itself():
    root = naive_tree.root(_leaves(3))

    assert merkle.consistency_ranges(0, 3) == merkle.consistency_ranges(3, 3) == []
    assert merkle.verify_consistency(0, 3, [], merkle.EMPTY_ROOT, root)
    assert merkle.verify_consistency(3, 3, [], root, root)
    assert not merkle.verify_consistency(0, 3, [], root, root)
    assert not merkle.verify_consistency(3, 3, [], merkle.EMPTY_ROOT, root)
    assert not merkle.verify_consistency(4, 3, [], root, root)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int):
    with pytest.raises(ValueError, match="has none at"):
        merkle.inclusion_ranges(index, size)


def test_an_edge_that_does_not_fit_its_size_is_refused():
    with pytest.raises(ValueError, match="no edge"):
        RightEdge(3, [b"\x00" * 32])
