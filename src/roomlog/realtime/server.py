"""uvicorn as a server that a thousand connections at once do not stop.

What a new WebSocket asks for (handshake, token, room, what it missed) takes about a millisecond.
When many come back at once, everybody who is connected would wait until all of that is done: so a
few handshakes begin in each turn of the event loop, and what is said meanwhile comes in between.

And who begins a request and never ends it, sends a head without end, or does not read the answer,
is not waited for: uvicorn itself knows neither a time nor a size for that.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from roomlog.realtime.crowd import Crowd
from roomlog.realtime.protocol import RoomlogWebSocketProtocol

HANDSHAKES_PER_TURN_MAX = 4
SHUTDOWN_TIMEOUT_S = 5
KEEP_ALIVE_S = 75
HEAD_TIMEOUT_S = 15.0
BODY_TIMEOUT_S = 60.0
HEAD_BYTES_MAX = 64 * 1024
UNCOUNTED_BYTES_MAX = 4 * 1024
"""What is left unread up to here is not counted; less, and small answers were two writes each."""
# A chunked body of single bytes takes six bytes for each: more than that is not the body's.
_SENT_PER_BODY_BYTE_MAX = 6
_BACKLOG = 2048
# Below what the WebSocket library takes: lines of 8 KiB with all that is around a value, 128 headers.
_HANDSHAKE_LINE_BYTES_MAX = 8000
_HANDSHAKE_HEADERS_MAX = 128
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})
_CLOSING = b"content-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSING
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSING


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


class _HeadWithBody:
    """Writes an answer's head along with the beginning of its body, where that comes in the same
    turn of the event loop: each write costs a system call, and wakes whoever reads."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._begun = False

    def write(self, data: bytes) -> None:
        """Write, or keep what comes first until the turn's end."""
        if not self._begun:
            self._begun = True
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            head, self._head = self._head, None
            self._transport.write(data if head is None else head + data)

    def close(self) -> None:
        """Close the connection after what was written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self._transport.is_closing():
            self._transport.write(head)


class PacedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, except that a WebSocket waits at a turnstile before it begins, and that a
    request must have come within HEAD_TIMEOUT_S and BODY_TIMEOUT_S, in some HEAD_BYTES_MAX bytes
    beside its body (and what one read brings). Late or too large a head gets 408 or 431; then the
    connection is closed. All of them keep to the bounds of a crowd.

    Written against uvicorn 0.54.0 (`httptools_impl.py`).
    """

    def __init__(
        self,
        turnstile: Turnstile,
        crowd: Crowd,
        *,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._turnstile = turnstile
        self._crowd = crowd
        self._application = self.app
        self.app = self._answer
        self._due_at_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._request_bytes = 0
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(UNCOUNTED_BYTES_MAX)
        self._due_at_s = self.loop.time() + HEAD_TIMEOUT_S
        self._look_at_the_clock()
        self._crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        self._crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, or refuse the rest of it."""
        # Not when a request begins: empty lines before one would keep a connection for ever.
        if self._due_at_s is None and not self._answering:
            self._expect_head()
        self._request_bytes += len(data)
        super().data_received(data)
        rest = self._request_bytes - _SENT_PER_BODY_BYTE_MAX * self._body_bytes
        if self._due_at_s is None:
            return
        if rest > HEAD_BYTES_MAX:
            self._refuse(_TOO_LARGE)
            return
        # The read in which a request begins may bring bytes of the one before, too.
        brought_bytes = max(self._request_bytes, self._body_bytes)
        if brought_bytes > UNCOUNTED_BYTES_MAX:
            self._crowd.brings(self, self._caller(), brought_bytes)

    def on_message_begin(self) -> None:
        """Begin to count what a request brings."""
        super().on_message_begin()
        self._request_bytes = self._body_bytes = 0
        if self._due_at_s is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = cast("Any", _HeadWithBody(self.transport, self.loop))
        self._in_head = False
        self._due_at_s = self.loop.time() + BODY_TIMEOUT_S

    def on_body(self, body: bytes) -> None:
        """Count what is the body's."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there: answering may take its time."""
        super().on_message_complete()
        self._due_at_s = None
        self._crowd.asks(self)

    def on_response_complete(self) -> None:
        """The answer is written, or lies in the buffer."""
        super().on_response_complete()
        if not self._answering:
            self._crowd.answered(self)

    def pause_writing(self) -> None:
        """What was written is not read."""
        super().pause_writing()
        unread_bytes = self.transport.get_write_buffer_size()
        self._crowd.does_not_read(self, self._caller(), unread_bytes)

    def resume_writing(self) -> None:
        """Most of what was written has been read."""
        super().resume_writing()
        self._crowd.reads(self)

    def give_up(self) -> None:
        """End the connection at once."""
        self._stop_waiting()
        self.transport.abort()

    async def _answer(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Have the application answer, once what was answered before has been read: an answer
        that can't be written yet would wait here, and be counted nowhere."""
        if self.flow.write_paused:
            await self.flow.drain()
        await self._application(scope, receive, send)

    def _caller(self) -> int:
        """Stands for who asks: a token, or an address where there is none."""
        for name, value in self.headers or ():
            if name == b"authorization":
                return hash(value)
        return hash(self.client[0] if self.client else "")

    @property
    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        self._in_head = True
        self._due_at_s = self.loop.time() + HEAD_TIMEOUT_S

    def _look_at_the_clock(self) -> None:
        # One timer for a connection, which looks again later, and not two for each request.
        now_s = self.loop.time()
        if self._due_at_s is not None and self._due_at_s <= now_s:
            self._refuse(_TOO_LATE)
            return
        wait_s = HEAD_TIMEOUT_S if self._due_at_s is None else self._due_at_s - now_s
        self._timer = self.loop.call_later(min(wait_s, HEAD_TIMEOUT_S), self._look_at_the_clock)

    def _stop_waiting(self) -> None:
        self._due_at_s = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, answer: bytes) -> None:
        """Say why where no other answer can be under way, and end the connection."""
        self._stop_waiting()
        if self._in_head and not self._answering:
            self.transport.write(answer)
            self.transport.close()
        else:
            self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        """Wait, without reading on."""
        self._stop_waiting()
        self._crowd.asks(self)
        self.transport.pause_reading()
        self._turnstile.enter(self)

    def begin_websocket(self) -> None:
        """Become a WebSocket, unless the connection ended while it waited."""
        if self.transport.is_closing():
            return
        self._crowd.leave(self)
        self.transport.set_write_buffer_limits()
        if self._usual_handshake():
            self._hand_on_handshake()
        else:
            super().handle_websocket_upgrade()
        self.transport.resume_reading()

    def _usual_handshake(self) -> bool:
        """Whether nothing in the request could be refused by the library's own parser."""
        return (
            self.scope["method"] == "GET"
            and self.url.isascii()
            and len(self.url) <= _HANDSHAKE_LINE_BYTES_MAX
            and len(self.headers) <= _HANDSHAKE_HEADERS_MAX
            and all(
                len(name) + len(value) <= _HANDSHAKE_LINE_BYTES_MAX and name not in _OF_BODIES
                for name, value in self.headers
            )
        )

    def _hand_on_handshake(self) -> None:
        # As uvicorn does it, but for writing the request anew and having it parsed again.
        self.connections.discard(self)
        protocol = RoomlogWebSocketProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        protocol.begin(self.url.decode("ascii"), self.headers)
        self.transport.set_protocol(protocol)


def server_config(app: Any, **settings: Any) -> uvicorn.Config:
    """How uvicorn is to serve the application; `settings` are other settings of its own."""
    return uvicorn.Config(
        app,
        http=cast("Any", partial(PacedHttpProtocol, Turnstile(), Crowd())),
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
