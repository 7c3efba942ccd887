"""Whether the log still is the one that the tables were made from, at the place where they stand.

JetStream cuts off what it can't read at a log's end, says nothing, and gives the sequences away
again. The tables remember the last event that they took in.
"""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Protocol

from roomlog.core.erasure import erasure_in
from roomlog.ports import EventLog, LogEvent, ReadModel


class Partitions(Protocol):
    """What reads partitions."""

    def read_partition(
        self, partition: int, *, after: int, up_to: int | None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See EventLog.read_partition."""
        ...


async def event_at(log: Partitions, partition: int, sequence: int) -> LogEvent | None:
    """The event there; None where there is none, as at sequence 0. Raises LogUnavailableError."""
    if not sequence:
        return None
    async for batch in log.read_partition(partition, after=sequence - 1, up_to=sequence):
        for event in batch:
            return event
    return None


async def redacted_at(log: Partitions, partition: int, sequence: int) -> bool:
    """Whether a redaction later in the log explains that there is no event there: it may read all
    that comes after. Raises LogUnavailableError.
    """
    async for batch in log.read_partition(partition, after=sequence, up_to=None):
        for event in batch:
            erasure = erasure_in(event.data)
            if erasure is not None and erasure.sequence == sequence:
                return True
    return False


async def event_hash_at(log: Partitions, partition: int, sequence: int) -> bytes | None:
    """The SHA-256 of the event there; empty where there is none, None where it was redacted.

    Raises LogUnavailableError.
    """
    there = await event_at(log, partition, sequence)
    if there is not None:
        return sha256(there.data).digest()
    return None if await redacted_at(log, partition, sequence) else b""


async def discontinuity(log: EventLog, read_model: ReadModel) -> str | None:
    """Why the log is not the continuation of what the tables have seen; None where it is, and where
    the tables have seen nothing of this epoch.

    Raises LogUnavailableError, DatabaseUnavailableError.
    """
    for partition in range(log.partitions):
        checkpoint = await read_model.checkpoint(partition)
        state = await log.partition_state(partition)
        if checkpoint is None or not checkpoint.sequence or checkpoint.epoch != state.epoch:
            continue
        place = checkpoint.sequence
        if state.last_sequence < place:
            return (
                f"{state.stream} ends at sequence {state.last_sequence}, and the tables have seen "
                f"{place}: the log has lost events"
            )
        found = await event_hash_at(log, partition, place)
        if found == b"":
            return (
                f"{state.stream} has nothing at sequence {place}, which the tables have seen, and "
                "no redaction explains it: the log has lost events"
            )
        if None not in {found, checkpoint.event_hash} and found != checkpoint.event_hash:
            return (
                f"{state.stream} has another event at sequence {place} than the tables have seen: "
                "the log was cut and written anew"
            )
    return None
