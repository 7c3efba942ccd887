"""The live projector: one task for each partition, forever."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from roomlog.memory_ports import SnapshotStore
from roomlog.ports import EventLog, LogUnavailableError, ReadModel
from roomlog.projection_ports import PartitionTables, ProjectionTables
from roomlog.projector.partition import Committed, PartitionProjector
from roomlog.projector.snapshots import SnapshotKeeper
from roomlog.projector.waypoints import WaypointKeeper
from roomlog.services.claimed_work import ClaimedWork
from roomlog.services.recent_events import RecentEvents
from roomlog.signal_ports import Signals
from roomlog.together import together

BATCH_EVENTS_MAX = 1000
TICK_S = 0.2
# What a transaction costs whatever is in it (some 1.5 ms of CPU here, and as much in PostgreSQL) is
# shared by the events in it: where many come, it is worth a longer wait.
GATHER_S = 0.02
BUSY_GATHER_S = 0.06
BUSY_EVENTS = 10
MEASURED_AFTER_EVENTS = 1000
MEASURED_AGAIN_AFTER_TIMES = 4
CURRENT_EVERY = timedelta(seconds=10)

_log = logging.getLogger(__name__)


async def run_projector(
    log: EventLog,
    signals: Signals,
    snapshots: SnapshotStore,
    tables: ProjectionTables,
    *,
    batch_events_max: int = BATCH_EVENTS_MAX,
    halted_retry_s: float | None = None,
    tell: Callable[[str], Awaitable[None]] | None = None,
    recent: Sequence[RecentEvents] | None = None,
    read_model: ReadModel | None = None,
) -> None:
    """Keep the tables at the log's end until cancelled; NATS or PostgreSQL away is waited out.

    Of several projectors of a partition one works and the others wait. Where the log is not what
    the tables were made from, the reason is kept where status shows it; then it raises
    ProjectorHaltedError, or with `halted_retry_s` looks again after that time: until somebody has
    restored the log or rebuilt the tables; `tell` is called with why. `recent` are to get, one for
    each partition, what is read. With `read_model`, which reads these tables, waypoints are left of
    rooms that change often. Raises TablesMissingError.
    """
    keeper = SnapshotKeeper(snapshots)
    keeper.start()
    waypoints = None if read_model is None else WaypointKeeper(log, read_model, snapshots)
    if waypoints is not None:
        waypoints.start()
    try:
        runners = [
            _PartitionRunner(
                partition,
                log=log,
                signals=signals,
                tables=tables,
                keeper=keeper,
                waypoints=waypoints,
                batch_events_max=batch_events_max,
                halted_retry_s=halted_retry_s,
                tell=tell,
                recent=None if recent is None else recent[partition],
            )
            for partition in range(log.partitions)
        ]
        await together(*(runner.run() for runner in runners))
    finally:
        await keeper.close()
        if waypoints is not None:
            await waypoints.close()


class _PartitionRunner:
    def __init__(
        self,
        partition: int,
        *,
        log: EventLog,
        signals: Signals,
        tables: ProjectionTables,
        keeper: SnapshotKeeper,
        waypoints: WaypointKeeper | None,
        batch_events_max: int,
        halted_retry_s: float | None,
        tell: Callable[[str], Awaitable[None]] | None,
        recent: RecentEvents | None,
    ) -> None:
        self._recent = recent
        self._log = log
        self._work = ClaimedWork(
            f"the projection of partition {partition}",
            "the projector stops",
            tell=tell,
            halted_retry_s=halted_retry_s,
        )
        self._signals = signals
        self._tables = tables
        self._keeper, self._waypoints = keeper, waypoints
        self._partition = partition
        self._batch_events_max = batch_events_max
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._position = 0
        self._projected, self._measured_at = 0, MEASURED_AFTER_EVENTS
        self._reset = False

    async def run(self) -> None:
        """Project until cancelled, through every outage."""
        await self._signals.on_appended(self._partition, lambda _: self._wake.set())
        await self._signals.on_wanted(self._partition, self._on_wanted)
        self._log.on_reset(self._on_reset)
        await self._work.run(lambda: self._tables.claim(self._partition), self._begin, self._follow)

    def _on_wanted(self, sequence: int) -> None:
        if sequence > self._position:
            self._wake.set()
            self._hurry.set()

    def _on_reset(self) -> None:
        if self._recent is not None:
            self._recent.end()
        self._reset = True
        self._work.look_again()
        self._wake.set()

    async def _begin(self, tables: PartitionTables) -> PartitionProjector:
        projector = PartitionProjector(
            self._log,
            tables,
            batch_events_max=self._batch_events_max,
            on_committed=lambda committed: self._on_committed(committed, tables),
            recent=self._recent,
        )
        await projector.begin()
        if self._waypoints is not None:
            self._waypoints.begin(self._partition, projector.position.epoch)
        _log.info(
            "partition %s is projected from sequence %s on",
            self._partition,
            projector.position.sequence,
        )
        return projector

    async def _follow(self, tables: PartitionTables, projector: PartitionProjector) -> None:
        current_at = datetime.fromtimestamp(0, UTC)
        while True:
            self._wake.clear()
            self._hurry.clear()
            if self._reset:
                self._reset = False
                await projector.begin()
            asked_at = datetime.now(UTC)
            count = await projector.catch_up()
            self._position = projector.position.sequence
            if not count and asked_at - current_at >= CURRENT_EVERY:
                await projector.check()
                await tables.mark_current(projector.position, asked_at)
                current_at = asked_at
            await _within(self._wake, TICK_S)
            # Let more gather, unless somebody waits for the tables.
            await _within(self._hurry, BUSY_GATHER_S if count >= BUSY_EVENTS else GATHER_S)

    async def _on_committed(self, committed: Committed, tables: PartitionTables) -> None:
        self._keeper.take(committed)
        if self._waypoints is not None:
            self._waypoints.take(committed)
        with contextlib.suppress(LogUnavailableError):
            await self._signals.announce_projected(self._partition, committed.position.sequence)
        self._projected += committed.count
        if self._projected >= self._measured_at:
            # PostgreSQL looks by itself once a minute, which is late for a first import.
            await tables.measure()
            self._measured_at = self._projected * MEASURED_AGAIN_AFTER_TIMES


async def _within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
