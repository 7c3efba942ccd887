"""What the database says of itself, for `roomlog doctor`. Nothing is written."""

from datetime import datetime

import msgspec

from roomlog.postgres.connection import connect, translated
from roomlog.postgres.migrate import current_revision, known_revisions
from roomlog.postgres.queries import query
from roomlog.tree_ports import TreeStatus

_TIMEOUT_S = 5.0


class TablesPosition(msgspec.Struct, frozen=True):
    """One partition's checkpoint as stored; `halted` says why its projector refuses to go on."""

    partition: int
    epoch: str
    sequence: int
    event_hash: bytes | None
    current_at: datetime
    dead: int
    halted: str | None


class DatabaseState(msgspec.Struct, frozen=True):
    """`revision` (None before the first) and `newest` are Alembic's; `positions` and `trees` are
    empty where the tables are not at the newest."""

    revision: str | None
    newest: str
    positions: list[TablesPosition]
    trees: list[TreeStatus] = []


async def examine(database_url: str) -> DatabaseState:
    """Read revision and checkpoints. Raises DatabaseUnavailableError."""
    newest, _ = known_revisions()
    with translated():
        connection = await connect(database_url, command_timeout_s=_TIMEOUT_S)
        try:
            revision = await current_revision(connection)
            if revision != newest:
                return DatabaseState(revision, newest, [])
            rows = await connection.fetch(
                "SELECT partition, epoch, sequence, event_hash, current_at, dead, halted "
                "FROM projection_checkpoint ORDER BY partition"
            )
            trees = await connection.fetch(query("tree_statuses"))
        finally:
            await connection.close()
    return DatabaseState(
        revision,
        newest,
        [TablesPosition(*row.values()) for row in rows],
        [TreeStatus(**dict(row)) for row in trees],
    )
