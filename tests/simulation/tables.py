"""PostgreSQL in memory: transactions that end well, or not, or who knows how."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from projections.batch import Touched, Wanted
from projections.row_changes import RowChange
from roomlog.jetstream import subjects
from roomlog.ports import Checkpoint, DatabaseUnavailableError, EventRecord
from roomlog.projection_ports import FenceLostError, Position, SetAside
from roomlog_contract.fold import MessageState
from tests.projections.memory_tables import MemoryTables
from tests.simulation.nats_server import BEGIN


class SimTables:
    """The ports ProjectionTables and, as far as writes need it, ReadModel.

    `down`: nothing is answered. `failing`: the share of transactions that fail, before or after
    they became true. `lock_lost`: a second projector gets in beside the first.
    """

    def __init__(self, chance: random.Random, partitions: int = 1) -> None:
        self.rows = MemoryTables()
        self.positions = [Position("", 0) for _ in range(partitions)]
        self.current_at = [BEGIN] * partitions
        self.down = False
        self.failing = 0.0
        self.lock_lost = False
        self.unfenced = False
        self.trip_s = (0.0003, 0.002)
        self._chance = chance
        self._locked = [asyncio.Lock() for _ in range(partitions)]

    async def trip(self) -> None:
        """A question's way there and back. Raises DatabaseUnavailableError."""
        await asyncio.sleep(self._chance.uniform(*self.trip_s))
        if self.down:
            await asyncio.sleep(0.5)
            raise DatabaseUnavailableError("away")

    # ProjectionTables

    async def claim(self, partition: int) -> "SimPartition":
        await self.trip()
        if not self.lock_lost:
            await self._locked[partition].acquire()
            return SimPartition(self, partition, self._locked[partition])
        return SimPartition(self, partition, None)

    # ReadModel

    async def answers(self) -> None:
        await self.trip()

    async def checkpoint(self, partition: int) -> Checkpoint | None:
        await self.trip()
        position, at = self.positions[partition], self.current_at[partition]
        if not position.epoch:
            return None
        return Checkpoint(partition, position.epoch, position.sequence, at, 0)

    async def find_event(self, event_id: str) -> EventRecord | None:
        await self.trip()
        for row in self.rows.rows("processed_events"):
            if row["event_id"] == event_id:
                return EventRecord(event_id, row["room_id"], row["sequence"], row["outcome"])
        for row in self.rows.rows("messages"):
            if row["message_id"] == event_id:
                sequence = row["sequence_number"]
                return EventRecord(event_id, row["room_id"], sequence, "applied")
        return None

    async def message_state(self, message_id: str) -> tuple[MessageState | None, int]:
        await self.trip()
        for row in self.rows.rows("messages"):
            if row["message_id"] == message_id:
                partition = subjects.partition_of(row["room_id"], len(self.positions))
                return self.rows.message(row), self.positions[partition].sequence
        return None, min(position.sequence for position in self.positions)


class SimPartition:
    """The port PartitionTables."""

    def __init__(self, tables: SimTables, partition: int, lock: asyncio.Lock | None) -> None:
        self.partition = partition
        self._tables = tables
        self._lock = lock

    async def position(self, epoch: str) -> Position:
        await self._tables.trip()
        if not self._position.epoch:
            self._tables.positions[self.partition] = Position(epoch, 0)
        return self._position

    @property
    def _position(self) -> Position:
        return self._tables.positions[self.partition]

    @asynccontextmanager
    async def batch(
        self, old: Position, new: Position, current_at: datetime
    ) -> AsyncIterator["SimBatch"]:
        await self._tables.trip()
        batch = SimBatch(self._tables)
        if not self._tables.unfenced:
            self._require(old)
        yield batch
        chance, failing = self._tables._chance, self._tables.failing
        if chance.random() < failing:
            raise DatabaseUnavailableError("lost before the commit")
        await self._tables.trip()
        # One transaction waits for the other at the checkpoint's row, and then finds it moved.
        if not self._tables.unfenced:
            self._require(old)
        self._tables.rows.apply(batch.changes)
        self._tables.positions[self.partition] = new
        self._tables.current_at[self.partition] = current_at
        if chance.random() < failing:
            raise DatabaseUnavailableError("lost after the commit")

    def _require(self, old: Position) -> None:
        if self._position != old:
            raise FenceLostError(f"the checkpoint is at {self._position}, not {old}")

    async def mark_current(self, position: Position, at: datetime) -> None:
        await self._tables.trip()
        self._require(position)

    async def measure(self) -> None:
        pass

    async def halt(self, reason: str | None) -> None:
        assert reason is None, reason

    async def close(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(RuntimeError):
                self._lock.release()
            self._lock = None


class SimBatch:
    """The port Batch."""

    def __init__(self, tables: SimTables) -> None:
        self._tables = tables
        self.changes: list[RowChange] = []

    async def load(self, wanted: Wanted) -> Touched:
        await self._tables.trip()
        return self._tables.rows.load(wanted)

    async def write(self, changes: Sequence[RowChange], dead: Sequence[SetAside]) -> None:
        assert not dead, dead
        self.changes.extend(changes)


def row_values(tables: MemoryTables, table: str, *names: str) -> list[Any]:
    """Some columns of all rows."""
    return [tuple(row[name] for name in names) for row in tables.rows(table)]
