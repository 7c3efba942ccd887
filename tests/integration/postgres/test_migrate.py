"""The schema: made by migrations, described by models, the same both ways."""

import asyncio
import os
import subprocess
import sys

import asyncpg
import pytest

from roomlog.data_files import data_file
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres.migrate import UnknownRevisionError, known_revisions, migrate
from roomlog.postgres.schema import (
    create_constraints_sql,
    create_indexes_sql,
    create_tables_sql,
)

NEWEST = known_revisions()[0]


async def test_migrating_makes_the_tables_and_again_does_nothing(empty_database: str):
    assert await migrate(empty_database) == NEWEST
    assert await migrate(empty_database) is None


async def test_several_at_once_make_the_tables_once(empty_database: str):
    made = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(filter(None, made)) == [NEWEST]


async def test_a_database_of_a_newer_roomlog_is_refused(database: str):
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE public.alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(UnknownRevisionError, match="9999"):
        await migrate(database)


async def test_no_server_is_said_as_such():
    with pytest.raises(DatabaseUnavailableError, match="can't be reached"):
        await migrate("postgresql://nobody@127.0.0.1:1/none")


def test_alembic_finds_no_difference_between_migrations_and_models(database: str):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "alembic", "check"],
        cwd=data_file("migrations").parent,
        env=os.environ | {"ROOMLOG_DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No new upgrade operations detected" in done.stdout, done.stdout + done.stderr


async def test_tables_of_a_rebuild_are_those_of_the_migrations(database: str):
    connection = await asyncpg.connect(database)
    for statement in (
        *create_tables_sql("other"),
        *create_indexes_sql("other"),
        *create_constraints_sql("other"),
    ):
        await connection.execute(statement)
    assert await described(connection, "other") == await described(connection, "roomlog")
    await connection.close()


async def described(connection: "asyncpg.Connection", schema: str) -> list[tuple[str, ...]]:
    """Columns, indexes and constraints as PostgreSQL itself tells them."""
    await connection.execute(f"SET search_path = {schema}, public")
    columns = await connection.fetch(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
               a.attcollation::regcollation::text, a.attgenerated::text,
               coalesce(pg_get_expr(d.adbin, d.adrelid), '')
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind = 'r'
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = $1::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY c.relname, a.attname
        """,
        schema,
    )
    indexes = await connection.fetch(
        "SELECT indexname, replace(indexdef, $1 || '.', '') FROM pg_indexes "
        "WHERE schemaname = $1 ORDER BY 1",
        schema,
    )
    constraints = await connection.fetch(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = $1::regnamespace ORDER BY 1",
        schema,
    )
    return [tuple(row.values()) for row in (*columns, *indexes, *constraints)]
