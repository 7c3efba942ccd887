"""Backups while the log grows, again and again, and what is refused."""

import asyncio
import stat

import pytest

from roomlog.backup import manifest as mf
from roomlog.backup.check import check_files, load_whole, messages_of
from roomlog.backup.make import ForkedLogError
from roomlog.backup.records import DamagedBackupError
from roomlog.jetstream.log import begin_epoch
from roomlog.ports import NewEvent
from tests.integration.audit.holed_log import envelope_of
from tests.integration.backup.backups import (
    OTHER_ROOM,
    ROOM,
    Backups,
    message,
    messages_in,
    redaction,
)


def held(backups: Backups, stream: str = "ROOMLOG"):
    """What the backup holds, after a look whether its files are whole."""
    manifest = load_whole(backups.folder)
    check_files(backups.folder, manifest, lambda _bytes: None)
    kept = manifest.stream(stream)
    assert kept is not None
    return list(messages_of(backups.folder, kept))


async def test_a_backup_holds_every_message_of_every_stream(backups: Backups):
    await backups.say(*(f"one {n}" for n in range(40)))
    await backups.say("another room", room=OTHER_ROOM)
    await backups.log.read_markers.advance("ada@example.org", ROOM, 7)

    made = await backups.make()

    there = await messages_in(backups.log)
    assert set(there) == {"KV_ROOMLOG_MARKERS", "KV_ROOMLOG_MEMORY", "ROOMLOG", "ROOMLOG_AUDIT"}
    assert len(there["ROOMLOG"]) == 41
    assert all(held(backups, stream) == messages for stream, messages in there.items())
    assert made.added == 41
    assert made.manifest.epoch == backups.log.epoch


async def test_only_what_is_new_is_added(backups: Backups):
    await backups.say(*(f"early {n}" for n in range(20)))
    first = (await backups.make()).manifest.stream("ROOMLOG")
    await backups.say("late")

    made = await backups.make()

    second = made.manifest.stream("ROOMLOG")
    assert first is not None
    assert second is not None
    assert made.added == 1
    assert held(backups) == (await messages_in(backups.log))["ROOMLOG"]
    # The same file, longer.
    assert [one.file for one in second.segments] == [one.file for one in first.segments]
    assert second.segments[0].bytes > first.segments[0].bytes


async def test_without_news_nothing_is_added(backups: Backups):
    await backups.say("all there is")
    before = await backups.make()

    after = await backups.make()

    assert after.added == 0
    assert after.manifest.stream("ROOMLOG") == before.manifest.stream("ROOMLOG")


async def test_segments_are_of_limited_size_and_chained(backups: Backups, monkeypatch):
    monkeypatch.setattr("roomlog.backup.segments.SEGMENT_BYTES_MAX", 4096)
    await backups.say(*("x" * 500 for _ in range(12)))
    await backups.make()
    await backups.say(*("y" * 500 for _ in range(12)))

    made = await backups.make()

    kept = made.manifest.stream("ROOMLOG")
    assert kept is not None
    assert len(kept.segments) > 4
    assert all(one.bytes <= 4096 for one in kept.segments)
    assert list(mf.chained(kept.segments)) == list(kept.segments)
    assert held(backups) == (await messages_in(backups.log))["ROOMLOG"]


async def test_what_was_acked_before_it_began_is_in_it_while_writers_go_on(backups: Backups):
    acked: list[int] = []
    stop = asyncio.Event()

    async def write(room: str) -> None:
        while not stop.is_set():
            acked.extend(await backups.say("on and on", "and on", room=room))

    writers = [asyncio.create_task(write(room)) for room in (ROOM, OTHER_ROOM)]
    for runs in range(1, 6):
        while len(acked) < 50 * runs:
            await asyncio.sleep(0.01)
        before = set(acked)
        made = await backups.make()
        assert before <= {one.sequence for one in held(backups)}
        assert made.unexplained == 0
    stop.set()
    await asyncio.gather(*writers)
    await backups.make()

    assert held(backups) == (await messages_in(backups.log))["ROOMLOG"]


async def test_keys_are_kept_and_everything_is_for_the_owner_alone(backups: Backups):
    backups.keys.mkdir()
    (backups.keys / "audit_key").write_text("PRIVATE+KEY\n")
    await backups.say("something")

    made = await backups.make()

    [kept] = made.manifest.keys
    assert kept.name == "audit_key"
    assert (backups.folder / kept.file).read_text() == "PRIVATE+KEY\n"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in backups.folder.iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("erased_at_once", [True, False])
async def test_what_was_redacted_since_is_taken_out(backups: Backups, *, erased_at_once: bool):
    secret = message("hunter2 is the password")
    await backups.say("before")
    sequence = await backups.append(secret)
    await backups.say("after")
    await backups.make()
    assert b"hunter2" in backups.bytes()
    await backups.append(redaction(secret, sequence))
    if erased_at_once:
        await backups.erase(sequence)

    made = await backups.make()

    assert made.taken_out == 1
    assert made.unexplained == 0
    assert b"hunter2" not in backups.bytes()
    assert [m for m in (await messages_in(backups.log))["ROOMLOG"] if m.sequence != sequence] == (
        held(backups)
    )
    # And again, when there is nothing more to take out.
    await backups.say("later")
    assert (await backups.make()).taken_out == 0


