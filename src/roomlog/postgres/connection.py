"""Connections to PostgreSQL, and its errors in the words of our ports."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg

from roomlog.ports import DatabaseUnavailableError
from roomlog.projection_ports import RowsRefusedError, TablesMissingError

Connection = asyncpg.Connection

CONNECT_TIMEOUT_S = 3
LIVE_SCHEMA = "roomlog"

_MISSING = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.StatementTooComplexError,
)


def server_settings(schema: str = LIVE_SCHEMA) -> dict[str, str]:
    """What every connection sets. Plans are made for the values at hand: with filters that are
    often absent, a general plan reads whole rooms."""
    return {
        "search_path": f'"{schema}", public',
        "application_name": "roomlog",
        "jit": "off",
        "plan_cache_mode": "force_custom_plan",
        "timezone": "UTC",
    }


# A projector finds rows by their keys only, so one plan serves whatever the values are. With plans
# for the values at hand PostgreSQL also plans the check of each row's foreign key anew, and each
# expression of the function that makes a message's words: a sixth of what a row costs.
_BY_KEYS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


async def connect(
    database_url: str, *, schema: str = LIVE_SCHEMA, command_timeout_s: float | None
) -> Connection:
    """One connection. Raises asyncpg's errors: call it inside `translated`."""
    return await _connect(database_url, server_settings(schema), command_timeout_s)


async def connect_projector(
    database_url: str, *, schema: str = LIVE_SCHEMA, command_timeout_s: float | None
) -> Connection:
    """One connection for who writes rows, and reads them by their keys. Raises as `connect`."""
    settings = server_settings(schema) | _BY_KEYS
    return await _connect(database_url, settings, command_timeout_s)


async def _connect(
    database_url: str, settings: dict[str, str], command_timeout_s: float | None
) -> Connection:
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings=settings,
    )


@contextmanager
def translated() -> Generator[None]:
    """Turn the driver's errors into RowsRefusedError (what was to be written can't be stored),
    TablesMissingError, or DatabaseUnavailableError (anything else)."""
    try:
        yield
    except _MISSING as error:
        raise TablesMissingError(
            "the database holds no tables (or old ones): run `roomlog migrate`"
        ) from error
    except _REFUSED as error:
        # Without the detail: it would carry what people said into log lines.
        raise RowsRefusedError(f"{type(error).__name__}: {error.args[0]}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if isinstance(error, ValueError):
            raise RowsRefusedError(f"{type(error).__name__}: {error}") from error
        raise DatabaseUnavailableError(describe(error)) from error
    except asyncpg.InternalClientError as error:
        # The server died in the middle of an answer, and the driver lost its place in it.
        raise DatabaseUnavailableError(describe(error)) from error
    except asyncio.IncompleteReadError as error:
        raise DatabaseUnavailableError("PostgreSQL closed the connection") from error


def describe(error: BaseException) -> str:
    """One line about why PostgreSQL did not do as asked."""
    if isinstance(error, TimeoutError):
        return "PostgreSQL did not answer in time"
    if isinstance(error, ConnectionError):
        return f"PostgreSQL can't be reached ({error.strerror or error})"
    return f"PostgreSQL: {type(error).__name__}: {error}"


def place_of(database_url: str) -> str:
    """Host, port and database of a URL, without user and password."""
    parts = urlsplit(database_url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
