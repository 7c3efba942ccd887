"""Waiting for the projection, against small ports in memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from roomlog.ports import (
    Checkpoint,
    Clock,
    DatabaseUnavailableError,
    EventLog,
    ReadModel,
)
from roomlog.services.progress import ProjectionProgress
from roomlog.services.room_cache import LiveRoom
from roomlog.services.tail import Tails
from roomlog.signal_ports import Signals
from roomlog_contract.errors import ErrorCode, RefusedError
from tests.core.examples import NOW, ROOM

OTHER_ROOM = "other"
LONG_S = 60.0


class _Log:
    """Two partitions: ROOM's is 1, every other room's is 0."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.partitions = 2
        self.heads = {ROOM: 10, OTHER_ROOM: 20}

    def partition_of(self, room_id: str) -> int:
        return 1 if room_id == ROOM else 0

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        head = self.heads.get(room_id, 0)
        assert up_to is None
        return head

    async def partition_state(self, partition: int) -> Any:
        class State:
            last_sequence = self.heads[ROOM if partition == 1 else OTHER_ROOM]

        return State


class _Tables:
    def __init__(self) -> None:
        self.sequences = {0: 0, 1: 0}
        self.epoch = "e1"
        self.current_at = NOW
        self.gone = False
        self.asked = 0
        self.heads: dict[str, int] = {}

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator["_Tables"]:
        yield self

    async def room_head(self, room_id: str, epoch: str) -> int:
        return self.heads.get(room_id, 0) if epoch == self.epoch else 0

    async def checkpoint(self, partition: int) -> Checkpoint | None:
        self.asked += 1
        if self.gone:
            raise DatabaseUnavailableError("gone")
        sequence = self.sequences[partition]
        return Checkpoint(partition, self.epoch, sequence, self.current_at, 0) if sequence else None


class _Signals:
    def __init__(self) -> None:
        self.listeners: dict[int, Callable[[int], None]] = {}
        self.wanted: list[tuple[int, int]] = []

    def announce_wanted(self, partition: int, sequence: int) -> None:
        self.wanted.append((partition, sequence))

    async def on_projected(self, partition: int, listener: Callable[[int], None]) -> None:
        self.listeners[partition] = listener


class _Clock:
    def now(self) -> datetime:
        return NOW


class World:
    def __init__(self) -> None:
        self.log, self.tables, self.signals = _Log(), _Tables(), _Signals()
        self.progress = ProjectionProgress(
            cast("EventLog", self.log),
            cast("ReadModel", self.tables),
            cast("Signals", self.signals),
            cast("Clock", _Clock()),
        )


@pytest.fixture
async def world() -> World:
    world = World()
    await world.progress.start()
    return world


async def test_an_announcement_ends_the_wait_without_asking_the_tables(world: World):
    waiting = asyncio.create_task(world.progress.wait(ROOM, 10, LONG_S))
    await asyncio.sleep(0)
    world.signals.listeners[1](10)

    assert await waiting is True
    assert world.signals.wanted == [(1, 10)]
    assert world.tables.asked == 0


async def test_what_was_announced_before_needs_no_wait(world: World):
    world.signals.listeners[1](11)

    assert await world.progress.wait(ROOM, 10, 0) is True


async def test_an_announcement_of_another_partition_or_of_less_ends_no_wait(world: World):
    waiting = asyncio.create_task(world.progress.wait(ROOM, 10, LONG_S))
    await asyncio.sleep(0)
    world.signals.listeners[0](100)
    world.signals.listeners[1](9)
    await asyncio.sleep(0)

    assert not waiting.done()
    world.signals.listeners[1](10)
    assert await waiting is True


async def test_an_announcement_that_comes_late_takes_nothing_back(world: World):
    world.signals.listeners[1](10)
    world.signals.listeners[1](3)

    assert await world.progress.wait(ROOM, 10, 0) is True


async def test_a_lost_announcement_costs_time_only(world: World):
    world.tables.sequences[1] = 10

    assert await world.progress.wait(ROOM, 10, LONG_S) is True
    assert world.tables.asked == 1


async def test_the_wait_ends_false_when_the_time_is_over(world: World):
    world.tables.sequences[1] = 9

    assert await world.progress.wait(ROOM, 10, 0.01) is False
    assert await world.progress.wait(ROOM, 10, 0) is False


async def test_a_checkpoint_of_another_epoch_says_nothing(world: World):
    world.tables.sequences[1], world.tables.epoch = 10, "e0"

    assert await world.progress.wait(ROOM, 10, 0.3) is False


async def test_a_wait_raises_where_the_tables_were_asked_and_are_gone(world: World):
    world.tables.gone = True

    with pytest.raises(DatabaseUnavailableError):
        await world.progress.wait(ROOM, 10, LONG_S)
    assert await world.progress.reached(ROOM, 10, LONG_S) is False


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(world: World):
    waiting = asyncio.create_task(world.progress.wait(ROOM, 10, LONG_S))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    world.signals.listeners[1](10)
    assert await world.progress.wait(ROOM, 10, 0) is True


