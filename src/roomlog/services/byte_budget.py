"""How many bytes are made into answers at the same time, whoever they are for.

An answer in the making holds what it is made of several times over: as it came, decoded, and
encoded again. So the bytes of all that are being made have one bound. Making one waits for the log
or the tables, never for whoever reads it: so that a place comes free soon, and callers take turns
at them, one who asks for little comes soon beside another who asks for hundreds of answers.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator
from typing import NamedTuple

from roomlog import metrics
from roomlog.core.admission import Patience
from roomlog.ports import PAGE_BYTES_MAX
from roomlog_contract.errors import ErrorCode, RefusedError

MADE_BYTES_MAX = 64 * 1024 * 1024
ITEM_BYTES_MAX = 512 * 1024
"""What one item of a page comes to at the most, with the settings as they are without others."""
_RETRY_AFTER_S = 1


class _Waiting(NamedTuple):
    size_bytes: int
    granted: "asyncio.Future[None]"


class ByteBudget:
    """Bytes to be shared, used on the event loop only."""

    def __init__(
        self, patience: Patience, code: ErrorCode, *, bytes_max: int = MADE_BYTES_MAX
    ) -> None:
        """`patience` says how long may be waited for a share, and `code` is what it is refused
        with after."""
        self._bytes_max = self._left = bytes_max
        self._patience = patience
        self._code = code
        self._callers: dict[str, deque[_Waiting]] = {}

    def page(self, caller: str, items_max: int) -> contextlib.AbstractAsyncContextManager[None]:
        """Have a share for a page of so many items: see `share`."""
        return self.share(caller, min(items_max * ITEM_BYTES_MAX, PAGE_BYTES_MAX))

    @contextlib.asynccontextmanager
    async def share(
        self, caller: str, size_bytes: int, *, refusable: bool = True
    ) -> AsyncGenerator[None]:
        """Have a share of `size_bytes` (or all, where that is less) for the block, when it is the
        caller's turn.

        Raises RefusedError with the budget's code where that took too long, unless the answer has
        begun already and so is not `refusable`.
        """
        size_bytes = min(size_bytes, self._bytes_max)
        await self._wait(caller, size_bytes, refusable=refusable)
        try:
            yield
        finally:
            self._give_back(size_bytes)

    async def _wait(self, caller: str, size_bytes: int, *, refusable: bool) -> None:
        loop = asyncio.get_running_loop()
        if not self._callers and size_bytes <= self._left:
            self._left -= size_bytes
            if refusable:
                self._patience.judge(0.0, loop.time())
            return
        came_s = loop.time()
        waiting = _Waiting(size_bytes, loop.create_future())
        self._callers.setdefault(caller, deque()).append(waiting)
        try:
            async with asyncio.timeout(self._longest_s() if refusable else None):
                await waiting.granted
        except TimeoutError:
            self._withdraw(caller, waiting)
            raise self._refused() from None
        except asyncio.CancelledError:
            self._withdraw(caller, waiting)
            raise
        waited_s = loop.time() - came_s
        if refusable:
            self._patience.judge(waited_s, loop.time())
            if self._patience.over(waited_s):
                self._give_back(size_bytes)
                raise self._refused()

    def _longest_s(self) -> float | None:
        return self._patience.longest_s or None

    def _withdraw(self, caller: str, waiting: _Waiting) -> None:
        if waiting.granted.done() and not waiting.granted.cancelled():
            self._give_back(waiting.size_bytes)
            return
        queue = self._callers.get(caller)
        if queue is not None and waiting in queue:
            queue.remove(waiting)
            if not queue:
                del self._callers[caller]
        self._grant()

    def _give_back(self, size_bytes: int) -> None:
        self._left += size_bytes
        self._grant()

    def _grant(self) -> None:
        while self._callers:
            caller = next(iter(self._callers))
            queue = self._callers[caller]
            if queue[0].size_bytes > self._left:
                return  # and nobody smaller before it, or it would wait for ever
            waiting = queue.popleft()
            del self._callers[caller]
            if queue:
                self._callers[caller] = queue  # behind the others
            if not waiting.granted.done():  # as it is of somebody who is about to leave
                self._left -= waiting.size_bytes
                waiting.granted.set_result(None)

    def _refused(self) -> RefusedError:
        metrics.HTTP_SHED.inc()
        return RefusedError(
            self._code,
            "more is asked for than the worker can make at once: nothing of this was made, "
            "ask again",
            retry_after_s=_RETRY_AFTER_S,
        )
