"""Server frames as bytes. An event is encoded once per room; its bytes are shared by all."""

from collections.abc import Iterator, Sequence

import msgspec

from roomlog.core.content import render_html
from roomlog_contract.events import MessageEdited, MessageSent, RoomEvent
from roomlog_contract.frames import MessageBroadcast, ServerFrame

LINES_PER_FRAME_MAX = 128
FRAME_BYTES_TARGET = 65_536
_FIN_AND_TEXT = 0x81

_encoder = msgspec.json.Encoder()


def encode(frame: ServerFrame) -> bytes:
    """One frame as a line of JSON, without the newline (JSON escapes those inside)."""
    return _encoder.encode(frame)


def event_line(event: RoomEvent) -> bytes:
    """An `event` frame for a room's event."""
    return _encoder.encode(
        MessageBroadcast(
            room_id=event.room_id,
            sequence=event.sequence,
            prev_sequence=event.prev_sequence,
            at=event.at,
            event=event.event,
        )
    )


def html_event_line(event: RoomEvent) -> bytes:
    """The same with `content_html`, for subscribers who asked for it."""
    said = event.event
    if not isinstance(said, MessageSent | MessageEdited):
        return event_line(event)
    shown = msgspec.structs.replace(said, content_html=render_html(said.content))
    return event_line(msgspec.structs.replace(event, event=shown))


def pack(lines: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Join lines into payloads of up to LINES_PER_FRAME_MAX lines and FRAME_BYTES_TARGET bytes.

    Gives each payload with its number of lines; a line above the target goes alone.
    """
    start, size_bytes = 0, 0
    for index, line in enumerate(lines):
        full = index - start >= LINES_PER_FRAME_MAX or size_bytes + len(line) > FRAME_BYTES_TARGET
        if full and index > start:
            yield b"\n".join(lines[start:index]), index - start
            start, size_bytes = index, 0
        size_bytes += len(line) + 1
    if start < len(lines):
        yield b"\n".join(lines[start:]), len(lines) - start


def text_frame(payload: bytes) -> bytes:
    """An unfragmented, unmasked text frame, as a server sends it (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((_FIN_AND_TEXT, length)) + payload
    if length < 65_536:
        return bytes((_FIN_AND_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FIN_AND_TEXT, 127)) + length.to_bytes(8, "big") + payload
