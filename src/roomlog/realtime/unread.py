"""What replays hold for readers that do not take it: bounded for all of a worker's together.

A replay holds two batches of the log while its reader stands still, and many may resume at once.
"""

import contextlib
from collections.abc import Generator
from typing import Final

from roomlog import metrics
from roomlog.realtime.room_channel import Subscription
from roomlog_contract.errors import CloseCode

UNREAD_BYTES_MAX: Final = 64 * 1024 * 1024


class UnreadReplays:
    """The replays that wait for their readers. Where these hold more than `bytes_max`, the one
    that has stood still the longest is closed (4000): it resumes where it was. Used on the event
    loop only."""

    def __init__(self, bytes_max: int = UNREAD_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._waiting: dict[Subscription, int] = {}
        self._bytes = 0

    @contextlib.contextmanager
    def held(self, subscription: Subscription, size_bytes: int) -> Generator[None]:
        """Around the wait of a replay that holds so much for its reader."""
        self._waiting[subscription] = size_bytes
        self._bytes += size_bytes
        while self._bytes > self._bytes_max:
            self._close(next(iter(self._waiting)))
        try:
            yield
        finally:
            self._forget(subscription)

    def _close(self, subscription: Subscription) -> None:
        self._forget(subscription)
        metrics.SLOW_CONSUMER_CLOSES.inc()
        subscription.subscriber.close(CloseCode.TOO_SLOW, "too slow: resume from the last sequence")

    def _forget(self, subscription: Subscription) -> None:
        self._bytes -= self._waiting.pop(subscription, 0)
