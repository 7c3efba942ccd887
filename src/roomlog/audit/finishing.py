"""Redactions are finished, whoever began them and wherever that ended.

A redaction is: a `message.redacted` for each event that said it, then their bytes erased. Whoever
does that may die between any two of these steps, and somebody may say more meanwhile. The trees'
keeper reads the whole log, so it shows every event here:

    a redaction of a message    -> what else said it, and no redaction tells of, is redacted too
    something about a message   -> redacted too, where the message was redacted before
    a redaction of an event     -> the event's bytes are erased, now and until it works

What is added is in the name of who redacted the message, for the reason that they gave. All of it
can be done twice, and beside who began: ids are made of what is redacted.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from roomlog.core.decide import stamp
from roomlog.core.leaves import parts_of
from roomlog.core.redaction import Said, redaction, redaction_key, saying_in
from roomlog.core.times import rfc3339
from roomlog.core.upcasters import decode_body, decode_event
from roomlog.erasing_ports import Eraser
from roomlog.ports import Clock, EventLog, LogEvent, LogUnavailableError, NewEvent
from roomlog.services import identity
from roomlog.services.said_in_log import said_in_log
from roomlog.tree_ports import Redaction
from roomlog_contract.stored import Envelope, MessageRedactedBody, StoredEvent, decode_envelope

LOOK_BACK_SEQUENCES = 20_000
RETRY_S = 10.0
RETRY_S_MAX = 60.0
FAILING_S_MAX = 1.0

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """That an event could not be erased: so many times by now, why, and when to try again by the
    event loop's clock."""

    times: int
    detail: str
    retry_at_s: float


