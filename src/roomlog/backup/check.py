"""Whether a backup's files are what its manifest says, to the byte."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from roomlog.backup import manifest as mf
from roomlog.backup.records import DamagedBackupError, read_records
from roomlog.backup_ports import StoredMessage


def load_whole(folder: Path) -> mf.Manifest:
    """The manifest of the backup in `folder`. Raises DamagedBackupError, also where there is none,
    and OSError."""
    manifest = mf.load(folder)
    if manifest is None:
        raise DamagedBackupError(f"there is no backup in {folder}: it has no {mf.MANIFEST}")
    return manifest


def check_files(folder: Path, manifest: mf.Manifest, advance: Callable[[int], None]) -> None:
    """Return where each file is what was written, and the segments follow each other as they did.
    `advance` is told how many more bytes were read. Raises DamagedBackupError, OSError."""
    for stream in manifest.streams:
        segments = stream.segments
        if [one.chain for one in mf.chained(segments)] != [one.chain for one in segments]:
            raise DamagedBackupError(f"the segments of {stream.stream} are not those of one backup")
        last = 0
        for segment in segments:
            if segment.first <= last:
                raise DamagedBackupError(f"{segment.file} begins before the segment before it ends")
            last = segment.last
            _require(folder / segment.file, segment.bytes, segment.sha256)
            advance(segment.bytes)
        if last > stream.last_sequence:
            raise DamagedBackupError(f"{stream.stream} goes beyond its end {stream.last_sequence}")
    for key in manifest.keys:
        _require(folder / key.file, key.bytes, key.sha256)


def messages_of(folder: Path, stream: mf.StreamBackup) -> Iterator[StoredMessage]:
    """All messages of a stream, in order. Raises DamagedBackupError, OSError."""
    for segment in stream.segments:
        first = last = count = 0
        for message in read_records(folder / segment.file, segment.bytes):
            first, last, count = first or message.sequence, message.sequence, count + 1
            yield message
        if (first, last, count) != (segment.first, segment.last, segment.messages):
            raise DamagedBackupError(f"{segment.file} holds other messages than were written")


def key_of(folder: Path, key: mf.KeptFile) -> bytes:
    """The content of a kept file. Raises DamagedBackupError, OSError."""
    content = (folder / key.file).read_bytes()[: key.bytes]
    if sha256(content).hexdigest() != key.sha256:
        raise DamagedBackupError(f"{key.file} is not what was written: its hash differs")
    return content


def _require(path: Path, size_bytes: int, hashed: str) -> None:
    if mf.hash_of(path, size_bytes) != hashed:
        raise DamagedBackupError(f"{path} is not what was written: its hash differs")
