"""The form of a segment: messages of one stream, one record after the other.

    length        4 bytes, big-endian: of all that follows
    sequence      8 bytes, unsigned
    appended      8 bytes, signed: nanoseconds since the Unix epoch
    subject       2 bytes of length
    headers       4 bytes of length
    subject, headers, data: the bytes themselves; data up to the record's end

Sequences rise; one that is missing is a hole in the stream. A segment is vouched for as a whole, by
its SHA-256 in the manifest.
"""

import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from roomlog.backup_ports import StoredMessage

RECORD_BYTES_MAX = 16 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_HEAD = struct.Struct(">IQqHI")
_AFTER_LENGTH = _HEAD.size - 4


class DamagedBackupError(Exception):
    """A backup's files are not what its manifest says. The text names file and place."""


def record_of(message: StoredMessage) -> bytes:
    """A message as a record."""
    length = _AFTER_LENGTH + len(message.subject) + len(message.headers) + len(message.data)
    head = _HEAD.pack(
        length,
        message.sequence,
        message.appended_ns,
        len(message.subject),
        len(message.headers),
    )
    return b"".join((head, message.subject, message.headers, message.data))


def message_hash(message: StoredMessage) -> str:
    """The SHA-256 of all that a message is, in hex: tells it from any other."""
    return sha256(record_of(message)).hexdigest()


def read_records(path: Path, size_bytes: int) -> Iterator[StoredMessage]:
    """The messages in the first `size_bytes` of a segment, a megabyte or so in memory at a time.

    Raises DamagedBackupError where they are no whole records with rising sequences, OSError.
    """
    with path.open("rb") as file:
        yield from _records(file, path.name, size_bytes)


def _records(file: BinaryIO, name: str, size_bytes: int) -> Iterator[StoredMessage]:
    buffer, at, left, last = b"", 0, size_bytes, 0
    while left or at < len(buffer):
        length = int.from_bytes(buffer[at : at + 4], "big") if len(buffer) - at >= 4 else 0
        if not length or len(buffer) - at < 4 + length:
            more = file.read(min(max(_READ_BYTES, length), left))
            if not more or length > RECORD_BYTES_MAX:
                raise DamagedBackupError(f"{name} ends within a record, after sequence {last}")
            buffer, at, left = buffer[at:] + more, 0, left - len(more)
            continue
        message = _message(buffer, at, at + 4 + length)
        if message is None or message.sequence <= last:
            raise DamagedBackupError(f"{name} holds no record after sequence {last}")
        last, at = message.sequence, at + 4 + length
        yield message


def _message(buffer: bytes, begin: int, end: int) -> StoredMessage | None:
    if end - begin < _HEAD.size:
        return None
    _, sequence, appended_ns, subject, headers = _HEAD.unpack_from(buffer, begin)
    subject_at = begin + _HEAD.size
    headers_at = subject_at + subject
    data_at = headers_at + headers
    if data_at > end:
        return None
    return StoredMessage(
        sequence,
        appended_ns,
        buffer[subject_at:headers_at],
        buffer[headers_at:data_at],
        buffer[data_at:end],
    )
