"""Live feeds: republished events (NATS ADR-28), checked against the log and filled from it.

NATS promises a subscriber nothing: a message may be lost, a connection may go. The sequence of
the room's event before it, which every republished message carries, shows a loss as soon as the
next event comes; after a reconnect and after a quiet while the log's head shows it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from roomlog.core.catchup import Catchup
from roomlog.jetstream import subjects, wire
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.replay import Reader
from roomlog.ports import FeedListener, LogEvent, LogUnavailableError
from roomlog.services.shared_trip import SharedTrip
from roomlog.together import end_task

FILLS_AT_ONCE_MAX: Final = 16
QUIET_S: Final = 60.0
SWEEP_INTERVAL_S: Final = 15.0
RETRY_S: Final = 0.2
CHECK_TIMEOUT_S: Final = 10.0
FILLED_WITHIN_S: Final = 1.0
SETTLED_WITHIN_S: Final = 1.0
# Who asks for an echo may have to wait for the one under way first.
ECHO_WITHIN_S: Final = SETTLED_WITHIN_S / 2
HELD_EVENTS_MAX: Final = 4096
# Whoever else waits for the event loop waits for these.
DELIVERED_AT_ONCE_MAX: Final = 16

_log = logging.getLogger(__name__)


class RoomFeed:
    """The port Feed."""

    def __init__(self, hub: "FeedHub", room_id: str, listener: FeedListener) -> None:
        """Not for callers: see FeedHub.follow."""
        self.room_id = room_id
        self.heard_at = hub.now()
        self._hub = hub
        self._listener = listener
        self._catchup: Catchup[LogEvent] | None = None
        self._arrived: list[LogEvent] = []
        self._overflowed_to = 0
        self._flush_due = False
        self._filling: asyncio.Task[None] | None = None
        self._closed = False
        self._generation = 0
        self._sid = hub.connection.subscribe(subjects.live_subject(room_id), self._on_message)

    @property
    def position(self) -> int:
        """See Feed.position."""
        return self._catchup.position if self._catchup is not None else 0

    async def check(self) -> None:
        """See Feed.check. Raises LogUnavailableError."""
        generation = self._hub.connection.generation
        head = await self._hub.reader.last_sequence(self.room_id)
        self.take_head(head, generation)
        if self._filling is not None and not self._filling.done():
            _, pending = await asyncio.wait({self._filling}, timeout=CHECK_TIMEOUT_S)
            if pending:
                raise LogUnavailableError("what a feed missed could not be read in time")

    async def settled(self) -> bool:
        """See Feed.settled."""
        try:
            await self._barrier()
        except (LogUnavailableError, TimeoutError):
            return False
        # What came before the barrier may still wait for its turns, or for what is missing.
        self._flush()
        if self._behind and self._filling is not None:
            await asyncio.wait({self._filling}, timeout=FILLED_WITHIN_S)
        return not (self._closed or self._arrived or self._catchup is None or self._behind)

    async def _barrier(self) -> None:
        await self._hub.barrier.take()
        if self._generation != self._hub.connection.generation:
            # What came while there was no connection is known when the log has been asked.
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await self.check()

    @property
    def _behind(self) -> bool:
        catchup = self._catchup
        return catchup is not None and (catchup.replaying or catchup.needs_replay)

    async def close(self) -> None:
        """See Feed.close."""
        self.end()
        self._hub.remove(self)

    def end(self) -> None:
        """Deliver nothing from now on."""
        if self._closed:
            return
        self._closed = True
        self._hub.connection.unsubscribe(self._sid)
        if self._filling is not None:
            self._filling.cancel()

    def begin(self, head: int, generation: int) -> None:
        """Deliver what lies above `head`, asked on that connection, from now on."""
        self._generation = generation
        self._catchup = Catchup(head)
        self._flush_soon()

    def take_head(self, head: int, generation: int) -> None:
        """Fill from the log if that, asked on that connection, reaches further than what was
        delivered."""
        if self._catchup is None or self._closed:
            return
        self._generation = generation
        self.heard_at = self._hub.now()
        self._flush()
        self._catchup.head(head)
        self._fill_if_needed()

    def _on_message(self, headers: bytes, data: bytes) -> None:
        sequence = wire.number(headers, wire.SEQUENCE)
        if not sequence or self._closed:
            return
        if len(self._arrived) >= HELD_EVENTS_MAX:
            self._overflowed_to = sequence
            return
        self._arrived.append(
            LogEvent(
                sequence=sequence,
                prev_sequence=wire.number(headers, wire.LAST_SEQUENCE),
                room_id=self.room_id,
                data=data,
                appended_ns=self._hub.times.ns(wire.header(headers, wire.TIME_STAMP)),
            )
        )
        self._flush_soon()

    def _flush_soon(self) -> None:
        # What arrives together is delivered together.
        if not self._flush_due and self._catchup is not None:
            self._flush_due = True
            self._hub.loop.call_soon(self._flush_some)

    def _flush_some(self) -> None:
        self._flush_due = False
        self._flush(DELIVERED_AT_ONCE_MAX)
        if self._arrived:
            self._flush_soon()

    def _flush(self, events_max: int = HELD_EVENTS_MAX) -> None:
        if self._closed or self._catchup is None:
            return
        arrived, self._arrived = self._arrived[:events_max], self._arrived[events_max:]
        if not arrived:
            return
        self.heard_at = self._hub.now()
        new: list[LogEvent] = []
        for event in arrived:
            new += self._catchup.live(event)
        if not self._arrived:
            self._catchup.head(self._overflowed_to)
        self._deliver(new)
        self._fill_if_needed()

    def _deliver(self, events: Sequence[LogEvent]) -> None:
        if not events or self._closed:
            return
        self._hub.seen(self.room_id, events[-1].sequence)
        try:
            self._listener(events)
        except Exception:  # noqa: BLE001 - a listener's failure is its own; the feed serves on
            _log.exception("a listener of room %s failed", self.room_id)

    def _fill_if_needed(self) -> None:
        if (
            self._catchup is not None
            and self._catchup.needs_replay
            and (self._filling is None or self._filling.done())
        ):
            self._filling = self._hub.run(self._fill(self._catchup))

    async def _fill(self, catchup: Catchup[LogEvent]) -> None:
        while catchup.needs_replay and not self._closed:
            try:
                async with self._hub.fills:
                    after = catchup.begin_replay()
                    async for batch in self._hub.reader.read(self.room_id, after=after, up_to=None):
                        self._deliver(catchup.replayed(batch))
                    self._flush()
                    self._deliver(catchup.end_replay())
            except LogUnavailableError as error:
                _log.debug("room %s cannot be filled from the log: %s", self.room_id, error)
                await asyncio.sleep(RETRY_S)
            finally:
                if catchup.replaying:
                    catchup.abandon_replay()


class FeedHub:
    """All feeds of this node."""

    def __init__(
        self, connection: Connection, reader: Reader, seen: Callable[[str, int], None]
    ) -> None:
        """`seen(room_id, sequence)` is told how far each room was delivered."""
        self.connection = connection
        self.reader = reader
        self.seen = seen
        self.loop = asyncio.get_running_loop()
        self.times = wire.TimeStamps()
        self.fills = asyncio.Semaphore(FILLS_AT_ONCE_MAX)
        self._feeds: set[RoomFeed] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_due = False
        self._due = asyncio.Event()
        self.barrier = SharedTrip(partial(connection.echo, timeout_s=ECHO_WITHIN_S))

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self.loop.time()

    def start(self) -> None:
        """Begin to look after quiet feeds."""
        self.run(self._sweep())

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task that ends with the hub."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def follow(self, room_id: str, listener: FeedListener) -> RoomFeed:
        """See EventLog.follow."""
        await self.connection.wait_connected()
        feed = RoomFeed(self, room_id, listener)
        try:
            # NATS takes the subscription before this question, on the same connection: what the
            # answer does not cover comes live.
            generation = self.connection.generation
            feed.begin(await self.reader.last_sequence(room_id), generation)
        except BaseException:
            feed.end()
            raise
        self._feeds.add(feed)
        return feed

    def remove(self, feed: RoomFeed) -> None:
        """Forget a closed feed."""
        self._feeds.discard(feed)

    def check_soon(self) -> None:
        """Compare all feeds with the log: the connection is a new one."""
        self._all_due = True
        self._due.set()

    def reset(self) -> None:
        """End all feeds: their positions mean nothing in the log as it is now."""
        feeds, self._feeds = self._feeds, set()
        for feed in feeds:
            feed.end()

    async def close(self) -> None:
        """End everything."""
        self.reset()
        for task in tuple(self._tasks):
            await end_task(task)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`, which may swallow that the task is cancelled.
                async with asyncio.timeout(SWEEP_INTERVAL_S):
                    await self._due.wait()
            self._due.clear()
            every, self._all_due = self._all_due, False
            try:
                await self._check(every=every)
            except LogUnavailableError as error:
                _log.debug("feeds could not be checked: %s", error)
                self._all_due = self._all_due or every
                await asyncio.sleep(RETRY_S)
                if self._all_due:
                    self._due.set()

    async def _check(self, *, every: bool) -> None:
        quiet_since = self.now() - QUIET_S
        feeds = [feed for feed in self._feeds if every or feed.heard_at < quiet_since]
        if not feeds:
            return
        generation = self.connection.generation
        heads = await self.reader.last_sequences([feed.room_id for feed in feeds])
        for feed in feeds:
            feed.take_head(heads.get(feed.room_id, 0), generation)
