"""The live projector as a whole: outages, halts, snapshots, announcements."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from roomlog.core.room_state import decode_snapshot, decode_waypoint
from roomlog.ports import ReadModel
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.postgres.checkpoint import checkpoints
from roomlog.postgres.tables import PostgresTables
from roomlog.projector import ProjectorHaltedError, run_projector, runner
from roomlog.projector.runner import MEASURED_AFTER_EVENTS
from roomlog.projector.waypoints import WaypointKeeper
from roomlog.services.past import CHANGES_PER_WAYPOINT, room_as_of
from tests.integration.projector.driving import project, run
from tests.integration.projector.memory_log import (
    MemoryLog,
    MemorySignals,
    MemorySnapshots,
    fact_bytes,
)
from tests.projections.event_streams import ROOMS, an_id
from tests.within import within

DEADLINE_S = 60
ROOM = ROOMS[0]


class Running:
    """A live projector with what it works on."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.signals = MemorySignals()
        self.snapshots = MemorySnapshots()
        self.task: asyncio.Task[None] | None = None


@asynccontextmanager
async def running(
    database: str, log: MemoryLog, read_model: ReadModel | None = None
) -> AsyncGenerator[Running]:
    it = Running(log)
    tables = PostgresTables(database)
    it.task = asyncio.create_task(
        run_projector(log, it.signals, it.snapshots, tables, read_model=read_model)
    )
    try:
        yield it
    finally:
        it.task.cancel()
        with suppress(asyncio.CancelledError, ProjectorHaltedError):
            await it.task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; fail after DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.02)


async def reached(database: str, sequence: int) -> bool:
    return any(row.sequence >= sequence for row in await checkpoints(database))


def opened() -> MemoryLog:
    log = MemoryLog()
    log.put(ROOM, fact_bytes(ROOM, an_id(0, 1), "room.created", name="payments"))
    return log


def say(log: MemoryLog, n: int) -> int:
    data = fact_bytes(ROOM, an_id(0, n), "message.sent", content=f"{n}", message_type="text")
    return log.put(ROOM, data)


async def test_what_is_appended_is_projected_and_announced(database: str):
    async with running(database, opened()) as it:
        sequence = say(it.log, 2)
        await until(lambda: reached(database, sequence))

        async def announced() -> bool:
            return (0, sequence) in it.signals.projected

        await until(announced)


async def test_who_waits_for_the_tables_is_not_kept_waiting_by_what_gathers(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runner, "GATHER_S", 10 * DEADLINE_S)
    monkeypatch.setattr(runner, "BUSY_GATHER_S", 10 * DEADLINE_S)
    log = opened()
    for n in range(2, 2 + runner.BUSY_EVENTS):
        last = say(log, n)
    async with running(database, log) as it:
        await until(lambda: reached(database, last))
        for n in (100, 101):  # gathering after many events, and after one
            sequence = say(it.log, n)
            for wanted in it.signals.wanted_listeners:
                wanted(sequence)
            await until(lambda at=sequence: reached(database, at))


async def test_an_idle_projector_keeps_saying_that_it_is_current(database: str):
    async with running(database, opened()):

        async def current() -> bool:
            rows = await checkpoints(database)
            return bool(rows) and datetime.now(UTC) - rows[0].current_at < timedelta(seconds=30)

        await until(current)


async def test_rooms_that_changed_have_a_snapshot_of_their_state(database: str):
    log = opened()
    member = fact_bytes(
        ROOM, an_id(0, 2), "member.added", user_id="bob@example.org", role="responder"
    )
    async with running(database, log) as it:
        sequence = log.put(ROOM, member)

        async def kept() -> bool:
            return ROOM in it.snapshots.kept and it.snapshots.kept[ROOM].sequence == sequence

        await until(kept)
        snapshot = it.snapshots.kept[ROOM]
        state = decode_snapshot(snapshot.state)
        assert state is not None
        assert (snapshot.epoch, sorted(state.members)) == (
            log.epoch,
            ["ada@example.org", "bob@example.org"],
        )


