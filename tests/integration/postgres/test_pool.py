"""Reads over a few connections."""

import asyncio

import pytest

from roomlog.core.admission import Patience
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres import Pool, open_pool

_WITHIN_S = 60


async def _refused(pool: Pool, statements: int, count: int) -> list[BaseException | None]:
    """What became of so many readings at once, of so many statements each."""

    async def read() -> None:
        async with pool.reading() as reading:
            for _ in range(statements):
                await reading.fetch("SELECT pg_sleep(0.02)")

    return await asyncio.gather(*(read() for _ in range(count)), return_exceptions=True)


async def test_a_read_that_waited_too_long_for_a_connection_is_refused(empty_database: str):
    async with open_pool(empty_database, size=1, patience=Patience(0.05)) as pool:
        await pool.fetch("SELECT 1")
        found = await _refused(pool, 1, 50)
        assert all(one is None or isinstance(one, DatabaseUnavailableError) for one in found)
        # One after the other they would take five times as long as a burst may wait.
        assert any(found)
        assert found[0] is None
        assert await pool.fetch("SELECT 1")


async def test_of_a_read_that_began_nothing_is_refused(empty_database: str):
    said: list[str] = []

    async with open_pool(empty_database, size=1, patience=Patience(0.01)) as pool:
        await pool.fetch("SELECT 1")

        async def read() -> None:
            async with pool.reading() as reading:
                said.append("began")
                # Each of them takes longer than a read may wait.
                await reading.fetch("SELECT pg_sleep(0.06)")
                await reading.fetch("SELECT pg_sleep(0.06)")
                said.append("done")

        found = await asyncio.gather(*(read() for _ in range(10)), return_exceptions=True)
    assert said == ["began", "done"] * found.count(None)
    assert found.count(None) < len(found)


async def test_whoever_waits_comes_before_who_asks_again(empty_database: str):
    order: list[str] = []

    async with open_pool(empty_database, size=1) as pool:

        async def read(who: str) -> None:
            await pool.fetch("SELECT 1")
            order.append(who)

        async def first() -> None:
            await read("first")
            await read("first, again")

        async with asyncio.timeout(_WITHIN_S):
            await asyncio.gather(first(), read("second"), read("third"))
    assert order == ["first", "second", "third", "first, again"]


async def test_a_read_that_holds_a_connection_cannot_wait_for_another(empty_database: str):
    async with open_pool(empty_database, size=1) as pool, asyncio.timeout(_WITHIN_S):
        async with pool.reading() as reading:
            with pytest.raises(RuntimeError, match="asks for another"):
                await pool.fetch("SELECT 1")
            async with reading.reading() as same:
                assert await same.fetch("SELECT 1")
        assert await pool.fetch("SELECT 1")


async def test_a_read_that_is_broken_off_leaves_its_place_to_the_next(empty_database: str):
    async with open_pool(empty_database, size=1) as pool, asyncio.timeout(_WITHIN_S):
        await pool.fetch("SELECT 1")
        running = asyncio.create_task(pool.fetch("SELECT pg_sleep(600)"))
        waiting = asyncio.create_task(pool.fetch("SELECT 2"))
        next_one = asyncio.create_task(pool.fetch("SELECT 3 AS number"))
        await asyncio.sleep(0)
        waiting.cancel()
        running.cancel()
        (row,) = await next_one
        assert row["number"] == 3
        assert waiting.cancelled()
        assert running.cancelled()


async def test_what_waits_is_told_in_time_that_there_is_no_answer(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("roomlog.postgres.pool.READ_TIMEOUT_S", 0.2)
    async with open_pool(empty_database, size=1) as pool, asyncio.timeout(_WITHIN_S):
        found = await asyncio.gather(
            *(pool.fetch("SELECT pg_sleep(600)") for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(one, DatabaseUnavailableError) for one in found)
        monkeypatch.undo()
        assert await pool.fetch("SELECT 1")


async def test_connections_that_were_lost_while_idle_are_made_anew(empty_database: str):
    async with open_pool(empty_database, size=3) as pool, asyncio.timeout(_WITHIN_S):
        await asyncio.gather(*(pool.fetch("SELECT pg_sleep(0.1)") for _ in range(3)))
        async with open_pool(empty_database, size=1) as other:
            ended = await other.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert len(ended) == 3
        found = await asyncio.gather(*(pool.fetch("SELECT 1") for _ in range(3)))
        assert all(found)


async def test_a_value_that_no_column_can_hold_is_found_nowhere(empty_database: str):
    async with open_pool(empty_database, size=1) as pool:
        pid = await pool.fetch("SELECT pg_backend_pid()")
        assert await pool.fetch("SELECT $1::text", "\0") == []
        assert await pool.fetch("SELECT $1::int", 2**40) == []
        # And costs no connection.
        assert await pool.fetch("SELECT pg_backend_pid()") == pid


async def test_connections_that_nobody_needs_any_more_are_closed(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("roomlog.postgres.pool._IDLE_S", 0.05)
    count = (
        "SELECT count(*) AS count FROM pg_stat_activity "
        "WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    async with open_pool(empty_database, size=4) as pool, asyncio.timeout(_WITHIN_S):
        await asyncio.gather(*(pool.fetch("SELECT pg_sleep(0.1)") for _ in range(4)))
        while (await pool.fetch(count))[0]["count"] > 1:
            await asyncio.sleep(0.02)
