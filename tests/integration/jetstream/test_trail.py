"""The audit trail: appended to, found again by every filter, never changed."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from roomlog.core.policy import Actor
from roomlog.jetstream.log import JetStreamLog, begin_epoch, check
from roomlog.jetstream.stream import streams_of_truth
from roomlog.jetstream.trail import JetStreamTrail
from roomlog.ports import LogUnavailableError
from roomlog.services import trail as service
from roomlog.services.identity import SystemClock, new_id
from roomlog.services.trail import Reading, Trail, told
from roomlog.trail_ports import RecordFilter
from roomlog_contract.fold import MemberState, RoomState
from roomlog_contract.trail import AuditRecord, RecordKind
from roomlog_contract.types import GlobalRole, RoomRole, RoomStatus

from .conftest import Connect, Server

AUDITOR = Actor("auditor@example.org", roles=frozenset({GlobalRole.AUDITOR}))
OTHER = Actor("other. >*@example.org", roles=frozenset({GlobalRole.ADMIN}))


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, 9, 4, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


async def all_of(read: AsyncIterator[object]) -> list[AuditRecord]:
    return [told(one) async for batch in read for one in batch]


async def answer(log: JetStreamLog, subject: str, asked: object = None) -> dict[str, object]:
    reply = await log.connection.request(subject, json.dumps(asked).encode() if asked else b"")
    return json.loads(reply.data)


async def test_a_record_is_told_as_it_was_put(log: JetStreamLog) -> None:
    stored = JetStreamTrail(log.connection)
    room, message = new_id(), new_id()

    sequence = await Trail(stored, SystemClock(), span_s=600).record(
        RecordKind.REDACTED, OTHER, room_id=room, message_id=message, detail="two events"
    )

    (found,) = await all_of(stored.read(RecordFilter()))
    assert sequence == found.sequence == 1
    assert (found.kind, found.actor, found.roles) == ("message.redacted", OTHER.user_id, ["admin"])
    assert (found.room_id, found.message_id, found.detail) == (room, message, "two events")
    assert found.until is None
    assert not found.past


async def test_each_filter_finds_its_records_and_no_others(log: JetStreamLog) -> None:
    stored = JetStreamTrail(log.connection)
    trail = Trail(stored, SystemClock(), span_s=600)
    rooms = [new_id(), new_id()]
    put = [
        (kind, actor, room)
        for kind in (RecordKind.EXPORTED, RecordKind.REPLAYED)
        for actor in (AUDITOR, OTHER)
        for room in (*rooms, None)
    ]
    for kind, actor, room in put:
        await trail.record(kind, actor, room_id=room)

    for kind in (None, RecordKind.EXPORTED, RecordKind.REDACTED):
        for actor in (None, OTHER):
            for room in (None, rooms[0]):
                asked = RecordFilter(room, actor and actor.user_id, kind)
                found = await all_of(stored.read(asked))
                assert [one.sequence for one in found] == [
                    place
                    for place, (k, a, r) in enumerate(put, 1)
                    if kind in {None, k} and actor in {None, a} and room in {None, r}
                ]
    assert [one.sequence for one in await all_of(stored.read(RecordFilter(), after=9))] == [
        *(10, 11, 12)
    ]


async def test_times_are_those_of_the_append_to_the_nanosecond(log: JetStreamLog) -> None:
    stored = JetStreamTrail(log.connection)
    trail = Trail(stored, SystemClock(), span_s=600)
    for _ in range(5):
        await trail.record(RecordKind.EXPORTED, AUDITOR)
    appended = [one.appended_ns async for batch in stored.read(RecordFilter()) for one in batch]
    # Up to the microsecond at which the third was appended, or the one behind it.
    third = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=appended[2] // 1000)
    behind = third + timedelta(microseconds=1)

    until = await all_of(stored.read(RecordFilter(until=behind)))
    since = await all_of(stored.read(RecordFilter(since=behind)))

    assert [one.sequence for one in until] == [1, 2, 3]
    assert [one.sequence for one in since] == [4, 5]
    assert await all_of(stored.read(RecordFilter(since=third, until=behind)))
    assert await all_of(stored.read(RecordFilter(since=datetime.max.replace(tzinfo=UTC)))) == []


async def test_a_hundred_reads_within_the_span_are_one_record(log: JetStreamLog) -> None:
    stored, clock, room = JetStreamTrail(log.connection), SetClock(), new_id()
    workers = [Trail(stored, clock, span_s=600) for _ in range(2)]
    reading = Reading(RecordKind.HISTORY_READ, room)

    for number in range(100):
        await workers[number % 2].reading(AUDITOR, reading)
    clock.at = datetime(2030, 1, 1, 9, 10, tzinfo=UTC)
    await workers[0].reading(AUDITOR, reading)

    found = await all_of(stored.read(RecordFilter()))
    assert [(one.at, one.until) for one in found] == [
        ("2030-01-01T09:04:00.000Z", "2030-01-01T09:10:00.000Z"),
        ("2030-01-01T09:10:00.000Z", "2030-01-01T09:20:00.000Z"),
    ]


async def test_whatever_differs_has_a_record_of_its_own(log: JetStreamLog) -> None:
    stored = JetStreamTrail(log.connection)
    trail = Trail(stored, SetClock(), span_s=600)
    rooms = [new_id(), new_id()]
    readings = [
        Reading(RecordKind.HISTORY_READ, rooms[0]),
        Reading(RecordKind.HISTORY_READ, rooms[1]),
        Reading(RecordKind.HISTORY_READ, rooms[0], past=True),
        Reading(RecordKind.SEARCHED, rooms[0]),
        Reading(RecordKind.MESSAGE_READ, rooms[0], new_id()),
        Reading(RecordKind.MESSAGE_READ, rooms[0], new_id()),
    ]

    for actor in (AUDITOR, OTHER):
        for one in readings * 2:
            await trail.reading(actor, one)

    found = await all_of(stored.read(RecordFilter()))
    assert [Reading(r.kind, r.room_id, r.message_id, r.past) for r in found] == readings * 2


async def test_of_many_messages_the_first_are_named_and_the_rest_are_one_record(
    log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "NAMED_MESSAGES_MAX", 3)
    stored, room = JetStreamTrail(log.connection), new_id()
    trail = Trail(stored, SetClock(), span_s=600)
    messages = [new_id() for _ in range(10)]

    for message in messages:
        await trail.reading(AUDITOR, Reading(RecordKind.MESSAGE_READ, room, message))

    found = await all_of(stored.read(RecordFilter()))
    assert [one.message_id for one in found] == [*messages[:3], None]


async def test_without_a_span_every_read_has_its_record(log: JetStreamLog) -> None:
    stored = JetStreamTrail(log.connection)
    trail = Trail(stored, SetClock(), span_s=0)

    for _ in range(3):
        await trail.reading(AUDITOR, Reading(RecordKind.HISTORY_READ, new_id()))

    found = await all_of(stored.read(RecordFilter()))
    assert [one.until for one in found] == [None] * 3


async def test_members_read_their_own_room_without_a_record(log: JetStreamLog) -> None:
    stored, room_id = JetStreamTrail(log.connection), new_id()
    trail = Trail(stored, SetClock(), span_s=600)
    at = "2030-01-01T00:00:00.000Z"
    members = {AUDITOR.user_id: MemberState(RoomRole.OBSERVER, at)}
    room = RoomState(room_id, "r", None, None, RoomStatus.OPEN, "c", at, 1, members)
    reading = Reading(RecordKind.HISTORY_READ, room_id)

    await trail.reading(AUDITOR, reading, room)
    assert await all_of(stored.read(RecordFilter())) == []
    await trail.reading(OTHER, reading, room)
    assert [one.actor for one in await all_of(stored.read(RecordFilter()))] == [OTHER.user_id]


async def test_the_same_failure_is_recorded_once_an_hour(log: JetStreamLog) -> None:
    stored = JetStreamTrail(log.connection)
    trail = Trail(stored, SystemClock(), span_s=600)

    for detail in ("a hole at 5", "a hole at 5", "a hole at 6"):
        await trail.failure(detail)

    found = await all_of(stored.read(RecordFilter()))
    assert [(one.kind, one.actor, one.detail) for one in found] == [
        ("verification.failed", "roomlog", "a hole at 5"),
        ("verification.failed", "roomlog", "a hole at 6"),
    ]


async def test_the_stream_denies_deletion_and_purging_and_can_not_be_made_to_allow_them(
    log: JetStreamLog,
) -> None:
    await Trail(JetStreamTrail(log.connection), SystemClock(), span_s=600).record(
        RecordKind.EXPORTED, AUDITOR
    )
    name = "ROOMLOG_AUDIT"
    config = (await answer(log, f"$JS.API.STREAM.INFO.{name}"))["config"]
    assert isinstance(config, dict)

    for subject, asked in (
        (f"$JS.API.STREAM.MSG.DELETE.{name}", {"seq": 1}),
        (f"$JS.API.STREAM.PURGE.{name}", {}),
        (f"$JS.API.STREAM.UPDATE.{name}", {**config, "deny_delete": False}),
        (f"$JS.API.STREAM.UPDATE.{name}", {**config, "deny_purge": False}),
    ):
        assert "error" in await answer(log, subject, asked), subject
    assert (await JetStreamTrail(log.connection).state()).messages == 1


async def test_it_is_there_with_the_epoch_of_the_log_and_is_checked_with_it(
    server: Server, connect: Connect
) -> None:
    log = await connect(partitions=2)
    stored = JetStreamTrail(log.connection)
    assert (await stored.state()).epoch == log.epoch
    assert streams_of_truth(2) == ["ROOMLOG_0", "ROOMLOG_1", "ROOMLOG_AUDIT"]

    epoch = await begin_epoch(server.url)
    assert (await stored.state()).epoch == epoch
    assert await check(server.url, partitions=2) == []

    await answer(log, "$JS.API.STREAM.DELETE.ROOMLOG_AUDIT")
    (problem,) = await check(server.url, partitions=2)
    assert "ROOMLOG_AUDIT is missing" in problem


async def test_what_can_not_be_recorded_is_refused(log: JetStreamLog) -> None:
    trail = Trail(JetStreamTrail(log.connection), SystemClock(), span_s=600)
    reading = Reading(RecordKind.HISTORY_READ, new_id())
    await answer(log, "$JS.API.STREAM.DELETE.ROOMLOG_AUDIT")

    for _ in range(2):
        with pytest.raises(LogUnavailableError):
            await trail.reading(AUDITOR, reading)
