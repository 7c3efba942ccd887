"""The audit trail for those who look into it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from roomlog.core.policy import Actor, require_records
from roomlog.ports import LogEvent
from roomlog.services.trail import told
from roomlog.trail_ports import AuditTrail, RecordFilter
from roomlog_contract.trail import AuditRecord


class RecordService:
    """Lists records. Raises RefusedError, LogUnavailableError."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def list_records(
        self, actor: Actor, asked: RecordFilter, *, after: int, limit: int
    ) -> list[AuditRecord]:
        """Records above the sequence `after`, oldest first, at most `limit` of them."""
        require_records(actor)
        found: list[AuditRecord] = []
        reading = cast("AsyncGenerator[Sequence[LogEvent]]", self._trail.read(asked, after=after))
        async with aclosing(reading) as batches:
            async for batch in batches:
                found += [told(record) for record in batch[: limit - len(found)]]
                if len(found) == limit:
                    break
        return found
