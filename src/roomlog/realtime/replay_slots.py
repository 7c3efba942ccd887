"""How many replays read the log at once, on all connections of a worker: each holds two batches of
it for its reader, who may be slow, and a whole crowd may resume at once."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

REPLAYS_AT_ONCE_MAX: Final = 64
HOLD_S: Final = 5.0
STILL_S: Final = 5.0


class ReplaySlots:
    """Slots for replays, given in the order in which they are asked for.

    Where others wait, who has one gives it back after `hold_s` and asks again, and a reader that
    takes nothing for `still_s` is closed.
    """

    def __init__(
        self,
        at_once: int = REPLAYS_AT_ONCE_MAX,
        *,
        hold_s: float = HOLD_S,
        still_s: float = STILL_S,
    ) -> None:
        self.hold_s = hold_s
        self.still_s = still_s
        self._free = asyncio.Semaphore(at_once)
        self._wanting = 0

    @property
    def wanted(self) -> bool:
        """Whether another waits for a slot."""
        return self._wanting > 0

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a slot, and have it for the block."""
        self._wanting += 1
        try:
            await self._free.acquire()
        finally:
            self._wanting -= 1
        try:
            yield
        finally:
            self._free.release()
