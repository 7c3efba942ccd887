"""Appending: what is acknowledged is in the log, once, in order."""

import asyncio
import uuid
from collections import defaultdict

import pytest

from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import Appended, RoomNotEmptyError

from .conftest import Connect
from .events import event, read_all


async def test_one_event_is_appended_and_read_back(log: JetStreamLog) -> None:
    new = event("hello")
    [appended] = await log.append("r1", [new])
    [stored] = await read_all(log, "r1")
    assert appended == Appended(1)
    assert (stored.sequence, stored.prev_sequence, stored.room_id) == (1, 0, "r1")
    assert stored.data == new.data
    assert stored.appended_ns > 1_700_000_000 * 10**9


@pytest.mark.parametrize("partitions", [1, 4])
async def test_concurrent_appends_are_all_there_once_in_the_order_of_their_room(
    connect: Connect, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    rooms = [str(uuid.uuid4()) for _ in range(9)]
    submitted: dict[str, list[bytes]] = defaultdict(list)
    appends = []
    for number in range(1500):
        room = rooms[number % len(rooms)]
        new = event(str(number))
        submitted[room].append(new.data)
        appends.append(asyncio.create_task(log.append(room, [new])))
        if number % 37 == 0:
            await asyncio.sleep(0)
    results = [(await append)[0] for append in appends]
    sequences: dict[str, list[int]] = defaultdict(list)
    for number, result in enumerate(results):
        assert not result.duplicate
        sequences[rooms[number % len(rooms)]].append(result.sequence)
    for room in rooms:
        stored = await read_all(log, room)
        assert [e.data for e in stored] == submitted[room]
        assert [e.sequence for e in stored] == sequences[room]
        assert [e.prev_sequence for e in stored] == [0, *sequences[room][:-1]]


async def test_a_repeated_id_names_the_first_sequence(log: JetStreamLog) -> None:
    new = event()
    [first] = await log.append("r", [new])
    [again] = await log.append("r", [new])
    assert again == Appended(first.sequence, duplicate=True)
    assert len(await read_all(log, "r")) == 1


async def test_a_duplicate_in_a_batch_does_not_hurt_the_others(log: JetStreamLog) -> None:
    old = event("old")
    [first] = await log.append("r", [old])
    news = [event(str(i)) for i in range(40)]
    waiting = [*news[:20], old, *news[20:]]
    results = await asyncio.gather(*(log.append("r", [e]) for e in waiting))
    assert results[20] == [Appended(first.sequence, duplicate=True)]
    assert [e.data for e in await read_all(log, "r")] == [old.data, *(e.data for e in news)]


async def test_several_events_are_contiguous(log: JetStreamLog) -> None:
    several = [event(str(i)) for i in range(5)]
    others = asyncio.gather(*(log.append("other", [event()]) for _ in range(30)))
    results = await log.append("r", several)
    await others
    start = results[0].sequence
    assert [r.sequence for r in results] == list(range(start, start + 5))
    assert [e.data for e in await read_all(log, "r")] == [e.data for e in several]


async def test_a_retry_of_several_events_names_the_first_sequences(log: JetStreamLog) -> None:
    several = [event(str(i)) for i in range(5)]
    first = await log.append("r", several)
    again = await log.append("r", several)
    assert [r.sequence for r in again] == [r.sequence for r in first]
    assert all(r.duplicate for r in again)
    assert len(await read_all(log, "r")) == 5


async def test_of_several_events_those_missing_are_appended(log: JetStreamLog) -> None:
    several = [event(str(i)) for i in range(4)]
    [old] = await log.append("r", [several[1]])
    results = await log.append("r", several)
    assert [r.duplicate for r in results] == [False, True, False, False]
    assert results[1].sequence == old.sequence
    assert len(await read_all(log, "r")) == 4


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_rooms_first_append_is_refused_where_there_are_events(
    connect: Connect, count: int, partitions: int
) -> None:
    log = await connect(partitions=partitions)
    opening = [event(str(i)) for i in range(count)]
    first = await log.append("r", opening, first=True)
    await log.append("r", [event()])
    with pytest.raises(RoomNotEmptyError):
        await log.append("r", [event() for _ in range(count)], first=True)
    again = await log.append("r", opening, first=True)
    assert [r.sequence for r in again] == [r.sequence for r in first]
    assert all(r.duplicate for r in again)
    assert len(await read_all(log, "r")) == count + 1


async def test_many_rooms_open_at_once_and_each_only_once(connect: Connect) -> None:
    # Each costs fsyncs of its own: some 300 in all, more than a busy disk makes in 5 s.
    log = await connect(append_timeout_s=60.0)
    openings = [(f"r{i % 40}", [event(), event()]) for i in range(80)]
    results = await asyncio.gather(
        *(log.append(room, events, first=True) for room, events in openings),
        return_exceptions=True,
    )
    assert [result for result in results[:40] if not isinstance(result, list)] == []
    assert [result for result in results[40:] if not isinstance(result, RoomNotEmptyError)] == []
    assert len(await read_all(log, "r7")) == 2


async def test_the_same_event_twice_at_once_is_one(log: JetStreamLog) -> None:
    twice = event()
    others = [event(str(i)) for i in range(20)]
    results = await asyncio.gather(
        *(log.append("r", [new]) for new in [*others[:10], twice, twice, *others[10:]])
    )
    assert results[10][0].sequence == results[11][0].sequence
    assert sorted(result[0].duplicate for result in results[10:12]) == [False, True]
    assert len(await read_all(log, "r")) == 21


async def test_large_events_are_appended_and_read_in_batches_of_bearable_size(
    log: JetStreamLog,
) -> None:
    news = [event("x" * 100_000) for _ in range(150)]
    await asyncio.gather(*(log.append("r", [new]) for new in news))
    batches = [batch async for batch in log.read("r", after=0)]
    assert [e.data for batch in batches for e in batch] == [new.data for new in news]
    assert max(sum(len(e.data) for e in batch) for batch in batches) < 5_000_000


async def test_an_append_has_limits(log: JetStreamLog) -> None:
    for wrong in ([], [event()] * 513, [event("x" * 1024 * 1024)]):
        with pytest.raises(ValueError, match=r"at most|takes"):
            await log.append("r", wrong)
    whole = [event() for _ in range(512)]
    assert [a.sequence for a in await log.append("r", whole)] == list(range(1, 513))


async def test_giving_up_an_append_hurts_no_other(log: JetStreamLog) -> None:
    tasks = [asyncio.create_task(log.append("r", [event()])) for _ in range(60)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [r[0].sequence for r in results if isinstance(r, list)]
    assert len(kept) == 40
    assert set(kept) <= {e.sequence for e in await read_all(log, "r")}
