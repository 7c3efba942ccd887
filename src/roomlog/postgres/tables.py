"""The database for whoever fills the tables: `roomlog.projection_ports.ProjectionTables`."""

import contextlib
from collections.abc import AsyncGenerator

from roomlog.postgres.connection import LIVE_SCHEMA, connect_projector, translated
from roomlog.postgres.partition_lock import lock_partition
from roomlog.postgres.projection import PostgresPartition
from roomlog.postgres.queries import query
from roomlog.postgres.retry import PostgresRetry
from roomlog.postgres.shadow import Shadow
from roomlog.projection_ports import Position

STATEMENT_TIMEOUT_S = 60.0
_LOCK_CLASS = 0x726C_7072
_HOLD_TIMEOUT_S = 30


class PostgresTables:
    """The database, for whoever fills the tables."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def claim(self, partition: int) -> PostgresPartition:
        """See ProjectionTables."""
        with translated():
            connection = await connect_projector(
                self._database_url, command_timeout_s=STATEMENT_TIMEOUT_S
            )
            try:
                # Fails where there are no tables, before a lock is waited for.
                await connection.fetchrow(query("position"), partition)
                await lock_partition(connection, _LOCK_CLASS, partition)
            except BaseException:
                await PostgresPartition(connection, partition).close()
                raise
        return PostgresPartition(connection, partition)

    async def shadow(self, name: str, *, durable: bool) -> Shadow:
        """See ProjectionTables."""
        return await Shadow.create(self._database_url, f"{LIVE_SCHEMA}_{name}", durable=durable)

    @contextlib.asynccontextmanager
    async def retrying(self, partition: int) -> AsyncGenerator[PostgresRetry | None]:
        """See ProjectionTables."""
        with translated():
            connection = await connect_projector(self._database_url, command_timeout_s=None)
            try:
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{_HOLD_TIMEOUT_S}s'")
                    # Every batch of a projector begins with a lock that this one excludes.
                    await connection.execute("LOCK TABLE projection_checkpoint IN EXCLUSIVE MODE")
                    row = await connection.fetchrow(query("position"), partition)
                    if row is None:
                        yield None
                        return
                    at = Position(row["epoch"], row["sequence"], row["event_id"], row["event_hash"])
                    yield PostgresRetry(connection, partition, at)
                    await connection.execute(query("count_dead"), partition)
                    # It remembers rooms as they were; the next one waits for this transaction.
                    await connection.execute(query("end_projector"), _LOCK_CLASS, partition)
            finally:
                await PostgresPartition(connection, partition).close()
