"""The driver's errors in the words of our ports."""

import asyncio
import contextlib
from typing import Any, cast

import asyncpg
import pytest

from roomlog.core.admission import Patience
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres import pool
from roomlog.postgres.connection import translated
from roomlog.projection_ports import RowsRefusedError, TablesMissingError


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.InterfaceError("the connection is closed"),
        # Seen when PostgreSQL was killed in the middle of an answer.
        asyncpg.InternalClientError("cannot switch to state 12"),
        asyncpg.ProtocolError("unexpected"),
        ConnectionResetError(),
        asyncio.IncompleteReadError(b"", 1),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_dying_server_leads_to_says_that_it_is_away(error: Exception):
    with pytest.raises(DatabaseUnavailableError), translated():
        raise error


def test_what_cannot_be_stored_and_missing_tables_are_told_apart():
    with pytest.raises(RowsRefusedError), translated():
        raise asyncpg.DataError("a NUL")
    with pytest.raises(TablesMissingError), translated():
        raise asyncpg.UndefinedTableError("messages")


class Deaf:
    """A connection that does not even end a command that was given up, nor closes."""

    def __init__(self) -> None:
        self.hangs_up = asyncio.Event()

    async def connect(self) -> "Deaf":
        return self

    async def fetch(self, _statement: str) -> list[Any]:
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        while not self.hangs_up.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.hangs_up.wait()


async def test_a_read_that_cannot_be_broken_off_is_left_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "READ_TIMEOUT_S", 0.05)
    deaf = Deaf()
    reads = pool.Pool(cast("Any", deaf.connect), size=1, patience=Patience(0))
    try:
        async with asyncio.timeout(30):
            for _ in range(2):  # nor does whoever comes next wait for it
                with pytest.raises(DatabaseUnavailableError, match="in time"):
                    await reads.fetch("SELECT 1")
    finally:
        deaf.hangs_up.set()
