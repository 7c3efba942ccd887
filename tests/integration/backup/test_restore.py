"""A restored log is the log that was backed up: sequences, holes, times, headers, bytes."""

import asyncio
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.nats import NatsServer
from roomlog.embedded.servers import running
from roomlog.jetstream.log import JetStreamLog
from tests.faults.small_disk import small_disk
from tests.integration.backup.backups import (
    OTHER_ROOM,
    ROOM,
    Backups,
    message,
    messages_in,
    redaction,
)
from tests.stack import run_command


async def restore(folder: Path, data: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    arguments = ("restore", str(folder), "--json", *options)
    return await asyncio.to_thread(run_command, data, *arguments)


async def refused(folder: Path, data: Path, *options: str) -> str:
    result = await restore(folder, data, *options)
    assert result.returncode == 1
    return result.stderr


@pytest.mark.parametrize("partitions", [1, 2])
async def test_every_message_stands_where_it_stood(
    backups: Backups, tmp_path: Path, partitions: int
):
    if partitions > 1:
        await backups.begin_anew(partitions=partitions)
    stream = "ROOMLOG" if partitions == 1 else f"ROOMLOG_{backups.log.partition_of(ROOM)}"
    sequences = await backups.say(*(f"one of many {n}" for n in range(60)))
    await backups.say(*(f"elsewhere {n}" for n in range(60)), room=OTHER_ROOM)
    secret = message("hunter2")
    erased = await backups.append(secret)
    await backups.append(redaction(secret, erased))
    # The first, the last, and some between are gone.
    last = await backups.append(message("the last one"))
    for sequence in (sequences[0], sequences[10], sequences[11], erased, last):
        await backups.erase(sequence, stream)
    await backups.log.read_markers.advance("ada@example.org", ROOM, 7)
    there = await messages_in(backups.log)
    moment = datetime.fromtimestamp(there[stream][30].appended_ns / 1e9, UTC)
    then = await backups.log.sequence_at(ROOM, moment)
    state = await backups.log.partition_state(backups.log.partition_of(ROOM))
    await backups.make()

    result = await restore(backups.folder, tmp_path / "data")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["epoch"] == backups.log.epoch
    server = NatsServer(DataDirectory(tmp_path / "data"))
    with running(server):
        log = await JetStreamLog.connect(server.url)  # finds nothing wrong with the streams
        assert log.partitions == partitions
        assert log.epoch == backups.log.epoch
        assert await messages_in(log) == there
        again = await log.partition_state(log.partition_of(ROOM))
        assert (again.first_sequence, again.last_sequence, again.messages) == (
            *(state.first_sequence, state.last_sequence, state.messages),
        )
        assert await log.sequence_at(ROOM, moment) == then
        assert await log.read_markers.get("ada@example.org") == {ROOM: 7}
        # It goes on where it ended, and knows what was sent again.
        event = message("goes on")
        assert [one.sequence for one in await log.append(ROOM, [event])] == [last + 1]
        assert [one.duplicate for one in await log.append(ROOM, [event])] == [True]
        await log.close()


async def test_with_a_new_epoch_all_else_is_the_same(backups: Backups, tmp_path: Path):
    await backups.say("a", "b", "c")
    there = await messages_in(backups.log)
    await backups.make()

    result = await restore(backups.folder, tmp_path / "data", "--new-epoch")

    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["new_epoch"]
    assert told["epoch"] != backups.log.epoch
    server = NatsServer(DataDirectory(tmp_path / "data"))
    with running(server):
        log = await JetStreamLog.connect(server.url)
        assert log.epoch == told["epoch"]
        assert await messages_in(log) == there
        await log.close()


async def test_a_directory_that_holds_something_needs_force_and_keeps_it(
    backups: Backups, tmp_path: Path
):
    await backups.say("a")
    backups.keys.mkdir()
    (backups.keys / "audit_key").write_text("in the backup")
    (backups.keys / "jwt_secret").write_text("lost since")
    await backups.make()
    data = tmp_path / "data"
    (data / "nats" / "store").mkdir(parents=True)
    (data / "nats" / "store" / "damaged").write_text("what was there")
    (data / "secrets").mkdir()
    (data / "secrets" / "audit_key").write_text("newer than the backup")

    assert "is not empty" in await refused(backups.folder, data)
    assert (data / "nats" / "store" / "damaged").exists()
    result = await restore(backups.folder, data, "--force")

    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    [aside] = told["set_aside"]
    assert (Path(aside) / "store" / "damaged").read_text() == "what was there"
    assert told["keys_kept"] == [str(data / "secrets" / "audit_key")]
    assert (data / "secrets" / "audit_key").read_text() == "newer than the backup"
    assert (data / "secrets" / "jwt_secret").read_text() == "lost since"


async def test_a_directory_in_use_is_left_alone(backups: Backups, tmp_path: Path):
    await backups.say("a")
    await backups.make()
    with DataDirectory(tmp_path / "data").lock():
        assert "another `roomlog up`" in await refused(backups.folder, tmp_path / "data", "--force")


@pytest.mark.parametrize("left_bytes", [4_000, 400_000])
async def test_where_the_disk_is_full_it_says_what_to_do(
    backups: Backups, tmp_path: Path, left_bytes: int
):
    sequences = await backups.say(*(f"{n} " + "x" * 8000 for n in range(100)))
    await backups.make()
    with small_disk(tmp_path / "small", size_mb=8) as disk:
        data = disk.path / "data"
        disk.leave(left_bytes)
        told = await refused(backups.folder, data)
        assert told.startswith("roomlog: nothing was restored: ")
        assert told.endswith(
            f": the disk of {data} is full; make room there, or name another with --data\n"
        )
        disk.empty()
        restored = await restore(backups.folder, data)
        assert restored.returncode == 0, restored.stderr
        assert json.loads(restored.stdout)["events"] == len(sequences)


async def test_what_cannot_be_read_is_named(backups: Backups, tmp_path: Path):
    await backups.say("hello")
    await backups.make()
    [segment] = backups.folder.glob("*.seg*")
    segment.unlink()
    segment.mkdir()
    told = await refused(backups.folder, tmp_path / "data")
    assert told.startswith(f"roomlog: nothing was restored: {segment} (Is a directory)")


async def test_after_a_restore_that_was_broken_off_up_does_not_begin_a_new_log(
    backups: Backups, tmp_path: Path
):
    await backups.say("a")
    await backups.make()
    data = tmp_path / "data"
    (data / "restoring").mkdir(parents=True)

    up = await asyncio.to_thread(run_command, data, "up", "--port", "0", timeout_s=60)

    assert up.returncode == 1
    assert "was broken off" in up.stderr
    # Begun again, it needs no more than it did at first.
    assert (await restore(backups.folder, data)).returncode == 0


async def test_every_kind_of_damage_to_a_backup_is_found(backups: Backups, tmp_path: Path):
    await backups.say(*(f"some text {n}" for n in range(50)))
    backups.keys.mkdir()
    (backups.keys / "audit_key").write_text("key")
    await backups.make()

    for path in sorted(backups.folder.iterdir()):
        content = path.read_bytes()
        if path.name == "lock" or not content:
            continue
        for place in (0, len(content) // 3, len(content) // 2, len(content) - 2):
            changed = bytearray(content)
            changed[place] ^= 0x10
            path.write_bytes(changed)
            assert "nothing was restored" in await refused_check(backups.folder), (path, place)
        path.write_bytes(content[: len(content) // 2])
        assert "nothing was restored" in await refused_check(backups.folder), path
        path.unlink()
        assert "nothing was restored" in await refused_check(backups.folder), path
        path.write_bytes(content)
    result = await restore(backups.folder, tmp_path / "none", "--check")
    assert result.returncode == 0
    assert not (tmp_path / "none").exists()


async def refused_check(folder: Path) -> str:
    """In this process: what is damaged is found before anything else is done."""
    from roomlog.backup.check import check_files, load_whole
    from roomlog.backup.records import DamagedBackupError

    try:
        check_files(folder, load_whole(folder), lambda _bytes: None)
    except DamagedBackupError as error:
        return f"nothing was restored: {error}"
    return ""


def test_a_folder_without_a_backup_is_named(tmp_path: Path):
    result = run_command(tmp_path / "d", "restore", str(tmp_path), timeout_s=60)
    assert result.returncode == 1
    assert "there is no backup in" in result.stderr
    assert not (tmp_path / "d").exists()
