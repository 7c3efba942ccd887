"""Rooms made anew within the live tables: `roomlog.projection_ports.RetryTables`."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import UUID

from roomlog.postgres.connection import Connection, translated
from roomlog.postgres.projection import PostgresBatch
from roomlog.postgres.queries import query
from roomlog.projection_ports import Position, SetAside


class PostgresRetry:
    """One partition of the live tables, within a transaction in which nobody else moves it."""

    def __init__(self, connection: Connection, partition: int, reached: Position) -> None:
        self._connection = connection
        self._partition = partition
        self._reached = reached

    @property
    def partition(self) -> int:
        """Which partition."""
        return self._partition

    @property
    def reached(self) -> Position:
        """See RetryTables."""
        return self._reached

    async def dead(self) -> Sequence[SetAside]:
        """See RetryTables."""
        with translated():
            rows = await self._connection.fetch(query("dead_events"), self._partition)
        return [SetAside(**dict(row)) for row in rows]

    async def forget(self, room_id: str) -> None:
        """See RetryTables."""
        with translated():
            await self._connection.execute(query("forget_room"), UUID(room_id), self._partition)

    async def position(self, epoch: str) -> Position:
        """Before the first event: what is made anew begins there."""
        del epoch
        return Position(self._reached.epoch, 0)

    @contextlib.asynccontextmanager
    async def batch(
        self, old: Position, new: Position, current_at: datetime
    ) -> AsyncGenerator[PostgresBatch]:
        """Part of the one transaction; the checkpoint stays where it is."""
        del old, new, current_at
        with translated():
            async with self._connection.transaction():
                yield PostgresBatch(self._connection, self._partition)

    async def mark_current(self, position: Position, at: datetime) -> None:
        """Not here: the checkpoint stays where it is."""

    async def measure(self) -> None:
        """Not here: one room changes little."""

    async def halt(self, reason: str | None) -> None:
        """Not here: whoever asked is told."""

    async def close(self) -> None:
        """Nothing: the connection is its maker's."""
