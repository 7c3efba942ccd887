"""Connections that say nothing, and those that do not read what they are told, are bounded."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from roomlog.realtime import crowd
from tests.integration.realtime.node import Node, running_node

WAIT_S = 60.0
GET = b"GET /schema/asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
MANY = 60


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with running_node() as running:
        yield running


async def _answer(node: Node) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        writer.write(GET)
        return await asyncio.wait_for(reader.readline(), WAIT_S)
    finally:
        writer.close()


async def test_beyond_so_many_connections_the_longest_silent_one_ends(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crowd, "CONNECTIONS_MAX", MANY)
    silent = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(MANY)]
    ended = [asyncio.ensure_future(reader.read()) for reader, _ in silent]
    assert (await _answer(node)).startswith(b"HTTP/1.1 200 ")
    await asyncio.wait_for(asyncio.wait([ended[0]]), WAIT_S)
    others = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(MANY)]
    await asyncio.wait_for(asyncio.wait(ended[: MANY - 1]), WAIT_S)

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


class Deaf:
    """Asks again and again, and reads nothing."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)

    async def ask(self) -> None:
        """Return when the server does not want to hear more, or has ended it."""
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await asyncio.get_running_loop().sock_sendall(self.socket, GET * 100)

    async def ended(self) -> None:
        """Return when the server has reset the connection."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    self.socket.send(b"G")
                except BlockingIOError:
                    await asyncio.sleep(0.05)
                except ConnectionError:
                    return


async def test_an_answer_that_is_not_read_is_not_kept_for_ever(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crowd, "UNREAD_TIMEOUT_S", 0.5)
    deaf = Deaf(node.port)
    await deaf.ask()
    await deaf.ended()
    deaf.socket.close()


async def test_all_that_is_not_read_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(crowd, "UNREAD_BYTES_MAX", 100_000)
    first, second = Deaf(node.port), Deaf(node.port)
    await first.ask()
    await second.ask()
    await first.ended()
    first.socket.close()
    second.socket.close()
