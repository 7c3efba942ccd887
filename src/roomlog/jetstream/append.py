"""Appending: one committer a partition, one commit under way while the next gathers.

Below BATCH_MIN waiting events they are published singly, above that as one atomic batch, which
costs one fsync (NATS ADR-50). Everything under way is kept in order: when the connection is lost
it is sent again singly, in that order and with the same ids, before anything new. A lost
connection loses a suffix of what was sent on it, so the order within a room holds, and the
stream's duplicate window answers what had landed.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from roomlog import metrics
from roomlog.core.admission import Admission
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.exchange import Continuity, Entry, Exchange, Unit, whole
from roomlog.jetstream.express import Express, flooding
from roomlog.jetstream.trouble import Trouble
from roomlog.jetstream.wire import WRONG_LAST_SEQUENCE, ApiError
from roomlog.ports import (
    EVENT_BYTES_MAX,
    Appended,
    LogUnavailableError,
    NewEvent,
    RoomNotEmptyError,
)
from roomlog.together import end_task

BATCH_MIN: Final = 6
BATCH_MAX: Final = 768
GATHER_S: Final = 0.002
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
EVENTS_PER_APPEND_MAX: Final = 512
FIRSTS_AT_ONCE_MAX: Final = 16
QUEUE_EVENTS_MAX: Final = 10_000
QUEUE_BYTES_MAX: Final = 64 * 1024 * 1024
QUEUE_EVENTS_LEAST: Final = 256

_log = logging.getLogger(__name__)

_DUPLICATE_IN_BATCH = 10201
# Answers that say something of the batch as such; single publishes tell what is the matter.
_BATCH_REFUSED = frozenset((_DUPLICATE_IN_BATCH, *range(10174, 10178), 10199, 10210, 10211))


class FirstEvent(NamedTuple):
    """An event at the beginning of a room: where it stands and its id."""

    sequence: int
    event_id: str


class Committer:
    """Appends to one partition."""

    def __init__(
        self,
        connection: Connection,
        *,
        beside: Connection,
        identified: Callable[[], bool],
        ready: Callable[[], Awaitable[None]],
        beginning_of: Callable[[str, int], Awaitable[list[FirstEvent]]],
        continuity: Continuity,
        appended: Callable[[int], None],
        timeout_s: float,
        wait_s: float,
    ) -> None:
        """`ready` returns when the log may be written (connected, and the same log as before);
        `identified` says whether that is so, on `connection` and on the one `beside` it.

        `beginning_of(room_id, n)` gives a room's first n events; `appended(sequence)` is called
        after each commit. `wait_s` is the wait to aim at under overload, 0 for none.
        """
        self._connection = connection
        self._ready = ready
        self._beginning_of = beginning_of
        self._continuity = continuity
        self._tell_appended = appended
        self._timeout_s = timeout_s
        self._admission = Admission(wait_s, least=QUEUE_EVENTS_LEAST, most=QUEUE_EVENTS_MAX)
        self._queue_events_max = QUEUE_EVENTS_MAX
        self._trouble = Trouble(connection)
        self._queue: deque[Entry] = deque()
        self._queue_bytes = 0
        self._queue_events = 0
        self._work = asyncio.Event()
        self._under_way: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._exchange: Exchange | None = None
        self._gathering: asyncio.Future[None] | None = None
        self._flooding: str | None = None
        self._express = Express(beside, continuity, identified, self._appended, self._after_express)
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run())

    def begin(
        self, room_id: str, subject: str, events: Sequence[NewEvent], *, first: bool
    ) -> asyncio.Future[list[Appended]]:
        """See EventLog.begin_append. `subject` is the one to publish to."""
        if not 0 < len(events) <= EVENTS_PER_APPEND_MAX:
            raise ValueError(f"an append takes 1 to {EVENTS_PER_APPEND_MAX} events")
        sizes = [len(event.data) for event in events]
        if max(sizes) > EVENT_BYTES_MAX:
            raise ValueError(f"an event has at most {EVENT_BYTES_MAX} bytes")
        if self._task.done():
            raise LogUnavailableError("the log is closed")
        loop = self._loop
        deadline = loop.time() + self._timeout_s
        entry = Entry(
            room_id,
            subject,
            events,
            loop.create_future(),
            size_bytes=sum(sizes),
            first=first,
            deadline=deadline,
        )
        self.require_place(len(events), entry.size_bytes)
        self._queue_events += len(events)
        self._queue_bytes += entry.size_bytes
        if self._express.follows(entry):
            pass
        elif self._flooding is not None and self._may_overtake(entry):
            self._express.send(entry)
        else:
            self._queue.append(entry)
            self._work.set()
            if self._gathering is not None and self._flooding not in {None, room_id}:
                _set(self._gathering)  # it is the busy room's next events that are waited for
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)
        return entry.future

    def require_place(self, events: int, size_bytes: int) -> None:
        """Raise LogUnavailableError where too much waits for so many more events: never where
        nothing does, since an append may be of more events than may wait."""
        if self._queue_events and (
            self._queue_events + events > self._queue_events_max
            or self._queue_bytes + size_bytes > QUEUE_BYTES_MAX
        ):
            metrics.APPENDS_SHED.inc()
            raise LogUnavailableError("too much waits for the log, and nothing of this was taken")

    @property
    def trouble(self) -> str:
        """Why the partition takes nothing, by the last append; empty where it does."""
        return self._trouble.reason(self._loop.time())

    def _appended(self, sequence: int) -> None:
        self._trouble.clear()
        self._tell_appended(sequence)

    def _may_overtake(self, entry: Entry) -> bool:
        """Whether an entry may be sent while the commit under way is, which one room fills."""
        return (
            not entry.first
            and len(entry.events) == 1
            and self._express.may_send()
            and all(other.room_id != entry.room_id for other in (*self._under_way, *self._queue))
        )

    def _after_express(self, entries: Sequence[Entry]) -> None:
        """An express is over: what of it and behind it has no answer comes before all else."""
        for entry in reversed(entries):
            if entry.settled:
                self._uncount(entry)
            else:
                self._queue.appendleft(entry)
        if self._queue:
            self._work.set()

    def fail_all(self, detail: str) -> None:
        """Give up everything waiting and under way, because the log is another one now."""
        for entry in (*self._under_way, *self._express.entries, *self._queue):
            entry.fail(LogUnavailableError(detail, outcome_unknown=entry.sent))
        self._look()

    def _look(self) -> None:
        if self._exchange is not None:
            self._exchange.look()
        self._express.look()

    async def close(self) -> None:
        """Stop; what waits is answered with LogUnavailableError."""
        if self._timer is not None:
            self._timer.cancel()
        await end_task(self._task)
        self.fail_all("the log was closed")

    def _expire(self) -> None:
        """Answer those whose deadline has passed, the oldest first, and wait for the next."""
        self._timer = None
        loop = asyncio.get_running_loop()
        waiting = [*self._under_way, *self._express.entries, *self._queue]
        for entry in sorted(waiting, key=lambda one: one.deadline):
            if entry.settled:
                continue
            if entry.deadline > loop.time():
                self._timer = loop.call_at(entry.deadline, self._expire)
                break
            # From here on it is never published again: what is settled is not sent.
            reason = f"the log did not answer within {self._timeout_s} s"
            entry.fail(LogUnavailableError(reason, outcome_unknown=entry.sent))
            if entry.sent:
                self._trouble.note(reason, loop.time())
        self._look()
        while self._queue and self._queue[0].settled:
            self._pop()

    def _pop(self) -> Entry:
        entry = self._queue.popleft()
        self._uncount(entry)
        return entry

    def _uncount(self, entry: Entry) -> None:
        self._queue_events -= len(entry.events)
        self._queue_bytes -= entry.size_bytes

    async def _run(self) -> None:
        busy = False
        while True:
            await self._work.wait()
            # Let whoever is about to append do so, and join this commit.
            await asyncio.sleep(0)
            if busy and self._queue_events < BATCH_MAX:
                # Whoever just had an answer is about to ask again. A batch's own cost, whatever
                # its size, is more than what this takes.
                await self._gather()
            self._under_way = self._take()
            busy = _worth_a_batch(self._under_way)
            if not self._queue:
                self._work.clear()
            try:
                await self._commit(self._under_way)
            except Exception as error:  # noqa: BLE001 - it ends one commit only
                _log.exception("a commit failed")
                for entry in self._under_way:
                    entry.fail(LogUnavailableError(str(error), outcome_unknown=entry.sent))
            self._under_way = []

    async def _gather(self) -> None:
        self._gathering = self._loop.create_future()
        over = self._loop.call_later(GATHER_S, _set, self._gathering)
        try:
            await self._gathering
        finally:
            over.cancel()
            self._gathering = None

    def _take(self) -> list[Entry]:
        """Off the queue what goes into the next commit, in order."""
        taken: list[Entry] = []
        events = size_bytes = 0
        rooms: set[str] = set()
        while self._queue:
            entry = self._queue[0]
            if taken and not entry.settled:
                full = (
                    events + len(entry.events) > BATCH_MAX
                    or size_bytes + entry.size_bytes > BATCH_BYTES_MAX
                    or entry.first is not taken[0].first
                )
                # Those that must be a room's first are refused one by one, and may not pass
                # another of the same room.
                if full or (
                    entry.first and (entry.room_id in rooms or len(taken) >= FIRSTS_AT_ONCE_MAX)
                ):
                    break
            self._pop()
            if entry.settled:
                continue
            taken.append(entry)
            rooms.add(entry.room_id)
            events += len(entry.events)
            size_bytes += entry.size_bytes
        if taken:
            now_s = self._loop.time()
            self._queue_events_max = self._admission.taken(
                events,
                left=self._queue_events,
                waited_s=now_s + self._timeout_s - taken[0].deadline,
                now_s=now_s,
            )
        self._flooding = flooding(taken)
        return taken

    async def _commit(self, entries: list[Entry]) -> None:
        batchable = True
        while True:
            if all(entry.settled for entry in entries):
                return
            await self._ready()
            # Deadlines may have passed meanwhile; from here to the sending nothing is awaited.
            waiting = [entry for entry in entries if not entry.settled]
            if not waiting:
                return
            if batchable and _worth_a_batch(waiting):
                units = [whole(waiting)]
            else:
                units = [whole([entry]) for entry in _leading_run(waiting)]
            batchable = False
            if await self._exchanged(units):
                await self._judge_all(units)

    async def _judge_all(self, units: list[Unit]) -> None:
        """Answer what was refused; what goes another way or was lost stays unsettled."""
        for unit in units:
            error = unit.ack.error if unit.ack is not None else None
            if error is None:
                continue
            if len(unit.entries) == 1:
                await self._judge(unit.entries[0], error)
            elif error.err_code not in _BATCH_REFUSED:
                for entry in unit.entries:
                    self._refuse(entry, error)

    async def _exchanged(self, units: list[Unit]) -> bool:
        """Send and wait for all answers; False where there was no connection to send on."""
        exchange = self._exchange = Exchange(self._connection, units, self._continuity)
        try:
            if not exchange.send():
                return False
            await exchange.finished
        finally:
            exchange.forget()
            self._exchange = None
        for unit in units:
            if unit.ack is None:
                for entry, _ in unit.events:
                    entry.uncertain = True
        last = max((unit.ack.seq for unit in units if unit.ack is not None), default=0)
        if last:
            self._appended(last)
        return True

    async def _judge(self, entry: Entry, error: ApiError) -> None:
        """Find the truth about a refused entry."""
        refused_as_first = entry.first and (
            error.err_code in WRONG_LAST_SEQUENCE or error.err_code == _DUPLICATE_IN_BATCH
        )
        try:
            if refused_as_first:
                await self._judge_first(entry, error)
            elif error.err_code == _DUPLICATE_IN_BATCH and len(entry.events) > 1:
                await self._complete(entry)
            else:
                self._refuse(entry, error)
        except LogUnavailableError as unavailable:
            if self._connection.connected:
                entry.fail(LogUnavailableError(unavailable.detail, outcome_unknown=entry.sent))

    def _refuse(self, entry: Entry, error: ApiError) -> None:
        reason = f"the log refused: {error.description} (code {error.code}, {error.err_code})"
        entry.fail(LogUnavailableError(reason, outcome_unknown=entry.uncertain))
        self._trouble.note(reason, self._loop.time())

    async def _judge_first(self, entry: Entry, error: ApiError) -> None:
        # With one replica the expected sequence is checked before the id, so a retry of the
        # room's first append is told apart by what stands at the room's beginning.
        beginning = await self._beginning_of(entry.room_id, len(entry.events))
        if not beginning:
            self._refuse(entry, error)
            return
        if beginning[0].event_id != entry.events[0].event_id:
            entry.fail(RoomNotEmptyError(f"room {entry.room_id} has events"))
            return
        found = {event.event_id: event.sequence for event in beginning}
        entry.succeed(
            [
                Appended(found.get(event.event_id, beginning[0].sequence), duplicate=True)
                for event in entry.events
            ]
        )

    async def _complete(self, entry: Entry) -> None:
        """Append one by one what a refused multi-event append lacks.

        A retry of one that landed finds duplicates only. Where only some had been appended
        before, by other appends, the missing ones follow in order.
        """
        await self._ready()
        if entry.settled:
            return
        units = [Unit((), [(entry, event)]) for event in entry.events]
        if not await self._exchanged(units) or any(unit.ack is None for unit in units):
            return
        acks = [unit.ack for unit in units if unit.ack is not None]
        errors = [ack.error for ack in acks if ack.error is not None]
        if errors:
            entry.uncertain = True  # of its events, some may stand in the log
            self._refuse(entry, errors[0])
        else:
            entry.succeed([Appended(ack.seq, ack.duplicate) for ack in acks])


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _worth_a_batch(entries: Sequence[Entry]) -> bool:
    events = sum(len(entry.events) for entry in entries)
    several = len(entries) > 1 and not entries[0].first
    return several and (events >= BATCH_MIN or events > len(entries))


def _leading_run(entries: list[Entry]) -> list[Entry]:
    """Those at the head that may be under way together without risk to the order of a room.

    Single events may: the refusal of one does not bring it back behind the others. A batch may
    be refused and come again as single events, so it goes alone, or beside other rooms' firsts.
    """
    if entries[0].first:
        return entries
    if len(entries[0].events) > 1:
        return entries[:1]
    return list(itertools.takewhile(lambda entry: len(entry.events) == 1, entries))
