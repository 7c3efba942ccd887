"""Adding to a backup what is new: the streams' messages, the keys, and what the tables say.

Of a partition only what is above the last backup is read. That the log still is what the backup
holds is compared first: its last message, and how many messages there are. What was redacted since
is taken out of the segments that hold it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path

import msgspec

from roomlog.backup import manifest as mf
from roomlog.backup.records import message_hash, read_records
from roomlog.backup.segments import SegmentWriter, tidy, without
from roomlog.backup_ports import StoredMessage, StreamDescription, Streams
from roomlog.core.erasure import erasure_in
from roomlog.core.leaves import parts_of
from roomlog.core.times import rfc3339
from roomlog.files import sync, write_private

KEY_BYTES_MAX = 1024 * 1024

_LOOKED_AT = 4096
_RESTORE = "Restore it from this backup (`roomlog restore`)"

Advance = Callable[[int], None]
"""Called with how many more messages were handled."""


class ForkedLogError(Exception):
    """The log is not the continuation of what the backup holds. The backup stays as it was."""


class Witnesses(msgspec.Struct, frozen=True):
    """What the tables say of the log, where they are there to be asked."""

    projected: Sequence[mf.Projected] = ()
    trees: mf.Trees | None = None


class Made(msgspec.Struct, frozen=True):
    """What a run did. `added` messages are new; `taken_out` were redacted since the last run;
    `unexplained` were gone from the log without a redaction when they were to be copied, in all
    runs together; at least `lost` are gone from it that the backup has."""

    manifest: mf.Manifest
    added: int
    taken_out: int
    unexplained: int
    lost: int


async def make_backup(
    streams: Sequence[StreamDescription],
    source: Streams,
    folder: Path,
    *,
    before: mf.Manifest | None,
    keys: Path,
    witnesses: Witnesses,
    advance: Advance,
) -> Made:
    """Bring the backup in `folder`, of which `before` is the manifest, up to `streams` as they were
    described; `keys` is the folder of secrets, if it is there.

    Raises ForkedLogError, DamagedBackupError, LogUnavailableError, OSError; the backup is what it
    was then. The caller makes the folder, and sees to it that nobody else writes into it.
    """
    if before is not None:
        tidy(folder, before)
    run = _Run(source, folder, before, advance)
    backed = [await run.back_up(stream) for stream in streams]
    manifest = mf.Manifest(
        mf.FORMAT,
        0 if before is None else before.run + 1,
        rfc3339(datetime.now(UTC)),
        version("roomlog"),
        next((stream.epoch for stream in streams if stream.epoch), ""),
        backed,
        keep_keys(folder, keys),
        witnesses.projected,
        witnesses.trees,
    )
    sync(folder)
    mf.store(folder, manifest)
    tidy(folder, manifest)
    unexplained = sum(stream.unexplained for stream in backed)
    return Made(manifest, run.added, run.taken_out, unexplained, run.lost)


def keep_keys(folder: Path, keys: Path) -> list[mf.KeptFile]:
    """Copy the data directory's secrets, each under a name made of its content. Raises OSError."""
    kept: list[mf.KeptFile] = []
    for path in sorted(keys.glob("*")) if keys.is_dir() else ():
        if not path.is_file() or path.name.startswith(".") or path.stat().st_size > KEY_BYTES_MAX:
            continue
        content = path.read_bytes()
        hashed = sha256(content).hexdigest()
        name = f"{path.name}-{hashed[:16]}.key"
        write_private(folder / name, content)
        kept.append(mf.KeptFile(path.name, name, len(content), hashed))
    return kept


class Erased(msgspec.Struct, frozen=True):
    """What a redaction says: which message is gone, by its subject, sequence and envelope."""

    sequence: int
    envelope: bytes
    subject: bytes


def redaction_in(message: StoredMessage) -> Erased | None:
    """What a message erases from its stream; None where it is no redaction."""
    erasure = erasure_in(message.data)
    return None if erasure is None else Erased(*erasure, message.subject)


class _Copied:
    """What was read of a stream: how many messages, the last, the holes, and what is erased."""

    def __init__(self, after: int) -> None:
        self.messages = 0
        self.last: StoredMessage | None = None
        self.erased: dict[int, Erased] = {}
        self._place = after
        self._holes: list[tuple[int, int]] = []

    def take(self, message: StoredMessage) -> None:
        self.note_hole(message.sequence)
        self.note_redaction(message)
        self.messages += 1
        self.last = message

    def note_hole(self, up_to: int) -> None:
        """Whatever lies between the last message and sequence `up_to` is missing."""
        if up_to > self._place + 1:
            self._holes.append((self._place + 1, up_to - 1))
        self._place = up_to

    def note_redaction(self, message: StoredMessage) -> None:
        erased = redaction_in(message)
        if erased is not None:
            self.erased[erased.sequence] = erased

    @property
    def unexplained(self) -> int:
        """How many of the missing messages no redaction explains."""
        missing = sum(last - first + 1 for first, last in self._holes)
        return missing - sum(map(self._is_missing, self.erased))

    def _is_missing(self, sequence: int) -> bool:
        at = bisect_right(self._holes, sequence, key=itemgetter(0)) - 1
        return at >= 0 and sequence <= self._holes[at][1]

    def is_erased(self, message: StoredMessage) -> bool:
        """Whether a redaction tells of this very message."""
        erased = self.erased.get(message.sequence)
        return (
            erased is not None
            and erased.subject == message.subject
            and erased.envelope == parts_of(message.data).envelope
        )


