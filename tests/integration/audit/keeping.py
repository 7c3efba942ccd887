"""Keepers of trees driven by hand, and their tables read back whole."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from roomlog.audit.tree_keeper import TreeKeeper
from roomlog.ports import EventLog
from roomlog.postgres.audit_models import AuditBase
from roomlog.postgres.tree_tables import PostgresTrees
from roomlog.services.recent_events import RecentEvents
from roomlog.trail_ports import LeafLog

AUDIT_TABLES = [table.name for table in AuditBase.metadata.sorted_tables]


@asynccontextmanager
async def keeper_of(
    log: LeafLog,
    database: str,
    *,
    batch_events_max: int = 100,
    partition: int = 0,
    recent: RecentEvents | None = None,
) -> AsyncGenerator[TreeKeeper]:
    """A keeper that has begun."""
    claimed = await PostgresTrees(database).claim(partition)
    try:
        keeper = TreeKeeper(log, claimed, batch_events_max=batch_events_max, recent=recent)
        await keeper.begin()
        yield keeper
    finally:
        await claimed.close()


async def keep(log: EventLog, database: str, *, batch_events_max: int = 100) -> None:
    """Take all that the log holds into the trees, and compare what it says of itself."""
    for partition in range(log.partitions):
        async with keeper_of(
            log, database, batch_events_max=batch_events_max, partition=partition
        ) as keeper:
            await keeper.catch_up()
            await keeper.check()


async def rows(database: str, table: str, columns: str = "*") -> list[dict[str, Any]]:
    connection = await asyncpg.connect(database)
    found = await connection.fetch(f"SELECT {columns} FROM roomlog_audit.{table} ORDER BY 1, 2")
    await connection.close()
    return [dict(row) for row in found]


async def roots(database: str) -> dict[str, tuple[int, bytes]]:
    """Each room's size and root."""
    found = await rows(database, "trees", "room_id::text, size, root")
    return {row["room_id"]: (row["size"], row["root"]) for row in found}


async def findings(database: str) -> list[tuple[int, int, str]]:
    found = await rows(database, "findings", "sequence, last, kind")
    return [(row["sequence"], row["last"], row["kind"]) for row in found]


async def unexplained(database: str) -> int:
    (row,) = await rows(database, "tree_checkpoint", "partition, unexplained")
    return row["unexplained"]
