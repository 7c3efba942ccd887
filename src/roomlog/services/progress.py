"""How far the projection has come, as this node knows it: waits, and the truth before reads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from roomlog.ports import (
    Checkpoint,
    Clock,
    DatabaseUnavailableError,
    EventLog,
    ReadModel,
)
from roomlog.services.room_cache import LiveRoom
from roomlog.signal_ports import Signals
from roomlog_contract.errors import ErrorCode, RefusedError

READ_WAIT_S = 5.0
WRITE_WAIT_S = 2.0
HEAD_WAIT_S = 0.5
_POLL_S = 0.25
_DUPLICATE_WINDOW = timedelta(seconds=110)  # the log's 120 s, less what clocks may differ by
_WAITERS_MAX = 10_000


class KnownHead(NamedTuple):
    """A room's last event as a node knows it. `settled`: there was no later one when it was asked
    for; `reached`: the tables have it."""

    room_id: str
    sequence: int
    settled: bool
    reached: bool


class ProjectionProgress:
    """The highest sequence known to be projected, for each partition.

    Announcements only wake; when they fail to come, the checkpoint itself is asked.
    """

    def __init__(
        self, log: EventLog, read_model: ReadModel, signals: Signals, clock: Clock
    ) -> None:
        self._log = log
        self._read_model = read_model
        self._signals = signals
        self._clock = clock
        self._reached = [0] * log.partitions
        self._current_at: list[datetime | None] = [None] * log.partitions
        self._waiting: dict[asyncio.Future[None], tuple[int, int]] = {}
        self._asking: dict[int, asyncio.Task[Checkpoint | None]] = {}

    async def start(self) -> None:
        """Begin to listen to announcements."""
        for partition in range(self._log.partitions):
            await self._signals.on_projected(
                partition, lambda sequence, p=partition: self._advance(p, sequence)
            )

    def reset(self) -> None:
        """Forget what was known: the log is another one now."""
        self._reached = [0] * self._log.partitions
        self._current_at = [None] * self._log.partitions

    def _advance(self, partition: int, sequence: int) -> None:
        if sequence <= self._reached[partition]:
            return
        self._reached[partition] = sequence
        for future, (waits_on, wanted) in list(self._waiting.items()):
            if waits_on == partition and wanted <= sequence and not future.done():
                future.set_result(None)

    async def _ask(self, partition: int) -> Checkpoint | None:
        checkpoint = await self._read_model.checkpoint(partition)
        if checkpoint is not None and checkpoint.epoch == self._log.epoch:
            self._current_at[partition] = checkpoint.current_at
            self._advance(partition, checkpoint.sequence)
            return checkpoint
        return None

    async def _ask_until(
        self, partition: int, future: asyncio.Future[None], deadline: float
    ) -> None:
        """Ask, but not beyond the deadline, and no longer than until `future` is done.

        A read that PostgreSQL leaves unanswered can't be broken off at once: it is left behind,
        and shared by all who wait. Raises DatabaseUnavailableError.
        """
        asking = self._asking.get(partition)
        if asking is None or asking.done():
            asking = asyncio.create_task(self._ask(partition))
            asking.add_done_callback(_retrieve)
            self._asking[partition] = asking
        left_s = deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait(
            [future, asking], timeout=max(left_s, 0), return_when=asyncio.FIRST_COMPLETED
        )
        if asking in done and future not in done:
            asking.result()
        elif not done and left_s >= _POLL_S:
            raise DatabaseUnavailableError("PostgreSQL does not answer")

    async def wait(self, room_id: str, sequence: int, timeout_s: float) -> bool:
        """Whether the projection reached `sequence` within the time.

        Raises DatabaseUnavailableError only where PostgreSQL was asked and did not answer.
        """
        return await self._wait(self._log.partition_of(room_id), sequence, timeout_s)

    async def _wait(self, partition: int, sequence: int, timeout_s: float) -> bool:
        if self._reached[partition] >= sequence:
            return True
        if len(self._waiting) >= _WAITERS_MAX:
            return False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        future = loop.create_future()
        self._waiting[future] = (partition, sequence)
        try:
            while True:
                left_s = deadline - loop.time()
                if left_s <= 0:
                    return self._reached[partition] >= sequence
                self._signals.announce_wanted(partition, sequence)
                done, _ = await asyncio.wait([future], timeout=min(_POLL_S, left_s))
                if done:
                    return True
                await self._ask_until(partition, future, deadline)
        finally:
            del self._waiting[future]
            future.cancel()

    async def reached(self, room_id: str, sequence: int, timeout_s: float) -> bool:
        """As `wait`, but false where PostgreSQL does not answer."""
        try:
            return await self.wait(room_id, sequence, timeout_s)
        except DatabaseUnavailableError:
            return False

    async def catch_up(self, room_id: str | None, timeout_s: float) -> bool:
        """Wait until the tables have what the room (or, without one, any room) has now.

        False where they did not get there in time.
        """
        if room_id is not None:
            return await self.wait(room_id, await self._log.last_sequence(room_id), timeout_s)
        reached = True
        for partition in range(self._log.partitions):
            state = await self._log.partition_state(partition)
            reached &= await self._wait(partition, state.last_sequence, timeout_s)
        return reached

    async def known_head(self, room: LiveRoom, min_sequence: int | None) -> KnownHead:
        """The room's head as this node knows it, once the tables have it, or HEAD_WAIT_S later."""
        # What somebody was told to be readable was on its way to this node before.
        settled = await room.feed.settled()
        known = max(room.position, min_sequence or 0)
        return KnownHead(
            room.room_id, known, settled, await self.wait(room.room_id, known, HEAD_WAIT_S)
        )

    @asynccontextmanager
    async def reading(self, known: KnownHead) -> AsyncGenerator[tuple[ReadModel, int]]:
        """The tables for the reads of one answer (see ReadModel.reading), and the sequence up to
        which they are sure to reflect the room: whoever has read may go on from there. It is not
        below what anybody was told to be readable before.

        That is the head that is known. Where the tables are behind it, and where this node may not
        know it, having no connection to the log, they say how far they are themselves.
        """
        async with self._read_model.reading() as tables:
            head = known.sequence
            if not (known.reached and known.settled):
                in_tables = await tables.room_head(known.room_id, self._log.epoch)
                head = max(head, in_tables) if known.reached else in_tables
            yield tables, head

    async def require(
        self, room_id: str, min_sequence: int | None, *, field: str = "min_sequence"
    ) -> None:
        """Return when reads of the room reflect `min_sequence` (which came in as `field`).

        Raises RefusedError: `invalid` where it lies above the room's head, `projection_behind`
        where the projection did not get there in time.
        """
        if not min_sequence:
            return
        if min_sequence > await self._log.last_sequence(room_id):
            raise RefusedError(ErrorCode.INVALID, "lies above the room's head", field=field)
        if not await self.wait(room_id, min_sequence, READ_WAIT_S):
            raise RefusedError(
                ErrorCode.PROJECTION_BEHIND,
                f"the tables have not reached sequence {min_sequence} yet",
                retry_after_s=1,
            )

    async def require_memory_of_ids(self, room_id: str) -> None:
        """Return when every id that the log itself no longer remembers is in the tables.

        Raises RefusedError `projection_behind` where the tables are further behind than the
        log's duplicate window reaches back: a repeated key could not be told from a new one.
        """
        partition = self._log.partition_of(room_id)
        oldest = self._clock.now() - _DUPLICATE_WINDOW
        known = self._current_at[partition]
        if known is not None and known >= oldest:
            return
        checkpoint = await self._ask(partition)
        if checkpoint is None or checkpoint.current_at < oldest:
            raise RefusedError(
                ErrorCode.PROJECTION_BEHIND,
                "whether this key was used before can't be told until the tables catch up",
                retry_after_s=2,
            )


def _retrieve(asking: "asyncio.Task[Checkpoint | None]") -> None:
    if not asking.cancelled():
        asking.exception()  # whoever still waits gets it; nobody may be left
