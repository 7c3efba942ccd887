"""Merging what is read from the log with what comes live: in order, each once, without a hole.

Pure: the caller subscribes first, then reads, and tells this class of both in whatever order
they happen. It serves a node's feed of a room and a socket that resumes.
"""

from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar

BUFFER_EVENTS_MAX: Final = 4096


class Sequenced(Protocol):
    """An event of one room that knows its place and the place of the one before it."""

    @property
    def sequence(self) -> int:
        """Its own sequence."""
        ...

    @property
    def prev_sequence(self) -> int:
        """The sequence of the room's event before it, 0 for the first."""
        ...


E = TypeVar("E", bound=Sequenced)


class Catchup(Generic[E]):
    """Everything above `position`, in order.

    Duty of the caller: hand on what `live`, `replayed` and `end_replay` return, in that order;
    whenever `needs_replay`, read the log from `begin_replay()` to its end, each batch through
    `replayed`, then `end_replay` (or `abandon_replay` when the reading failed).

    1. What is handed on rises strictly, and `position` is always the last of it.
    2. A live event is handed on at once only when it follows `position` directly.
    3. Else it waits for a replay begun after it came; what such a replay does not bring is not
       in the log any more (erased), and so a hole that the log confirms is closed.
    4. At most `buffer_max` events wait; those beyond are left to another replay.
    """

    def __init__(self, position: int, *, buffer_max: int = BUFFER_EVENTS_MAX) -> None:
        self._position = position
        self._buffer_max = buffer_max
        self._buffer: dict[int, E] = {}
        self._known = position
        self._covered = 0
        self._replaying = False

    @property
    def position(self) -> int:
        """The sequence of the last event handed on (at first: where to go on from)."""
        return self._position

    @property
    def replaying(self) -> bool:
        """Whether a replay was begun and not yet ended."""
        return self._replaying

    @property
    def needs_replay(self) -> bool:
        """Whether the log is known to reach further than what was handed on, and nobody reads."""
        return self._known > self._position and not self._replaying

    def begin_replay(self) -> int:
        """The sequence after which the log is to be read now, to its end."""
        self._replaying = True
        self._covered = self._known
        self._buffer.clear()
        return self._position

    def replayed(self, events: Iterable[E]) -> list[E]:
        """Take a batch from the log, in order; return what is new."""
        new: list[E] = []
        for event in events:
            if event.sequence > self._position:
                new.append(event)
                self._position = event.sequence
        return new

    def end_replay(self) -> list[E]:
        """The log was read to its end: return what came live beyond it, if that follows on.

        `needs_replay` is true again where it does not.
        """
        self._replaying = False
        if self._known <= self._covered:
            self._known = self._position
        new: list[E] = []
        for sequence in sorted(self._buffer):
            event = self._buffer[sequence]
            if sequence > self._position >= event.prev_sequence:
                new.append(event)
                self._position = sequence
        self._buffer.clear()
        return new

    def abandon_replay(self) -> None:
        """The reading failed: begin another one."""
        self._replaying = False

    def live(self, event: E) -> list[E]:
        """Take an event that came live; return it when it is next, else keep or drop it."""
        if event.sequence <= self._position:
            return []
        waits = self._replaying or self._known > self._position
        if not waits and event.prev_sequence <= self._position:
            self._position = self._known = event.sequence
            return [event]
        self._known = max(self._known, event.sequence)
        # Before a replay begins nothing need be kept: it will bring this event too.
        if self._replaying and len(self._buffer) < self._buffer_max:
            self._buffer[event.sequence] = event
        return []

    def head(self, sequence: int) -> None:
        """Take the room's newest sequence as the log says it."""
        self._known = max(self._known, sequence)
