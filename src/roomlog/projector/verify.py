"""Compare the live tables with a fresh fold of the log, row by row."""

from collections.abc import Sequence

from roomlog.ports import EventLog
from roomlog.projection_ports import Difference, ProjectionTables
from roomlog.projector.fresh import Progress, fresh_tables


async def verify(
    log: EventLog, tables: ProjectionTables, progress: Progress
) -> Sequence[Difference]:
    """How the live tables differ from what the log says up to their checkpoint; empty if not.

    Changes nothing, and the service goes on. Raises as `rebuild` does.
    """
    async with fresh_tables(log, tables, "verify", durable=False, progress=progress) as fresh:
        await fresh.follow_live()
        # These tables follow the live ones and can't be beyond them, unless those were swapped
        # meanwhile for tables of less, which the lock against a second run excludes.
        pinned = await fresh.pin()
        assert pinned
        return await fresh.differences()
