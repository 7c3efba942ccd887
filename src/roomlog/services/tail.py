"""A room's newest events, kept for those who come back to it.

Who was away for a moment, and a thousand who lost their connections at once, find what they
missed here and need not read the log.
"""

from collections import OrderedDict, deque
from itertools import islice

from roomlog_contract.events import RoomEvent

EVENTS_MAX = 1024
BYTES_MAX = 1 << 20
ALL_BYTES_MAX = 64 << 20


class Tail:
    """Every event of a room above `floor`, in order.

    Bounded: the oldest go first, and where all tails of the node hold too much, those of the rooms
    in which nothing was said for the longest. Whoever has not read as far as `floor` must go on
    reading the log.
    """

    def __init__(
        self,
        floor: int,
        all_tails: "Tails",
        *,
        events_max: int = EVENTS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._floor = floor
        self._all = all_tails
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._events: deque[tuple[RoomEvent, int]] = deque()
        self._bytes = 0

    def append(self, event: RoomEvent, size_bytes: int) -> None:
        """Take in the next event."""
        before_bytes = self._bytes
        self._events.append((event, size_bytes))
        self._bytes += size_bytes
        while len(self._events) > self._events_max or self._bytes > self._bytes_max:
            oldest, oldest_bytes = self._events.popleft()
            self._floor = oldest.sequence
            self._bytes -= oldest_bytes
        self._all.changed(self, self._bytes - before_bytes)

    def after(self, position: int, limit: int) -> list[RoomEvent] | None:
        """The first `limit` events above `position`; None where some above it were forgotten."""
        if position < self._floor:
            return None
        # Most callers need only the end of it.
        start = len(self._events)
        for event, _ in reversed(self._events):
            if event.sequence <= position:
                break
            start -= 1
        return [event for event, _ in islice(self._events, start, start + limit)]

    def forget(self) -> None:
        """Hold nothing of what came until now."""
        if self._events:
            self._floor = self._events[-1][0].sequence
            self._events.clear()
            freed_bytes, self._bytes = self._bytes, 0
            self._all.forgotten(self, freed_bytes)


class Tails:
    """What the tails of all rooms of this node hold together."""

    def __init__(self, *, bytes_max: int = ALL_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._by_age: OrderedDict[Tail, None] = OrderedDict()
        self.size_bytes = 0

    def changed(self, tail: Tail, by_bytes: int) -> None:
        """Called by a tail that took in an event."""
        self.size_bytes += by_bytes
        self._by_age[tail] = None
        self._by_age.move_to_end(tail)
        while self.size_bytes > self._bytes_max:
            oldest, _ = self._by_age.popitem(last=False)
            oldest.forget()

    def forgotten(self, tail: Tail, by_bytes: int) -> None:
        """Called by a tail that holds nothing any more."""
        self.size_bytes -= by_bytes
        self._by_age.pop(tail, None)
