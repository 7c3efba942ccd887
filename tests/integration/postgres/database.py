"""A real PostgreSQL for tests, and a new database with the tables in it for each."""

import shutil
from collections.abc import AsyncGenerator, Generator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from roomlog.embedded.postgres import run_postgres
from roomlog.postgres.migrate import migrate
from tests.stack import data_directory


@pytest.fixture(scope="session")
def postgres_url() -> Generator[str]:
    """A server of this test session's own; the URL of its first database."""
    folder = data_directory()
    with run_postgres(folder) as server:
        yield server.url
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def empty_database(postgres_url: str) -> AsyncGenerator[str]:
    """The URL of a new database without anything in it."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database(empty_database: str) -> str:
    """The URL of a new database with the tables."""
    await migrate(empty_database)
    return empty_database
