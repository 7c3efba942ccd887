"""How far a connection's user has read: written at once, and then at most once a second a room."""

import asyncio
from collections.abc import Awaitable, Callable

Write = Callable[[str, int], Awaitable[None]]

INTERVAL_S = 1.0


class SeenMarks:
    """The newest sequence seen in each room, written by `write(room_id, sequence)`.

    Of what comes while a room rests, only the highest is written. The owner calls `settle` at
    the end. `write` must not raise.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: dict[str, int] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: asyncio.Event | None = None  # made by the first: most never say anything

    @property
    def idle(self) -> bool:
        """Whether nothing waits or rests."""
        return not self._tasks

    def note(self, room_id: str, sequence: int) -> None:
        """The user has seen everything up to there."""
        if self._ending is None:
            self._ending = asyncio.Event()
        self._waiting[room_id] = max(sequence, self._waiting.get(room_id, 0))
        if room_id not in self._tasks:
            self._tasks[room_id] = asyncio.create_task(self._run(room_id, self._ending))

    async def _run(self, room_id: str, ending: asyncio.Event) -> None:
        try:
            while (sequence := self._waiting.pop(room_id, None)) is not None:
                await self._write(room_id, sequence)
                if not ending.is_set():
                    await asyncio.wait(
                        [rest := asyncio.ensure_future(ending.wait())], timeout=INTERVAL_S
                    )
                    rest.cancel()
        finally:
            del self._tasks[room_id]

    async def settle(self, timeout_s: float) -> None:
        """Write what waits, without resting any more; give up what takes longer."""
        if self._ending is None:
            return
        self._ending.set()
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks.values()), timeout=timeout_s)
            for task in late:
                task.cancel()
