"""One partition, from the log into the tables: read, fold, project, commit.

Used for the live tables and for fresh ones beside them alike, so that they can't differ.
"""

import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from projections.batch import Projected, UnprojectableError, project_batch, wanted
from roomlog import metrics
from roomlog.core.content import render_html
from roomlog.ports import EventLog, LogEvent
from roomlog.projection_ports import PartitionTables, Position, RowsRefusedError, SetAside
from roomlog.projector.decoding import decode, event_id, set_aside
from roomlog.services.claimed_work import HaltedError
from roomlog.services.continuity import event_at, redacted_at
from roomlog.services.recent_events import RecentEvents
from roomlog.together import one_ahead
from roomlog_contract import events as ev
from roomlog_contract.fold import RoomState

ROOMS_CACHED_MAX = 2048

_log = logging.getLogger(__name__)


class ProjectorHaltedError(HaltedError):
    """The tables can't go on from where they stand; the text says why and what to do."""


class Committed(msgspec.Struct, frozen=True):
    """A batch that has become true: where it ends, how many events it was, those of them that
    were not set aside, and what it did to rooms."""

    position: Position
    count: int
    events: Sequence[ev.RoomEvent]
    projected: Projected


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """An event as the log holds it, and as it is read; or why it can't be."""

    logged: LogEvent
    event: ev.RoomEvent | SetAside


Listener = Callable[[Committed], Awaitable[None]]


class PartitionProjector:
    """Projects one partition. Not for concurrent use."""

    def __init__(
        self,
        log: EventLog,
        tables: PartitionTables,
        *,
        batch_events_max: int,
        on_committed: Listener | None = None,
        recent: RecentEvents | None = None,
    ) -> None:
        """`recent` gets what is read, for the trees' keeper beside."""
        self._recent = recent
        self._log = log
        self._tables = tables
        self._batch_events_max = batch_events_max
        self._on_committed = on_committed
        self._rooms: OrderedDict[str, RoomState] = OrderedDict()
        self._position = Position("", 0)

    @property
    def position(self) -> Position:
        """How far the tables have come, as far as this projector knows."""
        return self._position

    async def begin(self) -> None:
        """Take up where the tables stand, and compare that with the log.

        Raises ProjectorHaltedError, LogUnavailableError, DatabaseUnavailableError.
        """
        self._rooms.clear()
        if self._recent is not None:
            self._recent.begin()
        state = await self._log.partition_state(self._tables.partition)
        self._position = position = await self._tables.position(state.epoch)
        partition, repair = self._tables.partition, "`roomlog projections rebuild`"
        if position.epoch != state.epoch:
            raise ProjectorHaltedError(
                f"partition {partition}: the tables were made from another log (epoch "
                f"{position.epoch}) than the one that is there now (epoch {state.epoch}): if the "
                f"log is the right one, run {repair}"
            )
        if state.last_sequence < position.sequence:
            raise ProjectorHaltedError(
                f"partition {partition}: the log ends at sequence {state.last_sequence}, and the "
                f"tables have seen sequence {position.sequence}: the log has lost events. Restore "
                f"it from a backup, or accept the loss and run {repair}"
            )
        if not position.sequence or position.event_hash is None:
            return
        there = await event_at(self._log, partition, position.sequence)
        if there is None and await redacted_at(self._log, partition, position.sequence):
            return
        if there is None or sha256(there.data).digest() != position.event_hash:
            found = "no event" if there is None else f"event {event_id(there.data)}"
            raise ProjectorHaltedError(
                f"partition {partition}: at sequence {position.sequence} the log holds {found}, "
                f"and the tables have seen {position.event_id} there: the log was cut, or written "
                f"anew. Restore it from a backup, or accept the loss and run {repair}"
            )

    async def check(self) -> None:
        """Compare the tables' place with the log's end once more. Raises as `begin` does."""
        state = await self._log.partition_state(self._tables.partition)
        if state.epoch != self._position.epoch or state.last_sequence < self._position.sequence:
            await self.begin()

    async def catch_up(self, up_to: int | None = None) -> int:
        """Project all that the log holds (at or below `up_to`); return how many events it was.

        Raises FenceLostError, LogUnavailableError, DatabaseUnavailableError: what was committed
        stays, and `begin` takes up from there.
        """
        count = 0
        async with contextlib.aclosing(one_ahead(self._decoded(up_to))) as batches:
            async for batch in batches:
                await self._project(batch)
                count += len(batch)
        return count

    async def _decoded(self, up_to: int | None) -> AsyncGenerator[Sequence[Decoded]]:
        """The partition's next events in batches of at most what one transaction takes."""
        waiting: list[Decoded] = []
        most = self._batch_events_max
        place = self._position.sequence
        batches = self._log.read_partition(self._tables.partition, after=place, up_to=up_to)
        async for batch in batches:
            if self._recent is not None:
                self._recent.add(place, batch)
            place = batch[-1].sequence
            waiting.extend(Decoded(logged, decode(logged)) for logged in batch)
            while len(waiting) >= most:
                yield waiting[:most]
                del waiting[:most]
        if waiting:
            yield waiting

    async def _project(self, batch: Sequence[Decoded]) -> None:
        """Project the partition's next events, in one transaction unless one of them is poison.

        Where the tables refuse what is in them, halves are tried, until the one that they refuse
        is alone, and is set aside.
        """
        try:
            await self._project_all(batch, {})
        except RowsRefusedError as error:
            if len(batch) == 1:
                await self._project_all(batch, {batch[0].logged.sequence: f"refused: {error}"})
                return
            middle = len(batch) // 2
            await self._project(batch[:middle])
            await self._project(batch[middle:])

    async def _project_all(self, batch: Sequence[Decoded], poison: dict[int, str]) -> None:
        while True:
            try:
                committed = await self._commit(batch, poison)
            except UnprojectableError as error:
                poison[error.sequence] = error.reason
            else:
                break
        if self._on_committed is not None:
            await self._on_committed(committed)

    async def _commit(self, decoded: Sequence[Decoded], poison: Mapping[int, str]) -> Committed:
        events: list[ev.RoomEvent] = []
        dead: list[SetAside] = []
        for one in decoded:
            if one.logged.sequence in poison:
                dead.append(set_aside(one.logged, poison[one.logged.sequence]))
            elif isinstance(one.event, SetAside):
                dead.append(one.event)
            else:
                events.append(one.event)
        last = decoded[-1].logged
        new = Position(
            self._position.epoch,
            last.sequence,
            event_id(last.data),
            sha256(last.data).digest(),
        )
        appended_at = datetime.fromtimestamp(last.appended_ns / 1e9, UTC)
        began_s = time.perf_counter()
        async with self._tables.batch(self._position, new, appended_at) as batch:
            touched = await batch.load(wanted(events, self._rooms))
            projected = project_batch(
                events,
                touched,
                self._rooms,
                partition=self._tables.partition,
                render=render_html,
            )
            await batch.write(projected.changes, dead)
        metrics.PROJECTED_EVENTS.inc(len(decoded))
        metrics.PROJECTION_SECONDS.observe(time.perf_counter() - began_s)
        self._position = new
        self._remember(projected.rooms)
        for one in dead:
            _log.error(
                "event %s at sequence %s set aside: %s", one.event_id, one.sequence, one.error
            )
        return Committed(new, len(decoded), events, projected)

    def _remember(self, rooms: Mapping[str, RoomState]) -> None:
        for room_id, room in rooms.items():
            self._rooms[room_id] = room
            self._rooms.move_to_end(room_id)
        while len(self._rooms) > ROOMS_CACHED_MAX:
            self._rooms.popitem(last=False)
