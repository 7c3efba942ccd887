"""Clients that mean no good, or do nobody any: they stall, lie, flood, and hang up."""

import asyncio
import base64
import contextlib
import json
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.faults.clients import LOST, Headers
from tests.faults.recording import Recording
from tests.histories.history import Act, Outcome, Write
from tests.within import within

_PAUSE_S = 0.2


async def stall(recording: Recording, port: int, room: str, user: str, headers: Headers) -> None:
    """Ask for everything, again and again, and never read any of it."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_PAUSE_S)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.setblocking(False)
            key = base64.b64encode(os.urandom(16)).decode()
            authorization = headers(user)["Authorization"]
            request = (
                f"GET /ws/{room}?after=0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                f"Authorization: {authorization}\r\n\r\n"
            )
            with contextlib.suppress(OSError):
                await loop.sock_connect(deaf, ("127.0.0.1", port))
                await loop.sock_sendall(deaf, request.encode())
                # Longer than the server waits for a pong.
                await asyncio.sleep(recording.chance("stall").uniform(5, 10))


async def misbehave(
    recording: Recording, url: str, port: int, room: str, user: str, headers: Headers
) -> None:
    """Everything that no honest client sends, from somebody who may not even be there."""
    chance = recording.chance("misbehave")
    outsider = "mallory@example.org"
    while True:
        await asyncio.sleep(_PAUSE_S)
        with contextlib.suppress(*LOST, httpx.TransportError):
            async with asyncio.timeout(5):
                match chance.randrange(5):
                    case 0:
                        await _nonsense(port, chance)
                    case 1:
                        await _frames(url, room, headers(user), chance)
                    case 2:
                        await _intrude(recording, url, room, outsider, headers)
                    case 3:
                        await _forge(url, room)
                    case _:
                        await _half_a_request(port)


@asynccontextmanager
async def _connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _nonsense(port: int, chance: random.Random) -> None:
    async with _connection(port) as (reader, writer):
        writer.write(chance.randbytes(chance.randrange(1, 5000)) + b"\r\n\r\n")
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await within(reader.read(1000), 1)


async def _half_a_request(port: int) -> None:
    request = b"POST /api/rooms HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{"
    async with _connection(port) as (_, writer):
        writer.write(request)
        await writer.drain()
        await asyncio.sleep(1)


async def _frames(url: str, room: str, headers: dict[str, str], chance: random.Random) -> None:
    async with connect(f"{url}/ws/{room}", additional_headers=headers, compression=None) as rude:
        for _ in range(20):
            await rude.send(_frame(chance))
        await rude.send(b"\x00\xff" * 50)
        await rude.send("[" * 100_000)
        await _until_closed(rude)


def _frame(chance: random.Random) -> str:
    frames: list[object] = [
        {"type": "send"},
        {"type": "send", "ref": "r", "content": "x" * 20_000},
        {"type": "send", "ref": "r", "content": 5},
        {"type": "edit", "ref": "r", "message_id": "../../etc", "content": "x"},
        {"type": "react", "ref": "r", "message_id": "0" * 36, "emoji": "none"},
        {"type": "seen", "sequence": 2**62},
        {"type": "subscribe", "after": 2**62},
        {"type": "subscribe", "after": -1},
        {"type": "no such type", "ref": "r"},
        "not even an object",
        None,
    ]
    return json.dumps(chance.choice(frames))


async def _until_closed(rude: ClientConnection) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            async for _ in rude:
                pass


async def _intrude(
    recording: Recording, url: str, room: str, outsider: str, headers: Headers
) -> None:
    """Write into a room by REST that one is no member of: it is on the record that it failed."""
    http_url = url.replace("ws://", "http://", 1)
    key = f"intrusion {recording.now()}"
    write = Write("mallory", outsider, room, Act.SEND, key, recording.now(), content="let me in")
    recording.history.writes.append(write)
    async with httpx.AsyncClient(timeout=5) as http:
        told = await http.post(
            f"{http_url}/api/rooms/{room}/messages",
            json={"content": write.content},
            headers={**headers(outsider), "Idempotency-Key": key},
        )
    if told.is_success:
        write.outcome = Outcome.ACKED
    elif told.status_code in {403, 404}:
        write.outcome = Outcome.REFUSED
    write.ended_s = recording.now()
    assert not told.is_success, told.text


async def _forge(url: str, room: str) -> None:
    headers = {"Authorization": "Bearer a.b.c"}
    async with connect(f"{url}/ws/{room}", additional_headers=headers) as forged:
        await _until_closed(forged)
