"""A log on a server of its own, and backups of it."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.integration.backup.backups import Backups
from tests.integration.jetstream.conftest import Server, running_server


@pytest.fixture
def server() -> Generator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture
async def backups(server: Server, tmp_path: Path) -> AsyncGenerator[Backups]:
    made = Backups(server, tmp_path / "backup")
    await made.open()
    yield made
    await made.close()
