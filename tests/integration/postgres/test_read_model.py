"""The tables as services read them."""

import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from roomlog.ports import DatabaseUnavailableError, MessageQuery
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog_contract.types import MessageType, RoomRole
from tests.integration.projector.driving import project, run
from tests.integration.projector.memory_log import MemoryLog, fact_bytes
from tests.projections.event_streams import ROOMS, an_id

ADA, BOB = "ada@example.org", "bob@example.org"
ROOM, OTHER = ROOMS[0], ROOMS[1]
REACTING = 130
START = (0, "00000000-0000-0000-0000-000000000000")


def say(log: MemoryLog, n: int, actor: str = ADA, **body: object) -> int:
    fields = {"content": f"message {n}", "message_type": "text"} | body
    return log.put(ROOM, fact_bytes(ROOM, an_id(0, n), "message.sent", actor, **fields))


def about(log: MemoryLog, n: int, kind: str, message: int, actor: str = ADA, **body: object) -> int:
    data = fact_bytes(ROOM, an_id(0, n), kind, actor, about=an_id(0, message), **body)
    return log.put(ROOM, data)


@pytest.fixture
async def log(database: str) -> MemoryLog:
    """Two rooms; the first with five messages, at sequences 4 to 8."""
    log = MemoryLog()
    log.put(ROOM, fact_bytes(ROOM, an_id(0, 1), "room.created", name="payments", title="Slow"))
    log.put(OTHER, fact_bytes(OTHER, an_id(1, 1), "room.created", BOB, name="other"))
    member = fact_bytes(ROOM, an_id(0, 2), "member.added", user_id=BOB, role="responder")
    log.put(ROOM, member)
    for n in range(10, 15):
        say(log, n, BOB if n % 2 else ADA)
    await project(log, database)
    return log


@pytest.fixture
async def reads(database: str) -> AsyncGenerator[PostgresReadModel]:
    async with open_pool(database, size=2) as pool:
        yield PostgresReadModel(pool)


async def sequences(reads: PostgresReadModel, **query: object) -> list[int]:
    page = await reads.messages(MessageQuery(**({"room_id": ROOM, "limit": 50} | query)))
    return [message.sequence_number for message in page.items]


async def test_pages_go_from_the_newest_back_or_from_a_sequence_on(
    log: MemoryLog, reads: PostgresReadModel
):
    assert await sequences(reads) == [8, 7, 6, 5, 4, 3]
    assert await sequences(reads, limit=2) == [8, 7]
    assert await sequences(reads, before=7, limit=2) == [6, 5]
    assert await sequences(reads, after=5) == [6, 7, 8]
    assert await sequences(reads, after=0, limit=1) == [3]
    assert await sequences(reads, after=4, before=7) == [5, 6]
    assert await sequences(reads, before=2**70) == [8, 7, 6, 5, 4, 3]
    assert await sequences(reads, after=2**70) == []


async def test_pages_take_only_what_was_asked_for(log: MemoryLog, reads: PostgresReadModel):
    assert await sequences(reads, sender_id=BOB) == [7, 5]
    assert await sequences(reads, message_type=MessageType.SYSTEM) == [3]
    assert await sequences(reads, before_timestamp=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert await sequences(reads, before_timestamp=datetime(2100, 1, 1, tzinfo=UTC), limit=1) == [8]


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "x" * 100_000])
async def test_what_no_column_can_hold_is_found_nowhere(
    log: MemoryLog, reads: PostgresReadModel, odd: str
):
    assert await sequences(reads, sender_id=odd) == []
    assert await sequences(reads, room_id=odd) == []
    assert await reads.message(odd) is None
    assert await reads.message_state(odd) == (None, 0)
    assert await reads.find_event(odd) is None
    assert await reads.versions(odd, after=0, limit=9) == []
    assert await reads.room(odd, ADA, marker=0) is None
    assert await reads.members(odd, after="", limit=9) == []


