"""Events and waiting, for the tests of the log."""

import asyncio
import uuid
from collections.abc import Callable, Sequence

from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import LogEvent, NewEvent

WAIT_S = 60.0


def event(text: str = "", event_id: str | None = None) -> NewEvent:
    event_id = event_id or str(uuid.uuid4())
    return NewEvent(event_id, f'{{"id":"{event_id}","text":"{text}"}}'.encode())


async def read_all(log: JetStreamLog, room: str, after: int = 0) -> list[LogEvent]:
    return [e async for batch in log.read(room, after=after) for e in batch]


async def eventually(condition: Callable[[], object]) -> None:
    """Return when `condition()` holds; fail after a generous while."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


class Listener:
    """Keeps what a feed delivers."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, events: Sequence[LogEvent]) -> None:
        self.events += events

    @property
    def sequences(self) -> list[int]:
        return [e.sequence for e in self.events]
