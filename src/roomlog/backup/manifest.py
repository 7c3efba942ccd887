"""The manifest: which bytes of which files are the backup. It is replaced as a whole, so that a
backup that is broken off at any moment leaves the one before it as it was."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from roomlog.backup.records import DamagedBackupError
from roomlog.files import write_private

FORMAT = 1
MANIFEST = "manifest.json"
LOCK = "lock"
_HASH_CHUNK_BYTES = 1024 * 1024


class Segment(msgspec.Struct, frozen=True):
    """The first `bytes` of a file, with the messages from sequence `first` to `last`.

    `chain` is the SHA-256 of the chain of the segment before it (empty for the first) and of
    `sha256`, both in hex: it vouches for all segments up to here and for their order.
    """

    file: str
    first: int
    last: int
    messages: int
    bytes: int
    sha256: str
    chain: str


class StreamBackup(msgspec.Struct, frozen=True):
    """One stream, up to `last_sequence`.

    `position` is that of its last message, with the hash by which the stream is known again:
    also of one that was redacted since. `unexplained` counts the messages that were gone from it
    when they were to be copied, without a redaction that says why.
    """

    stream: str
    config: dict[str, Any]
    epoch: str
    last_sequence: int
    position: int
    position_hash: str
    unexplained: int
    segments: Sequence[Segment]

    @property
    def messages(self) -> int:
        """How many messages there are."""
        return sum(segment.messages for segment in self.segments)


class KeptFile(msgspec.Struct, frozen=True):
    """A file of the data directory's `secrets` called `name`, kept as `file`."""

    name: str
    file: str
    bytes: int
    sha256: str


class Projected(msgspec.Struct, frozen=True):
    """How far a partition's tables were, and the SHA-256 of the event there in hex."""

    partition: int
    epoch: str
    sequence: int
    event_hash: str | None


class Trees(msgspec.Struct, frozen=True):
    """The head of the tree over all rooms' heads, as of these sequences. `note` is the same as a
    signed checkpoint, null where nothing is signed."""

    epoch: str
    sequences: Sequence[int]
    size: int
    root: str
    note: str | None


class Manifest(msgspec.Struct, frozen=True):
    """A backup, as run number `run` left it. `projected` and `trees` are what PostgreSQL told,
    empty and null without it."""

    format: int
    run: int
    made_at: str
    roomlog: str
    epoch: str
    streams: Sequence[StreamBackup]
    keys: Sequence[KeptFile]
    projected: Sequence[Projected]
    trees: Trees | None

    def stream(self, name: str) -> StreamBackup | None:
        """The stream of that name, if it is there."""
        return next((one for one in self.streams if one.stream == name), None)


class _Written(msgspec.Struct, frozen=True):
    sha256: str
    manifest: msgspec.Raw


def load(folder: Path) -> Manifest | None:
    """The manifest in a folder, None where there is none. Raises DamagedBackupError, OSError."""
    path = folder / MANIFEST
    try:
        written = msgspec.json.decode(path.read_bytes(), type=_Written)
        if sha256(written.manifest).hexdigest() != written.sha256:
            raise DamagedBackupError(f"{path} is not what was written: its hash differs")
        manifest = msgspec.json.decode(written.manifest, type=Manifest)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedBackupError(f"{path} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise DamagedBackupError(f"{path} has format {manifest.format}: another roomlog made it")
    return manifest


def store(folder: Path, manifest: Manifest) -> None:
    """Make that manifest the folder's: from then on its files are the backup. Raises OSError."""
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    written = _Written(sha256(encoded).hexdigest(), msgspec.Raw(encoded))
    write_private(folder / MANIFEST, msgspec.json.encode(written) + b"\n")


def chained(segments: Sequence[Segment]) -> list[Segment]:
    """The same segments, with their chain."""
    linked: list[Segment] = []
    chain = ""
    for segment in segments:
        chain = sha256((chain + segment.sha256).encode()).hexdigest()
        linked.append(msgspec.structs.replace(segment, chain=chain))
    return linked


def hash_of(path: Path, size_bytes: int) -> str:
    """The SHA-256 of a file's first bytes, in hex. Raises DamagedBackupError, OSError."""
    hashed, left = sha256(), size_bytes
    try:
        with path.open("rb") as file:
            while left:
                chunk = file.read(min(left, _HASH_CHUNK_BYTES))
                if not chunk:
                    raise DamagedBackupError(f"{path} is cut off: {left} bytes are missing")
                hashed.update(chunk)
                left -= len(chunk)
    except FileNotFoundError:
        raise DamagedBackupError(f"{path} is missing") from None
    return hashed.hexdigest()
