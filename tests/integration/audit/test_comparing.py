"""The log is held to checkpoints of before: what is left must be what it was, and all of it."""

from base64 import b64decode

import pytest

from roomlog.audit.comparing import compare
from roomlog.core.merkle import tree_root
from roomlog.core.room_tree import (
    RoomHead,
    heads_hashes,
    heads_in_order,
    heads_origin,
    parse_origin,
    room_origin,
)
from roomlog.core.tree_head import TreeHead
from roomlog.services.identity import SystemClock
from roomlog.services.trail import SERVERS, Trail
from roomlog.services.trail_log import TrailLog
from roomlog_contract.trail import TRAIL_ID, RecordKind
from tests.core import naive_tree
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.memory_trail import MemoryTrail

NAME = "example.org/log"


@pytest.fixture
def log() -> HoledLog:
    talked = HoledLog()
    for number in range(90):
        talked.say(ROOMS[number % 3], f"message {number}")
    return talked


def of_room(log: HoledLog, size: int, room: str = ROOMS[0]) -> TreeHead:
    """The room's checkpoint when it had that many leaves, by definition."""
    root = naive_tree.root(log.leaves(room)[:size])
    return TreeHead(room_origin(NAME, log.epoch, room), size, root)


def of_all(log: HoledLog) -> TreeHead:
    heads = [RoomHead(room, len(log.appended[room]), log.root(room)) for room in log.appended]
    root = tree_root(heads_hashes(heads_in_order(heads)))
    return TreeHead(heads_origin(NAME, log.epoch, log.ends), len(heads), root)


async def detail(log: HoledLog, kept: TreeHead, trail: MemoryTrail | None = None) -> str | None:
    source = TrailLog(log, trail or MemoryTrail())  # type: ignore[arg-type]
    done: list[float] = []
    told = await compare(
        log,  # type: ignore[arg-type]
        source,
        kept,
        parse_origin(kept.origin),
        lambda at, total: done.append(at / max(total, 1)),
    )
    assert (told.origin, told.size) == (kept.origin, kept.size)
    assert done == sorted(done)
    if told.detail is None:
        assert done
        assert 0 < done[0] <= done[-1] <= 1
    return told.detail


async def test_a_log_that_went_on_holds_to_every_checkpoint_of_before(log: HoledLog):
    kept = [of_room(log, size) for size in (1, 2, 17, 30)] + [of_all(log)]
    for number in range(20):
        log.say(ROOMS[number % 4], f"later {number}")
    log.epoch = "epoch 2"  # restored since: what is left of the old log is held to it all the same
    for one in kept:
        assert await detail(log, one) is None


async def test_an_explained_hole_is_no_difference_and_any_other_is(log: HoledLog):
    room, whole = of_room(log, 30), of_all(log)
    sequence, _ = log.appended[ROOMS[0]][4]
    log.explain(ROOMS[0], sequence)
    for one in (room, whole):
        assert await detail(log, one) is None
    log.erase(ROOMS[0], sequence)
    for one in (room, whole):
        assert await detail(log, one) is None

    other, _ = log.appended[ROOMS[0]][9]
    log.erase(ROOMS[0], other)
    assert await detail(log, of_room(log, 5)) is None
    for one in (room, whole):
        assert "not what" in str(await detail(log, one))


async def test_what_was_changed_is_told_of_whoever_changed_the_tables_with_it(log: HoledLog):
    room, earlier, whole = of_room(log, 30), of_room(log, 9), of_all(log)
    sequence, data = log.appended[ROOMS[0]][9]
    log.change(ROOMS[0], sequence, data.replace(b"ada@example.org", b"eve@example.org", 1))
    assert await detail(log, earlier) is None
    for one in (room, whole):
        assert "not what" in str(await detail(log, one))


async def test_an_end_that_was_cut_off_and_a_room_that_is_gone_are_told_of(log: HoledLog):
    room, other, whole = of_room(log, 30), of_room(log, 30, ROOMS[2]), of_all(log)
    log.erase(ROOMS[0], log.appended[ROOMS[0]][-1][0])
    assert await detail(log, room) == "there are 29 where there were 30"
    for sequence, _ in log.appended[ROOMS[2]]:
        log.erase(ROOMS[2], sequence)
    assert await detail(log, other) == "there are 0 where there were 30"
    assert await detail(log, whole) == "there are 2 where there were 3"
    log.ends[0] -= 1
    assert await detail(log, whole) == "the log ends at 89 and went on to 90"


async def test_a_log_that_was_restored_from_before_and_went_on_otherwise_is_told_of():
    """A backup is put back, people talk on, and there are as many events as before."""
    first, second = HoledLog(), HoledLog(epoch="epoch 2")
    for log, words in ((first, "said"), (second, "made up")):
        for number in range(20):
            log.say(ROOMS[0], f"message {number}")
        for number in range(10):
            log.say(ROOMS[0], f"{words} {number}")
    assert await detail(second, of_room(first, 20)) is None
    for one in (of_room(first, 21), of_room(first, 30), of_all(first)):
        assert "not what" in str(await detail(second, one))


async def test_the_audit_trail_is_held_to_its_checkpoint_too(log: HoledLog):
    stored = MemoryTrail()
    trail = Trail(stored, SystemClock(), span_s=0)
    for room in ROOMS:
        await trail.record(RecordKind.EXPORTED, SERVERS, room_id=room)
    leaves = [
        event.sequence.to_bytes(8, "big") + event.data
        async for batch in TrailLog(log, stored).read(TRAIL_ID, after=0)  # type: ignore[arg-type]
        for event in batch
    ]
    origin = room_origin(NAME, log.epoch, TRAIL_ID)
    for size in (1, 3, len(leaves)):
        kept = TreeHead(origin, size, naive_tree.root(leaves[:size]))
        assert await detail(log, kept, stored) is None
    kept = TreeHead(origin, len(leaves) + 1, b64decode("A" * 43 + "="))
    assert (
        await detail(log, kept, stored) == f"there are {len(leaves)} where there were {kept.size}"
    )


async def test_another_number_of_partitions_cannot_be_compared(log: HoledLog):
    kept = TreeHead(heads_origin(NAME, log.epoch, [3, 4]), 3, bytes(32))
    assert await detail(log, kept) == "the log has 1 partitions and had 2"
