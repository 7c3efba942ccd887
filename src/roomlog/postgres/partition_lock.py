"""Of several processes that would fill the tables of a partition, one does, and the others wait."""

import asyncio

from roomlog.postgres.connection import Connection

_POLL_S = 0.5


async def lock_partition(connection: Connection, lock_class: int, partition: int) -> None:
    """Wait until nobody else has this lock of the partition, and hold it while `connection` is
    open. `lock_class` is a number that nothing else in the database uses."""
    # Polled, so that no statement waits for hours.
    while not await connection.fetchval(  # noqa: ASYNC110 - another process holds it
        "SELECT pg_try_advisory_lock($1, $2)", lock_class, partition
    ):
        await asyncio.sleep(_POLL_S)
