"""Fresh tables beside the live ones, filled from the log alone: what rebuild and verify share."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from roomlog.ports import EventLog
from roomlog.projection_ports import Difference, LivePosition, ProjectionTables, ShadowTables
from roomlog.projector.partition import Committed, PartitionProjector

CHUNK_EVENTS_MAX = 5000
EXAMPLES_MAX = 5
LIVE_POLL_S = 0.02
LIVE_LOOKS_MAX = 50

Progress = Callable[[int, int], None]
"""Called with how many events are folded, and how many there are as far as known."""


class FreshTables:
    """Shadow tables and the projectors that fill them, one for each partition."""

    def __init__(self, shadow: ShadowTables, projectors: Sequence[PartitionProjector]) -> None:
        self._shadow = shadow
        self._projectors = projectors

    async def fill(self) -> None:
        """Project everything that the log holds now."""
        for projector in self._projectors:
            await projector.catch_up()

    async def follow_live(self) -> None:
        """Project what the live tables show now, and nothing beyond."""
        await self._catch_up_with(await self._shadow.live())

    async def complete(self) -> None:
        """Add what was left out to fill them faster."""
        await self._shadow.complete()

    async def await_live(self) -> None:
        """Wait for the live tables to show what these do, a second at most: they are behind the
        log's end by what a batch takes, or stand still."""
        for _ in range(LIVE_LOOKS_MAX):
            if not self._is_beyond(await self._shadow.live()):
                break
            await asyncio.sleep(LIVE_POLL_S)

    async def pin(self) -> bool:
        """Hold on to both sets of tables as they stand at the live checkpoint, for `differences`;
        False where these are beyond it.

        The live projection pauses for as long as the last events take; reads go on.
        """
        async with self._shadow.held() as live:
            if self._is_beyond(live):
                return False
            await self._catch_up_with(live)
            await self._shadow.snapshot()
        return True

    async def differences(self) -> Sequence[Difference]:
        """How the live tables differ from these, as both were pinned."""
        return await self._shadow.differences(EXAMPLES_MAX)

    async def swap(self) -> None:
        """Put these tables in the live ones' place, at no lower a checkpoint."""
        await self.fill()
        async with self._shadow.held() as live:
            await self._catch_up_with(live)
            await self._shadow.swap()

    def _is_beyond(self, live: Sequence[LivePosition]) -> bool:
        positions = {one.partition: one.position.sequence for one in live}
        return any(
            projector.position.sequence > positions.get(partition, 0)
            for partition, projector in enumerate(self._projectors)
        )

    async def _catch_up_with(self, live: Sequence[LivePosition]) -> None:
        positions = {one.partition: one.position.sequence for one in live}
        for partition, projector in enumerate(self._projectors):
            up_to = positions.get(partition, 0)
            if up_to > projector.position.sequence:
                await projector.catch_up(up_to)


@asynccontextmanager
async def fresh_tables(
    log: EventLog, tables: ProjectionTables, name: str, *, durable: bool, progress: Progress
) -> AsyncGenerator[FreshTables]:
    """Empty tables called `name` beside the live ones, dropped when the block ends.

    Raises BusyError, TablesMissingError, DatabaseUnavailableError, LogUnavailableError.
    """
    states = [await log.partition_state(partition) for partition in range(log.partitions)]
    total = sum(state.messages for state in states)
    done = 0

    async def count(committed: Committed) -> None:
        nonlocal done
        done += committed.count
        progress(done, max(done, total))

    shadow = await tables.shadow(name, durable=durable)
    try:
        projectors: list[PartitionProjector] = []
        for partition in range(log.partitions):
            projector = PartitionProjector(
                log,
                await shadow.partition(partition),
                batch_events_max=CHUNK_EVENTS_MAX,
                on_committed=count,
            )
            await projector.begin()
            projectors.append(projector)
        yield FreshTables(shadow, projectors)
    finally:
        await shadow.drop()
