"""Connections that say nothing, and those that do not read what they are told, are bounded."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from roomlog.realtime import crowd, server
from tests.integration.realtime.node import Node, running_node
from tests.within import within

WAIT_S = 60.0
GET = b"GET /schema/asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
MANY = 60
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with running_node() as running:
        yield running


async def _answer(node: Node) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        writer.write(GET)
        return await within(reader.readline(), WAIT_S)
    finally:
        writer.close()


async def test_beyond_so_many_connections_the_longest_silent_one_ends(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crowd, "CONNECTIONS_MAX", MANY)
    silent = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(MANY)]
    ended = [asyncio.ensure_future(reader.read()) for reader, _ in silent]
    assert (await _answer(node)).startswith(b"HTTP/1.1 200 ")
    await within(asyncio.wait([ended[0]]), WAIT_S)
    others = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(MANY)]
    await within(asyncio.wait(ended[: MANY - 1]), WAIT_S)

    assert (await _answer(node)).startswith(b"HTTP/1.1 200 ")
    for reading in ended:
        reading.cancel()
    for _, writer in silent + others:
        writer.close()


async def test_whoever_is_a_websocket_or_waits_for_an_answer_is_not_ended_for_the_silent(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crowd, "CONNECTIONS_MAX", MANY)
    room = await node.new_room()
    async with node.client(room) as client:
        await client.until("subscribed")
        silent = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(2 * MANY)]
        await client.send({"type": "ping", "ref": "still there"})
        assert (await client.until("pong"))["ref"] == "still there"
        for _, writer in silent:
            writer.close()


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's sockets take few bytes that nobody reads: the rest waits in the server."""
    connected = server.PacedHttpProtocol.connection_made

    def connection_made(self: server.PacedHttpProtocol, transport: asyncio.Transport) -> None:
        taken = transport.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connected(self, transport)

    monkeypatch.setattr(server.PacedHttpProtocol, "connection_made", connection_made)


class Deaf:
    """Asks again and again, and reads nothing."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)

    async def ask(self) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, GET * 20)

    async def ended(self) -> None:
        """Return when the server has reset the connection."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    self.socket.send(b"G")
                except ConnectionError:
                    return
                await asyncio.sleep(0.05)


@pytest.mark.usefixtures("small_buffers")
async def test_an_answer_that_is_not_read_is_not_kept_for_ever(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crowd, "UNREAD_TIMEOUT_S", 0.5)
    deaf = Deaf(node.port)
    await deaf.ask()
    await deaf.ended()
    deaf.socket.close()


@pytest.mark.usefixtures("small_buffers")
async def test_all_that_is_not_read_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(crowd, "UNREAD_BYTES_MAX", 100_000)
    first, second = Deaf(node.port), Deaf(node.port)
    await first.ask()
    await second.ask()
    await first.ended()
    first.socket.close()
    second.socket.close()


@pytest.mark.usefixtures("small_buffers")
async def test_whoever_leaves_most_unread_makes_room_for_the_others(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    size_bytes = len(await _whole_answer(*await _asked(node, b"anybody")))
    monkeypatch.setattr(crowd, "UNREAD_BYTES_MAX", 4 * size_bytes)
    quiet = await _asked(node, b"quiet")
    many = [Deaf(node.port) for _ in range(12)]
    for one in many:
        await one.ask()
    await many[0].ended()

    assert len(await _whole_answer(*quiet)) == size_bytes
    for one in many:
        one.socket.close()


async def _asked(node: Node, who: bytes) -> Streams:
    """Ask, and read nothing yet but the beginning."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1024)
    taken = writer.get_extra_info("socket")
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    writer.write(GET.replace(b"\r\n\r\n", b"\r\nAuthorization: " + who + b"\r\n\r\n"))
    return reader, writer


async def _whole_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await within(reader.readline(), WAIT_S)
    assert head.startswith(b"HTTP/1.1 200 ")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = await within(reader.readexactly(length), WAIT_S)
    writer.close()
    return body


async def _begun(node: Node, who: bytes, body_bytes: int) -> Streams:
    """Send a request but for its last byte, as far as the server takes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(
        b"POST /schema/asyncapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n"
        b"Content-Length: %d\r\n\r\n" % (who, body_bytes + 1)
    )
    writer.write(b"x" * body_bytes)
    await within(writer.drain(), WAIT_S)
    return reader, writer


async def test_whoever_brings_most_and_does_not_end_makes_room_for_the_others(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crowd, "UNFINISHED_BYTES_MAX", 300_000)
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 10 * WAIT_S)
    honest = await _begun(node, b"honest", 40_000)
    many = [await _begun(node, b"many", 40_000) for _ in range(8)]
    ended = [asyncio.ensure_future(_rest(reader)) for reader, _ in many]
    await within(asyncio.wait(ended[:1]), WAIT_S)

    honest[1].write(b"x" + GET)
    await within(honest[0].readuntil(b"HTTP/1.1 200 "), WAIT_S)
    for reading in ended:
        reading.cancel()
    for _, writer in [honest, *many]:
        writer.close()


async def _rest(reader: asyncio.StreamReader) -> None:
    """Return when the server has ended the connection; an answer does not end it."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(65_536):
            pass


class Counted:
    """An application that answers much at /much, and nothing elsewhere; it counts requests."""

    SIZE_BYTES = 1_000_000

    def __init__(self) -> None:
        self.begun = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        much = scope["path"] == "/much"
        self.begun += much
        body = b"x" * (self.SIZE_BYTES if much else 0)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def _serving(application: Counted) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(server.server_config(application, lifespan="off"))
    serving = asyncio.create_task(running._serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        running.should_exit = running.force_exit = True
        await serving
        listening.close()


@pytest.mark.usefixtures("small_buffers")
async def test_no_request_begins_before_the_answer_before_it_is_read():
    application = Counted()
    async with _serving(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        await within(reader.readline(), WAIT_S)
        # Whatever else there is to do has been begun once somebody who asked later is answered.
        other, others = await asyncio.open_connection("127.0.0.1", port)
        others.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await within(other.readline(), WAIT_S)
        others.close()
        assert application.begun == 1

        read = 0
        while application.begun == 1:
            read += len(await within(reader.read(65536), WAIT_S))
        assert read > Counted.SIZE_BYTES / 2
        writer.close()
