"""Projectors driven by hand, and the tables read back whole."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from roomlog.postgres.schema import table_shapes
from roomlog.postgres.tables import PostgresTables
from roomlog.projector.partition import PartitionProjector
from tests.integration.projector.memory_log import MemoryLog


async def project(log: MemoryLog, database: str, *, batch_events_max: int = 100) -> None:
    """Project all of the log into the live tables."""
    tables = PostgresTables(database)
    for partition in range(log.partitions):
        claimed = await tables.claim(partition)
        try:
            projector = PartitionProjector(log, claimed, batch_events_max=batch_events_max)
            await projector.begin()
            await projector.catch_up()
        finally:
            await claimed.close()


async def contents(database: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, but for times of projecting."""
    connection = await asyncpg.connect(database)
    found: dict[str, list[dict[str, Any]]] = {}
    for shape in table_shapes().values():
        ignored = {"projection_checkpoint": {"current_at"}, "dead_events": {"at"}}.get(shape.name)
        rows = await connection.fetch(
            f"SELECT * FROM roomlog.{shape.name} ORDER BY {', '.join(shape.key)}"
        )
        found[shape.name] = [
            {k: v for k, v in row.items() if k not in (ignored or ())} for row in rows
        ]
    await connection.close()
    return found


async def empty(database: str) -> None:
    """Take all rows out of the live tables."""
    await run(database, f"TRUNCATE {', '.join(f'roomlog.{name}' for name in table_shapes())}")


async def run(database: str, statement: str, *values: object) -> Sequence[asyncpg.Record]:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()
