"""Reads a chat file line by line, plain or compressed with gzip."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

_GZIP_MAGIC = b"\x1f\x8b"


class DamagedFileError(Exception):
    """The file cannot be read to its end; the text says up to where it could."""


class Lines(Protocol):
    """What can be read by lines, of at most `limit` bytes each."""

    def readline(self, limit: int, /) -> bytes:
        """A line with its end, or as much of it; nothing at the end."""
        ...


def numbered_lines(stream: Lines, line_bytes_max: int) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; blank ones are left out.

    Of a line longer than `line_bytes_max` one byte more than that is given, for the parser
    to refuse. Raises DamagedFileError.
    """
    number = 0
    try:
        while line := stream.readline(line_bytes_max + 1):
            number += 1
            yield from ((number, text) for text in (line.strip(),) if text)
            while len(line) > line_bytes_max and not line.endswith(b"\n"):
                line = stream.readline(line_bytes_max + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFileError(f"cannot be read beyond line {number}: {error}") from error


class ChatFile:
    """An open chat file; `position` and `size` are bytes of the file as it lies on disk."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be opened."""
        self._raw = path.open("rb")
        self.size = path.stat().st_size
        compressed = self._raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        self._raw.seek(0)
        self._lines: BinaryIO = gzip.GzipFile(fileobj=self._raw) if compressed else self._raw  # pyright: ignore[reportAttributeAccessIssue] - a GzipFile is one in all that is used here

    @property
    def position(self) -> int:
        """How far the file has been read."""
        return self._raw.tell()

    def lines(self, line_bytes_max: int) -> Iterator[tuple[int, bytes]]:
        """See `numbered_lines`."""
        return numbered_lines(self._lines, line_bytes_max)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
        self._raw.close()
