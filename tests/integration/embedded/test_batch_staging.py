"""Batches are gathered in memory: the links on the disk, and a real server that follows them."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from roomlog.embedded.batch_staging import FREE_BYTES_MIN, MEMORY, BatchStaging
from roomlog.jetstream.append import BATCH_MIN
from roomlog.jetstream.log import JetStreamLog
from tests.integration.embedded.waiting import eventually
from tests.integration.jetstream.events import event, read_all
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="has no file system in memory")

STREAM = "jetstream/$G/streams/ROOMLOG"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / STREAM).mkdir(parents=True)
    return tmp_path / "store"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    (tmp_path / "memory").mkdir()
    return tmp_path / "memory"


def test_a_stream_gets_its_link_and_loses_it_again(store: Path, memory: Path) -> None:
    staging, batches = BatchStaging(store, memory), store / STREAM / "batches"
    staging.place()
    (batches / "one").mkdir()
    assert list(memory.rglob("one"))
    staging.place()  # changes nothing
    assert batches.is_symlink()
    staging.clear()
    assert not batches.is_symlink()
    assert not list(memory.iterdir())
    assert (store / STREAM).is_dir()


def test_what_an_earlier_run_left_is_removed(store: Path, memory: Path) -> None:
    BatchStaging(store, memory).place()
    (store / STREAM / "batches" / "half").mkdir()
    later = BatchStaging(store, memory)
    later.clear()
    later.place()
    assert not list((store / STREAM / "batches").iterdir())


def test_a_batch_under_way_on_the_disk_is_left_alone_until_it_is_over(
    store: Path, memory: Path
) -> None:
    staging, batches = BatchStaging(store, memory), store / STREAM / "batches"
    (batches / "under way").mkdir(parents=True)
    staging.place()
    assert (batches / "under way").is_dir()
    assert not batches.is_symlink()
    (batches / "under way").rmdir()
    staging.place()
    assert batches.is_symlink()


def test_a_folder_that_others_may_look_into_is_not_used(store: Path, memory: Path) -> None:
    staging = BatchStaging(store, memory)
    staging.place()
    [folder] = memory.iterdir()
    staging.clear()
    folder.mkdir(mode=0o755)
    staging.place()
    assert not (store / STREAM / "batches").exists()
    staging.clear()
    assert folder.is_dir()  # it is not ours to remove


def test_a_link_that_somebody_put_there_is_not_followed(
    store: Path, memory: Path, tmp_path: Path
) -> None:
    staging = BatchStaging(store, memory)
    staging.place()
    [folder] = memory.iterdir()
    staging.clear()
    (tmp_path / "theirs").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "theirs")
    staging.place()
    assert not (store / STREAM / "batches").exists()
    staging.clear()
    assert (tmp_path / "theirs").is_dir()


@pytest.mark.parametrize("away", ["missing", "full"])
def test_without_memory_the_server_stages_on_its_disk(
    store: Path, memory: Path, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if away == "missing":
        memory.rmdir()
    else:
        free = os.statvfs(memory)
        bytes_free = free.f_bavail * free.f_frsize
        assert bytes_free > FREE_BYTES_MIN
        monkeypatch.setattr("roomlog.embedded.batch_staging.FREE_BYTES_MIN", bytes_free * 2)
    BatchStaging(store, memory).place()
    assert not (store / STREAM / "batches").exists()


async def _batch(stack: Stack) -> None:
    """Append enough at once for a batch, and find all of it in the log."""
    log = await JetStreamLog.connect(stack.run["nats_url"], append_timeout_s=60)
    news = [event(str(number)) for number in range(4 * BATCH_MIN)]
    room = news[0].event_id
    results = await asyncio.gather(*(log.append(room, [new]) for new in news))
    assert [one.data for one in await read_all(log, room)] == [new.data for new in news]
    assert len({result.sequence for [result] in results}) == len(news)
    await log.close()


def test_up_stages_in_memory_also_after_its_server_was_killed() -> None:
    with running_stack() as stack:
        batches = stack.data / "nats" / "store" / STREAM / "batches"

        def staged_in_memory() -> bool:
            return batches.is_symlink() and batches.resolve().is_relative_to(MEMORY)

        eventually(staged_in_memory)
        place = batches.resolve()
        before = place.stat().st_mtime_ns
        asyncio.run(_batch(stack))
        assert place.stat().st_mtime_ns > before  # a batch came and went there
        assert not list(place.iterdir())

        killed = stack.run["pids"]["nats"]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: stack.run["pids"]["nats"] != killed)
        eventually(lambda: _listens(stack.run["pids"]["nats"]))
        asyncio.run(_batch(stack))
        eventually(staged_in_memory)
        before = place.stat().st_mtime_ns
        asyncio.run(_batch(stack))
        assert place.stat().st_mtime_ns > before
    assert not place.exists()
    assert not place.parents[1].exists()


def _listens(pid: int) -> bool:
    try:
        found = psutil.Process(pid).net_connections()
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN for one in found)
