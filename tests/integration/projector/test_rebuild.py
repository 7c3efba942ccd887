"""Rebuild and verify beside a service that goes on."""

import asyncio

import asyncpg
import pytest

from roomlog.ports import MessageQuery
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.postgres.migrate import UnknownRevisionError
from roomlog.postgres.schema import table_shapes
from roomlog.postgres.tables import PostgresTables
from roomlog.projection_ports import BusyError, TablesMissingError
from roomlog.projector import rebuild, verify
from tests.integration.projector.driving import contents, project, run
from tests.integration.projector.memory_log import MemoryLog, fact_bytes
from tests.integration.projector.test_runner import reached, running, until
from tests.projections.event_streams import ROOMS, an_id

ROOM = ROOMS[0]
REBUILDS = 5


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def a_full_log() -> MemoryLog:
    """A log that puts at least one row into every table."""
    log = MemoryLog()
    other = {"user_id": "bob@example.org", "role": "responder"}
    bob = "bob@example.org"

    def put(n: int, kind: str, actor: str = "ada@example.org", **body: object) -> None:
        log.put(ROOM, fact_bytes(ROOM, an_id(0, n), kind, actor, **body))

    put(1, "room.created", name="payments")
    put(2, "member.added", **other)
    for n in range(10, 40):
        put(n, "message.sent", content=f"message {n}", message_type="text")
    put(3, "message.edited", content="better", about=an_id(0, 10))
    put(4, "message.deleted", about=an_id(0, 11))
    put(5, "reaction.added", bob, emoji="👍", about=an_id(0, 12))
    put(6, "reaction.added", bob, emoji="🎉", about=an_id(0, 12))
    put(7, "reaction.removed", bob, emoji="🎉", about=an_id(0, 12))
    log.put(ROOM, b"no event")
    return log


async def test_a_verification_finds_nothing_wrong_with_tables_that_are_right(database: str):
    log = a_full_log()
    await project(log, database)
    found = await contents(database)
    assert all(found.values()), "every table has rows"
    assert await verify(log, PostgresTables(database), silent) == []
    assert await contents(database) == found


@pytest.mark.parametrize(
    ("statement", "table", "missing", "surplus", "words"),
    [
        ("UPDATE messages SET content = 'never said' WHERE sequence_number = 5", "messages", 1, 1,
         'content is "never said", should be "message 12"'),
        ("DELETE FROM message_reactions", "message_reactions", 1, 0, "the row is missing"),
        ("INSERT INTO processed_events VALUES (gen_random_uuid(), gen_random_uuid(), 9, 'applied')",
         "processed_events", 0, 1, "a row that the log does not explain"),
        ("UPDATE message_edit_history SET reason = 'x' WHERE change = 'edit'",
         "message_edit_history", 1, 1, "reason is"),
        ("UPDATE room_members SET role = 'observer' WHERE user_id = 'bob@example.org'",
         "room_members", 1, 1, 'role is "observer", should be "responder"'),
        ("DELETE FROM message_reaction_spans", "message_reaction_spans", 1, 0, "missing"),
        ("UPDATE incident_rooms SET title = 'x'", "incident_rooms", 1, 1, "should be null"),
        ("UPDATE message_counts SET messages = 7 WHERE sender_id = ''", "message_counts", 1, 1,
         "messages is 7, should be 29"),
        ("DELETE FROM dead_events", "dead_events", 1, 0, "missing"),
        ("UPDATE projection_checkpoint SET dead = 7", "projection_checkpoint", 1, 1, "dead is 7"),
    ],
    ids=lambda value: value if isinstance(value, str) and value in table_shapes() else "",
)  # fmt: skip
async def test_a_row_that_is_not_what_the_log_says_is_found_and_a_rebuild_repairs_it(
    database: str, statement: str, table: str, missing: int, surplus: int, words: str
):
    log = a_full_log()
    await project(log, database)
    right = await contents(database)
    await run(database, statement.replace(table, f"roomlog.{table}", 1))

    (difference,) = await verify(log, PostgresTables(database), silent)
    assert (difference.table, difference.missing, difference.surplus) == (table, missing, surplus)
    assert words in difference.examples[0]

    repaired = (await rebuild(log, PostgresTables(database), silent)).repaired
    assert repaired == [difference]
    assert await contents(database) == right
    assert await verify(log, PostgresTables(database), silent) == []


async def test_tables_that_are_behind_the_log_are_verified_where_they_stand(database: str):
    log = a_full_log()
    await project(log, database)
    log.put(ROOM, fact_bytes(ROOM, an_id(0, 99), "message.sent", content="x", message_type="text"))
    assert await verify(log, PostgresTables(database), silent) == []
    # A rebuild goes on to the log's end: what it replaces can't be compared.
    assert (await rebuild(log, PostgresTables(database), silent)).repaired is None
    assert await verify(log, PostgresTables(database), silent) == []


