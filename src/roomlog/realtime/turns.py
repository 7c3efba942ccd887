"""How much of what clients say is taken in one turn of the event loop.

What clients ask for is only half of the work: the log's answers, and the commits that wait for
them, need turns too. Where more is said than can be done, a turn that took all of it would last
for seconds, and nothing that was begun would end meanwhile.
"""

import asyncio
from collections import deque
from typing import Final

LINES_PER_TURN_MAX: Final = 128
_WOKEN_PER_TURN: Final = 4


class Turns:
    """Shares out the lines of a turn. For one event loop."""

    def __init__(self) -> None:
        self._left = LINES_PER_TURN_MAX
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    def take(self) -> bool:
        """Whether another line may be taken in this turn: then it counts as taken."""
        if self._left <= 0:
            return False
        self._left -= 1
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)
        return True

    async def next(self) -> None:
        """Return in a later turn, in which something is left; first come, first served."""
        if not self._turning:
            await asyncio.sleep(0)
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _turn(self) -> None:
        self._left = LINES_PER_TURN_MAX
        for _ in range(min(_WOKEN_PER_TURN, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
        self._turning = bool(self._waiting)
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
