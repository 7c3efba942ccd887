"""The audit trail in memory: the port AuditTrail, in order and without holes."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import msgspec

from roomlog.core.policy import Actor
from roomlog.ports import Appended, LogEvent, LogUnavailableError, PartitionState
from roomlog.services.trail import told
from roomlog.trail_ports import TRAIL_PARTITION, NewRecord, RecordFilter
from roomlog_contract.trail import TRAIL_ID, AuditRecord


class MemoryTrail:
    """`away` makes it fail; `epoch` is the log's."""

    def __init__(self, epoch: str = "epoch 1") -> None:
        self.epoch = epoch
        self.away = False
        self.stored: list[LogEvent] = []

    @property
    def records(self) -> list[AuditRecord]:
        return [told(one) for one in self.stored]

    def of(self, actor: Actor | str) -> list[str]:
        """The kinds of what somebody did, in order."""
        user = actor if isinstance(actor, str) else actor.user_id
        return [str(one.kind) for one in self.records if one.actor == user]

    def _require(self) -> None:
        if self.away:
            raise LogUnavailableError("the audit trail is away")

    async def append(self, record: NewRecord) -> Appended:
        self._require()
        place = len(self.stored) + 1
        data = msgspec.json.encode(record)
        self.stored.append(LogEvent(place, 0, TRAIL_ID, data, time.time_ns()))
        return Appended(place)

    async def read(
        self, asked: RecordFilter, *, after: int = 0, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        self._require()
        assert asked == RecordFilter(), "filters are JetStream's"
        if found := [one for one in self.stored if after < one.sequence <= (up_to or 2**63)]:
            yield found

    async def last(self, asked: RecordFilter) -> LogEvent | None:
        self._require()
        found = [
            one
            for one, record in zip(self.stored, self.records, strict=True)
            if (record.room_id, record.actor, record.kind)
            == (asked.room_id, asked.actor, asked.kind)
        ]
        return found[-1] if found else None

    async def state(self) -> PartitionState:
        self._require()
        count = len(self.stored)
        return PartitionState(
            *(TRAIL_PARTITION, "TRAIL", self.epoch, 1, count, count, 0, 0, datetime.now(UTC))
        )
