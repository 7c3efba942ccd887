"""uvicorn's WebSocket protocol, with what a fan-out server needs beside ASGI.

ASGI has no word for "the peer does not read" and costs a task switch a message, so that the
connection writes frames by this class directly. It also makes sure that every connection really
ends: whatever begins a closing, an abort follows when the peer does not finish it.

Written against uvicorn 0.54.0 (`websockets_sansio_impl.py`), which is pinned for this reason.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from roomlog.realtime.framing import Frames
from roomlog.realtime.handshake import split_query
from roomlog_contract.errors import CloseCode

FRAME_BYTES_MAX = 1 << 20
FRAGMENTS_MAX = 1024
INBOX_BYTES_MAX = 256 * 1024
INBOX_FRAMES_MAX = 256
HELD_PINGS_MAX = 3
CLOSE_GRACE_S = 5.0
STALLED_GRACE_S = 1.0
_REASON_BYTES_MAX = 123
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_END_OF_HEADERS = b"\r\n\r\n"
_EXTENSION = "roomlog.protocol"
_POLICY = 1008


class _Quiet(logging.Logger):
    """The library's debug lines would show requests, tokens included."""

    def __init__(self) -> None:
        super().__init__("roomlog.websockets", logging.ERROR)


def _nothing() -> None:
    pass


class RoomlogWebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket on a uvicorn server; pass it as uvicorn's `ws=`.

    The handler finds it with `protocol_of(scope)`, sets `on_writable`, `on_lost` and the
    heartbeat, accepts by ASGI, then reads by `receive_message` and writes by `write_frame`.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # No compression: it costs the fan-out three quarters of its rate, and memory for each.
        self.conn = ServerProtocol(max_size=FRAME_BYTES_MAX, logger=_Quiet())
        self.on_writable: Callable[[], None] = _nothing
        self.on_lost: Callable[[], None] = _nothing
        self.query_token: str | None = None
        self.writing_paused = False
        self._abort_timer: asyncio.TimerHandle | None = None
        self._inbox_sizes: deque[int] = deque()
        self._inbox_bytes = 0
        self._held_pings = 0
        self._over = False
        self._heard = False
        self._frames: Frames | None = None

    # The handshake

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer. After a close was sent they are read and dropped, so that
        the close frame is not lost to a reset."""
        if self.close_sent and self.conn.parser_exc is not None:
            self.conn.receive_data(data)
        elif self._frames is not None:
            self._take_frames(self._frames, data)
        else:
            # Where a request came in pieces, or frames right behind it, the library has parsed
            # part of what follows, and goes on with that.
            whole_request = not self._heard and data.find(_END_OF_HEADERS) == len(data) - 4
            self._heard = True
            super().data_received(data)
            if not self.handshake_initiated and self.conn.handshake_exc is not None:
                self._refuse_request()
            elif self.handshake_initiated and whole_request:
                self._frames = Frames()

    def _take_frames(self, frames: Frames, data: bytes) -> None:
        for piece in frames.pieces(data):
            at = piece.payload_at
            if at and self.conn.state is State.OPEN and self.conn.current_size is None:
                self.curr_msg_data_type = "text"
                self.frames = [apply_mask(piece.data[at:], piece.data[at - 4 : at])]
                self.send_receive_event_to_app()
            elif not self.close_sent or self.conn.parser_exc is None:
                super().data_received(piece.data)

    def _refuse_request(self) -> None:
        # uvicorn writes nothing here, and would keep the connection for ever.
        output = b"".join(self.conn.data_to_send())
        self.transport.write(output or _BAD_REQUEST)
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self._end_soon(STALLED_GRACE_S)
        self.transport.close()

    def handle_connect(self, event: Any) -> None:
        """Begin the handshake; the token leaves the query here, before anything can log it."""
        path, mark, query = event.path.partition("?")
        query, self.query_token = split_query(query)
        event.path = path + (mark and "?" + query)
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions = cast("dict[str, Any]", self.scope.setdefault("extensions", {}))
            extensions[_EXTENSION] = self

    def set_heartbeat(self, seconds: float) -> None:
        """Ping this often, and cut the peer off where it does not answer for as long again.

        To be called before the connection is accepted.
        """
        self.ping_interval = self.ping_timeout = seconds

    # Reading

    def handle_cont(self, event: Frame) -> None:
        """Take a further fragment; endless fragments are cut off as what is too large."""
        super().handle_cont(event)
        if len(self.frames) > FRAGMENTS_MAX:
            self.frames = []
            self.close(CloseCode.TOO_LARGE, "too many fragments")

    def handle_text(self, event: Frame) -> None:
        """Take a text frame."""
        if not self.close_sent:
            super().handle_text(event)

    def send_receive_event_to_app(self) -> None:
        """Queue a message for the reader; stop reading the socket only when many wait, because
        pongs come by it too."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent or self.disconnected:
            return
        if self.curr_msg_data_type == "text":
            try:
                text = data.decode()
            except UnicodeDecodeError:
                self.close(CloseCode.NOT_UTF8, "not UTF-8")
                return
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
        else:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data)})
        self._inbox_sizes.append(len(data))
        self._inbox_bytes += len(data)
        full = self._inbox_bytes > INBOX_BYTES_MAX or self.queue.qsize() > INBOX_FRAMES_MAX
        if full and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """The next ASGI event."""
        message = await self.queue.get()
        if message["type"] == "websocket.receive":
            self._inbox_bytes -= self._inbox_sizes.popleft()
            if (
                self._inbox_bytes <= INBOX_BYTES_MAX // 2
                and self.queue.qsize() <= INBOX_FRAMES_MAX // 2
            ):
                self._resume_reading()
        return message

    async def receive_message(self) -> str | bytes | None:
        """The next message; None when the connection is over."""
        event = await self.receive()
        if event["type"] != "websocket.receive":
            return None
        text = event.get("text")
        return text if text is not None else event.get("bytes") or b""

    def _resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # Writing

    def write_frame(self, frame: bytes) -> None:
        """Hand an encoded frame to the transport; nothing happens once the end has begun."""
        if not self._over:
            self.transport.write(frame)

    def pause_writing(self) -> None:
        """The transport's buffer is above its high mark: the peer reads slowly, or not."""
        self.writing_paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """The transport's buffer is below its low mark again."""
        self.writing_paused = False
        super().resume_writing()
        self.on_writable()

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer doesn't read: answers must not pile up."""
        output = b"".join(self.conn.data_to_send())
        if not self.writing_paused and not self.transport.is_closing():
            self.transport.write(output)

    # The end

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, end the reading, and abort where the peer does not follow."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        stalled = self.writing_paused
        reason = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
        try:
            self.conn.send_close(code, reason)
        except InvalidState:
            self._end_soon(STALLED_GRACE_S)
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._closing(code, reason, STALLED_GRACE_S if stalled else CLOSE_GRACE_S)

    def _closing(self, code: int, reason: str, grace_s: float) -> None:
        self.close_sent = self._over = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._resume_reading()
        self._end_soon(grace_s)

    def _end_soon(self, grace_s: float) -> None:
        # uvicorn leaves a connection open for the peer's answer while its own timer is set.
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(grace_s, self.abort)

    def abort(self) -> None:
        """Drop the connection now, with whatever is unsent."""
        self._over = True
        if not self.disconnected:
            self.transport.abort()

    def handle_parser_exception(self) -> None:
        """The peer broke the protocol (RFC 6455, section 7.1.7): 1002, 1009 and the like."""
        if self.close_sent:
            return
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent else (_POLICY, "")
        self.transport.write(b"".join(self.conn.data_to_send()))
        # From here on nothing of the peer's is parsed, so that its answer can only be its end.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._closing(code, reason, CLOSE_GRACE_S)

    def handle_close(self, event: Frame) -> None:
        """The peer closes, or answers our close."""
        super().handle_close(event)
        self._over = True
        self.stop_keepalive()
        self._abort_later()

    def eof_received(self) -> None:
        """The peer sends no more. Without a close frame that is the end."""
        self._over = True
        if self.handshake_initiated and not self.close_sent:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self._abort_later()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The handler is done; so is the connection, soon."""
        super().on_task_complete(task)
        self._abort_later()

    def _abort_later(self) -> None:
        # A transport that is closed waits for its buffer to drain, for ever where nobody reads.
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(CLOSE_GRACE_S, self.abort)

    def shutdown(self) -> None:
        """The server stops: reconnect elsewhere. Who does not answer soon is cut off."""
        if not self.handshake_complete:
            super().shutdown()
            self._abort_later()
            return
        self.close(CloseCode.RESTART, "server restarts")
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(STALLED_GRACE_S, self.abort)

    def keepalive_timeout(self) -> None:
        """No pong in time: close with 4008, then abort.

        While this side itself holds back reading, the answer may be among what waits unread.
        """
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.disconnected:
            return
        if self.read_paused and self._held_pings < HELD_PINGS_MAX:
            self._held_pings += 1
            self.schedule_ping()
            return
        self.close(CloseCode.HEARTBEAT, "no answer to heartbeat")
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(STALLED_GRACE_S, self.abort)

    def handle_pong(self, event: Frame) -> None:
        """The peer is alive."""
        self._held_pings = 0
        super().handle_pong(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone: everything that waits for it goes too."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None
        self._over = True
        super().connection_lost(exc)
        self.on_lost()
        self.on_lost = self.on_writable = _nothing


def protocol_of(scope: Any) -> RoomlogWebSocketProtocol:
    """The protocol beneath an ASGI scope. Raises RuntimeError where uvicorn was given another."""
    protocol = (scope.get("extensions") or {}).get(_EXTENSION)
    if not isinstance(protocol, RoomlogWebSocketProtocol):
        raise RuntimeError("run uvicorn with ws=RoomlogWebSocketProtocol")  # noqa: TRY004 - not the caller's type
    return protocol
