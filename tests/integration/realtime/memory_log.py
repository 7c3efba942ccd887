"""A log in memory, for what the WebSocket layer itself does: no acks to trust, no restarts."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from roomlog.memory_ports import Claim
from roomlog.ports import (
    Appended,
    FeedListener,
    LogEvent,
    LogUnavailableError,
    NewEvent,
    RoomNotEmptyError,
)

READ_BATCH = 512


class MemoryFeed:
    def __init__(self, log: "MemoryLog", room_id: str, listener: FeedListener) -> None:
        self.position = log.head(room_id)
        self.log, self.room_id, self.listener = log, room_id, listener

    def deliver(self) -> None:
        events = self.log.rooms[self.room_id]
        new = events[bisect_right(events, self.position, key=lambda event: event.sequence) :]
        if new:
            self.position = new[-1].sequence
            self.listener(new)

    async def check(self) -> None:
        self.deliver()

    async def settled(self) -> bool:
        return self.position == self.log.head(self.room_id)

    async def close(self) -> None:
        self.log.feeds[self.room_id].remove(self)


class MemoryLog:
    """`feed_delay_s` keeps the live feed behind the log; `gone` makes it unavailable."""

    partitions = 1
    connected = True

    def __init__(self) -> None:
        self.epoch = "epoch-1"
        self.rooms: dict[str, list[LogEvent]] = {}
        self.feeds: dict[str, list[MemoryFeed]] = {}
        self.sequence = 0
        self.feed_delay_s = 0.0
        self.gone = False
        self.appends_held: asyncio.Event | None = None
        self.largest_read = 0
        self.reset_listeners: list[Callable[[], None]] = []

    def head(self, room_id: str) -> int:
        events = self.rooms.get(room_id)
        return events[-1].sequence if events else 0

    def put(self, room_id: str, data: bytes) -> int:
        """Append without delivering."""
        self.sequence += 1
        events = self.rooms.setdefault(room_id, [])
        previous = events[-1].sequence if events else 0
        events.append(LogEvent(self.sequence, previous, room_id, data, 0))
        return self.sequence

    def deliver(self, room_id: str) -> None:
        loop = asyncio.get_running_loop()
        for feed in list(self.feeds.get(room_id, ())):
            if self.feed_delay_s:
                loop.call_later(self.feed_delay_s, feed.deliver)
            else:
                feed.deliver()

    def partition_of(self, room_id: str) -> int:
        return 0

    def begin_append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> asyncio.Future[list[Appended]]:
        return asyncio.ensure_future(self.append(room_id, events, first=first))

    def require_place(self, room_id: str) -> None:
        pass

    async def append(
        self, room_id: str, events: Sequence[NewEvent], *, first: bool = False
    ) -> list[Appended]:
        if self.gone:
            raise LogUnavailableError("gone")
        if first and self.rooms.get(room_id):
            raise RoomNotEmptyError
        appended = [Appended(self.put(room_id, event.data)) for event in events]
        self.deliver(room_id)
        if self.appends_held is not None:
            await self.appends_held.wait()
        await asyncio.sleep(0)
        return appended

    async def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        while True:
            if self.gone:
                raise LogUnavailableError("gone")
            events = self.rooms.get(room_id, [])
            start = bisect_right(events, after, key=lambda event: event.sequence)
            batch = events[start : start + READ_BATCH]
            await asyncio.sleep(0.0005)  # the log answers with what it had when it was asked
            if not batch:
                return
            self.largest_read = max(self.largest_read, batch[-1].sequence)
            yield batch
            after = batch[-1].sequence

    async def last_sequence(self, room_id: str, *, up_to: int | None = None) -> int:
        if self.gone:
            raise LogUnavailableError("gone")
        return self.head(room_id)

    async def last_sequences(self, room_ids: Sequence[str]) -> Mapping[str, int]:
        return {room: head for room in room_ids if (head := self.head(room))}

    async def event_at(self, room_id: str, sequence: int) -> LogEvent | None:
        return next((e for e in self.rooms.get(room_id, ()) if e.sequence == sequence), None)

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        event = await self.event_at(room_id, sequence)
        return None if event is None else event.data

    async def follow(self, room_id: str, listener: FeedListener) -> MemoryFeed:
        feed = MemoryFeed(self, room_id, listener)
        self.feeds.setdefault(room_id, []).append(feed)
        return feed

    def on_reset(self, listener: Callable[[], None]) -> None:
        self.reset_listeners.append(listener)


class NoSnapshots:
    async def get(self, key: str) -> None:
        return None

    async def put(self, key: str, snapshot: object) -> None:
        pass


class MemoryMarkers:
    def __init__(self) -> None:
        self.markers: dict[str, dict[str, int]] = {}

    async def get(self, user_id: str) -> dict[str, int]:
        return self.markers.get(user_id, {})

    async def advance(self, user_id: str, room_id: str, sequence: int) -> None:
        mine = self.markers.setdefault(user_id, {})
        mine[room_id] = max(sequence, mine.get(room_id, 0))


class MemoryRequests:
    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}

    async def find(self, request_id: str) -> Claim | None:
        return self.claims.get(request_id)

    async def claim(self, request_id: str, digest: str) -> Claim:
        return self.claims.setdefault(request_id, Claim(digest, finished=False))

    async def finish(self, request_id: str, digest: str) -> None:
        self.claims[request_id] = Claim(digest, finished=True)


class MemoryKeyMarks:
    def __init__(self) -> None:
        self.marks: dict[str, int] = {}

    async def get(self, user_id: str) -> int:
        return self.marks.get(user_id, 0)

    async def advance(self, user_id: str, moment_ms: int) -> int:
        self.marks[user_id] = max(moment_ms, self.marks.get(user_id, 0))
        return self.marks[user_id]


class MemoryNames:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.puts = 0
        self.gone = False

    async def get(self, user_ids: Sequence[str]) -> dict[str, str]:
        if self.gone:
            raise LogUnavailableError("gone")
        return {user: self.names[user] for user in user_ids if user in self.names}

    async def put(self, user_id: str, name: str) -> None:
        if self.gone:
            raise LogUnavailableError("gone")
        self.puts += 1
        self.names[user_id] = name
