"""Nobody follows a room unrecorded, whatever goes wrong with recording."""

import asyncio
from typing import Any, cast

import pytest

from roomlog.realtime.on_record import stay_on_record
from roomlog.services import identity
from roomlog.services.readers import Readers
from roomlog.services.trail import Trail
from tests.integration.realtime.node import eventually, running_node


class _FailingReaders:
    """Readers whose next wait for a span, and next reading, fail as nobody expects; each once."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self.spans = asyncio.Semaphore(0)
        self.faults = ["next_span", "open"]

    async def next_span(self) -> None:
        self._fail("next_span")
        await self.spans.acquire()

    async def open(self, *args: Any, **kwargs: Any) -> Any:
        self._fail("open")
        return await self._readers.open(*args, **kwargs)

    def _fail(self, where: str) -> None:
        if where in self.faults:
            self.faults.remove(where)
            raise ZeroDivisionError(where)


async def test_recording_goes_on_after_what_nobody_expected_and_says_so(
    caplog: pytest.LogCaptureFixture,
):
    async with running_node() as node:
        room, auditor = await node.new_room(), "aud@example.org"
        async with node.client(room, auditor, roles=("auditor",)) as first:
            await first.until("subscribed")
            trail = Trail(node.trail, identity.SystemClock(), span_s=0)
            failing = _FailingReaders(Readers(node.room_cache, trail))
            node.events.readers = cast("Any", failing)
            recording = asyncio.create_task(stay_on_record(node.manager, node.events, retry_s=0.01))
            try:
                failing.spans.release()
                assert (await first.closed())[0] == 4001  # nobody reads on without a record
                async with node.client(room, auditor, roles=("auditor",)) as second:
                    await second.until("subscribed")
                    before = len(node.trail.of(auditor))
                    failing.spans.release()
                    await eventually(lambda: len(node.trail.of(auditor)) > before)
                assert not recording.done()
            finally:
                recording.cancel()
    told = [one.getMessage() for one in caplog.records if one.exc_info]
    assert told == [
        "who follows rooms by a role over all rooms is not recorded anew",
        f"{auditor} can't be recorded in room {room}",
    ]
