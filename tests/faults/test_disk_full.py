"""A full disk: what can't be kept is not acked, and once there is room all goes on."""

import asyncio
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.run import running
from tests.faults.small_disk import small_disk
from tests.faults.world import running_world
from tests.histories.checker import check, explain
from tests.stack import data_directory

pytestmark = pytest.mark.timeout(900)
_SEED = 20_260_102
_FULL_S = 8.0


@pytest.fixture
def directory() -> Generator[Path]:
    path = data_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize(("part", "size_mb"), [("nats", 32), ("postgres", 256)])
@pytest.mark.parametrize("left_bytes", [0, 500_000])
async def test_a_full_disk_loses_nothing_that_was_acked(
    directory: Path, part: str, size_mb: int, left_bytes: int
):
    with small_disk(directory / part, size_mb) as disk:
        async with running_world(directory) as world, running(world, _SEED) as run:
            await run.progress(50)
            if left_bytes:
                disk.leave(left_bytes)
            else:
                disk.fill()
            await asyncio.sleep(_FULL_S)
            disk.empty()
            await run.progress(50)
            violations = check(await run.end())
    assert not violations, explain(violations)
