"""A log that was changed is noticed, with the first bad event of the room."""

from collections.abc import AsyncGenerator

import pytest

from roomlog.audit.check import Checked, NoTreesError, check_log
from roomlog.postgres import PostgresTreeReader, open_pool
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import keep


@pytest.fixture
async def reader(database: str) -> AsyncGenerator[PostgresTreeReader]:
    async with open_pool(database, size=2) as pool:
        yield PostgresTreeReader(pool)


@pytest.fixture
async def log(database: str) -> HoledLog:
    talked = HoledLog()
    for number in range(700):
        talked.say(ROOMS[number % 3 % 2], f"message {number}")
    redacted, _ = talked.appended[ROOMS[0]][5]
    talked.explain(ROOMS[0], redacted)
    talked.erase(ROOMS[0], redacted)
    pending, _ = talked.appended[ROOMS[0]][7]
    talked.explain(ROOMS[0], pending)
    await keep(talked, database)
    return talked


async def check(log: HoledLog, reader: PostgresTreeReader) -> Checked:
    done: list[tuple[int, int]] = []
    checked = await check_log(log, reader, lambda *said: done.append(said))
    assert done == sorted(done)
    assert done[-1][0] <= done[-1][1]
    return checked


async def test_a_log_that_is_as_it_was_agrees_with_its_trees(
    log: HoledLog, reader: PostgresTreeReader
):
    assert await check(log, reader) == Checked([702], [])


async def test_what_was_appended_since_is_not_yet_compared(
    log: HoledLog, reader: PostgresTreeReader
):
    log.say(ROOMS[0], "later")
    assert await check(log, reader) == Checked([702], [])


async def test_a_changed_envelope_is_named(log: HoledLog, reader: PostgresTreeReader):
    sequence, data = log.appended[ROOMS[1]][150]
    log.change(ROOMS[1], sequence, data.replace(b"ada@example.org", b"bob@example.org", 1))

    (found,) = (await check(log, reader)).mismatches
    assert (found.room_id, found.sequence) == (ROOMS[1], sequence)
    assert "leaf 150" in found.detail


async def test_a_changed_body_is_named(log: HoledLog, reader: PostgresTreeReader):
    sequence, data = log.appended[ROOMS[0]][300]
    log.change(ROOMS[0], sequence, data.replace(b"message ", b"massage "))

    (found,) = (await check(log, reader)).mismatches
    assert (found.room_id, found.sequence) == (ROOMS[0], sequence)
    assert "committed" in found.detail


async def test_two_events_that_changed_places_are_named(log: HoledLog, reader: PostgresTreeReader):
    (first, one), (second, other) = log.appended[ROOMS[0]][10:12]
    log.change(ROOMS[0], first, other)
    log.change(ROOMS[0], second, one)

    (found,) = (await check(log, reader)).mismatches
    assert (found.room_id, found.sequence) == (ROOMS[0], first)


async def test_an_event_that_is_gone_is_named_with_its_room(
    log: HoledLog, reader: PostgresTreeReader
):
    sequence, _ = log.appended[ROOMS[0]][20]
    log.erase(ROOMS[0], sequence)

    hole, found = (await check(log, reader)).mismatches
    assert (hole.room_id, hole.sequence) == (None, sequence)
    assert (found.room_id, found.sequence) == (ROOMS[0], log.appended[ROOMS[0]][21][0])


async def test_a_rooms_last_event_that_is_gone_is_named(log: HoledLog, reader: PostgresTreeReader):
    sequence, _ = log.appended[ROOMS[1]][-1]
    log.erase(ROOMS[1], sequence)

    _, found = (await check(log, reader)).mismatches
    assert (found.room_id, found.sequence) == (ROOMS[1], sequence)
    assert "ends before leaf" in found.detail


async def test_without_trees_there_is_nothing_to_compare_with(reader: PostgresTreeReader):
    empty = HoledLog()
    empty.say(ROOMS[0], "one")
    with pytest.raises(NoTreesError):
        await check_log(empty, reader, lambda done, total: None)
