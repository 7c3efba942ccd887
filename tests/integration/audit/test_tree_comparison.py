"""An export is held to the room's tree: what was changed or cut off in the log is not exported."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from datetime import UTC, datetime

import pytest

from roomlog.audit.export import Exported, ExportError, export_room
from roomlog.audit.tree_comparison import TreeComparison
from roomlog.core.signed_note import SigningKey
from roomlog.core.tree_head import TreeHead
from roomlog.ports import LogEvent
from roomlog.postgres import PostgresTreeReader, open_pool
from roomlog.services.audit_keys import KeyRing
from roomlog.services.proof_service import ProofService
from tests.integration.audit.holed_log import ROOMS, HoledLog
from tests.integration.audit.keeping import keep

KEY = SigningKey("example.org/log", b"\x07" * 32)
ROOM, OTHER = ROOMS[:2]


class _Log(HoledLog):
    """With what an export asks beside."""

    epoch = "epoch-1"

    def __init__(self) -> None:
        super().__init__(epoch="epoch-1")

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        events = (e for e in self.events[0] if e.room_id == room_id)
        return max((e.sequence for e in events if up_to is None or e.sequence <= up_to), default=0)

    async def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        async for batch in self.read_partition(0, after=after, up_to=up_to):
            mine = [event for event in batch if event.room_id == room_id]
            if mine:
                yield mine

    async def event_at(self, room_id: str, sequence: int) -> LogEvent | None:
        found = (e for e in self.events[0] if (e.room_id, e.sequence) == (room_id, sequence))
        return next(found, None)


@pytest.fixture
async def reader(database: str) -> AsyncGenerator[PostgresTreeReader]:
    async with open_pool(database, size=2) as pool:
        yield PostgresTreeReader(pool)


@pytest.fixture
async def log(database: str) -> _Log:
    """Two rooms of 12 events each, with an explained hole in the first one."""
    made = _Log()
    for number in range(11):
        made.say(ROOM, f"message {number}")
        made.say(OTHER, f"other {number}")
    made.explain(ROOM, 5)
    await keep(made, database)
    made.erase(ROOM, 5)
    return made


async def exported(log: _Log, reader: PostgresTreeReader, up_to: int | None = None) -> Exported:
    proofs = ProofService(log=log, trees=reader, keys=KeyRing(signing=KEY))
    comparison = TreeComparison(log, reader, proofs, ROOM)

    async def confirm(head: TreeHead, explained: Collection[int]) -> None:
        await comparison.require(head, up_to=up_to, explained=explained)

    at = datetime.now(UTC)
    return await export_room(
        log, ROOM, KEY, io.BytesIO(), exported_at=at, up_to=up_to, confirm=confirm
    )


async def test_what_the_tree_says_is_exported(log: _Log, reader: PostgresTreeReader):
    assert (await exported(log, reader)).events == 12


async def test_what_comes_meanwhile_does_no_harm(
    log: _Log, reader: PostgresTreeReader, database: str
):
    head = await log.last_sequence(ROOM)
    log.say(ROOM, "later")
    await keep(log, database)

    assert (await exported(log, reader)).events == 13
    assert (await exported(log, reader, up_to=head)).events == 12


async def test_a_change_is_not_exported(log: _Log, reader: PostgresTreeReader):
    event = await log.event_at(ROOM, 7)
    assert event is not None
    log.change(ROOM, 7, event.data.replace(b"ada@", b"eve@"))
    assert (await log.event_at(ROOM, 7)) != event

    with pytest.raises(ExportError, match="audit check"):
        await exported(log, reader)


@pytest.mark.parametrize("lost", [1, 9])
async def test_a_loss_is_not_exported(log: _Log, reader: PostgresTreeReader, lost: int):
    log.erase(ROOM, lost)

    with pytest.raises(ExportError, match="audit check"):
        await exported(log, reader)


async def test_a_lost_end_is_not_exported(log: _Log, reader: PostgresTreeReader, database: str):
    last = log.say(ROOM, "the end")
    await keep(log, database)
    log.erase(ROOM, last)

    with pytest.raises(ExportError, match=f"from {last} on"):
        await exported(log, reader)
    assert (await exported(log, reader, up_to=last - 1)).events == 12
    with pytest.raises(ExportError, match=f"from {last} on"):
        await exported(log, reader, up_to=last)


async def test_an_event_more_than_the_tree_has_is_not_exported(
    log: _Log, reader: PostgresTreeReader
):
    event = await log.event_at(ROOM, 7)
    assert event is not None
    spare = LogEvent(8, 0, ROOM, event.data, event.appended_ns)
    log.events[0] = sorted(
        [*(e for e in log.events[0] if e.sequence != 8), spare], key=lambda one: one.sequence
    )

    with pytest.raises(ExportError, match="audit check"):
        await exported(log, reader)
