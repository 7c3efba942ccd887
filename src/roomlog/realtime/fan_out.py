"""Whose turn it is to be sent what waits: all rooms of a worker, a little of each at a time.

Writing to a socket costs about 10 µs, and a room may have a thousand. Who sends, who asks, and
the log's answers would all wait for that: so at most FRAMES_PER_TURN are written in each turn of
the event loop, and the rooms take turns.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

FRAMES_PER_TURN: Final = 64
FRAMES_PER_ROOM: Final = 32


class Channel(Protocol):
    """A room for which frames may wait."""

    def send_some(self, frames_max: int) -> int:
        """Send at most so many frames; how many were sent. Fewer: nothing is left."""
        ...


class FanOut:
    """Has channels send what waits for them, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[Channel] = deque()
        self._known: set[Channel] = set()
        self._scheduled = False

    def add(self, channel: Channel) -> None:
        """Something waits at the channel now."""
        if channel in self._known:
            return
        self._known.add(channel)
        self._waiting.append(channel)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._after_acks)

    def _after_acks(self) -> None:
        # What came with these events from the log, their senders' acks, goes out in this turn:
        # ahead of what is written to everybody.
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        left = FRAMES_PER_TURN
        for _ in range(len(self._waiting)):
            channel = self._waiting.popleft()
            most = min(left, FRAMES_PER_ROOM)
            sent = channel.send_some(most)
            if sent == most:
                self._waiting.append(channel)
            else:
                self._known.discard(channel)
            left -= sent
            if left <= 0:
                break
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._turn)
