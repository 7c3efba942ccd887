"""One round trip for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable


class SharedTrip:
    """Round trips of which each begins after those who share it have asked.

    Who asks while one is under way shares the next, so that at most one is under way, however
    many ask, and nobody waits for more than two.
    """

    def __init__(self, trip: Callable[[], Awaitable[object]]) -> None:
        self._trip = trip
        self._under_way: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Return when a trip that began after this call is over. Raises what the trip raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._under_way))
            self._next.add_done_callback(_retrieve)
        await asyncio.shield(self._next)

    async def _run(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait([before])
        self._under_way, self._next = self._next, None
        await self._trip()


def _retrieve(trip: "asyncio.Task[None]") -> None:
    if not trip.cancelled():
        trip.exception()  # whoever waits gets it; nobody may be left
