"""Feeds: every event above the position, in order, each once, whatever is lost on the way."""

import asyncio
import itertools
import shutil

import pytest

from roomlog.jetstream import live
from roomlog.jetstream.live import RoomFeed
from roomlog.jetstream.log import JetStreamLog, begin_epoch
from roomlog.ports import Feed, LogUnavailableError

from .conftest import Connect, Server
from .events import Listener, event, eventually, read_all

ROOMS = [f"room-{i}" for i in range(3)]


class Deafness:
    """While entered, NATS sends a feed nothing."""

    def __init__(self, log: JetStreamLog, feed: Feed) -> None:
        assert isinstance(feed, RoomFeed)
        self._log, self._feed = log, feed

    async def __aenter__(self) -> None:
        self._log.connection.write(b"UNSUB %d\r\n" % self._feed._sid)

    async def __aexit__(self, *_: object) -> None:
        self._log.connection.write(
            b"SUB live.%b %d\r\n" % (self._feed.room_id.encode(), self._feed._sid)
        )


async def test_a_feed_begins_at_the_head_and_moves(log: JetStreamLog) -> None:
    await log.append("r", [event()])
    listener = Listener()
    feed = await log.follow("r", listener)
    assert feed.position == 1
    news = [event(str(i)) for i in range(20)]
    for new in news:
        await log.append("r", [new])
    await eventually(lambda: feed.position == 21)
    stored = await read_all(log, "r", 1)
    assert listener.events == stored
    assert [e.data for e in stored] == [new.data for new in news]


async def test_a_settled_feed_has_all_that_was_appended_before(log: JetStreamLog) -> None:
    await log.append("r", [event()])
    listener = Listener()
    feed = await log.follow("r", listener)
    for number in range(50):
        (at,) = await log.append("r", [event(str(number))])
        assert await feed.settled()
        assert feed.position >= at.sequence
    asked = await asyncio.gather(*(feed.settled() for _ in range(20)))
    assert all(asked)


async def test_a_settled_feed_has_more_than_is_delivered_in_one_turn(
    log: JetStreamLog, connect: Connect
) -> None:
    await log.append("r", [event()])
    listener, other = Listener(), await connect()
    feed = await log.follow("r", listener)
    for _ in range(5):
        appended = await other.append("r", [event(str(number)) for number in range(400)])
        assert await feed.settled()
        assert feed.position >= appended[-1].sequence
    assert listener.sequences == list(range(1 + 1, feed.position + 1))


async def test_a_feed_with_a_hole_is_settled_when_that_is_filled(log: JetStreamLog) -> None:
    await log.append("r", [event()])
    feed = await log.follow("r", Listener())
    async with Deafness(log, feed):
        await log.append("r", [event()])
    await log.append("r", [event()])
    assert await feed.settled()
    assert feed.position == 3


