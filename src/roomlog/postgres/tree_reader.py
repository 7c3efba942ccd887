"""The trees as proofs read them: `roomlog.tree_ports.TreeReader`."""

from collections.abc import Sequence

from roomlog.core.merkle import HASH_BYTES, Range
from roomlog.core.room_tree import RoomHead, Span
from roomlog.postgres.pool import Pool
from roomlog.postgres.queries import query
from roomlog.postgres.tree_tables import SEQUENCE_BYTES, count_up_to, place_in, sequence_in
from roomlog.services.tree_ranges import range_roots
from roomlog.tree_ports import Heads, LeafPlace, TreeRow, TreeStatus


class PostgresTreeReader:
    """Every method raises DatabaseUnavailableError within 5 s."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def statuses(self) -> Sequence[TreeStatus]:
        """See TreeReader."""
        rows = await self._pool.fetch(query("tree_statuses"))
        return [TreeStatus(**dict(row)) for row in rows]

    async def tree(self, room_id: str) -> TreeRow | None:
        """See TreeReader."""
        row = await self._pool.fetch_one(query("load_trees"), [room_id])
        return None if row is None else TreeRow(**dict(row))

    async def place_of(self, room_id: str, sequence: int) -> LeafPlace | None:
        """See TreeReader."""
        row = await self._pool.fetch_one(query("leaf_run_by_sequence"), room_id, sequence)
        if row is None:
            return None
        return place_in(row["first"], row["sequences"], row["hashes"], sequence)

    async def sequence_of(self, room_id: str, index: int) -> int | None:
        """See TreeReader."""
        row = await self._pool.fetch_one(query("leaf_runs_between"), room_id, index, index + 1)
        return None if row is None else sequence_in(row["sequences"], index - row["first"])

    async def size_at(self, room_id: str, sequence: int) -> int:
        """See TreeReader."""
        row = await self._pool.fetch_one(query("leaf_run_by_sequence"), room_id, sequence)
        return 0 if row is None else row["first"] + count_up_to(row["sequences"], sequence)

    async def hashes(self, room_id: str, span: Span) -> Sequence[bytes]:
        """See TreeReader."""
        level, begin, end = span
        if level:
            rows = await self._pool.fetch(query("tree_nodes_between"), room_id, level, begin, end)
            return [row["hash"] for row in rows]
        rows = await self._pool.fetch(query("leaf_runs_between"), room_id, begin, end)
        if not rows or rows[0]["first"] > begin:
            return []
        joined = b"".join(row["hashes"] for row in rows)
        skipped = begin - rows[0]["first"]
        return [
            joined[at * HASH_BYTES : (at + 1) * HASH_BYTES]
            for at in range(skipped, min(skipped + end - begin, len(joined) // HASH_BYTES))
        ]

    async def heads(self, sequences: Sequence[int] | None) -> Heads | None:
        """See TreeReader."""
        rows = await self._pool.fetch(query("heads"))
        at = {row["partition"]: row["sequence"] for row in rows}
        if not rows or list(at) != list(range(len(at))):
            return None
        epoch = rows[0]["epoch"]
        if sequences is None:
            now = [
                RoomHead(row["room_id"], row["size"], row["root"])
                for row in rows
                if row["room_id"] is not None
            ]
            return Heads(epoch, list(at.values()), now)
        if len(sequences) != len(at) or any(
            asked > at[partition] for partition, asked in enumerate(sequences)
        ):
            return None
        return Heads(epoch, sequences, await self._heads_at(sequences))

    async def _heads_at(self, sequences: Sequence[int]) -> list[RoomHead]:
        rows = await self._pool.fetch(
            query("heads_at"), list(range(len(sequences))), list(sequences)
        )
        heads: list[RoomHead] = []
        for row in rows:
            count = count_up_to(row["sequences"], row["sequence"])
            size, root = row["first"] + count, row["root"]
            if count * SEQUENCE_BYTES < len(row["sequences"]):
                # The run goes on beyond: few do, those of the one batch that had both.
                (root,) = await range_roots(self, row["room_id"], [Range(0, size)])
            heads.append(RoomHead(row["room_id"], size, root))
        return heads
