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
from collections.abc import Iterable, Sequence

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

_log = logging.getLogger(__name__)


class Finisher:
    """Finishes the redactions of one partition. Not for concurrent use."""

    def __init__(self, log: EventLog, eraser: Eraser, clock: Clock) -> None:
        self._log = log
        self._eraser = eraser
        self._clock = clock
        self._pending: dict[int, Redaction] = {}
        self._messages: dict[str, dict[str, Redaction]] = {}
        self._retry_at_s = 0.0

    @property
    def pending(self) -> int:
        """How many redactions are not known to be finished."""
        return len(self._pending)

    def begin(self, redactions: Iterable[Redaction]) -> None:
        """Take up from what is known: all of it is looked at once."""
        self._pending.clear()
        self._messages.clear()
        self._retry_at_s = 0.0
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
        """Erase what redactions tell of and is there still. Failures are told, and tried again."""
        loop = asyncio.get_running_loop()
        if not self._pending or loop.time() < self._retry_at_s:
            return
        try:
            for one in list(self._pending.values()):
                await self._erase(one)
                self._pending.pop(one.sequence, None)
        except LogUnavailableError as error:
            _log.warning("%s redactions are not finished yet: %s", self.pending, error.detail)
            self._retry_at_s = loop.time() + RETRY_S

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
