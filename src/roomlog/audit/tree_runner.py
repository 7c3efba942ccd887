"""The trees' keepers, beside the projector and independent of it: one for each partition."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from roomlog.audit.finishing import Finisher
from roomlog.audit.tree_keeper import TreeKeeper
from roomlog.erasing_ports import Eraser
from roomlog.ports import EventLog
from roomlog.services.claimed_work import ClaimedWork
from roomlog.services.identity import SystemClock
from roomlog.services.recent_events import RecentEvents
from roomlog.signal_ports import Signals
from roomlog.trail_ports import TRAIL_PARTITION, LeafLog
from roomlog.tree_ports import PartitionTrees, TreeTables

BATCH_EVENTS_MAX = 1000
TICK_S = 1.0
GATHER_S = 0.25
CHECK_EVERY_S = 5.0
HALTED_RETRY_S = 10.0
BESIDE_RETRY_S = 10.0

_log = logging.getLogger(__name__)


async def keep_trees(
    log: EventLog,
    signals: Signals,
    tables: TreeTables,
    *,
    trail: LeafLog,
    tell: Callable[[str], Awaitable[None]],
    batch_events_max: int = BATCH_EVENTS_MAX,
    check_every_s: float = CHECK_EVERY_S,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    eraser: Eraser | None = None,
    recent: Sequence[RecentEvents] | None = None,
) -> None:
    """Keep the trees of the log and of the audit `trail` at the log's end until cancelled; NATS or
    PostgreSQL away is waited out.

    Where the log is not what the trees were made of, they stay as they are, with the reason where
    status shows it, and the log is looked at again: what others made of it must go on. `beside`
    is what only one process may do, and runs while this one keeps the first partition's trees.
    With an `eraser`, redactions that somebody left unfinished are finished. `recent` has, for each
    partition, what the projector beside has read.
    `tell` puts what is found wrong on the record, before the tables have it.
    """
    sources = [(TRAIL_PARTITION, trail), *((one, log) for one in range(log.partitions))]
    async with asyncio.TaskGroup() as group:
        for partition, source in sources:
            runner = _Runner(
                partition,
                log=log,
                source=source,
                tell=tell,
                tables=tables,
                batch_events_max=batch_events_max,
                check_every_s=check_every_s,
                beside=beside if partition == 0 else None,
                finisher=_finisher(log, eraser, partition),
                recent=None if recent is None or partition < 0 else recent[partition],
            )
            group.create_task(runner.run(signals))


def _finisher(log: EventLog, eraser: Eraser | None, partition: int) -> Finisher | None:
    """Nothing is ever redacted on the audit trail."""
    if eraser is None or partition == TRAIL_PARTITION:
        return None
    return Finisher(log, eraser, SystemClock())


class _Runner:
    def __init__(
        self,
        partition: int,
        *,
        log: EventLog,
        source: LeafLog,
        tell: Callable[[str], Awaitable[None]],
        tables: TreeTables,
        batch_events_max: int,
        check_every_s: float,
        beside: Callable[[], Coroutine[Any, Any, None]] | None,
        finisher: Finisher | None,
        recent: RecentEvents | None,
    ) -> None:
        self._partition = partition
        self._finisher = finisher
        self._recent = recent
        self._log = log
        self._source = source
        self._tell = tell
        self._tables = tables
        self._batch_events_max = batch_events_max
        self._check_every_s = check_every_s
        self._beside = beside
        self._wake = asyncio.Event()
        self._reset = False
        self._work = ClaimedWork(
            f"the trees of partition {partition}",
            "the trees do not grow",
            tell=tell,
            halted_retry_s=HALTED_RETRY_S,
            outlives_defects=True,  # the projector beside them must go on, whatever it is
        )

    async def run(self, signals: Signals) -> None:
        await signals.on_appended(self._partition, lambda _: self._wake.set())
        self._log.on_reset(self._on_reset)
        await self._work.run(lambda: self._tables.claim(self._partition), self._begin, self._follow)

    def _on_reset(self) -> None:
        self._reset = True
        self._work.look_again()
        self._wake.set()

    async def _begin(self, trees: PartitionTrees) -> TreeKeeper:
        keeper = TreeKeeper(
            self._source,
            trees,
            batch_events_max=self._batch_events_max,
            tell=self._tell,
            finisher=self._finisher,
            recent=self._recent,
        )
        await keeper.begin()
        return keeper

    async def _follow(self, _trees: PartitionTrees, keeper: TreeKeeper) -> None:
        async with _running(self._beside):
            await self._grow(keeper)

    async def _grow(self, keeper: TreeKeeper) -> None:
        loop = asyncio.get_running_loop()
        check_at_s = loop.time()
        while True:
            self._wake.clear()
            if self._reset:
                self._reset = False
                await keeper.begin()
            if await keeper.take_recent():
                self._wake.set()  # to look what the log has beyond, when no more comes this way
            else:
                await keeper.catch_up()
            if self._finisher is not None:
                await self._finisher.finish()
            if loop.time() >= check_at_s:
                await keeper.check()
                check_at_s = loop.time() + self._check_every_s
            await _within(self._wake, TICK_S)
            # Nobody waits for a tree as for the tables: let a batch gather. Each room in it costs as
            # much as several of its leaves.
            await asyncio.sleep(GATHER_S)


@contextlib.asynccontextmanager
async def _running(
    work: Callable[[], Coroutine[Any, Any, None]] | None,
) -> AsyncGenerator[None]:
    """Have `work` done beside the block, for as long as that takes."""
    if work is None:
        yield
        return
    task = asyncio.create_task(_again_and_again(work))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _again_and_again(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Begin it anew whatever ends it: nobody looks whether checkpoints are still delivered."""
    while True:
        try:
            return await work()
        except Exception:  # noqa: BLE001 - whatever it is, the next attempt may go well
            _log.exception("checkpoints are not delivered for now")
            await asyncio.sleep(BESIDE_RETRY_S)


async def _within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
