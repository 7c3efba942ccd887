"""Whether a log that was filled from a backup is what the backup says, message by message."""

from collections.abc import Callable
from pathlib import Path

from roomlog.backup import manifest as mf
from roomlog.backup.check import messages_of
from roomlog.backup.records import message_hash
from roomlog.backup_ports import StreamDescription, Streams


class NotRestoredError(Exception):
    """What was restored is not what the backup holds. The text names the first place."""


async def compare_stream(
    folder: Path,
    kept: mf.StreamBackup,
    found: StreamDescription | None,
    source: Streams,
    advance: Callable[[int], None],
) -> None:
    """Read a stream from its beginning to its end, and return where each message has the sequence,
    time, subject, headers and bytes that it had, none is missing and none too many.

    Raises NotRestoredError, DamagedBackupError, LogUnavailableError.
    """
    name = kept.stream
    if found is None:
        raise NotRestoredError(f"stream {name} is missing")
    if found.last_sequence != kept.last_sequence:
        raise NotRestoredError(
            f"stream {name} ends at {found.last_sequence}, in the backup at {kept.last_sequence}"
        )
    expected = messages_of(folder, kept)
    async for batch in source.read(name, after=0, up_to=None):
        for message in batch:
            for wanted in expected:
                if wanted.sequence >= message.sequence or not found.is_bucket:
                    break  # of a bucket, the backup may have values that were replaced meanwhile
            else:
                raise NotRestoredError(f"stream {name} has too much at {message.sequence}")
            if message_hash(message) != message_hash(wanted):
                raise NotRestoredError(
                    f"stream {name} has at sequence {message.sequence} another message than the "
                    f"backup at {wanted.sequence}"
                )
        advance(len(batch))
    missing = next(expected, None)
    if missing is not None:
        raise NotRestoredError(f"stream {name} lacks the message at {missing.sequence}")
