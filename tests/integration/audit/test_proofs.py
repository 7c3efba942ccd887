"""Proofs from the stored trees, held to RFC 9162's definitions and verified with other code."""

import base64
from collections.abc import AsyncGenerator
from hashlib import sha256
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roomlog.core.signed_note import SigningKey
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.services.audit_keys import KeyRing
from roomlog.services.proof_service import ProofService
from roomlog_contract.errors import ErrorCode, RefusedError
from tests.core import naive_tree
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import keep

KEY = SigningKey("example.org/log", b"\x07" * 32)


@pytest.fixture
async def reader(database: str) -> AsyncGenerator[PostgresTreeReader]:
    async with open_pool(database, size=2) as pool:
        yield PostgresTreeReader(pool)


def service(log: HoledLog, reader: PostgresTreeReader, **keys: object) -> ProofService:
    return ProofService(log=log, trees=reader, keys=KeyRing(**{"signing": KEY, **keys}))


def un64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def check_note(note: str, origin: str, size: int, root: bytes) -> None:
    """As C2SP says it, by hand."""
    text, _, signature_line = note.partition("\n\n")
    assert f"{text}\n" == f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    dash, name, signature = signature_line.removesuffix("\n").split(" ")
    public = Ed25519PublicKey.from_public_bytes(KEY.verifier.public_key)
    key_id = sha256(name.encode() + b"\n\x01" + public.public_bytes_raw()).digest()[:4]
    assert (dash, name, un64(signature)[:4]) == ("\u2014", "example.org/log", key_id)
    public.verify(un64(signature)[4:], f"{text}\n".encode())


async def test_a_rooms_checkpoint_is_the_signed_root_of_the_definition(
    database: str, reader: PostgresTreeReader
):
    log = HoledLog()
    for number in range(9):
        log.say(ROOMS[0], f"message {number}")
        log.say(ROOMS[1], f"other {number}")
    await keep(log, database, batch_events_max=4)
    proofs, leaves = service(log, reader), log.leaves(ROOMS[0])

    for size in (None, *range(1, 10)):
        told = await proofs.room_checkpoint(ROOMS[0], size)
        root = naive_tree.root(leaves[: size or 9])
        origin = f"example.org/log/epoch 1/rooms/{ROOMS[0]}"
        check_note(told.note, origin, size or 9, root)
        assert (told.size, un64(told.root), told.origin) == (size or 9, root, origin)
        assert told.sequence == log.appended[ROOMS[0]][(size or 9) - 1][0]


@pytest.mark.parametrize("batch_events_max", [10, 97, 1000])
async def test_proofs_across_tiles_are_those_of_the_definition(
    database: str, reader: PostgresTreeReader, batch_events_max: int
):
    log = HoledLog()
    for number in range(1100):
        log.say(ROOMS[number % 7 == 0], f"message {number}")
    await keep(log, database, batch_events_max=batch_events_max)
    proofs, leaves = service(log, reader), log.leaves(ROOMS[0])
    total = len(leaves)
    assert total > 900

    for size in (1, 2, 255, 256, 257, 511, 512, 513, 700, 768, 769, total):
        root = naive_tree.root(leaves[:size])
        for index in {
            0,
            min(1, size - 1),
            size // 2,
            max(size - 2, 0),
            size - 1,
            min(255, size - 1),
        }:
            told = await proofs.inclusion(ROOMS[0], log.appended[ROOMS[0]][index][0], size)
            assert (told.index, told.size, un64(told.root)) == (index, size, root)
            assert un64(told.leaf_hash) == sha256(b"\x00" + leaves[index]).digest()
            assert [un64(one) for one in told.hashes] == naive_tree.path(index, leaves[:size])
        told = await proofs.consistency(ROOMS[0], size)
        assert (told.from_size, told.to_size) == (size, total)
        assert (un64(told.from_root), un64(told.to_root)) == (root, naive_tree.root(leaves))
        assert [un64(one) for one in told.hashes] == (
            naive_tree.proof(size, leaves) if size < total else []
        )
    told = await proofs.consistency(ROOMS[0], 255, 700)
    assert [un64(one) for one in told.hashes] == naive_tree.proof(255, leaves[:700])


