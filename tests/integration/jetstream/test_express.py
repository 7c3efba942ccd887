"""An event of a quiet room beside a flood: sooner, and as safe and ordered as any other."""

import asyncio
from typing import Any, cast

from roomlog.jetstream.append import BATCH_MAX, Committer
from roomlog.jetstream.exchange import Entry
from roomlog.jetstream.express import AT_ONCE_MAX, FLOOD_EVENTS_MIN, flooding
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import Appended, LogUnavailableError

from .conftest import Connect, Server
from .events import event, eventually, read_all

FLOOD = BATCH_MAX + 144


async def _flooded(server: Server, log: JetStreamLog) -> list[asyncio.Future[list[Appended]]]:
    """A flood of one room, its first commit under way and without an answer while `server` is
    frozen."""
    await log.append("busy", [event("before")])
    committer = _committer(log)
    await eventually(committer._express.may_send)
    server.freeze()
    flood = [log.begin_append("busy", [event(str(number))]) for number in range(FLOOD)]
    await eventually(lambda: len(committer._under_way) == BATCH_MAX and committer._exchange)
    return flood


def _committer(log: JetStreamLog) -> Committer:
    (committer,) = log._committers
    return committer


async def test_a_quiet_room_does_not_wait_for_the_rest_of_a_flood(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=60.0)
    flood = await _flooded(server, log)
    news = [event(str(number)) for number in range(4)]
    quiet = [log.begin_append("quiet", [new]) for new in news]
    server.thaw()
    results = [(await one)[0].sequence for one in quiet]
    # It goes its own way, so that it comes before the commit or right behind it.
    assert results[0] in {2, 1 + BATCH_MAX + 1}
    assert results == sorted(results)
    assert [e.data for e in await read_all(log, "quiet")] == [new.data for new in news]
    assert sorted([(await one)[0].sequence for one in flood] + results) == list(
        range(2, 2 + FLOOD + len(news))
    )


async def test_a_few_at_once_go_ahead_and_a_room_that_waits_already_does_not(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=60.0)
    flood = await _flooded(server, log)
    rooms = [f"quiet-{number}" for number in range(AT_ONCE_MAX + 2)]
    quiet = [log.begin_append(room, [event(room)]) for room in rooms]
    several = log.begin_append("several", [event("a"), event("b")])
    assert len(_committer(log)._express.entries) == AT_ONCE_MAX
    server.thaw()
    first = [(await one)[0].sequence for one in quiet]
    assert max(first[:AT_ONCE_MAX]) <= 1 + BATCH_MAX + AT_ONCE_MAX
    assert all(sequence > 1 + FLOOD for sequence in first[AT_ONCE_MAX:])
    assert [one.sequence for one in await several] == [FLOOD + 6, FLOOD + 7]
    await asyncio.gather(*flood)


async def test_a_lost_connection_costs_a_quiet_room_neither_event_nor_order(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=60.0)
    flood = await _flooded(server, log)
    news = [event(str(number)) for number in range(4)]
    quiet = [log.begin_append("quiet", [new]) for new in news]
    assert len(_committer(log)._express.entries) == len(news)
    server.kill()
    await eventually(lambda: not log.connected)
    server.start()
    results = [(await one)[0].sequence for one in quiet]
    assert results == sorted(results)
    assert [e.data for e in await read_all(log, "quiet")] == [new.data for new in news]
    await asyncio.gather(*flood)
    assert len(await read_all(log, "busy")) == 1 + FLOOD
    assert _committer(log)._queue_events == _committer(log)._queue_bytes == 0


async def test_without_an_answer_in_time_the_outcome_is_unknown_and_what_follows_did_not_happen(
    server: Server, connect: Connect
) -> None:
    log = await connect(append_timeout_s=1.0)
    flood = await _flooded(server, log)
    news = [event("sent"), event("held")]
    asked = [log.begin_append("quiet", [new]) for new in news]
    told = await asyncio.gather(*asked, *flood, return_exceptions=True)
    assert all(isinstance(one, LogUnavailableError) for one in told)
    unknown = [one.outcome_unknown for one in told[:2]]  # type: ignore[union-attr]
    # What follows may still be sent, where its own time is not up yet in that very turn.
    assert unknown[0]
    server.thaw()
    await log.connection.wait_connected(60)
    after = event("after")

    async def appended() -> bool:
        try:
            await log.append("quiet", [after])
        except LogUnavailableError:
            return False
        return True

    while not await appended():
        await asyncio.sleep(0.05)
    stored = [e.data for e in await read_all(log, "quiet")]
    allowed = [new.data for new, may_be in zip(news, unknown, strict=True) if may_be]
    assert stored.count(after.data) == 1
    # What was given up may still land, also behind what the room appended since.
    assert [data for data in stored if data != after.data] in ([], allowed[:1], allowed)
    assert _committer(log)._queue_events == _committer(log)._queue_bytes == 0


async def test_it_waits_until_the_log_is_known_to_be_the_same_on_its_own_connection(
    server: Server, connect: Connect
) -> None:
    log = await connect()
    express = _committer(log)._express
    assert not express.may_send()
    assert not log._beside.connected  # begun only now, when it is wanted
    known: list[bool] = []
    log._beside.on_up(lambda: known.append(express.may_send()))
    await eventually(express.may_send)
    assert known == [False]
    server.kill()
    await eventually(lambda: not log._beside.connected)
    assert not express.may_send()
    server.start()
    await eventually(express.may_send)
    assert known == [False, False]


def _entries(*rooms: str) -> list[Entry]:
    nobody = cast("Any", None)
    return [
        Entry(room, room, [event()], nobody, size_bytes=1, first=False, deadline=0)
        for room in rooms
    ]


def test_a_room_floods_where_it_has_many_events_and_most_of_a_commit() -> None:
    assert flooding(_entries(*"a" * FLOOD_EVENTS_MIN)) == "a"
    assert flooding(_entries(*"a" * FLOOD_EVENTS_MIN, *"b" * (FLOOD_EVENTS_MIN - 1))) == "a"
    assert flooding(_entries(*"a" * FLOOD_EVENTS_MIN, *"b" * FLOOD_EVENTS_MIN)) is None
    assert flooding(_entries(*"a" * (FLOOD_EVENTS_MIN - 1))) is None
    assert flooding([]) is None
