"""What the server says of its streams when it could not write: it counts an event that is nowhere."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import nats
import pytest

from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import LogUnavailableError
from tests.faults.small_disk import SmallDisk, small_disk

from .conftest import Connect, Server
from .events import WAIT_S, event

_ROOM = "room"
_BLOCK_BYTES = 8_000_000
_EVENT_BYTES = 700_000
_DISK_BYTES = 64 << 20


@pytest.fixture
def disk() -> Generator[SmallDisk]:
    folder = Path(tempfile.mkdtemp(prefix="roomlog-small-"))
    try:
        with small_disk(folder, _DISK_BYTES >> 20) as mounted:
            yield mounted
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(disk: SmallDisk) -> Generator[Server]:
    server = Server(disk.path)
    server.start()
    yield server
    server.end()


async def _says(server: Server) -> tuple[int, int]:
    """What the server itself says: the last sequence, and how many messages there are."""
    client = await nats.connect(server.url)
    try:
        told = await client.request("$JS.API.STREAM.INFO.ROOMLOG", b"", timeout=30)
        state = json.loads(told.data)["state"]
        return state["last_seq"], state["messages"]
    finally:
        await client.close()


@pytest.mark.parametrize("blocks", [0, 1])
async def test_the_log_ends_at_what_was_written(
    server: Server, disk: SmallDisk, connect: Connect, blocks: int
):
    log: JetStreamLog = await connect(append_timeout_s=2)
    acked = 0
    # A block takes no event that it could not hold to the end: the next would begin a new one.
    while acked < blocks * (_BLOCK_BYTES // _EVENT_BYTES):
        acked = (await log.append(_ROOM, [event("x" * _EVENT_BYTES)]))[0].sequence
    disk.fill()
    with pytest.raises(LogUnavailableError) as unanswered:
        await log.append(_ROOM, [event("y" * _EVENT_BYTES)])
    assert unanswered.value.outcome_unknown
    assert await _says(server) == (acked + 1, acked), "the server counts what it could not write"
    assert (await log.partition_state(0)).last_sequence == acked
    server.kill()
    disk.empty()
    server.start()
    again: JetStreamLog = await connect()
    assert (await again.partition_state(0)).last_sequence == acked
    # The worker that saw all this goes on, at the very next sequence.
    async with asyncio.timeout(WAIT_S):
        assert await _appended(log) == acked + 1


async def test_a_log_larger_than_what_is_free_takes_more_after_a_restart(
    server: Server, disk: SmallDisk, connect: Connect
):
    log: JetStreamLog = await connect()
    while shutil.disk_usage(disk.path).free > _DISK_BYTES / 4:
        await log.append(_ROOM, [event("x" * _EVENT_BYTES)])
    server.stop()
    server.start()
    async with asyncio.timeout(WAIT_S):
        first = await _appended(log)
    # Some more: the server compares now and then only.
    for number in range(1, 10):
        assert (await log.append(_ROOM, [event("x" * _EVENT_BYTES)]))[0].sequence == first + number


async def _appended(log: JetStreamLog) -> int:
    """The sequence of one more event, as soon as the log takes it."""
    new = event("z")
    while True:
        with contextlib.suppress(LogUnavailableError):
            return (await log.append(_ROOM, [new]))[0].sequence
        await asyncio.sleep(0.01)
