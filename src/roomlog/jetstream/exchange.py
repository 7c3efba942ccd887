"""What one commit sends and how it is answered: appends, the units they go in, the exchange.

An atomic batch's messages name it and their place in it, its last one commits it (NATS ADR-50).
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from roomlog import metrics
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.wire import PubAck, decode_ack, pub
from roomlog.ports import Appended, LogUnavailableError, NewEvent


class Entry:
    """One caller's append on its way.

    `sent`: it was published at least once. `uncertain`: an attempt was left without an answer.
    """

    __slots__ = (
        "asked_at_s",
        "deadline",
        "events",
        "first",
        "future",
        "room_id",
        "sent",
        "size_bytes",
        "subject",
        "uncertain",
    )

    def __init__(
        self,
        room_id: str,
        subject: str,
        events: Sequence[NewEvent],
        future: "asyncio.Future[list[Appended]]",
        *,
        size_bytes: int,
        first: bool,
        deadline: float,
    ) -> None:
        self.room_id = room_id
        self.subject = subject
        self.events = events
        self.first = first
        self.deadline = deadline
        self.future = future
        self.size_bytes = size_bytes
        self.sent = False
        self.uncertain = False
        self.asked_at_s = time.perf_counter()

    @property
    def settled(self) -> bool:
        """Whether the caller has its answer (or is gone)."""
        return self.future.done()

    def succeed(self, result: list[Appended]) -> None:
        """Answer the caller, unless its deadline came before."""
        if not self.future.done():
            self.future.set_result(result)
            metrics.APPEND_SECONDS.observe(time.perf_counter() - self.asked_at_s)

    def fail(self, error: Exception) -> None:
        """Answer the caller with an error, unless its deadline came before."""
        if not self.future.done():
            self.future.set_exception(error)
            if isinstance(error, LogUnavailableError):
                metrics.APPEND_FAILURES.inc()


class Unit:
    """What is published in one go and answered once: an event, or an atomic batch of events."""

    __slots__ = ("ack", "entries", "events")

    def __init__(self, entries: Sequence[Entry], events: Sequence[tuple[Entry, NewEvent]]) -> None:
        self.entries = entries
        self.events = events
        self.ack: PubAck | None = None

    def frames(self, reply: str) -> bytes:
        """The protocol bytes; only the last message asks for an answer."""
        batch_id = secrets.token_hex(12).encode() if len(self.events) > 1 else b""
        frames: list[bytes] = []
        for number, (entry, event) in enumerate(self.events, start=1):
            headers = b"Nats-Msg-Id: %b\r\n" % event.event_id.encode()
            for name, value in event.headers:
                headers += b"%b: %b\r\n" % (name.encode("ascii"), value.encode("ascii"))
            if entry.first and event is entry.events[0]:
                headers += b"Nats-Expected-Last-Subject-Sequence: 0\r\n"
            last = number == len(self.events)
            if batch_id:
                headers += b"Nats-Batch-Id: %b\r\nNats-Batch-Sequence: %d\r\n" % (batch_id, number)
                if last:
                    headers += b"Nats-Batch-Commit: 1\r\n"
            frames.append(
                pub(entry.subject, event.data, reply=reply if last else "", headers=headers)
            )
        return b"".join(frames)

    def settle(self, ack: PubAck) -> None:
        """Tell the callers where their events stand: a batch's sequences are contiguous."""
        metrics.APPEND_BATCH_EVENTS.observe(len(self.events))
        sequence = ack.seq - len(self.events)
        for entry in self.entries:
            entry.succeed(
                [Appended(sequence + i, ack.duplicate) for i in range(1, len(entry.events) + 1)]
            )
            sequence += len(entry.events)


def whole(entries: Sequence[Entry]) -> Unit:
    """One unit of all events of these appends."""
    return Unit(entries, [(entry, event) for entry in entries for event in entry.events])


class Continuity(NamedTuple):
    """What acks are held to: a new event stands above whatever the partition had when it was sent.

    `reached()` is the highest sequence that is known to have been there. `broken(sequence)` is told
    of a new event at or below it, and answers all that waits.
    """

    reached: Callable[[], int]
    broken: Callable[[int], None]


class Exchange:
    """Units sent on one connection and the wait for their answers.

    `finished` is done when all are answered, when the callers of those that are not have been
    told otherwise, or when the connection is lost.
    """

    def __init__(self, connection: Connection, units: list[Unit], continuity: Continuity) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._continuity = continuity
        self._reached = 0
        self._units = units
        self._unanswered = len(units)
        self._replies: list[str] = []

    def send(self) -> bool:
        """Publish all at once, each with a reply subject of its own; False when disconnected."""
        if not self._connection.connected:
            return False
        self._reached = self._continuity.reached()
        frames: list[bytes] = []
        for unit in self._units:
            reply = self._connection.expect(self._taker(unit), self._lost)
            self._replies.append(reply)
            frames.append(unit.frames(reply))
            for entry, _ in unit.events:
                entry.sent = True
        self._connection.write(b"".join(frames))
        return True

    def forget(self) -> None:
        """Late answers to this attempt mean nothing any more."""
        for reply in self._replies:
            self._connection.forget(reply)

    def look(self) -> None:
        """Finish when nobody waits for what is still unanswered."""
        if not self.finished.done() and all(
            entry.settled for unit in self._units if unit.ack is None for entry, _ in unit.events
        ):
            self.finished.set_result(None)

    def _taker(self, unit: Unit) -> Callable[[bytes, bytes], None]:
        def take(headers: bytes, data: bytes) -> None:
            if unit.ack is not None:
                return
            unit.ack = ack = decode_ack(headers, data)
            if ack.error is None:
                if ack.seq - len(unit.events) < self._reached and not ack.duplicate:
                    # The log lost its end while it ran, and gives sequences away again.
                    self._continuity.broken(ack.seq)
                unit.settle(ack)
            self._unanswered -= 1
            if self._unanswered == 0 and not self.finished.done():
                self.finished.set_result(None)

        return take

    def _lost(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
