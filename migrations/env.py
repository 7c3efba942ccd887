"""What Alembic runs: offline to make the SQL that `roomlog migrate` executes; online, against
ROOMLOG_DATABASE_URL or `.roomlog`, for `alembic check` and `alembic revision --autogenerate`."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from roomlog.postgres.audit_models import AUDIT_SCHEMA, AuditBase
from roomlog.postgres.models import SCHEMA, Base
from roomlog.settings import load_settings, required

_METADATA = [Base.metadata, AuditBase.metadata]


def _is_ours(name: str | None, kind: str, parents: object) -> bool:
    del parents
    return kind != "schema" or name in {SCHEMA, AUDIT_SCHEMA}


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=_METADATA,
        include_schemas=True,
        include_name=_is_ours,
        version_table_schema="public",
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run_online(url: str) -> None:
    # Imported here: it needs greenlet, and `roomlog migrate` needs neither.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    # A schema on the search path would be compared as if it had no name.
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        connect_args={"server_settings": {"search_path": "pg_catalog"}},
    )
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        target_metadata=_METADATA,
        version_table_schema="public",
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_run_online(required(load_settings().database_url, "DATABASE_URL")))
