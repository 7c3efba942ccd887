"""Snapshots and read markers: what was put is what one gets."""

import uuid

import pytest

from roomlog.jetstream.buckets import JetStreamReadMarkers, JetStreamSnapshots
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import RoomSnapshot

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
        await markers.put("a@example.com", room, sequence)
    await markers.put("ä b@example.com", rooms[0], 77)
    await markers.put("a@example.com", rooms[0], 50)
    assert await markers.get("a@example.com") == {rooms[0]: 50, rooms[1]: 1, rooms[2]: 2}
    assert await markers.get("ä b@example.com") == {rooms[0]: 77}


async def test_more_markers_than_nats_answers_at_once_are_all_there(
    markers: JetStreamReadMarkers,
) -> None:
    expected = {f"room-{i}": i for i in range(1100)}
    for room, sequence in expected.items():
        await markers.put("u", room, sequence)
    assert await markers.get("u") == expected


async def test_buckets_outlive_a_clean_restart(server: Server, connect: Connect) -> None:
    log = await connect()
    await log.read_markers.put("u", "r", 3)
    server.stop()
    server.start()
    assert await (await connect()).read_markers.get("u") == {"r": 3}
