"""Make the tables anew from the log, while the service answers from those that are there."""

from collections.abc import Sequence

import msgspec

from roomlog.ports import EventLog
from roomlog.projection_ports import Difference, ProjectionTables
from roomlog.projector.fresh import Progress, fresh_tables
from roomlog.together import together


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild did. `repaired`: how the tables before it differed from the log; None where
    they were too far behind to be compared. `events` were folded."""

    events: int
    repaired: Sequence[Difference] | None


async def rebuild(log: EventLog, tables: ProjectionTables, progress: Progress) -> Rebuilt:
    """Fold the whole log into new tables and swap them in, in one transaction.

    The live projector goes on until then and continues from the new tables' checkpoint. A crash
    leaves the live tables as they were. Raises BusyError, TablesMissingError,
    DatabaseUnavailableError, LogUnavailableError.
    """
    events = 0
    repaired: Sequence[Difference] | None = None

    def count(done: int, total: int) -> None:
        nonlocal events
        events = done
        progress(done, total)

    async with fresh_tables(log, tables, "rebuild", durable=True, progress=count) as fresh:

        async def compare() -> None:
            nonlocal repaired
            repaired = await fresh.differences()

        await fresh.fill()
        await fresh.await_live()
        if await fresh.pin():
            await together(fresh.complete(), compare())
        else:
            await fresh.complete()
            # The live tables may have come after meanwhile.
            await fresh.follow_live()
            if await fresh.pin():
                await compare()
        await fresh.swap()
    return Rebuilt(events, repaired)