async def test_postgresql_cutting_the_connection_is_got_over(database: str):
    async with running(database, opened()) as it:
        await until(lambda: reached(database, 1))
        for n in range(2, 5):
            await run(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            sequence = say(it.log, n)
            await until(lambda s=sequence: reached(database, s))


async def test_the_log_being_away_is_got_over(database: str, caplog: pytest.LogCaptureFixture):
    async with running(database, opened()) as it:
        await until(lambda: reached(database, 1))
        it.log.away = True
        sequence = say(it.log, 2)

        async def noticed() -> bool:
            return "the projection of partition 0: waiting: the log is away" in caplog.text

        await until(noticed)
        assert not await reached(database, sequence)
        it.log.away = False
        await until(lambda: reached(database, sequence))


async def test_a_log_that_becomes_another_one_stops_it_and_the_reason_stays_visible(
    database: str,
):
    async with running(database, opened()) as it:
        await until(lambda: reached(database, 1))
        it.log.reset("epoch 2")
        assert it.task is not None
        with pytest.raises(ProjectorHaltedError, match="epoch 2"):
            await within(it.task, DEADLINE_S)
    (row,) = await checkpoints(database)
    assert row.halted is not None
    assert "another log" in row.halted

    it.log.reset("epoch 1")
    async with running(database, it.log):

        async def cleared() -> bool:
            return (await checkpoints(database))[0].halted is None

        await until(cleared)


async def test_several_started_by_mistake_give_the_same_tables_as_one(database: str):
    log = opened()
    async with running(database, log), running(database, log), running(database, log):
        for n in range(2, 60):
            sequence = say(log, n)
            if n % 20 == 0:
                await run(
                    database,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
            await asyncio.sleep(0.01)
        await until(lambda: reached(database, sequence))
    (row,) = await run(database, "SELECT count(*), count(DISTINCT content) FROM roomlog.messages")
    assert tuple(row) == (58, 58)


async def test_reads_are_planned_by_numbers_of_their_own_tables_soon_after_a_first_import(
    database: str,
):
    log = opened()
    for number in range(MEASURED_AFTER_EVENTS):
        say(log, number + 10)
    connection = await asyncpg.connect(database)
    async with running(database, log):

        async def measured() -> bool:
            rows = await connection.fetchval(
                "SELECT reltuples FROM pg_class WHERE oid = 'roomlog.messages'::regclass"
            )
            return rows >= MEASURED_AFTER_EVENTS / 2

        await until(measured)
    await connection.close()


async def test_waypoints_are_left_before_anybody_asks(database: str):
    """Of what is projected, and of what had been before there were any."""
    log = opened()

    def change(first: int, last: int) -> None:
        for n in range(first, last):
            kind = "member.role_changed" if n else "member.added"
            body = {"user_id": "ben@a.example", "role": ("observer", "responder")[n % 2]}
            log.put(ROOM, fact_bytes(ROOM, an_id(1, n), kind, **body))

    change(0, CHANGES_PER_WAYPOINT)
    await project(log, database)
    async with (
        open_pool(database, size=2) as pool,
        running(database, log, PostgresReadModel(pool)) as it,
    ):
        places = {CHANGES_PER_WAYPOINT, 2 * CHANGES_PER_WAYPOINT}

        async def left() -> bool:
            expected = {f"{ROOM}.{place}.{place}" for place in places}
            return expected <= it.snapshots.kept.keys()

        change(CHANGES_PER_WAYPOINT, 2 * CHANGES_PER_WAYPOINT)
        await until(left)
        for place in places:
            kept = it.snapshots.kept[f"{ROOM}.{place}.{place}"]
            then = decode_waypoint(kept.state)
            assert then == await room_as_of(
                log, PostgresReadModel(pool), MemorySnapshots(), ROOM, place
            )
            assert then is not None
            assert then.members["ben@a.example"].role == "observer"


class AskedReads(PostgresReadModel):
    """Counts what it is asked for by the keeper of waypoints."""

    surveys = rooms = 0

    async def often_changed_rooms(self, changes_min: int) -> list[str]:
        found = await super().often_changed_rooms(changes_min)
        self.surveys += 1
        return found

    async def room_changes(self, room_id: str, *, up_to: int) -> list[int]:
        self.rooms += 1
        return await super().room_changes(room_id, up_to=up_to)


async def test_tables_of_another_log_leave_no_waypoints(database: str):
    log, snapshots = opened(), MemorySnapshots()
    for n in range(CHANGES_PER_WAYPOINT):
        body = {"user_id": f"u{n}@a.example", "role": "observer"}
        log.put(ROOM, fact_bytes(ROOM, an_id(1, n), "member.added", **body))
    await project(log, database)
    async with open_pool(database, size=2) as pool:
        reads = AskedReads(pool)

        async def surveyed() -> bool:
            return reads.surveys == 1

        async def left() -> bool:
            return bool(snapshots.kept)

        keeper = WaypointKeeper(log, reads, snapshots)
        keeper.start()
        try:
            keeper.begin(0, "another")
            await until(surveyed)
            keeper.begin(0, log.epoch)
            await until(left)
        finally:
            await keeper.close()
    assert reads.rooms == 1
    assert [kept.epoch for kept in snapshots.kept.values()] == [log.epoch]
