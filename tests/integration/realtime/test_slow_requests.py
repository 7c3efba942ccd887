"""Requests that never end, in time or in size, are not waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from roomlog.realtime import server
from tests.integration.realtime.node import Node, running_node
from tests.within import within

WAIT_S = 60.0
SOON_S = 0.5
UPGRADE = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
GET = b"GET /schema/asyncapi.json HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /schema/asyncapi.json HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", SOON_S)
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", SOON_S)
    async with running_node() as running:
        yield running


async def _told(node: Node, data: bytes) -> bytes:
    """All that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(data)
    try:
        told = b""
        with suppress(ConnectionError):
            while piece := await within(reader.read(65536), WAIT_S):
                told += piece
        return told
    finally:
        writer.close()


@pytest.mark.parametrize(
    "begun",
    [b"", b"\r\n", b"G", GET, GET + b"X-Half: ", b"GET /ws HTTP/1.1\r\n" + UPGRADE],
    ids=["nothing", "empty line", "a byte", "a head's half", "a header's half", "a handshake"],
)
async def test_a_head_that_does_not_end_is_refused_in_time(node: Node, begun: bytes):
    assert (await _told(node, begun)).startswith(b"HTTP/1.1 408 ")


async def test_what_is_trickled_in_does_not_buy_time(node: Node):
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    ended = asyncio.ensure_future(reader.read())
    writer.write(GET)
    while not ended.done():
        with suppress(ConnectionError):
            writer.write(b"X-A: b\r\n")
        await asyncio.wait([ended], timeout=SOON_S / 10)
    with suppress(ConnectionError):
        assert (await ended).startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("begun", [b"\r\n", b"G", GET])
async def test_neither_is_the_next_request_of_a_connection_waited_for(node: Node, begun: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(GET + b"\r\n")
    head = await within(reader.readuntil(b"\r\n\r\n"), WAIT_S)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await within(reader.readexactly(length), WAIT_S)
    writer.write(begun)

    assert (await within(reader.read(), WAIT_S)).startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("framing", [b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_does_not_end_is_not_waited_for(node: Node, framing: bytes):
    await _told(node, POST + framing + b"\r\n1")


async def test_whoever_has_asked_is_not_hurried(node: Node):
    room = await node.new_room()
    async with node.client(room) as client:
        await client.until("subscribed")
        await asyncio.sleep(3 * SOON_S)
        await client.send({"type": "ping", "ref": "still there"})
        assert (await client.until("pong"))["ref"] == "still there"


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (b"GET /", b"a" * 4096),
        (GET + b"X-Long: ", b"a" * 4096),
        (GET, b"X-Many: " + b"a" * 1000 + b"\r\n"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + b"Authorization: Bearer ", b"a" * 4096),
    ],
    ids=["path", "one header", "many headers", "handshake"],
)
async def test_a_head_without_end_is_refused_by_its_size(
    node: Node, monkeypatch: pytest.MonkeyPatch, before: bytes, piece: bytes
):
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", WAIT_S)
    assert await _bytes_taken(node, before, piece) < server.HEAD_BYTES_MAX + 2**20


@pytest.mark.parametrize(
    "piece",
    [b"0\r\nX-Trailer: " + b"a" * 4096, b"1;" + b"a" * 4096 + b"\r\nx\r\n"],
    ids=["trailer", "chunk extension"],
)
async def test_nor_does_a_chunked_body_bring_more_than_itself(
    node: Node, monkeypatch: pytest.MonkeyPatch, piece: bytes
):
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", WAIT_S)
    before = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    rest = piece if piece.startswith(b"1") else b"a" * 4096
    assert await _bytes_taken(node, before + piece, rest) < server.HEAD_BYTES_MAX + 2**20


async def _bytes_taken(node: Node, before: bytes, piece: bytes) -> int:
    """How much is taken (by it, and by what lies between) until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=2**16)
    ended = asyncio.ensure_future(reader.read())
    taken = 0
    with suppress(ConnectionError):
        writer.write(before)
        while not ended.done() and taken < 2**26:
            writer.write(piece)
            await writer.drain()
            taken += len(piece)
            await asyncio.sleep(0)
    with suppress(ConnectionError):
        await within(ended, WAIT_S)
    writer.close()
    return taken


async def test_a_head_of_any_usual_size_is_taken(node: Node):
    usual = b"X-Cookie: " + b"a" * (server.HEAD_BYTES_MAX - 1000) + b"\r\n"
    told = await _told(node, GET + usual + b"Connection: close\r\n\r\n")

    assert told.startswith(b"HTTP/1.1 200 ")
