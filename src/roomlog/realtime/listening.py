"""Takes what a client says, line by line, as fast as it may be taken."""

import asyncio
from typing import Final, Protocol

from roomlog.realtime.lanes import Lanes
from roomlog.realtime.outbox import Outbox, Wire
from roomlog.realtime.turns import Turns
from roomlog_contract.errors import ErrorCode, RefusedError

LINES_PER_TURN: Final = 64


class Listener(Protocol):
    """The connection that is spoken to."""

    def take(self, line: str) -> None:
        """Begin to do what a line asks for."""
        ...

    def malformed(self, refusal: RefusedError) -> None:
        """A message was no text, or empty."""
        ...

    def defect(self, error: Exception) -> None:
        """`take` raised this: the connection cannot go on."""
        ...


class Listening:
    """Takes messages from the wire at once. Where too much is under way, answers are not taken
    (who does not take answers may not ask for more), or all connections together say too much for
    one turn, a task goes on when that is over; the wire reads no more than its own limits
    meanwhile."""

    def __init__(
        self, wire: Wire, lanes: Lanes, outbox: Outbox, turns: Turns, listener: Listener
    ) -> None:
        self._wire = wire
        self._lanes = lanes
        self._outbox = outbox
        self._turns = turns
        self._listener = listener
        self._on = False
        self._lines: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Listen from now on, to what came before first."""
        self._on = True
        self.go_on()

    def end(self) -> None:
        """Listen no more."""
        self._on = False
        self._lines = []

    def go_on(self) -> None:
        """The wire has messages."""
        if self._on and self._task is None and not self._take_some():
            self._task = asyncio.get_running_loop().create_task(self._take_later())

    async def _take_later(self) -> None:
        try:
            while self._on:
                await self._turns.next()
                await self._lanes.slot()
                await self._outbox.less_than_half_full()
                if self._take_some():
                    return
        finally:
            self._task = None

    def _take_some(self) -> bool:
        """Take a turn's share of what waits; whether nothing is left."""
        try:
            for _ in range(LINES_PER_TURN):
                if not self._lines and not self._next_lines():
                    return True
                if self._lanes.full or self._outbox.half_full or not self._turns.take():
                    return False
                self._listener.take(self._lines.pop())
        except Exception as error:  # noqa: BLE001 - the listener tells of it
            self._listener.defect(error)
        return not self._on

    def _next_lines(self) -> bool:
        """Have the next message's lines in `_lines`, last first; false where none waits."""
        while self._on and not self._lines:
            said = self._wire.next_message()
            if said is None:
                return False
            if isinstance(said, bytes):
                self._listener.malformed(RefusedError(ErrorCode.INVALID, "text frames only"))
                continue
            self._lines = [line for line in said.split("\n") if line and not line.isspace()]
            if not self._lines:
                self._listener.malformed(RefusedError(ErrorCode.INVALID, "the frame is empty"))
            self._lines.reverse()
        return self._on
