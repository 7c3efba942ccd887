"""Bring the database's schema up to date: Alembic makes the SQL, asyncpg runs it.

Alembic runs offline here, so that no second driver is needed, and is not even imported where the
database is at the newest revision already.
"""

import io
import re
from typing import cast

from roomlog.data_files import data_file
from roomlog.postgres.connection import Connection, connect, translated
from roomlog.projection_ports import TablesMissingError

_LOCK_KEY = 0x726C_6D67  # any number that nobody else in this database uses
_REVISION = re.compile(r'^revision = "([^"]+)"', re.MULTILINE)
_DOWN_REVISION = re.compile(r'^down_revision = "([^"]+)"', re.MULTILINE)


class UnknownRevisionError(Exception):
    """The database was made by a newer roomlog."""


async def migrate(database_url: str) -> str | None:
    """Upgrade the tables to the newest revision; return it, or None where they were there already.

    Several at once do no harm: one works, the others wait and find nothing to do. Raises
    DatabaseUnavailableError and UnknownRevisionError.
    """
    head, known = known_revisions()
    with translated():
        connection = await connect(database_url, command_timeout_s=None)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
            current = await current_revision(connection)
            if current == head:
                return None
            if current is not None and current not in known:
                raise _unknown(current)
            await connection.execute(_upgrade_sql(current))
        finally:
            await connection.close()
    return head


async def require_newest(connection: Connection) -> None:
    """Whoever makes tables as this roomlog has them would swap them under an older revision: the
    next migration could not make what is there. Raises TablesMissingError and UnknownRevisionError.
    """
    newest, known = known_revisions()
    current = await current_revision(connection)
    if current is not None and current not in known:
        raise _unknown(current)
    if current != newest:
        raise TablesMissingError(
            f"the tables are at revision {current}, and this roomlog's at {newest}: "
            "run `roomlog migrate`"
        )


def _unknown(revision: str) -> UnknownRevisionError:
    return UnknownRevisionError(
        f"the database is at revision {revision}, which this roomlog does not know: "
        "install the newer one that made it"
    )


def known_revisions() -> tuple[str, set[str]]:
    """The newest revision, and all. Read from the files' text: importing Alembic takes 0.5 s."""
    revisions: set[str] = set()
    replaced: set[str] = set()
    for path in (data_file("migrations") / "versions").glob("*.py"):
        text = path.read_text()
        revisions.update(_REVISION.findall(text))
        replaced.update(_DOWN_REVISION.findall(text))
    (head,) = revisions - replaced
    return head, revisions


async def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None before the first."""
    if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    found = await connection.fetchval("SELECT version_num FROM public.alembic_version")
    return cast("str | None", found)


def _upgrade_sql(current: str | None) -> str:
    # Only here, because it is slow to import.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    text = io.StringIO()
    config = Config(output_buffer=text)
    config.set_main_option("script_location", str(data_file("migrations")).replace("%", "%%"))
    command.upgrade(config, f"{current or 'base'}:head", sql=True)
    return text.getvalue()
