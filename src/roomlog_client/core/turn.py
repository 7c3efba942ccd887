"""One input's time, chance and effects; and the names of what is asked."""

from collections.abc import Iterable
from math import ceil, floor

from roomlog_client.core.effects import Effect
from roomlog_contract.errors import ErrorCode

RETRY_MS_DEFAULT = 1000

RETRIED = frozenset(
    {
        *(ErrorCode.LOG_UNAVAILABLE, ErrorCode.RATE_LIMITED),
        *(ErrorCode.PROJECTION_BEHIND, ErrorCode.DATABASE_UNAVAILABLE),
    }
)


class Turn:
    """What one input brings (`at_ms` since 1970, `chance` in [0, 1)) and what comes of it.

    `quiet`: it was one event more or less, which makes nothing sendable and no room whole.
    """

    def __init__(self, at_ms: int, chance: float) -> None:
        self.at_ms = at_ms
        self.chance = chance
        self.effects: list[Effect] = []
        self.quiet = False

    def emit(self, *effects: Effect) -> None:
        """Add to what the shell has to do."""
        self.effects.extend(effects)

    def share_of(self, limit_ms: int) -> int:
        """A random part of a duration, in whole milliseconds."""
        return floor(self.chance * limit_ms)

    def spread(self, retry_ms: int) -> int:
        """A given delay and up to half of it more, so that not all come back at once."""
        return retry_ms + floor(self.chance * retry_ms / 2)


class Refs:
    """Makes the marks by which answers are known: one counter for the client's whole life."""

    def __init__(self) -> None:
        self._count = 0

    def next(self, kind: str) -> str:
        """A mark that was not used before."""
        self._count += 1
        return f"{kind}-{self._count}"


def retry_ms(retry_after_s: float | None) -> int:
    """What an `error` frame says about trying again, in milliseconds."""
    return RETRY_MS_DEFAULT if retry_after_s is None else ceil(retry_after_s * 1000)


def oldest(asked_ms: Iterable[int]) -> int | None:
    """The earliest of the times, None where there is none."""
    return min(asked_ms, default=None)
