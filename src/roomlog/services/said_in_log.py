"""What the log itself says that a message said."""

from roomlog.core.redaction import SaidSoFar
from roomlog.ports import EventLog


async def said_in_log(
    log: EventLog, room_id: str, message_id: str, *, after: int
) -> tuple[SaidSoFar, int]:
    """What a room's events above the sequence `after` say of one of its messages, to the log's
    end, and the sequence of the last of them (`after` where there is none).

    Memory grows with what was said of the message alone. Raises LogUnavailableError.
    """
    said, head = SaidSoFar(room_id, message_id), after
    async for batch in log.read(room_id, after=after):
        for event in batch:
            said.take(event.sequence, event.data)
        head = batch[-1].sequence
    return said, head
