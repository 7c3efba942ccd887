"""What waits to be sent on one connection: bounded, and joined into few frames."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from roomlog.realtime.encoding import FRAME_BYTES_TARGET, LINES_PER_FRAME_MAX, text_frame


class FrameWriter(Protocol):
    """The sending side of a connection."""

    @property
    def writing_paused(self) -> bool:
        """Whether the transport's buffer is above its high mark."""
        ...

    def write_frame(self, frame: bytes) -> None:
        """Hand an encoded WebSocket frame to the transport; nothing happens once closed."""
        ...


class Wire(FrameWriter, Protocol):
    """The socket beneath a connection."""

    def next_message(self) -> tuple[str | bytes, float] | None:
        """The next message and when it came, by the loop's clock; None when none waits, and once
        the end has begun."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close with a code; the peer is cut off where it does not answer."""
        ...

    def keep(self, task: asyncio.Task[None]) -> None:
        """Have the server, when it stops, wait for what is left to do for this connection."""
        ...


class Outbox:
    """Lines that wait for one connection, written at most once per turn of the event loop.

    While the transport is paused they wait here; when more than `lines_max` lines or
    `bytes_max` bytes do, `on_overflow` is called and the caller must close the connection.
    The caller calls `resume` when the transport can take more.
    """

    def __init__(
        self,
        writer: FrameWriter,
        loop: asyncio.AbstractEventLoop,
        *,
        lines_max: int,
        bytes_max: int,
        on_overflow: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._lines_max = lines_max
        self._bytes_max = bytes_max
        self._on_overflow = on_overflow
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._lines = 0
        self._bytes = 0
        self._scheduled = False
        self._closed = False
        self._drained: asyncio.Future[None] | None = None

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait here (not counting the transport's buffer)."""
        return self._bytes

    @property
    def waiting_lines(self) -> int:
        """How many lines wait here."""
        return self._lines

    @property
    def half_full(self) -> bool:
        """Whether more than half of what may wait does."""
        return self._lines * 2 > self._lines_max or self._bytes * 2 > self._bytes_max

    def push(self, payload: bytes, lines: int = 1, *, may_drop: bool = False) -> None:
        """Queue `payload`, which holds so many lines.

        What `may_drop` (presence, typing) is left out while the outbox is more than half full.
        """
        if self._closed:
            return
        if may_drop and self.half_full:
            return
        self._waiting.append((payload, lines))
        self._lines += lines
        self._bytes += len(payload)
        over = self._lines > self._lines_max or self._bytes > self._bytes_max
        if over and len(self._waiting) > 1:
            self._on_overflow()
        elif not self._scheduled and not self._writer.writing_paused:
            self._scheduled = True
            self._loop.call_soon(self._flush_scheduled)

    def push_shared(self, frame: bytes, payload: bytes, lines: int) -> None:
        """Send a frame that many connections share, at once where nothing waits before it.

        `frame` is `payload` encoded by `text_frame`; the same bytes object serves everyone.
        """
        if not self._waiting and not self._closed and not self._writer.writing_paused:
            self._writer.write_frame(frame)
        else:
            self.push(payload, lines)

    def flush(self) -> None:
        """Write what waits, as long as the transport takes it."""
        while self._waiting and not self._writer.writing_paused:
            self._writer.write_frame(text_frame(self._next_payload()))
        if not self._waiting and not self._writer.writing_paused:
            self._wake()

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def _next_payload(self) -> bytes:
        payload, lines = self._waiting.popleft()
        size_bytes = len(payload)
        parts = [payload]
        while self._waiting:
            more, more_lines = self._waiting[0]
            if (
                lines + more_lines > LINES_PER_FRAME_MAX
                or size_bytes + len(more) > FRAME_BYTES_TARGET
            ):
                break
            self._waiting.popleft()
            parts.append(more)
            lines += more_lines
            size_bytes += len(more)
        self._lines -= lines
        self._bytes -= size_bytes
        return b"\n".join(parts) if len(parts) > 1 else payload

    def resume(self) -> None:
        """The transport can take more."""
        self.flush()

    @property
    def is_drained(self) -> bool:
        """Whether nothing waits and the transport takes more, or the outbox was closed."""
        return self._closed or not (self._waiting or self._writer.writing_paused)

    async def drained(self) -> None:
        """Return when it is."""
        while not self.is_drained:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    async def less_than_half_full(self) -> None:
        """Return at once where it is, else as `drained`."""
        if self.half_full:
            await self.drained()

    def _wake(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def close(self) -> None:
        """Forget what waits and take nothing more."""
        self._closed = True
        self._waiting.clear()
        self._lines = self._bytes = 0
        self._wake()
