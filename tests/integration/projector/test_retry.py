"""Events that were set aside, tried once more: their rooms become what they would have been."""

import re

import pytest

from roomlog.core.room_state import decode_snapshot
from roomlog.core.upcasters import room_event
from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres.tables import PostgresTables
from roomlog.projector import decoding
from roomlog.projector.partition import PartitionProjector, ProjectorHaltedError
from roomlog.projector.rebuild import rebuild
from roomlog.projector.retry import retry
from roomlog.projector.verify import verify
from tests.integration.projector.driving import contents, empty, project, run
from tests.integration.projector.memory_log import MemoryLog, MemorySnapshots, fact_bytes
from tests.projections.event_streams import ROOMS, an_id

ROOM, OTHER = ROOMS[0], ROOMS[1]
_REFUSED = {"messages": "sequence_number <> 5", "processed_events": "sequence <> 9"}
_NEWER = b'{"v":99,'


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def said(room_id: str, n: int, text: str) -> bytes:
    return fact_bytes(
        room_id, an_id(ROOMS.index(room_id), n), "message.sent", content=text, message_type="text"
    )


def about(n: int, kind: str, message: int, **fields: object) -> bytes:
    return fact_bytes(ROOM, an_id(0, n), kind, about=an_id(0, message), **fields)


def newer(data: bytes) -> bytes:
    """The event as a version has it that nobody here knows."""
    return re.sub(rb'^\{"v":[0-9]+,', _NEWER, data)


async def refuse(database: str) -> None:
    """Have PostgreSQL refuse the sending and the edit of `conversation`."""
    for table, check in _REFUSED.items():
        await run(database, f"ALTER TABLE roomlog.{table} ADD CONSTRAINT refuse CHECK ({check})")


async def allow(database: str) -> None:
    """Put that right."""
    for table in _REFUSED:
        await run(database, f"ALTER TABLE roomlog.{table} DROP CONSTRAINT refuse")


def conversation(sent: bytes, edited: bytes) -> MemoryLog:
    """Two rooms; in one of them a sending and an edit, with events about both after them."""
    log = MemoryLog()
    for room_id in (ROOM, OTHER):
        first = an_id(ROOMS.index(room_id), 1)
        log.put(room_id, fact_bytes(room_id, first, "room.created", name="payments"))
        log.put(room_id, said(room_id, 2, "checkout is slow"))
    log.put(ROOM, sent)
    log.put(OTHER, said(OTHER, 3, "here too"))
    log.put(ROOM, about(4, "reaction.added", 3, emoji="👍"))
    log.put(ROOM, about(5, "message.edited", 3, content="it is the cache"))
    log.put(ROOM, edited)
    log.put(ROOM, about(7, "message.edited", 2, content="checkout is slow again"))
    log.put(ROOM, about(8, "reaction.added", 2, emoji="👀"))
    log.put(ROOM, about(9, "reaction.removed", 2, emoji="👀"))
    return log


def refused() -> MemoryLog:
    return conversation(
        said(ROOM, 3, "it is me"), about(6, "message.edited", 2, content="the checkout is slow")
    )


async def test_what_is_taken_in_makes_the_room_what_it_would_have_been(database: str):
    log, snapshots = refused(), MemorySnapshots()
    await project(log, database)
    whole = await contents(database)
    await empty(database)
    await refuse(database)
    await project(log, database)
    rows = await run(database, "SELECT sequence FROM roomlog.dead_events ORDER BY sequence")
    assert [row["sequence"] for row in rows] == [5, 9]
    # The edit of the one has no effect, and of the other's there is one of two.
    assert len(await run(database, "SELECT * FROM roomlog.message_edit_history")) == 1

    still = await retry(log, PostgresTables(database), snapshots)
    assert [one.sequence for one in still] == [5, 9]
    assert all("CheckViolation" in str(one.error) for one in still)
    await allow(database)
    taken = await retry(log, PostgresTables(database), snapshots)

    assert [(one.sequence, one.error) for one in taken] == [(5, None), (9, None)]
    assert await contents(database) == whole
    assert await verify(log, PostgresTables(database), silent) == []
    assert await retry(log, PostgresTables(database), snapshots) == []


async def test_what_a_newer_version_can_read_is_taken_in_and_the_rest_stays(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    log, snapshots = conversation(said(ROOM, 3, "it is me"), b"no event"), MemorySnapshots()
    await project(log, database)
    whole = await contents(database)
    await empty(database)
    log = conversation(newer(said(ROOM, 3, "it is me")), b"no event")
    joined = fact_bytes(
        ROOM, an_id(0, 20), "member.added", user_id="bob@example.org", role="responder"
    )
    log.put(ROOM, newer(joined))
    await project(log, database)
    assert [one.error is None for one in await retry(log, PostgresTables(database), snapshots)] == [
        False
    ] * 3
    # A rebuild can't take them in either.
    assert (await rebuild(log, PostgresTables(database), silent)).repaired == []
    rows = await run(database, "SELECT dead FROM roomlog.projection_checkpoint")
    assert [row["dead"] for row in rows] == [3]

    def learned(sequence: int, prev_sequence: int, data: bytes) -> object:
        return room_event(sequence, prev_sequence, data.replace(_NEWER, b'{"v":1,', 1))

    monkeypatch.setattr(decoding, "room_event", learned)
    tried = await retry(log, PostgresTables(database), snapshots)

    assert [(one.sequence, one.error is None) for one in tried] == [
        (5, True),
        (9, False),
        (13, True),
    ]
    after = await contents(database)
    assert [m for m in after["messages"] if m["message_type"] == "text"] == whole["messages"]
    assert after["message_edit_history"] == whole["message_edit_history"]
    assert [row["sequence"] for row in after["dead_events"]] == [9]
    assert "bob@example.org" in {row["user_id"] for row in after["room_members"]}
    kept = decode_snapshot(snapshots.kept[ROOM].state)
    assert kept is not None
    assert "bob@example.org" in kept.members
    assert await verify(log, PostgresTables(database), silent) == []


async def test_a_projector_takes_nothing_with_it_of_what_it_remembered(database: str):
    log = refused()
    await refuse(database)
    tables = PostgresTables(database)
    claimed = await tables.claim(0)
    projector = PartitionProjector(log, claimed, batch_events_max=100)
    await projector.begin()
    await projector.catch_up()
    await allow(database)
    await retry(log, tables, MemorySnapshots())

    log.put(ROOM, said(ROOM, 30, "and now?"))
    with pytest.raises(DatabaseUnavailableError):
        await projector.catch_up()
    await claimed.close()
    await project(log, database)
    assert await verify(log, tables, silent) == []


async def test_nothing_is_tried_on_tables_of_another_log(database: str):
    log = refused()
    await refuse(database)
    await project(log, database)
    before = await contents(database)
    log.reset("epoch 2")
    with pytest.raises(ProjectorHaltedError, match="another log"):
        await retry(log, PostgresTables(database), MemorySnapshots())
    assert await contents(database) == before
