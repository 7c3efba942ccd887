"""Checkpoints as an operator sees them: over one connection, made for the one look."""

from datetime import datetime

import msgspec

from roomlog.postgres.connection import connect, translated
from roomlog.postgres.queries import query

_TIMEOUT_S = 5.0


class CheckpointRow(msgspec.Struct, frozen=True):
    """How far one partition is projected. `halted`: why its projector refuses to go on."""

    partition: int
    epoch: str
    sequence: int
    current_at: datetime
    dead: int
    halted: str | None


async def checkpoints(database_url: str) -> list[CheckpointRow]:
    """All partitions' checkpoints. Raises DatabaseUnavailableError, TablesMissingError."""
    with translated():
        connection = await connect(database_url, command_timeout_s=_TIMEOUT_S)
        try:
            rows = await connection.fetch(query("checkpoints"))
        finally:
            await connection.close(timeout=_TIMEOUT_S)
    return [CheckpointRow(**dict(row)) for row in rows]
