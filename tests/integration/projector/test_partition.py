"""One partition projected into real tables: laws, poison, kills, fences, another log."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from roomlog.ports import DatabaseUnavailableError
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog.postgres.tables import PostgresTables
from roomlog.projection_ports import FenceLostError, TablesMissingError
from roomlog.projector.partition import PartitionProjector, ProjectorHaltedError
from roomlog.projector.rebuild import rebuild
from roomlog.projector.verify import verify
from tests.integration.audit.holed_log import envelope_of
from tests.integration.projector.driving import contents, empty, project, run
from tests.integration.projector.memory_log import MemoryLog, fact_bytes, log_of
from tests.projections.event_streams import ROOMS, an_id, steps
from tests.within import within

FEW = settings(
    max_examples=15,
    deadline=None,
    # Shrinking would take minutes; the pure laws shrink the same streams in seconds.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ROOM = ROOMS[0]


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def opened(**settings_: int) -> MemoryLog:
    """A log with a room and a message."""
    log = MemoryLog(**settings_)
    log.put(ROOM, fact_bytes(ROOM, an_id(0, 1), "room.created", name="payments"))
    log.put(ROOM, said(2, "checkout is slow"))
    return log


def said(n: int, text: str) -> bytes:
    return fact_bytes(ROOM, an_id(0, n), "message.sent", content=text, message_type="text")


async def shown(database: str) -> list[str]:
    rows = await run(database, "SELECT content FROM roomlog.messages ORDER BY sequence_number")
    return [row["content"] for row in rows]


@FEW
@given(taken=steps(), size=st.integers(1, 9))
async def test_batches_of_any_size_and_a_rebuild_give_the_same_tables(database, taken, size):
    log = log_of(taken)
    await empty(database)
    await project(log, database, batch_events_max=1000)
    whole = await contents(database)
    await empty(database)
    await project(log, database, batch_events_max=size)
    assert await contents(database) == whole
    assert await verify(log, PostgresTables(database), silent) == []
    rebuilt = await rebuild(log, PostgresTables(database), silent)
    assert rebuilt.repaired == []
    assert await contents(database) == whole


class KilledError(Exception):
    """The projector dies here."""


class MortalTables:
    """Tables whose projector dies at its nth step."""

    def __init__(self, inner, lives: int) -> None:
        self._inner = inner
        self._lives = lives

    def _step(self) -> None:
        self._lives -= 1
        if self._lives < 0:
            raise KilledError

    def __getattr__(self, name):
        return getattr(self._inner, name)

    @asynccontextmanager
    async def batch(self, *arguments):
        self._step()
        async with self._inner.batch(*arguments) as batch:
            self._step()
            yield MortalBatch(batch, self._step)
            self._step()
        self._step()


class MortalBatch:
    def __init__(self, inner, step) -> None:
        self._inner = inner
        self._step = step

    async def load(self, wanted):
        touched = await self._inner.load(wanted)
        self._step()
        return touched

    async def write(self, changes, dead) -> None:
        half = len(changes) // 2
        await self._inner.write(changes[:half], [])
        self._step()
        await self._inner.write(changes[half:], dead)
        self._step()


@settings(FEW, max_examples=5)
@given(taken=steps())
async def test_a_projector_killed_between_any_two_steps_is_taken_up_without_a_trace(
    database, taken
):
    log = log_of(taken)
    await empty(database)
    await project(log, database)
    whole = await contents(database)
    await empty(database)
    for lives in range(10_000):
        claimed = await PostgresTables(database).claim(0)
        projector = PartitionProjector(log, MortalTables(claimed, lives % 23), batch_events_max=3)
        try:
            await projector.begin()
            await projector.catch_up()
            break
        except KilledError:
            pass
        finally:
            await claimed.close()
    assert await contents(database) == whole


@pytest.mark.parametrize("partitions", [1, 4])
async def test_partitions_are_projected_each_with_a_checkpoint_of_its_own(
    database: str, partitions: int
):
    log = MemoryLog(partitions=partitions)
    for n, room_id in enumerate(ROOMS):
        log.put(room_id, fact_bytes(room_id, an_id(n, 1), "room.created", name=f"room {n}"))
        for k in range(2, 7):
            log.put(
                room_id,
                fact_bytes(room_id, an_id(n, k), "message.sent", content="x", message_type="text"),
            )
            log.put(
                room_id,
                fact_bytes(
                    room_id, an_id(n, 10 * k), "reaction.added", emoji="👍", about=an_id(n, k)
                ),
            )
    await project(log, database)
    rows = await run(
        database, "SELECT partition, sequence FROM roomlog.projection_checkpoint ORDER BY 1"
    )
    heads = [events[-1].sequence if events else 0 for events in log.events]
    assert [tuple(row) for row in rows] == list(enumerate(heads))
    assert len(await shown(database)) == 15
    (reactions,) = await run(database, "SELECT count(*) FROM roomlog.message_reactions")
    assert reactions["count"] == 15
    assert await verify(log, PostgresTables(database), silent) == []


async def test_bytes_that_are_no_event_are_set_aside_and_the_rest_goes_on(database: str):
    log = opened()
    log.put(ROOM, b"no event")
    log.put(ROOM, said(3, "it was the cache"))
    log.put(ROOM, fact_bytes(ROOMS[1], an_id(0, 4), "message.deleted", about=an_id(0, 3)))
    log.put(ROOM, fact_bytes(ROOM, "NOT-A-UUID", "message.deleted", about=an_id(0, 3)))
    log.put(ROOM, said(5, "fixed"))
    await project(log, database)
    assert await shown(database) == ["checkout is slow", "it was the cache", "fixed"]
    rows = await run(database, "SELECT sequence, error, data FROM roomlog.dead_events ORDER BY 1")
    assert [(row["sequence"], row["data"]) for row in rows] == [
        (event.sequence, event.data) for event in log.events[0] if event.sequence in {3, 5, 6}
    ]
    async with open_pool(database, size=1) as pool:
        checkpoint = await PostgresReadModel(pool).checkpoint(0)
        assert checkpoint is not None
        assert (checkpoint.sequence, checkpoint.dead) == (7, 3)
        record = await PostgresReadModel(pool).find_event(an_id(0, 4))
        assert record is not None
        assert (record.outcome, record.sequence) == ("dead", 5)
    assert await verify(log, PostgresTables(database), silent) == []


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_what_postgresql_refuses_is_found_in_its_batch_and_set_aside(
    database: str, size: int
):
    log = opened()
    for n in range(3, 30):
        log.put(ROOM, said(n, "a NUL: \x00" if n in {7, 8, 21} else f"message {n}"))
    log.put(
        ROOM,
        fact_bytes(
            ROOM, an_id(0, 90), "message.edited", content="of a dead one", about=an_id(0, 7)
        ),
    )
    await project(log, database, batch_events_max=size)
    assert len(await shown(database)) == 25
    rows = await run(database, "SELECT sequence FROM roomlog.dead_events ORDER BY 1")
    assert [row["sequence"] for row in rows] == [7, 8, 21]
    # As if they had never been: what is about one of them is about nothing.
    (row,) = await run(
        database, "SELECT outcome FROM roomlog.processed_events WHERE event_id = $1", an_id(0, 90)
    )
    assert row["outcome"] == "unknown_message"
    assert await verify(log, PostgresTables(database), silent) == []


async def test_an_id_of_another_rooms_event_is_set_aside(database: str):
    log = opened()
    other = ROOMS[1]
    log.put(other, fact_bytes(other, an_id(1, 1), "room.created", name="other"))
    log.put(
        other,
        fact_bytes(other, an_id(0, 2), "message.sent", content="theft", message_type="text"),
    )
    await project(log, database)
    assert await shown(database) == ["checkout is slow"]
    rows = await run(database, "SELECT sequence, error FROM roomlog.dead_events")
    assert [row["sequence"] for row in rows] == [4]
    assert "another room" in rows[0]["error"]


async def test_a_text_too_long_for_search_is_stored_all_the_same(database: str):
    log = opened()
    long = " ".join(f"{n:x}é" for n in range(150_000))
    log.put(ROOM, said(3, long))
    await project(log, database)
    assert (await shown(database))[1] == long


async def test_only_one_projector_holds_a_partition_and_the_next_takes_over(database: str):
    tables = PostgresTables(database)
    first = await tables.claim(0)
    second = asyncio.create_task(tables.claim(0))
    done, _ = await asyncio.wait([second], timeout=1.2)
    assert not done
    await first.close()
    taken = await within(second, 30)
    await taken.close()


async def test_a_projector_whose_checkpoint_was_moved_by_another_writes_nothing(database: str):
    log = opened()
    claimed = await PostgresTables(database).claim(0)
    projector = PartitionProjector(log, claimed, batch_events_max=100)
    await projector.begin()
    await run(database, "UPDATE roomlog.projection_checkpoint SET sequence = 1")
    with pytest.raises(FenceLostError):
        await projector.catch_up()
    assert await shown(database) == []
    await claimed.close()


async def test_after_a_rebuild_the_projector_is_fenced_off_and_goes_on_from_the_new_tables(
    database: str,
):
    log = opened()
    claimed = await PostgresTables(database).claim(0)
    projector = PartitionProjector(log, claimed, batch_events_max=100)
    await projector.begin()
    await projector.catch_up()
    await rebuild(log, PostgresTables(database), silent)
    log.put(ROOM, said(3, "it was the cache"))
    with pytest.raises(FenceLostError):
        await projector.catch_up()
    await projector.begin()
    await projector.catch_up()
    assert await shown(database) == ["checkout is slow", "it was the cache"]
    await claimed.close()


async def test_a_log_that_lost_events_stops_the_projector(database: str):
    log = opened()
    await project(log, database)
    log.events[0].pop()
    with pytest.raises(ProjectorHaltedError, match=r"ends at sequence 1.*have seen sequence 2"):
        await project(log, database)


async def test_a_log_written_anew_stops_the_projector(database: str):
    log = opened()
    await project(log, database)
    log.events[0].pop()
    log.put(ROOM, said(9, "something else"))
    log.put(ROOM, said(10, "and more"))
    with pytest.raises(ProjectorHaltedError, match=f"{an_id(0, 9)}.*{an_id(0, 2)}"):
        await project(log, database)
    assert await shown(database) == ["checkout is slow"]


async def test_another_log_stops_the_projector_and_a_rebuild_takes_it_on(database: str):
    await project(opened(), database)
    other = MemoryLog(epoch="epoch 2")
    with pytest.raises(ProjectorHaltedError, match=r"epoch 1.*epoch 2.*rebuild"):
        await project(other, database)
    other.put(ROOM, fact_bytes(ROOM, an_id(0, 1), "room.created", name="payments"))
    other.put(ROOM, said(7, "begun again"))
    await rebuild(other, PostgresTables(database), silent)
    assert await shown(database) == ["begun again"]
    await project(other, database)


async def test_an_erased_event_at_the_checkpoint_stops_nothing(database: str):
    log = opened()
    await project(log, database)
    erased = log.events[0].pop()
    redaction = fact_bytes(
        *(ROOM, an_id(0, 3), "message.redacted"),
        about=an_id(0, 2),
        redacted_sequence=2,
        redacted_envelope=envelope_of(erased.data).decode(),
        reason=None,
    )
    for sequence, data in ((3, redaction), (4, said(4, "later"))):
        log.events[0].append(erased.__class__(sequence, 0, ROOM, data, 10**18))
    await project(log, database)
    assert await shown(database) == ["", "later"]


async def test_an_event_at_the_checkpoint_that_is_gone_stops_the_projector(database: str):
    log = opened()
    await project(log, database)
    gone = log.events[0].pop()
    log.events[0].append(gone.__class__(3, 0, ROOM, said(4, "later"), 10**18))
    with pytest.raises(ProjectorHaltedError, match=f"no event.*{an_id(0, 2)}"):
        await project(log, database)


async def test_a_database_without_tables_says_what_to_run(empty_database: str):
    with pytest.raises(TablesMissingError, match="roomlog migrate"):
        await PostgresTables(empty_database).claim(0)


async def test_no_database_is_said_as_such():
    with pytest.raises(DatabaseUnavailableError):
        await PostgresTables("postgresql://nobody@127.0.0.1:1/none").claim(0)