async def test_rebuilds_under_load_lose_nothing_and_reads_see_no_mix(database: str):
    log = a_full_log()
    stopped = asyncio.Event()
    sent: list[int] = []
    read = 0

    async def load() -> None:
        n = 100
        while not stopped.is_set():
            data = fact_bytes(
                ROOM, an_id(0, n), "message.sent", content=f"{n}", message_type="text"
            )
            sent.append(log.put(ROOM, data))
            n += 1
            await asyncio.sleep(0.002)

    async def reader(reads: PostgresReadModel) -> None:
        nonlocal read
        newest = 0
        while not stopped.is_set():
            checkpoint = await reads.checkpoint(0)
            page = (await reads.messages(MessageQuery(ROOM, 5))).items
            assert checkpoint is not None
            assert checkpoint.sequence >= newest, "the tables never go back"
            assert page[0].sequence_number >= newest
            newest = page[0].sequence_number
            read += 1

    async with running(database, log), open_pool(database, size=4) as pool:
        await until(lambda: reached(database, 30))
        reads = PostgresReadModel(pool)
        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            for _ in range(2):
                group.create_task(reader(reads))
            for _ in range(REBUILDS):
                before = read
                done = await rebuild(log, PostgresTables(database), silent)
                assert not done.repaired, "there is nothing to be repaired"
                async with asyncio.timeout(60):
                    while read < before + 5:
                        await asyncio.sleep(0.01)
            stopped.set()
        await until(lambda: reached(database, sent[-1]))
        assert await verify(log, PostgresTables(database), silent) == []
    (row,) = await run(
        database, "SELECT count(*) FROM roomlog.messages WHERE sequence_number = ANY($1)", sent
    )
    assert row["count"] == len(sent)


async def test_what_a_crashed_rebuild_left_is_removed_by_the_next(database: str):
    log = a_full_log()
    await project(log, database)
    await run(database, "CREATE SCHEMA roomlog_rebuild")
    await run(database, "CREATE TABLE roomlog_rebuild.messages (junk text)")
    await run(database, "CREATE SCHEMA roomlog_replaced")
    await rebuild(log, PostgresTables(database), silent)
    rows = await run(database, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'roomlog%'")
    assert {row["nspname"] for row in rows} == {"roomlog", "roomlog_audit"}


async def test_a_rebuild_that_fails_leaves_the_tables_as_they_were(database: str):
    log = a_full_log()
    await project(log, database)
    found = await contents(database)

    def fail(done: int, total: int) -> None:
        raise RuntimeError(f"at {done} of {total}")

    with pytest.raises(RuntimeError):
        await rebuild(log, PostgresTables(database), fail)
    assert await contents(database) == found
    await rebuild(log, PostgresTables(database), silent)
    assert await contents(database) == found


async def test_only_one_rebuild_or_verification_works_at_a_time(database: str):
    tables = PostgresTables(database)
    shadow = await tables.shadow("rebuild", durable=True)
    with pytest.raises(BusyError):
        await verify(a_full_log(), tables, silent)
    await shadow.drop()
    await project(a_full_log(), database)
    assert await verify(a_full_log(), tables, silent) == []


async def test_a_long_read_delays_the_swap_and_is_not_hurt(database: str):
    log = a_full_log()
    await project(log, database)
    async with asyncio.timeout(60):
        reading = asyncio.create_task(
            run(database, "SELECT count(*), pg_sleep(1.5) FROM roomlog.messages")
        )

        async def begun() -> bool:
            sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            return bool(await run(database, sleeping))

        await until(begun)
        await rebuild(log, PostgresTables(database), silent)
        assert reading.done()
        assert (await reading)[0]["count"] == len((await contents(database))["messages"])


async def test_without_tables_a_rebuild_says_what_to_run(empty_database: str):
    with pytest.raises(TablesMissingError, match="roomlog migrate"):
        await rebuild(a_full_log(), PostgresTables(empty_database), silent)


async def test_nothing_is_made_anew_beside_tables_of_another_revision(database: str):
    """A migration could not make what would be swapped in."""
    log, tables = a_full_log(), PostgresTables(database)
    await project(log, database)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("UPDATE public.alembic_version SET version_num = '0001'")
        with pytest.raises(TablesMissingError, match="at revision 0001, and"):
            await rebuild(log, tables, silent)
        await connection.execute("UPDATE public.alembic_version SET version_num = 'newer'")
        with pytest.raises(UnknownRevisionError, match="install the newer one"):
            await rebuild(log, tables, silent)
    finally:
        await connection.close()