async def test_one_announcement_ends_many_waits_each_at_its_own_sequence(world: World):
    waits = [asyncio.create_task(world.progress.wait(ROOM, n, LONG_S)) for n in range(1, 101)]
    await asyncio.sleep(0)
    world.signals.listeners[1](50)
    await asyncio.wait(waits[:50])

    assert not any(task.done() for task in waits[50:])
    world.signals.listeners[1](100)
    assert await asyncio.gather(*waits) == [True] * 100


async def test_after_a_reset_nothing_counts_as_projected(world: World):
    world.signals.listeners[1](10)
    world.progress.reset()

    assert await world.progress.wait(ROOM, 1, 0) is False


class _Feed:
    """Knows all that was appended, or says that it may not."""

    def __init__(self, *, settled: bool) -> None:
        self._settled = settled

    async def settled(self) -> bool:
        return self._settled


async def _head(world: World, room: LiveRoom, min_sequence: int | None) -> int:
    known = await world.progress.known_head(room, min_sequence)
    async with world.progress.reading(known) as (tables, head):
        assert tables is world.tables
        return head


def _room(position: int, *, settled: bool = True) -> LiveRoom:
    room = LiveRoom(ROOM, Tails())
    room.position = position
    room._feed = cast("Any", _Feed(settled=settled))
    return room


async def test_a_room_that_is_projected_is_read_up_to_its_head(world: World):
    world.signals.listeners[1](10)

    assert await _head(world, _room(10), None) == 10
    assert await _head(world, _room(9), 10) == 10


async def test_a_room_that_is_behind_is_read_up_to_its_last_projected_event(world: World):
    world.tables.sequences[1], world.tables.heads[ROOM] = 9, 7

    assert await _head(world, _room(10), None) == 7


async def test_a_room_of_which_nothing_is_projected_is_read_up_to_nothing(world: World):
    assert await _head(world, _room(10), None) == 0


async def test_where_the_log_may_have_more_than_is_known_here_the_tables_say_how_far(world: World):
    world.tables.sequences[1], world.tables.heads[ROOM] = 12, 12

    assert await _head(world, _room(10, settled=False), None) == 12


async def test_what_leaves_no_trace_in_the_tables_is_no_step_back(world: World):
    world.tables.sequences[1], world.tables.heads[ROOM] = 10, 7

    assert await _head(world, _room(10, settled=False), None) == 10


async def test_tables_of_another_epoch_say_nothing_of_a_room(world: World):
    world.tables.sequences[1], world.tables.heads[ROOM] = 12, 12
    world.tables.epoch = "e2"

    assert await _head(world, _room(10, settled=False), None) == 0


async def test_catching_up_waits_for_the_rooms_head(world: World):
    waiting = asyncio.create_task(world.progress.catch_up(ROOM, LONG_S))
    await asyncio.sleep(0)
    world.signals.listeners[1](9)
    await asyncio.sleep(0)
    assert not waiting.done()

    world.signals.listeners[1](10)
    await waiting


async def test_catching_up_without_a_room_waits_for_every_partition(world: World):
    waiting = asyncio.create_task(world.progress.catch_up(None, LONG_S))
    world.signals.listeners[1](10)
    await asyncio.sleep(0)
    assert not waiting.done()

    world.signals.listeners[0](20)
    await waiting


@pytest.mark.parametrize("min_sequence", [None, 0])
async def test_a_read_that_asks_for_nothing_waits_for_nothing(
    world: World, min_sequence: int | None
):
    world.tables.gone = True

    await world.progress.require(ROOM, min_sequence)


async def test_a_read_waits_for_what_it_asks_for(world: World):
    world.signals.listeners[1](10)

    await world.progress.require(ROOM, 10)


@pytest.mark.parametrize("room_id", [ROOM, "unknown"])
async def test_a_read_cannot_ask_for_what_is_above_the_head(world: World, room_id: str):
    with pytest.raises(RefusedError) as refused:
        await world.progress.require(room_id, 11)

    assert refused.value.code == ErrorCode.INVALID
    assert refused.value.errors[0].field == "min_sequence"


async def test_a_read_that_would_wait_too_long_is_told_when_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("roomlog.services.progress.READ_WAIT_S", 0.01)

    with pytest.raises(RefusedError) as refused:
        await world.progress.require(ROOM, 10)

    assert refused.value.code == ErrorCode.PROJECTION_BEHIND
    assert refused.value.retry_after_s


async def test_tables_that_were_current_within_the_window_remember_every_id(world: World):
    world.tables.sequences[1] = 4
    world.tables.current_at = NOW - timedelta(seconds=110)

    await world.progress.require_memory_of_ids(ROOM)
    await world.progress.require_memory_of_ids(ROOM)

    assert world.tables.asked == 1


@pytest.mark.parametrize("sequence", [0, 4])
async def test_a_key_cannot_be_judged_by_tables_that_lag_behind_the_window(
    world: World, sequence: int
):
    world.tables.sequences[1] = sequence
    world.tables.current_at = NOW - timedelta(seconds=111)

    with pytest.raises(RefusedError) as refused:
        await world.progress.require_memory_of_ids(ROOM)

    assert refused.value.code == ErrorCode.PROJECTION_BEHIND
    assert refused.value.retry_after_s


async def test_a_key_cannot_be_judged_by_tables_of_another_log(world: World):
    world.tables.sequences[1], world.tables.epoch = 4, "e0"

    with pytest.raises(RefusedError):
        await world.progress.require_memory_of_ids(ROOM)
