"""The audit trail on JetStream: `roomlog.trail_ports.AuditTrail`.

A record's subject is made of its room, its actor and its kind, so that NATS itself finds those that
a filter asks for. Source: NATS ADR-31 (direct get).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from roomlog.jetstream import stream, subjects, wire
from roomlog.jetstream.connection import Connection, Reply
from roomlog.jetstream.direct import DirectGet
from roomlog.ports import Appended, LogEvent, LogUnavailableError, PartitionState
from roomlog.trail_ports import NewRecord, RecordFilter
from roomlog_contract.trail import TRAIL_ID

APPEND_TIMEOUT_S: Final = 5.0

_encoder = msgspec.json.Encoder()


class JetStreamTrail:
    """The port AuditTrail, on the log's connection; the log made its stream (`ensure_log`)."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is that of the log."""
        self._connection = connection
        self._direct = DirectGet(connection)
        self._times = wire.TimeStamps()

    async def append(self, record: NewRecord) -> Appended:
        """See AuditTrail.append."""
        reply = await self._connection.request(
            subjects.record_subject(record.room_id, record.actor, record.kind),
            _encoder.encode(record),
            headers=wire.MSG_ID.lstrip(b"\r\n") + record.id.encode() + b"\r\n",
            timeout_s=APPEND_TIMEOUT_S,
        )
        ack = wire.decode_ack(reply.headers, reply.data)
        if ack.error is not None:
            raise LogUnavailableError(f"the audit trail: {ack.error.description}")
        return Appended(ack.seq, ack.duplicate)

    async def read(
        self, asked: RecordFilter, *, after: int = 0, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See AuditTrail.read."""
        if asked.since is not None:
            after = max(after, await self._last_before(wire.unix_ns(asked.since)))
        until_ns = None if asked.until is None else wire.unix_ns(asked.until)
        pattern = subjects.records_matching(asked.room_id, asked.actor, asked.kind)
        async for batch in self._direct.batches(subjects.TRAIL_STREAM, pattern, after, up_to):
            records = [self._record(message) for message in batch]
            if until_ns is not None and records[-1].appended_ns > until_ns:
                yield [one for one in records if one.appended_ns <= until_ns]
                return
            yield records

    async def last(self, asked: RecordFilter) -> LogEvent | None:
        """See AuditTrail.last."""
        assert asked.actor is not None
        assert asked.kind is not None
        subject = subjects.record_subject(asked.room_id, asked.actor, asked.kind)
        found = await self._direct.get(subjects.TRAIL_STREAM, {"last_by_subj": subject})
        return None if found is None else self._record(found)

    async def state(self) -> PartitionState:
        """See AuditTrail.state."""
        return await stream.trail_state(self._connection)

    async def _last_before(self, moment_ns: int) -> int:
        """The sequence of the last record appended before that time; the trail has no holes."""
        low, high = 0, (await self.state()).last_sequence
        while low < high:
            middle = (low + high + 1) // 2
            if await self._appended_ns(middle) < moment_ns:
                low = middle
            else:
                high = middle - 1
        return low

    async def _appended_ns(self, sequence: int) -> int:
        asked: dict[str, Any] = {"seq": sequence}
        found = await self._direct.get(subjects.TRAIL_STREAM, asked)
        if found is None:
            raise LogUnavailableError(f"record {sequence} is gone from the audit trail")
        return self._record(found).appended_ns

    def _record(self, message: Reply) -> LogEvent:
        headers = message.headers
        return LogEvent(
            sequence=wire.number(headers, wire.SEQUENCE),
            prev_sequence=0,
            room_id=TRAIL_ID,
            data=message.data,
            appended_ns=self._times.ns(wire.header(headers, wire.TIME_STAMP)),
        )
