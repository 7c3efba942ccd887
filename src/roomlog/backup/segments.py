"""The files of a backup folder: growing a stream's last segment, writing one anew, tidying up."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from roomlog.backup import manifest as mf
from roomlog.backup.records import DamagedBackupError, read_records, record_of
from roomlog.backup_ports import StoredMessage
from roomlog.files import private

SEGMENT_BYTES_MAX = 64 * 1024 * 1024
_SUFFIX = ".segment"
_CHUNK_BYTES = 1024 * 1024


class _OpenSegment:
    """A file that records are added to."""

    def __init__(self, folder: Path, name: str, grown: mf.Segment | None = None) -> None:
        """Begin a file anew, or go on behind what counts of one that is there."""
        self.name = name
        self.size_bytes = 0
        self._first = self._last = self._messages = 0
        self._hash = sha256()
        # A file that does not count yet can only be what a run that was broken off has left.
        flags = os.O_CREAT | (os.O_TRUNC if grown is None else 0)
        self._file = open(  # noqa: SIM115 - closed by `close`
            folder / name, "r+b", opener=lambda path, mode: private(path, mode | flags)
        )
        if grown is not None:
            self._take_up(grown)

    def add(self, message: StoredMessage, record: bytes) -> None:
        """Add a message as its record."""
        self._file.write(record)
        self._hash.update(record)
        self._first = self._first or message.sequence
        self._last = message.sequence
        self._messages += 1
        self.size_bytes += len(record)

    def end(self) -> mf.Segment:
        """Have it on disk, and return what it is."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return mf.Segment(
            self.name,
            self._first,
            self._last,
            self._messages,
            self.size_bytes,
            self._hash.hexdigest(),
            "",
        )

    def close(self) -> None:
        """Let it be, whatever became of it."""
        self._file.close()

    def _take_up(self, grown: mf.Segment) -> None:
        left = grown.bytes
        while left and (chunk := self._file.read(min(left, _CHUNK_BYTES))):
            self._hash.update(chunk)
            left -= len(chunk)
        if self._hash.hexdigest() != grown.sha256:
            self._file.close()
            raise DamagedBackupError(f"{grown.file} is not what was written: its hash differs")
        self._file.seek(grown.bytes)
        self._file.truncate()
        self._first, self._last = grown.first, grown.last
        self._messages, self.size_bytes = grown.messages, grown.bytes


class SegmentWriter:
    """Adds messages to a stream's segments: to the last one while it is small, then to new ones.

    What was there stays as it was, for a file only grows: until there is a manifest that says
    otherwise, the backup is the one before. The caller ends with `close`.
    """

    def __init__(self, folder: Path, stream: str, segments: Sequence[mf.Segment]) -> None:
        self._folder = folder
        self._stream = stream
        self._done = list(segments)
        self._open: _OpenSegment | None = None

    def add(self, message: StoredMessage) -> None:
        """Add a message above all before it. Raises DamagedBackupError, OSError."""
        record = record_of(message)
        if self._open is not None and self._open.size_bytes + len(record) > SEGMENT_BYTES_MAX:
            self._done.append(self._open.end())
            self._open = None
        if self._open is None:
            self._open = self._next(message.sequence, len(record))
        self._open.add(message, record)

    def finish(self) -> list[mf.Segment]:
        """Have all on disk, and return the segments as they are now, with their chain."""
        if self._open is not None:
            self._done.append(self._open.end())
            self._open = None
        return mf.chained(self._done)

    def close(self) -> None:
        """Let the files be; what was not finished does not count."""
        if self._open is not None:
            self._open.close()

    def _next(self, sequence: int, size_bytes: int) -> _OpenSegment:
        if self._done and self._done[-1].bytes + size_bytes <= SEGMENT_BYTES_MAX:
            last = self._done.pop()
            return _OpenSegment(self._folder, last.file, last)
        return _OpenSegment(self._folder, f"{self._stream}-{sequence:020}{_SUFFIX}")


def without(
    folder: Path, segment: mf.Segment, erased: Callable[[StoredMessage], bool]
) -> tuple[list[mf.Segment], int]:
    """A segment written anew, under another name, without the messages that are `erased`: it (none
    where nothing is left), and how many were left out. Raises DamagedBackupError, OSError."""
    messages = read_records(folder / segment.file, segment.bytes)
    count = sum(erased(message) for message in messages)
    if not count:
        return [segment], 0
    if count == segment.messages:
        return [], count
    stem, _, number = segment.file.removesuffix(_SUFFIX).partition("~")
    anew = _OpenSegment(folder, f"{stem}~{int(number or 0) + 1}{_SUFFIX}")
    try:
        for message in read_records(folder / segment.file, segment.bytes):
            if not erased(message):
                anew.add(message, record_of(message))
        return [anew.end()], count
    finally:
        anew.close()


def tidy(folder: Path, manifest: mf.Manifest) -> None:
    """Remove what does not count: files of runs that were broken off, or that were written anew,
    and what lies behind the end of those that count. Their bytes go first. Raises OSError."""
    sizes = {s.file: s.bytes for stream in manifest.streams for s in stream.segments}
    sizes |= {key.file: key.bytes for key in manifest.keys}
    for path in folder.iterdir():
        if not path.is_file() or path.name in {mf.MANIFEST, mf.LOCK}:
            continue
        size = sizes.get(path.name)
        with suppress(FileNotFoundError):
            if size is None:
                _overwrite(path, 0)
                path.unlink()
            elif path.stat().st_size > size:
                _overwrite(path, size)
                os.truncate(path, size)


def _overwrite(path: Path, begin: int) -> None:
    with path.open("r+b") as file:
        left = file.seek(0, os.SEEK_END) - begin
        file.seek(begin)
        while left > 0:
            left -= file.write(bytes(min(left, _CHUNK_BYTES)))
        file.flush()
        os.fsync(file.fileno())
