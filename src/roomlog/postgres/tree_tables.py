"""The trees as their keeper grows them: `roomlog.tree_ports.TreeTables`."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from roomlog.core.merkle import HASH_BYTES
from roomlog.postgres.connection import Connection, connect, translated
from roomlog.postgres.partition_lock import lock_partition
from roomlog.postgres.queries import query
from roomlog.projection_ports import FenceLostError
from roomlog.tree_ports import (
    Finding,
    FindingKind,
    Growth,
    LeafPlace,
    LeafRun,
    Redaction,
    RoomNode,
    TreePosition,
    TreeRow,
)

STATEMENT_TIMEOUT_S = 60.0
SEQUENCE_BYTES = 8
_LOCK_CLASS = 0x726C_7472
_CLOSE_TIMEOUT_S = 3.0
_DETAIL_CHARS_MAX = 2000


class PostgresTrees:
    """The database, for whoever grows the trees."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def claim(self, partition: int) -> "PostgresPartitionTrees":
        """See TreeTables."""
        with translated():
            connection = await connect(self._database_url, command_timeout_s=STATEMENT_TIMEOUT_S)
            try:
                # Fails where there are no tables, before a lock is waited for.
                await connection.fetchrow(query("tree_position"), partition)
                await lock_partition(connection, _LOCK_CLASS, partition)
            except BaseException:
                await PostgresPartitionTrees(connection, partition).close()
                raise
        return PostgresPartitionTrees(connection, partition)


class PostgresPartitionTrees:
    """One partition's trees over one connection, which also holds the partition's lock."""

    def __init__(self, connection: Connection, partition: int) -> None:
        self._connection = connection
        self._partition = partition

    @property
    def partition(self) -> int:
        """Which partition."""
        return self._partition

    async def position(self, epoch: str) -> TreePosition:
        """See PartitionTrees."""
        with translated():
            await self._connection.execute(query("tree_first_position"), self._partition, epoch)
            row = await self._connection.fetchrow(query("tree_position"), self._partition)
        assert row is not None
        return TreePosition(row["epoch"], row["sequence"], row["event_hash"])

    async def begin_anew(self, epoch: str) -> TreePosition:
        """See PartitionTrees."""
        with translated():
            await self._connection.execute(query("tree_forget"), self._partition, epoch)
        return await self.position(epoch)

    async def trees(self, room_ids: Sequence[str]) -> Mapping[str, TreeRow]:
        """See PartitionTrees."""
        with translated():
            rows = await self._connection.fetch(query("load_trees"), room_ids)
        return {row["room_id"]: TreeRow(**dict(row)) for row in rows}

    async def redactions(self, first: int, last: int) -> Mapping[int, Redaction]:
        """See PartitionTrees."""
        with translated():
            rows = await self._connection.fetch(
                query("find_redactions"), self._partition, first, last
            )
        return {row["sequence"]: Redaction(**dict(row)) for row in rows}

    async def leaf(self, room_id: str, sequence: int) -> bytes | None:
        """See PartitionTrees."""
        with translated():
            row = await self._connection.fetchrow(query("leaf_run_by_sequence"), room_id, sequence)
        place = (
            None
            if row is None
            else place_in(row["first"], row["sequences"], row["hashes"], sequence)
        )
        return None if place is None else place.hashed

    async def explained(self) -> int:
        """See PartitionTrees."""
        with translated():
            found = await self._connection.fetchval(query("count_explained"), self._partition)
        return int(found or 0)

    async def findings(self) -> Sequence[Finding]:
        """See PartitionTrees."""
        with translated():
            rows = await self._connection.fetch(query("findings"), self._partition)
        return [
            Finding(row["sequence"], row["last"], FindingKind(row["kind"]), row["detail"])
            for row in rows
        ]

    async def commit(
        self, old: TreePosition, new: TreePosition, growth: Growth, current_at: datetime
    ) -> None:
        """See PartitionTrees."""
        with translated():
            async with self._connection.transaction():
                moved = await self._connection.execute(
                    query("tree_move"),
                    self._partition,
                    old.epoch,
                    old.sequence,
                    new.sequence,
                    new.event_hash,
                    current_at,
                    growth.missing,
                )
                if moved != "UPDATE 1":
                    raise FenceLostError(
                        f"the trees of partition {self._partition} are not at {old.sequence} "
                        "any more"
                    )
                await self._write(growth)

    async def _write(self, growth: Growth) -> None:
        if growth.trees:
            await self._connection.execute(
                query("put_trees"), self._partition, *_tree_columns(growth.trees)
            )
        if growth.runs:
            await self._connection.execute(query("add_leaf_runs"), *_run_columns(growth.runs))
        if growth.nodes:
            await self._connection.execute(query("add_tree_nodes"), *_node_columns(growth.nodes))
        for one in growth.redactions:
            await self._connection.execute(
                query("add_redaction"),
                *(self._partition, one.sequence, one.room_id, one.envelope, one.redacted_by),
            )
        for found in growth.findings:
            await self._connection.execute(
                query("add_finding"),
                *(self._partition, found.sequence, found.kind.value, found.last),
                *(found.detail.replace("\x00", "")[:_DETAIL_CHARS_MAX], datetime.now(UTC)),
            )

    async def halt(self, reason: str | None) -> None:
        """See PartitionTrees."""
        with translated():
            await self._connection.execute(query("tree_halt"), self._partition, reason)

    async def close(self) -> None:
        """Close the connection, and with it give up the lock."""
        with contextlib.suppress(Exception):
            await self._connection.close(timeout=_CLOSE_TIMEOUT_S)


