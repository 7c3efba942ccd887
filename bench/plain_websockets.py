"""The bare limit of connections: uvicorn itself, which keeps a room in memory and nothing else.

`python -m bench.plain_websockets` serves on a free port of the loopback, prints its address and
ends with its standard input. It speaks as much of the protocol as the clients of
`bench.reconnect_storm` understand.
"""

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.utils import ClientDisconnected

_ROOM = "00000000-0000-0000-0000-000000000000"


class _Room:
    """An ASGI application."""

    def __init__(self) -> None:
        self._head = 0
        self._everybody: dict[Any, None] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        begin = {
            "type": "subscribed",
            "room_id": _ROOM,
            "epoch": "plain",
            "head": self._head,
            "resumed": False,
        }
        await self._say(send, begin)
        self._everybody[send] = None
        try:
            while (told := await receive())["type"] == "websocket.receive":
                asked = json.loads(told["text"])
                if asked["type"] == "send":
                    await self._pass_on(asked["content"])
                    await self._say(send, {"type": "ack", "ref": asked["ref"]})
        finally:
            self._everybody.pop(send, None)

    async def _say(self, send: Any, frame: dict[str, Any]) -> None:
        await send({"type": "websocket.send", "text": json.dumps(frame, separators=(",", ":"))})

    async def _pass_on(self, content: str) -> None:
        self._head += 1
        event = {
            "type": "event",
            "room_id": _ROOM,
            "sequence": self._head,
            "prev_sequence": self._head - 1,
            "event": {"type": "message.sent", "content": content},
        }
        message = {
            "type": "websocket.send",
            "text": json.dumps(event, separators=(",", ":")),
        }
        for send in tuple(self._everybody):
            with contextlib.suppress(ClientDisconnected):
                await send(message)


async def _serve() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            _Room(),
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    print(f"ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(_serve())
