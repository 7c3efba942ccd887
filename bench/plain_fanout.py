"""The bare limit of fan-out: uvicorn and an ASGI application that passes on what it is sent.

As a program it serves: `python -m bench.plain_fanout PORT`. `fan_out` runs it and connects to it:
in each room one connection sends and all of the room receive, one text frame for each message.
"""

import asyncio
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import psutil
import uvicorn
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.served import served

_IN_FLIGHT = 20

_rooms: dict[str, set[Any]] = {}


class FanOut(NamedTuple):
    """What plain uvicorn did, and the CPU that each delivery cost it."""

    per_second: float
    server_cpu_us: float


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    room = _rooms.setdefault(scope["path"], set())
    room.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for one in tuple(room):
                await one({"type": "websocket.send", "text": message["text"]})
    finally:
        room.discard(send)


def _serve(port: int) -> None:
    config = uvicorn.Config(
        _app,
        port=port,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="error",
        lifespan="off",
    )
    uvloop.run(uvicorn.Server(config).serve())


class _Receiver(WSListener):
    def __init__(self) -> None:
        self.received = 0
        self.more = asyncio.Event()
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.received += 1
        self.more.set()


class _Room:
    """One of its connections sends, with so many under way."""

    def __init__(self, connections: int, in_flight: int) -> None:
        self.receivers = [_Receiver() for _ in range(connections)]
        self.sent = 0
        self._in_flight = in_flight

    async def connect(self, url: str) -> None:
        for receiver in self.receivers:
            await ws_connect(lambda receiver=receiver: receiver, url)

    async def run(self, text: bytes, end_s: float) -> None:
        first, last = self.receivers[0], self.receivers[-1]
        assert first.transport is not None
        while time.monotonic() < end_s:
            while self.sent - last.received < self._in_flight:
                first.transport.send(WSMsgType.TEXT, text)
                self.sent += 1
            last.more.clear()
            await last.more.wait()
        while any(receiver.received < self.sent for receiver in self.receivers):
            await asyncio.sleep(0.005)

    def disconnect(self) -> None:
        for receiver in self.receivers:
            if receiver.transport is not None:
                receiver.transport.disconnect()


async def _measure(
    port: int, pid: int, *, rooms: int, connections: int, size_bytes: int, seconds: float
) -> FanOut:
    all_rooms = [_Room(connections, max(1, _IN_FLIGHT // rooms)) for _ in range(rooms)]
    for number, room in enumerate(all_rooms):
        await room.connect(f"ws://127.0.0.1:{port}/{number}")
    text = b"x" * size_bytes
    server = psutil.Process(pid)
    before = server.cpu_times()
    began_s = time.monotonic()
    await asyncio.gather(*(room.run(text, began_s + seconds) for room in all_rooms))
    took_s = time.monotonic() - began_s
    after = server.cpu_times()
    deliveries = connections * sum(room.sent for room in all_rooms)
    for room in all_rooms:
        room.disconnect()
    used_s = after.user + after.system - before.user - before.system
    return FanOut(deliveries / took_s, used_s * 1e6 / max(1, deliveries))


def fan_out(*, rooms: int, connections: int, size_bytes: int, seconds: float) -> FanOut:
    """Deliveries of a frame of that size in so many rooms of so many connections each."""
    with served("bench.plain_fanout", lambda port: [str(port)]) as server:
        return uvloop.run(
            _measure(
                server.port,
                server.pid,
                rooms=rooms,
                connections=connections,
                size_bytes=size_bytes,
                seconds=seconds,
            )
        )


def _fan_out(shape: dict[str, Any]) -> FanOut:
    return fan_out(**shape)


def side_by_side(
    servers: int, *, rooms: int, connections: int, size_bytes: int, seconds: float
) -> FanOut:
    """The same on so many servers at once, each of which has its own load, in sum and on average.

    `rooms` and `connections` are of each server."""
    shape = {
        "rooms": rooms,
        "connections": connections,
        "size_bytes": size_bytes,
        "seconds": seconds,
    }
    with ProcessPoolExecutor(servers, mp_context=multiprocessing.get_context("spawn")) as pool:
        each = list(pool.map(_fan_out, [shape] * servers))
    total = sum(one.per_second for one in each)
    return FanOut(total, sum(one.server_cpu_us * one.per_second for one in each) / total)


def deliveries_per_second(*, connections: int, size_bytes: int, seconds: float) -> float:
    """Deliveries in one room, by plain uvicorn."""
    return fan_out(
        rooms=1, connections=connections, size_bytes=size_bytes, seconds=seconds
    ).per_second


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
