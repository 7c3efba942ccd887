"""How fast a replay goes: as on the page (`src/console/src/timeline`), so that both show a room's
course alike. `tests/contracts/replay_cases.json` holds the two together.

Events lie on a line of time that never goes back: each where it was said, or where the one before
it lies, since senders' clocks may be wrong.
"""

from datetime import datetime


class Pace:
    """When each event of a replay is due, told in the order of the log."""

    def __init__(self, speed: float, *, longest_s: float, first: int = 0) -> None:
        """`speed` is how many times as fast as it happened, 0 for no pauses. A silence that would
        take longer than `longest_s` takes as long as that. Events before the sequence `first` are
        passed over."""
        self._speed = speed
        self._longest_s = longest_s
        self._first = first
        self._line: datetime | None = None
        self._begun = False

    def pause_s(self, sequence: int, at: datetime | None) -> float | None:
        """How many seconds after the event before it this one, said then, is due; None where it is
        passed over. `at` is None where that can't be read, which is not waited for."""
        line = self._line
        if at is not None:
            self._line = at if line is None else max(line, at)
        if sequence < self._first:
            return None
        begun, self._begun = self._begun, True
        if not begun or not self._speed or line is None or self._line is None:
            return 0.0
        return min((self._line - line).total_seconds() / self._speed, self._longest_s)
