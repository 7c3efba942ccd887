"""Reads by REST at a steady pace, beside whatever else runs."""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.bare_nats import percentiles_ms
from tests.stack import Stack

_CONNECTIONS = 4
_USER = "bench0@example.org"
# The newest page, which may come from memory; a page of the tables; a search.
_PATHS = ("messages?limit=50", "messages?limit=50&before=100000000", "messages/search?q=pool")


class SteadyReads:
    """Times of the answers so far, by status."""

    def __init__(self) -> None:
        self.times_ms: list[float] = []
        self.statuses: Counter[int] = Counter()

    def told(self) -> dict[str, Any]:
        """How many, how long, and the statuses of those that were not 200."""
        others = {str(status): n for status, n in self.statuses.items() if status != 200}
        return {"reads": len(self.times_ms), **percentiles_ms(self.times_ms), **others}


@contextlib.asynccontextmanager
async def steady_reads(
    stack: Stack, rooms: Sequence[str], *, per_second: float
) -> AsyncGenerator[SteadyReads]:
    """Read the rooms' newest messages, older ones and searches in turns, until the block ends."""
    reads = SteadyReads()
    asked = itertools.cycle(
        f"/api/rooms/{room}/{path}"
        for room, path in zip(rooms, itertools.cycle(_PATHS), strict=False)
    )
    async with asyncio.TaskGroup() as group:
        readers = [
            group.create_task(_read(stack, asked, per_second / _CONNECTIONS, reads))
            for _ in range(_CONNECTIONS)
        ]
        yield reads
        for reader in readers:
            reader.cancel()


async def status_of_answer(reader: asyncio.StreamReader) -> int:
    """The status of the next answer; its body is read, and thrown away."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    start = head.index(b"content-length: ") + 16
    await reader.readexactly(int(head[start : head.index(b"\r", start)]))
    return int(head.split(b" ", 2)[1])


async def _read(
    stack: Stack, paths: "itertools.cycle[str]", per_second: float, reads: SteadyReads
) -> None:
    parts = urlsplit(stack.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    token = stack.token(_USER)
    began_s = time.monotonic()
    try:
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began_s + number / per_second - time.monotonic()))
            asked_s = time.monotonic()
            writer.write(
                f"GET {next(paths)} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                f"Authorization: Bearer {token}\r\n\r\n".encode()
            )
            reads.statuses[await status_of_answer(reader)] += 1
            reads.times_ms.append((time.monotonic() - asked_s) * 1000)
    finally:
        writer.close()
