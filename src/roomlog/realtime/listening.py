"""Takes what a client says, line by line, as fast as it may be taken."""

import asyncio
from typing import Final, Protocol

from roomlog.core.admission import Patience
from roomlog.realtime.lanes import Lanes
from roomlog.realtime.outbox import Outbox, Wire
from roomlog.services.turns import Turns
from roomlog_contract.errors import ErrorCode, RefusedError

LINE_WEIGHT: Final = 8
"""Of a line that is judged, where one that is turned away weighs 1: what they cost."""


class Listener(Protocol):
    """The connection that is spoken to."""

    def take(self, line: str, *, late: bool) -> None:
        """Begin to do what a line asks for; where it has waited for too long, turn it away."""
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

    Lines that waited for a turn for longer than there is patience are late. Flows are judged each
    by itself (as in FQ-CoDel, RFC 8290) and all together, since many may send little each. What
    waited because much of its own connection's is under way waits from the end of that on.
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
        patience: Patience,
    ) -> None:
        """`turns` and `patience` are for the lines of all connections; `room`: see Turns."""
        self._wire = wire
        self._lanes = lanes
        self._outbox = outbox
        self._listener = listener
        self._turns = turns
        self._room = room
        self._everybodys = patience
        self._own = Patience(patience.target_s)
        self._loop = asyncio.get_running_loop()
        self._came_s = self._free_since_s = 0.0
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
        self._free_since_s = self._loop.time()
        self.read()

    def _take_some(self) -> None:
        """Take what waits, until something else must come first."""
        first = True
        try:
            while self._lines or self._next_lines():
                if self._lanes.full or self._outbox.half_full:
                    self._task = self._loop.create_task(self._take_later())
                    return
                now_s = self._loop.time()
                waited_s = now_s - max(self._came_s, self._free_since_s)
                late = self._own.over(waited_s) or self._everybodys.over(waited_s)
                if not self._turns.take(self._room, 1 if late else LINE_WEIGHT):
                    self._waits = True
                    self._turns.wait(self._room, self._go_on)
                    return
                if first:  # those behind it are younger, and had to wait for the same turn
                    self._own.judge(waited_s, now_s)
                    self._everybodys.judge(waited_s, now_s)
                    first = False
                self._listener.take(self._lines.pop(), late=late)
        except Exception as error:  # noqa: BLE001 - the listener tells of it
            self._listener.defect(error)

    def _next_lines(self) -> bool:
        """Have the next message's lines in `_lines`, last first; false where none waits."""
        while self._on and not self._lines:
            message = self._wire.next_message()
            if message is None:
                return False
            said, self._came_s = message
            if isinstance(said, bytes):
                self._listener.malformed(RefusedError(ErrorCode.INVALID, "text frames only"))
                continue
            self._lines = [line for line in said.split("\n") if line and not line.isspace()]
            if not self._lines:
                self._listener.malformed(RefusedError(ErrorCode.INVALID, "the frame is empty"))
            self._lines.reverse()
        return self._on
