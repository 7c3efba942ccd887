"""Rid PostgreSQL's files of what its tables held before: the steps after a rebuild.

A rebuild makes tables and indexes anew, in files of their own, and drops the old ones with all
their dead rows, TOAST and index entries. Behind stay the old tables' statistics (their most common
values are text that people wrote), and the write-ahead log.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres.connection import Connection, connect, translated

OLD_SNAPSHOTS_WAIT_S = 60.0
SEGMENT_ROUNDS_MAX = 2048

_POLL_S = 0.1


class Step(msgspec.Struct, frozen=True):
    """One step. `problem` says why it could not be done, and what to do instead."""

    name: str
    problem: str = ""


async def scrub_database(database_url: str) -> Sequence[Step]:
    """Do what is to be done after a rebuild, and say what was. Reads and writes go on meanwhile.

    Raises DatabaseUnavailableError. A step that this server or this user does not allow is told as
    such, and those behind it are done all the same.
    """
    with translated():
        connection = await connect(database_url, command_timeout_s=None)
        try:
            return [
                Step("old snapshots", await _outlast_snapshots(connection)),
                Step("statistics", await _allowed(_rewrite_statistics(connection))),
                Step("write-ahead log", await _allowed(_replace_segments(connection))),
            ]
        finally:
            await connection.close()


async def _allowed(doing: Awaitable[str]) -> str:
    try:
        return await doing
    except asyncpg.InsufficientPrivilegeError as error:
        return f"{error}: have a superuser run it, see docs/howto/redact.md"


async def _outlast_snapshots(connection: Connection) -> str:
    """Whoever began before the old tables were dropped keeps their rows alive."""
    now = await connection.fetchval("SELECT pg_current_xact_id()::xid::text")
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + OLD_SNAPSHOTS_WAIT_S
    while older := await connection.fetch(_OLDER, now):
        if loop.time() > deadline_s:
            pids = ", ".join(str(row["pid"]) for row in older)
            return f"transactions from before are still open (processes {pids}): end them"
        await asyncio.sleep(_POLL_S)
    return ""


_OLDER = """
SELECT pid FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND greatest(age(backend_xmin), age(backend_xid)) > age($1::text::xid)
"""


async def _rewrite_statistics(connection: Connection) -> str:
    await connection.execute("VACUUM (FULL) pg_catalog.pg_statistic")
    return ""


async def _replace_segments(connection: Connection) -> str:
    """Switch through the write-ahead log until none of the segments is left that were there.

    Without recycling a checkpoint removes what is behind it; what had been recycled before lies
    ahead under a name yet to come, is overwritten with what is written now and zeros, and goes.
    """
    last = await connection.fetchval(_LAST_SEGMENT)
    async with _no_recycling(connection) as problem:
        if problem:
            return problem
        for _ in range(SEGMENT_ROUNDS_MAX):
            # A switch is nothing where nothing was written since the last one.
            await connection.execute("SELECT pg_logical_emit_message(false, 'roomlog', 'scrub')")
            await connection.execute("SELECT pg_switch_wal()")
            await connection.execute("CHECKPOINT")
            first = await connection.fetchval(_FIRST_SEGMENT)
            if first is None or first > last:
                return ""
    return "segments are kept: by a replication slot, an archive that lags, or wal_keep_size"


_SEGMENTS = "SELECT {} (name COLLATE \"C\") FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$'"
_LAST_SEGMENT = _SEGMENTS.format("max")
_FIRST_SEGMENT = _SEGMENTS.format("min")


@asynccontextmanager
async def _no_recycling(connection: Connection) -> AsyncGenerator[str]:
    """Have removed what is not needed any more, and set it back as it was."""
    if await connection.fetchval("SHOW wal_recycle") == "off":
        yield ""
        return
    await connection.execute("ALTER SYSTEM SET wal_recycle = off")
    try:
        await connection.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(OLD_SNAPSHOTS_WAIT_S):
            while await connection.fetchval("SHOW wal_recycle") != "off":  # noqa: ASYNC110 - a server's
                await asyncio.sleep(_POLL_S)
        yield ""
    except TimeoutError:
        raise DatabaseUnavailableError("PostgreSQL does not take wal_recycle = off") from None
    finally:
        await connection.execute("ALTER SYSTEM RESET wal_recycle")
        await connection.execute("SELECT pg_reload_conf()")
