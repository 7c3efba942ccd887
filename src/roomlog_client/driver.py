"""Runs a machine: gives it time and chance, and carries out what comes of its inputs."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from roomlog_client.connection import Socket, Take
from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.machine import Machine
from roomlog_client.queue_file import QueueFile
from roomlog_client.tokens import Tokens

_STOP_TIMEOUT_S = 3.0

_logger = logging.getLogger(__name__)

Outward = (
    ef.StateChanged
    | ef.Deliver
    | ef.Merged
    | ef.Pass
    | ef.RoomLive
    | ef.RoomEnded
    | ef.Load
    | ef.Reset
    | ef.Settlement
    | ef.Held
    | ef.Report
)


class Driver:
    """One machine with its timers, its socket and its queue file.

    `open_socket` makes a socket with a token. `tell` hears every effect that is for the world outside, in order, and must not raise.
    `failed` hears of a defect that ends the driver. Duty of the caller: `start`, then `stop`.
    """

    def __init__(
        self,
        machine: Machine,
        open_socket: Callable[[str, Take], Socket],
        tokens: Tokens,
        queue_file: QueueFile | None,
        *,
        tell: Callable[[Outward], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._machine = machine
        self._new_socket = open_socket
        self._tokens = tokens
        self._queue_file = queue_file
        self._tell = tell
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[tuple[Sequence[inp.Input], Callable[[], bool]]] = asyncio.Queue()
        self._next: deque[inp.Input] = deque()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._socket: Socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        # The machine's clock must not go back, as the wall clock may.
        self._epoch_ms = time.time() * 1000 - time.monotonic() * 1000

    def start(self) -> None:
        """Begin to take inputs."""
        self._worker = asyncio.create_task(self._work())

    def post(self, *inputs: inp.Input) -> None:
        """Have inputs taken, in order, after those that were posted before."""
        self._inbox.put_nowait((inputs, lambda: True))

    def post_next(self, given: inp.Input) -> None:
        """Have an input taken before any other: for `tell`, which is called in the midst of one."""
        self._next.append(given)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside that ends with the driver; it must not raise."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Return when all that was posted is taken in (or the driver has failed)."""
        if self._worker is not None and not self._worker.done():
            joined = asyncio.ensure_future(self._inbox.join())
            await asyncio.wait([joined, self._worker], return_when=asyncio.FIRST_COMPLETED)
            joined.cancel()

    async def stop(self) -> None:
        """End everything that runs."""
        for handle in self._timers.values():
            handle.cancel()
        if self._socket is not None:
            self._close_socket(1000, "")
        running = [self._worker] if self._worker is not None else []
        ending = [task for task in self._tasks if task.get_name() == "socket"]
        for task in {*running, *self._tasks} - set(ending):
            task.cancel()
        everything = [*running, *self._tasks]
        if everything:
            await asyncio.wait(everything, timeout=_STOP_TIMEOUT_S)

    async def _work(self) -> None:
        try:
            while True:
                inputs, still = await self._inbox.get()
                for given in inputs:
                    if still():
                        await self._turn(given)
                    while self._next:
                        await self._turn(self._next.popleft())
                self._inbox.task_done()
        except Exception as error:
            _logger.exception("the client failed")
            self._failed(error)

    async def _turn(self, given: inp.Input) -> None:
        if isinstance(given, inp.Timer):
            del self._timers[given.timer]
        at_ms = int(self._epoch_ms + time.monotonic() * 1000)
        chance = random.random()  # noqa: S311 - it only spreads the load
        for effect in self._machine.handle(given, at_ms, chance):
            match effect:
                case ef.Send():
                    if self._socket is not None:
                        self._socket.send(effect.frame)
                case ef.SetTimer() | ef.CancelTimer() | ef.CancelTimers():
                    self._time(effect)
                case ef.FetchToken() | ef.OpenSocket() | ef.CloseSocket():
                    self._connect(effect)
                case ef.Store() | ef.Forget():
                    await self._keep(effect)
                case _:
                    self._tell(effect)

    async def _keep(self, effect: ef.Store | ef.Forget) -> None:
        if self._queue_file is None:
            return
        if isinstance(effect, ef.Store):
            await asyncio.to_thread(self._queue_file.store, effect.item)
        else:
            self._queue_file.forget((effect.room_id, effect.key))

    # Timers

    def _time(self, effect: ef.SetTimer | ef.CancelTimer | ef.CancelTimers) -> None:
        ended = list(self._timers) if isinstance(effect, ef.CancelTimers) else [effect.timer]
        for timer in ended:
            handle = self._timers.pop(timer, None)
            if handle is not None:
                handle.cancel()
        if isinstance(effect, ef.SetTimer):
            timer, after_s = effect.timer, effect.after_ms / 1000
            self._timers[timer] = self._loop.call_later(after_s, self._fire, timer)

    def _fire(self, timer: str) -> None:
        # It may be cancelled or replaced while it waits to be taken.
        handle = self._timers[timer]
        self._inbox.put_nowait(([inp.Timer(timer)], lambda: self._timers.get(timer) is handle))

    # Tokens and the socket

    def _connect(self, effect: ef.FetchToken | ef.OpenSocket | ef.CloseSocket) -> None:
        match effect:
            case ef.FetchToken():
                self.spawn(self._fetch_token())
            case ef.OpenSocket():
                self._open_socket(effect.token)
            case ef.CloseSocket():
                self._close_socket(effect.code, effect.reason)

    async def _fetch_token(self) -> None:
        try:
            token = await self._tokens.fetch()
        except Exception as error:  # noqa: BLE001 - whatever the application's function raises
            self.post(inp.TokenFailed(f"{type(error).__name__}: {error}"))
        else:
            self.post(token)

    def _open_socket(self, token: str) -> None:
        async def take(inputs: Sequence[inp.Input]) -> None:
            # The reader goes on when these are taken: so a busy client is a slow reader, not a
            # large one.
            self._inbox.put_nowait((inputs, lambda: self._socket is socket))
            await self.settled()

        socket = self._new_socket(token, take)
        self._socket = socket
        socket.ended.set_name("socket")
        self._tasks.add(socket.ended)
        socket.ended.add_done_callback(self._tasks.discard)

    def _close_socket(self, code: int, reason: str) -> None:
        if self._socket is not None:
            self._socket.close(code, reason)
            self._socket = None