async def test_a_feed_with_a_hole_is_not_settled(
    log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.append("r", [event()])
    listener = Listener()
    feed = await log.follow("r", listener)
    filled = asyncio.Event()
    read = log._reader.read

    async def held(room_id, *, after, up_to):
        await filled.wait()
        async for batch in read(room_id, after=after, up_to=up_to):
            yield batch

    monkeypatch.setattr(log._reader, "read", held)
    async with Deafness(log, feed):
        await log.append("r", [event()])
    await log.append("r", [event()])
    assert not await feed.settled()
    filled.set()
    await eventually(lambda: feed.position == 3)
    assert await feed.settled()


async def test_a_closed_feed_is_silent(log: JetStreamLog) -> None:
    listener, other = Listener(), Listener()
    feed = await log.follow("r", listener)
    await log.follow("r", other)
    await feed.close()
    await log.append("r", [event()])
    await eventually(lambda: other.sequences == [1])
    assert listener.events == []


async def test_a_failing_listener_hurts_no_other(
    log: JetStreamLog, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("broken listener")

    listener = Listener()
    failing = await log.follow("r", fail)
    await log.follow("r", listener)
    await log.append("r", [event()])
    await log.append("r", [event()])
    await eventually(lambda: listener.sequences == [1, 2] and failing.position == 2)
    assert "broken listener" in caplog.text


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("kills", [0, 2])
async def test_a_flood_is_followed_without_a_hole(
    server: Server, connect: Connect, partitions: int, kills: int
) -> None:
    writer = await connect(partitions=partitions, append_timeout_s=30.0)
    reader = await connect(partitions=partitions)
    early = {room: Listener() for room in ROOMS}
    feeds = [await reader.follow(room, early[room]) for room in ROOMS]
    count, ending = 0, False

    async def send(room: str) -> None:
        nonlocal count
        for number in itertools.count():
            if ending:
                return
            await writer.append(room, [event(str(number))])
            count += 1

    senders = [asyncio.create_task(send(room)) for room in ROOMS for _ in range(8)]
    late = {room: Listener() for room in ROOMS}
    late_feeds = {}
    for step in range(3):
        before = count
        await eventually(lambda before=before: count > before + 700)
        if step == 0:
            late_feeds = {room: await reader.follow(room, late[room]) for room in ROOMS}
            begun_at = {room: feed.position for room, feed in late_feeds.items()}
        if step < kills:
            server.kill()
            await eventually(lambda: not reader.connected and not writer.connected)
            server.start()
    ending = True
    await asyncio.gather(*senders)
    feeds += late_feeds.values()
    heads = await writer.last_sequences(ROOMS)
    await eventually(lambda: all(feed.position >= heads[feed.room_id] for feed in feeds))
    for room in ROOMS:
        stored = await read_all(writer, room)
        assert early[room].events == stored
        # What was delivered while `follow` was returning lies below the position it had then.
        assert [e for e in late[room].events if e.sequence > begun_at[room]] == [
            e for e in stored if e.sequence > begun_at[room]
        ]


async def test_a_lost_event_is_found_when_the_next_comes(log: JetStreamLog) -> None:
    listener = Listener()
    feed = await log.follow("r", listener)
    await log.append("r", [event()])
    await eventually(lambda: feed.position == 1)
    async with Deafness(log, feed):
        for _ in range(3):
            await log.append("r", [event()])
    await log.append("r", [event()])
    await eventually(lambda: feed.position == 5)
    assert listener.events == await read_all(log, "r")


async def test_checking_a_feed_delivers_what_was_missed(log: JetStreamLog) -> None:
    listener = Listener()
    feed = await log.follow("r", listener)
    async with Deafness(log, feed):
        for _ in range(3):
            await log.append("r", [event()])
        await feed.check()
        assert listener.sequences == [1, 2, 3]


async def test_checking_a_feed_whose_newest_event_is_gone_ends(log: JetStreamLog) -> None:
    listener = Listener()
    feed = await log.follow("r", listener)
    async with Deafness(log, feed):
        await log.append("r", [event()])
        await log.append("r", [event()])
        await log.connection.request("$JS.API.STREAM.MSG.DELETE.ROOMLOG", b'{"seq":2}')
        await feed.check()
        await feed.check()
    assert listener.sequences == [1]


async def test_checking_a_feed_says_so_when_the_log_is_away(
    server: Server, log: JetStreamLog
) -> None:
    feed = await log.follow("r", Listener())
    server.kill()
    await eventually(lambda: not log.connected)
    with pytest.raises(LogUnavailableError):
        await feed.check()
    assert feed.position == 0


async def test_a_quiet_feed_is_checked_by_itself(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUIET_S", 0.0)
    monkeypatch.setattr(live, "SWEEP_INTERVAL_S", 0.05)
    log = await connect()
    listener = Listener()
    feed = await log.follow("r", listener)
    async with Deafness(log, feed):
        await log.append("r", [event()])
        await eventually(lambda: listener.sequences == [1])


async def test_what_exceeds_the_buffer_comes_from_the_log(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HELD_EVENTS_MAX", 3)
    log = await connect()
    listener = Listener()
    feed = await log.follow("r", listener)
    await asyncio.gather(*(log.append("r", [event()]) for _ in range(300)))
    await eventually(lambda: feed.position == 300)
    assert listener.events == await read_all(log, "r")


async def test_an_event_erased_behind_a_live_one_stops_nothing(log: JetStreamLog) -> None:
    listener = Listener()
    feed = await log.follow("r", listener)
    async with Deafness(log, feed):
        await log.append("r", [event()])
        await log.append("r", [event()])
        await log.connection.request("$JS.API.STREAM.MSG.DELETE.ROOMLOG", b'{"seq":2}')
    await log.append("r", [event()])
    await eventually(lambda: feed.position == 3)
    assert listener.events == await read_all(log, "r")
    assert listener.sequences == [1, 3]


async def test_events_of_batches_and_single_ones_look_the_same_live(log: JetStreamLog) -> None:
    listener = Listener()
    feed = await log.follow("r", listener)
    await log.append("r", [event("first")], first=True)
    await log.append("r", [event(str(i)) for i in range(5)])
    await log.append("r", [event()])
    await eventually(lambda: feed.position == 7)
    assert listener.events == await read_all(log, "r")


async def test_a_log_begun_anew_is_a_reset(server: Server, connect: Connect) -> None:
    log = await connect(append_timeout_s=60.0)
    resets: list[str] = []
    log.on_reset(lambda: resets.append(log.epoch))
    old = log.epoch
    await log.append("r", [event()])
    listener = Listener()
    await log.follow("r", listener)
    server.kill()
    shutil.rmtree(server.folder / "store")
    server.start()
    other = await connect()
    await eventually(lambda: resets)
    assert resets == [other.epoch]
    assert log.epoch == other.epoch != old
    [appended] = await log.append("r", [event()])
    assert appended.sequence == 1
    assert listener.events == []


async def test_a_log_put_back_to_an_earlier_state_takes_nothing_until_its_epoch_is_new(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=60.0)
    resets: list[int] = []
    log.on_reset(lambda: resets.append(1))
    await log.append("r", [event()])
    server.stop()
    shutil.copytree(server.folder / "store", server.folder / "earlier")
    server.start()
    await log.connection.wait_connected(60)
    await log.append("r", [event()])
    server.kill()
    (server.folder / "store").rename(server.folder / "whole")
    shutil.copytree(server.folder / "earlier", server.folder / "store")
    server.start()

    # Whatever is asked for: the sequence that was given away is not given away again.
    with pytest.raises(LogUnavailableError, match="ends at sequence 1, and 2 was there"):
        await log.append("r", [event()])
    assert log.damage is not None
    assert len(await read_all(log, "r")) == 1
    assert not resets

    # Restored as it was, it goes on by itself.
    server.kill()
    shutil.rmtree(server.folder / "store")
    (server.folder / "whole").rename(server.folder / "store")
    server.start()
    await eventually(lambda: log.damage is None)
    assert [one.sequence for one in await log.append("r", [event()])] == [3]

    # Cut again, and accepted by whoever runs it: clients are told.
    server.kill()
    shutil.rmtree(server.folder / "store")
    (server.folder / "earlier").rename(server.folder / "store")
    server.start()
    await eventually(lambda: log.damage is not None)
    await begin_epoch(server.url)
    await eventually(lambda: resets)
    assert [one.sequence for one in await log.append("r", [event()])] == [2]


async def test_what_the_guard_refuses_is_not_appended(server: Server, connect: Connect) -> None:
    log = await connect(append_timeout_s=60.0)
    said: list[str | None] = [None]

    async def guard() -> str | None:
        return said[0]

    await log.guard_with(guard)
    await log.append("r", [event()])
    said[0] = "another event than was seen"
    server.kill()
    waiting = asyncio.ensure_future(log.append("r", [event()]))
    server.start()

    with pytest.raises(LogUnavailableError, match="another event than was seen"):
        await waiting
    said[0] = None
    server.kill()
    server.start()
    await eventually(lambda: log.damage is None)
    assert [one.sequence for one in await log.append("r", [event()])] == [2]


async def test_a_restart_is_no_reset(server: Server, connect: Connect) -> None:
    log = await connect(append_timeout_s=60.0)
    resets: list[int] = []
    log.on_reset(lambda: resets.append(1))
    for _ in range(3):
        await log.append("r", [event()])
        server.kill()
        server.start()
        await log.connection.wait_connected(60)
        await log.append("r", [event()])
    assert not resets
    assert len(await read_all(log, "r")) == 6
