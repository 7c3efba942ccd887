"""The keepers as they run: through outages, beside each other, and where the log was changed."""

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest

from roomlog.audit import tree_runner
from roomlog.audit.check import check_trail
from roomlog.audit.tree_runner import keep_trees
from roomlog.core.merkle import leaf_hash, tree_root, verify_inclusion
from roomlog.core.signed_note import SigningKey
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.postgres.tree_tables import PostgresTrees
from roomlog.services import claimed_work
from roomlog.services.audit_keys import KeyRing
from roomlog.services.identity import SystemClock
from roomlog.services.proof_service import ProofService
from roomlog.services.trail import SERVERS, Trail
from roomlog.services.trail_log import TrailLog
from roomlog_contract.trail import TRAIL_ID, RecordKind
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import keep, roots, rows
from tests.integration.memory_trail import MemoryTrail
from tests.integration.projector.memory_log import MemorySignals

DEADLINE_S = 60


@asynccontextmanager
async def running(
    log: HoledLog,
    database: str,
    beside: Callable[[], Awaitable[None]] | None = None,
    trail: MemoryTrail | None = None,
) -> AsyncGenerator["asyncio.Task[None]"]:
    trail = trail or MemoryTrail(log.epoch)
    task = asyncio.create_task(
        keep_trees(
            log,  # type: ignore[arg-type]
            MemorySignals(),  # type: ignore[arg-type]
            PostgresTrees(database),
            trail=TrailLog(log, trail),  # type: ignore[arg-type]
            tell=Trail(trail, SystemClock(), span_s=600).failure,
            check_every_s=0.05,
            beside=beside,  # type: ignore[arg-type]
        )
    )
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(found: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await found():
            await asyncio.sleep(0.05)


def grown(log: HoledLog, database: str) -> Callable[[], Awaitable[object]]:
    async def are() -> bool:
        kept = await roots(database)
        kept.pop(TRAIL_ID, None)  # the trail's own tree grows beside the rooms'
        return kept == {room: (len(log.appended[room]), log.root(room)) for room in log.appended}

    return are


async def test_trees_follow_the_log_through_outages_of_log_and_database(
    database: str, caplog: pytest.LogCaptureFixture
):
    log = HoledLog(partitions=2)
    for number in range(20):
        log.say(ROOMS[number % 5], f"message {number}")
    log.away = True
    async with running(log, database) as task:

        async def waited() -> bool:
            return any("the log is away" in record.getMessage() for record in caplog.records)

        await until(waited)
        log.away = False
        await until(grown(log, database))

        connection = await asyncpg.connect(database)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        for number in range(20):
            log.say(ROOMS[number % 5], f"later {number}")
        await until(grown(log, database))
        assert not task.done()


async def test_of_two_that_run_one_works_and_the_other_takes_over(database: str):
    log, ran = HoledLog(), list[str]()

    def noting(name: str) -> Callable[[], Awaitable[None]]:
        async def beside() -> None:
            ran.append(name)
            await asyncio.Event().wait()

        return beside

    async with running(log, database, noting("first")) as first:
        await until(lambda: _are(ran, ["first"]))
        async with running(log, database, noting("second")):
            log.say(ROOMS[0], "one")
            await until(grown(log, database))
            assert ran == ["first"]
            first.cancel()
            await until(lambda: _are(ran, ["first", "second"]))
            log.say(ROOMS[0], "two")
            await until(grown(log, database))


async def test_what_runs_beside_begins_anew_whatever_ended_it(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tree_runner, "BESIDE_RETRY_S", 0.01)
    ran: list[str] = []

    async def beside() -> None:
        ran.append("began")
        if len(ran) < 3:
            raise RuntimeError("a defect")
        await asyncio.Event().wait()

    log = HoledLog()
    async with running(log, database, beside) as task:
        await until(lambda: _are(ran, ["began"] * 3))
        log.say(ROOMS[0], "one")
        await until(grown(log, database))
        assert not task.done()


async def _are(ran: list[str], expected: list[str]) -> bool:
    return ran == expected


async def test_a_log_that_was_changed_halts_the_trees_where_status_shows_it_and_no_more(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tree_runner, "HALTED_RETRY_S", 0.05)
    log = HoledLog()
    last = [log.say(ROOMS[0], f"message {number}") for number in range(5)][-1]
    await keep(log, database)
    data = log.appended[ROOMS[0]][-1][1]
    log.change(ROOMS[0], last, data.replace(b"ada@example.org", b"bob@example.org"))

    async def halted() -> object:
        found = await rows(database, "tree_checkpoint")
        return next((row["halted"] for row in found if not row["partition"]), None)

    trail = MemoryTrail()
    async with running(log, database, trail=trail) as task:
        await until(halted)
        await until(lambda: _are(trail.of("roomlog"), ["verification.failed"]))
        assert "the log was changed" in str(await halted())
        told = [r for r in caplog.records if "the trees do not grow" in r.getMessage()]
        assert len(told) == 1
        assert [(one.kind, one.detail) for one in trail.records] == [
            ("verification.failed", f"the trees do not grow: {await halted()}")
        ]
        assert not task.done()

        # The backup is back.
        log.change(ROOMS[0], last, data)
        log.say(ROOMS[0], "on we go")
        await until(grown(log, database))
        assert await halted() is None


async def test_a_log_that_turns_out_to_be_another_has_its_trees_made_anew(database: str):
    log = HoledLog()
    log.say(ROOMS[0], "one")
    async with running(log, database):
        await until(grown(log, database))
        log.events, log.ends, log.appended = [[]], [0], {}
        log.say(ROOMS[1], "another")
        log.reset("epoch 2")
        await until(grown(log, database))


async def test_what_nobody_foresaw_does_not_end_it(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claimed_work, "_BACKOFF_S", (0.01, 0.05))
    log = HoledLog()
    log.say(ROOMS[0], "one")
    asked = log.partition_state
    failing = 2

    async def fails_twice(partition: int) -> object:
        nonlocal failing
        failing -= 1
        if failing >= 0:
            raise ZeroDivisionError
        return await asked(partition)

    monkeypatch.setattr(log, "partition_state", fails_twice)
    async with running(log, database):
        await until(grown(log, database))
    assert sum("stopped" in record.getMessage() for record in caplog.records) == 2


async def test_the_audit_trail_has_a_tree_of_its_own_which_no_rooms_checkpoint_holds(
    database: str,
):
    log, stored = HoledLog(), MemoryTrail()
    log.say(ROOMS[0], "one")
    trail = Trail(stored, SystemClock(), span_s=600)
    for number in range(5):
        await trail.record(RecordKind.EXPORTED, SERVERS, detail=f"{number}")
    leaves = [leaf_hash(one.sequence.to_bytes(8, "big") + one.data) for one in stored.stored]

    async def kept() -> bool:
        return (await roots(database)).get(TRAIL_ID) == (5, tree_root(leaves))

    async with running(log, database, trail=stored), open_pool(database, size=2) as pool:
        await until(kept)
        reader = PostgresTreeReader(pool)
        source = TrailLog(log, stored)  # type: ignore[arg-type]
        keys = KeyRing(SigningKey("example.org/log", b"\x07" * 32))
        proofs = ProofService(log=source, trees=reader, keys=keys)

        head = await proofs.room_checkpoint(TRAIL_ID)
        assert head.origin == "example.org/log/epoch 1/trail"
        for sequence in range(1, 6):
            proof = await proofs.inclusion(TRAIL_ID, sequence)
            hashes = [b64decode(one) for one in proof.hashes]
            root = b64decode(head.root)
            assert verify_inclusion(leaves[sequence - 1], proof.index, 5, hashes, root)
        heads = await reader.heads(None)
        assert heads is not None
        assert [one.room_id for one in heads.heads] == [ROOMS[0]]
        assert len(heads.sequences) == 1

        assert await check_trail(source, reader) is None
        changed = stored.stored[2]
        data = changed.data.replace(b'"2"', b'"x"')
        stored.stored[2] = msgspec.structs.replace(changed, data=data)
        wrong = await check_trail(source, reader)
        assert wrong is not None
        assert (wrong.room_id, wrong.sequence) == (TRAIL_ID, 3)
        stored.stored[2] = changed
        del stored.stored[1]
        wrong = await check_trail(source, reader)
        assert wrong is not None
        assert (wrong.sequence, "gone" in wrong.detail) == (2, True)


async def test_a_trail_that_was_cut_off_or_begun_again_is_told_of_in_what_is_left_of_it(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tree_runner, "HALTED_RETRY_S", 0.05)
    log, stored = HoledLog(), MemoryTrail()
    for number in range(3):
        await Trail(stored, SystemClock(), span_s=600).record(
            RecordKind.EXPORTED, SERVERS, detail=f"{number}"
        )

    async def grown() -> bool:
        return (await roots(database)).get(TRAIL_ID, (0,))[0] == 3

    async with running(log, database, trail=stored):
        await until(grown)
        stored.stored.clear()
        # Where it looked whether all is there before it looked for more, it tells of that, too.
        await until(lambda: _told_of(stored, "the log has lost events"))
        assert {one.kind for one in stored.records} == {RecordKind.VERIFICATION_FAILED}
        assert (await roots(database))[TRAIL_ID][0] == 3


async def _told_of(trail: MemoryTrail, what: str) -> bool:
    return any(what in str(record.detail) for record in trail.records)
