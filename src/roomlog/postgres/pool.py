"""A few connections for reads, for each of which a read waits once; and it hears within seconds when
PostgreSQL is away."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import asyncpg

from roomlog import metrics
from roomlog.core.admission import Patience
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres.connection import CONNECT_TIMEOUT_S, Connection, connect, translated
from roomlog.projection_ports import RowsRefusedError, TablesMissingError
from roomlog.together import end_task

READ_TIMEOUT_S = 4.0  # "within 5 s", all waiting and a second attempt included
_IDLE_S = 300.0

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
# After these nobody knows what the connection is about to say.
_BROKEN = (*_WORTH_A_RETRY, TimeoutError, asyncio.IncompleteReadError)

Connect = Callable[[], Awaitable[Connection]]


class Reads(Protocol):
    """Who runs statements that read."""

    async def fetch(self, statement: str, *values: object) -> Sequence[asyncpg.Record]:
        """All rows of a read. Raises DatabaseUnavailableError within READ_TIMEOUT_S.

        A value that no column can hold (a NUL, a number too large) is found nowhere.
        """
        ...

    async def fetch_one(self, statement: str, *values: object) -> asyncpg.Record | None:
        """The first row of a read, or None. As `fetch` otherwise."""
        ...

    def reading(self) -> "AbstractAsyncContextManager[Reads]":
        """Statements that belong together: they wait for a connection once, and have
        READ_TIMEOUT_S together, the wait included.

        The connection is held up to the block's end, so nothing but these statements may be
        awaited in it.
        """
        ...


class Pool:
    """Reads over a few connections, which are made when they are needed.

    Who waits gets the next that is free, whoever else comes, in the turn of the event loop in which
    it is free: a busy worker has long turns.
    """

    def __init__(self, connect: Connect, *, size: int, patience: Patience) -> None:
        """`patience` says how long a read may wait for one of `size` connections."""
        self._connect = connect
        self._patience = patience
        self._free = size
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        # The last used are used first. Of the others, so many were not used for some time.
        self._idle: list[Connection] = []
        self._unused = 0
        self._open: set[Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._holding: set[asyncio.Task[object] | None] = set()

    async def fetch(self, statement: str, *values: object) -> Sequence[asyncpg.Record]:
        """See Reads."""
        async with self.reading() as reading:
            return await reading.fetch(statement, *values)

    async def fetch_one(self, statement: str, *values: object) -> asyncpg.Record | None:
        """See Reads."""
        async with self.reading() as reading:
            return await reading.fetch_one(statement, *values)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[Reads]:
        """See Reads. Raises RuntimeError in the block of another reading: where all that have a
        connection wait for one more, nobody would get one."""
        task = asyncio.current_task()
        if task in self._holding:
            raise RuntimeError("a read that holds a connection to PostgreSQL asks for another one")
        deadline_s = asyncio.get_running_loop().time() + READ_TIMEOUT_S
        await self._wait(deadline_s)
        self._holding.add(task)
        reading = _Reading(self, deadline_s)
        try:
            yield reading
        finally:
            self._holding.discard(task)
            reading.end()

    async def _wait(self, deadline_s: float) -> None:
        """Wait for one of the connections. Raises DatabaseUnavailableError."""
        loop = asyncio.get_running_loop()
        if self._free:
            self._free -= 1
            self._patience.judge(0.0, loop.time())
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append((turn, loop.time()))
        try:
            with translated():
                async with asyncio.timeout_at(deadline_s):
                    await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # it came while the caller was being broken off
            raise

    def leave(self) -> None:
        """Let the next have the connection, of those who have not waited too long: these are
        refused before they cost anything, so that the next is in time."""
        now_s = asyncio.get_running_loop().time()
        while self._waiting:
            turn, asked_s = self._waiting.popleft()
            if turn.done():
                continue
            self._patience.judge(now_s - asked_s, now_s)
            if not self._patience.over(now_s - asked_s):
                turn.set_result(None)
                return
            metrics.HTTP_SHED.inc()
            refusal = "there is more to read than PostgreSQL can now"
            turn.set_exception(DatabaseUnavailableError(refusal))
        self._free += 1

    async def take(self, *, new: bool = False) -> Connection:
        """A connection, for who has waited; `new`: none that was idle, since those may all be lost.
        Raises the driver's errors."""
        if new and self._idle:
            self.close(self._idle.pop())
            self._unused = min(self._unused, len(self._idle))
        while self._idle and not new:
            connection = self._idle.pop()
            self._unused = min(self._unused, len(self._idle))
            if not connection.is_closed():
                return connection
            self._open.discard(connection)
        connection = await self._connect()
        self._open.add(connection)
        return connection

    def put(self, connection: Connection) -> None:
        """Take back a connection that is as good as before."""
        self._idle.append(connection)

    def close(self, connection: Connection) -> asyncio.Task[None]:
        """Close a connection, whatever its server is doing."""
        closing = asyncio.create_task(self._close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing

    async def _close(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            connection.terminate()
        finally:
            self._open.discard(connection)

    async def close_unused(self) -> None:
        """Close what was not used for some time, again and again."""
        while True:
            self._unused = len(self._idle)
            await asyncio.sleep(_IDLE_S)
            unused, self._idle = self._idle[: self._unused], self._idle[self._unused :]
            for connection in unused:
                self.close(connection)

    async def close_all(self) -> None:
        """Close everything. Reads that are under way fail."""
        for connection in tuple(self._open):
            self.close(connection)
        if self._closing:
            await asyncio.wait(self._closing)


class _Reading:
    """Statements of one read, one after the other. Used by the task that began it."""

    def __init__(self, pool: Pool, deadline_s: float) -> None:
        self._pool = pool
        self._deadline_s = deadline_s
        self._connection: Connection | None = None
        self._closing: asyncio.Task[None] | None = None

    async def fetch(self, statement: str, *values: object) -> Sequence[asyncpg.Record]:
        """See Reads."""
        try:
            with translated():
                async with asyncio.timeout_at(self._deadline_s):
                    try:
                        return await self._attempt(statement, values)
                    except _WORTH_A_RETRY:
                        return await self._attempt(statement, values, new=True)
        except RowsRefusedError:
            return []
        except TablesMissingError as error:
            raise DatabaseUnavailableError(str(error)) from error

    async def fetch_one(self, statement: str, *values: object) -> asyncpg.Record | None:
        """See Reads."""
        rows = await self.fetch(statement, *values)
        return rows[0] if rows else None

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[Reads]:
        """See Reads: what belongs to a reading has its connection already."""
        yield self

    async def _attempt(
        self, statement: str, values: Sequence[object], *, new: bool = False
    ) -> Sequence[asyncpg.Record]:
        if self._connection is None:
            self._connection = await self._pool.take(new=new)
        connection = self._connection
        try:
            return await connection.fetch(statement, *values)
        except BaseException as error:
            if not isinstance(error, Exception) or isinstance(error, _BROKEN):
                self._closing = self._pool.close(connection)
                self._connection = None
            raise

    def end(self) -> None:
        """Leave the connection to the next. One that was broken off is not waited for: its server
        may still be at work, or not answer at all, and has its place until it is closed."""
        if self._connection is not None:
            self._pool.put(self._connection)
        if self._closing is None:
            self._pool.leave()
        else:
            self._closing.add_done_callback(lambda _: self._pool.leave())


@contextlib.asynccontextmanager
async def open_pool(
    database_url: str, *, size: int, patience: Patience | None = None
) -> AsyncGenerator[Pool]:
    """A pool of at most `size` connections for the length of the block. Reads wait for them as long
    as `patience` says, and without it up to their deadline.

    It connects when it is asked: with PostgreSQL away it opens all the same.
    """

    def one() -> Awaitable[Connection]:
        return connect(database_url, command_timeout_s=READ_TIMEOUT_S)

    pool = Pool(one, size=size, patience=patience or Patience(0))
    unused = asyncio.create_task(pool.close_unused())
    try:
        yield pool
    finally:
        await end_task(unused)
        await pool.close_all()
