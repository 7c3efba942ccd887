"""Whether an id was used before is told by the tables, and by the log while they don't."""

import asyncio
import json
from datetime import timedelta
from typing import Any, cast

import pytest

from roomlog.core.decide import Fact, Stamp, stamp
from roomlog.core.times import rfc3339
from roomlog.ports import Checkpoint, DatabaseUnavailableError, EventRecord
from roomlog.services import used_ids
from roomlog.services.identity import SystemClock, keyed_event_id, new_id
from roomlog.services.progress import ProjectionProgress
from roomlog.services.used_ids import UsedIds
from roomlog_contract.errors import ErrorCode, RefusedError
from tests.integration.realtime.memory_log import MemoryLog

ANN = "ann@example.org"
ROOM = new_id()
PATIENCE_S = 30.0


class Tables:
    """What the projection remembers, and how it fails to tell."""

    def __init__(self) -> None:
        self.records: dict[str, int] = {}
        self.behind_s = 0.0
        self.checkpoint_at = 10**9
        self.gone = self.hangs = False
        self.asked = 0

    async def _told(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.gone:
            raise DatabaseUnavailableError("gone")

    async def checkpoint(self, partition: int) -> Checkpoint:
        await self._told()
        at = SystemClock().now() - timedelta(seconds=self.behind_s)
        return Checkpoint(partition, "epoch-1", self.checkpoint_at, at, 0)

    async def find_event(self, event_id: str) -> EventRecord | None:
        await self._told()
        sequence = self.records.get(event_id)
        return None if sequence is None else EventRecord(event_id, ROOM, sequence, "applied")


class _Signals:
    """Nobody hears them."""

    def announce_wanted(self, partition: int, sequence: int) -> None:
        pass


class World:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.tables = Tables()
        log, tables = cast("Any", self.log), cast("Any", self.tables)
        progress = ProjectionProgress(log, tables, cast("Any", _Signals()), SystemClock())
        self.used = UsedIds(log, tables, progress)

    def append(self, event_id: str, fact: Fact | None = None) -> int:
        said = fact or Fact("reaction.added", {"emoji": "+1"}, new_id())
        at = rfc3339(SystemClock().now())
        return self.log.put(ROOM, stamp(said, ROOM, ANN, at, Stamp(event_id, "00")))

    async def find(self, event_id: str, *, up_to_now: bool = False) -> int | None:
        async with asyncio.timeout(PATIENCE_S):
            return await self.used.find(ROOM, event_id, up_to_now=up_to_now)


@pytest.fixture
def world() -> World:
    return World()


def _id(key: str) -> str:
    return keyed_event_id(ROOM, ANN, key)


@pytest.fixture(params=["gone", "hanging", "behind"])
def silent(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose tables can't tell, each in its way."""
    monkeypatch.setattr(used_ids, "TABLES_WAIT_S", 0.05)
    monkeypatch.setattr(used_ids, "WRITE_WAIT_S", 0.05)
    world.tables.gone = request.param == "gone"
    world.tables.hangs = request.param == "hanging"
    if request.param == "behind":
        world.tables.behind_s, world.tables.checkpoint_at = 111.0, 0
    return world


@pytest.mark.parametrize("up_to_now", [False, True])
async def test_the_tables_tell_where_they_can(world: World, *, up_to_now: bool):
    world.append(_id("in the log only"))
    world.tables.records[_id("known")] = 7
    assert await world.find(_id("known"), up_to_now=up_to_now) == 7
    assert await world.find(_id("in the log only"), up_to_now=up_to_now) is None


@pytest.mark.parametrize("up_to_now", [False, True])
async def test_else_the_log_itself_is_read(silent: World, *, up_to_now: bool):
    first = silent.append(_id("first"))
    silent.append(new_id())
    second = silent.append(_id("second"))
    silent.append(_id("first"))
    assert await silent.find(_id("second"), up_to_now=up_to_now) == second
    assert await silent.find(_id("first"), up_to_now=up_to_now) == first
    assert await silent.find(_id("third"), up_to_now=up_to_now) is None
    third = silent.append(_id("third"))
    assert await silent.find(_id("third"), up_to_now=up_to_now) == third


async def test_what_a_redaction_erased_is_found_where_it_stood(silent: World):
    erased = {"v": 1, "type": "message.sent", "id": _id("erased"), "actor": ANN, "at": "t"}
    fields = {"redacted_sequence": 3, "redacted_envelope": json.dumps(erased)}
    silent.append(new_id(), Fact("message.redacted", fields, new_id()))
    silent.log.put(ROOM, b"not an event")
    assert await silent.find(_id("erased")) == 3
    assert await silent.find(_id("another")) is None


async def test_tables_that_did_not_tell_are_left_alone_for_a_while(silent: World):
    silent.append(_id("first"))
    await silent.find(_id("first"))
    asked = silent.tables.asked
    for _ in range(10):
        await silent.find(_id("first"))
    assert silent.tables.asked == asked


async def test_a_log_that_became_another_one_is_read_anew(silent: World):
    silent.append(_id("first"))
    assert await silent.find(_id("first")) == 1
    silent.log.rooms.clear()
    silent.log.sequence = 0
    silent.log.epoch = "epoch-2"
    assert await silent.find(_id("first")) is None


async def test_of_a_room_with_too_many_events_it_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(used_ids, "ROOM_IDS_MAX", 20)
    for n in range(30):
        world.append(_id(str(n)))
    world.tables.gone = True
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError):
            await world.find(_id("1"))
    world.tables.gone, world.tables.behind_s, world.tables.checkpoint_at = False, 111.0, 0
    with pytest.raises(RefusedError) as refused:
        await world.find(_id("1"))
    assert refused.value.code is ErrorCode.PROJECTION_BEHIND


async def test_memory_is_bounded_over_all_rooms(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(used_ids, "IDS_MAX", 50)
    world.tables.gone = True
    rooms = [new_id() for _ in range(6)]
    for room in rooms:
        for n in range(20):
            fact = Fact("reaction.added", {"emoji": "+1"}, new_id())
            mark = Stamp(keyed_event_id(room, ANN, str(n)), "00")
            world.log.put(room, stamp(fact, room, ANN, "t", mark))
    for room in rooms:
        sequence = await world.used.find(room, keyed_event_id(room, ANN, "3"), up_to_now=False)
        assert sequence is not None
        held = sum(len(ids.by_id) for ids in world.used._rooms.values())
        assert held <= 50
