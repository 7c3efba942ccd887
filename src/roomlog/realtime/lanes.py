"""Commands under way for one connection: several at once, a bounded number, in order where asked."""

import asyncio
from collections.abc import Awaitable, Callable

Work = Callable[[], Awaitable[None]]


class Lanes:
    """Runs work in tasks, at most `limit` at once. Work must not raise.

    Work of one lane that `holds` it is finished before the lane's next begins; other work only
    begins in order, which is enough where its first step is what counts.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._holding: dict[str, asyncio.Task[None]] = {}
        self._outside = 0
        self._slot: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        """Whether as much is under way as may be: `slot` says when that is over."""
        return len(self._tasks) + self._outside >= self._limit

    @property
    def idle(self) -> bool:
        """Whether no task is under way."""
        return not self._tasks

    async def slot(self) -> None:
        """Return when `start` may be called."""
        while self.full:
            self._slot = asyncio.get_running_loop().create_future()
            await self._slot

    def enter(self) -> None:
        """Count work that goes on without a task; `leave` must follow."""
        self._outside += 1

    def leave(self) -> None:
        """That work is done."""
        self._outside -= 1
        self._free_slot()

    def start(self, work: Work, lane: str, *, holds: bool) -> None:
        """Begin the work, after what holds the lane."""
        before = self._holding.get(lane)
        task = asyncio.create_task(self._run(work, before))
        self._tasks.add(task)
        # What waits has not begun, so that what comes after must wait for it in turn.
        if holds or before is not None:
            self._holding[lane] = task
        task.add_done_callback(lambda done: self._done(done, lane))

    @staticmethod
    async def _run(work: Work, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await work()

    def _done(self, task: asyncio.Task[None], lane: str) -> None:
        self._tasks.discard(task)
        if self._holding.get(lane) is task:
            del self._holding[lane]
        self._free_slot()
        if not task.cancelled():
            task.result()

    def _free_slot(self) -> None:
        if self._slot is not None and not self._slot.done():
            self._slot.set_result(None)

    async def settle(self, timeout_s: float) -> None:
        """Wait for what is under way; cancel what takes longer."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
