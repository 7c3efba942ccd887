"""The audit trail: what is done by a right over all rooms is recorded before it is done.

Reads are recorded by the span: the first of a kind appends a record that stands until `until`, and
further reads of the same by the same user go without another one till then. So a hundred pages of
a room are one record, and no read is without one that covers it.
"""

import asyncio
import getpass
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
import uuid_utils

from roomlog.core.policy import Actor, role_of
from roomlog.core.times import rfc3339
from roomlog.ports import Clock, LogEvent
from roomlog.services.identity import new_id
from roomlog.trail_ports import AuditTrail, NewRecord, RecordFilter
from roomlog_contract.fold import RoomState
from roomlog_contract.trail import AuditRecord, RecordKind

SPANS_MAX = 20_000
NAMED_MESSAGES_MAX = 100
DETAIL_CHARS_MAX = 1000
REPEATED_FAILURE_S = 3600.0
SERVERS = Actor("roomlog")
"""Who found what was found by the servers themselves."""

_SPAN_OF_FOLLOWING = timedelta(seconds=600)  # where each read has a record of its own
_VERSION = 1
_NAMESPACE = uuid_utils.UUID("8c6b0a52-53a6-5c0b-8c4f-0d6f0e1d9c11")
_decoder = msgspec.json.Decoder(NewRecord)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What somebody reads: a record's fields. `room_id` None: no one room."""

    kind: RecordKind
    room_id: str | None = None
    message_id: str | None = None
    past: bool = False


def operator() -> Actor:
    """Who uses the command line: the login name, which no user's id looks like."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = "unknown"
    return Actor(f"operator:{login}")


_Key = tuple[str, Reading]
V = TypeVar("V")


class Trail:
    """Appends records. Every method raises LogUnavailableError where that can't be done, and what
    was to be recorded must then not be done either. Used on the event loop only."""

    def __init__(self, trail: AuditTrail, clock: Clock, *, span_s: float) -> None:
        """`span_s` is how long a record of reading stands for further reads; 0: each has one."""
        self._trail = trail
        self._clock = clock
        self._span = timedelta(seconds=span_s)
        self._until: OrderedDict[_Key, datetime] = OrderedDict()
        self._named: OrderedDict[_Key, tuple[datetime, int]] = OrderedDict()

    async def record(
        self,
        kind: RecordKind,
        actor: Actor,
        *,
        room_id: str | None = None,
        message_id: str | None = None,
        past: bool = False,
        detail: str | None = None,
        record_id: str | None = None,
    ) -> int:
        """Put one record on the trail; return its sequence there once it is fsynced.

        To be called before what it tells of is done: an export, a redaction, a replay. `detail`
        must hold nothing that may have to be erased later, since nothing on the trail ever is.
        With the same `record_id` (a UUID) again, within two minutes, nothing is appended anew.
        """
        appended = await self._trail.append(
            _new(
                kind,
                actor,
                self._clock.now(),
                record_id=record_id,
                reading=Reading(kind, room_id, message_id, past),
                detail=detail,
            )
        )
        return appended.sequence

    async def reading(self, actor: Actor, reading: Reading, room: RoomState | None = None) -> None:
        """Somebody is about to read. Members of the `room` read their own; by everybody else, a
        record must cover it."""
        if room is None or role_of(actor, room) is None:
            await self.privileged(actor, reading)

    async def privileged(self, actor: Actor, reading: Reading) -> None:
        """Somebody is about to read what only their role over all rooms lets them read."""
        now = self._clock.now()
        if self._covered(actor, reading, now):
            return
        reading = self._within_limit(actor, reading, now)
        if self._covered(actor, reading, now):
            return
        until = _end(now, self._span)
        named = f"{actor.user_id}\n{reading}\n{until}"
        # Workers that record the same at once make one record of it.
        record_id = str(uuid_utils.uuid5(_NAMESPACE, named)) if self._span else None
        new = _new(reading.kind, actor, now, record_id=record_id, reading=reading, until=until)
        await self._trail.append(new)
        if self._span:
            _keep(self._until, (actor.user_id, reading), until)

    async def failure(self, detail: str, *, room_id: str | None = None) -> None:
        """Something did not hold: a check of the log, of tables or trees, found a difference.

        Found again within the hour, it is not recorded again.
        """
        detail = detail[:DETAIL_CHARS_MAX]
        kind = RecordKind.VERIFICATION_FAILED
        last = await self._trail.last(RecordFilter(room_id, SERVERS.user_id, kind))
        if last is not None and _decoder.decode(last.data).detail == detail:
            age_s = self._clock.now().timestamp() - last.appended_ns / 1e9
            if age_s < REPEATED_FAILURE_S:
                return
        await self.record(kind, SERVERS, room_id=room_id, detail=detail)

    async def next_span(self) -> None:
        """Wait until the records of reading that stand now have run out."""
        now = self._clock.now()
        left = _end(now, self._span or _SPAN_OF_FOLLOWING) - now
        await asyncio.sleep(left.total_seconds())

    def _covered(self, actor: Actor, reading: Reading, now: datetime) -> bool:
        until = self._until.get((actor.user_id, reading))
        return until is not None and now < until

    def _within_limit(self, actor: Actor, reading: Reading, now: datetime) -> Reading:
        """The same, or without the message's id where many of the room were named already."""
        if reading.message_id is None or not self._span:
            return reading
        whole = msgspec.structs.replace(reading, message_id=None)
        key = (actor.user_id, whole)
        until, count = self._named.get(key, (now, 0))
        if now >= until:
            until, count = _end(now, self._span), 0
        _keep(self._named, key, (until, count + 1))
        return reading if count < NAMED_MESSAGES_MAX else whole


def _end(now: datetime, span: timedelta) -> datetime:
    """When the span ends in which a time lies: the same for every worker."""
    if not span:
        return now
    spans = now.timestamp() // span.total_seconds() + 1
    return datetime.fromtimestamp(spans * span.total_seconds(), UTC)


def _keep(kept: OrderedDict[_Key, V], key: _Key, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > SPANS_MAX:
        kept.popitem(last=False)


def _new(
    kind: RecordKind,
    actor: Actor,
    now: datetime,
    *,
    record_id: str | None,
    reading: Reading,
    until: datetime | None = None,
    detail: str | None = None,
) -> NewRecord:
    return NewRecord(
        v=_VERSION,
        id=record_id or new_id(),
        kind=kind,
        actor=actor.user_id,
        roles=tuple(sorted(actor.roles)),
        at=rfc3339(now),
        until=None if until is None or until <= now else rfc3339(until),
        room_id=reading.room_id,
        message_id=reading.message_id,
        past=reading.past,
        detail=None if detail is None else detail[:DETAIL_CHARS_MAX],
    )


def told(record: LogEvent) -> AuditRecord:
    """A stored record as readers see it. Raises msgspec.DecodeError for bytes that are none."""
    stored = msgspec.structs.asdict(_decoder.decode(record.data))
    return msgspec.convert({**stored, "sequence": record.sequence}, AuditRecord)
