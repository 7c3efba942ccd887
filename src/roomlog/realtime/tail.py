"""A room's newest live events, kept while somebody replays: the seam of replay and live."""

from roomlog_contract.events import RoomEvent

EVENTS_MAX = 1024
BYTES_MAX = 1 << 20


class Tail:
    """Every live event above `floor`, in order.

    Bounded: when it overflows it forgets everything and begins anew above the last event; who
    has not read that far must go on reading the log.
    """

    def __init__(
        self, floor: int, *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self._floor = floor
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._events: list[RoomEvent] = []
        self._bytes = 0

    def append(self, event: RoomEvent, size_bytes: int) -> None:
        """Take in the next live event."""
        self._events.append(event)
        self._bytes += size_bytes
        if len(self._events) > self._events_max or self._bytes > self._bytes_max:
            self._events.clear()
            self._bytes = 0
            self._floor = event.sequence

    def after(self, position: int, limit: int) -> list[RoomEvent] | None:
        """The first `limit` events above `position`; None where some above it were forgotten."""
        if position < self._floor:
            return None
        # Most callers need only the end of it.
        start = len(self._events)
        while start and self._events[start - 1].sequence > position:
            start -= 1
        return self._events[start : start + limit]
