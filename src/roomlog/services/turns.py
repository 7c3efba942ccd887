"""Whose turn it is: a room that floods gets a share of each turn of the event loop, no more.

Judging a message and beginning to append it costs some 50 µs, concluding it 15, and hundreds may
come at once in a busy room, or from many. Whoever else speaks, and the log's answers to them,
would wait for all of those.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Shares the event loop's turns among rooms, work of one kind. Used on the event loop only.

    `room` stands for those who share: a room's id, or for a connection that is of many rooms its
    own. Work of a room is done in the order in which it came, and rooms that wait go in turn.
    """

    def __init__(self, *, share: int, most: int) -> None:
        """`share` is how much of a room is done in one turn, `most` how much of all: the sum of
        what the pieces weigh."""
        self._share = share
        self._most = self._left = most
        self._done: dict[str, int] = {}
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._scheduled = False

    def take(self, room: str, weight: int = 1) -> bool:
        """Count a piece of work, to be done now; false where it must wait for another turn."""
        if not self._may(room):
            return False
        self._left -= weight
        self._done[room] = self._done.get(room, 0) + weight
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)
        return True

    def wait(self, room: str, go_on: Callable[[], None]) -> None:
        """After `take` said no: call `go_on` when it is the room's turn again. It asks `take`
        for each piece of its work."""
        self._waiting.setdefault(room, deque()).append(go_on)

    def do(self, room: str, work: Callable[[], None]) -> None:
        """Do this piece of work now, or when it is the room's turn again."""
        if self.take(room):
            work()
        else:
            self.wait(room, lambda: self.do(room, work))

    def _may(self, room: str) -> bool:
        return self._left > 0 and self._done.get(room, 0) < self._share

    def _turn(self) -> None:
        # What waits was told so in a turn that took something, which had this one called.
        self._scheduled = False
        self._left = self._most
        self._done.clear()
        for room in tuple(self._waiting):
            if self._left <= 0:
                break
            queue = self._waiting.pop(room)  # and behind the others, if it has to wait again
            while queue and self._may(room):
                queue.popleft()()
            if queue:
                self._waiting.setdefault(room, deque()).extendleft(reversed(queue))
