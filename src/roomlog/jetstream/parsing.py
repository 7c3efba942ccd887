"""Cuts what a NATS server sends into messages, and into lines that are none.

nats-py matches regular expressions against every line, moves its buffer for every message, and
reads by a stream, which is a turn of the event loop between a message and whoever waits for it.
Most of what a node hears is messages, whole in one read; taking these apart by looking for their
ends costs a quarter, and they are handed on in the turn in which they came. Every other line goes
the way that it would go without this.
Source: NATS client protocol (MSG, HMSG).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from nats.errors import ProtocolError

LINE_BYTES_MAX: Final = 4096
READ_BYTES_MAX: Final = 64 * 1024

OnMessage = Callable[[int, bytes, bytes, bytes], None]
"""Called with a message's subscription, subject, header bytes and data; it must not raise."""


class Cutter:
    """Cuts a stream of bytes, however it comes in pieces."""

    def __init__(
        self, on_message: OnMessage, on_line: Callable[[bytes], None], *, within_line: bool = False
    ) -> None:
        """`on_line` gets every line that is no message, with its end. `within_line`: the stream
        begins amid such a line, whose rest goes there too."""
        self._on_message = on_message
        self._on_line = on_line
        self._within_line = within_line
        self._held = b""

    def take(self, data: bytes) -> None:
        """Take what came; raises ProtocolError where it is no NATS protocol."""
        if self._held:
            data = self._held + data
        at = self._rest_of_line(data) if self._within_line else 0
        at = self._messages(data, at)
        self._held = data[at:] if at else data

    def _rest_of_line(self, data: bytes) -> int:
        end = data.find(b"\n") + 1
        self._within_line = not end
        rest = data[:end] if end else data
        self._on_line(rest)
        return len(rest)

    def _messages(self, data: bytes, at: int) -> int:
        """Hand on all that is whole; where the first begins that is not."""
        end = len(data)
        while at < end:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                if end - at > LINE_BYTES_MAX:
                    raise ProtocolError("a line without an end")
                break
            words = data[at:line_end].split()
            kind = words[0] if words else b""
            try:
                if kind == b"HMSG":
                    headers_bytes, size_bytes = int(words[-2]), int(words[-1])
                elif kind == b"MSG":
                    headers_bytes, size_bytes = 0, int(words[-1])
                else:
                    self._on_line(data[at : line_end + 2])
                    at = line_end + 2
                    continue
                subject, sid = words[1], int(words[2])
            except (IndexError, ValueError):
                raise ProtocolError("a malformed message") from None
            if not 0 <= headers_bytes <= size_bytes:
                raise ProtocolError("a malformed message")
            begin = line_end + 2
            if end < begin + size_bytes + 2:
                break
            middle, at = begin + headers_bytes, begin + size_bytes + 2
            self._on_message(sid, subject, data[begin:middle], data[middle : at - 2])
        return at


class Incoming(asyncio.BufferedProtocol):
    """Stands before the stream from which a client reads: takes the messages out of what comes,
    at most READ_BYTES_MAX in one turn of the event loop, and leaves it the rest.

    `within_line`: see Cutter. What is no NATS protocol ends the connection.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        stream: asyncio.StreamReaderProtocol,
        on_message: OnMessage,
        *,
        within_line: bool,
    ) -> None:
        self._transport = transport
        self._stream = stream
        self._cutter = Cutter(on_message, stream.data_received, within_line=within_line)
        self._buffer = bytearray(READ_BYTES_MAX)

    def get_buffer(self, sizehint: int) -> bytearray:
        """See asyncio.BufferedProtocol."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        try:
            self._cutter.take(bytes(memoryview(self._buffer)[:nbytes]))
        except ProtocolError:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        """See asyncio.BufferedProtocol."""
        return self._stream.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._stream.resume_writing()
