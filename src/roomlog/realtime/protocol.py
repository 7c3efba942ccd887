"""uvicorn's WebSocket protocol, with what a fan-out server needs beside ASGI.

The handshake is ASGI's. Then the handler hands the connection over and returns: ASGI has no word
for "the peer does not read", costs a task switch a message, and a task with all that it holds for
each idle connection. It also makes sure that every connection really ends: whatever begins a
closing, an abort follows when the peer does not finish it.

Written against uvicorn 0.54.0 (`websockets_sansio_impl.py`), which is pinned for this reason.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any, cast

from uvicorn._types import ASGISendEvent, WebSocketAcceptEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import Protocol, State
from websockets.speedups import apply_mask

from roomlog.realtime.framing import Frames
from roomlog.realtime.hand_over import LEFT, QUIET, WARNINGS, Owner
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


class RoomlogWebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket on a uvicorn server; pass it as uvicorn's `ws=`.

    The handler finds it with `protocol_of(scope)`, sets the heartbeat, accepts by ASGI, calls
    `hand_over` and returns. The owner reads by `next_message` and writes by `write_frame`. ASGI's
    own events for messages are not given.
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
        self.conn.available_extensions = None
        self.conn.max_message_size = FRAME_BYTES_MAX
        self.conn.logger, self.conn.debug = QUIET, False
        self.logger = WARNINGS
        self._owner: Owner | None = None
        self._context: Context | None = None
        self._telling = False
        self.query_token: str | None = None
        self.writing_paused = False
        self._abort_timer: asyncio.TimerHandle | None = None
        self._inbox: list[tuple[str | bytes, int, float]] = []
        self._inbox_bytes = 0
        self._held_pings = 0
        self._over = False
        self._heard = False
        self._frames: Frames | None = None
        self._held = b""

    # The handshake

    def begin(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin with a request that was parsed already, a GET without a body, in place of its
        bytes. What comes after it are frames."""
        parsed = Headers()
        for name, value in headers:
            parsed.set_insecure(name.decode("ascii"), value.decode("latin-1"))
        self.conn.parser = Protocol.parse(self.conn)
        next(self.conn.parser)
        self._frames = Frames()
        self.handle_connect(Request(path, parsed))

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer. After a close was sent they are read and dropped, so that
        the close frame is not lost to a reset."""
        if self._held:
            self._write(b"")
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

    async def send(self, message: ASGISendEvent) -> None:
        """Take an ASGI event. The answer to an accepted handshake goes out with what is written
        in the same turn of the event loop: a system call each costs much of a set-up."""
        accepts = message["type"] == "websocket.accept" and self.initial_response is None
        if not accepts or self.handshake_complete or self.transport.is_closing():
            await super().send(message)
            return
        asked = cast("WebSocketAcceptEvent", message)
        headers = [*self.default_headers, *asked.get("headers", ())]
        del self.response.headers["Date"]
        for name, value in headers:
            self.response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        if subprotocol := asked.get("subprotocol"):
            self.response.headers["Sec-WebSocket-Protocol"] = subprotocol
        self.handshake_complete = True
        self.conn.send_response(self.response)
        self._held = b"".join(self.conn.data_to_send())
        self.loop.call_soon(self._write, b"")
        self.start_keepalive()

    def _write(self, data: bytes) -> None:
        """Write, behind what was held back."""
        if self._held:
            data, self._held = self._held + data, b""
        if data:
            self.transport.write(data)

    async def run_asgi(self) -> None:
        """Have the application shake hands. A connection that it handed over goes on after it;
        any other ends with it."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("a WebSocket's handler failed")
            self.send_500_response()
        else:
            if not self.handshake_complete:
                self.logger.error("a WebSocket's handler returned without an answer")
                self.send_500_response()
            elif self._owner is not None and not self._over:
                self._leave_asgi()
                return
        if self.close_timer is None:
            self.transport.close()
        self._abort_later()

    def hand_over(self, owner: Owner) -> None:
        """Let `owner` have the accepted connection, which it is told of in this task's context.
        Where the end has begun already, `owner.lost` is called at once."""
        self._owner, self._context = owner, copy_context()
        if self._over or self.disconnected:
            self._end()

    def _leave_asgi(self) -> None:
        # A few KiB for each idle connection.
        del self.scope, self.request, self.response
        self.queue = self.writable = LEFT
        self.app_state = {}

    def _tell(self, what: Callable[[], None]) -> None:
        if self._telling or self._context is None:
            what()
            return
        self._telling = True
        try:
            self._context.run(what)
        finally:
            self._telling = False

    def keep(self, task: asyncio.Task[None]) -> None:
        """Have the server, when it stops, wait for what is left to do for this connection."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

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
        """Tell the owner of a message; stop reading the socket only when many wait, because
        pongs come by it too."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent or self.disconnected:
            return
        said: str | bytes = data
        if self.curr_msg_data_type == "text":
            try:
                said = data.decode()
            except UnicodeDecodeError:
                self.close(CloseCode.NOT_UTF8, "not UTF-8")
                return
        self._inbox.append((said, len(data), self.loop.time()))
        self._inbox_bytes += len(data)
        if self._owner is not None:
            self._tell(self._owner.read)
        full = self._inbox_bytes > INBOX_BYTES_MAX or len(self._inbox) > INBOX_FRAMES_MAX
        if full and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def next_message(self) -> tuple[str | bytes, float] | None:
        """See Wire."""
        if self._over or not self._inbox:
            return None
        said, size_bytes, came_s = self._inbox.pop(0)
        self._inbox_bytes -= size_bytes
        if self.read_paused and (
            self._inbox_bytes <= INBOX_BYTES_MAX // 2 and len(self._inbox) <= INBOX_FRAMES_MAX // 2
        ):
            self._resume_reading()
        return said, came_s

    def _resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # Writing

    def write_frame(self, frame: bytes) -> None:
        """Hand an encoded frame to the transport; nothing happens once the end has begun."""
        if not self._over:
            if self._held:
                self._write(frame)
            else:
                self.transport.write(frame)

    def pause_writing(self) -> None:
        """The transport's buffer is above its high mark: the peer reads slowly, or not."""
        self.writing_paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """The transport's buffer is below its low mark again."""
        self.writing_paused = False
        super().resume_writing()
        if self._owner is not None:
            self._tell(self._owner.resume)

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer doesn't read: answers must not pile up."""
        output = b"".join(self.conn.data_to_send())
        if not self.writing_paused and not self.transport.is_closing():
            self._write(output)

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
        self._write(b"".join(self.conn.data_to_send()))
        self._closing(code, reason, STALLED_GRACE_S if stalled else CLOSE_GRACE_S)

    def _closing(self, code: int, reason: str, grace_s: float) -> None:
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._end()
        self._resume_reading()
        self._end_soon(grace_s)

    def _end(self) -> None:
        """The end has begun, which the owner is told once."""
        self._over = True
        owner, self._owner = self._owner, None
        if owner is not None:
            self._inbox.clear()
            self._tell(owner.lost)

    def _end_soon(self, grace_s: float) -> None:
        # uvicorn leaves a connection open for the peer's answer while its own timer is set.
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(grace_s, self.abort)

    def abort(self) -> None:
        """Drop the connection now, with whatever is unsent."""
        self._end()
        if not self.disconnected:
            self.transport.abort()

    def handle_parser_exception(self) -> None:
        """The peer broke the protocol (RFC 6455, section 7.1.7): 1002, 1009 and the like."""
        if self.close_sent:
            return
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent else (_POLICY, "")
        self._write(b"".join(self.conn.data_to_send()))
        # From here on nothing of the peer's is parsed, so that its answer can only be its end.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._closing(code, reason, CLOSE_GRACE_S)

    def handle_close(self, event: Frame) -> None:
        """The peer closes, or answers our close."""
        super().handle_close(event)
        self._end()
        self.stop_keepalive()
        self._abort_later()

    def eof_received(self) -> None:
        """The peer sends no more. Without a close frame that is the end."""
        if self.handshake_initiated and not self.close_sent:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self._end()
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
        super().connection_lost(exc)
        self._end()


def protocol_of(scope: Any) -> RoomlogWebSocketProtocol:
    """The protocol beneath an ASGI scope. Raises RuntimeError where uvicorn was given another."""
    protocol = (scope.get("extensions") or {}).get(_EXTENSION)
    if not isinstance(protocol, RoomlogWebSocketProtocol):
        raise RuntimeError("run uvicorn with ws=RoomlogWebSocketProtocol")  # noqa: TRY004 - not the caller's type
    return protocol