class Finisher:
    """Finishes the redactions of one partition. Not for concurrent use."""

    def __init__(self, log: EventLog, eraser: Eraser, clock: Clock) -> None:
        self._log = log
        self._eraser = eraser
        self._clock = clock
        self._pending: dict[int, Redaction] = {}
        self._messages: dict[str, dict[str, Redaction]] = {}
        self._failures: dict[int, Failure] = {}

    @property
    def pending(self) -> int:
        """How many redactions are not known to be finished."""
        return len(self._pending)

    @property
    def failures(self) -> Mapping[int, Failure]:
        """Those that failed at the last attempt, by the sequence of the event to erase."""
        return self._failures

    def begin(self, redactions: Iterable[Redaction]) -> None:
        """Take up from what is known: all of it is looked at once."""
        self._pending.clear()
        self._messages.clear()
        self._failures.clear()
        self.know(redactions)

    def know(self, redactions: Iterable[Redaction]) -> None:
        """Some more that are known."""
        for one in redactions:
            self._note(one)

    async def take(self, events: Sequence[LogEvent], redactions: Sequence[Redaction]) -> None:
        """The log's next events, and what those among them that are redactions explain.

        When this returns, all that said it is on record as redacted. Raises LogUnavailableError;
        then the same events are to be shown again.
        """
        self.know(redactions)
        for one in redactions:
            if _message_sent(one) is not None:
                await self._look_back(one)
        for event in events:
            about = self._messages.get(event.room_id)
            if about is not None:
                await self._look_at(event, about)

    async def finish(self) -> None:
        """Erase what redactions tell of and is there still. One that fails is told and put off,
        each time for longer, and the others go on.

        Returns soon also where all fail slowly: what was not tried then is tried first next time.
        """
        loop = asyncio.get_running_loop()
        failing_s = 0.0
        for one in sorted(self._pending.values(), key=self._retry_at_s):
            began_s = loop.time()
            if began_s < self._retry_at_s(one):
                return
            try:
                await self._erase(one)
            except LogUnavailableError as error:
                ended_s = loop.time()
                self._put_off(one, error.detail, ended_s)
                failing_s += ended_s - began_s
                if failing_s >= FAILING_S_MAX:
                    return  # whoever calls has other things to do
            else:
                self._pending.pop(one.sequence, None)
                self._failures.pop(one.sequence, None)

    def _retry_at_s(self, one: Redaction) -> float:
        failure = self._failures.get(one.sequence)
        return 0.0 if failure is None else failure.retry_at_s

    def _put_off(self, one: Redaction, detail: str, now_s: float) -> None:
        before = self._failures.get(one.sequence)
        times = 1 if before is None else before.times + 1
        wait_s = min(RETRY_S * 2.0 ** min(times - 1, 8), RETRY_S_MAX)
        self._failures[one.sequence] = Failure(times, detail, now_s + wait_s)
        _log.warning(
            "redaction %s is on record and event %s of room %s is in the log still, after %s "
            "attempts: %s; the next is in %.0f s",
            *(one.redacted_by, one.sequence, one.room_id, times, detail, wait_s),
        )

    def _note(self, one: Redaction) -> None:
        self._pending.setdefault(one.sequence, one)
        message_id = _message_sent(one)
        if message_id is not None:
            self._messages.setdefault(one.room_id, {}).setdefault(message_id, one)

    async def _erase(self, one: Redaction) -> None:
        event = await self._log.event_at(one.room_id, one.sequence)
        if event is None:
            return
        if parts_of(event.data).envelope != one.envelope:
            _log.error("redaction %s tells of event %s otherwise", one.redacted_by, one.sequence)
            return
        await self._eraser.erase(one.room_id, [one.sequence])
        _log.info("event %s is erased, as redaction %s says", one.sequence, one.redacted_by)

    async def _look_back(self, one: Redaction) -> None:
        """Redact what else said it before. Where the event itself is erased, whoever did that had
        told of all before, but of what came in the moment in which they looked."""
        there = await self._log.event_at(one.room_id, one.sequence) is not None
        after = one.sequence - 1
        if not there:
            after = max(after, one.redacted_by - LOOK_BACK_SEQUENCES)
        message_id = _message_sent(one)
        assert message_id is not None
        said, _ = await said_in_log(self._log, one.room_id, message_id, after=after)
        for chunk in said.to_append():
            await self._append(one, message_id, chunk)

    async def _look_at(self, event: LogEvent, about: dict[str, Redaction]) -> None:
        """Redact what was said about a message after it was redacted."""
        saying = saying_in(event.data)
        one = None if saying is None else about.get(saying.message_id)
        if one is None or saying is None or event.sequence < one.redacted_by:
            return
        if event.sequence in self._pending:
            return  # a redaction close behind tells of it
        if saying.room_id == event.room_id:
            said = Said(event.sequence, saying.envelope)
            await self._append(one, saying.message_id, [said])

    async def _append(self, one: Redaction, message_id: str, said: Sequence[Said]) -> None:
        first = await self._log.event_at(one.room_id, one.redacted_by)
        if first is None:
            return  # a hole itself: the trees tell of it
        by = decode_event(first.data)
        at = rfc3339(self._clock.now())
        events = [_event(by, one.room_id, message_id, each, at) for each in said]
        await self._log.append(one.room_id, events)
        _log.info("message %s: %s more events are redacted", message_id, len(events))


def _event(by: StoredEvent, room_id: str, message_id: str, said: Said, at: str) -> NewEvent:
    body = decode_body(by)
    reason = body.reason if isinstance(body, MessageRedactedBody) else None
    event_id = identity.keyed_event_id(room_id, by.actor, redaction_key(said.sequence))
    digest = identity.request_digest(("redact", message_id))
    mark = identity.new_stamp(event_id, digest)
    fact = redaction(message_id, said, reason)
    return NewEvent(event_id, stamp(fact, room_id, by.actor, at, mark))


def _message_sent(one: Redaction) -> str | None:
    """The message whose sending was redacted; None where something about one was."""
    try:
        envelope: Envelope = decode_envelope(one.envelope.decode())
    except ValueError:
        return None
    return envelope.id if envelope.type == "message.sent" else None