async def test_what_is_redacted_in_the_run_that_copies_it_is_not_in_it(backups: Backups):
    secret = message("hunter2 is the password")
    sequence = await backups.append(secret)
    await backups.append(redaction(secret, sequence))

    await backups.make()

    assert b"hunter2" not in backups.bytes()


async def test_a_redaction_of_another_event_than_it_says_takes_nothing_out(backups: Backups):
    kept = message("this stays")
    sequence = await backups.append(kept)
    await backups.append(redaction(kept, sequence, envelope_of(message("another").data)))

    made = await backups.make()

    assert made.taken_out == 0
    assert len(held(backups)) == 2


async def test_the_last_event_of_a_backup_may_be_redacted(backups: Backups):
    secret = message("hunter2")
    await backups.say("before")
    sequence = await backups.append(secret)
    await backups.make()
    await backups.append(redaction(secret, sequence))
    await backups.erase(sequence)

    assert (await backups.make()).taken_out == 1


async def test_events_that_are_gone_are_counted(backups: Backups):
    sequences = await backups.say("a", "b", "c", "d")
    await backups.erase(sequences[1])

    made = await backups.make()

    assert made.unexplained == 1
    assert len(held(backups)) == 3


async def test_of_a_log_that_lost_events_what_is_new_is_kept_and_what_was_there_too(
    backups: Backups,
):
    sequences = await backups.say("a", "b", "c", "d")
    await backups.make()
    before = held(backups)
    # Its end, and one in its middle; without giving their sequences away.
    for sequence in (sequences[1], sequences[2], sequences[3]):
        await backups.erase(sequence)
    await backups.say("after the loss")

    made = await backups.make()

    assert made.lost == 3
    assert made.unexplained == 0
    assert held(backups)[:4] == before
    assert b"after the loss" in held(backups)[-1].data


async def test_a_log_of_which_nothing_is_left_is_refused(backups: Backups):
    sequences = await backups.say("a", "b", "c")
    await backups.make()
    before = backups.bytes()
    for sequence in sequences:
        await backups.erase(sequence)
    await backups.say("d")

    with pytest.raises(ForkedLogError, match="none of the last"):
        await backups.make()

    assert backups.bytes() == before


async def test_another_log_is_refused(backups: Backups):
    await backups.say("a", "b")
    await backups.make()
    before = backups.bytes()
    await backups.begin_anew()
    await backups.say("a", "b", "c")

    with pytest.raises(ForkedLogError, match="it is another log"):
        await backups.make()

    assert backups.bytes() == before


async def test_a_log_that_was_written_anew_in_the_same_epoch_is_refused(backups: Backups):
    await backups.say("a", "b")
    await backups.make()
    config = (await backups.log.connection.request("$JS.API.STREAM.INFO.ROOMLOG")).data
    await backups.log.connection.request("$JS.API.STREAM.DELETE.ROOMLOG")
    await recreate(backups, config)
    await backups.say("x", "y")

    with pytest.raises(ForkedLogError, match="another event at sequence 2"):
        await backups.make()


async def test_a_log_that_ends_before_the_backup_is_refused(backups: Backups):
    await backups.say("a", "b", "c")
    await backups.make()
    config = (await backups.log.connection.request("$JS.API.STREAM.INFO.ROOMLOG")).data
    await backups.log.connection.request("$JS.API.STREAM.DELETE.ROOMLOG")
    await recreate(backups, config)
    await backups.say("a")

    with pytest.raises(ForkedLogError, match="ends at sequence 1, the backup at 3"):
        await backups.make()


async def test_a_new_epoch_needs_another_folder(backups: Backups):
    await backups.say("a")
    await backups.make()
    await begin_epoch(backups.server.url)

    with pytest.raises(ForkedLogError, match="into another folder"):
        await backups.make()


async def test_a_backup_that_was_changed_is_not_added_to(backups: Backups):
    await backups.say("a")
    made = await backups.make()
    [segment] = made.manifest.stream("ROOMLOG").segments  # type: ignore[union-attr]
    data = bytearray((backups.folder / segment.file).read_bytes())
    data[len(data) // 2] ^= 1
    (backups.folder / segment.file).write_bytes(data)
    await backups.say("b")

    with pytest.raises(DamagedBackupError, match="is not what was written"):
        await backups.make()


async def test_bytes_that_are_no_event_are_kept_too(backups: Backups):
    await backups.log.append(ROOM, [NewEvent("no-event", b"\x00\xff not JSON")])

    await backups.make()

    assert [one.data for one in held(backups)] == [b"\x00\xff not JSON"]


async def recreate(backups: Backups, info: bytes) -> None:
    """The stream once more, as it was configured, for workers that have not seen the one before."""
    import msgspec

    config = msgspec.json.decode(info)["config"]
    config["metadata"] = {k: v for k, v in config["metadata"].items() if not k.startswith("_nats")}
    made = await backups.log.connection.request(
        "$JS.API.STREAM.CREATE.ROOMLOG", msgspec.json.encode(config)
    )
    assert b'"did_create":true' in made.data
    await backups.close()
    await backups.open()
