"""Reading: the suffix after any sequence, in order, with the chain of what came before."""

import asyncio
import random
import uuid
from datetime import UTC, datetime

import pytest

from roomlog.jetstream.connection import Connection
from roomlog.jetstream.direct import BATCH_MESSAGES
from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.replay import Reader
from roomlog.ports import LogEvent, LogUnavailableError

from .conftest import Connect, Server
from .events import event, read_all

ROOMS = [f"room-{i}" for i in range(4)]


async def filled(log: JetStreamLog, count: int) -> dict[str, list[LogEvent]]:
    """Events spread over the rooms by chance, and each room's as they were read from 0."""
    choose = random.Random(11)
    rooms = [choose.choice(ROOMS) for _ in range(count)]
    await asyncio.gather(*(log.append(room, [event(str(i))]) for i, room in enumerate(rooms)))
    return {room: await read_all(log, room) for room in ROOMS}


@pytest.mark.parametrize("partitions", [1, 4])
async def test_reading_after_any_sequence_gives_the_suffix(
    connect: Connect, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    full = await filled(log, 300)
    assert sum(len(events) for events in full.values()) == 300
    for room, events in full.items():
        previous = [0, *(e.sequence for e in events)][:-1]
        assert [e.prev_sequence for e in events] == previous
        for after in range(0, max(e.sequence for e in events) + 2, 3):
            assert await read_all(log, room, after) == [e for e in events if e.sequence > after]


async def test_a_room_larger_than_a_batch_is_read_whole(log: JetStreamLog) -> None:
    count = BATCH_MESSAGES * 2 + 7
    news = [event(str(i)) for i in range(count)]
    await asyncio.gather(*(log.append("r", [new]) for new in news))
    batches = [batch async for batch in log.read("r", after=0)]
    assert len(batches) == 3
    assert [e.data for batch in batches for e in batch] == [new.data for new in news]


@pytest.mark.parametrize("bytes_max", [1, 300, 1_000_000])
async def test_parts_are_what_a_reading_gives(log: JetStreamLog, bytes_max: int) -> None:
    full = await filled(log, 60)
    for room, events in full.items():
        for up_to in (events[-1].sequence, events[-1].sequence + 7, events[3].sequence):
            expected = [e for e in events if events[0].sequence < e.sequence <= up_to]
            found: list[LogEvent] = []
            after, linked = events[0].sequence, False
            while part := await log.read_part(
                room, after=after, up_to=up_to, bytes_max=bytes_max, linked=linked
            ):
                assert len(part) == 1 or bytes_max > 1
                found += part
                after, linked = found[-1].sequence, True
            assert found == expected


async def test_what_lies_above_up_to_is_left_out(log: JetStreamLog) -> None:
    full = await filled(log, 200)
    for room, events in full.items():
        for up_to in (0, 1, 50, 137, 200, 999):
            batches = [b async for b in log.read(room, after=5, up_to=up_to)]
            expected = [e for e in events if 5 < e.sequence <= up_to]
            assert [e for batch in batches for e in batch] == expected
            last = max((e.sequence for e in events if e.sequence <= up_to), default=0)
            assert await log.last_sequence(room, up_to=up_to) == last


async def test_a_time_means_the_last_event_appended_by_then(log: JetStreamLog) -> None:
    full = await filled(log, 200)
    reader = Reader(log.connection, 1)
    for room, events in full.items():
        for one in [e for es in full.values() for e in es[::9]]:
            for until_ns in (one.appended_ns - 1, one.appended_ns, one.appended_ns + 1):
                last = max((e.sequence for e in events if e.appended_ns <= until_ns), default=0)
                assert await reader.sequence_at(room, until_ns) == last
        assert await log.sequence_at(room, datetime(2001, 1, 1, tzinfo=UTC)) == 0
        assert await log.sequence_at(room, datetime(2999, 1, 1, tzinfo=UTC)) == events[-1].sequence
    assert await log.sequence_at("nobody", datetime(2999, 1, 1, tzinfo=UTC)) == 0


async def test_an_empty_room_has_nothing_to_read(log: JetStreamLog) -> None:
    assert await read_all(log, "nobody") == []
    assert await log.last_sequence("nobody") == 0
    assert await log.last_sequence("nobody", up_to=7) == 0
    assert await log.event_at("nobody", 1) is None


async def test_heads_of_many_rooms_at_once(log: JetStreamLog) -> None:
    rooms = [str(uuid.uuid4()) for _ in range(700)]
    appended = await asyncio.gather(*(log.append(room, [event()]) for room in rooms))
    expected = {room: result[0].sequence for room, result in zip(rooms, appended, strict=True)}
    assert await log.last_sequences([*rooms, "nobody"]) == expected


@pytest.mark.parametrize("partitions", [1, 4])
async def test_an_event_is_found_at_its_place_in_its_room_only(
    connect: Connect, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    full = await filled(log, 40)
    for room, events in full.items():
        for wanted in events:
            assert await log.event_at(room, wanted.sequence) == wanted
            assert await log.bytes_at(room, wanted.sequence) == wanted.data
        others = {e.sequence for e in events}
        foreign = next(n for n in range(1, 60) if n not in others)
        assert await log.event_at(room, foreign) is None
        assert await log.bytes_at(room, foreign) is None


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_partition_is_read_unfiltered_and_in_order(
    connect: Connect, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    full = await filled(log, 600)
    found: list[tuple[int, LogEvent]] = []
    for partition in range(partitions):
        read = [e async for b in log.read_partition(partition, after=0) for e in b]
        assert [e.sequence for e in read] == list(range(1, len(read) + 1))
        assert all(log.partition_of(e.room_id) == partition for e in read)
        tail = [e async for b in log.read_partition(partition, after=9, up_to=30) for e in b]
        assert tail == read[9:30]
        found += [(partition, e) for e in read]
        state = await log.partition_state(partition)
        assert (state.epoch, state.last_sequence) == (log.epoch, len(read))
        assert state.messages == len(read)
    expected = {(room, e.sequence, e.data) for room, events in full.items() for e in events}
    assert {(e.room_id, e.sequence, e.data) for _, e in found} == expected
    assert len(found) == 600


async def test_the_chain_links_over_an_erased_event(log: JetStreamLog) -> None:
    for number in range(4):
        await log.append("r", [event(str(number))])
    await log.connection.request("$JS.API.STREAM.MSG.DELETE.ROOMLOG", b'{"seq":3}')
    assert [(e.sequence, e.prev_sequence) for e in await read_all(log, "r")] == [
        (1, 0),
        (2, 1),
        (4, 2),
    ]
    assert [(e.sequence, e.prev_sequence) for e in await read_all(log, "r", 3)] == [(4, 2)]
    assert await log.event_at("r", 3) is None


async def test_reading_says_so_when_the_server_is_gone(server: Server, log: JetStreamLog) -> None:
    await filled(log, 50)
    server.kill()
    with pytest.raises(LogUnavailableError):
        await read_all(log, "room-0")
    server.start()
    await log.connection.wait_connected(60)
    assert await read_all(log, "room-0")


async def test_no_server_at_all_is_said_in_time(server: Server) -> None:
    server.kill()
    connection = Connection(server.url)
    with pytest.raises(LogUnavailableError, match="no connection to NATS"):
        await connection.open(timeout_s=0.5)
