"""Takes what a client says, line by line, as fast as it may be taken."""

import asyncio
from typing import Protocol

from roomlog.realtime.lanes import Lanes
from roomlog.realtime.outbox import Outbox, Wire
from roomlog.realtime.turns import Turns
from roomlog_contract.errors import ErrorCode, RefusedError


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
    """Takes messages from the wire at once, as far as the room's share of the turn goes. Where
    too much is under way, or answers are not taken (who does not take answers may not ask for
    more), a task goes on when that is over; the wire reads no more than its own limits meanwhile.
    """

    def __init__(
        self,
        wire: Wire,
        lanes: Lanes,
        outbox: Outbox,
        listener: Listener,
        *,
        turns: Turns,
        room: str,
    ) -> None:
        """`turns` are for the lines of all connections; `room`: see Turns."""
        self._wire = wire
        self._lanes = lanes
        self._outbox = outbox
        self._listener = listener
        self._turns = turns
        self._room = room
        self._on = False
        self._waits = False
        self._lines: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Listen from now on, to what came before first."""
        self._on = True
        self.read()

    def end(self) -> None:
        """Listen no more."""
        self._on = False
        self._lines = []

    def read(self) -> None:
        """The wire has messages."""
        if self._on and self._task is None and not self._waits:
            self._take_some()

    def _go_on(self) -> None:
        self._waits = False
        self.read()

    async def _take_later(self) -> None:
        try:
            await self._lanes.slot()
            await self._outbox.less_than_half_full()
        finally:
            self._task = None
        self.read()

    def _take_some(self) -> None:
        """Take what waits, until something else must come first."""
        try:
            while self._lines or self._next_lines():
                if self._lanes.full or self._outbox.half_full:
                    self._task = asyncio.get_running_loop().create_task(self._take_later())
                    return
                if not self._turns.take(self._room):
                    self._waits = True
                    self._turns.wait(self._room, self._go_on)
                    return
                self._listener.take(self._lines.pop())
        except Exception as error:  # noqa: BLE001 - the listener tells of it
            self._listener.defect(error)

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
