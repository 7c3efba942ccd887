"""Cuts what a NATS server sends into messages.

nats-py matches regular expressions against every line and moves its buffer for every message. Most
of what a node hears is messages, whole in one read; taking these apart by looking for their ends
costs a quarter. Every other line goes to nats-py's own parser.
Source: NATS client protocol (MSG, HMSG).
"""

from typing import Protocol, cast

from nats.errors import ProtocolError
from nats.protocol.parser import Parser

LINE_BYTES_MAX = 4096


class Receiver(Protocol):
    """The client that messages are for."""

    def receive(self, sid: int, subject: bytes, headers: bytes, data: bytes) -> None:
        """Take a message; it must not raise."""
        ...


class MessageParser(Parser):
    """nats-py's parser, quicker. `nc` is its client and a Receiver."""

    def reset(self) -> None:
        """Forget what came."""
        super().reset()
        self._held = b""

    async def parse(self, data: bytes = b"") -> None:
        """Take what came; raises ProtocolError where it is no NATS protocol."""
        if self._held:
            data = self._held + data
        at = await self._messages(data)
        self._held = data[at:] if at else data

    async def _messages(self, data: bytes) -> int:
        """Hand on all whole messages; where the first that is not whole begins."""
        receive = cast("Receiver", self.nc).receive
        at, end = 0, len(data)
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
                    await super().parse(data[at : line_end + 2])
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
            receive(sid, subject, data[begin:middle], data[middle : at - 2])
        return at
