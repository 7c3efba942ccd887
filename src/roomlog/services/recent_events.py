"""What one reader of a partition has read lately, for another beside it that needs the same."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from roomlog.ports import LogEvent

EVENTS_MAX: Final = 4096
BYTES_MAX: Final = 4 * 1024 * 1024


class RecentEvents:
    """The newest events of one partition, without a hole that the log does not have: kept until
    they are taken, and no more than EVENTS_MAX of BYTES_MAX. Used on one event loop."""

    def __init__(self) -> None:
        self._open = False
        self._after = self._to = 0
        self._events: deque[LogEvent] = deque()
        self._bytes = 0

    def begin(self) -> None:
        """What is added from now on is read from the log as it is now."""
        self._restart(0)
        self._open = True

    def end(self) -> None:
        """The log is another one: forget all, and take nothing more until `begin`."""
        self._restart(0)
        self._open = False

    def add(self, after: int, events: Sequence[LogEvent]) -> None:
        """These are all that the log has from after sequence `after` to the last of them."""
        if not self._open or not events:
            return
        if after != self._to:
            self._restart(after)
        self._to = events[-1].sequence
        self._events.extend(events)
        self._bytes += sum(len(event.data) for event in events)
        while len(self._events) > EVENTS_MAX or self._bytes > BYTES_MAX:
            oldest = self._events.popleft()
            self._bytes -= len(oldest.data)
            self._after = oldest.sequence

    def take(self, after: int) -> list[LogEvent]:
        """All after sequence `after` that were added, which are forgotten; none where not all of
        them are here."""
        if not self._after <= after < self._to:
            return []
        found = [event for event in self._events if event.sequence > after]
        self._restart(self._to)
        return found

    def _restart(self, after: int) -> None:
        self._after = self._to = after
        self._events.clear()
        self._bytes = 0