async def test_a_message_is_given_as_the_contract_has_it(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    metadata = {"kind": "alert", "data": {"p99": 1.5, "hosts": ["a", "ü"], "none": None}}
    say(log, 30, content="**slow**", message_type="incident_data", metadata=metadata,
        reply_to=an_id(0, 10))  # fmt: skip
    await project(log, database)
    message = await reads.message(an_id(0, 30))
    assert message is not None
    assert message.message_type is MessageType.INCIDENT_DATA
    assert message.content_html == "<p><strong>slow</strong></p>"
    assert (message.metadata, message.reply_to) == (metadata, an_id(0, 10))
    assert (message.created_at, message.edited_at, message.deleted_at) == (
        "2026-01-31T09:15:00.000Z",
        None,
        None,
    )
    assert (message.sequence_number, message.version, message.reactions) == (9, 9, [])


async def test_reactions_name_at_most_100_users_and_count_all_in_order_of_first_use(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    about(log, 50, "reaction.added", 10, emoji="🎉")
    for n in range(REACTING):
        about(log, 100 + n, "reaction.added", 10, f"user{n:03}@example.org", emoji="👍")
    about(log, 51, "reaction.added", 10, BOB, emoji="🎉")
    await project(log, database)
    (message,) = [m for m in (await reads.messages(MessageQuery(ROOM, 9))).items if m.reactions]
    assert [(r.emoji, r.count, len(r.users)) for r in message.reactions] == [
        ("🎉", 2, 2),
        ("👍", REACTING, 100),
    ]
    assert message.reactions[0].users == [ADA, BOB]
    assert message.reactions[1].users[:2] == ["user000@example.org", "user001@example.org"]
    state, checkpoint = await reads.message_state(an_id(0, 10))
    assert state is not None
    assert len(state.reactions) == REACTING + 2
    assert checkpoint == log.events[0][-1].sequence


async def test_versions_tell_what_was_said_by_whom_and_why(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    about(log, 50, "message.edited", 10, content="second", reason="typo")
    about(log, 51, "message.edited", 10, content="third")
    about(log, 52, "message.deleted", 10, BOB, reason="wrong room")
    await project(log, database)
    versions = await reads.versions(an_id(0, 10), after=0, limit=9)
    assert [(v.version, v.content, v.edited_by, v.reason) for v in versions] == [
        (4, "message 10", ADA, None),
        (9, "second", ADA, "typo"),
        (10, "third", ADA, None),
        (11, "", BOB, "wrong room"),
    ]
    assert [v.version for v in await reads.versions(an_id(0, 10), after=4, limit=2)] == [9, 10]
    assert [v.version for v in await reads.versions(an_id(0, 11), after=0, limit=9)] == [5]


async def test_rooms_come_in_order_of_creation_with_role_and_unread(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    about(log, 50, "message.deleted", 14, ADA)
    await project(log, database)
    mine = await reads.rooms(
        BOB, all_rooms=False, markers={ROOM: 4, "junk": 1}, after=START, limit=9
    )
    assert [(r.room_id, r.role, r.unread) for r in mine] == [
        (ROOM, RoomRole.RESPONDER, 1),
        (OTHER, RoomRole.COMMANDER, 0),
    ]
    assert await reads.rooms("nobody", all_rooms=False, markers={}, after=START, limit=9) == []
    everything = await reads.rooms("nobody", all_rooms=True, markers={}, after=START, limit=9)
    assert [(r.room_id, r.role, r.unread) for r in everything] == [
        (ROOM, None, 4),
        (OTHER, None, 0),
    ]
    (second,) = await reads.rooms(ADA, all_rooms=True, markers={}, after=(1, ROOM), limit=9)
    assert second.room_id == OTHER
    room = await reads.room(ROOM, ADA, marker=0)
    assert room is not None
    assert (room.name, room.title, room.role, room.unread) == (
        "payments",
        "Slow",
        RoomRole.COMMANDER,
        2,
    )


async def test_members_come_in_the_order_of_their_ids_bytes(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    for n, user in enumerate(("Zoe@example.org", "élan@example.org", "carl@example.org")):
        log.put(
            ROOM, fact_bytes(ROOM, an_id(0, 60 + n), "member.added", user_id=user, role="observer")
        )
    await project(log, database)
    users = [m.user_id for m in await reads.members(ROOM, after="", limit=9)]
    assert users == sorted(users, key=str.encode)
    assert len(users) == 5
    assert [m.user_id for m in await reads.members(ROOM, after=users[2], limit=1)] == [users[3]]


@pytest.mark.parametrize("as_of", [None, 100])
@pytest.mark.parametrize("after", [None, 0])
async def test_a_page_is_cut_where_it_gets_too_long_and_the_next_goes_on(
    database: str,
    log: MemoryLog,
    as_of: int | None,
    after: int | None,
):
    for n in range(20, 28):
        say(log, n, metadata={"blob": "x" * 3000 * (n % 4)})
    await project(log, database)
    found: list[int] = []
    pages = 0
    edge, more = after, True
    async with open_pool(database, size=1) as pool:
        reads = PostgresReadModel(pool, page_bytes_max=7000)
        while more:
            asked = {"before": edge} if after is None else {"after": edge}
            items, more = await reads.messages(MessageQuery(ROOM, 50, as_of=as_of, **asked))
            found += [message.sequence_number for message in items]
            pages += 1
            sizes = [len(msgspec.json.encode(message.metadata)) for message in items]
            assert sum(sizes[:-1]) < 7000
            edge = items[-1].sequence_number
    everything = list(range(3, 17))
    assert found == (everything if after == 0 else everything[::-1])
    assert pages > 3


async def test_an_event_is_found_by_its_id_wherever_it_is_remembered(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    about(log, 50, "message.edited", 77, content="of an unknown one")
    await project(log, database)
    outcomes = {}
    for n in (1, 2, 10, 50, 99):
        record = await reads.find_event(an_id(0, n))
        outcomes[n] = record and (record.sequence, record.outcome, record.room_id)
    assert outcomes == {
        1: (1, "applied", ROOM),
        2: (3, "applied", ROOM),
        10: (4, "applied", ROOM),
        50: (9, "unknown_message", ROOM),
        99: None,
    }


async def test_pages_and_single_messages_are_read_by_their_indexes(database: str, log: MemoryLog):
    from roomlog.postgres.queries import page_of_messages, query

    connection = await asyncpg.connect(
        database, server_settings={"search_path": "roomlog, public", "enable_seqscan": "off"}
    )
    before = page_of_messages("messages_before", past=False, bytes_max=1000)
    after = page_of_messages("messages_after", past=False, bytes_max=1000)
    for statement, values, index in (
        (before, (ROOM, 9, -1, None, None, None, 5), "room_id_sequence_number"),
        (after, (ROOM, 9, 1, None, None, None, 5), "room_id_sequence_number"),
        (query("message"), (an_id(0, 10),), "messages_pkey"),
        (query("find_event"), (an_id(0, 10),), "processed_events_pkey"),
    ):
        plan = await connection.fetch(f"EXPLAIN {statement}", *values)
        told = "\n".join(row[0] for row in plan)
        assert index in told, told
        assert "Seq Scan" not in told, told
    await connection.close()


async def test_a_server_that_is_away_is_said_at_once():
    async with open_pool("postgresql://nobody@127.0.0.1:1/none", size=2) as pool:
        begun_s = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            await PostgresReadModel(pool).checkpoint(0)
        assert time.monotonic() - begun_s < 5


async def test_a_server_that_does_not_answer_is_said_within_5_seconds(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await connection.execute("LOCK TABLE roomlog.messages IN ACCESS EXCLUSIVE MODE")
        begun_s = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match="in time"):
            await reads.messages(MessageQuery(ROOM, 5))
        assert time.monotonic() - begun_s < 5.5
    await connection.close()
    assert await sequences(reads, limit=1) == [8]


async def test_connections_that_were_cut_are_replaced(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    for _ in range(3):
        assert await sequences(reads, limit=1) == [8]
        await run(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )


async def test_without_tables_reads_say_what_to_run(empty_database: str):
    async with open_pool(empty_database, size=1) as pool:
        with pytest.raises(DatabaseUnavailableError, match="roomlog migrate"):
            await PostgresReadModel(pool).checkpoint(0)


async def test_the_tables_say_how_far_they_have_a_room(
    database: str, log: MemoryLog, reads: PostgresReadModel
):
    async def heads() -> tuple[int, int]:
        return await reads.room_head(ROOM, log.epoch), await reads.room_head(OTHER, log.epoch)

    assert await heads() == (8, 2)
    for kind, body in (
        ("reaction.added", {"emoji": "👍"}),
        ("reaction.added", {"emoji": "👍"}),  # has no effect
        ("message.edited", {"content": "else"}),
        ("message.deleted", {}),
    ):
        at = about(log, 60 + len(log.events[0]), kind, 10, **body)
        await project(log, database)
        assert await heads() == (at, 2)
    member = fact_bytes(OTHER, an_id(1, 2), "member.added", BOB, user_id=ADA, role="observer")
    changed = log.put(OTHER, member)
    dead = log.put(ROOM, b"not an event")
    await project(log, database)
    assert await heads() == (dead, changed)
    assert await reads.room_head(ROOM, "another epoch") == 0
    for nowhere in (an_id(9, 9), "x"):
        assert await reads.room_head(nowhere, log.epoch) == 0
