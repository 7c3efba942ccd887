"""The bare limit of fan-out: uvicorn and an ASGI application that passes on what it is sent.

As a program it serves: `python -m bench.plain_fanout PORT`. `deliveries_per_second` runs it, has
one connection send and all others receive, one text frame for each message.
"""

import asyncio
import sys
import time
from typing import Any

import uvicorn
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.served import served

_IN_FLIGHT = 20

_everyone: set[Any] = set()


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    _everyone.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for one in tuple(_everyone):
                await one({"type": "websocket.send", "text": message["text"]})
    finally:
        _everyone.discard(send)


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


async def _measure(port: int, connections: int, size_bytes: int, seconds: float) -> float:
    receivers = [_Receiver() for _ in range(connections)]
    for receiver in receivers:
        await ws_connect(lambda receiver=receiver: receiver, f"ws://127.0.0.1:{port}/")
    text = b"x" * size_bytes
    first, last = receivers[0], receivers[-1]
    assert first.transport is not None
    began_s = time.monotonic()
    sent = 0
    while time.monotonic() - began_s < seconds:
        while sent - last.received < _IN_FLIGHT:
            first.transport.send(WSMsgType.TEXT, text)
            sent += 1
        last.more.clear()
        await last.more.wait()
    while any(receiver.received < sent for receiver in receivers):
        await asyncio.sleep(0.005)
    rate = sent * connections / (time.monotonic() - began_s)
    for receiver in receivers:
        if receiver.transport is not None:
            receiver.transport.disconnect()
    return rate


def deliveries_per_second(*, connections: int, size_bytes: int, seconds: float) -> float:
    """Deliveries of a frame of that size to so many connections, by plain uvicorn."""
    with served("bench.plain_fanout", lambda port: [str(port)]) as server:
        return uvloop.run(_measure(server.port, connections, size_bytes, seconds))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
