"""Deciding and appending, over a log in memory that knows ids again."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from uuid_utils import uuid7

from roomlog.core.decide import Fact
from roomlog.core.policy import Actor
from roomlog.ports import Appended, LogUnavailableError, NewEvent
from roomlog.services.fresh_keys import FreshKeys
from roomlog.services.identity import SystemClock, new_id
from roomlog.services.writer import Command, Writer
from roomlog_contract.errors import ErrorCode, RefusedError
from tests.integration.realtime.memory_log import MemoryKeyMarks, MemoryLog

ANN = Actor("ann@example.org")
FACT = Fact("reaction.added", {"emoji": "+1"}, new_id())


class KnowingLog(MemoryLog):
    """Answers a repeated id as JetStream does. `sends_twice`: as it does to an append whose
    first answer was lost with the connection."""

    sends_twice = False

    async def append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> list[Appended]:
        [event] = events
        for known in self.rooms.get(room_id, ()):
            if event.event_id.encode() in known.data:
                return [Appended(known.sequence, duplicate=True)]
        appended = Appended(self.put(room_id, event.data), duplicate=self.sends_twice)
        return [appended]


class World:
    def __init__(self) -> None:
        self.log = KnowingLog()
        nothing = cast("Any", None)
        keys = FreshKeys(MemoryKeyMarks())
        self.writer = Writer(cast("Any", self.log), nothing, keys, SystemClock())
        self.asked = Command(new_id(), ANN, str(uuid7()), ("react", "+1"))


async def test_what_the_logs_own_second_attempt_found_is_no_repetition():
    world = World()
    world.log.sends_twice = True

    first = await world.writer.write(world.asked, lambda: [FACT])
    again = await world.writer.write(world.asked, lambda: [FACT])

    assert first is not None
    assert again is not None
    assert (first.repeated, again.repeated) == (False, True)
    assert (first.sequence, first.data) == (again.sequence, again.data)


async def test_where_the_first_attempts_event_cannot_be_read_the_outcome_is_unknown():
    # The log's own second attempt says that the event is there; whose it is, only reading tells.
    world = World()
    world.log.sends_twice = True

    async def away(room_id: str, sequence: int) -> None:
        raise LogUnavailableError("gone")

    world.log.event_at = away  # type: ignore[method-assign]
    with pytest.raises(RefusedError) as refused:
        await world.writer.write(world.asked, lambda: [FACT])

    assert refused.value.code == ErrorCode.LOG_UNAVAILABLE
    assert "unknown" in refused.value.detail


async def test_nothing_is_refused_before_the_state_was_refreshed():
    world = World()
    allowed = False

    def decide() -> list[Fact]:
        if not allowed:
            raise RefusedError(ErrorCode.FORBIDDEN, "not yet")
        return [FACT]

    async def refresh() -> None:
        nonlocal allowed
        allowed = True

    unkeyed = Command(world.asked.room_id, ANN, None, ("react", "+1"))
    with pytest.raises(RefusedError):
        await world.writer.write(unkeyed, decide)
    assert await world.writer.write(unkeyed, decide, refresh=refresh) is not None


async def test_that_there_is_nothing_to_do_is_not_said_before_the_state_was_refreshed():
    world = World()
    facts: list[Fact] = []

    async def change() -> None:
        facts.append(FACT)

    async def stay() -> None:
        pass

    unkeyed = Command(world.asked.room_id, ANN, None, ("react", "+1"))
    assert await world.writer.write(unkeyed, lambda: facts, refresh=stay) is None
    assert await world.writer.write(unkeyed, lambda: facts, refresh=change) is not None