async def forget_trees(database_url: str) -> None:
    """Empty the tables, so that whoever grows the trees begins anew. Raises
    DatabaseUnavailableError, TablesMissingError."""
    with translated():
        connection = await connect(database_url, command_timeout_s=STATEMENT_TIMEOUT_S)
        try:
            async with connection.transaction():
                await connection.execute(query("forget_positions"))
                await connection.execute(query("forget_trees"))
        finally:
            await connection.close(timeout=_CLOSE_TIMEOUT_S)


def place_in(first: int, sequences: bytes, hashes: bytes, sequence: int) -> LeafPlace | None:
    """Where the leaf of the event at `sequence` is in a run of leaves that begins with `first`."""
    within = count_up_to(sequences, sequence) - 1
    if within < 0 or _sequence(sequences, within) != sequence:
        return None
    return LeafPlace(first + within, hashes[within * HASH_BYTES : (within + 1) * HASH_BYTES])


def count_up_to(sequences: bytes, sequence: int) -> int:
    """How many of a run's sequences, which rise, are at or below `sequence`."""
    low, high = 0, len(sequences) // SEQUENCE_BYTES
    while low < high:
        middle = (low + high) // 2
        if _sequence(sequences, middle) <= sequence:
            low = middle + 1
        else:
            high = middle
    return low


def sequence_in(sequences: bytes, within: int) -> int | None:
    """The sequence of a run's leaf; None beyond its end."""
    if (within + 1) * SEQUENCE_BYTES > len(sequences):
        return None
    return _sequence(sequences, within)


def _sequence(sequences: bytes, within: int) -> int:
    begin = within * SEQUENCE_BYTES
    return int.from_bytes(sequences[begin : begin + SEQUENCE_BYTES], "big")


def _tree_columns(trees: Sequence[TreeRow]) -> tuple[list[object], ...]:
    return (
        [tree.room_id for tree in trees],
        [tree.size for tree in trees],
        [tree.edge for tree in trees],
        [tree.root for tree in trees],
        [tree.last_sequence for tree in trees],
    )


def _run_columns(runs: Sequence[LeafRun]) -> tuple[list[object], ...]:
    return (
        [run.room_id for run in runs],
        [run.first for run in runs],
        [run.sequences[0] for run in runs],
        [b"".join(one.to_bytes(SEQUENCE_BYTES, "big") for one in run.sequences) for run in runs],
        [b"".join(run.hashes) for run in runs],
        [run.root for run in runs],
    )


def _node_columns(nodes: Sequence[RoomNode]) -> tuple[list[object], ...]:
    return (
        [node.room_id for node in nodes],
        [node.found.node.level for node in nodes],
        [node.found.node.place for node in nodes],
        [node.found.hashed for node in nodes],
    )
