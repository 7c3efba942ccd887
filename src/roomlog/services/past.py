"""Moments of a room's past, and the room as it stood then."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

from roomlog.core.room_state import decode_waypoint, encode_waypoint, evolve_stored
from roomlog.ports import (
    EventLog,
    LogUnavailableError,
    MessageQuery,
    ReadModel,
    RoomSnapshot,
    SnapshotStore,
)
from roomlog.services.progress import ProjectionProgress
from roomlog_contract.fold import RoomState

READ_AT_ONCE = 64
CHANGES_PER_WAYPOINT = 256

AsOf = int | datetime
"""A moment of a room: a sequence, or a time, which means the last event appended by then."""


async def place_of(
    log: EventLog,
    read_model: ReadModel,
    progress: ProjectionProgress,
    room_id: str,
    as_of: AsOf,
) -> int:
    """The sequence of the room's last event up to there, once the tables have it; 0 for none.

    A sending that was erased since counts, where a sequence is asked for: the tables have its
    tombstone, the log has nothing. When it was appended, nobody knows any more.

    Raises RefusedError: `invalid` for a sequence above the room's head, `projection_behind`.
    """
    if isinstance(as_of, datetime):
        then = await log.sequence_at(room_id, as_of)
        await progress.require(room_id, then)
        return then
    await progress.require(room_id, as_of, field="as_of")
    then = await log.last_sequence(room_id, up_to=as_of)
    if then < as_of:
        newest = await read_model.messages(MessageQuery(room_id, 1, before=as_of + 1))
        then = max(then, *(message.sequence_number for message in newest), 0)
    return then


async def room_as_of(
    log: EventLog, read_model: ReadModel, snapshots: SnapshotStore, room_id: str, then: int
) -> RoomState | None:
    """The room right after sequence `then`, which the tables have; None before there was one.

    The tables know which events changed it, the log what they said: few in a room of many
    messages, and these are not read. Whoever comes by every CHANGES_PER_WAYPOINT of them leaves
    a snapshot of the room there, so that the next one goes on from it, on whichever worker.
    Raises LogUnavailableError, DatabaseUnavailableError.
    """
    changes = await read_model.room_changes(room_id, up_to=then)
    done, state = await _from_waypoint(log, snapshots, room_id, changes)
    while done < len(changes):
        # Never beyond the next waypoint.
        left = CHANGES_PER_WAYPOINT - done % CHANGES_PER_WAYPOINT
        sequences = changes[done : done + min(READ_AT_ONCE, left)]
        found = await asyncio.gather(*(log.bytes_at(room_id, one) for one in sequences))
        for sequence, data in zip(sequences, found, strict=True):
            if data is None:
                raise LogUnavailableError(f"event {sequence} of room {room_id} is not in the log")
            state = evolve_stored(state, sequence, data)
        done += len(sequences)
        if not done % CHANGES_PER_WAYPOINT and state is not None:
            waypoint = RoomSnapshot(log.epoch, sequences[-1], encode_waypoint(state))
            with contextlib.suppress(LogUnavailableError):  # it only saves time
                await snapshots.put(_waypoint_key(room_id, sequences[-1]), waypoint)
    return state


async def _from_waypoint(
    log: EventLog, snapshots: SnapshotStore, room_id: str, changes: Sequence[int]
) -> tuple[int, RoomState | None]:
    """How many of the changes a waypoint stands for, the last there is, and the room there."""
    for done in range(
        len(changes) // CHANGES_PER_WAYPOINT * CHANGES_PER_WAYPOINT, 0, -CHANGES_PER_WAYPOINT
    ):
        sequence = changes[done - 1]
        found = await snapshots.get(_waypoint_key(room_id, sequence))
        if found is not None and (found.epoch, found.sequence) == (log.epoch, sequence):
            state = decode_waypoint(found.state)
            if state is not None:
                return done, state
    return 0, None


def _waypoint_key(room_id: str, sequence: int) -> str:
    return f"{room_id}.{sequence}"
