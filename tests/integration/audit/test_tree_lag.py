"""Redactions that were begun are counted until what they redact is gone."""

from typing import Any, cast

from roomlog.postgres.pool import open_pool
from roomlog.postgres.tree_reader import PostgresTreeReader
from roomlog.services.identity import SystemClock
from roomlog.services.tree_lag import TreeLag, tree_lag
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import findings, keep
from tests.integration.memory_trail import MemoryTrail


class _Trail(MemoryTrail):
    async def partition_state(self, partition: int) -> Any:
        del partition
        return await self.state()


async def _lag(log: HoledLog, database: str) -> TreeLag:
    async with open_pool(database, size=1) as pool:
        reader = PostgresTreeReader(pool)
        found = await tree_lag(cast("Any", log), cast("Any", _Trail()), reader, SystemClock())
    return found[0]


async def test_a_redaction_is_unfinished_until_its_event_is_erased(database: str):
    log = HoledLog()
    first, second = log.say(ROOMS[0], "a secret"), log.say(ROOMS[0], "another")
    log.say(ROOMS[1], "something else")
    await keep(log, database)
    assert (await _lag(log, database)).unfinished == 0
    for sequence in (first, second):
        log.explain(ROOMS[0], sequence)
    await keep(log, database)
    assert (await _lag(log, database)).unfinished == 2
    log.erase(ROOMS[0], first)
    assert (await _lag(log, database)).unfinished == 1
    log.erase(ROOMS[0], second)
    assert (await _lag(log, database)).unfinished == 0
    assert await findings(database) == []


async def test_nothing_is_claimed_where_other_events_are_gone(database: str):
    log = HoledLog()
    said = [log.say(ROOMS[0], f"message {n}") for n in range(4)]
    log.explain(ROOMS[0], said[0])
    log.erase(ROOMS[0], said[2])
    await keep(log, database)

    lag = await _lag(log, database)
    assert (lag.unfinished, lag.unexplained) == (0, 1)
