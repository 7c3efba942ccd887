"""A pool of connections for reads, that says within seconds when PostgreSQL is away."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

import asyncpg

from roomlog import metrics
from roomlog.core.admission import Patience
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres.connection import (
    CONNECT_TIMEOUT_S,
    server_settings,
    translated,
)
from roomlog.projection_ports import RowsRefusedError, TablesMissingError

READ_TIMEOUT_S = 4.0  # "within 5 s", all waiting and a second attempt included
_IDLE_S = 300
_ATTEMPTS = 2

# Connections that were lost while idle, and plans of tables that a rebuild has swapped away.
_WORTH_A_RETRY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.UndefinedTableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InternalClientError,
    ConnectionError,
)


class Pool:
    """Reads over a few connections, which are made when they are needed."""

    def __init__(self, pool: "asyncpg.Pool", patience: Patience) -> None:
        """`patience` says how long a read may wait for a connection."""
        self._pool = pool
        self._patience = patience

    async def fetch(self, statement: str, *values: object) -> Sequence[asyncpg.Record]:
        """All rows of a read. Raises DatabaseUnavailableError within READ_TIMEOUT_S.

        A value that no column can hold (a NUL, a number too large) is found nowhere.
        """
        reading = asyncio.create_task(self._attempts(statement, values))
        reading.add_done_callback(_retrieve)
        try:
            with translated():
                await asyncio.wait([reading], timeout=READ_TIMEOUT_S)
                if not reading.done():
                    raise TimeoutError
                return reading.result()
        except RowsRefusedError:
            return []
        except TablesMissingError as error:
            raise DatabaseUnavailableError(str(error)) from error
        finally:
            reading.cancel()  # and not waited for: who does not answer does not end it either

    async def fetch_one(self, statement: str, *values: object) -> asyncpg.Record | None:
        """The first row of a read, or None. As `fetch` otherwise."""
        rows = await self.fetch(statement, *values)
        return rows[0] if rows else None

    async def _attempts(self, statement: str, values: Sequence[object]) -> Sequence[asyncpg.Record]:
        attempt = 1
        loop = asyncio.get_running_loop()
        while True:
            try:
                asked_s = loop.time()
                async with self._pool.acquire() as connection:
                    self._judge(loop.time() - asked_s, loop.time())
                    return await connection.fetch(statement, *values)
            except _WORTH_A_RETRY:
                if attempt == _ATTEMPTS:
                    raise
                attempt += 1

    def _judge(self, waited_s: float, now_s: float) -> None:
        """Refuse what waited too long before it costs anything, so that the next is in time."""
        self._patience.judge(waited_s, now_s)
        if self._patience.over(waited_s):
            metrics.HTTP_SHED.inc()
            raise DatabaseUnavailableError("there is more to read than PostgreSQL can now")


def _retrieve(reading: "asyncio.Task[Sequence[asyncpg.Record]]") -> None:
    if not reading.cancelled():
        reading.exception()  # whoever still waits gets it; nobody may be left


async def _leave_as_it_is(_connection: object) -> None:
    """Reads change nothing of a session: resetting it would be a round trip for each of them."""


@contextlib.asynccontextmanager
async def open_pool(
    database_url: str, *, size: int, patience: Patience | None = None
) -> AsyncGenerator[Pool]:
    """A pool of at most `size` connections for the length of the block. Reads wait for them as long
    as `patience` says, and without it up to their deadline.

    It connects when it is asked: with PostgreSQL away it opens all the same.
    """
    pool = await asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=READ_TIMEOUT_S,
        max_inactive_connection_lifetime=_IDLE_S,
        reset=_leave_as_it_is,
        server_settings=server_settings(),
    )
    try:
        yield Pool(pool, patience or Patience(0))
    finally:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()