async def test_the_tree_over_all_heads_is_that_of_the_definition_now_and_at_any_earlier_place(
    database: str, reader: PostgresTreeReader
):
    log = HoledLog(partitions=2)
    for number in range(60):
        log.say(ROOMS[number % 3 if number < 30 else number % 5], f"message {number}")
    await keep(log, database, batch_events_max=7)
    proofs = service(log, reader)

    told = await proofs.log_checkpoint()
    assert told.sequences == log.ends
    leaves = _head_leaves(log, log.ends)
    origin = f"example.org/log/epoch 1/heads/{log.ends[0]}-{log.ends[1]}"
    check_note(told.note, origin, 5, naive_tree.root(list(leaves.values())))

    places = [(first, second) for first in (1, 4, 9, log.ends[0]) for second in (1, 7, 13)]
    for place in places:
        leaves = _head_leaves(log, place)
        for index, room in enumerate(leaves):
            proof = await service(log, reader).head(room, place)
            assert (proof.index, proof.size) == (index, len(leaves))
            leaf = UUID(room).bytes + proof.room_size.to_bytes(8, "big") + un64(proof.room_root)
            assert leaf == leaves[room]
            assert un64(proof.root) == naive_tree.root(list(leaves.values()))
            assert [un64(one) for one in proof.hashes] == naive_tree.path(
                index, list(leaves.values())
            )


def _head_leaves(log: HoledLog, sequences: list[int] | tuple[int, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for room in sorted(log.appended):
        size = sum(s <= sequences[log.partition_of(room)] for s, _ in log.appended[room])
        if size:
            root = naive_tree.root(log.leaves(room)[:size])
            found[room] = UUID(room).bytes + size.to_bytes(8, "big") + root
    return found


async def _refused(awaitable: object) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        await awaitable  # type: ignore[misc]
    return refused.value


async def test_what_cannot_be_proved_is_refused_with_its_field(
    database: str, reader: PostgresTreeReader
):
    log = HoledLog()
    mine, other = log.say(ROOMS[0], "one"), log.say(ROOMS[1], "two")
    log.say(ROOMS[0], "three")
    await keep(log, database)
    proofs = service(log, reader)

    for awaitable, code, field in [
        (proofs.room_checkpoint(ROOMS[0], 3), ErrorCode.INVALID, "size"),
        (proofs.inclusion(ROOMS[0], other), ErrorCode.NOT_FOUND, None),
        (proofs.inclusion(ROOMS[0], 99), ErrorCode.NOT_FOUND, None),
        (proofs.inclusion(ROOMS[0], mine, 3), ErrorCode.INVALID, "size"),
        (proofs.inclusion(ROOMS[0], 3, 1), ErrorCode.INVALID, "size"),
        (proofs.consistency(ROOMS[0], 3), ErrorCode.INVALID, "from"),
        (proofs.consistency(ROOMS[0], 2, 1), ErrorCode.INVALID, "from"),
        (proofs.consistency(ROOMS[0], 1, 3), ErrorCode.INVALID, "to"),
        (proofs.head(ROOMS[0], [9]), ErrorCode.INVALID, "sequences"),
        (proofs.head(ROOMS[0], [1, 1]), ErrorCode.INVALID, "sequences"),
        (proofs.head(ROOMS[1], [1]), ErrorCode.NOT_FOUND, None),
        (proofs.room_checkpoint(ROOMS[4]), ErrorCode.NOT_FOUND, None),
        (service(log, reader, signing=None).room_checkpoint(ROOMS[0]), ErrorCode.NOT_FOUND, None),
        (service(log, reader, signing=None).log_checkpoint(), ErrorCode.NOT_FOUND, None),
    ]:
        refused = await _refused(awaitable)
        assert refused.code is code, refused
        assert [one.field for one in refused.errors] == ([field] if field else [])


async def test_trees_that_are_behind_are_waited_for_and_then_said_to_be(
    database: str, reader: PostgresTreeReader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("roomlog.services.proof_service.WAIT_S", 0.3)
    log = HoledLog()
    log.say(ROOMS[0], "one")
    await keep(log, database)
    log.say(ROOMS[0], "two")

    refused = await _refused(service(log, reader).room_checkpoint(ROOMS[0]))
    assert refused.code is ErrorCode.PROJECTION_BEHIND
    await keep(log, database)
    assert (await service(log, reader).room_checkpoint(ROOMS[0])).size == 2


async def test_no_proof_is_made_of_trees_of_another_epoch(
    database: str, reader: PostgresTreeReader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("roomlog.services.proof_service.WAIT_S", 0.3)
    log = HoledLog()
    log.say(ROOMS[0], "one")
    await keep(log, database)
    log.epoch = "epoch 2"

    for awaitable in (
        service(log, reader).room_checkpoint(ROOMS[0]),
        service(log, reader).log_checkpoint(),
    ):
        assert (await _refused(awaitable)).code is ErrorCode.PROJECTION_BEHIND


async def test_old_keys_are_told_beside_the_one_that_signs(reader: PostgresTreeReader):
    old = SigningKey("example.org/log", b"\x06" * 32).verifier
    keys = service(HoledLog(), reader, old=(old, KEY.verifier)).keys().keys

    assert [(key.key, key.current) for key in keys] == [
        (str(KEY.verifier), True),
        (str(old), False),
    ]
