"""Snapshots, read markers and what else is remembered: what was put is what one gets."""

import asyncio
import random
import uuid

import pytest

from roomlog.jetstream.buckets import (
    JetStreamKeyMarks,
    JetStreamNames,
    JetStreamReadMarkers,
    JetStreamRequestMemory,
    JetStreamSnapshots,
)
from roomlog.jetstream.log import JetStreamLog
from roomlog.memory_ports import Claim, RoomSnapshot

from .conftest import Connect, Server


@pytest.fixture
def snapshots(log: JetStreamLog) -> JetStreamSnapshots:
    return log.snapshots


@pytest.fixture
def markers(log: JetStreamLog) -> JetStreamReadMarkers:
    return log.read_markers


async def test_the_newest_snapshot_of_a_room_is_kept(snapshots: JetStreamSnapshots) -> None:
    room = str(uuid.uuid4())
    assert await snapshots.get(room) is None
    await snapshots.put(room, RoomSnapshot("e", 4, b"old"))
    newest = RoomSnapshot("e", 9, bytes(range(256)))
    await snapshots.put(room, newest)
    assert await snapshots.get(room) == newest


async def test_markers_are_each_users_own(markers: JetStreamReadMarkers) -> None:
    rooms = [str(uuid.uuid4()) for _ in range(3)]
    assert await markers.get("a@example.com") == {}
    for sequence, room in enumerate(rooms):
        await markers.advance("a@example.com", room, sequence)
    await markers.advance("ä b@example.com", rooms[0], 77)
    await markers.advance("a@example.com", rooms[0], 50)
    assert await markers.get("a@example.com") == {rooms[0]: 50, rooms[1]: 1, rooms[2]: 2}
    assert await markers.get("ä b@example.com") == {rooms[0]: 77}


async def test_a_marker_never_goes_back_whoever_moves_it(connect: Connect) -> None:
    one, two = await connect(), await connect()
    moves = [(log, n) for n in range(1, 21) for log in (one, two)]
    random.Random(3).shuffle(moves)
    await asyncio.gather(*(log.read_markers.advance("u", "r", n) for log, n in moves))
    assert await one.read_markers.get("u") == {"r": 20}
    await two.read_markers.advance("u", "r", 3)
    assert await one.read_markers.get("u") == {"r": 20}


async def test_names_are_told_of_many_users_at_once(connect: Connect) -> None:
    names = JetStreamNames((await connect()).connection)
    users = [f"user {n}@example.com" for n in range(1200)]
    assert await names.get(users) == {}
    await asyncio.gather(*(names.put(user, f"Nº {user}") for user in users[::2]))
    await names.put(users[0], "Zoë")
    expected = {user: f"Nº {user}" for user in users[::2]} | {users[0]: "Zoë"}
    assert await names.get(users) == expected
    assert await names.get([]) == {}


async def test_a_mark_of_keys_moves_forward_only(connect: Connect) -> None:
    marks = JetStreamKeyMarks((await connect()).connection)
    assert await marks.get("u") == 0
    assert await marks.advance("u", 1_800_000_000_000) == 1_800_000_000_000
    assert await marks.advance("u", 5) == 1_800_000_000_000
    assert (await marks.get("u"), await marks.get("v")) == (1_800_000_000_000, 0)


async def test_of_several_requests_under_one_id_the_first_is_remembered(connect: Connect) -> None:
    one, two = [JetStreamRequestMemory((await connect()).connection) for _ in range(2)]
    assert await one.find("id") is None
    claims = await asyncio.gather(
        *(memory.claim("id", f"digest {n}") for n in range(10) for memory in (one, two))
    )
    assert len({claim.digest for claim in claims}) == 1
    assert await two.find("id") == claims[0] == Claim(claims[0].digest, finished=False)
    await two.finish("id", claims[0].digest)
    assert await one.claim("id", "another") == Claim(claims[0].digest, finished=True)


async def test_more_markers_than_nats_answers_at_once_are_all_there(
    markers: JetStreamReadMarkers,
) -> None:
    expected = {f"room-{i}": i for i in range(1, 1101)}
    for room, sequence in expected.items():
        await markers.advance("u", room, sequence)
    assert await markers.get("u") == expected


async def test_buckets_outlive_a_clean_restart(server: Server, connect: Connect) -> None:
    log = await connect()
    await log.read_markers.advance("u", "r", 3)
    server.stop()
    server.start()
    assert await (await connect()).read_markers.get("u") == {"r": 3}
