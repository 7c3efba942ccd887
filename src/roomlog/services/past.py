"""Moments of a room's past, and the room as it stood then."""

import asyncio
from datetime import datetime

from roomlog.core.room_state import evolve_stored
from roomlog.ports import EventLog, LogUnavailableError, ReadModel
from roomlog.services.progress import ProjectionProgress
from roomlog_contract.fold import RoomState

READ_AT_ONCE = 64

AsOf = int | datetime
"""A moment of a room: a sequence, or a time, which means the last event appended by then."""


async def place_of(log: EventLog, progress: ProjectionProgress, room_id: str, as_of: AsOf) -> int:
    """The sequence of the room's last event up to there, once the tables have it; 0 for none.

    Raises RefusedError: `invalid` for a sequence above the room's head, `projection_behind`.
    """
    if isinstance(as_of, datetime):
        then = await log.sequence_at(room_id, as_of)
    else:
        await progress.require(room_id, as_of, field="as_of")
        then = await log.last_sequence(room_id, up_to=as_of)
    await progress.require(room_id, then)
    return then


async def room_as_of(
    log: EventLog, read_model: ReadModel, room_id: str, then: int
) -> RoomState | None:
    """The room right after sequence `then`, which the tables have; None before there was one.

    The tables know which events changed it, the log what they said: few in a room of many
    messages, and these are not read. Raises LogUnavailableError, DatabaseUnavailableError.
    """
    state: RoomState | None = None
    changes = await read_model.room_changes(room_id, up_to=then)
    for begin in range(0, len(changes), READ_AT_ONCE):
        sequences = changes[begin : begin + READ_AT_ONCE]
        found = await asyncio.gather(*(log.event_at(room_id, one) for one in sequences))
        for sequence, event in zip(sequences, found, strict=True):
            if event is None:
                raise LogUnavailableError(f"event {sequence} of room {room_id} is not in the log")
            state = evolve_stored(state, sequence, event.data)
    return state
