"""The tables as a projector fills them: `roomlog.projection_ports.PartitionTables`."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from projections import dead_events
from projections.batch import SeenId, Touched, Wanted
from projections.row_changes import RowChange
from roomlog.postgres.connection import Connection, translated
from roomlog.postgres.queries import query
from roomlog.postgres.rows import message_state, room_state
from roomlog.postgres.writer import RowWriter
from roomlog.projection_ports import FenceLostError, Position, SetAside

ERROR_CHARS_MAX = 2000
_CLOSE_TIMEOUT_S = 3.0
# The columns that pages are chosen and ordered by: those that are searched take ten times as long.
_MEASURE = (
    "ANALYZE messages (message_id, room_id, sequence_number, sender_id, message_type, created_at)"
)


class PostgresBatch:
    """One transaction of a projector."""

    def __init__(self, connection: Connection, partition: int) -> None:
        self._connection = connection
        self._partition = partition
        self._writer = RowWriter(connection)

    async def load(self, wanted: Wanted) -> Touched:
        """See Batch."""
        with translated():
            seen = await self._connection.fetch(query("load_seen"), wanted.event_ids)
            rooms = messages = ()
            if wanted.room_ids:
                rooms = await self._connection.fetch(query("load_rooms"), wanted.room_ids)
            if wanted.message_ids:
                messages = await self._connection.fetch(query("load_messages"), wanted.message_ids)
        return Touched(
            rooms={row["room_id"]: room_state(row) for row in rooms},
            messages={row["message_id"]: message_state(row) for row in messages},
            seen={row["event_id"]: SeenId(row["room_id"], row["sequence"]) for row in seen},
        )

    async def write(self, changes: Sequence[RowChange], dead: Sequence[SetAside]) -> None:
        """See Batch."""
        with translated():
            # Before the changes: a redaction removes what was set aside, of its own batch too.
            for event in dead:
                await self._connection.execute(
                    query("add_dead"),
                    self._partition,
                    event.sequence,
                    event.room_id,
                    event.event_id,
                    storable(event.error)[:ERROR_CHARS_MAX],
                    event.data,
                )
            await self._writer.apply(changes)
            if dead or any(change.table == dead_events.TABLE for change in changes):
                await self._connection.execute(query("count_dead"), self._partition)


class PostgresPartition:
    """One partition's tables over one connection, which also holds the partition's lock: when
    it is lost, all is lost together, and the next projector may begin."""

    def __init__(self, connection: Connection, partition: int) -> None:
        self._connection = connection
        self._partition = partition
        self._table: int | None = None

    @property
    def partition(self) -> int:
        """Which partition."""
        return self._partition

    async def position(self, epoch: str) -> Position:
        """See PartitionTables."""
        with translated():
            await self._connection.execute(query("first_position"), self._partition, epoch)
            row = await self._connection.fetchrow(query("position"), self._partition)
        assert row is not None
        self._table = row["tableoid"]
        return Position(row["epoch"], row["sequence"], row["event_id"], row["event_hash"])

    @contextlib.asynccontextmanager
    async def batch(
        self, old: Position, new: Position, current_at: datetime
    ) -> AsyncGenerator[PostgresBatch]:
        """See PartitionTables."""
        with translated():
            async with self._connection.transaction():
                # Names are looked up anew by this statement, after any swap of a rebuild that it
                # waits for; and none can come between as long as the lock is held.
                await self._connection.execute(
                    "LOCK TABLE projection_checkpoint IN ROW EXCLUSIVE MODE"
                )
                await self._move(old, new, current_at)
                yield PostgresBatch(self._connection, self._partition)

    async def mark_current(self, position: Position, at: datetime) -> None:
        """See PartitionTables."""
        with translated():
            await self._move(position, position, at)

    async def _move(self, old: Position, new: Position, current_at: datetime) -> None:
        done = await self._connection.execute(
            query("move_position"),
            self._partition,
            old.epoch,
            old.sequence,
            self._table,
            new.sequence,
            new.event_id,
            new.event_hash,
            current_at,
        )
        if done != "UPDATE 1":
            raise FenceLostError(
                f"the checkpoint of partition {self._partition} is not at {old.sequence} any more"
            )

    async def measure(self) -> None:
        """See PartitionTables. Without numbers a page of a large room is read as a whole."""
        with translated():
            await self._connection.execute(_MEASURE)

    async def halt(self, reason: str | None) -> None:
        """See PartitionTables."""
        with translated():
            await self._connection.execute(query("halt"), self._partition, reason)

    async def close(self) -> None:
        """Close the connection, and with it give up the lock."""
        with contextlib.suppress(Exception):
            await self._connection.close(timeout=_CLOSE_TIMEOUT_S)


def storable(text: str) -> str:
    """`text` without what PostgreSQL's text can't hold."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
