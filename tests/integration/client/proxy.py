"""A TCP proxy that does to a connection what networks do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_READ_BYTES = 65_536
_DIRECTIONS = ("up", "down")


class FaultyProxy:
    """Passes bytes between clients and one server, until it is told to do otherwise.

    `server` is a URL, or says for each connection where the server is by then. `delay_s` is what
    each piece waits, `piece_bytes` the size of the pieces that are written one by one, `refusing`
    whether new connections are cut at once.
    """

    def __init__(self, server: str | Callable[[], tuple[str, int]]) -> None:
        self._server = _at(server) if isinstance(server, str) else server
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = {direction: asyncio.Event() for direction in _DIRECTIONS}
        for passing in self._passing.values():
            passing.set()
        self._left_bytes: dict[str, int] = {}
        self.delay_s = 0.0
        self.piece_bytes = _READ_BYTES
        self.refusing = False
        self.connections = 0
        self.url = ""

    def cut(self) -> None:
        """Break every connection, without a word to either side."""
        self._left_bytes.clear()
        for writer in self._writers:
            writer.transport.abort()

    def cut_within(self, direction: str, left_bytes: int) -> None:
        """Pass so many bytes more `up` or `down`, and then break, most likely within a frame."""
        self._left_bytes[direction] = left_bytes

    def stall(self, *directions: str) -> None:
        """Pass nothing more (that way: `up` or `down`), and let nobody know."""
        for direction in directions or _DIRECTIONS:
            self._passing[direction].clear()

    def heal(self) -> None:
        """Be a good network from here on; what was broken stays so."""
        for passing in self._passing.values():
            passing.set()
        self._left_bytes.clear()
        self.delay_s, self.piece_bytes, self.refusing = 0.0, _READ_BYTES, False

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connections += 1
        self._writers.add(to_client)
        try:
            if self.refusing:
                to_client.transport.abort()
                return
            with contextlib.suppress(OSError):
                server, to_server = await asyncio.open_connection(*self._server())
                self._writers.add(to_server)
                try:
                    await self._both(client, to_client, server, to_server)
                finally:
                    self._writers.discard(to_server)
                    to_server.transport.abort()
        finally:
            self._writers.discard(to_client)
            to_client.transport.abort()

    async def _both(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.create_task(self._pass("up", client, to_server)),
            asyncio.create_task(self._pass("down", server, to_client)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(
        self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                while data:
                    await self._passing[direction].wait()
                    if self.delay_s:
                        await asyncio.sleep(self.delay_s)
                    piece, data = data[: self.piece_bytes], data[self.piece_bytes :]
                    left = self._left_bytes.get(direction)
                    if left is not None and left <= len(piece):
                        writer.write(piece[:left])
                        await writer.drain()
                        self.cut()
                        return
                    if left is not None:
                        self._left_bytes[direction] = left - len(piece)
                    writer.write(piece)
                    await writer.drain()


def _at(url: str) -> Callable[[], tuple[str, int]]:
    server = urlsplit(url)
    assert server.hostname is not None
    assert server.port is not None
    place = (server.hostname, server.port)
    return lambda: place


@asynccontextmanager
async def faulty_proxy(
    server: str | Callable[[], tuple[str, int]],
) -> AsyncIterator[FaultyProxy]:
    """A proxy before a server, on a free port, to the block's end."""
    proxy = FaultyProxy(server)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listening.close()
        proxy.heal()
        proxy.cut()
        await listening.wait_closed()
