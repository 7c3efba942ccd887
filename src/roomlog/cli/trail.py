"""What commands put on the audit trail: reads, and what did not verify."""

from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.trail import JetStreamTrail
from roomlog.services.identity import SystemClock
from roomlog.services.trail import Trail, operator
from roomlog.services.trail_log import TrailLog
from roomlog_contract.trail import RecordKind


async def record(
    log: JetStreamLog, kind: RecordKind, room_id: str, *, past: bool = False, detail: str = ""
) -> None:
    """Record that the operator is about to do that. Raises LogUnavailableError: then the command
    must not go on."""
    await _trail(log).record(kind, operator(), room_id=room_id, past=past, detail=detail or None)


async def record_failure(log: JetStreamLog, detail: str) -> None:
    """Record that something did not verify. Raises LogUnavailableError."""
    await _trail(log).failure(detail)


def trail_log(log: JetStreamLog) -> TrailLog:
    """The trail as its tree sees it."""
    return TrailLog(log, JetStreamTrail(log.connection))


def _trail(log: JetStreamLog) -> Trail:
    return Trail(JetStreamTrail(log.connection), SystemClock(), span_s=0)
