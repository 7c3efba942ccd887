"""Reads over a few connections."""

import asyncio

from roomlog.core.admission import Patience
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres import open_pool


async def test_a_read_that_waited_too_long_for_a_connection_is_refused(empty_database: str):
    sleep = "SELECT pg_sleep(0.05)"
    async with open_pool(empty_database, size=1, patience=Patience(0.05)) as pool:
        await pool.fetch("SELECT 1")
        reads = [pool.fetch(sleep) for _ in range(20)]
        found = await asyncio.gather(*reads, return_exceptions=True)
        done = [one for one in found if not isinstance(one, BaseException)]
        refused = [one for one in found if isinstance(one, DatabaseUnavailableError)]
        assert len(done) + len(refused) == len(found)
        # One after the other they would take five times as long as a burst may wait.
        assert refused
        assert not isinstance(found[0], BaseException)
        await asyncio.sleep(0.1)
        assert await pool.fetch("SELECT 1")
