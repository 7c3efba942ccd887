"""A second set of tables beside the live ones: filled from the log, compared, swapped in."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Self

import asyncpg

from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres.comparison import difference
from roomlog.postgres.connection import (
    LIVE_SCHEMA,
    Connection,
    connect,
    connect_projector,
    translated,
)
from roomlog.postgres.migrate import require_newest
from roomlog.postgres.projection import PostgresPartition
from roomlog.postgres.queries import query
from roomlog.postgres.schema import (
    create_constraints_sql,
    create_indexes_sql,
    create_tables_sql,
    table_shapes,
)
from roomlog.projection_ports import BusyError, Difference, LivePosition, Position
from roomlog.together import together

REPLACED_SCHEMA = f"{LIVE_SCHEMA}_replaced"
SHADOWS = ("rebuild", "verify")

_LOCK_KEY = 0x726C_7362  # any number that nobody else in this database uses
_HOLD_TIMEOUT_S = 30
_SWAP_LOCK_TIMEOUT_MS = 50
_SWAP_PAUSE_S = 0.05
_SWAP_ATTEMPTS_MAX = 600
_CLOSE_TIMEOUT_S = 3.0
# Two large indexes are made side by side; PostgreSQL gives each up to two more processes, where
# there are cores and its settings allow. Each index takes at most this much memory.
_INDEX_BUILDERS = 2
_INDEX_MEMORY_MB = 128


class Shadow:
    """Tables in a schema of their own. Its connection holds the lock against a second one."""

    def __init__(self, database_url: str, schema: str, connection: Connection) -> None:
        self._database_url = database_url
        self._schema = schema
        self._connection = connection
        self._partitions: list[PostgresPartition] = []
        self._snapshot: Connection | None = None

    @classmethod
    async def create(cls, database_url: str, schema: str, *, durable: bool) -> Self:
        """New, empty tables; what earlier runs left behind is removed. Raises BusyError,
        TablesMissingError, UnknownRevisionError."""
        with translated():
            connection = await connect(database_url, schema=schema, command_timeout_s=None)
            shadow = cls(database_url, schema, connection)
            try:
                await shadow._begin(durable=durable)
            except BaseException:
                await _close(connection)
                raise
        return shadow

    async def _begin(self, *, durable: bool) -> None:
        if not await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
            raise BusyError("a rebuild or a verification is under way already: wait for its end")
        await require_newest(self._connection)
        await self._remove_schemas()
        for statement in create_tables_sql(self._schema, logged=durable):
            await self._connection.execute(statement)

    async def partition(self, partition: int) -> PostgresPartition:
        """See ShadowTables."""
        with translated():
            connection = await connect_projector(
                self._database_url, schema=self._schema, command_timeout_s=None
            )
            # What a crash loses here is not missed: the whole schema is begun anew.
            await connection.execute("SET synchronous_commit = off")
        tables = PostgresPartition(connection, partition)
        self._partitions.append(tables)
        return tables

    async def complete(self) -> None:
        """See ShadowTables."""
        waiting = deque(create_indexes_sql(self._schema))
        await together(*(self._build(waiting) for _ in range(_INDEX_BUILDERS)))
        with translated():
            for statement in create_constraints_sql(self._schema):
                await self._connection.execute(statement)
            for name in table_shapes():
                await self._connection.execute(f'ANALYZE "{self._schema}".{name}')

    async def _build(self, waiting: deque[str]) -> None:
        """Make indexes for as long as there are some left to be made."""
        with translated():
            connection = await connect(
                self._database_url, schema=self._schema, command_timeout_s=None
            )
            try:
                await connection.execute(f"SET maintenance_work_mem = '{_INDEX_MEMORY_MB}MB'")
                while waiting:
                    await connection.execute(waiting.popleft())
            finally:
                await _close(connection)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncGenerator[Sequence[LivePosition]]:
        """See ShadowTables."""
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(f"SET LOCAL lock_timeout = '{_HOLD_TIMEOUT_S}s'")
                # Every batch of a projector begins with a lock that this one excludes.
                await self._connection.execute(
                    f"LOCK TABLE {LIVE_SCHEMA}.projection_checkpoint IN EXCLUSIVE MODE"
                )
                yield await self._live()

    async def live(self) -> Sequence[LivePosition]:
        """See ShadowTables."""
        with translated():
            return await self._live()

    async def _live(self) -> Sequence[LivePosition]:
        rows = await self._connection.fetch(query("live_positions"))
        return [
            LivePosition(
                row["partition"],
                Position(row["epoch"], row["sequence"], row["event_id"], row["event_hash"]),
            )
            for row in rows
        ]

    async def snapshot(self) -> None:
        """See ShadowTables."""
        with translated():
            self._snapshot = await connect(
                self._database_url, schema=self._schema, command_timeout_s=None
            )
            await self._snapshot.execute(
                "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
            )
            # The snapshot is taken by the first query, not by BEGIN.
            await self._snapshot.fetchval("SELECT 1")

    async def differences(self, examples_max: int) -> Sequence[Difference]:
        """See ShadowTables."""
        assert self._snapshot is not None
        found: list[Difference] = []
        with translated():
            for shape in table_shapes().values():
                one = await difference(
                    self._snapshot, shape, LIVE_SCHEMA, self._schema, examples_max
                )
                if one is not None:
                    found.append(one)
        await _close(self._snapshot)
        self._snapshot = None
        return found

    async def swap(self) -> None:
        """See ShadowTables. Reads see the old tables or the new ones, never a mix; they wait
        for milliseconds at most, because a lock that does not come at once is given back."""
        schemas = (LIVE_SCHEMA, self._schema)
        names = ", ".join(f"{schema}.{name}" for schema in schemas for name in table_shapes())
        connection = self._connection
        await connection.execute(f"SET LOCAL lock_timeout = '{_SWAP_LOCK_TIMEOUT_MS}ms'")
        for _ in range(_SWAP_ATTEMPTS_MAX):
            try:
                async with connection.transaction():
                    await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
                    await connection.execute(
                        f"ALTER SCHEMA {LIVE_SCHEMA} RENAME TO {REPLACED_SCHEMA}"
                    )
                    await connection.execute(f"ALTER SCHEMA {self._schema} RENAME TO {LIVE_SCHEMA}")
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(_SWAP_PAUSE_S)
            else:
                return
        raise DatabaseUnavailableError(
            "the live tables were in use without a pause: end long queries and begin again"
        )

    async def drop(self) -> None:
        """See ShadowTables."""
        for tables in self._partitions:
            await tables.close()
        if self._snapshot is not None:
            await _close(self._snapshot)
        try:
            with translated():
                await self._remove_schemas()
        finally:
            await _close(self._connection)

    async def _remove_schemas(self) -> None:
        # Whoever holds the lock is alone: what has these names is a crashed run's, or done with.
        for schema in (*(f"{LIVE_SCHEMA}_{name}" for name in SHADOWS), REPLACED_SCHEMA):
            await self._drop_schema(schema)

    async def _drop_schema(self, schema: str) -> None:
        # A read that waited through the swap may still be taking the replaced tables, one by one,
        # while they are dropped one by one: PostgreSQL ends the dropping, and the read is soon over.
        for attempt in range(1, _SWAP_ATTEMPTS_MAX + 1):
            try:
                await self._connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            except asyncpg.DeadlockDetectedError:
                if attempt == _SWAP_ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(_SWAP_PAUSE_S)
            else:
                return


async def _close(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        await connection.close(timeout=_CLOSE_TIMEOUT_S)
