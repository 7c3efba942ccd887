"""One WebSocket connection: opened, read line by line, written to, closed."""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from roomlog_client.core import inputs as inp
from roomlog_contract import frames as fr

OUTGOING_FRAMES_MAX = 1000
INCOMING_BYTES_MAX = 16 * 1024 * 1024
_OPEN_TIMEOUT_S = 15.0
_CLOSE_TIMEOUT_S = 2.0
_ABNORMAL = 1006
_SUBPROTOCOL = Subprotocol("roomlog.v1")

_logger = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(fr.ServerFrame)
_event_decoder = msgspec.json.Decoder(inp.UnreadableEvent)

Take = Callable[[Sequence[inp.Input]], Awaitable[None]]


class Socket:
    """A connection that tells `take` of what comes: `Opened`, frames, `Closed` in the end.

    It reads on only when `take` has returned. After `close` it tells nothing more; `ended` is
    done when it is gone.
    """

    def __init__(
        self, url: str, token: str, take: Take, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = url
        self._tls = tls
        self._token = token
        self._take = take
        self._outgoing: deque[fr.WebSocketMessage] = deque()
        self._waiting = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self.ended = asyncio.create_task(self._run())

    def send(self, frame: fr.WebSocketMessage) -> None:
        """Send it after what was sent before. What may get lost is dropped where much waits."""
        full = len(self._outgoing) >= OUTGOING_FRAMES_MAX
        if not (full and isinstance(frame, fr.Typing | fr.Seen)):
            self._outgoing.append(frame)
            self._waiting.set()

    def close(self, code: int, reason: str) -> None:
        """Close it, in the background."""
        self._closing = (code, reason)
        self.ended.cancel()

    async def _run(self) -> None:
        try:
            try:
                code, reason = await self._live()
            except Exception as error:
                _logger.exception("a connection failed in a way that was not foreseen")
                code, reason = _ABNORMAL, f"{type(error).__name__}: {error}"
            await self._take([inp.Closed(code, reason)])
        except asyncio.CancelledError:
            if self._closing is None:
                raise

    async def _live(self) -> tuple[int, str]:
        try:
            connection = await connect(
                self._url,
                ssl=self._tls,
                additional_headers={"Authorization": f"Bearer {self._token}"},
                subprotocols=[_SUBPROTOCOL],
                compression=None,
                max_size=INCOMING_BYTES_MAX,
                max_queue=4,
                ping_interval=None,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
            )
        except (OSError, TimeoutError, EOFError, InvalidHandshake, InvalidURI) as error:
            return _ABNORMAL, f"{type(error).__name__}: {error}"
        writer = asyncio.create_task(self._write(connection))
        try:
            await self._take([inp.Opened()])
            while True:
                data = await connection.recv(decode=False)
                await self._take(read_lines(data))
        except ConnectionClosed as closed:
            received = closed.rcvd
            return (received.code, received.reason) if received else (_ABNORMAL, str(closed))
        finally:
            writer.cancel()
            await connection.close(*(self._closing or (1000, "")))

    async def _write(self, connection: ClientConnection) -> None:
        # Where the connection is lost the reader says so.
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._waiting.clear()
                while self._outgoing:
                    frame = _encoder.encode(self._outgoing.popleft())
                    await connection.send(frame, text=True)
                await self._waiting.wait()


def read_lines(data: bytes) -> list[inp.Input]:
    """The frames of a message, one a line. What this version does not know is left out, but for
    events, whose place in the chain counts."""
    inputs: list[inp.Input] = []
    for line in data.split(b"\n"):
        if not line or line.isspace():
            continue
        try:
            inputs.append(inp.Frame(_decoder.decode(line)))
        except msgspec.DecodeError as error:
            try:
                inputs.append(inp.UnreadableFrame(_event_decoder.decode(line)))
            except msgspec.DecodeError:
                _logger.info("a frame that this version does not know: %s", error)
    return inputs