class _Run:
    def __init__(
        self, source: Streams, folder: Path, before: mf.Manifest | None, advance: Advance
    ) -> None:
        self._source = source
        self._folder = folder
        self._before = before
        self._advance = advance
        self.added = 0
        self.taken_out = 0
        self.lost = 0

    async def back_up(self, stream: StreamDescription) -> mf.StreamBackup:
        """Bring one stream up to where it was described."""
        known = None if self._before is None else self._before.stream(stream.name)
        if stream.is_bucket:
            return await self._copy_bucket(stream)
        if known is None:
            known = mf.StreamBackup(stream.name, stream.config, stream.epoch, 0, 0, "", 0, ())
        else:
            await self._compare(stream, known)
        return await self._add(stream, known)

    async def _compare(self, stream: StreamDescription, known: mf.StreamBackup) -> None:
        """Whether the stream goes on where the backup ends. Raises ForkedLogError."""
        name, place = stream.name, known.position
        if stream.epoch != known.epoch:
            raise ForkedLogError(
                f"stream {name} has epoch {stream.epoch}, the backup {known.epoch}: it is another "
                "log. Back it up into another folder, and keep this one"
            )
        if stream.last_sequence < known.last_sequence:
            raise ForkedLogError(
                f"stream {name} ends at sequence {stream.last_sequence}, the backup at "
                f"{known.last_sequence}: the log has lost events. {_RESTORE}"
            )
        there = await self._source.message_at(name, place) if place else None
        expected = known.position_hash
        if there is None and place and not await self._was_redacted(name, place):
            # The log has lost its end, and not given the sequences away: what comes after is worth
            # keeping, once an event before tells that it is the same log.
            there, expected = await self._last_in_both(known)
            place = 0 if there is None else there.sequence
        if there is None and place == 0 and known.position:
            raise ForkedLogError(
                f"stream {name} has none of the last {_LOOKED_AT} events that the backup has. "
                f"{_RESTORE}"
            )
        if there is not None and message_hash(there) != expected:
            raise ForkedLogError(
                f"stream {name} has another event at sequence {place} than the backup: the log was "
                f"cut and written anew. {_RESTORE}, or back it up into another folder"
            )

    async def _last_in_both(self, known: mf.StreamBackup) -> tuple[StoredMessage | None, str]:
        """The last message of the backup that the log still has, and its hash in the backup."""
        last: deque[tuple[int, str]] = deque(maxlen=_LOOKED_AT)
        for segment in known.segments[-1:]:
            for message in read_records(self._folder / segment.file, segment.bytes):
                last.append((message.sequence, message_hash(message)))
        for sequence, hashed in reversed(last):
            there = await self._source.message_at(known.stream, sequence)
            if there is not None:
                return there, hashed
        return None, ""

    async def _was_redacted(self, stream: str, sequence: int) -> bool:
        async for batch in self._source.read(stream, after=sequence, up_to=None):
            for message in batch:
                erased = redaction_in(message)
                if erased is not None and erased.sequence == sequence:
                    return True
        return False

    async def _add(self, stream: StreamDescription, known: mf.StreamBackup) -> mf.StreamBackup:
        copied, segments = await self._copy(stream, known)
        copied.note_hole(stream.last_sequence + 1)
        if copied.unexplained:
            # Whoever erased an event has appended why before: a look to the log's end settles it.
            end = stream.last_sequence
            async for batch in self._source.read(stream.name, after=end, up_to=None):
                for message in batch:
                    copied.note_redaction(message)
        left: list[mf.Segment] = []
        for segment in segments:
            if any(segment.first <= sequence <= segment.last for sequence in copied.erased):
                rest, count = without(self._folder, segment, copied.is_erased)
                left += rest
                self.taken_out += count
            else:
                left.append(segment)
        self.added += copied.messages
        new = msgspec.structs.replace(
            known,
            config=stream.config,
            last_sequence=stream.last_sequence,
            unexplained=known.unexplained + copied.unexplained,
            segments=mf.chained(left),
        )
        if copied.last is not None:
            new = msgspec.structs.replace(
                new, position=copied.last.sequence, position_hash=message_hash(copied.last)
            )
        # What the backup holds the log must hold too: its own count tells. Whatever is new is worth
        # keeping all the same.
        self.lost += max(0, new.messages - stream.messages)
        return new

    async def _copy(
        self, stream: StreamDescription, known: mf.StreamBackup
    ) -> tuple[_Copied, Sequence[mf.Segment]]:
        writer = SegmentWriter(self._folder, stream.name, known.segments)
        copied = _Copied(known.last_sequence)
        after, up_to = known.last_sequence, stream.last_sequence
        try:
            async for batch in self._source.read(stream.name, after=after, up_to=up_to):
                for message in batch:
                    writer.add(message)
                    copied.take(message)
                self._advance(len(batch))
            return copied, writer.finish()
        finally:
            writer.close()

    async def _copy_bucket(self, stream: StreamDescription) -> mf.StreamBackup:
        """The newest values of a bucket, all of them each time: what stood there before is gone."""
        run = 0 if self._before is None else self._before.run + 1
        writer = SegmentWriter(self._folder, f"{stream.name}~{run}", ())
        position, position_hash = 0, ""
        try:
            # To its end: a value that is replaced meanwhile stands there anew.
            async for batch in self._source.read(stream.name, after=0, up_to=None):
                for message in batch:
                    writer.add(message)
                position, position_hash = batch[-1].sequence, message_hash(batch[-1])
            segments = writer.finish()
        finally:
            writer.close()
        end = max(stream.last_sequence, position)
        return mf.StreamBackup(
            *(stream.name, stream.config, "", end, position, position_hash, 0, segments)
        )
