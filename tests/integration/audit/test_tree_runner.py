"""The keepers as they run: through outages, beside each other, and where the log was changed."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from roomlog.audit import tree_runner
from roomlog.audit.tree_runner import keep_trees
from roomlog.postgres.tree_tables import PostgresTrees
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import keep, roots, rows
from tests.integration.projector.memory_log import MemorySignals

DEADLINE_S = 60


@asynccontextmanager
async def running(
    log: HoledLog, database: str, beside: Callable[[], Awaitable[None]] | None = None
) -> AsyncGenerator["asyncio.Task[None]"]:
    task = asyncio.create_task(
        keep_trees(
            log,  # type: ignore[arg-type]
            MemorySignals(),  # type: ignore[arg-type]
            PostgresTrees(database),
            check_every_s=0.05,
            beside=beside,  # type: ignore[arg-type]
        )
    )
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(found: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await found():
            await asyncio.sleep(0.05)


def grown(log: HoledLog, database: str) -> Callable[[], Awaitable[object]]:
    async def are() -> bool:
        return await roots(database) == {
            room: (len(log.appended[room]), log.root(room)) for room in log.appended
        }

    return are


async def test_trees_follow_the_log_through_outages_of_log_and_database(
    database: str, caplog: pytest.LogCaptureFixture
):
    log = HoledLog(partitions=2)
    for number in range(20):
        log.say(ROOMS[number % 5], f"message {number}")
    log.away = True
    async with running(log, database) as task:

        async def waited() -> bool:
            return any("the log is away" in record.getMessage() for record in caplog.records)

        await until(waited)
        log.away = False
        await until(grown(log, database))

        connection = await asyncpg.connect(database)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        for number in range(20):
            log.say(ROOMS[number % 5], f"later {number}")
        await until(grown(log, database))
        assert not task.done()


async def test_of_two_that_run_one_works_and_the_other_takes_over(database: str):
    log, ran = HoledLog(), list[str]()

    def noting(name: str) -> Callable[[], Awaitable[None]]:
        async def beside() -> None:
            ran.append(name)
            await asyncio.Event().wait()

        return beside

    async with running(log, database, noting("first")) as first:
        await until(lambda: _are(ran, ["first"]))
        async with running(log, database, noting("second")):
            log.say(ROOMS[0], "one")
            await until(grown(log, database))
            assert ran == ["first"]
            first.cancel()
            await until(lambda: _are(ran, ["first", "second"]))
            log.say(ROOMS[0], "two")
            await until(grown(log, database))


async def _are(ran: list[str], expected: list[str]) -> bool:
    return ran == expected


async def test_a_log_that_was_changed_halts_the_trees_where_status_shows_it_and_no_more(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tree_runner, "HALTED_RETRY_S", 0.05)
    log = HoledLog()
    last = [log.say(ROOMS[0], f"message {number}") for number in range(5)][-1]
    await keep(log, database)
    data = log.appended[ROOMS[0]][-1][1]
    log.change(ROOMS[0], last, data.replace(b"ada@example.org", b"bob@example.org"))

    async def halted() -> object:
        return (await rows(database, "tree_checkpoint"))[0]["halted"]

    async with running(log, database) as task:
        await until(halted)
        assert "the log was changed" in str(await halted())
        told = [r for r in caplog.records if "the trees do not grow" in r.getMessage()]
        assert len(told) == 1
        assert not task.done()

        # The backup is back.
        log.change(ROOMS[0], last, data)
        log.say(ROOMS[0], "on we go")
        await until(grown(log, database))
        assert await halted() is None


async def test_a_log_that_turns_out_to_be_another_has_its_trees_made_anew(database: str):
    log = HoledLog()
    log.say(ROOMS[0], "one")
    async with running(log, database):
        await until(grown(log, database))
        log.events, log.ends, log.appended = [[]], [0], {}
        log.say(ROOMS[1], "another")
        log.reset("epoch 2")
        await until(grown(log, database))


async def test_what_nobody_foresaw_does_not_end_it(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tree_runner, "_BACKOFF_S", (0.01, 0.05))
    log = HoledLog()
    log.say(ROOMS[0], "one")
    asked = log.partition_state
    failing = 2

    async def fails_twice(partition: int) -> object:
        nonlocal failing
        failing -= 1
        if failing >= 0:
            raise ZeroDivisionError
        return await asked(partition)

    monkeypatch.setattr(log, "partition_state", fails_twice)
    async with running(log, database):
        await until(grown(log, database))
    assert sum("stopped" in record.getMessage() for record in caplog.records) == 2
