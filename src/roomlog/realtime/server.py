"""uvicorn as a server that a thousand connections at once do not stop.

What a new WebSocket asks for (handshake, token, room, what it missed) takes about a millisecond.
When many come back at once, everybody who is connected would wait until all of that is done: so a
few handshakes begin in each turn of the event loop, and what is said meanwhile comes in between.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from roomlog.realtime.protocol import RoomlogWebSocketProtocol

HANDSHAKES_PER_TURN_MAX = 4
SHUTDOWN_TIMEOUT_S = 5
KEEP_ALIVE_S = 75
_BACKLOG = 2048


class Turnstile:
    """Lets HANDSHAKES_PER_TURN_MAX of those who come begin in each turn of the event loop, in the
    order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[PacedHttpProtocol] = deque()
        self._turning = False

    def enter(self, protocol: "PacedHttpProtocol") -> None:
        """Have `protocol.begin_websocket` called when it is its turn."""
        self._waiting.append(protocol)
        if not self._turning:
            self._turning = True
            protocol.loop.call_soon(self._turn, protocol.loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(HANDSHAKES_PER_TURN_MAX, len(self._waiting))):
            self._waiting.popleft().begin_websocket()
        self._turning = bool(self._waiting)
        if self._turning:
            loop.call_soon(self._turn, loop)


class PacedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, except that a WebSocket waits at a turnstile before it begins.

    Written against uvicorn 0.54.0 (`httptools_impl.py`).
    """

    def __init__(
        self,
        turnstile: Turnstile,
        *,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._turnstile = turnstile

    def handle_websocket_upgrade(self) -> None:
        """Wait, without reading on."""
        self.transport.pause_reading()
        self._turnstile.enter(self)

    def begin_websocket(self) -> None:
        """Become a WebSocket, unless the connection ended while it waited."""
        if not self.transport.is_closing():
            super().handle_websocket_upgrade()
            self.transport.resume_reading()


def server_config(app: Any, **settings: Any) -> uvicorn.Config:
    """How uvicorn is to serve the application; `settings` are other settings of its own."""
    return uvicorn.Config(
        app,
        http=cast("Any", partial(PacedHttpProtocol, Turnstile())),
        ws=RoomlogWebSocketProtocol,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        **settings,
    )
