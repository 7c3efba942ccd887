"""The driver's errors in the words of our ports."""

import asyncio

import asyncpg
import pytest

from roomlog.ports import DatabaseUnavailableError
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
