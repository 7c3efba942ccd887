"""What is unread is counted exactly, however it lies to the blocks that are counted as a whole."""

import runpy
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from projections.message_counts import BLOCK_SEQUENCES
from roomlog.data_files import data_file
from roomlog.ports import LogEvent
from roomlog.postgres import PostgresReadModel, open_pool
from roomlog_contract.types import MessageType
from tests.integration.projector.driving import contents, project, run
from tests.integration.projector.memory_log import MemoryLog, fact_bytes
from tests.projections.event_streams import ROOMS, an_id

ADA, BOB, CEM = "ada@example.org", "bob@example.org", "cem@example.org"
START = (0, "00000000-0000-0000-0000-000000000000")
BLOCKS = 3

# Round the edges of blocks, and within them.
PLACES = sorted(
    place
    for block in range(BLOCKS)
    for step in (0, 1, 2, BLOCK_SEQUENCES // 2, BLOCK_SEQUENCES - 1)
    if (place := block * BLOCK_SEQUENCES + step) > 3
)


class _Said:
    """One message, as a test counts it."""

    def __init__(self, sequence: int, room_id: str, sender: str, *, counted: bool) -> None:
        self.sequence = sequence
        self.room_id = room_id
        self.sender = sender
        self.counted = counted


@pytest.fixture
async def said(database: str) -> list[_Said]:
    """Messages of two rooms, with holes between them; some are deleted, some say nothing."""
    log, said = MemoryLog(), list[_Said]()
    for room, room_id in enumerate(ROOMS[:2]):
        log.put(room_id, fact_bytes(room_id, an_id(room, 1), "room.created", ADA, name="r"))
    for number, sequence in enumerate(PLACES):
        room = number % 2
        sender = (ADA, BOB, CEM)[number % 3]
        kind = MessageType.SYSTEM if number % 7 == 0 else MessageType.TEXT
        metadata: Mapping[str, Any] = {"event": "notice"} if kind is MessageType.SYSTEM else {}
        _put(
            log,
            sequence,
            ROOMS[room],
            *(an_id(room, 10 + number), "message.sent", sender),
            content="x",
            message_type=kind,
            metadata=metadata,
        )
        said.append(
            _Said(
                sequence, ROOMS[room], sender, counted=kind is MessageType.TEXT and number % 5 > 0
            )
        )
    for number in range(0, len(PLACES), 5):
        room = number % 2
        _put(
            log,
            PLACES[-1] + 1 + number,
            ROOMS[room],
            *(an_id(room, 900 + number), "message.deleted", ADA),
            about=an_id(room, 10 + number),
        )
    await project(log, database, batch_events_max=4)
    return said


def _put(log: MemoryLog, sequence: int, room_id: str, *fact: str, **body: Any) -> None:
    log.events[0].append(LogEvent(sequence, 0, room_id, fact_bytes(room_id, *fact, **body), 1))


@pytest.fixture
async def reads(database: str) -> AsyncGenerator[PostgresReadModel]:
    async with open_pool(database, size=1) as pool:
        yield PostgresReadModel(pool)


async def test_every_marker_leaves_exactly_what_others_said_after_it(
    said: list[_Said], reads: PostgresReadModel
):
    for user in (ADA, BOB, "nobody@example.org"):
        for marker in (0, 3, *(place + step for place in PLACES for step in (-1, 0))):
            rooms = await reads.rooms(
                user, all_rooms=True, markers=dict.fromkeys(ROOMS[:2], marker), after=START, limit=9
            )
            expected = [
                sum(
                    one.room_id == room_id
                    and one.counted
                    and one.sender != user
                    and one.sequence > marker
                    for one in said
                )
                for room_id in ROOMS[:2]
            ]
            assert [room.unread for room in rooms] == expected, (user, marker)
            first = await reads.room(ROOMS[0], user, marker=marker)
            assert first is not None
            assert first.unread == expected[0]


async def test_the_migration_counts_what_the_projector_counts(said: list[_Said], database: str):
    counted = (await contents(database))["message_counts"]
    assert len({row["block"] for row in counted}) == BLOCKS
    await run(database, "TRUNCATE roomlog.message_counts")
    migration = runpy.run_path(str(data_file("migrations") / "versions/0004_message_counts.py"))
    await run(database, migration["COUNT"])
    assert (await contents(database))["message_counts"] == counted
